//! `cairn status` and `cairn index`: how the data folder is, and keeping its indexes.

use cairn_server::api::{IndexReply, Status};
use http::Method;

use crate::cli::IndexCommand;
use crate::client::{Client, read};
use crate::failure::Failure;
use crate::output::{Output, harmless};

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
    let status: Status = read(value)?;
    let server = if client.is_remote() {
        "running"
    } else {
        "not running"
    };
    let model = status.model.as_deref().map_or_else(
        || output.warn("none: lexical only (`cairn models install` adds search by meaning)"),
        harmless,
    );
    let chat = status.chat.as_ref().map_or_else(
        || {
            "none: answers are quotes from the documents (set `llm.base_url` for a language model)"
                .to_owned()
        },
        |chat| harmless(format!("{} {}", chat.provider, chat.model).trim()),
    );
    output.line(format!(
        "data folder  {} (server {server})\n\
         documents    {} in {} chunks, {} with vectors\n\
         embedding    {model}\n\
         answers by   {chat}\n\
         keys         {}, open jobs {}",
        data_dir.display(),
        status.documents,
        status.chunks,
        status.vectors,
        status.keys,
        status.open_jobs,
    ))?;
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
                let reply: IndexReply = read(value)?;
                output.line(format!(
                    "rebuilt: {} documents, {} chunks, {} vectors in {:.1} s",
                    reply.documents,
                    reply.chunks,
                    reply.vectors,
                    reply.elapsed_ms / 1000.0,
                ))?;
            }
            Ok(0)
        }
    }
}
