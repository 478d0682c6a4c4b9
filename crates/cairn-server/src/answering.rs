//! A question to an answer: search, pick sentences, decide whether the documents say, then quote or let a model write.
//!
//! Nothing is told as a citation that was not compared with the catalog's text under the caller's scope at this moment: both
//! ways of answering read through [`catalog_reader`]. The documents are asked for again before the final reply, which tells
//! nothing of one that was deleted or unshared meanwhile. A model that fails before its first word is replaced by quotes, and the
//! reply says so.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cairn_answer::{
    AbstainOptions, Answer, AnswerEvent, Error, Extraction, ExtractiveOptions, ModelOptions,
    ModelQuestion, RankedPassage, StopReason, TermWeights, TextReader, answer_extractively,
    answer_from_quotes, answer_with_model, catalog_reader,
};
use cairn_llm::{ChatMessage, ChatProvider};
use cairn_retrieve::{SearchRequest, SearchResponse};
use cairn_types::{DocumentFilter, DocumentId, ErrorKind, HasKind as _, Scope};
use futures::FutureExt as _;
use tokio::sync::mpsc;

use crate::api::{self, AnswerMode, ChatMode, ChatReply, ChatSearchResults, ChatTimingMs, millis};
use crate::app::App;
use crate::problem::ApiError;
use crate::routes::search_results;

/// Pieces of an answer that may wait for a slow reader.
const MAX_WAITING: usize = 64;

/// Instead of an abstention that names documents which are gone.
const NOT_SAID: &str = "The documents do not say.";
/// Instead of an answer that was made from documents which are gone.
const WITHHELD: &str =
    "The answer is withheld: a document was deleted or unshared while it was made. Ask again.";

/// A question with all that belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) question: String,
    /// Earlier messages, oldest first.
    pub(crate) history: Vec<ChatMessage>,
    pub(crate) filter: DocumentFilter,
    pub(crate) mode: ChatMode,
}

/// What is told while an answer is made.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    SearchResults(ChatSearchResults),
    Text(String),
    Citation(api::Citation),
    Final(Box<ChatReply>),
}

/// Who is told. Where nobody listens, the answer is only returned.
pub(crate) type Listener = Option<mpsc::Sender<Told>>;

/// What was found for a question.
struct Found {
    response: SearchResponse,
    passages: Vec<RankedPassage>,
    extraction: Extraction,
    search_time: Duration,
}

/// Answers a question on behalf of a scope.
pub(crate) async fn answer(
    app: &App,
    scope: &Scope,
    ask: &Ask,
    listener: &Listener,
) -> Result<ChatReply, ApiError> {
    let started = Instant::now();
    let found = find(app, scope, ask).await?;
    let results = search_results(&found.response.results);
    let lexical_only = found.response.lexical_only;
    tell(
        listener,
        Told::SearchResults(ChatSearchResults {
            results,
            lexical_only,
        }),
    )
    .await;

    let verify_time = Arc::new(AtomicU64::new(0));
    let read = timed(
        catalog_reader(app.catalog().as_ref(), scope),
        verify_time.clone(),
    );
    let mut notes = Vec::new();
    let provider = app.chat().filter(|_| ask.mode == ChatMode::Auto);
    let written = match provider {
        Some(provider) => {
            by_model(provider.as_ref(), ask, &found, &read, listener, &mut notes).await?
        }
        None => None,
    };
    let answer = match written {
        Some(answer) => answer,
        None => by_quotes(&found, &read, listener).await?,
    };
    notes.extend(remarks(&answer));
    let mut reply = to_reply(&answer, &found);
    let gone = gone(app, scope, &found).await?;
    if withhold(&mut reply, &gone) {
        notes.push("a document was deleted or unshared while the answer was made".to_owned());
    }
    reply.model = provider
        .filter(|_| reply.mode == AnswerMode::Model)
        .map(|provider| provider.model().to_owned());
    reply.notes = notes;
    let total = started.elapsed();
    let verify = Duration::from_micros(verify_time.load(Ordering::Relaxed));
    reply.timing_ms = ChatTimingMs {
        search: millis(found.search_time),
        answer: millis(
            total
                .saturating_sub(found.search_time)
                .saturating_sub(verify),
        ),
        verify: millis(verify),
        total: millis(total),
    };
    tell(listener, Told::Final(Box::new(reply.clone()))).await;
    Ok(reply)
}

/// `None`: the model failed before it said anything, and `notes` says so.
async fn by_model(
    provider: &dyn ChatProvider,
    ask: &Ask,
    found: &Found,
    read: &TextReader<'_>,
    listener: &Listener,
    notes: &mut Vec<String>,
) -> Result<Option<Answer>, ApiError> {
    let (sender, mut receiver) = mpsc::channel(MAX_WAITING);
    let (abstain, options) = (AbstainOptions::default(), ModelOptions::default());
    let asked = ModelQuestion {
        question: &ask.question,
        history: &ask.history,
        passages: &found.passages,
        evidence: &found.extraction.evidence,
        abstain: &abstain,
        options: &options,
    };
    let work = async {
        let result = answer_with_model(asked, provider, read, &sender).await;
        drop(sender);
        result
    };
    let mut broken = None;
    let pass_on = async {
        while let Some(event) = receiver.recv().await {
            match event {
                AnswerEvent::Message(text) => tell(listener, Told::Text(text)).await,
                AnswerEvent::Citation(citation) if citation.verified => {
                    tell(listener, Told::Citation(to_citation(&citation))).await;
                }
                AnswerEvent::Error { message, .. } => broken = Some(message),
                AnswerEvent::Citation(_) | AnswerEvent::Final(_) => {}
            }
        }
    };
    let (result, ()) = futures::join!(work, pass_on);
    notes.extend(broken);
    match result {
        Ok(answer) => Ok(Some(answer)),
        Err(error @ (Error::Chat(_) | Error::NoAnswer { .. })) => {
            tracing::warn!(%error, gen_ai.system = provider.name(), "language model failed, quotes stand in");
            let hint = error
                .hint()
                .map(|hint| format!("; {hint}"))
                .unwrap_or_default();
            notes.push(format!(
                "{error}{hint}; the answer is made of quotes instead"
            ));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

async fn by_quotes(
    found: &Found,
    read: &TextReader<'_>,
    listener: &Listener,
) -> Result<Answer, ApiError> {
    let options = AbstainOptions::default();
    let answer = answer_from_quotes(&found.extraction, &found.passages, read, &options).await?;
    for citation in answer.citations.iter().filter(|citation| citation.verified) {
        tell(listener, Told::Citation(to_citation(citation))).await;
    }
    tell(listener, Told::Text(answer.text.clone())).await;
    Ok(answer)
}

async fn tell(listener: &Listener, told: Told) {
    if let Some(listener) = listener {
        // Whoever stops listening also stops this work: see `routes::chat`.
        let _ = listener.send(told).await;
    }
}

/// A reader that adds up the time it takes.
fn timed<'a>(read: Box<TextReader<'a>>, spent_us: Arc<AtomicU64>) -> Box<TextReader<'a>> {
    Box::new(move |document, version, span, page| {
        let (reading, spent_us) = (read(document, version, span, page), spent_us.clone());
        async move {
            let started = Instant::now();
            let text = reading.await;
            let elapsed = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            spent_us.fetch_add(elapsed, Ordering::Relaxed);
            text
        }
        .boxed()
    })
}

async fn find(app: &App, scope: &Scope, ask: &Ask) -> Result<Found, ApiError> {
    let options = ExtractiveOptions::default();
    let mut request = SearchRequest::new(ask.question.clone(), options.max_passages);
    request.filter = ask.filter.clone();
    let core = app.core();
    let searching = Instant::now();
    let response = core.engine.search(scope, &request).await?;
    let search_time = searching.elapsed();
    let passages: Vec<RankedPassage> = response
        .results
        .iter()
        .map(|ranked| RankedPassage {
            passage: ranked.passage.clone(),
            score: ranked.score,
            dense: ranked.dense,
            lexical: ranked.lexical,
        })
        .collect();
    let weights = weights(&response);
    let question = ask.question.clone();
    let span = tracing::Span::current();
    let (passages, extraction) = tokio::task::spawn_blocking(move || {
        span.in_scope(|| {
            let embedder = core.embedder.as_deref();
            let extraction =
                answer_extractively(&question, &passages, &weights, embedder, &options);
            (passages, extraction)
        })
    })
    .await
    .map_err(|error| ApiError::inside(ErrorKind::Bug, &error))?;
    Ok(Found {
        response,
        passages,
        extraction: extraction?,
        search_time,
    })
}

/// The weights of the question's words; an unknown word weighs as much as the rarest.
fn weights(response: &SearchResponse) -> TermWeights {
    let idf: HashMap<String, f32> = response
        .terms
        .iter()
        .map(|term| (term.word.clone(), term.idf))
        .collect();
    let unknown = idf.values().copied().fold(1.0, f32::max);
    TermWeights::new(idf, unknown)
}

/// What a person should know about an answer.
fn remarks(answer: &Answer) -> Vec<String> {
    let stop = match answer.stop {
        StopReason::Complete | StopReason::Abstained | StopReason::Refused => None,
        StopReason::Length => Some("the language model reached its limit: the answer is cut off"),
        StopReason::Filtered => Some("the provider withheld the rest of the answer"),
        StopReason::Interrupted => Some("the language model broke off: the answer is incomplete"),
    };
    let unsupported = match answer.unsupported.len() {
        0 => None,
        1 => Some("1 statement has no verified citation".to_owned()),
        n => Some(format!("{n} statements have no verified citation")),
    };
    stop.map(str::to_owned)
        .into_iter()
        .chain(unsupported)
        .collect()
}

fn to_reply(answer: &Answer, found: &Found) -> ChatReply {
    // Every citation of an answer is verified; one that were not is not shown.
    let citations = answer
        .citations
        .iter()
        .filter(|citation| citation.verified)
        .map(to_citation)
        .collect();
    let results = &found.response.results;
    let result_of = |near: &RankedPassage| {
        results
            .iter()
            .find(|own| own.passage.chunk_no == near.passage.chunk_no)
            .cloned()
    };
    let nearest: Vec<_> = answer.nearest.iter().filter_map(result_of).collect();
    let dropped = answer.dropped.iter().map(|dropped| api::DroppedCitation {
        n: dropped.number,
        reason: dropped.reason.as_str().to_owned(),
        quote: dropped.quote.clone(),
    });
    ChatReply {
        answer: answer.text.clone(),
        abstained: answer.abstained,
        citations,
        confidence: answer.confidence,
        short_answer: answer.short_answer.clone(),
        conflict: answer.conflict.is_some(),
        mode: match (answer.mode, answer.stop) {
            // No model was asked, so none is named.
            (_, StopReason::Abstained) | (cairn_answer::AnswerMode::Extractive, _) => {
                AnswerMode::Extractive
            }
            (cairn_answer::AnswerMode::Model, _) => AnswerMode::Model,
        },
        timing_ms: ChatTimingMs::default(),
        nearest: search_results(&nearest),
        dropped: dropped.collect(),
        lexical_only: found.response.lexical_only,
        model: None,
        notes: Vec::new(),
    }
}

/// Documents that were found and may not be read any more: a language model takes long enough for that.
async fn gone(app: &App, scope: &Scope, found: &Found) -> Result<BTreeSet<String>, ApiError> {
    let documents: BTreeSet<DocumentId> = found
        .passages
        .iter()
        .map(|ranked| ranked.passage.document.id)
        .collect();
    let mut gone = BTreeSet::new();
    for document in documents {
        let is_there = match app.catalog().document(scope, document).await {
            Ok(summary) => summary.deleted_at.is_none(),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error.into()),
        };
        if !is_there {
            gone.insert(document.to_string());
        }
    }
    Ok(gone)
}

/// Takes out of a reply what comes, or may come, from documents that are gone; returns whether anything was. What was
/// streamed before they went was told when it could be read.
fn withhold(reply: &mut ChatReply, gone: &BTreeSet<String>) -> bool {
    if gone.is_empty() {
        return false;
    }
    let n_nearest = reply.nearest.len();
    reply
        .nearest
        .retain(|near| !gone.contains(&near.document.id));
    for dropped in &mut reply.dropped {
        dropped.quote.clear();
    }
    if reply.abstained {
        // It names the titles of the nearest.
        if reply.nearest.len() < n_nearest {
            NOT_SAID.clone_into(&mut reply.answer);
        }
        return true;
    }
    // What a model wrote may come from any passage that it was shown; quotes come from where they say.
    let is_touched = reply.mode == AnswerMode::Model
        || reply
            .citations
            .iter()
            .any(|citation| gone.contains(&citation.document.id));
    if is_touched {
        WITHHELD.clone_into(&mut reply.answer);
        reply.citations.clear();
        reply.abstained = true;
        reply.short_answer = None;
        reply.conflict = false;
        reply.confidence = 0.0;
    }
    true
}

fn to_citation(citation: &cairn_types::Citation) -> api::Citation {
    api::Citation {
        n: citation.n,
        quote: citation.quote.clone(),
        verified: citation.verified,
        document: (&citation.document).into(),
        page: citation.page,
        computed: citation.computed,
        span: citation.span.into(),
    }
}
