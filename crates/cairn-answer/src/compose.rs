//! Answers out of quotes alone, and the words with which Cairn abstains.

use crate::abstain::{AbstainOptions, Verdict, judge};
use crate::answer::{Answer, AnswerMode, StopReason};
use crate::citation::{TextReader, cite, verify_citation};
use crate::error::Error;
use crate::evidence::RankedPassage;
use crate::extract::Extraction;

/// Passages offered when the documents do not say.
const MAX_NEAREST: usize = 3;

/// The answer from what [`crate::answer_extractively`] found: the verified quotes with their numbers, or an
/// honest "the documents do not say" with the nearest passages. `passages`: the same list as was given there.
///
/// # Errors
/// [`Error::Catalog`] where the stored text cannot be read.
pub async fn answer_from_quotes(
    extraction: &Extraction,
    passages: &[RankedPassage],
    read: &TextReader<'_>,
    options: &AbstainOptions,
) -> Result<Answer, Error> {
    let verdict = judge(&extraction.evidence, options);
    if verdict.abstain || extraction.quotes.is_empty() {
        return Ok(abstain(passages, verdict, AnswerMode::Extractive));
    }
    let mut answer = Answer {
        text: String::new(),
        abstained: false,
        citations: Vec::new(),
        nearest: Vec::new(),
        mode: AnswerMode::Extractive,
        conflict: None,
        dropped: Vec::new(),
        unsupported: Vec::new(),
        short_answer: None,
        confidence: verdict.confidence,
        stop: StopReason::Complete,
    };
    // Number of each quote in the answer, where it was verified.
    let mut numbers: Vec<Option<u32>> = Vec::new();
    for quote in &extraction.quotes {
        let mut citation = cite(&passages[quote.passage], &quote.bytes);
        citation.n = u32::try_from(answer.citations.len() + 1).unwrap_or(u32::MAX);
        match verify_citation(citation, read).await? {
            Ok(citation) => {
                numbers.push(Some(citation.n));
                answer.citations.push(citation);
            }
            Err(dropped) => {
                numbers.push(None);
                answer.dropped.push(dropped);
            }
        }
    }
    if answer.citations.is_empty() {
        let dropped = answer.dropped;
        return Ok(Answer {
            dropped,
            ..abstain(passages, verdict, AnswerMode::Extractive)
        });
    }
    let mut parts: Vec<String> = Vec::new();
    if let Some(conflict) = &extraction.conflict
        && let [Some(a), Some(b)] = conflict.quotes.map(|i| numbers.get(i).copied().flatten())
    {
        let [x, y] = &conflict.values;
        parts.push(if x.is_empty() || y.is_empty() {
            format!("The documents disagree: compare [{a}] and [{b}].")
        } else {
            format!("The documents disagree: {x} [{a}], but {y} [{b}].")
        });
        answer.conflict = Some(conflict.clone());
    }
    parts.extend(
        answer
            .citations
            .iter()
            .map(|citation| format!("“{}” [{}]", citation.quote, citation.n)),
    );
    answer.text = parts.join("\n\n");
    if numbers.first().copied().flatten().is_some() {
        answer.short_answer.clone_from(&extraction.short_answer);
    }
    Ok(answer)
}

/// The answer that says so when the documents do not.
pub(crate) fn abstain(passages: &[RankedPassage], verdict: Verdict, mode: AnswerMode) -> Answer {
    let nearest: Vec<RankedPassage> = passages.iter().take(MAX_NEAREST).cloned().collect();
    let mut titles: Vec<&str> = Vec::new();
    for ranked in &nearest {
        let title = ranked.passage.document.title.as_str();
        if !title.is_empty() && !titles.contains(&title) {
            titles.push(title);
        }
    }
    let text = if titles.is_empty() {
        "The documents do not say.".to_owned()
    } else {
        let titles: Vec<String> = titles.iter().map(|title| format!("“{title}”")).collect();
        format!(
            "The documents do not say. The nearest passages are in {}.",
            titles.join(", ")
        )
    };
    Answer {
        text,
        abstained: true,
        citations: Vec::new(),
        nearest,
        mode,
        conflict: None,
        dropped: Vec::new(),
        unsupported: Vec::new(),
        short_answer: None,
        confidence: verdict.confidence,
        stop: StopReason::Abstained,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::citation::passage_reader;
    use crate::evidence::TermWeights;
    use crate::extract::{ExtractiveOptions, answer_extractively};
    use crate::fixture::{block_on, passage};

    fn ask(question: &str, passages: &[RankedPassage]) -> Answer {
        let weights = TermWeights::default();
        let options = ExtractiveOptions::default();
        let found = answer_extractively(question, passages, &weights, None, &options).unwrap();
        let read = passage_reader(passages);
        block_on(answer_from_quotes(
            &found,
            passages,
            &read,
            &AbstainOptions::default(),
        ))
        .unwrap()
    }

    #[test]
    fn the_answer_quotes_and_numbers() {
        let passages = [
            passage(
                1,
                "lease.txt",
                100,
                "The tenant is Acme. The notice period is three months. Rent is due monthly.",
            ),
            passage(2, "menu.txt", 0, "Soup of the day. Bread is free."),
        ];
        let answer = ask("What is the notice period of the lease?", &passages);
        assert!(!answer.abstained);
        assert!(
            answer.citations[0]
                .quote
                .contains("The notice period is three months.")
        );
        assert!(answer.citations.iter().all(|citation| citation.verified));
        let first = &answer.citations[0];
        assert_eq!(first.page, Some(2));
        assert!(answer.text.starts_with(&format!("“{}” [1]", first.quote)));
        assert!(first.span.start >= 100);
    }

    #[test]
    fn contradicting_documents_are_both_cited() {
        let passages = [
            passage(
                1,
                "handbook.txt",
                0,
                "Full-time employees get 25 days of annual leave. Ask your manager.",
            ),
            passage(2, "other.txt", 0, "The canteen opens at noon."),
            passage(
                3,
                "contract.txt",
                0,
                "Pay is monthly. Employees get 30 days of annual leave.",
            ),
        ];
        let answer = ask("How many days of annual leave do employees get?", &passages);
        let conflict = answer.conflict.clone().unwrap();
        assert_eq!(conflict.values, ["25", "30"]);
        assert!(
            answer
                .text
                .starts_with("The documents disagree: 25 [1], but 30 [2]."),
            "{}",
            answer.text
        );
        let documents: Vec<u64> = answer.citations.iter().map(|c| c.document.id.0).collect();
        assert!(documents.contains(&1) && documents.contains(&3));
        let agreeing = [
            passage(1, "a.txt", 0, "Employees get 25 days of annual leave."),
            passage(
                2,
                "b.txt",
                0,
                "All employees get 25 days of annual leave a year.",
            ),
        ];
        assert_eq!(
            ask("How many days of annual leave do employees get?", &agreeing).conflict,
            None
        );
    }

    #[test]
    fn yes_and_no_contradict() {
        let passages = [
            passage(1, "a.txt", 0, "Visitors may park in the yard."),
            passage(2, "b.txt", 0, "Visitors may not park in the yard."),
        ];
        let answer = ask("May visitors park in the yard?", &passages);
        assert!(answer.conflict.is_some(), "{}", answer.text);
        assert_eq!(answer.citations.len(), 2);
    }

    #[test]
    fn nothing_to_say_is_said_plainly() {
        let passages = [passage(1, "menu.txt", 0, "Soup of the day. Bread is free.")];
        let answer = ask("Who founded the observatory in Quito?", &passages);
        assert!(answer.abstained);
        assert_eq!(
            answer.text,
            "The documents do not say. The nearest passages are in “menu.txt”."
        );
        assert_eq!((answer.nearest.len(), answer.citations.len()), (1, 0));
        let empty = ask("Who founded the observatory?", &[]);
        assert!(empty.abstained);
        assert_eq!(empty.text, "The documents do not say.");
    }

    #[test]
    fn quotes_that_the_store_does_not_have_are_not_shown() {
        let passages = [passage(1, "a.txt", 0, "The notice period is three months.")];
        let changed = [passage(1, "a.txt", 0, "The notice period is eight months.")];
        let weights = TermWeights::default();
        let options = ExtractiveOptions::default();
        let question = "What is the notice period?";
        let found = answer_extractively(question, &passages, &weights, None, &options).unwrap();
        let read = passage_reader(&changed);
        let answer = block_on(answer_from_quotes(
            &found,
            &passages,
            &read,
            &AbstainOptions::default(),
        ))
        .unwrap();
        assert!(answer.abstained && answer.citations.is_empty());
        assert_eq!(answer.dropped.len(), 1);
    }
}
