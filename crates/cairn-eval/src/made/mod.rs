//! Generated corpora for measuring: as many documents as wanted, from some real text and a seed.
//!
//! Sentences of real texts ([`Material`]) are dealt out anew. Each document has a main topic (chosen with Zipf weights: a
//! few topics have many documents) and some others, and its chunks take most of their sentences from the main one, so
//! that words keep their frequencies, come in clumps, and chunks of one document are alike. Some long words of each
//! document are replaced by names made up for it, since real corpora go on having new words however large they are.
//! Every tenth document is open to the group `tenth` and has the tag of that name, every hundredth likewise; all are open to
//! the group `all`.
//!
//! Vectors need no model run for each chunk: a chunk's is the weighted mean of its topics' vectors plus noise
//! ([`made_vector`]). Document n depends on material, seed and n alone, so a corpus of 100,000 chunks begins with that of 10,000.
//!
//! Not fit for judging the quality of rankings: nothing here means anything.

mod publish;
mod random;

use std::collections::HashMap;

use random::Random;

pub use publish::{MadeVectors, publish_made};

/// Sentences shorter or longer than this (bytes) are not dealt out.
const SENTENCE_BYTES: std::ops::RangeInclusive<usize> = 24..=600;
/// Words of a chunk, from and below: a chunk of 256 word pieces has about so many.
const CHUNK_WORDS: (usize, usize) = (100, 180);
/// Chunks of a document, from and below: ten on average.
const CHUNKS: (usize, usize) = (4, 17);
/// Topics of a document beside the main one.
const SIDE_TOPICS: usize = 3;
/// Of so many sentences one comes from a side topic.
const SIDE_SENTENCES: usize = 4;
/// Of so many long words one becomes a name of the document.
const NAMED_WORDS: usize = 60;
/// Names that are made up for a document.
const NAMES: usize = 3;
/// A word has to have so many letters to be replaced.
const LONG_WORD: usize = 7;
/// Length of the noise beside a vector of length 1: cosines of chunks of one topic come out near .75.
const NOISE: f32 = 0.6;
const SYLLABLES: [&str; 24] = [
    "ba", "cor", "del", "dri", "en", "fal", "gor", "hin", "is", "jo", "kra", "lum", "mer", "nor",
    "ol", "par", "quel", "ros", "sti", "tam", "ul", "ver", "wes", "zan",
];

/// Real text to deal out.
#[derive(Debug, Clone)]
pub struct Material {
    topics: Vec<Topic>,
}

#[derive(Debug, Clone)]
struct Topic {
    title: String,
    sentences: Vec<String>,
}

/// A corpus of which each document is made when it is asked for.
#[derive(Debug, Clone)]
pub struct MadeCorpus {
    material: Material,
    seed: u64,
    /// Sums of the topics' weights up to each of them.
    weights: Vec<f64>,
}

/// A made document.
#[derive(Debug, Clone, PartialEq)]
pub struct MadeDocument {
    /// The title of its main topic and its number.
    pub title: String,
    /// The topic that most of it is about: an index of [`Material::openings`].
    pub main_topic: usize,
    /// In order.
    pub chunks: Vec<MadeChunk>,
}

/// A chunk of a made document.
#[derive(Debug, Clone, PartialEq)]
pub struct MadeChunk {
    /// The heading above it.
    pub heading: String,
    /// Its text.
    pub text: String,
    /// Topics (indices of [`Material::openings`]) with their share of the sentences, by topic.
    pub topics: Vec<(usize, f32)>,
}

impl Material {
    /// Cuts texts (title, text) into sentences; a text without a usable sentence is no topic. `None` where there is no topic.
    #[must_use]
    pub fn new<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let mut topics = Vec::new();
        for (title, text) in texts {
            let sentences: Vec<String> = sentences(text).map(str::to_owned).collect();
            if !sentences.is_empty() {
                topics.push(Topic {
                    title: title.trim().to_owned(),
                    sentences,
                });
            }
        }
        (!topics.is_empty()).then_some(Self { topics })
    }

    /// The text that stands for each topic: its title and first sentences, to be embedded for [`made_vector`].
    #[must_use]
    pub fn openings(&self) -> Vec<String> {
        let opening = |topic: &Topic| {
            let mut text = topic.title.clone();
            for sentence in topic.sentences.iter().take(5) {
                text.push('\n');
                text.push_str(sentence);
            }
            text
        };
        self.topics.iter().map(opening).collect()
    }
}

/// Pieces between the ends of sentences, where they are of a usual length.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(['.', '?', '!', '\n', '。', '？'])
        .map(str::trim)
        .filter(|sentence| SENTENCE_BYTES.contains(&sentence.len()))
}

impl MadeCorpus {
    /// The corpus of this material and seed.
    #[must_use]
    pub fn new(material: Material, seed: u64) -> Self {
        // Which topics are common is a matter of the seed.
        let mut random = Random::seeded(seed);
        let mut ranks: Vec<usize> = (1..=material.topics.len()).collect();
        random.shuffle(&mut ranks);
        let mut sum = 0.0;
        let weights = ranks
            .iter()
            .map(|rank| {
                sum += 1.0 / (*rank as f64 + 10.0);
                sum
            })
            .collect();
        Self {
            material,
            seed,
            weights,
        }
    }

    /// What it is made of.
    #[must_use]
    pub const fn material(&self) -> &Material {
        &self.material
    }

    /// Document `n`, from 0; there is one for each number.
    #[must_use]
    pub fn document(&self, n: u64) -> MadeDocument {
        let mut random = self.random_of(n);
        let main_topic = self.topic(&mut random);
        let sides: [usize; SIDE_TOPICS] = std::array::from_fn(|_| self.topic(&mut random));
        let names: [String; NAMES] = std::array::from_fn(|_| name(&mut random));
        let n_chunks = random.between(CHUNKS);
        let chunks = (0..n_chunks)
            .map(|at| self.chunk(at, main_topic, sides, &names, &mut random))
            .collect();
        MadeDocument {
            title: format!("{} {n}", self.material.topics[main_topic].title),
            main_topic,
            chunks,
        }
    }

    fn chunk(
        &self,
        at: usize,
        main_topic: usize,
        sides: [usize; SIDE_TOPICS],
        names: &[String; NAMES],
        random: &mut Random,
    ) -> MadeChunk {
        let wanted = random.between(CHUNK_WORDS);
        let mut text = String::new();
        let mut counts: HashMap<usize, usize> = HashMap::new();
        let (mut n_words, mut n_sentences) = (0, 0);
        while n_words < wanted {
            let topic = if random.below(SIDE_SENTENCES) == 0 {
                sides[random.below(SIDE_TOPICS)]
            } else {
                main_topic
            };
            let sentences = &self.material.topics[topic].sentences;
            let sentence = &sentences[random.below(sentences.len())];
            *counts.entry(topic).or_default() += 1;
            n_sentences += 1;
            for word in sentence.split_whitespace() {
                if !text.is_empty() {
                    text.push(' ');
                }
                let is_long =
                    word.len() >= LONG_WORD && word.bytes().all(|b| b.is_ascii_lowercase());
                if is_long && random.below(NAMED_WORDS) == 0 {
                    text.push_str(&names[random.below(NAMES)]);
                } else {
                    text.push_str(word);
                }
                // A script without spaces: about two characters stand for a word.
                n_words += 1 + word.chars().filter(|c| !c.is_ascii()).count() / 4;
            }
        }
        let mut topics: Vec<(usize, f32)> = counts
            .into_iter()
            .map(|(topic, n)| (topic, n as f32 / n_sentences as f32))
            .collect();
        topics.sort_unstable_by_key(|(topic, _)| *topic);
        MadeChunk {
            heading: format!("Section {}", at / 3 + 1),
            text,
            topics,
        }
    }

    fn random_of(&self, n: u64) -> Random {
        let mut mixed = Random::seeded(self.seed ^ n.wrapping_mul(0xd134_2543_de82_ef95));
        Random::seeded(mixed.next_u64())
    }

    fn topic(&self, random: &mut Random) -> usize {
        let sum = self.weights.last().copied().unwrap_or(0.0);
        let point = random.unit() * sum;
        self.weights
            .partition_point(|weight| *weight <= point)
            .min(self.weights.len() - 1)
    }
}

/// A made-up word of three or four syllables.
fn name(random: &mut Random) -> String {
    (0..3 + random.below(2))
        .map(|_| SYLLABLES[random.below(SYLLABLES.len())])
        .collect()
}

/// The vector of a chunk from those of the topics (unit vectors of one length, in order of [`Material::openings`]), as a unit
/// vector. `salt` tells chunks of equal topics apart.
#[must_use]
pub fn made_vector(topics: &[Vec<f32>], chunk: &MadeChunk, salt: u64) -> Vec<f32> {
    let dim = topics.first().map_or(0, Vec::len);
    let mut vector = vec![0.0_f32; dim];
    for (topic, share) in &chunk.topics {
        for (sum, x) in vector.iter_mut().zip(&topics[*topic]) {
            *sum += share * x;
        }
    }
    normalise(&mut vector);
    let mut random = Random::seeded(salt);
    // A sum of uniform numbers is near enough to a normal one, and the same on every machine.
    let mut noise: Vec<f32> = (0..dim)
        .map(|_| (0..4).map(|_| random.unit() as f32 - 0.5).sum())
        .collect();
    normalise(&mut noise);
    for (x, noise) in vector.iter_mut().zip(noise) {
        *x += NOISE * noise;
    }
    normalise(&mut vector);
    vector
}

fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
}

#[cfg(test)]
mod tests;
