//! The words and sentence patterns that generated texts are made of: lists that stand beside this file.

/// A subject with its words.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: &'static str,
    /// Commonest first.
    pub(crate) nouns: Vec<&'static str>,
    pub(crate) verbs: Vec<&'static str>,
}

/// All lists.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) topics: Vec<Topic>,
    pub(crate) nouns: Vec<&'static str>,
    pub(crate) adjectives: Vec<&'static str>,
    pub(crate) adverbs: Vec<&'static str>,
    pub(crate) sentences: Vec<Pattern>,
    pub(crate) questions: Vec<Pattern>,
}

/// A sentence with places for words.
pub(crate) type Pattern = Vec<Piece>;

/// Part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(&'static str),
    Noun,
    Verb,
    General,
    Adjective,
    Adverb,
    Number,
    Name,
    Id,
    Day,
}

/// Syllables of names of people.
pub(crate) const SYLLABLES: [&str; 40] = [
    "bel", "dor", "fen", "gar", "hal", "iv", "jor", "kel", "lam", "mor", "nad", "ol", "per",
    "quin", "ros", "sal", "tam", "ur", "vel", "wil", "yar", "zen", "bran", "cor", "dal", "el",
    "fal", "gren", "hol", "is", "jan", "kar", "lin", "mar", "nor", "ost", "pal", "ri", "sten",
    "tor",
];

/// Months of dates.
pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Words {
    pub(crate) fn load() -> Self {
        let mut general = lines(include_str!("general.txt")).map(words);
        let mut next = || general.next().unwrap_or_default();
        Self {
            topics: lines(include_str!("topics.txt"))
                .filter_map(topic)
                .collect(),
            nouns: next(),
            adjectives: next(),
            adverbs: next(),
            sentences: lines(include_str!("sentences.txt")).map(pattern).collect(),
            questions: lines(include_str!("questions.txt")).map(pattern).collect(),
        }
    }
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
}

fn words(line: &'static str) -> Vec<&'static str> {
    line.split_whitespace().collect()
}

fn topic(line: &'static str) -> Option<Topic> {
    let (name, rest) = line.split_once(':')?;
    let (nouns, verbs) = rest.split_once('|')?;
    Some(Topic {
        name,
        nouns: words(nouns),
        verbs: words(verbs),
    })
}

fn pattern(line: &'static str) -> Pattern {
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('{') {
        let (slot, after) = after.split_once('}').unwrap_or((after, ""));
        pieces.push(Piece::Text(before));
        pieces.push(match slot {
            "v" => Piece::Verb,
            "g" => Piece::General,
            "a" => Piece::Adjective,
            "d" => Piece::Adverb,
            "num" => Piece::Number,
            "name" => Piece::Name,
            "id" => Piece::Id,
            "day" => Piece::Day,
            _ => Piece::Noun,
        });
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_whole() {
        let words = Words::load();
        assert!(words.topics.len() >= 50, "{}", words.topics.len());
        for topic in &words.topics {
            assert!(
                topic.nouns.len() >= 18 && topic.verbs.len() >= 4,
                "{}",
                topic.name
            );
        }
        assert!(words.nouns.len() > 50 && words.adjectives.len() > 50 && words.adverbs.len() > 15);
        assert!(words.sentences.len() >= 30 && words.questions.len() >= 10);
        for line in [include_str!("sentences.txt"), include_str!("questions.txt")] {
            for slot in lines(line).flat_map(|line| line.split('{').skip(1)) {
                let name = slot.split('}').next().unwrap_or_default();
                let known = ["n", "v", "g", "a", "d", "num", "name", "id", "day"];
                assert!(known.contains(&name), "{name}");
            }
        }
    }

    #[test]
    fn patterns_are_text_and_slots() {
        assert_eq!(
            pattern("The {n} {v}."),
            [
                Piece::Text("The "),
                Piece::Noun,
                Piece::Text(" "),
                Piece::Verb,
                Piece::Text(".")
            ]
        );
    }
}
