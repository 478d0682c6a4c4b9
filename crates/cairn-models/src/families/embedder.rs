//! The [`Embedder`] over candle: texts to tokens, groups of whole sequences to vectors.
//!
//! All work runs on a pool of as many threads as the options allow, one group at a time: callers take turns after every group, so a
//! question waits for one group of an ingest and not for all of it. Vectors agree to 1e-5 whatever their batch, not to the bit: the
//! library adds up in another order for another number of rows.

use std::path::Path;
use std::time::Instant;

use cairn_types::EmbeddingSpace;
use cairn_types::ports::{EmbedError, Embedder};
use candle_core::Tensor;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::form::Form;
use super::layers::Words;
use super::modernbert::ModernBert;
use super::qwen3::Qwen3;
use super::turnstile::Turnstile;
use crate::embedder::{LoadOptions, check_limits, open_weights, read_verified};
use crate::error::ModelError;
use crate::manifest::{Manifest, Pooling, Precision, TOKENIZER, WEIGHTS};
use crate::pooling::pool;
use crate::prompts::{Prompts, with_prompt};
use crate::tokenizer::Tokenizer;

/// Tokens of a group, unless one sequence has more.
const GROUP_TOKENS: usize = 256;

/// The arithmetic in the embedding space: `f32` by another program is near the native one, but not the same.
const RECIPE: &str = "f32-candle-v1";

/// A loaded model of a family that candle computes.
pub(crate) struct LibraryEmbedder {
    space: EmbeddingSpace,
    prompts: Prompts,
    pooling: Pooling,
    tokenizer: Tokenizer,
    model: Model,
    threads: ThreadPool,
    turnstile: Turnstile,
}

enum Model {
    ModernBert(ModernBert),
    Qwen3(Qwen3),
}

impl Model {
    fn words(&self) -> &Words {
        match self {
            Self::ModernBert(model) => model.words(),
            Self::Qwen3(model) => model.words(),
        }
    }

    fn forward(&self, sequences: &[&[u32]]) -> candle_core::Result<Tensor> {
        match self {
            Self::ModernBert(model) => model.forward(sequences),
            Self::Qwen3(model) => model.forward(sequences),
        }
    }
}

impl LibraryEmbedder {
    /// Loads the model in `dir`, after comparing every file with its recorded hash.
    ///
    /// # Errors
    /// Where a file was altered, a tensor is missing or has another shape, or another precision than `f32` is asked for.
    pub(crate) fn load(
        dir: &Path,
        manifest: &Manifest,
        form: &Form,
        options: &LoadOptions,
    ) -> Result<Self, ModelError> {
        let started = Instant::now();
        let name = manifest.name.as_str();
        let precision = options.precision.unwrap_or(manifest.precision);
        if precision != Precision::F32 {
            return Err(ModelError::Unsupported {
                model: name.to_owned(),
                reason: format!("the precision of its family is f32, not {precision:?}"),
            });
        }
        check_limits(manifest, form.dim(), form.positions())?;
        let max_tokens = manifest.max_tokens as usize;
        let json = read_verified(dir, manifest, TOKENIZER)?;
        let tokenizer = Tokenizer::parse(name, &json, max_tokens)?;
        let weights = open_weights(dir, manifest)?;
        manifest.verify(WEIGHTS, weights.bytes())?;
        let model = match form {
            Form::ModernBert(form) => {
                Model::ModernBert(ModernBert::load(weights, form, max_tokens)?)
            }
            Form::Qwen3(form) => Model::Qwen3(Qwen3::load(weights, form, max_tokens)?),
        };
        let threads = ThreadPoolBuilder::new()
            .num_threads(options.n_threads())
            .thread_name(|i| format!("embed-{i}"))
            .build()
            .map_err(|error| ModelError::Io(std::io::Error::other(error)))?;
        let space = EmbeddingSpace {
            model: manifest.name.clone(),
            model_hash: manifest.model_hash(),
            recipe: RECIPE.to_owned(),
            pooling: manifest.pooling.word().to_owned(),
            prompts: manifest.prompts.mark(),
            max_tokens: manifest.max_tokens,
            dim: manifest.dim,
        };
        let duration_ms = started.elapsed().as_millis() as u64;
        tracing::debug!(
            model.name = name,
            model.recipe = RECIPE,
            duration_ms,
            "model loaded"
        );
        Ok(Self {
            space,
            prompts: manifest.prompts.clone(),
            pooling: manifest.pooling,
            tokenizer,
            model,
            threads,
            turnstile: Turnstile::default(),
        })
    }

    fn embed_after(&self, prompt: &str, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let sequences = texts
            .iter()
            .map(|text| self.tokenise(&with_prompt(prompt, text)))
            .collect::<Result<Vec<_>, _>>()?;
        let mut vectors = Vec::with_capacity(texts.len());
        for group in groups(&sequences) {
            let group = self
                .turnstile
                .pass(|| self.threads.install(|| self.encode(group)))?;
            vectors.extend(group);
        }
        Ok(vectors)
    }

    fn tokenise(&self, text: &str) -> Result<Vec<u32>, EmbedError> {
        let ids = self.tokenizer.encode(text).filter(|ids| !ids.is_empty());
        let ids = ids.ok_or_else(|| self.damaged("the tokenizer gives no tokens"))?;
        let vocab = self.model.words().vocab();
        if ids.iter().any(|id| *id as usize >= vocab) {
            return Err(self.damaged("the tokenizer gives a token that the weights do not have"));
        }
        Ok(ids)
    }

    fn encode(&self, group: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let sequences: Vec<&[u32]> = group.iter().map(Vec::as_slice).collect();
        let rows = self
            .model
            .forward(&sequences)
            .and_then(|x| x.flatten_all()?.to_vec1::<f32>())
            .map_err(|error| self.damaged(&error.to_string()))?;
        let lengths = group.iter().map(Vec::len);
        let vectors = pool(self.pooling, lengths, &rows, self.space.dim as usize);
        if vectors.iter().flatten().all(|x| x.is_finite()) {
            Ok(vectors)
        } else {
            Err(self.damaged("the weights give numbers that are not finite"))
        }
    }

    fn damaged(&self, reason: &str) -> EmbedError {
        EmbedError::Damaged {
            model: self.space.model.clone(),
            reason: reason.to_owned(),
        }
    }
}

impl Embedder for LibraryEmbedder {
    fn space(&self) -> &EmbeddingSpace {
        &self.space
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.tokenizer
            .count(&with_prompt(&self.prompts.passage, text))
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.embed_after(&self.prompts.passage, texts)
    }

    fn embed_queries(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.embed_after(&self.prompts.query, texts)
    }
}

/// Neighbours together, as long as they fit into [`GROUP_TOKENS`]; a longer sequence is alone.
fn groups(sequences: &[Vec<u32>]) -> Vec<&[Vec<u32>]> {
    let (mut groups, mut rest) = (Vec::new(), sequences);
    while !rest.is_empty() {
        let mut n_tokens = 0;
        let n = rest
            .iter()
            .take_while(|ids| {
                n_tokens += ids.len();
                n_tokens <= GROUP_TOKENS
            })
            .count();
        let (group, others) = rest.split_at(n.max(1));
        groups.push(group);
        rest = others;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hold_everything_once_in_order() {
        let sequences: Vec<Vec<u32>> = [3, 250, 4, 600, 1, 2, 253, 1]
            .iter()
            .map(|n| vec![7; *n])
            .collect();
        let lengths: Vec<Vec<usize>> = groups(&sequences)
            .iter()
            .map(|group| group.iter().map(Vec::len).collect())
            .collect();
        let expect: [&[usize]; 5] = [&[3, 250], &[4], &[600], &[1, 2, 253], &[1]];
        assert_eq!(lengths, expect);
        assert!(groups(&[]).is_empty());
    }
}
