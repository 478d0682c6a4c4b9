//! `cairn ask` and `cairn chat`: answers with verified citations.

use std::fmt::Write as _;

use http::Method;
use serde_json::{Value, json};
use tokio::io::AsyncBufReadExt as _;

use crate::cli::{AskArgs, AskFlags};
use crate::client::Client;
use crate::commands::search::{excerpt, filter_json, merged, place};
use crate::failure::Failure;
use crate::output::{Output, harmless};

pub(crate) async fn ask(
    client: &Client,
    args: AskArgs,
    collections: &[String],
    output: Output,
) -> Result<u8, Failure> {
    answer(
        client,
        &[],
        &args.question,
        &args.flags,
        collections,
        output,
    )
    .await?;
    Ok(0)
}

/// Questions line by line until the end of input; earlier exchanges go along as history.
pub(crate) async fn chat(
    client: &Client,
    flags: AskFlags,
    collections: &[String],
    output: Output,
) -> Result<u8, Failure> {
    output.note("Ask a question; an empty line or Ctrl-D ends the conversation.");
    let mut lines = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    let mut history: Vec<Value> = Vec::new();
    loop {
        if !output.json && !output.quiet {
            output.write("\n> ")?;
        }
        let next = tokio::select! {
            line = lines.next_line() => line,
            _ = tokio::signal::ctrl_c() => return Ok(0),
        };
        let line = next.map_err(|error| {
            Failure::new(
                cairn_types::ErrorKind::InvalidInput,
                format!("the question cannot be read: {error}"),
            )
        })?;
        let Some(question) = line
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
        else {
            return Ok(0);
        };
        match answer(client, &history, &question, &flags, collections, output).await {
            Ok(text) => {
                history.push(json!({ "role": "user", "content": question }));
                history.push(json!({ "role": "assistant", "content": text }));
                // The server takes the last exchanges; older ones would only make requests larger.
                let surplus = history.len().saturating_sub(20);
                history.drain(..surplus);
            }
            Err(failure) if failure.exit_code == crate::failure::INTERRUPTED => {
                return Err(failure);
            }
            Err(failure) => crate::output::show_failure(&failure, output.json),
        }
    }
}

/// One answer, streamed to a person, whole to a program; returns its text.
async fn answer(
    client: &Client,
    history: &[Value],
    question: &str,
    flags: &AskFlags,
    collections: &[String],
    output: Output,
) -> Result<String, Failure> {
    let mut messages = history.to_vec();
    messages.push(json!({ "role": "user", "content": question }));
    let mode = if flags.extractive {
        "extractive"
    } else {
        "auto"
    };
    let request = merged(
        filter_json(&flags.filter, collections),
        json!({ "messages": messages, "mode": mode, "stream": !output.json }),
    );
    if output.json {
        let value = client
            .json(Method::POST, "/api/v1/chat", Some(&request))
            .await?;
        output.value(&value)?;
        return Ok(value["answer"].as_str().unwrap_or_default().to_owned());
    }
    let mut stream = Stream {
        output,
        event: String::new(),
        streamed: String::new(),
        last: None,
    };
    let reading = client.lines(Method::POST, "/api/v1/chat", Some(&request), |line| {
        stream.on_line(line)
    });
    tokio::select! {
        result = reading => result?,
        _ = tokio::signal::ctrl_c() => return Err(Failure::interrupted("stopped")),
    }
    let Some(last) = stream.last else {
        return Err(Failure::new(
            cairn_types::ErrorKind::Unavailable,
            "the answer broke off before its end",
        ));
    };
    let text = last["answer"].as_str().unwrap_or_default().to_owned();
    if stream.streamed.trim() != text.trim() {
        // The checked answer differs from what was streamed (an unverifiable citation was dropped): it counts.
        if !stream.streamed.is_empty() {
            output.line("\n")?;
        }
        output.write(&harmless(&text))?;
    }
    output.line("")?;
    output.write(&citations_text(&last, output))?;
    Ok(text)
}

/// Reads server-sent events (WHATWG HTML, 9.2): `event:` and `data:` lines.
struct Stream {
    output: Output,
    event: String,
    streamed: String,
    last: Option<Value>,
}

impl Stream {
    fn on_line(&mut self, line: &str) -> Result<(), Failure> {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Some(event) = line.strip_prefix("event:") {
            event.trim().clone_into(&mut self.event);
        } else if let Some(data) = line.strip_prefix("data:") {
            let value: Value = serde_json::from_str(data.trim()).unwrap_or(Value::Null);
            match self.event.as_str() {
                "message" => {
                    let delta = value["text"].as_str().unwrap_or_default();
                    self.streamed.push_str(delta);
                    self.output.write(&harmless(delta))?;
                }
                "final_answer" => self.last = Some(value),
                "error" => {
                    let message = value["detail"].as_str().or(value["message"].as_str());
                    let failure = Failure::new(
                        cairn_types::ErrorKind::Unavailable,
                        message.unwrap_or("the answer failed"),
                    );
                    return Err(match value["hint"].as_str() {
                        Some(hint) => failure.hint(hint),
                        None => failure,
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn citations_text(answer: &Value, output: Output) -> String {
    let mut text = String::new();
    for citation in answer["citations"].as_array().into_iter().flatten() {
        let span = &citation["span"];
        let mark = format!("[{}]", citation["n"].as_u64().unwrap_or(0));
        let _ = writeln!(
            text,
            "\n{} {}",
            output.bold(&mark),
            output.bold(&place(citation))
        );
        let version = &citation["document"]["version"];
        let details = format!(
            "    version {version}, characters {}-{}, verified",
            span["start"], span["end"]
        );
        let _ = writeln!(text, "{}", output.dim(&details));
        let _ = writeln!(
            text,
            "{}",
            excerpt(citation["quote"].as_str().unwrap_or_default())
        );
    }
    let dropped = answer["dropped"].as_array().map_or(0, Vec::len);
    if dropped > 0 {
        let remark = format!("\n{dropped} citations could not be verified and were dropped");
        let _ = writeln!(text, "{}", output.warn(&remark));
    }
    if answer["abstained"].as_bool() == Some(true) {
        let nearest = answer["nearest"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        if !nearest.is_empty() {
            let _ = writeln!(text, "\nNearest passages:");
        }
        for passage in nearest {
            let _ = writeln!(text, "  {}", output.bold(&place(passage)));
            let _ = writeln!(
                text,
                "{}",
                excerpt(passage["text"].as_str().unwrap_or_default())
            );
        }
    }
    if answer["lexical_only"].as_bool() == Some(true) {
        let remark = "lexical only: no embedding model is installed (`cairn models install`)";
        let _ = writeln!(text, "\n{}", output.warn(remark));
    }
    text
}
