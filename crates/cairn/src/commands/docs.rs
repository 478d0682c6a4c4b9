//! `cairn docs`, `cairn collections`, `cairn jobs`: what is in the catalog.

use std::fmt::Write as _;

use cairn_server::api::{Chunk, Collection, Document, DocumentStatus, Job};
use http::Method;
use serde_json::{Value, json};

use crate::cli::{DocsCommand, FilterArgs};
use crate::client::{Client, encode, read};
use crate::commands::ingest::outcome_word;
use crate::failure::Failure;
use crate::output::{Output, bytes, harmless};

pub(crate) async fn run(
    client: &Client,
    command: DocsCommand,
    collections: &[String],
    output: Output,
) -> Result<u8, Failure> {
    match command {
        DocsCommand::List {
            filter,
            deleted,
            limit,
        } => list(client, &filter, collections, deleted, limit, output).await,
        DocsCommand::Show { id, chunks } => show(client, &id, chunks, output).await,
        DocsCommand::Share { id, allow } => {
            let path = format!("/api/v1/docs/{}", encode(&id));
            let value = client
                .json(Method::PATCH, &path, Some(&json!({ "allow": allow })))
                .await?;
            if output.json {
                output.value(&value)?;
            } else {
                output.line(format!(
                    "{id} may now be read by {}",
                    if allow.is_empty() {
                        "the owner only".to_owned()
                    } else {
                        allow.join(", ")
                    }
                ))?;
            }
            Ok(0)
        }
        DocsCommand::Delete { ids } => {
            for id in &ids {
                let path = format!("/api/v1/docs/{}", encode(id));
                let value = client.json(Method::DELETE, &path, None).await?;
                if output.json {
                    output.value(&value)?;
                } else {
                    output.line(format!(
                        "deleted {id}; `cairn docs restore {id}` brings it back"
                    ))?;
                }
            }
            Ok(0)
        }
        DocsCommand::Restore { id } => {
            let path = format!("/api/v1/docs/{}/restore", encode(&id));
            let value = client.json(Method::POST, &path, None).await?;
            if output.json {
                output.value(&value)?;
            } else {
                output.line(format!("restored {id}"))?;
            }
            Ok(0)
        }
    }
}

async fn list(
    client: &Client,
    filter: &FilterArgs,
    collections: &[String],
    deleted: bool,
    limit: Option<usize>,
    output: Output,
) -> Result<u8, Failure> {
    let mut base = format!("/api/v1/docs?limit=200&deleted={deleted}");
    let pairs = [
        ("collection", collections),
        ("tag", &filter.tags),
        ("media_type", &filter.media_types),
    ];
    for (name, values) in pairs {
        for value in values {
            let _ = write!(base, "&{name}={}", encode(value));
        }
    }
    for (name, value) in [
        ("path", &filter.path),
        ("since", &filter.since),
        ("until", &filter.until),
    ] {
        if let Some(value) = value {
            let _ = write!(base, "&{name}={}", encode(value));
        }
    }
    let mut left = limit.unwrap_or(usize::MAX);
    let mut n_shown = 0;
    pages(client, &base, |page| {
        for document in items(&page, "documents").take(left) {
            n_shown += 1;
            if output.json {
                output.value(document)?;
            } else {
                output.line(row(&read(document.clone())?, output))?;
            }
        }
        left = limit.unwrap_or(usize::MAX).saturating_sub(n_shown);
        Ok(if left == 0 { Next::Stop } else { Next::GoOn })
    })
    .await?;
    if n_shown == 0 {
        output.note("no documents; `cairn ingest PATH` reads some");
    }
    Ok(0)
}

/// Whether the next page is wanted.
enum Next {
    GoOn,
    Stop,
}

/// Reads a list page by page; `path` has a query.
async fn pages(
    client: &Client,
    path: &str,
    mut on_page: impl FnMut(Value) -> Result<Next, Failure>,
) -> Result<(), Failure> {
    let mut this = path.to_owned();
    loop {
        let page = client.get(&this).await?;
        let cursor = page["next_cursor"].as_str().map(str::to_owned);
        match (on_page(page)?, cursor) {
            (Next::GoOn, Some(cursor)) => this = format!("{path}&cursor={}", encode(&cursor)),
            _ => return Ok(()),
        }
    }
}

/// The items of a page as they came, for `--json`.
fn items<'a>(page: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    page[name].as_array().into_iter().flatten()
}

/// All items of a list.
async fn all(client: &Client, path: &str, name: &str) -> Result<Vec<Value>, Failure> {
    let mut all = Vec::new();
    pages(client, path, |page| {
        all.extend(items(&page, name).cloned());
        Ok(Next::GoOn)
    })
    .await?;
    Ok(all)
}

fn readers(document: &Document) -> String {
    match document.allow.as_deref() {
        None => "those who were told".to_owned(),
        Some([]) => "the owner only".to_owned(),
        Some(names) => harmless(&names.join(", ")),
    }
}

fn row(document: &Document, output: Output) -> String {
    let mark = if document.deleted_at.is_none() {
        ""
    } else {
        "  (deleted)"
    };
    let partial = match document.status {
        DocumentStatus::Ok => String::new(),
        DocumentStatus::Partial => output.warn("  partial"),
    };
    let details = format!(
        "{:18}{}  v{}  {} chunks  {}  {}",
        "",
        harmless(&document.collection),
        document.version,
        document.chunks,
        document.media_type,
        harmless(&document.uri),
    );
    format!(
        "{}  {}{mark}{partial}\n{}",
        document.id,
        output.bold(&harmless(&document.title)),
        output.dim(&details)
    )
}

async fn show(client: &Client, id: &str, chunks: bool, output: Output) -> Result<u8, Failure> {
    let base = format!("/api/v1/docs/{}", encode(id));
    let mut value = client.get(&base).await?;
    let chunk_list = if chunks {
        all(client, &format!("{base}/chunks?limit=200"), "chunks").await?
    } else {
        Vec::new()
    };
    if output.json {
        if let (true, Some(object)) = (chunks, value.as_object_mut()) {
            object.insert("chunk_list".to_owned(), Value::Array(chunk_list));
        }
        output.value(&value)?;
        return Ok(0);
    }
    let document: Document = read(value)?;
    output.line(row(&document, output))?;
    output.line(format!(
        "  readable by {}; {}; modified {}; {:.1} % of its characters kept",
        readers(&document),
        bytes(document.size_bytes),
        document.modified_at.as_deref().unwrap_or("unknown"),
        document.coverage * 100.0,
    ))?;
    for warning in &document.report.warnings {
        let page = warning
            .page
            .map(|page| format!("page {page}: "))
            .unwrap_or_default();
        let reason = harmless(&warning.reason);
        output.line(output.warn(&format!("  {page}{reason}")))?;
    }
    for chunk in chunk_list {
        let chunk: Chunk = read(chunk)?;
        let page = chunk
            .page
            .map(|page| format!(", page {page}"))
            .unwrap_or_default();
        let details = format!(
            "{}  characters {}-{}{page}  {} tokens  {}",
            chunk.chunk_id,
            chunk.span.start,
            chunk.span.end,
            chunk.n_tokens,
            harmless(&chunk.heading_path),
        );
        output.line(format!("\n{}", output.dim(&details)))?;
        output.line(harmless(&chunk.text))?;
    }
    Ok(0)
}

pub(crate) async fn collections(client: &Client, output: Output) -> Result<u8, Failure> {
    let rows = all(client, "/api/v1/collections?limit=200", "collections").await?;
    if rows.is_empty() {
        output.note("no collections; `cairn ingest PATH --collection NAME` makes one");
    }
    for row in rows {
        if output.json {
            output.value(&row)?;
            continue;
        }
        let collection: Collection = read(row)?;
        output.line(format!(
            "{}  {} documents, {} chunks",
            output.bold(&harmless(&collection.name)),
            collection.documents,
            collection.chunks,
        ))?;
    }
    Ok(0)
}

pub(crate) async fn jobs(
    client: &Client,
    id: Option<String>,
    output: Output,
) -> Result<u8, Failure> {
    let jobs = match id {
        Some(id) => vec![client.get(&format!("/api/v1/jobs/{}", encode(&id))).await?],
        None => all(client, "/api/v1/jobs?limit=200", "jobs").await?,
    };
    if jobs.is_empty() {
        output.note("no jobs yet");
    }
    for value in jobs {
        if output.json {
            output.value(&value)?;
            continue;
        }
        let word = value["state"].as_str().unwrap_or_default().to_owned();
        let job: Job = read(value)?;
        output.line(format!(
            "{}  {}  {}  {}",
            job.id,
            output.bold(&word),
            job.created_at,
            harmless(job.message.as_deref().unwrap_or_default()),
        ))?;
        for item in job.items.unwrap_or_default() {
            output.line(format!(
                "    {}  {}  {}",
                outcome_word(item.outcome),
                harmless(&item.path),
                harmless(item.reason.as_deref().unwrap_or_default()),
            ))?;
        }
    }
    Ok(0)
}
