//! A running answer: bytes come in, pieces of text go out.
//!
//! The first byte that is not white space decides the form: `{` is a reply without streaming, anything else is
//! read as events. Pieces that were complete before a failure are given out before it.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use super::classify::{Refusal, classify};
use super::wire::{Reply, read_reply};
use crate::chat::{ChatDelta, FinishReason};
use crate::error::ChatError;
use crate::sse::SseReader;

/// Most bytes of one event. An event holds a few words; 1 MiB leaves room for servers that send all at once.
const MAX_EVENT_BYTES: usize = 1 << 20;

/// After the finish only the usage and `[DONE]` may follow; a server that keeps the connection open instead
/// does not hold up the answer for longer than this.
const GRACE_AFTER_FINISH: Duration = Duration::from_secs(2);

/// When to give up.
#[derive(Debug, Clone)]
pub(crate) struct Deadlines {
    /// For the first text.
    pub(crate) first: Instant,
    total: Instant,
    first_limit: Duration,
    total_limit: Duration,
}

impl Deadlines {
    pub(crate) fn new(start: Instant, first_limit: Duration, total_limit: Duration) -> Self {
        // A limit that overflows the clock counts as a day.
        let after = |limit| {
            start
                .checked_add(limit)
                .unwrap_or(start + Duration::from_secs(86_400))
        };
        let first_limit = first_limit.min(total_limit);
        Self {
            first: after(first_limit),
            total: after(total_limit),
            first_limit,
            total_limit,
        }
    }

    /// The error for a first token that did not come.
    pub(crate) fn passed(&self, provider: String) -> ChatError {
        ChatError::TimedOut {
            provider,
            awaited: "start to answer",
            limit: self.first_limit,
        }
    }
}

enum Form {
    Unknown,
    Events(SseReader),
    Whole(Vec<u8>),
}

/// The state of a running answer.
pub(crate) struct Running {
    provider: String,
    model: String,
    bytes: BoxStream<'static, reqwest::Result<Bytes>>,
    deadlines: Deadlines,
    max_bytes: usize,
    n_bytes: usize,
    form: Form,
    ready: VecDeque<ChatDelta>,
    /// Given out once `ready` is empty.
    failure: Option<ChatError>,
    n_events: usize,
    has_begun: bool,
    finished_at: Option<Instant>,
    is_over: bool,
}

impl Running {
    pub(crate) fn new(
        response: Response,
        provider: String,
        model: String,
        deadlines: Deadlines,
        max_bytes: usize,
    ) -> Self {
        Self {
            provider,
            model,
            bytes: response.bytes_stream().boxed(),
            deadlines,
            max_bytes,
            n_bytes: 0,
            form: Form::Unknown,
            ready: VecDeque::new(),
            failure: None,
            n_events: 0,
            has_begun: false,
            finished_at: None,
            is_over: false,
        }
    }

    /// The stream of pieces. Dropping it drops the connection, which ends the request at the server.
    pub(crate) fn into_stream(self) -> BoxStream<'static, Result<ChatDelta, ChatError>> {
        stream::try_unfold(self, |mut running| async move {
            let delta = running.next().await?;
            Ok(delta.map(|delta| (delta, running)))
        })
        .boxed()
    }

    async fn next(&mut self) -> Result<Option<ChatDelta>, ChatError> {
        loop {
            if let Some(delta) = self.ready.pop_front() {
                return Ok(Some(delta));
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if self.is_over {
                return Ok(None);
            }
            match timeout_at(self.deadline(), self.bytes.next()).await {
                Ok(Some(Ok(bytes))) => self.take(&bytes),
                Ok(None) => self.end(),
                // What comes after the finish cannot spoil the answer.
                _ if self.finished_at.is_some() => self.is_over = true,
                Ok(Some(Err(_))) if self.n_bytes == 0 => {
                    self.fail(ChatError::Unavailable {
                        provider: self.provider.clone(),
                        reason: "the connection broke".to_owned(),
                    });
                }
                Ok(Some(Err(_))) => self.fail(ChatError::Truncated {
                    provider: self.provider.clone(),
                }),
                Err(_) if self.has_begun => self.fail(ChatError::TimedOut {
                    provider: self.provider.clone(),
                    awaited: "finish the answer",
                    limit: self.deadlines.total_limit,
                }),
                Err(_) => self.fail(self.deadlines.passed(self.provider.clone())),
            }
        }
    }

    fn deadline(&self) -> Instant {
        match self.finished_at {
            Some(at) => self.deadlines.total.min(at + GRACE_AFTER_FINISH),
            None if self.has_begun => self.deadlines.total,
            None => self.deadlines.first,
        }
    }

    fn fail(&mut self, error: ChatError) {
        self.failure.get_or_insert(error);
        self.is_over = true;
    }

    fn fail_protocol(&mut self, reason: String) {
        let provider = self.provider.clone();
        self.fail(ChatError::Protocol { provider, reason });
    }

    fn take(&mut self, bytes: &[u8]) {
        self.n_bytes = self.n_bytes.saturating_add(bytes.len());
        if self.n_bytes > self.max_bytes {
            return self
                .fail_protocol(format!("the reply is longer than {} bytes", self.max_bytes));
        }
        let mut bytes = bytes;
        if matches!(self.form, Form::Unknown) {
            bytes = bytes.trim_ascii_start();
            let Some(&first) = bytes.first() else { return };
            self.form = if first == b'{' {
                Form::Whole(Vec::new())
            } else {
                Form::Events(SseReader::new(MAX_EVENT_BYTES))
            };
        }
        match &mut self.form {
            Form::Unknown => {}
            Form::Whole(body) => body.extend_from_slice(bytes),
            Form::Events(reader) => match reader.push(bytes) {
                Ok(events) => events.iter().for_each(|event| self.take_event(event)),
                Err(_) => self.fail_too_long(),
            },
        }
    }

    fn fail_too_long(&mut self) {
        self.fail_protocol(format!("one event is longer than {MAX_EVENT_BYTES} bytes"));
    }

    fn take_event(&mut self, data: &str) {
        let data = data.trim();
        if self.is_over || data.is_empty() {
            return;
        }
        self.n_events += 1;
        if data == "[DONE]" {
            self.is_over = true;
            if self.finished_at.is_none() {
                // Some servers give no reason; the explicit end is as good.
                self.emit(ChatDelta {
                    finish: Some(FinishReason::Stop),
                    ..ChatDelta::default()
                });
            }
            return;
        }
        self.take_reply(read_reply(data.as_bytes()));
    }

    fn take_reply(&mut self, reply: Option<Reply>) {
        match reply {
            Some(Reply::Delta(delta)) => self.emit(delta),
            Some(Reply::Thinking) => self.has_begun = true,
            Some(Reply::Failed(body)) => {
                let refusal = Refusal::from_json(&body);
                tracing::debug!(
                    llm.provider = %self.provider,
                    error.code = %refusal.code_for_log(),
                    "chat provider failed in the middle of an answer"
                );
                self.fail(classify(&self.provider, &self.model, None, &refusal, None));
            }
            None => {
                self.fail_protocol("an object of the reply is not of the chat protocol".to_owned())
            }
        }
    }

    fn emit(&mut self, mut delta: ChatDelta) {
        if self.finished_at.is_some() {
            // Some servers repeat the reason in the object with the usage.
            delta.finish = None;
        }
        if delta == ChatDelta::default() {
            return;
        }
        if !delta.text.is_empty() || delta.finish.is_some() {
            self.has_begun = true;
        }
        if delta.finish.is_some() {
            self.finished_at = Some(Instant::now());
        }
        self.ready.push_back(delta);
    }

    /// The server closed the reply.
    fn end(&mut self) {
        self.is_over = true;
        match std::mem::replace(&mut self.form, Form::Unknown) {
            Form::Unknown => self.fail_protocol("the reply is empty".to_owned()),
            Form::Whole(body) => self.end_of_whole(&body),
            Form::Events(mut reader) => {
                // `is_over` would make the last event be passed over.
                self.is_over = false;
                match reader.finish() {
                    Ok(last) => last.iter().for_each(|event| self.take_event(event)),
                    Err(_) => self.fail_too_long(),
                }
                self.is_over = true;
                if self.n_events == 0 {
                    self.fail_protocol(
                        "the reply has no event, the base URL may be wrong".to_owned(),
                    );
                } else if self.finished_at.is_none() {
                    self.fail(ChatError::Truncated {
                        provider: self.provider.clone(),
                    });
                }
            }
        }
    }

    fn end_of_whole(&mut self, body: &[u8]) {
        match read_reply(body) {
            Some(Reply::Delta(delta)) if delta.text.is_empty() && delta.finish.is_none() => {
                self.fail_protocol("the reply holds no answer".to_owned());
            }
            Some(Reply::Delta(mut delta)) => {
                delta.finish = delta.finish.or(Some(FinishReason::Stop));
                self.emit(delta);
            }
            other => self.take_reply(other),
        }
    }
}
