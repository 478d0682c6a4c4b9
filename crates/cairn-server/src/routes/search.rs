//! `POST /api/v1/search` and `POST /api/v1/search/why-not`.

use axum::extract::State;
use axum::{Extension, Json as JsonReply};
use cairn_retrieve as retrieve;
use cairn_types::{DocumentFilter, DocumentRef, Seq, Timestamp};

use crate::api::{
    self, Filters, Problem, SearchMode, SearchReply, SearchRequest, SearchResult, TimingMs,
    WhyNotReply, WhyNotRequest, millis,
};
use crate::app::App;
use crate::auth::Caller;
use crate::extract::{Json, parse_id};
use crate::problem::ApiError;

/// Finds passages.
#[utoipa::path(
    post, path = "/api/v1/search", tag = "search", request_body = SearchRequest,
    responses(
        (status = 200, description = "The passages, best first.", body = SearchReply),
        (status = "default", description = "What went wrong.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn search(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(body): Json<SearchRequest>,
) -> Result<JsonReply<SearchReply>, ApiError> {
    let request = to_request(&body)?;
    catch_up(&app, body.min_seq).await?;
    let found = app.core().engine.search(&caller.scope, &request).await?;
    Ok(JsonReply(reply(&found)))
}

/// Says why a document is not among the results of a search.
#[utoipa::path(
    post, path = "/api/v1/search/why-not", tag = "search", request_body = WhyNotRequest,
    responses(
        (status = 200, description = "The reason.", body = WhyNotReply),
        (status = "default", description = "What went wrong.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn why_not(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(body): Json<WhyNotRequest>,
) -> Result<JsonReply<WhyNotReply>, ApiError> {
    let (body, document) = body.into_parts();
    let document = parse_id(&document)?;
    let request = to_request(&body)?;
    catch_up(&app, body.min_seq).await?;
    let why = app
        .core()
        .engine
        .why_not(&caller.scope, &request, document)
        .await?;
    Ok(JsonReply(WhyNotReply {
        document: why.document.to_string(),
        title: why.title,
        reason: reason(why.reason),
    }))
}

/// Waits until searches see `min_seq`. The engine could do so itself, but a caller that goes away would stop it half-way.
pub(super) async fn catch_up(app: &App, min_seq: Option<u64>) -> Result<(), ApiError> {
    let Some(min) = min_seq
        .map(Seq)
        .filter(|min| app.core().engine.status().seq < *min)
    else {
        return Ok(());
    };
    if app.refresh().await? < min {
        return Err(ApiError::invalid(format!(
            "`min_seq` is {min}, but no write has reached that position"
        )));
    }
    Ok(())
}

/// The domain's request.
fn to_request(body: &SearchRequest) -> Result<retrieve::SearchRequest, ApiError> {
    Ok(retrieve::SearchRequest {
        query: body.query.clone(),
        mode: match body.mode {
            SearchMode::Hybrid => retrieve::Mode::Hybrid,
            SearchMode::Dense => retrieve::Mode::Dense,
            SearchMode::Lexical => retrieve::Mode::Lexical,
        },
        top_k: body.top_k,
        filter: to_filter(body.filters())?,
        min_seq: None,
        explain: if body.explain {
            retrieve::Explain::On
        } else {
            retrieve::Explain::Off
        },
    })
}

/// The domain's filter.
pub(super) fn to_filter(filters: Filters<'_>) -> Result<DocumentFilter, ApiError> {
    let instant = |name: &str, text: Option<&str>| {
        match text {
        None => Ok(None),
        Some(text) => Timestamp::parse(text).map(Some).ok_or_else(|| {
            let shown: String = text.chars().take(64).collect();
            ApiError::invalid(format!(
                "`{name}` is `{shown}`, expected an instant such as `2026-03-01T12:00:00Z` or a date"
            ))
        }),
    }
    };
    Ok(DocumentFilter {
        collections: filters.collections.to_vec(),
        tags: filters.tags.to_vec(),
        media_types: filters.media_types.to_vec(),
        path: filters.path.map(str::to_owned),
        since: instant("since", filters.since)?,
        until: instant("until", filters.until)?,
    })
}

fn reply(found: &retrieve::SearchResponse) -> SearchReply {
    SearchReply {
        results: results(&found.results),
        timing_ms: timing(&found.timings),
        lexical_only: found.lexical_only,
        seq: found.seq.0,
        explanation: found.explanation.as_ref().map(explanation),
    }
}

pub(crate) fn results(ranked: &[retrieve::RankedPassage]) -> Vec<SearchResult> {
    let numbered = ranked.iter().zip(1..);
    numbered
        .map(|(found, rank)| {
            let passage = &found.passage;
            SearchResult {
                rank,
                score: found.score,
                scores: api::Scores {
                    dense: found.dense,
                    lexical: found.lexical,
                },
                document: (&DocumentRef::of(passage)).into(),
                chunk_id: passage.id.to_string(),
                page: passage.meta.page,
                span: passage.meta.span.into(),
                text: passage.text.clone(),
                heading_path: passage.meta.heading_path.clone(),
                collection: passage.document.collection.clone(),
            }
        })
        .collect()
}

fn timing(timings: &retrieve::Timings) -> TimingMs {
    TimingMs {
        plan: millis(timings.plan),
        embed: millis(timings.embed),
        dense: millis(timings.dense),
        lexical: millis(timings.lexical),
        fuse: millis(timings.fuse),
        hydrate: millis(timings.hydrate),
        total: millis(timings.total),
    }
}

fn explanation(explanation: &retrieve::Explanation) -> api::Explanation {
    let candidate = |candidate: &retrieve::Candidate| api::Candidate {
        rank: candidate.rank,
        chunk_id: candidate.chunk.to_string(),
        title: candidate.title.clone(),
        score: candidate.score,
    };
    api::Explanation {
        n_readable: explanation.n_readable,
        filters: explanation
            .filters
            .iter()
            .map(|step| api::FilterStep {
                condition: step.condition.to_owned(),
                n_removed: step.n_removed,
            })
            .collect(),
        n_allowed_chunks: explanation.n_allowed_chunks,
        stages: explanation
            .stages
            .iter()
            .map(|stage| api::Stage {
                name: stage.name.to_owned(),
                n_candidates: stage.n_candidates,
                candidates: stage.candidates.iter().map(candidate).collect(),
            })
            .collect(),
        timing_ms: timing(&explanation.timings),
    }
}

fn reason(reason: retrieve::WhyNotReason) -> api::WhyNotReason {
    use retrieve::WhyNotReason as From;
    match reason {
        From::Found { rank } => api::WhyNotReason::Found { rank },
        From::Deleted => api::WhyNotReason::Deleted,
        From::NoChunks => api::WhyNotReason::NoChunks,
        From::NotIndexedYet => api::WhyNotReason::NotIndexedYet,
        From::Filtered { condition } => api::WhyNotReason::Filtered {
            condition: condition.to_owned(),
        },
        From::NoMatch {
            missing_words,
            best_dense,
        } => api::WhyNotReason::NoMatch {
            missing_words,
            best_dense,
        },
        From::Outranked {
            rank,
            chunk,
            score,
            dense,
            lexical,
            last_score,
        } => api::WhyNotReason::Outranked {
            rank,
            chunk_id: chunk.to_string(),
            score,
            dense,
            lexical,
            last_score,
        },
    }
}
