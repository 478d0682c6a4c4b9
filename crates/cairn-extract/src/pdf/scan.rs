//! Pages without readable text: drawn, recognised, and turned into words of ours.
//!
//! Recognised words go the way of a text layer's: columns, lines and paragraphs are found from their boxes. Only two things
//! are taken over from the program: which words stand on one line (so that slanted scans have straight lines) and in which
//! direction lines run (so that pages that lie on their side stand up).
//!
//! Where a page has some text of its own that can be read, recognised words fill the places where it has none, and are
//! believed only where they agree with it: the wrong language would read nonsense.

use std::collections::HashSet;

use pdfium_render::prelude::PdfPage;

use super::render::{Bitmap, Samples, draw, quarter_turns};
use super::word::{NO_FONT, PageBox, Rect, Turn, Word};
use crate::context::Context;
use crate::ocr::{self, OcrPage, PixelBox};
use crate::tools::{ToolError, ToolRequest};

/// Resolution at which a page is drawn, in dots per inch.
const DPI: u16 = 300;
/// The same in documents of more than [`MANY_PAGES`] pages, where drawing would take too long.
const FAST_DPI: u16 = 200;
const MANY_PAGES: u32 = 50;
/// Failures in a row after which no more pages are sent.
const MAX_FAILURES: u32 = 3;
/// Words of the text layer that are looked for among the recognised ones.
const MIN_KNOWN: usize = 6;
/// Share of them that must be found.
const MIN_AGREEMENT_PERCENT: usize = 40;
/// Mean confidence below which a page's recognised text replaces nothing.
const MIN_CONFIDENCE: f64 = 0.7;
/// Mean confidence from which on a page is taken to have been read the right way up.
const SURE_CONFIDENCE: f64 = 0.8;
/// Words from which on a page has enough text to show how it lies.
const FULL_PAGE_WORDS: u64 = 60;
/// How much a recognised line's height may differ from most lines' and still count as the same size.
const SAME_SIZE: f32 = 0.25;

/// Sends pages to text recognition until that proves useless.
pub(super) struct Recognizer<'c, 'o> {
    cx: &'c Context<'o>,
    dpi: u16,
    /// Whether it is known that recognition is there, or why not.
    has_asked: bool,
    refusal: Option<ToolError>,
    n_failures: u32,
}

impl<'c, 'o> Recognizer<'c, 'o> {
    pub(super) fn new(cx: &'c Context<'o>, n_pages: u32) -> Self {
        Self {
            cx,
            dpi: if n_pages > MANY_PAGES { FAST_DPI } else { DPI },
            has_asked: false,
            refusal: None,
            n_failures: 0,
        }
    }

    /// What is recognised on a page; an error that says what is missing or went wrong.
    pub(super) fn read(&mut self, page: &PdfPage<'_>, bounds: &PageBox) -> Result<Scan, ToolError> {
        if !self.has_asked {
            self.refusal = self.cx.refusal(&ToolRequest::Recognize { dpi: None });
            self.has_asked = true;
        }
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        let scale = f32::from(self.dpi) / 72.0;
        let Some(bitmap) = draw(page, scale, Samples::Grey) else {
            return Err(ToolError::Failed {
                what: "drawing the page".into(),
                reason: "it cannot be drawn".into(),
            });
        };
        let shown = quarter_turns(page);
        let mut best: Option<(u8, OcrPage)> = None;
        for turns in [0, 2, 1, 3] {
            let found = self.recognize(&bitmap.turned(turns))?;
            let is_sure = found.as_ref().is_none_or(is_sure);
            let value = |page: &OcrPage| page.summary.confidence * count(page);
            if let Some(found) = found
                && best
                    .as_ref()
                    .is_none_or(|(_, best)| value(&found) > value(best))
            {
                best = Some((turns, found));
            }
            if is_sure {
                break;
            }
        }
        let Some((turns, found)) = best else {
            return Ok(Scan {
                page: None,
                turn: Turn(shown),
                words: Vec::new(),
            });
        };
        let width = if turns % 2 == 0 {
            bitmap.width
        } else {
            bitmap.height
        };
        let (turn, words) = words(&found, width, Turn((shown + turns) % 4), bounds);
        Ok(Scan {
            page: Some(found),
            turn,
            words,
        })
    }

    fn recognize(&mut self, bitmap: &Bitmap) -> Result<Option<OcrPage>, ToolError> {
        let mut file = format!("P5\n{} {}\n255\n", bitmap.width, bitmap.height).into_bytes();
        file.extend_from_slice(&bitmap.samples);
        match ocr::recognize(self.cx, &file, Some(u32::from(self.dpi))) {
            Ok(pages) => {
                self.n_failures = 0;
                Ok(pages.into_iter().next())
            }
            Err(error) => {
                self.n_failures += 1;
                if matches!(error, ToolError::Missing { .. }) || self.n_failures >= MAX_FAILURES {
                    self.refusal = Some(error.clone());
                }
                Err(error)
            }
        }
    }
}

/// Whether a page need not be turned and read again. Programs see by themselves how a page with much text lies.
fn is_sure(page: &OcrPage) -> bool {
    let is_full = page.summary.words >= FULL_PAGE_WORDS;
    let is_mostly_kept =
        count(page) > f64::from(u32::try_from(page.chars_failed).unwrap_or(u32::MAX));
    is_full || page.summary.confidence >= SURE_CONFIDENCE && is_mostly_kept
}

/// Characters of the words that were kept.
fn count(page: &OcrPage) -> f64 {
    let n: usize = page.words().map(|word| word.text.chars().count()).sum();
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

/// A recognised page.
pub(super) struct Scan {
    pub(super) page: Option<OcrPage>,
    pub(super) turn: Turn,
    pub(super) words: Vec<Word>,
}

impl Scan {
    /// Whether anything was recognised.
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether what was recognised is to be believed rather than the page's own characters, `readable` being those of
    /// its words that are text.
    pub(super) fn agrees_with<'w>(&self, readable: impl Iterator<Item = &'w Word>) -> bool {
        let confidence = self
            .page
            .as_ref()
            .map_or(0.0, |page| page.summary.confidence);
        if self.words.is_empty() || confidence < MIN_CONFIDENCE {
            return false;
        }
        let found: HashSet<String> = self.words.iter().map(|word| plain(&word.text)).collect();
        let (mut latin, mut other) = ((0, 0), (0, 0));
        for word in readable {
            let word = plain(&word.text);
            let is_latin = word.is_ascii();
            if word.chars().count() >= if is_latin { 3 } else { 2 } {
                let known = if is_latin { &mut latin } else { &mut other };
                known.0 += 1;
                known.1 += usize::from(found.contains(&word));
            }
        }
        // Each kind of writing alone: what reads one may know nothing of the other.
        [latin, other].iter().all(|&(n_known, n_found)| {
            n_known < MIN_KNOWN || n_found * 100 >= n_known * MIN_AGREEMENT_PERCENT
        })
    }

    /// The words that stand where none of `readable` does, all as text of the recognised turn.
    pub(super) fn fill(self, readable: Vec<Word>) -> Vec<Word> {
        let is_covered = |word: &Word| {
            readable.iter().any(|other| {
                let width = word.rect.x1.min(other.rect.x1) - word.rect.x0.max(other.rect.x0);
                word.rect.line_overlap(&other.rect) > 0.3 && width > 0.3 * word.rect.width()
            })
        };
        let first = readable
            .iter()
            .map(|word| word.order + 1)
            .max()
            .unwrap_or(0);
        let mut new: Vec<Word> = self.words.into_iter().filter(|w| !is_covered(w)).collect();
        for word in &mut new {
            word.order = word.order.saturating_add(first);
        }
        let mut all = readable;
        all.extend(new);
        all
    }
}

/// A word without marks, in small letters.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// The direction of most of the text, and its words. `shown` is how the page was turned for the picture.
fn words(found: &OcrPage, width_px: u32, shown: Turn, bounds: &PageBox) -> (Turn, Vec<Word>) {
    let (width, height) = bounds.upright_size(shown);
    #[expect(clippy::cast_precision_loss, reason = "at most some thousand pixels")]
    let scale = width / width_px.max(1) as f32;
    let picture = PageBox {
        left: 0.0,
        bottom: 0.0,
        right: width,
        top: height,
    };
    let inner = direction(found);
    let upright = |rect: &PixelBox| {
        let [x0, y0, x1, y1] = [rect.x0, rect.y0, rect.x1, rect.y1].map(|edge| edge * scale);
        picture.upright(inner, [x0, height - y1, x1, height - y0])
    };
    let mut lines: Vec<(f32, Vec<(Rect, &str)>)> = Vec::new();
    for paragraph in &found.paragraphs {
        let first = lines.len();
        for line in paragraph {
            let words: Vec<(Rect, &str)> = line
                .iter()
                .map(|word| (upright(&word.rect), word.text.as_str()))
                .collect();
            lines.push((median(words.iter().map(|(rect, _)| rect.height())), words));
        }
        // Letters without ascenders make a line low: lines of one paragraph are of one size.
        let size = median(lines[first..].iter().map(|line| line.0));
        for line in &mut lines[first..] {
            line.0 = size;
        }
    }
    let body = median(
        lines
            .iter()
            .flat_map(|(size, words)| words.iter().map(|_| *size)),
    );
    let mut out = Vec::new();
    for (size, words) in lines {
        let is_body = (size - body).abs() <= SAME_SIZE * body;
        // Boxes are drawn around letters, most of which have no descender.
        let size = (1.2 * if is_body { body } else { size }).max(1.0);
        let middle = median(words.iter().map(|(rect, _)| rect.center_y()));
        for (rect, text) in words {
            out.push(Word {
                text: text.to_owned(),
                rect: Rect {
                    y0: middle - 0.5 * size,
                    y1: middle + 0.5 * size,
                    ..rect
                },
                size,
                is_bold: false,
                order: u32::try_from(out.len()).unwrap_or(u32::MAX),
                ends_soft: false,
                is_glued: false,
                font: NO_FONT,
            });
        }
    }
    (Turn((shown.0 + inner.0) % 4), out)
}

/// In which direction most lines run in the picture.
fn direction(found: &OcrPage) -> Turn {
    let mut votes = [0usize; 4];
    for line in found.paragraphs.iter().flatten() {
        let (Some(first), Some(last)) = (line.first(), line.last()) else {
            continue;
        };
        let middle = |rect: &PixelBox| {
            (
                f32::midpoint(rect.x0, rect.x1),
                f32::midpoint(rect.y0, rect.y1),
            )
        };
        let (a, b) = (middle(&first.rect), middle(&last.rect));
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let vote = match (dx.abs() >= dy.abs(), dx >= 0.0, dy >= 0.0) {
            (true, true, _) => 0,
            (true, false, _) => 2,
            (false, _, true) => 3,
            (false, _, false) => 1,
        };
        votes[vote] += line.len() - 1;
    }
    // Right-to-left lines run leftwards on pages that stand upright.
    let is_rtl = found
        .words()
        .filter(|word| word.text.chars().any(super::word::is_rtl))
        .count()
        * 2
        > found.words().count();
    if is_rtl {
        votes.swap(0, 2);
        votes.swap(1, 3);
    }
    let best = (0..4u8).rev().max_by_key(|&turn| votes[usize::from(turn)]);
    Turn(best.unwrap_or(0))
}

fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut values: Vec<f32> = values.collect();
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use cairn_types::OcrSummary;

    use super::*;
    use crate::ocr::OcrWord;

    const PAGE: PageBox = PageBox {
        left: 0.0,
        bottom: 0.0,
        right: 600.0,
        top: 800.0,
    };

    fn page(words: &[(&str, [f32; 4])]) -> OcrPage {
        let line = words
            .iter()
            .map(|&(text, [x0, y0, x1, y1])| OcrWord {
                text: text.into(),
                rect: PixelBox { x0, y0, x1, y1 },
                confidence: 0.9,
            })
            .collect();
        OcrPage {
            number: 1,
            width: 1200.0,
            height: 1600.0,
            paragraphs: vec![vec![line]],
            chars_failed: 0,
            summary: OcrSummary {
                pages: 1,
                words: words.len() as u64,
                confidence: 0.9,
            },
        }
    }

    #[test]
    fn words_stand_up_whichever_way_the_page_lies() {
        let upright = page(&[
            ("one", [100.0, 40.0, 160.0, 60.0]),
            ("two", [170.0, 44.0, 230.0, 64.0]),
        ]);
        let (turn, found) = words(&upright, 1200, Turn(0), &PAGE);
        assert_eq!(turn, Turn(0));
        assert_eq!((found[0].rect.x0, found[0].rect.x1), (50.0, 80.0));
        assert_eq!(found[0].rect.y0, found[1].rect.y0, "one line");
        // The same page on its side: lines run down in the picture.
        let lying = page(&[
            ("one", [1540.0, 100.0, 1560.0, 160.0]),
            ("two", [1536.0, 170.0, 1556.0, 230.0]),
        ]);
        let side = PageBox {
            right: 800.0,
            top: 600.0,
            ..PAGE
        };
        let (turn, found) = words(&lying, 1600, Turn(0), &side);
        assert_eq!(turn, Turn(3));
        assert_eq!((found[0].rect.x0, found[0].rect.x1), (50.0, 80.0));
        // Shown turned by the page's own entry, the text is upright there.
        let (turn, found) = words(&upright, 1200, Turn(1), &side);
        assert_eq!(turn, Turn(1));
        assert_eq!((found[0].rect.x0, found[0].rect.x1), (50.0, 80.0));
    }

    #[test]
    fn recognised_words_fill_gaps_and_must_agree() {
        let scan = |texts: &[&str]| {
            let boxes: Vec<(&str, [f32; 4])> = texts
                .iter()
                .enumerate()
                .map(|(idx, text)| {
                    #[expect(clippy::cast_precision_loss, reason = "few words")]
                    let x = idx as f32 * 100.0;
                    (*text, [x, 40.0, x + 80.0, 60.0])
                })
                .collect();
            let found = page(&boxes);
            let (turn, words) = words(&found, 1200, Turn(0), &PAGE);
            Scan {
                page: Some(found),
                turn,
                words,
            }
        };
        let texts = [
            "Tides", "rise", "and", "fall", "twice", "each", "lunar", "day,", "or", "so",
        ];
        let known = scan(&texts).words;
        assert!(scan(&texts).agrees_with(known.iter()));
        assert!(!scan(&["Xq"; 10]).agrees_with(known.iter()));
        assert!(scan(&["Xq"; 10]).agrees_with(known.iter().take(3)));
        assert!(!scan(&[]).agrees_with(known.iter().take(3)));
        let filled = scan(&texts).fill(known[..3].to_vec());
        let read: Vec<&str> = filled.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(read, texts);
        assert!(filled.windows(2).all(|pair| pair[0].order < pair[1].order));
    }
}
