//! `cairn status` and `cairn index`: how the data folder is, and keeping its indexes.

use std::fmt::Write as _;

use http::Method;

use crate::cli::IndexCommand;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) async fn status(
    client: &Client,
    data_dir: &std::path::Path,
    output: Output,
) -> Result<u8, Failure> {
    let mut value = client.json(Method::GET, "/local/v1/status", None).await?;
    if let Some(object) = value.as_object_mut() {
        object.insert("data_dir".to_owned(), data_dir.display().to_string().into());
        object.insert("server_running".to_owned(), client.is_remote().into());
    }
    if output.json {
        output.value(&value)?;
        return Ok(0);
    }
    let mut text = String::new();
    let server = if client.is_remote() {
        "running"
    } else {
        "not running"
    };
    let _ = writeln!(
        text,
        "data folder  {} (server {server})",
        data_dir.display()
    );
    let _ = writeln!(
        text,
        "documents    {} in {} chunks, {} with vectors",
        value["documents"], value["chunks"], value["vectors"]
    );
    let model = value["model"].as_str().map_or_else(
        || output.warn("none: lexical only (`cairn models install` adds search by meaning)"),
        str::to_owned,
    );
    let _ = writeln!(text, "embedding    {model}");
    let chat = value["chat"].as_object().map_or_else(
        || {
            "none: answers are quotes from the documents (set `llm.base_url` for a language model)"
                .to_owned()
        },
        |chat| {
            let part = |name: &str| {
                chat.get(name)
                    .and_then(serde_json::Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            format!("{} {}", part("provider"), part("model"))
        },
    );
    let _ = writeln!(text, "answers by   {chat}");
    let _ = write!(
        text,
        "keys         {}, open jobs {}",
        value["keys"], value["open_jobs"]
    );
    output.line(text)?;
    Ok(0)
}

pub(crate) async fn index(
    client: &Client,
    command: IndexCommand,
    output: Output,
) -> Result<u8, Failure> {
    match command {
        IndexCommand::Fill => super::models::fill(client, output).await,
        IndexCommand::Rebuild => {
            let value = client
                .json(Method::POST, "/local/v1/index/rebuild", None)
                .await?;
            if output.json {
                output.value(&value)?;
            } else {
                output.line(format!(
                    "rebuilt: {} documents, {} chunks, {} vectors in {:.1} s",
                    value["documents"],
                    value["chunks"],
                    value["vectors"],
                    value["elapsed_ms"].as_f64().unwrap_or(0.0) / 1000.0,
                ))?;
            }
            Ok(0)
        }
    }
}
