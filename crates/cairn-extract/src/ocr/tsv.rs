//! Tesseract's table of words (TSV) to pages, paragraphs, lines and words with boxes and confidences.
//!
//! Format: one row for each page, block, paragraph, line and word (columns `level` 1 to 5), with the numbers of what it is
//! within, its box in pixels from the top left, a confidence of 0 to 100 (-1 where the row is no word) and the text. The
//! order of rows is Tesseract's reading order. Cost: O(n). A row that is none is passed over: the reply comes from a program
//! that has seen foreign bytes.

use cairn_types::OcrSummary;

use crate::builder::count_text;
use crate::text::clean;

/// Words of less confidence are dropped and counted as failed. Measured on 30 pages drawn at 60 to 100 dpi with noise: 4 % of
/// the words below 0.1 were right, 10 % below 0.2, 13 % below 0.3, 15 % below 0.4, half above 0.7; in clear pictures
/// many right words stand between 0.2 and 0.4.
const MIN_CONFIDENCE: f32 = 0.20;
/// Words without a letter or digit need more: edges, dirt and rules are read as dashes and bars.
const MIN_MARK_CONFIDENCE: f32 = 0.60;

/// A box in pixels of the picture, origin at the top left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PixelBox {
    pub(crate) x0: f32,
    pub(crate) y0: f32,
    pub(crate) x1: f32,
    pub(crate) y1: f32,
}

impl PixelBox {
    pub(crate) fn width(&self) -> f32 {
        self.x1 - self.x0
    }

    pub(crate) fn height(&self) -> f32 {
        self.y1 - self.y0
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        Self {
            x0: self.x0.min(other.x0),
            y0: self.y0.min(other.y0),
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
        }
    }
}

/// A recognised word.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OcrWord {
    pub(crate) text: String,
    pub(crate) rect: PixelBox,
    /// 0 to 1.
    pub(crate) confidence: f32,
}

/// Words of one line, never empty.
pub(crate) type OcrLine = Vec<OcrWord>;

/// Lines of one paragraph, never empty. Tesseract's blocks part columns; paragraphs do not cross them.
pub(crate) type OcrParagraph = Vec<OcrLine>;

/// One page, or a whole picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OcrPage {
    /// From 1: the page in a picture of several pages.
    pub(crate) number: u32,
    /// Size in pixels; 0 where the table does not say.
    pub(crate) width: f32,
    pub(crate) height: f32,
    /// In reading order.
    pub(crate) paragraphs: Vec<OcrParagraph>,
    /// Characters in words that were dropped because Tesseract was not sure of them.
    pub(crate) chars_failed: u64,
    /// Over the words kept.
    pub(crate) summary: OcrSummary,
}

impl OcrPage {
    /// The text, one paragraph a line.
    pub(crate) fn text(&self) -> String {
        let lines: Vec<String> = self.paragraphs.iter().map(super::elements::join).collect();
        lines.join("\n")
    }

    /// All words in reading order.
    pub(crate) fn words(&self) -> impl Iterator<Item = &OcrWord> {
        self.paragraphs.iter().flatten().flatten()
    }
}

/// Numbers of block, paragraph and line.
type Place = (u32, u32, u32);

/// Reads the table. Pages come in the order of the table; each has a row of level 1.
pub(crate) fn parse(tsv: &str) -> Vec<OcrPage> {
    let mut pages: Vec<OcrPage> = Vec::new();
    let mut last: Place = (0, 0, 0);
    for row in tsv.lines().filter_map(Row::parse) {
        match row.level {
            1 => {
                last = (0, 0, 0);
                pages.push(OcrPage {
                    number: row.page,
                    width: row.rect.x1,
                    height: row.rect.y1,
                    paragraphs: Vec::new(),
                    chars_failed: 0,
                    summary: OcrSummary {
                        pages: 1,
                        ..OcrSummary::default()
                    },
                });
            }
            5 => {
                if let Some(page) = pages.last_mut() {
                    last = push_word(page, last, &row);
                }
            }
            _ => {}
        }
    }
    pages
}

/// Adds a word to its line, where it is to be believed. Returns the place of the last word kept.
fn push_word(page: &mut OcrPage, last: Place, row: &Row<'_>) -> Place {
    let (text, n_control) = clean(row.text);
    let text = text.trim();
    if text.is_empty() {
        return last;
    }
    let least = if text.contains(char::is_alphanumeric) {
        MIN_CONFIDENCE
    } else {
        MIN_MARK_CONFIDENCE
    };
    page.chars_failed += n_control;
    if row.confidence < least {
        page.chars_failed += count_text(text);
        return last;
    }
    page.summary.add(&OcrSummary {
        pages: 0,
        words: 1,
        confidence: f64::from(row.confidence),
    });
    let word = OcrWord {
        text: text.to_owned(),
        rect: row.rect,
        confidence: row.confidence,
    };
    let is_same_paragraph = (row.place.0, row.place.1) == (last.0, last.1);
    match page.paragraphs.last_mut() {
        Some(paragraph) if is_same_paragraph => match paragraph.last_mut() {
            Some(line) if row.place == last => line.push(word),
            _ => paragraph.push(vec![word]),
        },
        _ => page.paragraphs.push(vec![vec![word]]),
    }
    row.place
}

struct Row<'t> {
    level: u8,
    page: u32,
    place: Place,
    rect: PixelBox,
    confidence: f32,
    text: &'t str,
}

impl<'t> Row<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let mut columns = line.splitn(12, '\t');
        let level = columns.next()?.parse().ok()?;
        let mut number = || columns.next()?.parse::<u32>().ok();
        let page = number()?;
        let place = (number()?, number()?, number()?);
        let _word = number()?;
        let mut edge = || pixels(number()?);
        let (left, top, width, height) = (edge()?, edge()?, edge()?, edge()?);
        let confidence: f32 = columns.next()?.parse().ok()?;
        Some(Self {
            level,
            page,
            place,
            rect: PixelBox {
                x0: left,
                y0: top,
                x1: left + width,
                y1: top + height,
            },
            confidence: (confidence / 100.0).clamp(0.0, 1.0),
            text: columns.next().unwrap_or_default(),
        })
    }
}

/// A number of pixels that a picture can have.
fn pixels(n: u32) -> Option<f32> {
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^24")]
    let exact = n as f32;
    (n < 1 << 24).then_some(exact)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rows as Tesseract writes them.
    pub(crate) const TABLE: &str = "\
level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext
1\t1\t0\t0\t0\t0\t0\t0\t1000\t1400\t-1\t
2\t1\t1\t0\t0\t0\t100\t100\t500\t60\t-1\t
3\t1\t1\t1\t0\t0\t100\t100\t500\t60\t-1\t
4\t1\t1\t1\t1\t0\t100\t100\t500\t60\t-1\t
5\t1\t1\t1\t1\t1\t100\t100\t200\t60\t96.5\tTide
5\t1\t1\t1\t1\t2\t320\t100\t200\t60\t95.5\ttables
5\t1\t2\t1\t1\t1\t100\t300\t100\t20\t90\tHigh
5\t1\t2\t1\t1\t2\t210\t300\t100\t20\t90\twa-
5\t1\t2\t1\t2\t1\t100\t330\t100\t20\t90\tter.
5\t1\t2\t1\t2\t2\t210\t330\t100\t20\t12\t~~blur
5\t1\t2\t1\t2\t3\t310\t330\t100\t20\t50\t|
5\t1\t2\t2\t1\t1\t100\t380\t100\t20\t90\tNext.
1\t2\t0\t0\t0\t0\t0\t0\t1000\t1400\t-1\t
5\t2\t1\t1\t1\t1\t100\t100\t200\t20\t80\tZwei
";

    #[test]
    fn words_find_their_lines_paragraphs_and_pages() {
        let pages = parse(TABLE);
        let texts: Vec<Vec<Vec<Vec<&str>>>> = pages
            .iter()
            .map(|page| {
                page.paragraphs
                    .iter()
                    .map(|paragraph| {
                        paragraph
                            .iter()
                            .map(|line| line.iter().map(|word| word.text.as_str()).collect())
                            .collect()
                    })
                    .collect()
            })
            .collect();
        let expected = vec![
            vec![
                vec![vec!["Tide", "tables"]],
                vec![vec!["High", "wa-"], vec!["ter."]],
                vec![vec!["Next."]],
            ],
            vec![vec![vec!["Zwei"]]],
        ];
        assert_eq!(texts, expected);
        assert_eq!((pages[0].number, pages[1].number), (1, 2));
        assert!((pages[0].width - 1000.0).abs() < f32::EPSILON);
        assert_eq!(pages[0].summary.words, 6);
        assert_eq!(pages[0].chars_failed, 7, "`~~blur` and `|`");
        let mean = (96.5 + 95.5 + 4.0 * 90.0) / 600.0;
        assert!((pages[0].summary.confidence - mean).abs() < 1e-4);
    }

    #[test]
    fn rows_that_are_none_are_passed_over() {
        for row in [
            "",
            "5",
            "5\t1\t1\t1\t1\t1\t0\t0\t1\t1\t90\tword before any page",
            "1\t1\t0\t0\t0\t0\t0\t0\t4294967295\t1\t-1\t",
            "5\t1\t1\t1\t1\t1\t-4\t0\t1\t1\t90\tx",
            "5\t1\t1\t1\t1\t1\t0\t0\t1\t1\tNaN",
        ] {
            assert!(parse(row).iter().all(|page| page.paragraphs.is_empty()));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_nothing_grows(text in "([0-9]{1,2}\t){0,12}\\PC{0,40}(\n([15]\t){11}\\PC{0,9}){0,4}") {
            let pages = parse(&text);
            let n: u64 = pages.iter().flat_map(OcrPage::words).map(|word| count_text(&word.text)).sum();
            let lost: u64 = pages.iter().map(|page| page.chars_failed).sum();
            prop_assert!(n + lost <= count_text(&text));
        }

        #[test]
        fn every_character_of_a_word_is_kept_or_counted(words in proptest::collection::vec(("[a-zä|.-]{1,8}", -1i32..101, 0u32..3, 0u32..3), 0..20)) {
            let mut table = String::from("1\t1\t0\t0\t0\t0\t0\t0\t10\t10\t-1\t\n");
            for (text, confidence, block, line) in &words {
                table.push_str(&format!("5\t1\t{block}\t1\t{line}\t1\t0\t0\t1\t1\t{confidence}\t{text}\n"));
            }
            let page = &parse(&table)[0];
            let kept: u64 = page.words().map(|word| count_text(&word.text)).sum();
            let all: u64 = words.iter().map(|word| count_text(&word.0)).sum();
            prop_assert_eq!(kept + page.chars_failed, all);
            prop_assert!((0.0..=1.0).contains(&page.summary.confidence));
        }
    }
}
