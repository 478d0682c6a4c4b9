//! Speech with its times: stretches to paragraphs that begin with their time stamp, `[00:01:30] text`.
//!
//! Shared by transcripts of audio and video and by subtitles. A paragraph ends at the first sentence end after
//! [`MIN_PARAGRAPH_MS`], and at [`MAX_PARAGRAPH_MS`] or a pause at the latest: long enough to be found, short enough that the stamp
//! leads to what was said.

use cairn_types::{Element, ElementKind};

use crate::builder::{Builder, count_text};
use crate::text::collapse;
use crate::tools::Segment;

/// Length from which a paragraph may end with a sentence.
const MIN_PARAGRAPH_MS: u64 = 30_000;
/// Length at which it ends anyway.
const MAX_PARAGRAPH_MS: u64 = 60_000;
/// Silence that ends a paragraph. A guess: pauses within talk last a second or two.
const PAUSE_MS: u64 = 5_000;

/// `[HH:MM:SS] text`.
pub(crate) fn stamped(start_ms: u64, text: &str) -> String {
    let seconds = start_ms / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("[{hours:02}:{minutes:02}:{seconds:02}] {text}")
}

/// Adds the stretches, in their order, as stamped paragraphs. The stamps are not counted as characters of the document.
pub(crate) fn push_segments(builder: &mut Builder, segments: &[Segment]) {
    let mut paragraph: Option<Segment> = None;
    for segment in segments {
        let text = collapse(&segment.text);
        if text.is_empty() {
            continue;
        }
        paragraph = match paragraph {
            Some(mut open) if !is_over(&open, segment) => {
                open.text.push(' ');
                open.text.push_str(&text);
                open.end_ms = open.end_ms.max(segment.end_ms);
                Some(open)
            }
            done => {
                push(builder, done);
                Some(Segment {
                    text,
                    ..segment.clone()
                })
            }
        };
    }
    push(builder, paragraph);
}

/// Whether the paragraph ends before `next`.
fn is_over(open: &Segment, next: &Segment) -> bool {
    let ends_sentence = open
        .text
        .trim_end_matches(['"', '\'', '”', '’', '»', ')'])
        .ends_with(['.', '!', '?', '…', '。', '！', '？', '؟', '।']);
    let length = open.end_ms.saturating_sub(open.start_ms);
    let with_next = next.end_ms.saturating_sub(open.start_ms);
    (ends_sentence && length >= MIN_PARAGRAPH_MS)
        || with_next > MAX_PARAGRAPH_MS
        || next.start_ms.saturating_sub(open.end_ms) >= PAUSE_MS
        // Times that run backwards: another recording begins.
        || next.start_ms < open.start_ms
}

fn push(builder: &mut Builder, paragraph: Option<Segment>) {
    if let Some(Segment { start_ms, text, .. }) = paragraph {
        let n_chars = count_text(&text);
        let element = Element::new(ElementKind::Paragraph, stamped(start_ms, &text));
        builder.push_counted(element, n_chars);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(start: u64, end: u64, text: &str) -> Segment {
        Segment {
            start_ms: start * 1000,
            end_ms: end * 1000,
            text: text.into(),
        }
    }

    fn paragraphs(segments: &[Segment]) -> Vec<String> {
        let mut builder = Builder::new(100);
        push_segments(&mut builder, segments);
        let n_chars: u64 = segments.iter().map(|s| count_text(&s.text)).sum();
        assert_eq!(builder.report.chars_kept, n_chars, "stamps are not counted");
        builder.elements().iter().map(|e| e.text.clone()).collect()
    }

    #[test]
    fn paragraphs_end_with_a_sentence_a_pause_or_their_length() {
        let found = paragraphs(&[
            said(0, 20, " The ferry leaves\nat nine. "),
            said(20, 35, "It is never late."),
            said(35, 36, ""),
            said(35, 50, "Except in fog"),
            said(50, 94, "when it waits"),
            said(94, 96, "for the pilot."),
            said(110, 112, "Good night."),
            said(5, 6, "Again."),
        ]);
        assert_eq!(
            found,
            [
                "[00:00:00] The ferry leaves at nine. It is never late.",
                "[00:00:35] Except in fog when it waits",
                "[00:01:34] for the pilot.",
                "[00:01:50] Good night.",
                "[00:00:05] Again.",
            ]
        );
    }

    #[test]
    fn stamps_go_over_an_hour() {
        assert_eq!(stamped(3_661_999, "x"), "[01:01:01] x");
        assert_eq!(stamped(0, "x"), "[00:00:00] x");
        assert_eq!(stamped(360_000_000, "x"), "[100:00:00] x");
    }
}
