//! `cairn ingest`: progress for a person, lines for a program, a summary with reasons.

use std::collections::BTreeMap;

use cairn_types::ErrorKind;
use http::Method;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::cli::IngestArgs;
use crate::client::Client;
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
    let base = std::env::current_dir().map_err(|error| {
        Failure::new(
            ErrorKind::NotFound,
            format!("the current folder cannot be read: {error}"),
        )
    })?;
    let request = json!({
        "patterns": args.paths,
        "base": base.to_string_lossy(),
        "collection": collection,
        "tags": args.tags,
        "allow": (!args.allow.is_empty()).then_some(args.allow),
        "sync": args.sync,
        "yes": args.yes,
        "dry_run": args.dry_run,
    });
    let mut run = Run::new(output, args.dry_run);
    let stream = client.lines(Method::POST, "/local/v1/ingest", Some(&request), |line| {
        run.on_line(line)
    });
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

struct Run {
    output: Output,
    dry_run: bool,
    bar: ProgressBar,
    n_chunks: u64,
    failures: Vec<String>,
    skipped: BTreeMap<String, u64>,
    summary: Option<Value>,
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
        let value: Value = serde_json::from_str(line).map_err(|error| {
            Failure::new(
                ErrorKind::Bug,
                format!("a line of the run cannot be read: {error}"),
            )
        })?;
        match value["event"].as_str() {
            Some("discovered") => self.bar.set_length(value["n_files"].as_u64().unwrap_or(0)),
            Some("embedded") => {
                self.n_chunks += value["n_chunks"].as_u64().unwrap_or(0);
                self.bar
                    .set_message(format!("{} chunks embedded", self.n_chunks));
            }
            Some("document") => {
                self.bar.inc(1);
                self.on_document(value)?;
            }
            Some("summary") => self.summary = Some(value),
            _ => {}
        }
        Ok(())
    }

    fn on_document(&mut self, mut value: Value) -> Result<(), Failure> {
        let path = harmless(value["path"].as_str().unwrap_or_default());
        let reason = harmless(value["reason"].as_str().unwrap_or_default());
        let outcome = value["outcome"].as_str().unwrap_or_default().to_owned();
        match outcome.as_str() {
            "failed" => self.failures.push(format!("{path}: {reason}")),
            "skipped" => *self.skipped.entry(reason.clone()).or_default() += 1,
            _ => {}
        }
        if self.output.json {
            if let Some(object) = value.as_object_mut() {
                object.remove("event");
            }
            return self.output.value(&value);
        }
        let is_news = !matches!(
            outcome.as_str(),
            "unchanged" | "added" | "updated" | "moved"
        );
        if !self.output.quiet && (is_news || self.dry_run || !reason.is_empty()) {
            let why = if reason.is_empty() {
                String::new()
            } else {
                format!(": {reason}")
            };
            let line = format!("{outcome:>9}  {path}{why}");
            self.bar.suspend(|| self.output.note(line));
        }
        Ok(())
    }

    fn finish(self) -> Result<u8, Failure> {
        let Some(summary) = self.summary else {
            return Err(
                Failure::new(ErrorKind::Unavailable, "the run ended without a summary")
                    .hint("run the same command again: finished files are skipped"),
            );
        };
        let error = summary
            .get("error")
            .filter(|error| !error.is_null())
            .cloned();
        if self.output.json {
            self.output.value(&summary)?;
        } else if !self.output.quiet || error.is_some() {
            let text = summary_text(&summary, self.dry_run, &self.skipped, &self.failures);
            self.output.line(text)?;
        }
        if let Some(error) = error {
            return Err(failure_of(&error));
        }
        let n_failed = summary["failed"].as_u64().unwrap_or(0);
        Ok(if n_failed > 0 { PARTIAL } else { 0 })
    }
}

fn failure_of(error: &Value) -> Failure {
    let code = error["code"].as_str().unwrap_or("internal");
    let kinds = [
        ErrorKind::InvalidInput,
        ErrorKind::NotFound,
        ErrorKind::Conflict,
        ErrorKind::Unavailable,
        ErrorKind::Corrupt,
    ];
    let kind = kinds
        .into_iter()
        .find(|kind| kind.code() == code)
        .unwrap_or(ErrorKind::Bug);
    let failure = Failure::new(kind, error["detail"].as_str().unwrap_or("the run failed"));
    match error["hint"].as_str() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn summary_text(
    summary: &Value,
    dry_run: bool,
    skipped: &BTreeMap<String, u64>,
    failures: &[String],
) -> String {
    let n = |name: &str| summary[name].as_u64().unwrap_or(0);
    let counts: Vec<String> = [
        "added",
        "updated",
        "moved",
        "unchanged",
        "failed",
        "skipped",
        "deleted",
    ]
    .iter()
    .map(|word| (word, n(word)))
    .filter(|(_, count)| *count > 0)
    .map(|(word, count)| format!("{count} {word}"))
    .collect();
    let what = if counts.is_empty() {
        "nothing to do".to_owned()
    } else {
        counts.join(", ")
    };
    let mut text = if dry_run {
        format!("would be: {what}")
    } else {
        what
    };
    if !dry_run {
        let seconds = summary["elapsed_ms"].as_f64().unwrap_or(0.0) / 1000.0;
        text += &format!(
            "\n{} chunks ({} embedded now, {} truncated), {} read in {seconds:.1} s",
            n("chunks"),
            n("embedded"),
            n("truncated"),
            bytes(n("bytes")),
        );
        if n("partial") > 0 {
            text += &format!(
                "\n{} read only in part: see `cairn docs show ID`",
                n("partial")
            );
        }
        if summary["lexical_only"].as_bool() == Some(true) {
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
