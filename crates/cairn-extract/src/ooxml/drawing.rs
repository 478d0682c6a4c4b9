//! Text of drawings (DrawingML, ECMA-376 part 1, section 21.1.2): paragraphs with their level and bullet.
//!
//! Fed with the events of a reader, since text stands in shapes, table cells, notes, charts and diagrams alike.

use quick_xml::events::BytesStart;

use super::Math;
use crate::builder::count_text;
use crate::numerals::{Numerals, number};
use crate::xml::attr;

/// Levels of text, by the format.
const N_LEVELS: usize = 9;

/// What stands before a paragraph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bullet {
    None,
    /// A character or a picture.
    Char,
    Number {
        numerals: Numerals,
        /// What stands before and after the number.
        around: (&'static str, &'static str),
        start: u32,
    },
}

/// Bullets by level, where something sets them.
pub(crate) type ListStyle = [Option<Bullet>; N_LEVELS];

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Paragraph {
    /// Line breaks are real ones; white space is as in the file.
    pub(crate) text: String,
    /// From 0.
    pub(crate) level: usize,
    pub(crate) bullet: Option<Bullet>,
}

/// The text of one shape or cell.
#[derive(Debug, Default, Clone)]
pub(crate) struct TextBody {
    pub(crate) paragraphs: Vec<Paragraph>,
    /// Bullets that the shape itself sets for its levels.
    pub(crate) style: ListStyle,
    /// Characters of slide numbers and dates that the program fills in.
    pub(crate) n_fields: u64,
    open: Option<Paragraph>,
    style_level: Option<usize>,
    in_text: bool,
    is_field: bool,
    formula: Option<Math>,
}

impl TextBody {
    pub(crate) fn start(&mut self, element: &BytesStart<'_>) {
        let local = element.local_name();
        let local = local.as_ref();
        if let Some(formula) = &mut self.formula {
            formula.start(element);
            return;
        }
        if let Some(level) = style_level(local) {
            self.style_level = Some(level);
        }
        match local {
            "p" => {
                self.close();
                self.open = Some(Paragraph::default());
            }
            "pPr" => {
                let level = attr(element, "lvl").and_then(|level| level.parse().ok());
                if let Some(open) = &mut self.open {
                    open.level = level.unwrap_or(0).min(N_LEVELS - 1);
                }
            }
            "t" => self.in_text = true,
            "oMath" => self.formula = Some(Math::default()),
            "br" => self.push("\n"),
            "fld" => {
                let kind = attr(element, "type").unwrap_or_default();
                self.is_field = kind == "slidenum" || kind.starts_with("datetime");
            }
            _ => {
                if let Some(bullet) = bullet(local, element) {
                    match (&mut self.open, self.style_level) {
                        (Some(open), _) => open.bullet = Some(bullet),
                        (None, Some(level)) => self.style[level] = Some(bullet),
                        (None, None) => {}
                    }
                }
            }
        }
    }

    pub(crate) fn end(&mut self, local: &str) {
        if let Some(mut formula) = self.formula.take() {
            if local == "oMath" {
                self.push(&formula.finish());
            } else {
                formula.end(local);
                self.formula = Some(formula);
            }
            return;
        }
        match local {
            "p" => self.close(),
            "t" => self.in_text = false,
            "fld" => self.is_field = false,
            _ if style_level(local).is_some() => self.style_level = None,
            _ => {}
        }
    }

    pub(crate) fn text(&mut self, text: &str) {
        if let Some(formula) = &mut self.formula {
            formula.text(text);
            return;
        }
        if !self.in_text {
            return;
        }
        if self.is_field {
            self.n_fields += count_text(text);
        } else {
            self.push(text);
        }
    }

    /// Adds text to the open paragraph, as it is.
    pub(crate) fn push(&mut self, text: &str) {
        if let Some(open) = &mut self.open {
            open.text.push_str(text);
        }
    }

    fn close(&mut self) {
        if let Some(formula) = self.formula.take() {
            self.push(&formula.finish());
        }
        self.paragraphs.extend(self.open.take());
        (self.in_text, self.is_field) = (false, false);
    }

    pub(crate) fn n_chars(&self) -> u64 {
        let chars = self.paragraphs.iter().map(|p| count_text(&p.text));
        chars.sum()
    }

    /// All paragraphs, one a line.
    pub(crate) fn plain(&self) -> String {
        let lines: Vec<&str> = self
            .paragraphs
            .iter()
            .map(|paragraph| paragraph.text.trim())
            .filter(|line| !line.is_empty())
            .collect();
        lines.join("\n")
    }

    /// Marker of each paragraph (`-` for bullets, `None` for plain ones); `inherited` serves where the text sets none.
    pub(crate) fn markers(&self, inherited: &ListStyle) -> Vec<Option<String>> {
        let mut counters: [Option<(Bullet, u32)>; N_LEVELS] = [None; N_LEVELS];
        let marker = |paragraph: &Paragraph| {
            if paragraph.text.trim().is_empty() {
                return None;
            }
            let level = paragraph.level;
            let bullet = paragraph
                .bullet
                .or(self.style[level])
                .or(inherited[level])
                .unwrap_or(Bullet::None);
            for counter in &mut counters[level + 1..] {
                *counter = None;
            }
            let Bullet::Number {
                numerals,
                around: (before, after),
                start,
            } = bullet
            else {
                counters[level] = None;
                return (bullet == Bullet::Char).then(|| "-".to_owned());
            };
            let n = match counters[level] {
                Some((last, n)) if last == bullet => n.saturating_add(1),
                _ => start,
            };
            counters[level] = Some((bullet, n));
            Some(format!("{before}{}{after}", number(n, numerals)))
        };
        self.paragraphs.iter().map(marker).collect()
    }
}

/// The level, from 0, whose properties an element such as `lvl2pPr` holds.
fn style_level(local: &str) -> Option<usize> {
    let level: usize = local
        .strip_prefix("lvl")?
        .strip_suffix("pPr")?
        .parse()
        .ok()?;
    (1..=N_LEVELS).contains(&level).then(|| level - 1)
}

fn bullet(local: &str, element: &BytesStart<'_>) -> Option<Bullet> {
    match local {
        "buNone" => return Some(Bullet::None),
        "buChar" | "buBlip" => return Some(Bullet::Char),
        "buAutoNum" => {}
        _ => return None,
    }
    let scheme = attr(element, "type").unwrap_or_default();
    let numerals = match scheme.as_str() {
        name if name.starts_with("alphaLc") => Numerals::LowerLetter,
        name if name.starts_with("alphaUc") => Numerals::UpperLetter,
        name if name.starts_with("romanLc") => Numerals::LowerRoman,
        name if name.starts_with("romanUc") => Numerals::UpperRoman,
        _ => Numerals::Decimal,
    };
    let around = match scheme.as_str() {
        name if name.ends_with("ParenBoth") => ("(", ")"),
        name if name.ends_with("ParenR") => ("", ")"),
        name if name.ends_with("Plain") => ("", ""),
        _ => ("", "."),
    };
    let start = attr(element, "startAt").and_then(|n| n.parse().ok());
    Some(Bullet::Number {
        numerals,
        around,
        start: start.unwrap_or(1),
    })
}
