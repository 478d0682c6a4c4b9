//! The native embedder: implements the `Embedder` port on the CPU.
//!
//! Texts are tokenised, and their sequences go through one queue per embedder (`queue.rs`): slices of up to 256 tokens, queries first,
//! each computed on one caller's thread without synchronisation. A call of many slices takes extra threads from one budget per
//! embedder, so many callers at once do not multiply them.
//! Vectors do not depend on batch, number of threads or kernel path (f32 apart, see `kernel/mod.rs`).

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use cairn_types::EmbeddingSpace;
use cairn_types::ports::{Caller, EmbedError, Embedder, Urgency};

use crate::config::Shape;
use crate::encoder::{Encoder, Scratch};
use crate::error::ModelError;
use crate::kernel::{Kernel, KernelChoice};
use crate::manifest::{CONFIG, MANIFEST, Manifest, Precision, TOKENIZER, WEIGHTS};
use crate::prompts::{Prompts, with_prompt};
use crate::queue::{Call, Counts, Failure, Queue};
use crate::tokenizer::Tokenizer;
use crate::weights::Weights;

/// How a model is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadOptions {
    /// Most threads of one batch; 0 means one per core.
    pub threads: usize,
    /// Other than the one that was chosen when the model was installed. Another precision is another embedding space.
    pub precision: Option<Precision>,
    /// The instructions to use.
    pub kernel: KernelChoice,
}

impl LoadOptions {
    /// Threads of one batch, at least 1.
    pub(crate) fn n_threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            n => n,
        }
    }
}

/// A loaded model. Cheap to call from several threads at once.
pub struct NativeEmbedder {
    space: EmbeddingSpace,
    prompts: Prompts,
    tokenizer: Tokenizer,
    encoder: Encoder,
    queue: Queue,
    /// Threads beyond the callers' own that may still be started.
    spare_threads: AtomicUsize,
    scratch: Mutex<Vec<Scratch>>,
}

impl std::fmt::Debug for NativeEmbedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kernel = self.encoder.kernel().name();
        f.debug_struct("NativeEmbedder")
            .field("space", &self.space)
            .field("kernel", &kernel)
            .finish_non_exhaustive()
    }
}

impl NativeEmbedder {
    /// Loads the model in `dir` (a folder of the [`crate::ModelStore`]), after comparing every file with its recorded hash.
    ///
    /// # Errors
    /// [`ModelError::NotInstalled`] where there is no model, [`ModelError::Damaged`] where a file was altered, and what reading gives.
    pub fn load(dir: &Path, options: &LoadOptions) -> Result<Self, ModelError> {
        let manifest = Manifest::read(dir)?;
        Self::load_with(dir, &manifest, options)
    }

    /// Loads with a manifest that is not written yet.
    pub(crate) fn load_with(
        dir: &Path,
        manifest: &Manifest,
        options: &LoadOptions,
    ) -> Result<Self, ModelError> {
        let started = Instant::now();
        let kernel = Kernel::select(options.kernel)?;
        let name = manifest.name.as_str();
        let config = read_verified(dir, manifest, CONFIG)?;
        let shape = Shape::parse(name, &config)?;
        check_limits(manifest, shape.hidden, shape.positions)?;
        let weights = open_weights(dir, manifest)?;
        let hashed = open_weights(dir, manifest)?;
        let precision = options.precision.unwrap_or(manifest.precision);
        let max_tokens = manifest.max_tokens as usize;
        // Hashing the weights takes about as long as packing them and reading the tokenizer: side by side.
        let (verified, tokenizer, encoder) = std::thread::scope(|scope| {
            let verified = scope.spawn(|| manifest.verify(WEIGHTS, hashed.bytes()));
            let tokenizer = scope.spawn(|| {
                let json = read_verified(dir, manifest, TOKENIZER)?;
                Tokenizer::parse(name, &json, max_tokens)
            });
            let encoder = Encoder::load(weights, shape, manifest.pooling, precision, kernel);
            (join(verified), join(tokenizer), encoder)
        });
        // An altered file may fail in any of the three: its hash is the best explanation.
        verified?;
        let (tokenizer, encoder) = (tokenizer?, encoder?);
        let space = EmbeddingSpace {
            model: manifest.name.clone(),
            model_hash: manifest.model_hash(),
            recipe: precision.recipe().to_owned(),
            pooling: manifest.pooling.word().to_owned(),
            prompts: manifest.prompts.mark(),
            max_tokens: manifest.max_tokens,
            dim: manifest.dim,
        };
        let duration_ms = started.elapsed().as_millis() as u64;
        tracing::debug!(
            model.name = name,
            model.recipe = %space.recipe,
            kernel.name = kernel.name(),
            duration_ms,
            "model loaded"
        );
        Ok(Self {
            space,
            prompts: manifest.prompts.clone(),
            tokenizer,
            encoder,
            queue: Queue::new(options.n_threads()),
            spare_threads: AtomicUsize::new(options.n_threads() - 1),
            scratch: Mutex::new(Vec::new()),
        })
    }

    /// The kernel path in use, for logs and status: `avx512-bf16`, `avx512`, `avx2` or `portable`.
    #[must_use]
    pub fn kernel_name(&self) -> &'static str {
        self.encoder.kernel().name()
    }

    /// What was computed and what was dropped so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.queue.counts()
    }

    fn damaged(&self, reason: &str) -> EmbedError {
        EmbedError::Damaged {
            model: self.space.model.clone(),
            reason: reason.to_owned(),
        }
    }

    fn tokenise(&self, text: &str) -> Result<Vec<u32>, EmbedError> {
        let ids = self.tokenizer.encode(text).filter(|ids| !ids.is_empty());
        let ids = ids.ok_or_else(|| self.damaged("the tokenizer gives no tokens"))?;
        if ids.iter().any(|id| *id as usize >= self.encoder.vocab()) {
            return Err(self.damaged("the tokenizer gives a token that the weights do not have"));
        }
        Ok(ids)
    }

    /// `None` where the weights give numbers that are not finite.
    fn encode(&self, sequences: &[&[u32]]) -> Option<Vec<Vec<f32>>> {
        let mut scratch = self.lock().pop().unwrap_or_default();
        let vectors = self.encoder.encode(sequences, &mut scratch);
        self.lock().push(scratch);
        let is_finite = vectors.iter().flatten().all(|x| x.is_finite());
        is_finite.then_some(vectors)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Scratch>> {
        // Only `push` and `pop` run under the lock: a panic elsewhere leaves the pool whole.
        self.scratch
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Results of `work(0..n)` in order, on this thread and as many others as are spare.
    fn share_out<T: Send>(&self, n: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
        let threads = SpareThreads::take(&self.spare_threads, n.saturating_sub(1));
        if threads.n == 0 {
            return (0..n).map(work).collect();
        }
        let next = AtomicUsize::new(0);
        let worker = || {
            let mut done = Vec::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= n {
                    return done;
                }
                done.push((i, work(i)));
            }
        };
        let mut done = std::thread::scope(|scope| {
            let others: Vec<_> = (0..threads.n).map(|_| scope.spawn(worker)).collect();
            let mut done = worker();
            for other in others {
                done.append(&mut join(other));
            }
            done
        });
        done.sort_unstable_by_key(|(i, _)| *i);
        done.into_iter().map(|(_, result)| result).collect()
    }
}

impl Embedder for NativeEmbedder {
    fn space(&self) -> &EmbeddingSpace {
        &self.space
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.tokenizer
            .count(&with_prompt(&self.prompts.passage, text))
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.embed_for(&Caller::new(Urgency::Query), texts)
    }

    fn embed_queries(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.embed_queries_for(&Caller::new(Urgency::Query), texts)
    }

    fn embed_for(&self, caller: &Caller, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.embed_after(&self.prompts.passage, caller, texts)
    }

    fn embed_queries_for(
        &self,
        caller: &Caller,
        texts: &[&str],
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.embed_after(&self.prompts.query, caller, texts)
    }
}

impl NativeEmbedder {
    fn embed_after(
        &self,
        prompt: &str,
        caller: &Caller,
        texts: &[&str],
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        if caller.is_gone() {
            return Err(EmbedError::Cancelled);
        }
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let tokenise = |i: usize| self.tokenise(&with_prompt(prompt, texts[i]));
        let sequences = self.share_out(texts.len(), tokenise);
        let sequences = sequences.into_iter().collect::<Result<Vec<_>, _>>()?;
        let call = Arc::new(Call::new(caller.clone(), sequences));
        self.queue.submit(&call);
        let work = || self.queue.work(&call, |sequences| self.encode(sequences));
        let extra = SpareThreads::take(&self.spare_threads, call.n_slices().saturating_sub(1));
        if extra.n == 0 {
            work();
        } else {
            std::thread::scope(|scope| {
                for _ in 0..extra.n {
                    scope.spawn(work);
                }
                work();
            });
        }
        self.queue.result(&call).map_err(|failure| match failure {
            Failure::Cancelled => EmbedError::Cancelled,
            Failure::Failed => self.damaged("the weights give numbers that are not finite"),
        })
    }
}

/// Threads taken from the budget; given back when dropped.
struct SpareThreads<'a> {
    budget: &'a AtomicUsize,
    n: usize,
}

impl<'a> SpareThreads<'a> {
    fn take(budget: &'a AtomicUsize, wanted: usize) -> Self {
        let mut n = 0;
        // A race only means fewer threads for the loser.
        let _ = budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |spare| {
            n = wanted.min(spare);
            Some(spare - n)
        });
        Self { budget, n }
    }
}

impl Drop for SpareThreads<'_> {
    fn drop(&mut self) {
        self.budget.fetch_add(self.n, Ordering::Relaxed);
    }
}

fn join<T>(handle: std::thread::ScopedJoinHandle<'_, T>) -> T {
    handle
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

pub(crate) fn open_weights(dir: &Path, manifest: &Manifest) -> Result<Weights, ModelError> {
    Weights::open(&manifest.name, dir).map_err(|error| missing(manifest, WEIGHTS, error))
}

pub(crate) fn read_verified(
    dir: &Path,
    manifest: &Manifest,
    file: &str,
) -> Result<Vec<u8>, ModelError> {
    let content =
        fs_err::read(dir.join(file)).map_err(|error| missing(manifest, file, error.into()))?;
    manifest.verify(file, &content)?;
    Ok(content)
}

/// A file that the manifest lists and that is gone is damage, not an input error.
fn missing(manifest: &Manifest, file: &str, error: ModelError) -> ModelError {
    match error {
        ModelError::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let expected = manifest
                .file(file)
                .map_or("", |record| record.sha256.as_str());
            ModelError::Damaged {
                model: manifest.name.clone(),
                file: file.to_owned(),
                found: "no file".to_owned(),
                expected: expected.to_owned(),
            }
        }
        other => other,
    }
}

/// Compares the manifest with what the configuration says of the weights.
pub(crate) fn check_limits(
    manifest: &Manifest,
    hidden: usize,
    positions: usize,
) -> Result<(), ModelError> {
    if manifest.dim as usize == hidden && manifest.max_tokens as usize <= positions {
        return Ok(());
    }
    let (dim, max_tokens) = (manifest.dim, manifest.max_tokens);
    Err(ModelError::Malformed {
        model: manifest.name.clone(),
        file: MANIFEST.to_owned(),
        reason: format!(
            "{dim} components and {max_tokens} tokens, but the weights have {hidden} and {positions}"
        ),
    })
}
