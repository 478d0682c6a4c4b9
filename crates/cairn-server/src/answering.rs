//! A question to an answer: search, pick sentences, decide whether the documents say, quote.
//!
//! Nothing is told as a citation that was not compared with the catalog's text under the caller's scope at this moment.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use cairn_answer::{
    AbstainOptions, Answer, Extraction, ExtractiveOptions, RankedPassage, TermWeights,
    answer_extractively, answer_from_quotes, catalog_reader,
};
use cairn_retrieve::{SearchRequest, SearchResponse};
use cairn_types::{DocumentFilter, ErrorKind, Scope};
use tokio::sync::mpsc;

use crate::api::{self, AnswerMode, ChatReply, ChatSearchResults, ChatTimingMs, millis};
use crate::app::App;
use crate::problem::ApiError;
use crate::routes::search_results;

/// A question with all that belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) question: String,
    pub(crate) filter: DocumentFilter,
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
    extract_time: Duration,
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
    let verifying = Instant::now();
    let read = catalog_reader(app.catalog().as_ref(), scope);
    let options = AbstainOptions::default();
    let answer = answer_from_quotes(&found.extraction, &found.passages, &read, &options).await?;
    let verify_time = verifying.elapsed();
    let mut reply = to_reply(&answer, &found);
    for citation in &reply.citations {
        tell(listener, Told::Citation(citation.clone())).await;
    }
    tell(listener, Told::Text(reply.answer.clone())).await;
    reply.timing_ms = ChatTimingMs {
        search: millis(found.search_time),
        answer: millis(found.extract_time),
        verify: millis(verify_time),
        total: millis(started.elapsed()),
    };
    tell(listener, Told::Final(Box::new(reply.clone()))).await;
    Ok(reply)
}

async fn tell(listener: &Listener, told: Told) {
    if let Some(listener) = listener {
        // Whoever stopped listening also stops this work: see `routes::chat`.
        let _ = listener.send(told).await;
    }
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
    let extracting = Instant::now();
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
        extract_time: extracting.elapsed(),
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

fn to_reply(answer: &Answer, found: &Found) -> ChatReply {
    // Every citation of an answer is verified; one that were not is not shown.
    let citations = answer
        .citations
        .iter()
        .filter(|citation| citation.verified)
        .map(to_citation)
        .collect();
    let nearest: Vec<_> = answer
        .nearest
        .iter()
        .filter_map(|near| {
            found
                .response
                .results
                .iter()
                .find(|own| own.passage.chunk_no == near.passage.chunk_no)
        })
        .cloned()
        .collect();
    ChatReply {
        answer: answer.text.clone(),
        abstained: answer.abstained,
        citations,
        mode: match answer.mode {
            cairn_answer::AnswerMode::Extractive => AnswerMode::Extractive,
            cairn_answer::AnswerMode::Model => AnswerMode::Model,
        },
        timing_ms: ChatTimingMs::default(),
        nearest: search_results(&nearest),
        dropped: answer
            .dropped
            .iter()
            .map(|dropped| api::DroppedCitation {
                n: dropped.number,
                reason: dropped.reason.as_str().to_owned(),
                quote: dropped.quote.clone(),
            })
            .collect(),
        lexical_only: found.response.lexical_only,
        model: None,
        notes: Vec::new(),
    }
}

fn to_citation(citation: &cairn_types::Citation) -> api::Citation {
    api::Citation {
        n: citation.n,
        quote: citation.quote.clone(),
        verified: citation.verified,
        document: (&citation.document).into(),
        page: citation.page,
        span: citation.span.into(),
    }
}
