//! `cairn ask` and `cairn chat`: answers with verified citations.

use std::fmt::Write as _;

use cairn_server::api::{
    ChatMessage, ChatMode, ChatReply, ChatRequest, ChatRole, ChatText, Problem,
};
use cairn_types::ErrorKind;
use http::Method;
use tokio::io::AsyncBufReadExt as _;

use crate::cli::{AskArgs, AskFlags};
use crate::client::{Client, failed, read, read_line};
use crate::commands::search::{excerpt, place};
use crate::failure::{Failure, INTERRUPTED};
use crate::output::{Output, harmless, show_failure};

/// Messages that go along with a question: the server takes no endless conversation.
const MAX_HISTORY: usize = 20;

pub(crate) async fn ask(
    client: &Client,
    args: AskArgs,
    collections: &[String],
    output: Output,
) -> Result<u8, Failure> {
    let AskArgs { question, flags } = args;
    answer(client, &[], &question, &flags, collections, output).await?;
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
    let mut history: Vec<ChatMessage> = Vec::new();
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
                ErrorKind::InvalidInput,
                format!("the question cannot be read: {error}"),
            )
        })?;
        let question = line.unwrap_or_default().trim().to_owned();
        if question.is_empty() {
            return Ok(0);
        }
        match answer(client, &history, &question, &flags, collections, output).await {
            Ok(text) => {
                history.push(message(ChatRole::User, question));
                history.push(message(ChatRole::Assistant, text));
                let surplus = history.len().saturating_sub(MAX_HISTORY);
                history.drain(..surplus);
            }
            Err(failure) if failure.exit_code == INTERRUPTED => return Err(failure),
            Err(failure) => show_failure(&failure, output.json),
        }
    }
}

const fn message(role: ChatRole, content: String) -> ChatMessage {
    ChatMessage { role, content }
}

/// One answer, streamed to a person, whole to a program; returns its text.
async fn answer(
    client: &Client,
    history: &[ChatMessage],
    question: &str,
    flags: &AskFlags,
    collections: &[String],
    output: Output,
) -> Result<String, Failure> {
    let filter = flags.filter.clone();
    let mut messages = history.to_vec();
    messages.push(message(ChatRole::User, question.to_owned()));
    let request = ChatRequest {
        messages,
        mode: if flags.extractive {
            ChatMode::Extractive
        } else {
            ChatMode::Auto
        },
        stream: !output.json,
        collections: collections.to_vec(),
        tags: filter.tags,
        media_types: filter.media_types,
        path: filter.path,
        since: filter.since,
        until: filter.until,
        ..ChatRequest::default()
    };
    if output.json {
        let value = client.post("/api/v1/chat", &request).await?;
        output.value(&value)?;
        return Ok(read::<ChatReply>(value)?.answer);
    }
    let mut stream = Stream {
        output,
        event: String::new(),
        streamed: String::new(),
        last: None,
    };
    let request = crate::client::to_json(&request)?;
    let reading = client.lines(Method::POST, "/api/v1/chat", Some(&request), |line| {
        stream.on_line(line)
    });
    tokio::select! {
        result = reading => result?,
        _ = tokio::signal::ctrl_c() => return Err(Failure::interrupted("stopped")),
    }
    let Some(reply) = stream.last else {
        return Err(Failure::new(
            ErrorKind::Unavailable,
            "the answer broke off before its end",
        ));
    };
    if stream.streamed.trim() != reply.answer.trim() {
        // The checked answer differs from what was streamed (a citation could not be verified): it counts.
        if !stream.streamed.is_empty() {
            output.line("\n")?;
        }
        output.write(&harmless(&reply.answer))?;
    }
    output.line("")?;
    output.write(&details_text(&reply, output))?;
    Ok(reply.answer)
}

/// Reads server-sent events (WHATWG HTML, 9.2): `event:` and `data:` lines.
struct Stream {
    output: Output,
    event: String,
    streamed: String,
    last: Option<ChatReply>,
}

impl Stream {
    fn on_line(&mut self, line: &str) -> Result<(), Failure> {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Some(event) = line.strip_prefix("event:") {
            event.trim().clone_into(&mut self.event);
        } else if let Some(data) = line.strip_prefix("data:") {
            match self.event.as_str() {
                "message" => {
                    let ChatText { text } = read_line(data)?;
                    self.streamed.push_str(&text);
                    self.output.write(&harmless(&text))?;
                }
                "final_answer" => self.last = Some(read_line(data)?),
                "error" => return Err(failed(read_line::<Problem>(data)?)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Where the answer's statements stand, and what a person should know about it.
fn details_text(reply: &ChatReply, output: Output) -> String {
    let mut text = String::new();
    // What is not verified is not shown, whoever sent it.
    for citation in reply.citations.iter().filter(|citation| citation.verified) {
        let place = place(&citation.document, citation.page);
        let head = format!("[{}] {place}", citation.n);
        let details = format!(
            "    version {}, characters {}-{}, verified{}",
            citation.document.version,
            citation.span.start,
            citation.span.end,
            if citation.computed {
                ", computed from the table by Cairn"
            } else {
                ""
            }
        );
        let _ = writeln!(text, "\n{}\n{}", output.bold(&head), output.dim(&details));
        let _ = writeln!(text, "{}", excerpt(&citation.quote));
    }
    if reply.abstained && !reply.nearest.is_empty() {
        let _ = writeln!(text, "\nNearest passages:");
        for passage in &reply.nearest {
            let place = place(&passage.document, passage.page);
            let _ = writeln!(
                text,
                "  {}\n{}",
                output.bold(&place),
                excerpt(&passage.text)
            );
        }
    }
    let mut remarks: Vec<String> = reply.notes.iter().map(|note| harmless(note)).collect();
    if !reply.dropped.is_empty() {
        let n = reply.dropped.len();
        remarks.push(format!(
            "{n} citations could not be verified and were dropped"
        ));
    }
    if reply.lexical_only {
        remarks.push(
            "lexical only: no embedding model is installed (`cairn models install`)".to_owned(),
        );
    }
    for remark in remarks {
        let _ = writeln!(text, "\n{}", output.warn(&remark));
    }
    text
}
