//! `cairn ingest`: progress for a person, lines for a program, a summary with reasons.

use std::collections::BTreeMap;

use cairn_server::api::{
    IngestDocument, IngestEvent, IngestRequest, IngestSummary, Outcome, WebIngestRequest, Within,
};
use cairn_types::ErrorKind;
use cairn_web::is_web_address;
use http::Method;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use crate::cli::IngestArgs;
use crate::client::{Client, failed, read_line, to_json};
use crate::failure::{Failure, PARTIAL};
use crate::output::{Output, bytes, harmless};

/// Reasons that are listed in the summary; `--json` has all of them.
const REASONS_SHOWN: usize = 20;

pub(crate) async fn run(
    client: &Client,
    args: IngestArgs,
    collection: &str,
    output: Output,
) -> Result<u8, Failure> {
    let (path, request) = request(&args, collection)?;
    let mut run = Run::new(output, args.dry_run);
    let stream = client.lines(Method::POST, path, Some(&request), |line| run.on_line(line));
    let result = tokio::select! {
        result = stream => result,
        // Dropping the request stops the run after the documents in work; what was published is kept.
        _ = tokio::signal::ctrl_c() => {
            Err(Failure::interrupted("stopped; documents published so far are kept")
                .hint("run the same command again: finished files are skipped"))
        }
    };
    run.bar.finish_and_clear();
    result?;
    run.finish()
}

/// The route that reads what was named, and its request.
fn request(args: &IngestArgs, collection: &str) -> Result<(&'static str, Value), Failure> {
    let n_addresses = args
        .paths
        .iter()
        .filter(|path| is_web_address(path))
        .count();
    let has_web_flags = args.depth.is_some() || args.max_pages.is_some() || args.whole_host;
    let wrong = |message: &str| Err(Failure::new(ErrorKind::InvalidInput, message.to_owned()));
    if n_addresses > 0 && n_addresses < args.paths.len() {
        return wrong("files and web pages cannot be read in one run: name one or the other");
    }
    if n_addresses == 0 && has_web_flags {
        return wrong("`--depth`, `--max-pages` and `--whole-host` are for web pages");
    }
    let tags = args.tags.iter().cloned().collect();
    let allow = (!args.allow.is_empty()).then(|| args.allow.clone());
    if n_addresses > 0 {
        let request = WebIngestRequest {
            depth: args.depth.unwrap_or(0),
            max_pages: args.max_pages,
            within: if args.whole_host {
                Within::Host
            } else {
                Within::Folder
            },
            collection: collection.to_owned(),
            tags,
            allow,
            sync: args.sync,
            yes: args.yes,
            dry_run: args.dry_run,
            ..WebIngestRequest::new(args.paths.clone())
        };
        return Ok(("/api/v1/ingest", to_json(&request)?));
    }
    let base = std::env::current_dir().map_err(|error| {
        Failure::new(
            ErrorKind::NotFound,
            format!("the current folder cannot be read: {error}"),
        )
    })?;
    let request = IngestRequest {
        collection: collection.to_owned(),
        tags,
        allow,
        sync: args.sync,
        yes: args.yes,
        dry_run: args.dry_run,
        ..IngestRequest::new(args.paths.clone(), base.to_string_lossy())
    };
    Ok(("/local/v1/ingest", to_json(&request)?))
}

struct Run {
    output: Output,
    dry_run: bool,
    bar: ProgressBar,
    n_chunks: u64,
    failures: Vec<String>,
    skipped: BTreeMap<String, u64>,
    /// The line as it came, and what it says.
    summary: Option<(String, IngestSummary)>,
}

impl Run {
    fn new(output: Output, dry_run: bool) -> Self {
        let bar = ProgressBar::no_length();
        if output.json || output.quiet {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template(
            "{bar:30} {pos}/{len} documents  {elapsed} elapsed, {eta} left  {wide_msg}",
        ) {
            bar.set_style(style);
        }
        Self {
            output,
            dry_run,
            bar,
            n_chunks: 0,
            failures: Vec::new(),
            skipped: BTreeMap::new(),
            summary: None,
        }
    }

    fn on_line(&mut self, line: &str) -> Result<(), Failure> {
        match read_line(line)? {
            IngestEvent::Discovered { n_files, .. } => self.bar.set_length(n_files),
            IngestEvent::Embedded { n_chunks } => {
                self.n_chunks += n_chunks;
                self.bar
                    .set_message(format!("{} chunks embedded", self.n_chunks));
            }
            IngestEvent::Document(document) => {
                self.bar.inc(1);
                if self.output.json {
                    // Without the word that tells it from other lines of the stream: documents are what is printed.
                    self.output.value(&to_json(&document)?)?;
                }
                self.on_document(&document);
            }
            IngestEvent::Summary(summary) => self.summary = Some((line.to_owned(), *summary)),
        }
        Ok(())
    }

    fn on_document(&mut self, document: &IngestDocument) {
        let path = harmless(&document.path);
        let reason = harmless(document.reason.as_deref().unwrap_or_default());
        match document.outcome {
            Outcome::Failed => self.failures.push(format!("{path}: {reason}")),
            Outcome::Skipped => *self.skipped.entry(reason.clone()).or_default() += 1,
            _ => {}
        }
        let is_news = matches!(document.outcome, Outcome::Failed | Outcome::Skipped);
        if is_news || self.dry_run || !reason.is_empty() {
            let why = if reason.is_empty() {
                String::new()
            } else {
                format!(": {reason}")
            };
            let line = format!("{:>9}  {path}{why}", outcome_word(document.outcome));
            self.bar.suspend(|| self.output.note(line));
        }
    }

    fn finish(self) -> Result<u8, Failure> {
        let Some((line, summary)) = self.summary else {
            return Err(
                Failure::new(ErrorKind::Unavailable, "the run ended without a summary")
                    .hint("run the same command again: finished files are skipped"),
            );
        };
        if self.output.json {
            self.output.line(line)?;
        } else if !self.output.quiet || summary.error.is_some() {
            let text = summary_text(&summary, &self.skipped, &self.failures);
            self.output.line(text)?;
        }
        match summary.error {
            Some(error) => Err(failed(error)),
            None if summary.failed > 0 => Ok(PARTIAL),
            None => Ok(0),
        }
    }
}

/// An outcome as `--json` has it.
pub(crate) const fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pending => "pending",
        Outcome::Added => "added",
        Outcome::Updated => "updated",
        Outcome::Moved => "moved",
        Outcome::Unchanged => "unchanged",
        Outcome::Failed => "failed",
        Outcome::Skipped => "skipped",
    }
}

fn summary_text(
    summary: &IngestSummary,
    skipped: &BTreeMap<String, u64>,
    failures: &[String],
) -> String {
    let counts: Vec<String> = [
        ("added", summary.added),
        ("updated", summary.updated),
        ("moved", summary.moved),
        ("unchanged", summary.unchanged),
        ("failed", summary.failed),
        ("skipped", summary.skipped),
        ("deleted", summary.deleted),
    ]
    .iter()
    .filter(|(_, count)| *count > 0)
    .map(|(word, count)| format!("{count} {word}"))
    .collect();
    let what = if counts.is_empty() {
        "nothing to do".to_owned()
    } else {
        counts.join(", ")
    };
    let mut text = if summary.dry_run {
        format!("would be: {what}")
    } else {
        what
    };
    if !summary.dry_run {
        text += &format!(
            "\n{} chunks ({} embedded now, {} truncated), {} read in {:.1} s",
            summary.chunks,
            summary.embedded,
            summary.truncated,
            bytes(summary.bytes),
            summary.elapsed_ms / 1000.0,
        );
        if summary.partial > 0 {
            text += &format!(
                "\n{} read only in part: `cairn docs list --partial` names them, `cairn docs report ID` says what is missing",
                summary.partial
            );
        }
        if summary.lexical_only {
            text += "\nlexical only: no embedding model is installed; `cairn models install` adds search by meaning";
        }
    }
    for (reason, count) in skipped.iter().take(REASONS_SHOWN) {
        text += &format!("\nskipped {count}: {reason}");
    }
    for failure in failures.iter().take(REASONS_SHOWN) {
        text += &format!("\nfailed: {failure}");
    }
    if failures.len() > REASONS_SHOWN {
        text += &format!(
            "\n... and {} more; `--json` lists all",
            failures.len() - REASONS_SHOWN
        );
    }
    text
}
