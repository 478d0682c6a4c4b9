//! `cairn docs`, `cairn collections`, `cairn jobs`: what is in the catalog.

use std::fmt::Write as _;

use http::Method;
use serde_json::{Value, json};

use crate::cli::{DocsCommand, FilterArgs};
use crate::client::{Client, encode};
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
    let mut cursor: Option<String> = None;
    let mut n_shown = 0;
    loop {
        let path = cursor.as_ref().map_or_else(
            || base.clone(),
            |cursor| format!("{base}&cursor={}", encode(cursor)),
        );
        let page = client.json(Method::GET, &path, None).await?;
        for document in page["documents"]
            .as_array()
            .into_iter()
            .flatten()
            .take(left)
        {
            n_shown += 1;
            if output.json {
                output.value(document)?
            } else {
                output.line(row(document, output))?
            }
        }
        left = limit.unwrap_or(usize::MAX).saturating_sub(n_shown);
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() || left == 0 {
            break;
        }
    }
    if n_shown == 0 {
        output.note("no documents; `cairn ingest PATH` reads some");
    }
    Ok(0)
}

fn title(document: &Value) -> String {
    harmless(document["title"].as_str().unwrap_or_default())
}

fn readers(document: &Value) -> String {
    let names: Vec<String> = document["allow"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(harmless)
        .collect();
    if names.is_empty() {
        "the owner only".to_owned()
    } else {
        names.join(", ")
    }
}

fn row(document: &Value, output: Output) -> String {
    let mark = if document["deleted_at"].is_null() {
        ""
    } else {
        "  (deleted)"
    };
    let partial = if document["status"] == "partial" {
        output.warn("  partial")
    } else {
        String::new()
    };
    format!(
        "{}  {}{mark}{partial}\n{}",
        document["id"].as_str().unwrap_or_default(),
        output.bold(&title(document)),
        output.dim(&format!(
            "                  {}  v{}  {} chunks  {}  {}",
            document["collection"].as_str().unwrap_or_default(),
            document["version"],
            document["chunks"],
            document["media_type"].as_str().unwrap_or_default(),
            harmless(document["uri"].as_str().unwrap_or_default()),
        ))
    )
}

async fn show(client: &Client, id: &str, chunks: bool, output: Output) -> Result<u8, Failure> {
    let base = format!("/api/v1/docs/{}", encode(id));
    let mut document = client.json(Method::GET, &base, None).await?;
    let all = if chunks {
        all_chunks(client, &base).await?
    } else {
        Vec::new()
    };
    if output.json {
        if let (true, Some(object)) = (chunks, document.as_object_mut()) {
            object.insert("chunk_list".to_owned(), Value::Array(all));
        }
        output.value(&document)?;
        return Ok(0);
    }
    output.line(row(&document, output))?;
    output.line(format!(
        "  readable by {}; {}; modified {}; status {}",
        readers(&document),
        bytes(document["size_bytes"].as_u64().unwrap_or(0)),
        document["modified_at"].as_str().unwrap_or("unknown"),
        document["status"].as_str().unwrap_or_default(),
    ))?;
    for warning in document["report"]["warnings"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let page = warning["page"]
            .as_u64()
            .map(|page| format!("page {page}: "))
            .unwrap_or_default();
        let reason = harmless(warning["reason"].as_str().unwrap_or_default());
        output.line(output.warn(&format!("  {page}{reason}")))?;
    }
    for chunk in &all {
        let page = chunk["page"]
            .as_u64()
            .map(|page| format!(", page {page}"))
            .unwrap_or_default();
        let heading = harmless(chunk["heading_path"].as_str().unwrap_or_default());
        let details = format!(
            "{}  characters {}-{}{page}  {} tokens  {heading}",
            chunk["chunk_id"].as_str().unwrap_or_default(),
            chunk["span"]["start"],
            chunk["span"]["end"],
            chunk["n_tokens"],
        );
        output.line(format!("\n{}", output.dim(&details)))?;
        output.line(harmless(chunk["text"].as_str().unwrap_or_default()))?;
    }
    Ok(0)
}

/// Every chunk of a document, page by page.
async fn all_chunks(client: &Client, base: &str) -> Result<Vec<Value>, Failure> {
    let first = format!("{base}/chunks?limit=200");
    let (mut all, mut path) = (Vec::new(), first.clone());
    loop {
        let page = client.json(Method::GET, &path, None).await?;
        all.extend(page["chunks"].as_array().cloned().unwrap_or_default());
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("{first}&cursor={}", encode(cursor)),
            None => return Ok(all),
        }
    }
}

pub(crate) async fn collections(client: &Client, output: Output) -> Result<u8, Failure> {
    let value = client
        .json(Method::GET, "/api/v1/collections", None)
        .await?;
    let rows = value["collections"].as_array().cloned().unwrap_or_default();
    for row in &rows {
        if output.json {
            output.value(row)?;
        } else {
            output.line(format!(
                "{}  {} documents, {} chunks",
                output.bold(&harmless(row["name"].as_str().unwrap_or_default())),
                row["documents"],
                row["chunks"],
            ))?;
        }
    }
    if rows.is_empty() {
        output.note("no collections; `cairn ingest PATH --collection NAME` makes one");
    }
    Ok(0)
}

pub(crate) async fn jobs(
    client: &Client,
    id: Option<String>,
    output: Output,
) -> Result<u8, Failure> {
    let jobs = match id {
        Some(id) => vec![
            client
                .json(Method::GET, &format!("/api/v1/jobs/{}", encode(&id)), None)
                .await?,
        ],
        None => {
            let value = client.json(Method::GET, "/api/v1/jobs", None).await?;
            value["jobs"].as_array().cloned().unwrap_or_default()
        }
    };
    for job in &jobs {
        if output.json {
            output.value(job)?;
            continue;
        }
        output.line(format!(
            "{}  {}  {}  {}",
            job["id"].as_str().unwrap_or_default(),
            output.bold(job["state"].as_str().unwrap_or_default()),
            job["created_at"].as_str().unwrap_or_default(),
            harmless(job["message"].as_str().unwrap_or_default()),
        ))?;
        for item in job["items"].as_array().into_iter().flatten() {
            output.line(format!(
                "    {}  {}  {}",
                item["outcome"].as_str().unwrap_or_default(),
                harmless(item["path"].as_str().unwrap_or_default()),
                harmless(item["reason"].as_str().unwrap_or_default()),
            ))?;
        }
    }
    if jobs.is_empty() {
        output.note("no jobs yet");
    }
    Ok(0)
}
