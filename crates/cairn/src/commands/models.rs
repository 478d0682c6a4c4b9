//! `cairn models`: installing, listing and pulling embedding models.

use std::path::{Path, PathBuf};

use cairn_models::{KNOWN_MODELS, KnownModel};
use cairn_server::api::{FillEvent, InstallModel, Model, ModelList};
use cairn_types::ErrorKind;
use http::Method;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::io::AsyncWriteExt as _;

use crate::cli::ModelsCommand;
use crate::client::{Client, failed, read, read_line};
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
        ModelsCommand::Install {
            from: Some(from),
            name,
        } => install(client, &from, name, output).await,
        ModelsCommand::Install { from: None, .. } => {
            pull(client, KNOWN_MODELS[0].name, hub, output).await
        }
        ModelsCommand::Pull { name } => pull(client, &name, hub, output).await,
        ModelsCommand::List => list(client, output).await,
    }
}

async fn install(
    client: &Client,
    from: &Path,
    name: Option<String>,
    output: Output,
) -> Result<u8, Failure> {
    let path = std::path::absolute(from).map_err(|error| {
        Failure::new(
            ErrorKind::InvalidInput,
            format!("`{}`: {error}", from.display()),
        )
    })?;
    output.note("installing and checking the model ...");
    let request = InstallModel {
        path: path.to_string_lossy().into_owned(),
        name,
    };
    let value = client.post("/local/v1/models/install", &request).await?;
    if output.json {
        output.value(&value)?;
    } else {
        let model: Model = read(value)?;
        output.line(format!("installed {}", row(&model, output)))?;
    }
    fill(client, output).await
}

/// Embeds what was ingested before there was a model.
pub(crate) async fn fill(client: &Client, output: Output) -> Result<u8, Failure> {
    let bar = ProgressBar::new_spinner();
    if output.json || output.quiet {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let mut last = None;
    client
        .lines(Method::POST, "/local/v1/vectors/fill", None, |line| {
            match read_line(line)? {
                FillEvent::Progress { n_embedded } => {
                    bar.set_message(format!("{n_embedded} chunks embedded"));
                    bar.tick();
                }
                FillEvent::Summary(summary) => last = Some((line.to_owned(), summary)),
            }
            Ok(())
        })
        .await?;
    bar.finish_and_clear();
    let Some((line, summary)) = last else {
        return Err(Failure::new(
            ErrorKind::Unavailable,
            "filling in vectors ended without a summary",
        )
        .hint("`cairn index fill` goes on"));
    };
    if output.json {
        output.line(line)?;
    } else if summary.embedded > 0 {
        let n_embedded = summary.embedded;
        output.note(format!("{n_embedded} chunks of known documents embedded"));
    }
    match summary.error {
        Some(error) => Err(failed(error)),
        None => Ok(0),
    }
}

async fn list(client: &Client, output: Output) -> Result<u8, Failure> {
    let value = client.get("/local/v1/models").await?;
    if output.json {
        for model in value["models"].as_array().into_iter().flatten() {
            output.value(model)?;
        }
        return Ok(0);
    }
    let list: ModelList = read(value)?;
    for model in &list.models {
        output.line(row(model, output))?;
    }
    Ok(0)
}

fn row(model: &Model, output: Output) -> String {
    let state = match (model.installed, model.active) {
        (true, true) => "installed, in use",
        (true, false) => "installed",
        (false, _) => "not installed (`cairn models pull`)",
    };
    let precision = model
        .precision
        .as_ref()
        .map(|precision| format!(", {precision}"))
        .unwrap_or_default();
    let fault = model
        .fault
        .as_ref()
        .map(|fault| output.warn(&format!("  {}", harmless(fault))))
        .unwrap_or_default();
    format!(
        "{}  {} dimensions, {} tokens{precision}, {}  {state}{fault}",
        output.bold(&harmless(&model.name)),
        model.dim,
        model.max_tokens,
        bytes(model.size_bytes),
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
    // Altered weights have no known hash: then the folder's name says what they were to be.
    let folder = folder.path().join(model.name);
    download(model, &hub, &folder, output).await?;
    install(client, &folder, None, output).await
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
