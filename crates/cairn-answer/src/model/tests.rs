//! A scripted provider plays every trick that a model or a network can play.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use cairn_llm::{ChatDelta, ChatRequest};
use cairn_types::CharSpan;
use futures::FutureExt;
use futures::stream::BoxStream;

use super::*;
use crate::citation::{StoredQuote, passage_reader};
use crate::evidence::TermWeights;
use crate::extract::{ExtractiveOptions, answer_extractively};
use crate::fixture::{block_on, passage};

/// Says what its script says; `Err` breaks the stream.
struct Scripted {
    script: Vec<Result<String, ()>>,
    finish: Option<FinishReason>,
    n_calls: AtomicUsize,
}

#[async_trait]
impl ChatProvider for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn model(&self) -> &'static str {
        "script-1"
    }

    async fn stream(
        &self,
        _: ChatRequest,
    ) -> Result<BoxStream<'static, Result<ChatDelta, ChatError>>, ChatError> {
        self.n_calls.fetch_add(1, Ordering::Relaxed);
        let finish = self.finish.map(|finish| {
            Ok(ChatDelta {
                finish: Some(finish),
                ..ChatDelta::default()
            })
        });
        let deltas: Vec<_> = self
            .script
            .clone()
            .into_iter()
            .map(|step| match step {
                Ok(text) => Ok(ChatDelta {
                    text,
                    ..ChatDelta::default()
                }),
                Err(()) => Err(ChatError::Truncated {
                    provider: "scripted".into(),
                }),
            })
            .chain(finish)
            .collect();
        Ok(futures::stream::iter(deltas).boxed())
    }
}

const QUESTION: &str =
    "How many days of annual leave do employees get and when does the office open?";

fn passages() -> Vec<RankedPassage> {
    vec![
        passage(
            1,
            "handbook.md",
            500,
            "Employees get 25 days\nof annual leave. The “core hours” are 10 to 15.",
        ),
        passage(
            2,
            "office.txt",
            40,
            "The office opens at 8:30 on every working day. Visitors sign in first.",
        ),
        passage(3, "Übung.txt", 0, "Grüße! 🦀 Die Übung dauert 90 Minuten."),
    ]
}

struct Outcome {
    answer: Result<Answer, Error>,
    events: Vec<AnswerEvent>,
    n_calls: usize,
}

fn run(script: Vec<Result<String, ()>>, finish: Option<FinishReason>) -> Outcome {
    run_on(&passages(), QUESTION, script, finish)
}

fn run_on(
    passages: &[RankedPassage],
    question: &str,
    script: Vec<Result<String, ()>>,
    finish: Option<FinishReason>,
) -> Outcome {
    let provider = Scripted {
        script,
        finish,
        n_calls: AtomicUsize::new(0),
    };
    let options = ExtractiveOptions::default();
    let found =
        answer_extractively(question, passages, &TermWeights::default(), None, &options).unwrap();
    let read = passage_reader(passages);
    let (sender, mut receiver) = tokio::sync::mpsc::channel(10_000);
    let answer = block_on(answer_with_model(
        ModelQuestion {
            question,
            history: &[],
            passages,
            evidence: &found.evidence,
            abstain: &AbstainOptions::default(),
            options: &ModelOptions::default(),
        },
        &provider,
        &read,
        &sender,
    ));
    drop(sender);
    let mut events = Vec::new();
    while let Ok(event) = receiver.try_recv() {
        events.push(event);
    }
    let outcome = Outcome {
        answer,
        events,
        n_calls: provider.n_calls.load(Ordering::Relaxed),
    };
    holds_always(&outcome, passages);
    outcome
}

/// What must hold whatever the model says.
fn holds_always(outcome: &Outcome, passages: &[RankedPassage]) {
    let Ok(answer) = &outcome.answer else {
        assert!(
            outcome.events.is_empty(),
            "an error after something was shown"
        );
        return;
    };
    let mut streamed = String::new();
    let mut cited = Vec::new();
    for event in &outcome.events {
        match event {
            AnswerEvent::Message(text) => streamed.push_str(text),
            AnswerEvent::Citation(citation) => cited.push(citation.clone()),
            AnswerEvent::Final(_) | AnswerEvent::Error { .. } => {}
        }
    }
    assert_eq!(streamed, answer.text);
    assert_eq!(cited, answer.citations);
    assert!(matches!(outcome.events.last(), Some(AnswerEvent::Final(_))));
    for (i, citation) in answer.citations.iter().enumerate() {
        assert_eq!(citation.n as usize, i + 1);
        assert!(citation.verified);
        assert!(answer.text.contains(&format!("[{}]", citation.n)));
        let stands = passages.iter().any(|ranked| {
            let passage = &ranked.passage;
            let offset = passage.meta.span.start;
            passage.id.document == citation.document.id
                && citation.span.start >= offset
                && CharSpan::new(citation.span.start - offset, citation.span.end - offset)
                    .slice(&passage.text)
                    == Some(citation.quote.as_str())
        });
        assert!(stands, "shown as verified and is not: {citation:?}");
    }
    assert!(
        !answer.text.contains("](") && !answer.text.contains("!["),
        "{}",
        answer.text
    );
}

fn whole(text: &str) -> Answer {
    let outcome = run(vec![Ok(text.into())], Some(FinishReason::Stop));
    let chars = text.chars().map(|c| Ok(c.to_string())).collect();
    let cut = run(chars, Some(FinishReason::Stop)).answer.unwrap();
    let answer = outcome.answer.unwrap();
    assert_eq!(answer.text, cut.text);
    assert_eq!(answer.citations, cut.citations);
    assert_eq!(answer.dropped, cut.dropped);
    answer
}

fn reasons(answer: &Answer) -> Vec<DropReason> {
    answer
        .dropped
        .iter()
        .map(|dropped| dropped.reason)
        .collect()
}

#[test]
fn citations_are_verified_numbered_and_exact() {
    let answer = whole(
        "The office opens at 8:30 [2: \"opens at 8:30\"]. Leave is 25 days [1: \"25 days of annual leave\"]. \
         Again, 8:30 [2: \"opens at 8:30\"].",
    );
    assert_eq!(
        answer.text,
        "The office opens at 8:30 [1]. Leave is 25 days [2]. Again, 8:30 [1]."
    );
    assert_eq!(answer.citations[0].quote, "opens at 8:30");
    assert_eq!(answer.citations[0].span, CharSpan::new(51, 64));
    assert_eq!(
        answer.citations[1].quote, "25 days\nof annual leave",
        "as stored, not as retyped"
    );
    assert!(answer.unsupported.is_empty() && answer.dropped.is_empty() && !answer.abstained);
    assert_eq!(answer.stop, StopReason::Complete);
}

#[test]
fn what_cannot_be_verified_is_dropped() {
    let cases: &[(&str, &[DropReason], usize)] = &[
        (
            "Leave is 40 days [1: \"40 days of annual leave\"].",
            &[DropReason::NotFound],
            0,
        ),
        (
            "Leave is 5 days [1: \"5 days\"].",
            &[DropReason::NotFound],
            0,
        ),
        (
            "It is so [7: \"something that nobody wrote\"].",
            &[DropReason::NoSuchPassage],
            0,
        ),
        ("It is so [0].", &[DropReason::NoSuchPassage], 0),
        (
            "It is so [99999999999999: \"x\"].",
            &[DropReason::NoSuchPassage],
            0,
        ),
        ("Employees pay for the moon [1].", &[DropReason::NoQuote], 0),
        (
            "Employees get 26 days of annual leave [1].",
            &[DropReason::NoQuote],
            0,
        ),
        ("Employees get 25 days of annual leave [1].", &[], 1),
        (
            "Both [1: \"Employees get\"; \"never written\"].",
            &[DropReason::NotFound],
            1,
        ),
        ("Empty [1: \"\"].", &[DropReason::NotFound], 0),
        ("Dots [1: \"...\"].", &[DropReason::NotFound], 0),
        ("A letter [1: \"e\"].", &[DropReason::NotFound], 0),
        ("Elided [1: \"Employees get ... annual leave\"].", &[], 2),
        (
            "Elided [1: \"Employees get ... for ever\"].",
            &[DropReason::NotFound],
            0,
        ),
    ];
    for (text, expect, n) in cases {
        let answer = whole(text);
        assert_eq!(reasons(&answer), *expect, "{text}");
        assert_eq!(answer.citations.len(), *n, "{text}");
        assert_eq!(answer.unsupported.is_empty(), *n > 0, "{text}");
    }
}

#[test]
fn a_right_quote_under_a_wrong_number_goes_to_its_passage() {
    let answer = whole(
        "Opens early [1: \"The office opens at 8:30\"]. Also [9: \"Die Übung dauert 90 Minuten\"].",
    );
    let documents: Vec<u64> = answer.citations.iter().map(|c| c.document.id.0).collect();
    assert_eq!(documents, [2, 3]);
    assert_eq!(answer.citations[1].span, CharSpan::new(9, 36));
    // Too short to tell which passage was meant.
    assert_eq!(
        reasons(&whole("First [1: \"8:30\"].")),
        [DropReason::NotFound]
    );
}

#[test]
fn streams_that_break_keep_what_was_verified() {
    let broken = vec![
        Ok("Opens at 8:30 [2: \"opens at 8:30\"]. And then [1: \"Empl".to_owned()),
        Err(()),
    ];
    let outcome = run(broken, None);
    let answer = outcome.answer.unwrap();
    assert_eq!(answer.stop, StopReason::Interrupted);
    assert_eq!(answer.citations.len(), 1);
    assert_eq!(reasons(&answer), [DropReason::HalfOpen]);
    assert!(
        outcome
            .events
            .iter()
            .any(|event| matches!(event, AnswerEvent::Error { .. }))
    );
    // No finish and no error: half-open too.
    let outcome = run(
        vec![Ok("Opens at 8:30 [2: \"opens at 8:30\"]".into())],
        None,
    );
    assert_eq!(outcome.answer.unwrap().stop, StopReason::Interrupted);
    // Nothing at all: another way of answering may take over.
    assert!(matches!(
        run(vec![Err(())], None).answer,
        Err(Error::Chat(_))
    ));
    assert!(matches!(
        run(vec![], None).answer,
        Err(Error::NoAnswer { .. })
    ));
    let cut = run(vec![Ok("It is".into())], Some(FinishReason::Length));
    assert_eq!(cut.answer.unwrap().stop, StopReason::Length);
}

#[test]
fn the_agreed_word_means_that_the_documents_do_not_say() {
    for text in [
        "NOT_IN_DOCUMENTS",
        " **NOT_IN_DOCUMENTS**.",
        "NOT_IN_DOCUMENTS\nThey only talk of leave.",
    ] {
        let answer = whole(text);
        assert!(answer.abstained, "{text}");
        assert_eq!(answer.stop, StopReason::Refused);
        assert!(answer.text.starts_with("The documents do not say."));
        assert_eq!(answer.nearest.len(), 3);
    }
    let answer = whole("NOT_IN_DOC is a word");
    assert!(!answer.abstained && answer.text.starts_with("NOT_IN_DOC is"));
    assert!(whole("   ").abstained);
}

#[test]
fn no_model_is_called_when_the_documents_do_not_say() {
    let question = "Who founded the observatory in Quito?";
    let script = vec![Ok("Somebody [1: \"Employees get\"].".to_owned())];
    let outcome = run_on(
        &passages(),
        question,
        script.clone(),
        Some(FinishReason::Stop),
    );
    assert_eq!(outcome.n_calls, 0);
    assert_eq!(outcome.answer.unwrap().stop, StopReason::Abstained);
    assert_eq!(run_on(&[], question, script, None).n_calls, 0);
}

#[test]
fn markdown_tricks_end_as_text() {
    let answer = whole(
        "Read [the page](http://evil.example/?q=1) ![x](https://evil.example/p.png) <img src=//evil.example/x> \
         [1: \"Employees get\"](http://evil.example) and [2](http://evil.example).",
    );
    assert!(
        !answer.text.contains("evil.example/p") && !answer.text.contains("http"),
        "{}",
        answer.text
    );
    assert!(!answer.text.contains("<img"));
    assert_eq!(answer.citations.len(), 1);
}

#[test]
fn statements_without_a_citation_are_listed() {
    let answer = whole(
        "Leave is good. [1: \"annual leave\"] The moon is made of cheese. It opens [2: \"The office opens\"].",
    );
    assert_eq!(answer.unsupported, ["The moon is made of cheese."]);
}

#[test]
fn a_store_that_has_changed_drops_the_citation() {
    let passages = passages();
    let provider = Scripted {
        script: vec![Ok("Opens [2: \"opens at 8:30\"].".into())],
        finish: Some(FinishReason::Stop),
        n_calls: AtomicUsize::new(0),
    };
    let options = ExtractiveOptions::default();
    let found =
        answer_extractively(QUESTION, &passages, &TermWeights::default(), None, &options).unwrap();
    let read: Box<TextReader<'_>> = Box::new(|_, _, _, page| {
        let text = "opens at 9:30".to_owned();
        std::future::ready(Ok(StoredQuote { text, page })).boxed()
    });
    let (sender, receiver) = tokio::sync::mpsc::channel(100);
    let asked = ModelQuestion {
        question: QUESTION,
        history: &[],
        passages: &passages,
        evidence: &found.evidence,
        abstain: &AbstainOptions::default(),
        options: &ModelOptions::default(),
    };
    let answer = block_on(answer_with_model(asked, &provider, &read, &sender)).unwrap();
    assert_eq!(
        (answer.citations.len(), answer.text.as_str()),
        (0, "Opens.")
    );
    assert_eq!(reasons(&answer), [DropReason::StoredTextDiffers]);
    assert_eq!(answer.unsupported, ["Opens."]);
    drop(receiver);
}

proptest::proptest! {
    #[test]
    fn whatever_a_model_says_nothing_false_is_shown(
        parts in proptest::collection::vec(
            "\\[[0-4]: \"(25 days|annual|opens at 8:30|Grüße! 🦀|zzz|)\"\\]|\\[[0-9]\\]|(\\PC){0,8}|Leave is 25 days\\. |!\\[a\\]\\(http://e/x\\)",
            0..8,
        ),
    ) {
        let script = parts.into_iter().map(Ok).collect();
        let _ = run(script, Some(FinishReason::Stop));
    }
}
