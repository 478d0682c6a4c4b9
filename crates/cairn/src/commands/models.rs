//! `cairn models`: installing, listing and pulling embedding models.

use std::path::{Path, PathBuf};

use cairn_models::{KNOWN_MODELS, KnownModel};
use cairn_types::ErrorKind;
use http::Method;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::cli::ModelsCommand;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, bytes, harmless};

/// The hub that models are pulled from; `HF_ENDPOINT` names a mirror, as its own tools have it.
const HUB: &str = "https://huggingface.co";

pub(crate) async fn run(
    client: &Client,
    command: ModelsCommand,
    hub: Option<String>,
    output: Output,
) -> Result<u8, Failure> {
    match command {
        ModelsCommand::Install { from: Some(from) } => install(client, &from, output).await,
        ModelsCommand::Install { from: None } => {
            pull(client, KNOWN_MODELS[0].name, hub, output).await
        }
        ModelsCommand::Pull { name } => pull(client, &name, hub, output).await,
        ModelsCommand::List => list(client, output).await,
    }
}

async fn install(client: &Client, from: &Path, output: Output) -> Result<u8, Failure> {
    let path = std::path::absolute(from).map_err(|error| {
        Failure::new(
            ErrorKind::InvalidInput,
            format!("`{}`: {error}", from.display()),
        )
    })?;
    output.note("installing and checking the model ...");
    let request = json!({ "path": path.to_string_lossy() });
    let value = client
        .json(Method::POST, "/local/v1/models/install", Some(&request))
        .await?;
    if output.json {
        output.value(&value)?;
    } else {
        output.line(format!("installed {}", row(&value, output)))?;
    }
    fill(client, output).await
}

/// Embeds what was ingested before there was a model.
pub(crate) async fn fill(client: &Client, output: Output) -> Result<u8, Failure> {
    let bar = ProgressBar::new_spinner();
    if output.json || output.quiet {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let mut last = Value::Null;
    client
        .lines(Method::POST, "/local/v1/vectors/fill", None, |line| {
            let value: Value = serde_json::from_str(line).unwrap_or(Value::Null);
            if value["event"] == "progress" {
                bar.set_message(format!("{} chunks embedded", value["n_embedded"]));
                bar.tick();
            } else {
                last = value;
            }
            Ok(())
        })
        .await?;
    bar.finish_and_clear();
    if let Some(detail) = last["error"]["detail"].as_str() {
        return Err(Failure::new(ErrorKind::Unavailable, detail));
    }
    let n_embedded = last["embedded"].as_u64().unwrap_or(0);
    if output.json {
        output.value(&last)?;
    } else if n_embedded > 0 {
        output.note(format!("{n_embedded} chunks of known documents embedded"));
    }
    Ok(0)
}

async fn list(client: &Client, output: Output) -> Result<u8, Failure> {
    let value = client.json(Method::GET, "/local/v1/models", None).await?;
    for model in value["models"].as_array().into_iter().flatten() {
        if output.json {
            output.value(model)?
        } else {
            output.line(row(model, output))?
        }
    }
    Ok(0)
}

fn row(model: &Value, output: Output) -> String {
    let text = |name: &str| model[name].as_str().map(harmless);
    let state = match (model["installed"].as_bool(), model["active"].as_bool()) {
        (Some(true), Some(true)) => "installed, in use",
        (Some(true), _) => "installed",
        _ => "not installed (`cairn models pull`)",
    };
    let precision = text("precision")
        .map(|precision| format!(", {precision}"))
        .unwrap_or_default();
    let fault = text("fault")
        .map(|fault| output.warn(&format!("  {fault}")))
        .unwrap_or_default();
    format!(
        "{}  {} dimensions, {} tokens{precision}, {}  {state}{fault}",
        output.bold(&text("name").unwrap_or_default()),
        model["dim"],
        model["max_tokens"],
        bytes(model["size_bytes"].as_u64().unwrap_or(0)),
    )
}

async fn pull(
    client: &Client,
    name: &str,
    hub: Option<String>,
    output: Output,
) -> Result<u8, Failure> {
    let Some(model) = KnownModel::find(name) else {
        let known: Vec<&str> = KNOWN_MODELS.iter().map(|model| model.name).collect();
        return Err(
            Failure::new(ErrorKind::NotFound, format!("model `{name}` is not known"))
                .hint(format!("known models: {}", known.join(", "))),
        );
    };
    let hub = hub.unwrap_or_else(|| HUB.to_owned());
    let folder = tempfile::tempdir().map_err(|error| {
        Failure::new(
            ErrorKind::Unavailable,
            format!("no temporary folder can be made: {error}"),
        )
    })?;
    download(model, &hub, folder.path(), output).await?;
    install(client, folder.path(), output).await
}

async fn download(
    model: &KnownModel,
    hub: &str,
    folder: &Path,
    output: Output,
) -> Result<(), Failure> {
    let client = cairn_llm::download_client(hub)?;
    let bar = ProgressBar::new(model.size_bytes());
    if output.json || output.quiet {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes}  {eta} left  {wide_msg}")
    {
        bar.set_style(style);
    }
    for file in model.files() {
        bar.set_message(file.name);
        let url = format!("{}/{}", hub.trim_end_matches('/'), model.url_path(file));
        let gone = |reason: String| {
            Failure::new(
                ErrorKind::Unavailable,
                format!("`{url}` cannot be downloaded: {reason}"),
            )
            .hint("on a machine without a way out: `cairn models install --from FILE`")
        };
        let mut response = client
            .get(&url)
            .send()
            .await
            .map_err(|error| gone(error.without_url().to_string()))?;
        if !response.status().is_success() {
            return Err(gone(response.status().to_string()));
        }
        let path: PathBuf = folder.join(file.name);
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent).map_err(|error| gone(error.to_string()))?;
        }
        let mut target = tokio::fs::File::create(&path)
            .await
            .map_err(|error| gone(error.to_string()))?;
        let mut n_bytes = 0_u64;
        while let Some(part) = response
            .chunk()
            .await
            .map_err(|error| gone(error.without_url().to_string()))?
        {
            n_bytes += part.len() as u64;
            if n_bytes > file.size_bytes {
                return Err(gone(format!(
                    "it is larger than the {} bytes that are known",
                    file.size_bytes
                )));
            }
            target
                .write_all(&part)
                .await
                .map_err(|error| gone(error.to_string()))?;
            bar.inc(part.len() as u64);
        }
        target
            .flush()
            .await
            .map_err(|error| gone(error.to_string()))?;
    }
    bar.finish_and_clear();
    Ok(())
}
