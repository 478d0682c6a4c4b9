//! BERT in `f64`, written from the paper's formulas and sharing nothing with the crate but the file format.

use std::path::Path;

use safetensors::SafeTensors;
use tokenizers::Tokenizer;

type Matrix = Vec<Vec<f64>>;

pub(crate) struct Reference {
    bytes: Vec<u8>,
    tokenizer: Tokenizer,
    config: serde_json::Value,
    max_tokens: usize,
}

impl Reference {
    pub(crate) fn open(dir: &Path, max_tokens: usize) -> Self {
        let mut tokenizer =
            Tokenizer::from_bytes(fs_err::read(dir.join("tokenizer.json")).unwrap()).unwrap();
        tokenizer.with_padding(None);
        let truncation = tokenizers::TruncationParams {
            max_length: max_tokens,
            ..Default::default()
        };
        tokenizer.with_truncation(Some(truncation)).unwrap();
        Self {
            bytes: fs_err::read(dir.join("model.safetensors")).unwrap(),
            tokenizer,
            config: serde_json::from_slice(&fs_err::read(dir.join("config.json")).unwrap())
                .unwrap(),
            max_tokens,
        }
    }

    pub(crate) fn embed(&self, text: &str) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let vector = |name: &str| -> Vec<f64> {
            let data = file.tensor(name).unwrap().data().to_vec();
            data.chunks_exact(4)
                .map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])))
                .collect()
        };
        let matrix = |name: &str| -> Matrix {
            let columns = file.tensor(name).unwrap().shape()[1];
            vector(name)
                .chunks_exact(columns)
                .map(<[f64]>::to_vec)
                .collect()
        };
        let linear = |x: &Matrix, name: &str| -> Matrix {
            let (w, b) = (
                matrix(&format!("{name}.weight")),
                vector(&format!("{name}.bias")),
            );
            x.iter()
                .map(|x| w.iter().zip(&b).map(|(w, b)| dot(w, x) + b).collect())
                .collect()
        };
        let norm = |x: &[f64], name: &str| -> Vec<f64> {
            let (g, b) = (
                vector(&format!("{name}.weight")),
                vector(&format!("{name}.bias")),
            );
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
            x.iter()
                .zip(g.iter().zip(&b))
                .map(|(x, (g, b))| (x - mean) / (variance + 1e-12).sqrt() * g + b)
                .collect()
        };
        let add_norm = |x: &Matrix, y: &Matrix, name: &str| -> Matrix {
            x.iter()
                .zip(y)
                .map(|(x, y)| norm(&add(x, y), name))
                .collect()
        };

        let encoding = self.tokenizer.encode(text, true).unwrap();
        assert!(encoding.len() <= self.max_tokens);
        let words = matrix("embeddings.word_embeddings.weight");
        let positions = matrix("embeddings.position_embeddings.weight");
        let types = matrix("embeddings.token_type_embeddings.weight");
        let mut x: Matrix = encoding
            .get_ids()
            .iter()
            .zip(&positions)
            .map(|(id, p)| {
                norm(
                    &add(&add(&words[*id as usize], p), &types[0]),
                    "embeddings.LayerNorm",
                )
            })
            .collect();
        let heads = self.config["num_attention_heads"].as_u64().unwrap() as usize;
        for layer in 0..self.config["num_hidden_layers"].as_u64().unwrap() {
            let at = |name: &str| format!("encoder.layer.{layer}.{name}");
            let [q, k, v] = ["query", "key", "value"]
                .map(|part| linear(&x, &at(&format!("attention.self.{part}"))));
            let size = q[0].len() / heads;
            let mut context = vec![vec![0.0; q[0].len()]; q.len()];
            for h in 0..heads {
                let part = h * size..(h + 1) * size;
                for (q, context) in q.iter().zip(&mut context) {
                    let scores = k
                        .iter()
                        .map(|k| dot(&q[part.clone()], &k[part.clone()]) / (size as f64).sqrt());
                    let weights: Vec<f64> = scores.map(f64::exp).collect();
                    let sum: f64 = weights.iter().sum();
                    for (weight, v) in weights.iter().zip(&v) {
                        for e in part.clone() {
                            context[e] += weight / sum * v[e];
                        }
                    }
                }
            }
            let y = linear(&context, &at("attention.output.dense"));
            x = add_norm(&x, &y, &at("attention.output.LayerNorm"));
            let mut inner = linear(&x, &at("intermediate.dense"));
            inner.iter_mut().flatten().for_each(|x| *x = gelu(*x));
            let y = linear(&inner, &at("output.dense"));
            x = add_norm(&x, &y, &at("output.LayerNorm"));
        }
        let sum = x[1..].iter().fold(x[0].clone(), |sum, x| add(&sum, x));
        let length = dot(&sum, &sum).sqrt();
        sum.iter().map(|x| (x / length) as f32).collect()
    }
}

fn add(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// x Phi(x), the error function by its Taylor series (good to 1e-12 for |x| < 5; beyond that Phi is 0 or 1).
fn gelu(x: f64) -> f64 {
    let z = x / std::f64::consts::SQRT_2;
    if z.abs() > 4.5 {
        return if z > 0.0 { x } else { 0.0 };
    }
    let (mut term, mut sum) = (z, z);
    for n in 1..120 {
        let n = f64::from(n);
        term *= -z * z / n;
        sum += term / (2.0 * n + 1.0);
    }
    0.5 * x * (1.0 + sum * 2.0 / std::f64::consts::PI.sqrt())
}

#[test]
fn its_gelu_has_the_published_values() {
    for (x, expect) in [
        (0.0, 0.0),
        (1.0, 0.841_344_746),
        (-1.0, -0.158_655_254),
        (3.0, 2.995_950_3),
        (-9.0, 0.0),
    ] {
        assert!((gelu(x) - expect).abs() < 1e-7, "gelu({x}) = {}", gelu(x));
    }
}
