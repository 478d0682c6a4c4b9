//! What a parser saw of a document, what it kept, and what it could not read: the parse report.
//!
//! Stored with the rendition and shown to people; every field has a default, so that reports of older
//! versions can still be read.

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// What a warning is about. The names are stable; the reasons beside them may improve.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningCode {
    /// A page, part or piece could not be read.
    Unreadable,
    /// A page or picture may hold text as pixels, and no text recognition was at hand or it found nothing.
    NoTextLayer,
    /// A font's characters cannot be mapped to text.
    UnmappedFont,
    /// Text recognition was not sure of what it read.
    LowConfidence,
    /// The document is damaged; what could be saved was read.
    Recovered,
    /// The usual reader of the format was not there or failed; a second one read it, with less.
    SecondReader,
    /// A limit was reached and the rest was left out.
    Limit,
    /// A part (attachment, archive member) has a format that is not supported, or needs a program that is not installed.
    Unsupported,
    /// Cells hold a formula without a stored value.
    MissingValue,
    /// Text that its author hid: a hidden sheet, slide or run. Says what was done with it; nothing was lost.
    Hidden,
    /// Something without text was taken out: control characters, marks. Nothing was lost.
    Cleaned,
    /// Another program converted it before it was read.
    Converted,
    /// Anything else that may have been lost.
    #[default]
    #[serde(other)]
    Other,
}

impl WarningCode {
    /// Its stable name, as reports show it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NoTextLayer => "no_text_layer",
            Self::UnmappedFont => "unmapped_font",
            Self::LowConfidence => "low_confidence",
            Self::Recovered => "recovered",
            Self::SecondReader => "second_reader",
            Self::Limit => "limit",
            Self::Unsupported => "unsupported",
            Self::MissingValue => "missing_value",
            Self::Hidden => "hidden",
            Self::Cleaned => "cleaned",
            Self::Converted => "converted",
            Self::Other => "other",
        }
    }

    /// Whether something of the document may be missing from its text.
    #[must_use]
    pub const fn is_loss(self) -> bool {
        !matches!(self, Self::Hidden | Self::Cleaned | Self::Converted)
    }
}

/// Something that a reader of the parse report should know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ParseWarning {
    /// What it is about.
    pub code: WarningCode,
    /// Page, where there is one.
    pub page: Option<u32>,
    /// The attachment or archive member it is about, e.g. `mail.eml/offer.pdf`.
    pub part: Option<String>,
    /// What happened, for a person.
    pub reason: String,
}

/// What text recognition did for a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OcrSummary {
    /// Pages and pictures that were recognised.
    pub pages: u32,
    /// Words found on them.
    pub words: u64,
    /// Mean confidence over those words, 0 to 1.
    pub confidence: f64,
}

impl OcrSummary {
    /// Adds what was recognised elsewhere; the confidence stays a mean over words.
    pub fn add(&mut self, other: &Self) {
        let words = self.words + other.words;
        if words > 0 {
            #[expect(clippy::cast_precision_loss, reason = "a mean for people")]
            let (a, b, n) = (self.words as f64, other.words as f64, words as f64);
            self.confidence = (self.confidence * a + other.confidence * b) / n;
        }
        self.words = words;
        self.pages += other.pages;
    }
}

/// What was seen and kept of a document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ParseReport {
    /// Pages or slides, in formats that have them.
    pub pages: Option<u32>,
    /// Pages of those that could not be read, or hold a picture that nothing was read from.
    pub pages_failed: u32,
    /// Elements that came out.
    pub elements: u32,
    /// Tables and sheets.
    pub tables: u32,
    /// Table cells that hold something.
    pub cells: u64,
    /// Cells that were not kept.
    pub cells_failed: u64,
    /// Pictures.
    pub images: u32,
    /// Documents within this one: attachments, archive members.
    pub parts: u32,
    /// Parts that could not be read.
    pub parts_failed: u32,
    /// Characters that the format holds, as far as the parser can see them.
    pub chars_seen: u64,
    /// Characters in the elements.
    pub chars_kept: u64,
    /// Characters that could not be read. What was seen and is neither kept nor failed was left out on purpose:
    /// repeated headers and footers, navigation, hidden text.
    pub chars_failed: u64,
    /// Text recognition, where there was any.
    pub ocr: Option<OcrSummary>,
    /// What could not be read, and what else a reader should know.
    #[serde(deserialize_with = "few")]
    pub warnings: Vec<ParseWarning>,
}

impl ParseReport {
    /// One figure for how much of the document was understood, 0 to 1: the share of its characters, times the shares of
    /// its pages, parts and cells, that did not fail. What was left out on purpose does not lower it.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        let pages = u64::from(self.pages.unwrap_or(0));
        share(self.chars_kept, self.chars_failed)
            * share(
                pages.saturating_sub(u64::from(self.pages_failed)),
                u64::from(self.pages_failed),
            )
            * share(
                u64::from(self.parts.saturating_sub(self.parts_failed)),
                u64::from(self.parts_failed),
            )
            * share(self.cells, self.cells_failed)
    }

    /// Whether a warning says that something may be missing.
    #[must_use]
    pub fn has_loss(&self) -> bool {
        self.warnings.iter().any(|warning| warning.code.is_loss())
    }

    /// Adds the report of the part `name` to that of the document that holds it. Pages stay those of the whole.
    pub fn add_part(&mut self, name: &str, part: Self) {
        self.parts += 1 + part.parts;
        self.parts_failed += part.parts_failed;
        self.elements += part.elements;
        self.tables += part.tables;
        self.cells += part.cells;
        self.cells_failed += part.cells_failed;
        self.images += part.images;
        self.chars_seen += part.chars_seen;
        self.chars_kept += part.chars_kept;
        // A part's unreadable pages have no characters to count; they fail the part only where all of them do.
        self.chars_failed += part.chars_failed;
        if part
            .pages
            .is_some_and(|pages| pages > 0 && part.pages_failed >= pages)
        {
            self.parts_failed += 1;
        }
        if let Some(ocr) = &part.ocr {
            self.ocr.get_or_insert_default().add(ocr);
        }
        self.warnings
            .extend(part.warnings.into_iter().map(|mut warning| {
                warning.part = Some(match warning.part {
                    Some(inner) => format!("{name}/{inner}"),
                    None => name.to_owned(),
                });
                warning
            }));
    }
}

/// Warnings that are believed to belong to one document. Readers keep far fewer; a report with more was made to hurt,
/// since an empty warning is three bytes of JSON and a hundred in memory.
const MAX_WARNINGS: usize = 10_000;

fn few<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<ParseWarning>, D::Error> {
    struct Few;
    impl<'de> Visitor<'de> for Few {
        type Value = Vec<ParseWarning>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "a list of at most {MAX_WARNINGS} warnings")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut warnings = Vec::new();
            while let Some(warning) = list.next_element()? {
                if warnings.len() >= MAX_WARNINGS {
                    return Err(A::Error::invalid_length(MAX_WARNINGS + 1, &self));
                }
                warnings.push(warning);
            }
            Ok(warnings)
        }
    }
    input.deserialize_seq(Few)
}

/// The share of what was kept; 1 where there was nothing.
fn share(kept: u64, failed: u64) -> f64 {
    if failed == 0 {
        return 1.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "a share for people, not a sum")]
    let share = kept as f64 / (kept + failed) as f64;
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_is_what_did_not_fail() {
        let mut report = ParseReport::default();
        assert!((report.coverage() - 1.0).abs() < f64::EPSILON);
        (report.chars_seen, report.chars_kept) = (300, 150);
        assert!((report.coverage() - 1.0).abs() < f64::EPSILON);
        report.chars_failed = 50;
        assert!((report.coverage() - 0.75).abs() < f64::EPSILON);
        (report.pages, report.pages_failed) = (Some(4), 2);
        assert!((report.coverage() - 0.375).abs() < f64::EPSILON);
        (report.pages, report.pages_failed) = (Some(1), 1);
        assert!(report.coverage().abs() < f64::EPSILON);
    }

    #[test]
    fn parts_add_up_and_name_their_warnings() {
        let mut inner = ParseReport {
            chars_kept: 5,
            ocr: Some(OcrSummary {
                pages: 1,
                words: 10,
                confidence: 0.5,
            }),
            ..ParseReport::default()
        };
        inner.warnings.push(ParseWarning {
            page: Some(2),
            reason: "torn".into(),
            ..ParseWarning::default()
        });
        let mut zip = ParseReport::default();
        zip.add_part("a.pdf", inner);
        let mut mail = ParseReport {
            ocr: Some(OcrSummary {
                pages: 1,
                words: 30,
                confidence: 0.9,
            }),
            ..ParseReport::default()
        };
        mail.add_part("x.zip", zip);
        assert_eq!((mail.parts, mail.chars_kept), (2, 5));
        assert_eq!(mail.warnings[0].part.as_deref(), Some("x.zip/a.pdf"));
        let ocr = mail.ocr.unwrap();
        assert!((ocr.confidence - 0.8).abs() < 1e-9, "{ocr:?}");
    }

    #[test]
    fn old_reports_and_new_codes_can_be_read() {
        let old =
            r#"{"pages":3,"chars_seen":9,"chars_kept":8,"warnings":[{"page":1,"reason":"x"}]}"#;
        let report: ParseReport = serde_json::from_str(old).unwrap();
        assert_eq!(report.warnings[0].code, WarningCode::Other);
        let new = r#"{"code":"from_the_future","reason":"x"}"#;
        let warning: ParseWarning = serde_json::from_str(new).unwrap();
        assert_eq!(warning.code, WarningCode::Other);
        let many = format!(r#"{{"warnings":[{}{{}}]}}"#, "{},".repeat(MAX_WARNINGS));
        assert!(serde_json::from_str::<ParseReport>(&many).is_err());
        for code in [WarningCode::NoTextLayer, WarningCode::Cleaned] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
