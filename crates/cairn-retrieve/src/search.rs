//! One search: plan, retrieve, fuse, hydrate and check.

use std::collections::HashSet;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use cairn_index::LexicalQuery;
use cairn_types::ports::{Caller, Embedder, Urgency};
use cairn_types::{ChunkNo, Scope};
use roaring::RoaringBitmap;

use crate::engine::{Engine, State, run, start};
use crate::error::RetrieveError;
use crate::explain::{self, Explanation};
use crate::fusion::{Fused, FusionOptions, fuse};
use crate::request::{
    Explain, Mode, RankedPassage, SearchRequest, SearchResponse, TermWeight, Timings,
};

/// Candidates that each retriever brings, at least.
const CANDIDATES: usize = 200;

/// Candidates that each retriever brings for so many results.
pub(crate) fn n_candidates(top_k: usize) -> usize {
    top_k.saturating_mul(2).max(CANDIDATES)
}

/// What the retrievers found, before the catalog was asked.
pub(crate) struct Retrieved {
    pub(crate) dense: Vec<(ChunkNo, f32)>,
    pub(crate) lexical: Vec<(ChunkNo, f32)>,
    pub(crate) fused: Vec<Fused>,
    pub(crate) terms: Vec<TermWeight>,
    pub(crate) timings: Timings,
}

impl Engine {
    /// Searches on behalf of a scope.
    ///
    /// # Errors
    /// Where the request is not a search (empty, too long, bad pattern), the catalog or the model fails, or dense
    /// search is asked for without a model.
    #[tracing::instrument(name = "retrieve.search", skip_all, fields(top_k = request.top_k))]
    pub async fn search(
        &self,
        scope: &Scope,
        request: &SearchRequest,
    ) -> Result<SearchResponse, RetrieveError> {
        let started = Instant::now();
        let query = request.validate()?.to_owned();
        if request.mode == Mode::Dense && self.inner.embedder.is_none() {
            return Err(RetrieveError::NoModel);
        }
        if request.min_seq.is_some_and(|min| self.current().seq < min) {
            self.refresh().await?;
        }
        let state = self.current();
        let allowed = allowed_chunks(&state, scope, request)?;
        let plan = started.elapsed();
        let asked = Asked {
            state: state.clone(),
            query: LexicalQuery::new(&query),
            text: query,
            mode: request.mode,
            allowed,
            n_candidates: n_candidates(request.top_k),
        };
        let mut found = asked.retrieve(self.inner.embedder.clone()).await?;
        found.timings.plan = plan;
        let hydrating = Instant::now();
        let results = self.hydrate_top(scope, &found.fused, request.top_k).await?;
        found.timings.hydrate = hydrating.elapsed();
        found.timings.total = started.elapsed();
        let explanation = match request.explain {
            Explain::Off => None,
            Explain::On => Some(
                self.explain(scope, request, &state, &found, &results)
                    .await?,
            ),
        };
        Ok(SearchResponse {
            lexical_only: self.is_lexical_only(&state, request.mode),
            results,
            seq: state.seq,
            terms: found.terms,
            timings: found.timings,
            explanation,
        })
    }

    /// Whether vectors are wanted and none can be used.
    fn is_lexical_only(&self, state: &State, mode: Mode) -> bool {
        let has_vectors = state
            .dense
            .as_ref()
            .is_some_and(|dense| dense.n_vectors() > 0);
        mode != Mode::Lexical
            && (self.inner.embedder.is_none()
                || (!has_vectors && state.documents.n_documents() > 0))
    }

    /// The best `top_k` candidates that the catalog confirms, in order of the candidates.
    async fn hydrate_top(
        &self,
        scope: &Scope,
        fused: &[Fused],
        top_k: usize,
    ) -> Result<Vec<RankedPassage>, RetrieveError> {
        let mut results = Vec::with_capacity(top_k.min(fused.len()));
        let mut rest = fused;
        // More than one round only where the indexes lag behind a deletion or a revoked permission.
        while results.len() < top_k && !rest.is_empty() {
            let (now, later) = rest.split_at((top_k - results.len()).min(rest.len()));
            rest = later;
            let numbers: Vec<ChunkNo> = now.iter().map(|candidate| candidate.chunk_no).collect();
            let mut passages = self.inner.catalog.hydrate(scope, &numbers).await?;
            for candidate in now {
                if let Some(passage) = passages.remove(&candidate.chunk_no) {
                    results.push(RankedPassage {
                        passage,
                        score: candidate.score,
                        dense: candidate.dense,
                        lexical: candidate.lexical,
                    });
                }
            }
        }
        Ok(results)
    }

    async fn explain(
        &self,
        scope: &Scope,
        request: &SearchRequest,
        state: &Arc<State>,
        found: &Retrieved,
        results: &[RankedPassage],
    ) -> Result<Explanation, RetrieveError> {
        // Candidates are shown only where the catalog confirms them, like results.
        let named = explain::candidates_to_show(found);
        let passages = self.inner.catalog.hydrate(scope, &named).await?;
        explain::explanation(scope, request, state, found, results, &passages)
    }
}

/// The chunks that the scope may read and the filter lets through.
pub(crate) fn allowed_chunks(
    state: &State,
    scope: &Scope,
    request: &SearchRequest,
) -> Result<RoaringBitmap, RetrieveError> {
    let filter = state.documents.filter(&request.filter)?;
    Ok(state.documents.allowed(scope, &filter))
}

/// What is searched for, where.
pub(crate) struct Asked {
    pub(crate) state: Arc<State>,
    pub(crate) text: String,
    pub(crate) query: LexicalQuery,
    pub(crate) mode: Mode,
    pub(crate) allowed: RoaringBitmap,
    pub(crate) n_candidates: usize,
}

/// A ranking, and how long it took.
type Timed = (Vec<(ChunkNo, f32)>, Duration);

impl Asked {
    /// Both retrievers, side by side, and their fusion.
    pub(crate) async fn retrieve(
        self,
        embedder: Option<Arc<dyn Embedder>>,
    ) -> Result<Retrieved, RetrieveError> {
        let asked = Arc::new(self);
        // Begun before the other one, so that it has a thread wherever that one waits for it.
        let words = Arc::clone(&asked);
        let (send, receive) = mpsc::sync_channel(1);
        let lexical = start(move || {
            // The other one may have failed and gone.
            let _ = send.send(words.lexical());
        });
        // Dropped with this future: a query that nobody waits for is not embedded.
        let caller = Caller::new(Urgency::Query);
        let _waiting = caller.waiting();
        let found = run(move || {
            let dense = asked.dense(embedder.as_ref(), &caller)?;
            let lexical = receive
                .recv()
                .map_err(|_| RetrieveError::Bug("the lexical search stopped".to_owned()))??;
            asked.join(lexical, dense)
        });
        let found = found.await?;
        lexical
            .await
            .map_err(|error| RetrieveError::Bug(error.to_string()))?;
        found
    }

    fn lexical(&self) -> Result<Timed, RetrieveError> {
        let started = Instant::now();
        let found = match self.mode {
            Mode::Hybrid | Mode::Lexical => {
                let lexical = &self.state.lexical;
                lexical.search(&self.query, &self.allowed, self.n_candidates)?
            }
            Mode::Dense => Vec::new(),
        };
        Ok((found, started.elapsed()))
    }

    /// Nothing where there is no model or vectors are not asked for.
    fn dense(
        &self,
        embedder: Option<&Arc<dyn Embedder>>,
        caller: &Caller,
    ) -> Result<Dense, RetrieveError> {
        let (Some(index), Some(embedder), Mode::Hybrid | Mode::Dense) =
            (&self.state.dense, embedder, self.mode)
        else {
            return Ok(Dense::default());
        };
        let started = Instant::now();
        let vector = embedder
            .embed_queries_for(caller, &[self.text.as_str()])?
            .pop()
            .unwrap_or_default();
        let embed = started.elapsed();
        let started = Instant::now();
        let found = index.search(&vector, &self.allowed, self.n_candidates)?;
        Ok(Dense {
            vector: Some(vector),
            embed,
            found: (found, started.elapsed()),
        })
    }

    fn join(&self, lexical: Timed, dense: Dense) -> Result<Retrieved, RetrieveError> {
        let (lexical, lexical_time) = lexical;
        let (vector, embed_time, (dense, dense_time)) = (dense.vector, dense.embed, dense.found);
        let started = Instant::now();
        let fused = match self.mode {
            Mode::Lexical => single(&lexical, Arm::Lexical),
            Mode::Dense => single(&dense, Arm::Dense),
            Mode::Hybrid if dense.is_empty() => single(&lexical, Arm::Lexical),
            Mode::Hybrid => self.fuse(&lexical, &dense, vector.as_deref())?,
        };
        let terms = self.state.lexical.idf(&self.query)?;
        let terms = terms
            .into_iter()
            .map(|(word, idf)| TermWeight { word, idf })
            .collect();
        Ok(Retrieved {
            dense,
            lexical,
            fused,
            terms,
            timings: Timings {
                lexical: lexical_time,
                embed: embed_time,
                dense: dense_time,
                fuse: started.elapsed(),
                ..Timings::default()
            },
        })
    }

    /// A candidate of one retriever gets its score in the other one too: a missing score is not a zero.
    fn fuse(
        &self,
        lexical: &[(ChunkNo, f32)],
        dense: &[(ChunkNo, f32)],
        vector: Option<&[f32]>,
    ) -> Result<Vec<Fused>, RetrieveError> {
        let complete = |own: &[(ChunkNo, f32)], other: &[(ChunkNo, f32)]| -> Vec<ChunkNo> {
            let known: HashSet<_> = own.iter().map(|(no, _)| *no).collect();
            other
                .iter()
                .map(|(no, _)| *no)
                .filter(|no| !known.contains(no))
                .collect()
        };
        let mut all_lexical = lexical.to_vec();
        let unscored = complete(lexical, dense);
        if lexical.len() < self.n_candidates {
            // Every chunk with a word of the question is in the list.
            all_lexical.extend(unscored.iter().map(|no| (*no, 0.0)));
        } else {
            let scores = self.state.lexical.scores_of(&self.query, &unscored)?;
            all_lexical.extend(known(&unscored, scores));
        }
        let mut all_dense = dense.to_vec();
        if let (Some(index), Some(vector)) = (&self.state.dense, vector) {
            let unscored = complete(dense, lexical);
            all_dense.extend(known(&unscored, index.scores_of(vector, &unscored)?));
        }
        Ok(fuse(&all_lexical, &all_dense, &FusionOptions::default()))
    }
}

/// What the dense retriever found.
#[derive(Default)]
struct Dense {
    vector: Option<Vec<f32>>,
    embed: Duration,
    found: Timed,
}

/// Chunks with the scores that their index knows.
fn known(chunks: &[ChunkNo], scores: Vec<Option<f32>>) -> impl Iterator<Item = (ChunkNo, f32)> {
    chunks
        .iter()
        .copied()
        .zip(scores)
        .filter_map(|(no, score)| score.map(|score| (no, score)))
}

#[derive(Clone, Copy)]
enum Arm {
    Dense,
    Lexical,
}

/// One retriever's ranking as the result.
fn single(ranked: &[(ChunkNo, f32)], arm: Arm) -> Vec<Fused> {
    ranked
        .iter()
        .map(|&(chunk_no, score)| Fused {
            chunk_no,
            score,
            dense: matches!(arm, Arm::Dense).then_some(score),
            lexical: matches!(arm, Arm::Lexical).then_some(score),
        })
        .collect()
}
