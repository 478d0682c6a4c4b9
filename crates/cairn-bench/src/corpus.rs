//! Documents and questions from a seed.
//!
//! A document has a subject, a few words of it that it keeps coming back to, a few names and identifiers of its own, and
//! paragraphs of sentences that are patterns filled with words. Words follow Zipf's law within each list; names and identifiers
//! make the long tail that real vocabularies have (about one new word in a hundred, without end). So texts of one subject are
//! alike, texts of one document more so, for BM25 as for an embedding model; what they say means nothing.
//!
//! A document is made from its number alone: O(length), in any order, on any number of threads.

use crate::random::Random;
use crate::words::{MONTHS, Pattern, Piece, SYLLABLES, Words};

/// Words of a paragraph, on average: about 200 wordpieces with the default model's tokenizer, so that a paragraph is a chunk.
const WORDS_PER_PARAGRAPH: usize = 140;
/// Paragraphs vary by so many words up and down.
const SPREAD: usize = 24;
/// Words of its subject that a document prefers.
const FOCUS_WORDS: usize = 5;

const DOCUMENT: u64 = 1;
const TEXT: u64 = 2;
const QUESTION: u64 = 3;

/// A collection of documents that are made when they are asked for.
#[derive(Debug)]
pub struct Corpus {
    seed: u64,
    words: Words,
}

/// A generated document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedDocument {
    /// Its title: subject, words it is about, a number.
    pub title: String,
    /// Its subject, below [`Corpus::n_topics`].
    pub topic: usize,
    /// Its text. A paragraph is about one chunk.
    pub paragraphs: Vec<String>,
}

/// A generated question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedQuestion {
    /// Its text: some 5 to 12 words.
    pub text: String,
    /// Its subject.
    pub topic: usize,
    /// The number of the document that its words were taken from.
    pub about: u64,
}

/// What a document is about.
struct Subject {
    topic: usize,
    focus: Vec<&'static str>,
    names: Vec<String>,
    ids: Vec<String>,
}

impl Corpus {
    /// The collection of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            words: Words::load(),
        }
    }

    /// Subjects that documents have.
    #[must_use]
    pub const fn n_topics(&self) -> usize {
        self.words.topics.len()
    }

    /// The subject of a document.
    #[must_use]
    pub fn topic(&self, number: u64) -> usize {
        Random::of(self.seed, DOCUMENT, number).below(self.n_topics())
    }

    /// A document with so many paragraphs.
    #[must_use]
    pub fn document(&self, number: u64, n_paragraphs: usize) -> GeneratedDocument {
        let subject = self.subject(number);
        let mut random = Random::of(self.seed, TEXT, number);
        let name = self.words.topics[subject.topic].name;
        let title = format!(
            "{} {} {} {number}",
            capital(name),
            subject.focus[0],
            subject.focus[1]
        );
        let paragraphs = (0..n_paragraphs)
            .map(|_| self.paragraph(&subject, &mut random))
            .collect();
        GeneratedDocument {
            title,
            topic: subject.topic,
            paragraphs,
        }
    }

    /// A question in the words of one of the first `n_documents` documents.
    #[must_use]
    pub fn question(&self, number: u64, n_documents: u64) -> GeneratedQuestion {
        let mut random = Random::of(self.seed, QUESTION, number);
        let about = random.below(usize::try_from(n_documents).unwrap_or(usize::MAX)) as u64;
        let subject = self.subject(about);
        let pattern = random.pick(&self.words.questions);
        GeneratedQuestion {
            text: capital(&self.fill(pattern, &subject, &mut random)),
            topic: subject.topic,
            about,
        }
    }

    fn subject(&self, number: u64) -> Subject {
        let mut random = Random::of(self.seed, DOCUMENT, number);
        let topic = random.below(self.n_topics());
        let nouns = &self.words.topics[topic].nouns;
        let focus = (0..FOCUS_WORDS)
            .map(|_| *random.pick::<&str>(nouns))
            .collect();
        Subject {
            topic,
            focus,
            names: (0..3).map(|_| name(&mut random)).collect(),
            ids: (0..3).map(|_| identifier(&mut random)).collect(),
        }
    }

    fn paragraph(&self, subject: &Subject, random: &mut Random) -> String {
        let target = WORDS_PER_PARAGRAPH - SPREAD + random.below(2 * SPREAD + 1);
        let mut text = String::with_capacity(8 * target);
        let mut n_words = 0;
        while n_words < target {
            let pattern = random.pick(&self.words.sentences);
            let sentence = capital(&self.fill(pattern, subject, random));
            n_words += sentence.split(' ').count();
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&sentence);
        }
        text
    }

    fn fill(&self, pattern: &Pattern, subject: &Subject, random: &mut Random) -> String {
        let topic = &self.words.topics[subject.topic];
        let mut text = String::new();
        for piece in pattern {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Noun => text.push_str(match random.below(10) {
                    0..5 => word(random, &subject.focus),
                    5..9 => word(random, &topic.nouns),
                    _ => {
                        let other = random.below(self.n_topics());
                        word(random, &self.words.topics[other].nouns)
                    }
                }),
                Piece::Verb => text.push_str(word(random, &topic.verbs)),
                Piece::General => text.push_str(word(random, &self.words.nouns)),
                Piece::Adjective => text.push_str(word(random, &self.words.adjectives)),
                Piece::Adverb => text.push_str(word(random, &self.words.adverbs)),
                Piece::Number => text.push_str(&(2 + random.below(98)).to_string()),
                Piece::Name => text.push_str(random.pick_zipf::<String>(&subject.names)),
                Piece::Id => text.push_str(random.pick_zipf::<String>(&subject.ids)),
                Piece::Day => {
                    let day = 1 + random.below(28);
                    let month = random.pick::<&str>(&MONTHS);
                    text.push_str(&format!("{day} {month}"));
                }
            }
        }
        text
    }
}

fn word(random: &mut Random, words: &[&'static str]) -> &'static str {
    random.pick_zipf::<&str>(words)
}

/// A first and a last name; some thousand first names, tens of thousands of last ones.
fn name(random: &mut Random) -> String {
    let part = |n: usize, random: &mut Random| {
        let syllables: String = (0..n).map(|_| word(random, &SYLLABLES)).collect();
        capital(&syllables)
    };
    let first = part(2, random);
    let n_last = 2 + random.below(2);
    format!("{first} {}", part(n_last, random))
}

/// Such as `KX-4821`.
fn identifier(random: &mut Random) -> String {
    let letter = |random: &mut Random| *random.pick(b"ABCDEFGHJKLMNPRSTUVWXYZ") as char;
    let (first, second) = (letter(random), letter(random));
    format!("{first}{second}-{}", 1000 + random.below(9000))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn a_seed_gives_one_collection() {
        let corpus = Corpus::new(7);
        let document = corpus.document(12, 3);
        assert_eq!(document, Corpus::new(7).document(12, 3));
        assert_eq!(document.topic, corpus.topic(12));
        assert_ne!(document, corpus.document(13, 3));
        assert_ne!(document, Corpus::new(8).document(12, 3));
        assert_eq!(corpus.question(5, 100), Corpus::new(7).question(5, 100));
        // More paragraphs go on where fewer end.
        assert_eq!(corpus.document(12, 5).paragraphs[..3], document.paragraphs);
    }

    #[test]
    fn paragraphs_have_the_length_of_a_chunk() {
        let corpus = Corpus::new(1);
        for number in 0..50 {
            for paragraph in corpus.document(number, 4).paragraphs {
                let n_words = paragraph.split_whitespace().count();
                assert!((105..=190).contains(&n_words), "{n_words}: {paragraph}");
                assert!(!paragraph.contains(['{', '}']), "{paragraph}");
            }
        }
    }

    #[test]
    fn words_follow_a_long_tail() {
        let corpus = Corpus::new(1);
        let mut counts: HashMap<String, u32> = HashMap::new();
        for number in 0..400 {
            for paragraph in corpus.document(number, 5).paragraphs {
                for word in paragraph.split(|c: char| !c.is_alphanumeric()) {
                    *counts.entry(word.to_lowercase()).or_default() += 1;
                }
            }
        }
        let mut counts: Vec<u32> = counts.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        assert!(counts.len() > 3_000, "{} different words", counts.len());
        assert!(counts[0] > 20 * counts[200] && counts[200] > 10 * counts[3_000]);
    }

    #[test]
    fn questions_use_words_of_the_document_they_are_about() {
        let corpus = Corpus::new(1);
        let mut n_shared = 0;
        for number in 0..100 {
            let question = corpus.question(number, 1_000);
            assert!(question.about < 1_000);
            let document = corpus.document(question.about, 5);
            assert_eq!(document.topic, question.topic);
            let text = document.paragraphs.join(" ").to_lowercase();
            let words: HashSet<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
            let asked = question.text.to_lowercase();
            let is_in = |word: &&str| word.len() > 3 && words.contains(word);
            n_shared += usize::from(
                asked
                    .split(|c: char| !c.is_alphanumeric())
                    .filter(is_in)
                    .count()
                    >= 2,
            );
        }
        assert!(n_shared > 80, "{n_shared}");
    }
}
