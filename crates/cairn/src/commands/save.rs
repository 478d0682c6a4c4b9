//! `cairn docs save`: the original of a document, or a picture of a page, to a file.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use cairn_types::ErrorKind;
use serde_json::json;

use crate::client::{Client, encode};
use crate::failure::Failure;
use crate::output::{Output, bytes};

/// What becomes of a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfThere {
    /// The command fails.
    Keep,
    /// It is replaced.
    Overwrite,
}

/// What is saved, and where.
pub(super) struct Saved<'a> {
    pub(super) id: &'a str,
    /// `-` is standard output.
    pub(super) to: &'a Path,
    /// Number and width of the page to draw.
    pub(super) page: Option<(u32, u32)>,
    pub(super) version: Option<u32>,
    pub(super) if_there: IfThere,
}

pub(super) async fn save(
    client: &Client,
    wanted: &Saved<'_>,
    output: Output,
) -> Result<u8, Failure> {
    let base = format!("/api/v1/docs/{}", encode(wanted.id));
    let mut path = match wanted.page {
        Some((page, width)) => format!("{base}/page-image?page={page}&width={width}"),
        None => format!("{base}/original?"),
    };
    if let Some(version) = wanted.version {
        path.push_str(&format!("&version={version}"));
    }
    if wanted.to == Path::new("-") {
        client
            .download(&path, |data| {
                let mut out = std::io::stdout().lock();
                out.write_all(data)
                    .and_then(|()| out.flush())
                    .map_err(|error| failed("standard output", &error))
            })
            .await?;
        return Ok(0);
    }
    let to = target(client, wanted, &base).await?;
    let folder = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Beside its place and renamed when whole: what was there stays until then.
    let mut file = tempfile::NamedTempFile::new_in(folder)
        .map_err(|error| failed(&folder.display().to_string(), &error))?;
    let shown = to.display().to_string();
    let n_bytes = client
        .download(&path, |data| {
            file.write_all(data).map_err(|error| failed(&shown, &error))
        })
        .await?;
    let persisted = match wanted.if_there {
        IfThere::Overwrite => file.persist(&to),
        IfThere::Keep => file.persist_noclobber(&to),
    };
    persisted.map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::new(ErrorKind::Conflict, format!("`{shown}` is there already"))
                .hint("name another file with `--to`, or overwrite it with `--force`")
        }
        _ => failed(&shown, &error.error),
    })?;
    if output.json {
        output.value(&json!({ "path": shown, "size_bytes": n_bytes }))?;
    } else {
        output.line(format!("saved {shown} ({})", bytes(n_bytes)))?;
    }
    Ok(0)
}

/// The file to write: in a folder, the document's own name.
async fn target(client: &Client, wanted: &Saved<'_>, base: &str) -> Result<PathBuf, Failure> {
    if !wanted.to.is_dir() {
        return Ok(wanted.to.to_owned());
    }
    let document = client.get(base).await?;
    let key = document["key"].as_str().unwrap_or_default();
    let name = key.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name
        .chars()
        .map(|c| if c.is_control() { '_' } else { c })
        .collect();
    let name = match name.as_str() {
        "" | "." | ".." => wanted.id.to_owned(),
        _ => name,
    };
    Ok(wanted.to.join(match wanted.page {
        Some((page, _)) => format!("{name}.page{page}.png"),
        None => name,
    }))
}

fn failed(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(
        ErrorKind::Unavailable,
        format!("`{what}` cannot be written: {error}"),
    )
}
