//! Lines of a region.

use super::columns::Fragment;
use super::headers::Named;
use super::ruled::Cells;
use super::word::{Rect, Word, is_rtl, is_unspaced};

/// Share of the smaller height in which words of one line overlap at least; raised figures lie within it almost whole.
pub(super) const SAME_LINE: f32 = 0.6;

/// One line of text.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) rect: Rect,
    /// Font size of most of its characters.
    pub(super) size: f32,
    pub(super) is_bold: bool,
    /// Ends in a word that the line break parted.
    pub(super) ends_soft: bool,
    /// Parts with wide gaps between them: cells, if the lines around agree.
    pub(super) cells: Vec<(String, Rect)>,
    /// Characters that carry text.
    pub(super) n_chars: u64,
    /// A ruled table, which stands as one line.
    pub(super) table: Option<Named>,
}

/// Lines from top to bottom. `fragments` come sorted by height.
pub(super) fn lines(fragments: Vec<Fragment>) -> Vec<Line> {
    let mut open: Vec<(Rect, Vec<Word>)> = Vec::new();
    let mut rows: Vec<(Rect, Vec<Word>)> = Vec::new();
    let mut tables = Vec::new();
    for fragment in fragments {
        if let Some(cells) = fragment.table {
            tables.push(table_line(fragment.rect, cells));
            continue;
        }
        // Only the last few lines can still take a fragment of this height.
        let found = open
            .iter_mut()
            .filter(|(rect, _)| rect.line_overlap(&fragment.rect) > SAME_LINE)
            .max_by(|a, b| {
                let overlap = |row: &Rect| row.line_overlap(&fragment.rect);
                overlap(&a.0).total_cmp(&overlap(&b.0))
            });
        match found {
            Some((rect, words)) => {
                // The line keeps the height of its tallest part, not of all: slanted lines do not chain.
                let taller = fragment.rect.height() > rect.height();
                let (y0, y1) = if taller {
                    (fragment.rect.y0, fragment.rect.y1)
                } else {
                    (rect.y0, rect.y1)
                };
                *rect = rect.union(&fragment.rect);
                (rect.y0, rect.y1) = (y0, y1);
                words.extend(fragment.words);
            }
            None => {
                if open.len() >= 6 {
                    rows.push(open.remove(0));
                }
                open.push((fragment.rect, fragment.words));
            }
        }
    }
    rows.extend(open);
    rows.sort_by(|a, b| a.0.center_y().total_cmp(&b.0.center_y()));
    let lines = rows.into_iter().map(|(rect, words)| line(rect, words));
    tables.into_iter().chain(lines).collect()
}

fn table_line(rect: Rect, cells: Cells) -> Line {
    Line {
        n_chars: cells.n_chars,
        ends_soft: false,
        text: [cells.table.header.as_slice(), &cells.table.rows.concat()]
            .concat()
            .join(" "),
        rect,
        size: cells.size,
        is_bold: false,
        cells: Vec::new(),
        table: Some(cells.table),
    }
}

fn line(rect: Rect, mut words: Vec<Word>) -> Line {
    sort_words(&mut words);
    let mut text = String::new();
    let mut cells: Vec<(String, Rect)> = Vec::new();
    let mut sizes: Vec<(f32, usize)> = Vec::new();
    let (mut n_bold, mut n_all) = (0, 0);
    let mut previous: Option<&Word> = None;
    for word in &words {
        let n = word.text.chars().count();
        n_all += n;
        n_bold += if word.is_bold { n } else { 0 };
        match sizes
            .iter_mut()
            .find(|(size, _)| (*size - word.size).abs() < 0.3)
        {
            Some((_, count)) => *count += n,
            None => sizes.push((word.size, n)),
        }
        let gap = previous.map_or(f32::MAX, |p| {
            (word.rect.x0 - p.rect.x1).max(p.rect.x0 - word.rect.x1)
        });
        let em = word.size.max(4.0);
        let space = previous.is_some_and(|previous| needs_space(previous, word, gap));
        if space {
            text.push(' ');
        }
        text.push_str(&word.text);
        match cells.last_mut() {
            Some((cell, rect)) if gap < 1.2 * em => {
                if space {
                    cell.push(' ');
                }
                cell.push_str(&word.text);
                *rect = rect.union(&word.rect);
            }
            _ => cells.push((word.text.clone(), word.rect)),
        }
        previous = Some(word);
    }
    let size = sizes
        .iter()
        .max_by_key(|(_, count)| *count)
        .map_or(rect.height(), |(size, _)| *size);
    Line {
        n_chars: crate::builder::count_text(&text),
        ends_soft: words.last().is_some_and(|word| word.ends_soft),
        text,
        rect,
        size,
        is_bold: n_bold * 2 > n_all,
        cells,
        table: None,
    }
}

/// Left to right; a line of right-to-left text keeps the order in which it was drawn, where that is one
/// run, since pdfium has put it into reading order.
fn sort_words(words: &mut [Word]) {
    let n_rtl = words.iter().filter(|word| word.is_rtl()).count();
    if n_rtl == 0 {
        words.sort_by(|a, b| a.rect.x0.total_cmp(&b.rect.x0));
        return;
    }
    words.sort_by_key(|word| word.order);
    let is_one_run = words
        .windows(2)
        .all(|pair| pair[1].order == pair[0].order + 1);
    if is_one_run {
        return;
    }
    if n_rtl * 2 < words.len() {
        words.sort_by(|a, b| a.rect.x0.total_cmp(&b.rect.x0));
    } else {
        words.sort_by(|a, b| b.rect.x1.total_cmp(&a.rect.x1));
    }
}

fn needs_space(previous: &Word, word: &Word, gap: f32) -> bool {
    if previous.ends_soft {
        return false;
    }
    let em = word.size.min(previous.size).max(1.0);
    let (Some(left), Some(right)) = (previous.text.chars().next_back(), word.text.chars().next())
    else {
        return false;
    };
    if is_unspaced(left) || is_unspaced(right) {
        return gap > 0.8 * em || !(is_unspaced(left) && is_unspaced(right)) && gap > 0.25 * em;
    }
    if previous.is_glued && word.order == previous.order + 1 {
        // Parted by a change of baseline, such as a raised figure, or by a jump.
        return gap > 0.15 * em || is_rtl(left) != is_rtl(right);
    }
    true
}

/// Whether a line starts with a bullet or number of a list.
pub(super) fn is_list_item(line: &Line) -> bool {
    marker(&line.text).is_some()
}

/// Length in bytes of a list marker at the start of `text`.
pub(super) fn marker(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    if matches!(
        first,
        '•' | '●'
            | '▪'
            | '◦'
            | '‣'
            | '■'
            | '□'
            | '○'
            | '➢'
            | '✓'
            | '–'
            | '·'
            | '*'
            | '-'
    ) {
        let rest = &text[first.len_utf8()..];
        let is_glyph = !matches!(first, '–' | '*' | '-' | '·');
        return (rest.starts_with(' ') || is_glyph && !rest.is_empty()).then_some(first.len_utf8());
    }
    let word = text.split(' ').next()?;
    let inner = word.trim_start_matches('(').strip_suffix(['.', ')'])?;
    let is_number =
        !inner.is_empty() && inner.len() <= 3 && inner.bytes().all(|b| b.is_ascii_digit());
    let is_letter = inner.len() == 1 && inner.bytes().all(|b| b.is_ascii_alphabetic());
    (text.len() > word.len() && (is_number || is_letter && word.ends_with(')')))
        .then_some(word.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdf::columns::regions;

    fn word(order: u32, text: &str, x: f32, y: f32) -> Word {
        #[expect(clippy::cast_precision_loss, reason = "short words")]
        let width = text.chars().count() as f32 * 5.0;
        Word {
            text: text.into(),
            rect: Rect {
                x0: x,
                y0: y,
                x1: x + width,
                y1: y + 10.0,
            },
            size: 10.0,
            is_bold: false,
            order,
            ends_soft: false,
            is_glued: false,
            font: 0,
        }
    }

    fn of(words: Vec<Word>) -> Vec<Line> {
        regions(words, &[]).into_iter().flat_map(lines).collect()
    }

    #[test]
    fn words_on_one_height_are_one_line() {
        let found = of(vec![
            word(1, "b", 60.0, 1.0),
            word(0, "a", 50.0, 0.0),
            word(2, "c", 50.0, 14.0),
        ]);
        let texts: Vec<&str> = found.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["a b", "c"]);
    }

    #[test]
    fn right_to_left_lines_keep_their_reading_order() {
        let found = of(vec![
            word(0, "שלום", 100.0, 0.0),
            word(1, "PDF", 80.0, 0.0),
            word(2, "עולם", 55.0, 0.0),
        ]);
        assert_eq!(found[0].text, "שלום PDF עולם");
    }

    #[test]
    fn markers_of_lists() {
        for (text, expect) in [
            ("• a", true),
            ("12. a", true),
            ("(a) b", true),
            ("1.5 x", false),
            ("A. Smith", false),
            ("-5", false),
            ("text", false),
        ] {
            assert_eq!(marker(text).is_some(), expect, "{text}");
        }
    }
}
