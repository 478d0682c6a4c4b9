//! `cairn search`: passages with their places and scores; `--explain` and `--why-not`.

use std::fmt::Write as _;

use http::Method;
use serde_json::{Value, json};

use crate::cli::{FilterArgs, SearchArgs};
use crate::client::Client;
use crate::failure::{Failure, PARTIAL};
use crate::output::{Output, harmless};

/// The filter part of a search or chat request.
pub(crate) fn filter_json(filter: &FilterArgs, collections: &[String]) -> Value {
    json!({
        "collections": collections,
        "tags": filter.tags,
        "media_types": filter.media_types,
        "path": filter.path,
        "since": filter.since,
        "until": filter.until,
    })
}

/// Joins two JSON objects; the second one wins.
pub(crate) fn merged(mut base: Value, more: Value) -> Value {
    if let (Some(base), Value::Object(more)) = (base.as_object_mut(), more) {
        base.extend(more);
    }
    base
}

pub(crate) async fn run(
    client: &Client,
    args: SearchArgs,
    collections: &[String],
    output: Output,
) -> Result<u8, Failure> {
    let request = merged(
        filter_json(&args.filter, collections),
        json!({ "query": args.query, "top_k": args.top_k, "mode": args.mode.word(), "explain": args.explain }),
    );
    if let Some(document) = &args.why_not {
        let request = merged(request, json!({ "document": document }));
        let value = client
            .json(Method::POST, "/api/v1/search/why-not", Some(&request))
            .await?;
        if output.json {
            output.value(&value)?;
        } else {
            output.line(why_not_text(&value))?;
        }
        return Ok(0);
    }
    let value = client
        .json(Method::POST, "/api/v1/search", Some(&request))
        .await?;
    let n_results = value["results"].as_array().map_or(0, Vec::len);
    if output.json {
        output.value(&value)?;
    } else {
        if value["lexical_only"].as_bool() == Some(true) {
            output
                .note(output.warn(
                    "lexical only: no embedding model is installed (`cairn models install`)",
                ));
        }
        if n_results == 0 {
            output.note("nothing found");
        }
        output.write(&results_text(&value, output))?;
        if args.explain {
            output.write(&explanation_text(&value, output))?;
        }
    }
    Ok(if n_results == 0 { PARTIAL } else { 0 })
}

/// `Title, page 3 (uri) [id]`.
pub(crate) fn place(value: &Value) -> String {
    let document = &value["document"];
    let title = harmless(document["title"].as_str().unwrap_or("untitled"));
    let page = value["page"]
        .as_u64()
        .map(|page| format!(", page {page}"))
        .unwrap_or_default();
    let uri = harmless(document["uri"].as_str().unwrap_or_default());
    format!("{title}{page}  {uri}")
}

fn results_text(value: &Value, output: Output) -> String {
    let mut text = String::new();
    for result in value["results"].as_array().into_iter().flatten() {
        let score = |name: &str| {
            result["scores"][name]
                .as_f64()
                .map_or_else(|| "-".to_owned(), |score| format!("{score:.3}"))
        };
        let _ = writeln!(
            text,
            "{} {}",
            output.bold(&format!("{:>2}.", result["rank"].as_u64().unwrap_or(0))),
            output.bold(&place(result))
        );
        let span = &result["span"];
        let details = format!(
            "    score {:.3} (dense {}, lexical {})  chunk {}  characters {}-{}",
            result["score"].as_f64().unwrap_or(0.0),
            score("dense"),
            score("lexical"),
            result["chunk_id"].as_str().unwrap_or_default(),
            span["start"],
            span["end"],
        );
        let _ = writeln!(text, "{}", output.dim(&details));
        let _ = writeln!(
            text,
            "{}\n",
            excerpt(result["text"].as_str().unwrap_or_default())
        );
    }
    text
}

/// The first lines of a passage, indented.
pub(crate) fn excerpt(text: &str) -> String {
    let text = harmless(text);
    let flat: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines = vec![String::from("   ")];
    let mut n_chars = 0;
    for word in flat.split(' ') {
        if n_chars > 400 {
            lines.last_mut().expect("never empty").push_str(" ...");
            break;
        }
        if lines.last().expect("never empty").chars().count() + word.chars().count() > 96 {
            lines.push(String::from("   "));
        }
        let line = lines.last_mut().expect("never empty");
        line.push(' ');
        line.push_str(word);
        n_chars += word.chars().count() + 1;
    }
    lines.join("\n")
}

fn explanation_text(value: &Value, output: Output) -> String {
    let explanation = &value["explanation"];
    let mut text = String::new();
    let _ = writeln!(text, "{}", output.bold("Explanation"));
    let _ = writeln!(text, "  readable documents: {}", explanation["n_readable"]);
    for filter in explanation["filters"].as_array().into_iter().flatten() {
        let condition = filter["condition"].as_str().unwrap_or_default();
        let _ = writeln!(text, "  filter {condition} removed {}", filter["n_removed"]);
    }
    let _ = writeln!(
        text,
        "  chunks searched: {}",
        explanation["n_allowed_chunks"]
    );
    for stage in explanation["stages"].as_array().into_iter().flatten() {
        let name = stage["name"].as_str().unwrap_or_default();
        let _ = writeln!(
            text,
            "  {}: {} candidates",
            output.bold(name),
            stage["n_candidates"]
        );
        for candidate in stage["candidates"].as_array().into_iter().flatten() {
            let _ = writeln!(
                text,
                "    {:>3}. {:>8.4}  {}  {}",
                candidate["rank"].as_u64().unwrap_or(0),
                candidate["score"].as_f64().unwrap_or(0.0),
                candidate["chunk_id"].as_str().unwrap_or_default(),
                harmless(candidate["title"].as_str().unwrap_or_default()),
            );
        }
    }
    let timing = value["timing_ms"].as_object().into_iter().flatten();
    let parts: Vec<String> = timing
        .map(|(stage, ms)| format!("{stage} {:.2}", ms.as_f64().unwrap_or(0.0)))
        .collect();
    let _ = writeln!(text, "  milliseconds: {}", parts.join(", "));
    text
}

fn why_not_text(value: &Value) -> String {
    let title = harmless(value["title"].as_str().unwrap_or_default());
    let id = value["document"].as_str().unwrap_or_default();
    let why = &value["reason"];
    let n = |name: &str| why[name].as_u64().unwrap_or(0);
    let f = |name: &str| {
        why[name]
            .as_f64()
            .map_or_else(|| "-".to_owned(), |number| format!("{number:.3}"))
    };
    let reason = match why["kind"].as_str().unwrap_or_default() {
        "found" => format!("it was found, at place {}", n("rank")),
        "deleted" => format!("it was deleted; `cairn docs restore {id}` brings it back"),
        "no_chunks" => "no text could be read from it".to_owned(),
        "not_indexed_yet" => "it is not in the index yet; try again in a moment".to_owned(),
        "filtered" => format!(
            "the filter `{}` leaves it out",
            why["condition"].as_str().unwrap_or_default()
        ),
        "no_match" => {
            let words: Vec<&str> = why["missing_words"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let words = if words.is_empty() {
                String::new()
            } else {
                format!("; it does not hold: {}", words.join(", "))
            };
            format!(
                "no part of it matches{words} (best cosine {})",
                f("best_dense")
            )
        }
        "outranked" => format!(
            "{} passages were better: its best one ({}) has score {} (dense {}, lexical {}), the last one shown has {}; \
             a larger `--top-k` would show it",
            n("rank").saturating_sub(1),
            why["chunk_id"].as_str().unwrap_or_default(),
            f("score"),
            f("dense"),
            f("lexical"),
            f("last_score"),
        ),
        other => other.to_owned(),
    };
    format!("{title} ({id}): {reason}")
}
