//! `cairn search`: passages with their places and scores; `--explain` and `--why-not`.

use std::fmt::Write as _;

use cairn_server::api::{
    DocumentRef, SearchReply, SearchRequest, TimingMs, WhyNotReason, WhyNotReply, WhyNotRequest,
};

use crate::cli::SearchArgs;
use crate::client::{Client, read};
use crate::failure::{Failure, PARTIAL};
use crate::output::{Output, harmless};

pub(crate) async fn run(
    client: &Client,
    args: SearchArgs,
    collections: &[String],
    output: Output,
) -> Result<u8, Failure> {
    let SearchArgs {
        query,
        top_k,
        mode,
        filter,
        explain,
        why_not,
    } = args;
    let request = SearchRequest {
        top_k,
        mode: mode.into(),
        collections: collections.to_vec(),
        tags: filter.tags,
        media_types: filter.media_types,
        path: filter.path,
        since: filter.since,
        until: filter.until,
        explain,
        ..SearchRequest::new(query)
    };
    if let Some(document) = why_not {
        let request = WhyNotRequest::new(request, document);
        let value = client.post("/api/v1/search/why-not", &request).await?;
        if output.json {
            output.value(&value)?;
        } else {
            output.line(why_not_text(&read(value)?))?;
        }
        return Ok(0);
    }
    let value = client.post("/api/v1/search", &request).await?;
    if output.json {
        output.value(&value)?;
    }
    let reply: SearchReply = read(value)?;
    if !output.json {
        if reply.lexical_only {
            let remark = "lexical only: no embedding model is installed (`cairn models install`)";
            output.note(output.warn(remark));
        }
        if reply.results.is_empty() {
            output.note("nothing found");
        }
        output.write(&results_text(&reply, output))?;
        output.write(&explanation_text(&reply, output))?;
    }
    Ok(if reply.results.is_empty() { PARTIAL } else { 0 })
}

/// `Title, page 3  uri`.
pub(crate) fn place(document: &DocumentRef, page: Option<u32>) -> String {
    let page = page
        .map(|page| format!(", page {page}"))
        .unwrap_or_default();
    format!(
        "{}{page}  {}",
        harmless(&document.title),
        harmless(&document.uri)
    )
}

fn results_text(reply: &SearchReply, output: Output) -> String {
    let mut text = String::new();
    for result in &reply.results {
        let head = format!(
            "{:>2}. {}",
            result.rank,
            place(&result.document, result.page)
        );
        let details = format!(
            "    score {:.3} (dense {}, lexical {})  chunk {}  characters {}-{}",
            result.score,
            number(result.scores.dense),
            number(result.scores.lexical),
            result.chunk_id,
            result.span.start,
            result.span.end,
        );
        let _ = writeln!(text, "{}\n{}", output.bold(&head), output.dim(&details));
        let _ = writeln!(text, "{}\n", excerpt(&result.text));
    }
    text
}

fn number(score: Option<f32>) -> String {
    score.map_or_else(|| "-".to_owned(), |score| format!("{score:.3}"))
}

/// The first lines of a passage, indented.
pub(crate) fn excerpt(text: &str) -> String {
    const INDENT: &str = "   ";
    let text = harmless(text);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::from(INDENT);
    let mut n_chars = 0;
    for word in text.split_whitespace() {
        if n_chars > 400 {
            line.push_str(" ...");
            break;
        }
        let length = word.chars().count();
        if line.chars().count() + length > 96 && line != INDENT {
            lines.push(std::mem::replace(&mut line, String::from(INDENT)));
        }
        line.push(' ');
        // A word without an end is no reason to fill the screen.
        line.extend(word.chars().take(400));
        n_chars += length + 1;
    }
    lines.push(line);
    lines.join("\n")
}

fn explanation_text(reply: &SearchReply, output: Output) -> String {
    let mut text = String::new();
    let Some(explanation) = &reply.explanation else {
        return text;
    };
    let _ = writeln!(text, "{}", output.bold("Explanation"));
    let _ = writeln!(text, "  readable documents: {}", explanation.n_readable);
    for filter in &explanation.filters {
        let _ = writeln!(
            text,
            "  filter {} removed {}",
            filter.condition, filter.n_removed
        );
    }
    let _ = writeln!(text, "  chunks searched: {}", explanation.n_allowed_chunks);
    for stage in &explanation.stages {
        let name = output.bold(&stage.name);
        let _ = writeln!(text, "  {name}: {} candidates", stage.n_candidates);
        for candidate in &stage.candidates {
            let _ = writeln!(
                text,
                "    {:>3}. {:>8.4}  {}  {}",
                candidate.rank,
                candidate.score,
                candidate.chunk_id,
                harmless(&candidate.title),
            );
        }
    }
    let TimingMs {
        plan,
        embed,
        dense,
        lexical,
        fuse,
        hydrate,
        total,
    } = reply.timing_ms;
    let _ = writeln!(
        text,
        "  milliseconds: plan {plan:.2}, embed {embed:.2}, dense {dense:.2}, lexical {lexical:.2}, fuse {fuse:.2}, \
         hydrate {hydrate:.2}, total {total:.2}"
    );
    text
}

fn why_not_text(reply: &WhyNotReply) -> String {
    let id = &reply.document;
    let reason = match &reply.reason {
        WhyNotReason::Found { rank } => format!("it was found, at place {rank}"),
        WhyNotReason::Deleted => {
            format!("it was deleted; `cairn docs restore {id}` brings it back")
        }
        WhyNotReason::NoChunks => "no text could be read from it".to_owned(),
        WhyNotReason::NotIndexedYet => {
            "it is not in the index yet; try again in a moment".to_owned()
        }
        WhyNotReason::Filtered { condition } => {
            format!("the filter `{condition}` leaves it out")
        }
        WhyNotReason::NoMatch {
            missing_words,
            best_dense,
        } => {
            let words = if missing_words.is_empty() {
                String::new()
            } else {
                format!(
                    "; it does not hold: {}",
                    harmless(&missing_words.join(", "))
                )
            };
            format!(
                "no part of it matches{words} (best cosine {})",
                number(*best_dense)
            )
        }
        WhyNotReason::Outranked {
            rank,
            chunk_id,
            score,
            dense,
            lexical,
            last_score,
        } => format!(
            "{} passages were better: its best one ({chunk_id}) has score {score:.3} (dense {}, lexical {}), the last one \
             shown has {last_score:.3}; a larger `--top-k` would show it",
            rank.saturating_sub(1),
            number(*dense),
            number(*lexical),
        ),
    };
    format!("{} ({id}): {reason}", harmless(&reply.title))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_are_shortened_to_a_few_lines() {
        assert_eq!(excerpt(" a\n\nb\tc "), "    a b c");
        let long = excerpt(&"word ".repeat(500));
        assert!(long.lines().count() < 8 && long.ends_with(" ..."), "{long}");
        assert!(
            long.lines().all(|line| line.chars().count() <= 101),
            "{long}"
        );
        assert!(excerpt(&"x".repeat(100_000)).len() < 500);
        assert_eq!(excerpt(""), "   ");
    }
}
