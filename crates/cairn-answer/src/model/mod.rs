//! Answers that a language model writes from the passages, every citation checked before it is shown.
//!
//! The stream is read as it comes: text goes on at once, a citation marker waits until its quote was found in a
//! passage and compared with the stored text. A right quote under a wrong number is given to the passage that has
//! it; what is found nowhere is dropped and reported. Statements left without a verified citation are listed.
//! Memory is bounded by the answer's limit.

use std::ops::Range;

use cairn_llm::{ChatError, ChatMessage, ChatProvider, FinishReason};
use cairn_types::{Citation, HasKind};
use futures::StreamExt;
use tokio::sync::mpsc::Sender;

use crate::abstain::{AbstainOptions, Evidence, judge};
use crate::answer::{Answer, AnswerEvent, AnswerMode, StopReason};
use crate::citation::{DropReason, DroppedCitation, TextReader, cite, find_quote, verify_citation};
use crate::compose::abstain;
use crate::error::Error;
use crate::evidence::RankedPassage;
use crate::markup::{Parser, Piece, REFUSAL};
use crate::prompt::{ModelOptions, request};
use crate::sentences::split_sentences;
use crate::words::{Analyser, WordKind, language};

/// What a model is asked, and what it may use.
pub struct ModelQuestion<'a> {
    /// The question.
    pub question: &'a str,
    /// Earlier messages, oldest first.
    pub history: &'a [ChatMessage],
    /// Best first.
    pub passages: &'a [RankedPassage],
    /// From [`crate::answer_extractively`] over the same passages.
    pub evidence: &'a Evidence,
    /// When to abstain without asking the model.
    pub abstain: &'a AbstainOptions,
    /// How the model is asked.
    pub options: &'a ModelOptions,
}

/// Lets a model answer. Events go to `events` as they happen, `Final` last; a receiver that is gone ends the
/// request at the provider. A stream that breaks off after text was shown gives an `Error` event and then the
/// answer so far with [`StopReason::Interrupted`].
///
/// # Errors
/// [`Error::Chat`] where the provider fails before any text was shown (nothing was sent: another way of answering
/// may take over); [`Error::Catalog`] where the stored text cannot be read.
pub async fn answer_with_model(
    asked: ModelQuestion<'_>,
    provider: &dyn ChatProvider,
    read: &TextReader<'_>,
    events: &Sender<AnswerEvent>,
) -> Result<Answer, Error> {
    let verdict = judge(asked.evidence, asked.abstain);
    let n_shown = asked.passages.len().min(asked.options.max_passages);
    let shown = &asked.passages[..n_shown];
    if verdict.abstain || shown.is_empty() {
        let answer = abstain(asked.passages, verdict, AnswerMode::Model);
        send(events, AnswerEvent::Message(answer.text.clone())).await;
        send(events, AnswerEvent::Final(Box::new(answer.clone()))).await;
        return Ok(answer);
    }
    let request = request(asked.question, asked.history, shown, asked.options);
    let mut stream = provider.stream(request).await?;
    let known: Vec<&str> = shown
        .iter()
        .map(|ranked| ranked.passage.text.as_str())
        .collect();
    let mut writer = Writer {
        passages: shown,
        read,
        events,
        is_open: true,
        text: String::new(),
        space: String::new(),
        citations: Vec::new(),
        dropped: Vec::new(),
    };
    let mut parser = Parser::new(known.join("\n"));
    // Text is held back as long as it may still become the agreed word of refusal.
    let mut head = Some(String::new());
    let mut finish = None;
    let mut failure: Option<ChatError> = None;
    let mut n_chars = 0;
    while let Some(delta) = stream.next().await {
        let delta = match delta {
            Ok(delta) => delta,
            Err(error) => {
                failure = Some(error);
                break;
            }
        };
        finish = delta.finish.or(finish);
        n_chars += delta.text.chars().count();
        let text = match head.take() {
            None => delta.text,
            Some(before) => {
                let so_far = before + &delta.text;
                if may_refuse(&so_far) {
                    head = Some(so_far);
                    continue;
                }
                so_far
            }
        };
        writer.write(parser.push(&text)).await?;
        if n_chars > asked.options.max_answer_chars {
            finish = Some(FinishReason::Length);
            break;
        }
        if !writer.is_open {
            break;
        }
    }
    drop(stream);
    let refused = head.as_deref().is_some_and(refuses);
    if writer.text.is_empty() && !refused {
        match failure.take() {
            Some(error) => return Err(error.into()),
            None if finish.is_none()
                && head.as_deref().is_none_or(|head| head.trim().is_empty()) =>
            {
                return Err(Error::NoAnswer {
                    provider: provider.name().to_owned(),
                });
            }
            None => {}
        }
    }
    if !refused {
        if let Some(rest) = head {
            writer.write(parser.push(&rest)).await?;
        }
        writer.write(parser.finish()).await?;
    }
    if refused || writer.text.trim().is_empty() {
        let answer = Answer {
            stop: StopReason::Refused,
            dropped: writer.dropped,
            ..abstain(asked.passages, verdict, AnswerMode::Model)
        };
        send(events, AnswerEvent::Message(answer.text.clone())).await;
        send(events, AnswerEvent::Final(Box::new(answer.clone()))).await;
        return Ok(answer);
    }
    let stop = match (failure.is_some(), finish) {
        (true, _) | (false, None) => StopReason::Interrupted,
        (_, Some(FinishReason::Length)) => StopReason::Length,
        (_, Some(FinishReason::ContentFilter)) => StopReason::Filtered,
        (_, Some(_)) => StopReason::Complete,
    };
    if let Some(error) = failure {
        let event = AnswerEvent::Error {
            kind: error.kind(),
            message: error.to_string(),
        };
        send(events, event).await;
    }
    let answer = Answer {
        unsupported: unsupported(&writer.text, writer.citations.len()),
        text: writer.text,
        abstained: false,
        citations: writer.citations,
        nearest: Vec::new(),
        mode: AnswerMode::Model,
        conflict: None,
        dropped: writer.dropped,
        short_answer: None,
        confidence: verdict.confidence,
        stop,
    };
    send(events, AnswerEvent::Final(Box::new(answer.clone()))).await;
    Ok(answer)
}

async fn send(events: &Sender<AnswerEvent>, event: AnswerEvent) -> bool {
    events.send(event).await.is_ok()
}

/// Whether text may still become the word of refusal.
fn may_refuse(text: &str) -> bool {
    let start = opening(text);
    let n = start.len().min(REFUSAL.len());
    start.as_bytes()[..n] == REFUSAL.as_bytes()[..n]
        && (start.len() < REFUSAL.len() || refuses(text))
}

/// Whether the text is the word of refusal and little else: an answer that goes on is an answer.
fn refuses(text: &str) -> bool {
    opening(text).strip_prefix(REFUSAL).is_some_and(|rest| {
        let letters = rest.chars().filter(|c| c.is_alphanumeric()).count();
        !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') && letters < 200
    })
}

fn opening(text: &str) -> &str {
    text.trim_start_matches(|c: char| {
        c.is_whitespace() || matches!(c, '*' | '`' | '"' | '\'' | '[' | '(')
    })
}

/// The answer as it grows.
struct Writer<'a, 'r> {
    passages: &'a [RankedPassage],
    read: &'a TextReader<'r>,
    events: &'a Sender<AnswerEvent>,
    is_open: bool,
    text: String,
    /// White space that is not shown yet.
    space: String,
    citations: Vec<Citation>,
    dropped: Vec<DroppedCitation>,
}

impl Writer<'_, '_> {
    async fn write(&mut self, pieces: Vec<Piece>) -> Result<(), Error> {
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.say(&text).await,
                Piece::HalfOpen(text) => self.drop_citation(DropReason::HalfOpen, None, &text),
                Piece::Marker { numbers, quotes } => self.resolve(&numbers, &quotes).await?,
            }
        }
        Ok(())
    }

    /// Shows text. White space at its end waits for what follows: before a dropped marker and a full stop there is
    /// none.
    async fn say(&mut self, text: &str) {
        let joined = std::mem::take(&mut self.space) + text;
        let body = joined.trim_end();
        self.space = joined[body.len()..].to_owned();
        let bare = body.trim_start();
        let closes = bare.starts_with(['.', ',', ';', ':', '!', '?', ')']);
        let body = if self.text.is_empty() || closes {
            bare
        } else {
            body
        };
        if !body.is_empty() {
            self.text.push_str(body);
            let event = AnswerEvent::Message(body.to_owned());
            self.is_open &= send(self.events, event).await;
        }
    }

    fn drop_citation(&mut self, reason: DropReason, number: Option<u32>, quote: &str) {
        self.dropped.push(DroppedCitation {
            reason,
            number,
            quote: quote.chars().take(300).collect(),
        });
    }

    /// Finds the places that a marker means and cites those that hold.
    async fn resolve(&mut self, numbers: &[u32], quotes: &[String]) -> Result<(), Error> {
        if quotes.is_empty() {
            let statement = last_statement(&self.text);
            for &number in numbers {
                let Some(passage) = self.numbered(number) else {
                    self.drop_citation(DropReason::NoSuchPassage, Some(number), "");
                    continue;
                };
                match supporting(&self.passages[passage], &statement) {
                    Some(bytes) => self.cite(number, passage, &bytes).await?,
                    None => self.drop_citation(DropReason::NoQuote, Some(number), ""),
                }
            }
            return Ok(());
        }
        for quote in quotes {
            let number = numbers.first().copied().unwrap_or(0);
            let named: Vec<usize> = numbers.iter().filter_map(|n| self.numbered(*n)).collect();
            match self.places(&named, quote) {
                Some((passage, ranges)) => {
                    for bytes in ranges {
                        self.cite(number, passage, &bytes).await?;
                    }
                }
                None if named.is_empty() => {
                    self.drop_citation(DropReason::NoSuchPassage, Some(number), quote);
                }
                None => self.drop_citation(DropReason::NotFound, Some(number), quote),
            }
        }
        Ok(())
    }

    fn numbered(&self, number: u32) -> Option<usize> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        (index < self.passages.len()).then_some(index)
    }

    /// Where a quote stands: in a named passage, or else in another one if it is too long to stand there by
    /// chance. Parts of a quote around `...` must all stand in one passage.
    fn places(&self, named: &[usize], quote: &str) -> Option<(usize, Vec<Range<usize>>)> {
        const MIN_ELSEWHERE_CHARS: usize = 10;
        let letters = quote.chars().filter(|c| c.is_alphanumeric()).count();
        let others = (0..self.passages.len())
            .filter(|i| !named.contains(i) && letters >= MIN_ELSEWHERE_CHARS);
        named.iter().copied().chain(others).find_map(|passage| {
            let text = &self.passages[passage].passage.text;
            if let Some(range) = find_quote(text, quote) {
                return Some((passage, vec![range]));
            }
            let parts: Vec<&str> = quote
                .split("...")
                .flat_map(|part| part.split('…'))
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .collect();
            let ranges: Option<Vec<_>> = parts.iter().map(|part| find_quote(text, part)).collect();
            ranges
                .filter(|ranges| ranges.len() > 1)
                .map(|ranges| (passage, ranges))
        })
    }

    /// Verifies against the stored text, numbers and shows a citation; a place cited before keeps its number.
    async fn cite(
        &mut self,
        number: u32,
        passage: usize,
        bytes: &Range<usize>,
    ) -> Result<(), Error> {
        let mut citation = cite(&self.passages[passage], bytes);
        let same =
            |other: &&Citation| other.document == citation.document && other.span == citation.span;
        let n = match self.citations.iter().find(same) {
            Some(known) => known.n,
            None => {
                citation.n = u32::try_from(self.citations.len() + 1).unwrap_or(u32::MAX);
                match verify_citation(citation, self.read).await? {
                    Ok(citation) => {
                        let n = citation.n;
                        self.citations.push(citation.clone());
                        self.is_open &= send(self.events, AnswerEvent::Citation(citation)).await;
                        n
                    }
                    Err(mut dropped) => {
                        dropped.number = Some(number);
                        self.dropped.push(dropped);
                        return Ok(());
                    }
                }
            }
        };
        let touches = self.space.is_empty() && !self.text.is_empty() && !self.text.ends_with('(');
        let gap = if touches { " " } else { "" };
        self.say(&format!("{gap}[{n}]")).await;
        Ok(())
    }
}

/// The last sentence written, without markers.
fn last_statement(text: &str) -> String {
    let sentences = split_sentences(text, None);
    let last = sentences
        .iter()
        .rev()
        .map(|sentence| without_markers(&text[sentence.bytes.clone()]))
        .find(|sentence| sentence.chars().any(char::is_alphanumeric));
    last.unwrap_or_default()
}

fn without_markers(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('[') {
        let digits = rest[at + 1..]
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        let end = at + 1 + digits;
        if digits > 0 && rest[end..].starts_with(']') {
            out.push_str(&rest[..at]);
            rest = &rest[end + 1..];
        } else {
            out.push_str(&rest[..=at]);
            rest = &rest[at + 1..];
        }
    }
    out.push_str(rest);
    out.trim().to_owned()
}

/// The sentence of a passage that holds most of a statement's words, and every number of it: at least half.
fn supporting(ranked: &RankedPassage, statement: &str) -> Option<Range<usize>> {
    let text = &ranked.passage.text;
    let lang = language(ranked.passage.meta.lang.as_deref(), text);
    let analyser = Analyser::new(lang.as_deref());
    let wanted: Vec<_> = analyser
        .words(statement)
        .into_iter()
        .filter(|word| !crate::question::is_function_word(&word.surface))
        .collect();
    if wanted.is_empty() {
        return None;
    }
    let scored = split_sentences(text, lang.as_deref())
        .into_iter()
        .filter_map(|sentence| {
            let own = analyser.words(&text[sentence.bytes.clone()]);
            let has = |key: &str| own.iter().any(|word| word.key == key);
            let numbers_fit = wanted
                .iter()
                .filter(|word| word.kind == WordKind::Number)
                .all(|word| has(&word.key));
            let n = wanted.iter().filter(|word| has(&word.key)).count();
            (numbers_fit && n * 2 >= wanted.len()).then_some((n, sentence.bytes))
        });
    // The first of the best: later equals do not replace it.
    scored
        .fold(
            None,
            |best: Option<(usize, Range<usize>)>, next| match best {
                Some(best) if best.0 >= next.0 => Some(best),
                _ => Some(next),
            },
        )
        .map(|(_, bytes)| bytes)
}

/// Statements without a citation. A marker after the full stop belongs to the statement before it.
fn unsupported(text: &str, n_citations: usize) -> Vec<String> {
    let mut statements: Vec<(String, bool)> = Vec::new();
    for sentence in split_sentences(text, None) {
        let mut body = text[sentence.bytes].trim();
        while let Some((marker, rest)) = leading_marker(body, n_citations) {
            if let Some(last) = statements.last_mut() {
                last.1 = true;
            }
            debug_assert!(marker > 0, "numbers begin at 1");
            body = rest.trim_start();
        }
        let plain = without_markers(body);
        if plain.chars().any(char::is_alphanumeric) {
            let cited = plain.len() < body.len();
            statements.push((plain, cited));
        }
    }
    statements
        .into_iter()
        .filter(|(_, cited)| !cited)
        .map(|(statement, _)| statement)
        .collect()
}

fn leading_marker(text: &str, n_citations: usize) -> Option<(usize, &str)> {
    let inner = text.strip_prefix('[')?;
    let (digits, rest) = inner.split_once(']')?;
    let number: usize = digits.parse().ok()?;
    (1..=n_citations)
        .contains(&number)
        .then_some((number, rest))
}

#[cfg(test)]
mod tests;
