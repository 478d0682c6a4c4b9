//! `POST /api/v1/chat`: one JSON reply, or server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json as JsonReply};
use cairn_types::ErrorKind;
use futures::StreamExt as _;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::search::{catch_up, to_filter};
use crate::answering::{Ask, Told, answer};
use crate::api::{ChatDone, ChatDoneReason, ChatReply, ChatRequest, ChatRole, ChatText, Problem};
use crate::app::App;
use crate::auth::Caller;
use crate::extract::Json;
use crate::observe::RequestInfo;
use crate::problem::ApiError;

/// Most messages of a conversation that a request may bring.
const MAX_MESSAGES: usize = 200;
/// Events that may wait for a slow reader.
const MAX_WAITING: usize = 64;

/// Answers a question from the documents, with verified citations.
///
/// With `stream`, the reply is `text/event-stream`: `search_results`, `message` and `citation` events, then `final_answer` or
/// `error`, at last `done`. A comment is sent when nothing else was for a while.
#[utoipa::path(
    post, path = "/api/v1/chat", tag = "search", request_body = ChatRequest,
    responses(
        (status = 200, description = "The answer.", content((ChatReply = "application/json"), (String = "text/event-stream"))),
        (status = "default", description = "What went wrong.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn chat(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(info): Extension<RequestInfo>,
    Json(body): Json<ChatRequest>,
) -> Result<Response, ApiError> {
    let ask = to_ask(&body)?;
    catch_up(&app, body.min_seq).await?;
    if body.stream {
        return Ok(stream(app, caller, info, ask));
    }
    let reply = answer(&app, &caller.scope, &ask, &None).await?;
    Ok(JsonReply(reply).into_response())
}

fn to_ask(body: &ChatRequest) -> Result<Ask, ApiError> {
    let filter = to_filter(body.filters())?;
    let n_messages = body.messages.len();
    if n_messages > MAX_MESSAGES {
        let detail = format!("{n_messages} messages are given, the limit is {MAX_MESSAGES}");
        return Err(ApiError::invalid(detail));
    }
    let (question, earlier) = match (&body.query, body.messages.split_last()) {
        (Some(query), None) => (query.clone(), &[][..]),
        (None, Some((last, earlier))) if last.role == ChatRole::User => {
            (last.content.clone(), earlier)
        }
        (None, Some(_)) => return Err(ApiError::invalid("the last message must be the user's")),
        _ => return Err(ApiError::invalid("give either `query` or `messages`")),
    };
    let history = earlier.iter().map(|message| match message.role {
        ChatRole::User => cairn_llm::ChatMessage::user(&message.content),
        ChatRole::Assistant => cairn_llm::ChatMessage::assistant(&message.content),
    });
    Ok(Ask {
        question,
        history: history.collect(),
        filter,
        mode: body.mode,
    })
}

/// Answers as a stream of events. The work ends when the reader goes away or the server stops.
fn stream(app: App, caller: Caller, info: RequestInfo, ask: Ask) -> Response {
    let (sender, receiver) = mpsc::channel::<Result<Event, Infallible>>(MAX_WAITING);
    let heartbeat = app.settings().heartbeat;
    let limit = app.settings().chat_timeout;
    let tasks = app.tasks().clone();
    tasks.spawn(async move {
        let mut events = Events { sender, next_id: 1 };
        let closed = events.sender.clone();
        let reason = tokio::select! {
            reason = write(&app, &caller, &info, &ask, limit, &mut events) => reason,
            // Dropping the work ends the request at a language model, too.
            () = closed.closed() => return,
            () = app.closing().cancelled() => ChatDoneReason::Shutdown,
        };
        events.send("done", &ChatDone { reason }).await;
    });
    let keep_alive = KeepAlive::new().interval(heartbeat).text("heartbeat");
    Sse::new(ReceiverStream::new(receiver).boxed())
        .keep_alive(keep_alive)
        .into_response()
}

/// Writes all events but the last.
async fn write(
    app: &App,
    caller: &Caller,
    info: &RequestInfo,
    ask: &Ask,
    limit: Duration,
    events: &mut Events,
) -> ChatDoneReason {
    let (told, mut heard) = mpsc::channel(MAX_WAITING);
    let listener = Some(told);
    let work = async {
        let result = tokio::time::timeout(limit, answer(app, &caller.scope, ask, &listener)).await;
        drop(listener);
        result
    };
    let pass_on = async {
        while let Some(told) = heard.recv().await {
            match told {
                Told::SearchResults(results) => events.send("search_results", &results).await,
                Told::Text(text) => events.send("message", &ChatText { text }).await,
                Told::Citation(citation) => events.send("citation", &citation).await,
                Told::Final(reply) => events.send("final_answer", &reply).await,
            }
        }
    };
    let (result, ()) = futures::join!(work, pass_on);
    let error = match result {
        Ok(Ok(_)) => return ChatDoneReason::Complete,
        Ok(Err(error)) => error,
        Err(_) => ApiError::new(
            ErrorKind::Unavailable,
            format!("the answer was given up after {} s", limit.as_secs()),
        ),
    };
    tracing::warn!(
        error.kind = error.code(),
        error = error.inside_text(),
        "an answer failed"
    );
    events.send("error", &error.problem(info)).await;
    ChatDoneReason::Error
}

struct Events {
    sender: mpsc::Sender<Result<Event, Infallible>>,
    next_id: u64,
}

impl Events {
    async fn send(&mut self, name: &str, data: &impl Serialize) {
        match Event::default()
            .event(name)
            .id(self.next_id.to_string())
            .json_data(data)
        {
            Ok(event) => {
                self.next_id += 1;
                let _ = self.sender.send(Ok(event)).await;
            }
            Err(error) => tracing::error!(%error, "an event was not written"),
        }
    }
}
