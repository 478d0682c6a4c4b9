//! `cairn docs`, `cairn collections`, `cairn jobs`: what is in the catalog.

use std::fmt::Write as _;

use cairn_server::api::{Chunk, Collection, Document, DocumentStatus, Job, ParseWarning};
use http::Method;
use serde_json::{Value, json};

use crate::cli::{DocsCommand, FilterArgs};
use crate::client::{Client, encode, read};
use crate::commands::ingest::outcome_word;
use crate::commands::save::{IfThere, Saved, save};
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
            partial,
            limit,
        } => {
            let wanted = Wanted {
                filter: &filter,
                collections,
                deleted,
                partial,
                limit: limit.unwrap_or(usize::MAX),
            };
            list(client, &wanted, output).await
        }
        DocsCommand::Save {
            id,
            to,
            page,
            width,
            version,
            force,
        } => {
            let wanted = Saved {
                id: &id,
                to: &to,
                page: page.map(|page| (page, width)),
                version,
                if_there: if force {
                    IfThere::Overwrite
                } else {
                    IfThere::Keep
                },
            };
            save(client, &wanted, output).await
        }
        DocsCommand::Report { id } => report(client, &id, output).await,
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

/// Which documents are listed.
struct Wanted<'a> {
    filter: &'a FilterArgs,
    collections: &'a [String],
    deleted: bool,
    partial: bool,
    limit: usize,
}

async fn list(client: &Client, wanted: &Wanted<'_>, output: Output) -> Result<u8, Failure> {
    let Wanted {
        filter,
        collections,
        deleted,
        partial,
        limit,
    } = *wanted;
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
    let mut left = limit;
    let mut n_shown = 0;
    pages(client, &base, |page| {
        let is_wanted = |document: &&Value| !partial || document["status"] == "partial";
        for document in items(&page, "documents").filter(is_wanted).take(left) {
            n_shown += 1;
            if output.json {
                output.value(document)?;
            } else {
                output.line(row(&read(document.clone())?, output))?;
            }
        }
        left = limit.saturating_sub(n_shown);
        Ok(if left == 0 { Next::Stop } else { Next::GoOn })
    })
    .await?;
    if n_shown == 0 && partial {
        output.note("no document was read in part");
    } else if n_shown == 0 {
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
        "  readable by {}; {}; modified {}; {:.1} % of it was understood",
        readers(&document),
        bytes(document.size_bytes),
        document.modified_at.as_deref().unwrap_or("unknown"),
        document.coverage * 100.0,
    ))?;
    for warning in &document.report.warnings {
        output.line(format!("  {}", warning_line(warning, output)))?;
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
        output.line(output.dim(&made_of(&chunk)))?;
        output.line(harmless(&chunk.text))?;
    }
    Ok(0)
}

/// The kinds of a chunk's elements, each with its number: `heading, 3 paragraph, table (Sales)`.
fn made_of(chunk: &Chunk) -> String {
    let mut runs: Vec<(String, usize)> = Vec::new();
    for element in &chunk.elements {
        let label = element.label.as_deref().map(harmless);
        let name = match label {
            Some(label) => format!("{} ({label})", element.kind),
            None => element.kind.clone(),
        };
        match runs.last_mut() {
            Some((last, n)) if *last == name => *n += 1,
            _ => runs.push((name, 1)),
        }
    }
    let names = runs.into_iter().map(|(name, n)| match n {
        1 => name,
        n => format!("{n} {name}"),
    });
    names.collect::<Vec<_>>().join(", ")
}

/// What was read of a document, and what was not.
async fn report(client: &Client, id: &str, output: Output) -> Result<u8, Failure> {
    let value = client.get(&format!("/api/v1/docs/{}", encode(id))).await?;
    if output.json {
        let fields = [
            "id",
            "title",
            "uri",
            "version",
            "media_type",
            "status",
            "coverage",
            "report",
        ];
        let mut shown = serde_json::Map::new();
        for field in fields {
            shown.insert(field.to_owned(), value[field].clone());
        }
        output.value(&Value::Object(shown))?;
        return Ok(0);
    }
    let document: Document = read(value)?;
    output.write(&report_text(&document, output))?;
    Ok(0)
}

fn report_text(document: &Document, output: Output) -> String {
    let report = &document.report;
    let mut text = format!(
        "{}  {}\n",
        document.id,
        output.bold(&harmless(&document.title))
    );
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{}{value}", output.dim(&format!("  {name:11} ")));
    };
    line("type", document.media_type.clone());
    let percent = document.coverage * 100.0;
    line(
        "understood",
        match document.status {
            DocumentStatus::Ok => format!("{percent:.1} %"),
            DocumentStatus::Partial => output.warn(&format!(
                "{percent:.1} % of what could be seen; something is missing"
            )),
        },
    );
    if let Some(pages) = report.pages {
        line(
            "pages",
            with_failed(pages.into(), report.pages_failed.into()),
        );
    }
    line("elements", report.elements.to_string());
    if report.tables > 0 {
        let cells = with_failed(report.cells + report.cells_failed, report.cells_failed);
        line("tables", format!("{} with {cells} cells", report.tables));
    }
    if report.images > 0 {
        line("images", report.images.to_string());
    }
    if report.parts > 0 {
        line(
            "parts",
            with_failed(report.parts.into(), report.parts_failed.into()),
        );
    }
    let left_out = report
        .chars_seen
        .saturating_sub(report.chars_kept + report.chars_failed);
    line(
        "characters",
        format!(
            "{} seen: {} kept, {left_out} left out (repeated headers, navigation, hidden text), {} not read",
            report.chars_seen, report.chars_kept, report.chars_failed
        ),
    );
    if let Some(ocr) = &report.ocr {
        line(
            "recognised",
            format!(
                "{} pages, {} words, confidence {:.0} %",
                ocr.pages,
                ocr.words,
                ocr.confidence * 100.0
            ),
        );
    }
    line("chunks", document.chunks.to_string());
    if report.warnings.is_empty() {
        line("warnings", "none".to_owned());
    } else {
        line("warnings", report.warnings.len().to_string());
    }
    for warning in &report.warnings {
        let _ = writeln!(text, "    {}", warning_line(warning, output));
    }
    text
}

fn with_failed(n: u64, n_failed: u64) -> String {
    match n_failed {
        0 => n.to_string(),
        n_failed => format!("{n}, {n_failed} of them not read"),
    }
}

fn warning_line(warning: &ParseWarning, output: Output) -> String {
    let mut place = String::new();
    if let Some(part) = &warning.part {
        let _ = write!(place, "{}: ", harmless(part));
    }
    if let Some(page) = warning.page {
        let _ = write!(place, "page {page}: ");
    }
    let is_loss = !matches!(warning.code.as_str(), "hidden" | "cleaned");
    let line = format!("{place}{}", harmless(&warning.reason));
    let code = output.dim(&format!("[{}]", harmless(&warning.code)));
    if is_loss {
        format!("{} {code}", output.warn(&line))
    } else {
        format!("{line} {code}")
    }
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
