//! Why a passage came, and why a document did not.
//!
//! Nothing here says more than a search would: counts and names are of documents that the scope may read, and
//! of a document that it may not know every answer is "not found".

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cairn_index::LexicalQuery;
use cairn_types::{ChunkId, ChunkNo, DocumentId, Passage, Scope};
use roaring::RoaringBitmap;

use crate::engine::{Engine, State, run};
use crate::error::RetrieveError;
use crate::fusion::Fused;
use crate::request::{Mode, RankedPassage, SearchRequest, TermWeight, Timings};
use crate::search::{Asked, Retrieved, allowed_chunks, n_candidates};

/// Candidates of each stage that are shown.
const SHOWN: usize = 20;
/// Candidates that the catalog confirms at once: bounds memory.
const CONFIRMED_AT_ONCE: usize = 500;

/// How a search came to its results. Its counts are of the documents' table as of the search's position: until the
/// next refresh they may still count a document that was deleted or unshared since. Names and texts are confirmed in the
/// catalog and never of such a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Documents that the scope may read.
    pub n_readable: u64,
    /// What each condition of the filter removed, in the order they are tested.
    pub filters: Vec<FilterStep>,
    /// Chunks left for the retrievers.
    pub n_allowed_chunks: u64,
    /// Candidates of each stage, best first.
    pub stages: Vec<Stage>,
    /// Where the time went.
    pub timings: Timings,
}

/// What one condition removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterStep {
    /// `collection`, `tag`, `media_type`, `path`, `since` or `until`.
    pub condition: &'static str,
    /// Readable documents that it removed.
    pub n_removed: u64,
}

/// The candidates of one stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// `dense`, `lexical` or `fused`.
    pub name: &'static str,
    /// Candidates in all.
    pub n_candidates: u64,
    /// The first of them.
    pub candidates: Vec<Candidate>,
}

/// A chunk in a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Place in the stage, from 1.
    pub rank: u64,
    /// The chunk.
    pub chunk: ChunkId,
    /// Title of its document.
    pub title: String,
    /// Score in this stage.
    pub score: f32,
}

/// Why a document is not among the results.
#[derive(Debug, Clone, PartialEq)]
pub struct WhyNot {
    /// The document.
    pub document: DocumentId,
    /// Its title.
    pub title: String,
    /// The reason.
    pub reason: WhyNotReason,
}

/// Why a document is not among the results.
#[derive(Debug, Clone, PartialEq)]
pub enum WhyNotReason {
    /// It is among them, at this place (from 1) as the search itself ranks.
    Found {
        /// Place of its best chunk.
        rank: u64,
    },
    /// It was soft-deleted.
    Deleted,
    /// Nothing of it could be read into chunks.
    NoChunks,
    /// It was published, changed or shared after the position that the indexes have reached.
    NotIndexedYet,
    /// A condition of the filter removed it.
    Filtered {
        /// The first condition that it does not meet.
        condition: &'static str,
    },
    /// None of its chunks is a candidate of any retriever.
    NoMatch {
        /// Words of the question that its chunks do not hold, as typed.
        missing_words: Vec<String>,
        /// Its best cosine, where there are vectors.
        best_dense: Option<f32>,
    },
    /// It is a candidate, but others were better.
    Outranked {
        /// Place of its best chunk (from 1): among the search's candidates, or behind all of them in the order of all
        /// chunks.
        rank: u64,
        /// Its best chunk.
        chunk: ChunkId,
        /// That chunk's fused score.
        score: f32,
        /// Cosine and BM25 of that chunk.
        dense: Option<f32>,
        /// BM25 of that chunk.
        lexical: Option<f32>,
        /// Score of the last result that was returned.
        last_score: f32,
    },
}

/// Chunks that an explanation names; they must be confirmed by the catalog before they are shown.
pub(crate) fn candidates_to_show(found: &Retrieved) -> Vec<ChunkNo> {
    let pairs = found
        .dense
        .iter()
        .take(SHOWN)
        .chain(found.lexical.iter().take(SHOWN))
        .map(|(no, _)| *no);
    pairs
        .chain(found.fused.iter().take(SHOWN).map(|fused| fused.chunk_no))
        .collect()
}

pub(crate) fn explanation(
    scope: &Scope,
    request: &SearchRequest,
    state: &State,
    found: &Retrieved,
    results: &[RankedPassage],
    passages: &HashMap<ChunkNo, Passage>,
) -> Result<Explanation, RetrieveError> {
    debug_assert!(results.len() <= request.top_k);
    let filter = state.documents.filter(&request.filter)?;
    let conditions = ["collection", "tag", "media_type", "path", "since", "until"];
    let mut removed = [0_u64; 6];
    let mut n_readable = 0;
    for document in state.documents.readable(scope) {
        n_readable += 1;
        if let Some(missed) = filter.misses(document)
            && let Some(at) = conditions.iter().position(|condition| *condition == missed)
        {
            removed[at] += 1;
        }
    }
    let filters = conditions
        .into_iter()
        .zip(removed)
        .filter(|(_, n)| *n > 0)
        .map(|(condition, n_removed)| FilterStep {
            condition,
            n_removed,
        })
        .collect();
    let fused: Vec<_> = found
        .fused
        .iter()
        .map(|fused| (fused.chunk_no, fused.score))
        .collect();
    let stages = [
        ("dense", &found.dense),
        ("lexical", &found.lexical),
        ("fused", &fused),
    ]
    .into_iter()
    .map(|(name, ranked)| Stage {
        name,
        n_candidates: ranked.len() as u64,
        candidates: shown(ranked, passages),
    })
    .collect();
    Ok(Explanation {
        n_readable,
        filters,
        n_allowed_chunks: state.documents.allowed(scope, &filter).len(),
        stages,
        timings: found.timings,
    })
}

fn shown(ranked: &[(ChunkNo, f32)], passages: &HashMap<ChunkNo, Passage>) -> Vec<Candidate> {
    let numbered = ranked.iter().take(SHOWN).zip(1..);
    numbered
        .filter_map(|((no, score), rank)| {
            let passage = passages.get(no)?;
            let title = passage.document.title.clone();
            Some(Candidate {
                rank,
                chunk: passage.id,
                title,
                score: *score,
            })
        })
        .collect()
}

impl Engine {
    /// Why a document is not among the results of a search.
    ///
    /// # Errors
    /// "Not found" where the scope may not read the document, whether it exists or not; otherwise as a search.
    pub async fn why_not(
        &self,
        scope: &Scope,
        request: &SearchRequest,
        document: DocumentId,
    ) -> Result<WhyNot, RetrieveError> {
        let query = request.validate()?.to_owned();
        let summary = self.inner.catalog.document(scope, document).await?;
        let title = summary.title.clone();
        let answer = |reason| {
            Ok(WhyNot {
                document,
                title: title.clone(),
                reason,
            })
        };
        if summary.deleted_at.is_some() {
            return answer(WhyNotReason::Deleted);
        }
        if summary.n_chunks == 0 {
            return answer(WhyNotReason::NoChunks);
        }
        let state = self.current();
        let Some(row) = state.documents.get(document).cloned() else {
            return answer(WhyNotReason::NotIndexedYet);
        };
        // The catalog lets the scope read it, the table does not know yet.
        if !state.documents.permits(scope, &row) {
            return answer(WhyNotReason::NotIndexedYet);
        }
        if let Some(condition) = state.documents.filter(&request.filter)?.misses(&row) {
            return answer(WhyNotReason::Filtered { condition });
        }
        let mut own = RoaringBitmap::new();
        own.insert_range(row.chunks());
        let allowed = allowed_chunks(&state, scope, request)?;
        let search = Ranking {
            state,
            query,
            mode: request.mode,
            allowed,
        };
        // As the search itself ranks.
        let found = self.ranked(&search, n_candidates(request.top_k)).await?;
        let mut confirmed = self.confirmed(scope, &found.fused, &own).await?;
        let last_score = confirmed
            .before
            .iter()
            .take(request.top_k)
            .next_back()
            .copied();
        if confirmed.best.is_none() && !has_any(&found.fused, &own) {
            // Behind all candidates of the search, in the order of all chunks.
            let n_allowed = usize::try_from(search.allowed.len()).unwrap_or(usize::MAX);
            let everything = self.ranked(&search, n_allowed.max(1)).await?;
            if !has_any(&everything.fused, &own) {
                let best_dense = everything.dense.iter().find(|(no, _)| own.contains(no.0));
                return answer(WhyNotReason::NoMatch {
                    missing_words: missing_words(search, &everything.terms, own).await?,
                    best_dense: best_dense.map(|(_, score)| *score),
                });
            }
            let candidates: HashSet<ChunkNo> =
                found.fused.iter().map(|fused| fused.chunk_no).collect();
            let mut rest = everything.fused;
            rest.retain(|fused| !candidates.contains(&fused.chunk_no));
            let behind = self.confirmed(scope, &rest, &own).await?;
            confirmed.before.extend(behind.before);
            confirmed.best = behind.best;
        }
        // Its chunks are those of a version that the catalog has replaced.
        let Some((best, chunk)) = confirmed.best else {
            return answer(WhyNotReason::NotIndexedYet);
        };
        let n_before = confirmed.before.len();
        let rank = n_before as u64 + 1;
        let was_candidate = found.fused.iter().any(|own| own.chunk_no == best.chunk_no);
        if was_candidate && n_before < request.top_k {
            return answer(WhyNotReason::Found { rank });
        }
        answer(WhyNotReason::Outranked {
            rank,
            chunk,
            score: best.score,
            dense: best.dense,
            lexical: best.lexical,
            last_score: last_score.unwrap_or(best.score),
        })
    }

    async fn ranked(
        &self,
        search: &Ranking,
        n_candidates: usize,
    ) -> Result<Retrieved, RetrieveError> {
        let Ranking {
            state,
            query,
            mode,
            allowed,
        } = search.clone();
        let asked = Asked {
            state,
            query: LexicalQuery::new(&query),
            text: query,
            mode,
            allowed,
            n_candidates,
        };
        asked.retrieve(self.inner.embedder.clone()).await
    }

    /// The scores of the candidates before a document's best, and that one; only what the catalog confirms, since a
    /// search shows nothing else. All candidates where there is none of the document.
    async fn confirmed(
        &self,
        scope: &Scope,
        fused: &[Fused],
        own: &RoaringBitmap,
    ) -> Result<Confirmed, RetrieveError> {
        let end = fused
            .iter()
            .position(|fused| own.contains(fused.chunk_no.0))
            .map_or(fused.len(), |at| at + 1);
        let mut confirmed = Confirmed {
            before: Vec::new(),
            best: None,
        };
        for part in fused[..end].chunks(CONFIRMED_AT_ONCE) {
            let numbers: Vec<ChunkNo> = part.iter().map(|fused| fused.chunk_no).collect();
            let passages = self.inner.catalog.hydrate(scope, &numbers).await?;
            for fused in part {
                match passages.get(&fused.chunk_no) {
                    Some(passage) if own.contains(fused.chunk_no.0) => {
                        confirmed.best = Some((*fused, passage.id));
                    }
                    Some(_) => confirmed.before.push(fused.score),
                    None => {}
                }
            }
        }
        Ok(confirmed)
    }
}

/// What is ranked for a [`WhyNot`].
#[derive(Clone)]
struct Ranking {
    state: Arc<State>,
    query: String,
    mode: Mode,
    allowed: RoaringBitmap,
}

/// Candidates that the catalog confirms.
struct Confirmed {
    /// Scores of those before the document's best one.
    before: Vec<f32>,
    /// The document's best one.
    best: Option<(Fused, ChunkId)>,
}

fn has_any(fused: &[Fused], own: &RoaringBitmap) -> bool {
    fused.iter().any(|fused| own.contains(fused.chunk_no.0))
}

/// Words of the question that none of these chunks holds.
async fn missing_words(
    search: Ranking,
    terms: &[TermWeight],
    own: RoaringBitmap,
) -> Result<Vec<String>, RetrieveError> {
    let words: Vec<String> = terms.iter().map(|term| term.word.clone()).collect();
    run(move || {
        let mut missing = Vec::new();
        for word in words {
            let found = search
                .state
                .lexical
                .search(&LexicalQuery::new(&word), &own, 1)?;
            if found.is_empty() {
                missing.push(word);
            }
        }
        Ok(missing)
    })
    .await?
}
