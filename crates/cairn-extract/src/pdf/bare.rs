//! Tables without rules: runs of lines whose cells stand in the same columns.
//!
//! A line without a label that stands nearer to the one above than rows with labels do goes on in the cells of that.
//! Lines above the first that has all columns are header rows where each of their cells stands over a column, or centred
//! over several; where such a line is nearer to the one below than that is to the body, it is the first line of names of
//! two. Cost: O(lines × columns), and O(columns²) for each cell of such a header row, of at most [`MAX_COLUMNS`].

use std::ops::RangeInclusive;

use super::headers::{Named, Row, name};
use super::line::{Line, is_list_item};
use super::word::Rect;
use crate::table::{is_number, is_year, join_header};

/// Lines of header rows above the first with all columns.
const MAX_HEAD_LINES: usize = 3;
/// Length of a cell of such a line, in characters.
const MAX_HEAD_CHARS: usize = 40;
/// Gap between such a line and the next, in font sizes.
const MAX_HEAD_GAP: f32 = 1.5;
/// Columns of a table whose header rows are looked for.
const MAX_COLUMNS: usize = 40;
/// How far the middle of a cell may be off that of the columns under it, in font sizes, and as a share of their width.
const MAX_OFF: (f32, f32) = (0.6, 0.06);
/// Gap in a wrapped cell as a share of that between rows. A guess.
const MAX_WRAP: f32 = 0.8;

/// A run of lines that are the rows of a table.
#[derive(Debug)]
pub(super) struct Bare {
    /// Lines that it takes.
    pub(super) n_lines: usize,
    pub(super) table: Named,
    pub(super) rect: Rect,
}

/// The table that starts at the first of `lines`, if three or more of them share two or more columns.
pub(super) fn bare(lines: &[Line]) -> Option<Bare> {
    for n_head in 0..=MAX_HEAD_LINES {
        let (head, rest) = lines.split_at_checked(n_head)?;
        if !head.last().is_none_or(may_be_head) {
            return None;
        }
        if let Some(body) = body(rest) {
            return with_head(head, body);
        }
    }
    None
}

/// The rows from the first with all columns on.
struct Body {
    n_lines: usize,
    columns: Vec<Rect>,
    rows: Vec<Row>,
    rect: Rect,
    /// Gap between its first line and its second.
    first_gap: f32,
}

/// Whether two lines' cells stand in the same columns: each cell over at most one of the other's.
fn same_columns(columns: &[Rect], cells: &[(String, Rect)]) -> Option<Vec<usize>> {
    let mut places = Vec::with_capacity(cells.len());
    for (_, cell) in cells {
        let mut over = columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.x0 < cell.x1 && cell.x0 < column.x1);
        let (place, _) = over.next()?;
        if over.next().is_some() || places.last().is_some_and(|&last| last >= place) {
            return None;
        }
        places.push(place);
    }
    Some(places)
}

/// A line of the body, with the columns of its cells.
struct Placed<'l> {
    line: &'l Line,
    places: Vec<usize>,
    /// To the line above.
    gap: f32,
}

impl Placed<'_> {
    fn has_label(&self) -> bool {
        self.places.first() == Some(&0)
    }
}

fn body(lines: &[Line]) -> Option<Body> {
    let first = lines.first()?;
    if first.cells.len() < 2 || is_list_item(first) {
        return None;
    }
    let mut columns: Vec<Rect> = first.cells.iter().map(|(_, rect)| *rect).collect();
    let mut placed: Vec<Placed<'_>> = Vec::new();
    let mut bottom = first.rect.y1;
    for line in lines {
        let gap = line.rect.y0 - bottom;
        if !placed.is_empty() && gap > 2.5 * line.size.max(6.0) {
            break;
        }
        let Some(places) = same_columns(&columns, &line.cells) else {
            break;
        };
        // A single cell goes on the row above, or ends the table where it is as wide as prose.
        let is_other_style = (line.size - first.size).abs() > 0.12 * first.size;
        if line.cells.len() == 1
            && (placed.is_empty() || is_other_style || line.cells[0].0.chars().count() > 60)
        {
            break;
        }
        for (&place, (_, rect)) in places.iter().zip(&line.cells) {
            columns[place] = columns[place].union(rect);
        }
        bottom = bottom.max(line.rect.y1);
        placed.push(Placed { line, places, gap });
    }
    let row_gap = placed
        .iter()
        .skip(1)
        .filter(|line| line.has_label() && line.line.cells.len() >= 2)
        .map(|line| line.gap)
        .fold(f32::MAX, f32::min);
    // Up to the last line of more than one cell and what goes on in its cells.
    let mut kept = 0;
    let mut is_continued = Vec::with_capacity(placed.len());
    for (idx, line) in placed.iter().enumerate() {
        let n = line.line.cells.len();
        let is_near = idx > 0 && line.gap < 0.6 * line.line.size;
        let goes_on = is_near && (n == 1 || !line.has_label() && line.gap < MAX_WRAP * row_gap);
        is_continued.push(goes_on);
        if n >= 2 || goes_on && kept == idx {
            kept = idx + 1;
        }
    }
    placed.truncate(kept);
    let n_full = placed
        .iter()
        .filter(|line| line.line.cells.len() >= 2)
        .count();
    if n_full < 3 || n_full * 2 < kept {
        return None;
    }
    let mut rows: Vec<Row> = Vec::new();
    for (line, is_continued) in placed.iter().zip(is_continued) {
        if !is_continued {
            rows.push(Row {
                cells: vec![String::new(); columns.len()],
                is_bold: true,
                ..Row::default()
            });
        }
        let row = rows.last_mut()?;
        row.is_bold &= line.line.is_bold;
        for (&place, (text, _)) in line.places.iter().zip(&line.line.cells) {
            add(&mut row.cells[place], text);
        }
    }
    for row in &mut rows {
        row.n_cells = row.cells.iter().filter(|cell| !cell.is_empty()).count() as u64;
    }
    if rows.len() < 2 {
        return None;
    }
    let rects = placed.iter().map(|line| line.line.rect);
    Some(Body {
        n_lines: kept,
        columns,
        rows,
        rect: rects.reduce(|all, rect| all.union(&rect))?,
        first_gap: placed.get(1).map_or(0.0, |line| line.gap),
    })
}

fn add(cell: &mut String, text: &str) {
    if !cell.is_empty() {
        cell.push(' ');
    }
    cell.push_str(text);
}

/// Whether a line may name columns: few words in each cell, no amounts, no item of a list.
fn may_be_head(line: &Line) -> bool {
    let is_name =
        |text: &str| text.chars().count() <= MAX_HEAD_CHARS && (is_year(text) || !is_number(text));
    line.table.is_none()
        && !line.cells.is_empty()
        && line.cells.iter().all(|(text, _)| is_name(text))
        && !is_list_item(line)
}

/// The whole table; `None` where the lines of `head` are no header of it.
fn with_head(head: &[Line], mut body: Body) -> Option<Bare> {
    if body.columns.len() > MAX_COLUMNS && !head.is_empty() {
        return None;
    }
    let mut names: Vec<Vec<String>> = Vec::new();
    let mut n_cells = 0;
    let mut rect = body.rect;
    let mut gap_below = body.first_gap;
    // From the line next to the body upwards.
    for line in head.iter().rev() {
        let gap = rect.y0 - line.rect.y1;
        if gap > MAX_HEAD_GAP * line.size {
            return None;
        }
        let is_wrapped = gap < 0.4 * line.size && gap < 0.7 * gap_below;
        let over = places_over(line, &body.columns, is_wrapped)?;
        let mut row = vec![String::new(); body.columns.len()];
        for ((text, _), columns) in line.cells.iter().zip(&over) {
            for column in columns.clone() {
                row[column].clone_from(text);
            }
        }
        let under = match names.first_mut() {
            Some(below) => below,
            None => &mut body.rows[0].cells,
        };
        let is_wrapped =
            is_wrapped && (0..row.len()).all(|at| row[at].is_empty() || !under[at].is_empty());
        if is_wrapped {
            for (below, text) in under
                .iter_mut()
                .zip(row)
                .filter(|(_, text)| !text.is_empty())
            {
                *below = format!("{text} {below}");
            }
        } else {
            n_cells += line.cells.len() as u64;
            names.insert(0, row);
        }
        rect = rect.union(&line.rect);
        gap_below = gap;
    }
    let mut table = name(body.rows);
    if !names.is_empty() {
        names.push(std::mem::take(&mut table.header));
        table.header = join_header(&names);
    }
    table.n_cells += n_cells;
    Some(Bare {
        n_lines: head.len() + body.n_lines,
        table,
        rect,
    })
}

/// The columns over which each cell of a header line stands; `None` where one stands over none, or where the line is rather
/// a title: one cell over the first column or over all.
fn places_over(
    line: &Line,
    columns: &[Rect],
    is_wrapped: bool,
) -> Option<Vec<RangeInclusive<usize>>> {
    let covered = |cell: &Rect| {
        let over = |column: &&Rect| column.x0 < cell.x1 && cell.x0 < column.x1;
        let first = columns.iter().position(|column| over(&column))?;
        let n = columns[first..].iter().take_while(over).count();
        Some(first..=first + n - 1)
    };
    let own: Vec<Option<RangeInclusive<usize>>> =
        line.cells.iter().map(|(_, rect)| covered(rect)).collect();
    let mut found: Vec<RangeInclusive<usize>> = Vec::with_capacity(own.len());
    for (idx, (_, rect)) in line.cells.iter().enumerate() {
        // Columns between those of the neighbours, the first column only for a cell that stands over it.
        let low = match idx.checked_sub(1) {
            Some(before) => found[before].end() + 1,
            None => usize::from(own[idx].as_ref().is_none_or(|own| *own.start() > 0)),
        };
        let next = own[idx + 1..].iter().flatten().next();
        let high = next.map_or(columns.len(), |next| *next.start());
        let widest = centred(rect, columns, low..high, line.size).filter(|range| {
            own[idx]
                .as_ref()
                .is_none_or(|own| range.start() <= own.start() && own.end() <= range.end())
        });
        let range = match (&own[idx], widest) {
            (Some(own), _) if is_wrapped => own.clone(),
            (_, Some(widest)) => widest,
            (Some(own), None) => own.clone(),
            (None, None) => return None,
        };
        if *range.start() < low || *range.end() >= high {
            return None;
        }
        found.push(range);
    }
    let is_title = found.len() == 1 && *found[0].start() == 0;
    (!is_title).then_some(found)
}

/// The widest run of columns within `among` over whose middle the cell stands.
fn centred(
    cell: &Rect,
    columns: &[Rect],
    among: std::ops::Range<usize>,
    em: f32,
) -> Option<RangeInclusive<usize>> {
    let mut best: Option<RangeInclusive<usize>> = None;
    for first in among.clone() {
        for last in first..among.end {
            let (x0, x1) = (columns[first].x0, columns[last].x1);
            let off = (f32::midpoint(x0, x1) - cell.center_x()).abs();
            let is_inside = cell.x0 > x0 - em && cell.x1 < x1 + em;
            let is_wider = best
                .as_ref()
                .is_none_or(|best| last - first > best.end() - best.start());
            if is_inside && is_wider && off <= (MAX_OFF.0 * em).max(MAX_OFF.1 * (x1 - x0)) {
                best = Some(first..=last);
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of cells 5 points a character wide.
    fn line(y: f32, cells: &[(f32, &str)]) -> Line {
        #[expect(clippy::cast_precision_loss, reason = "short words")]
        let cells: Vec<(String, Rect)> = cells
            .iter()
            .map(|&(x, text)| {
                let x1 = x + text.chars().count() as f32 * 5.0;
                let rect = Rect {
                    x0: x,
                    y0: y,
                    x1,
                    y1: y + 10.0,
                };
                (text.to_owned(), rect)
            })
            .collect();
        let rects = cells.iter().map(|(_, rect)| *rect);
        let texts: Vec<&str> = cells.iter().map(|(text, _)| text.as_str()).collect();
        Line {
            text: texts.join(" "),
            rect: rects.reduce(|all, rect| all.union(&rect)).unwrap(),
            size: 10.0,
            is_bold: false,
            ends_soft: false,
            n_chars: 0,
            table: None,
            cells,
        }
    }

    fn read(lines: &[Line]) -> Option<(usize, String, Vec<String>)> {
        let found = bare(lines)?;
        let rows = found.table.rows.iter().map(|row| row.join("|")).collect();
        Some((found.n_lines, found.table.header.join("|"), rows))
    }

    #[test]
    fn aligned_lines_are_a_table() {
        let mut lines = Vec::new();
        for (row, y) in [0.0f32, 14.0, 28.0, 42.0].into_iter().enumerate() {
            let cells = [(50.0, "name"), (150.0, "12.5"), (250.0, "x")];
            lines.push(match row {
                2 => line(y, &[cells[0], cells[2]]),
                _ => line(y, &cells),
            });
        }
        let (n_lines, header, rows) = read(&lines).unwrap();
        assert_eq!((n_lines, header.as_str()), (4, ""));
        assert_eq!(rows[2], "name||x");
        let prose = [
            line(0.0, &[(50.0, "just some text")]),
            line(12.0, &[(50.0, "and more")]),
        ];
        assert!(bare(&prose).is_none());
    }

    #[test]
    fn header_rows_span_columns() {
        let body = |y: f32, first: &str| {
            vec![
                line(
                    y,
                    &[
                        (50.0, first),
                        (150.0, "Cars"),
                        (200.0, "People"),
                        (260.0, "Cars"),
                        (310.0, "People"),
                    ],
                ),
                line(
                    y + 14.0,
                    &[
                        (50.0, "Lund"),
                        (150.0, "7"),
                        (200.0, "30"),
                        (260.0, "8"),
                        (310.0, "31"),
                    ],
                ),
                line(
                    y + 28.0,
                    &[
                        (50.0, "Malm"),
                        (150.0, "9"),
                        (200.0, "10"),
                        (260.0, "1"),
                        (310.0, "2"),
                    ],
                ),
            ]
        };
        // Centred over 150 to 230 and 260 to 340.
        let years = line(0.0, &[(180.0, "2024"), (290.0, "2025")]);
        let lines = [vec![years.clone()], body(14.0, "Port")].concat();
        let (n_lines, header, rows) = read(&lines).unwrap();
        assert_eq!(n_lines, 4);
        assert_eq!(
            header,
            "Port|2024 / Cars|2024 / People|2025 / Cars|2025 / People"
        );
        assert_eq!(rows, ["Lund|7|30|8|31", "Malm|9|10|1|2"]);
        // Two such lines, and a title above, which is none.
        let all = line(0.0, &[(220.0, "Traffic")]);
        let title = line(-14.0, &[(50.0, "Table 1: The ports")]);
        let mut years = years;
        for rect in
            std::iter::once(&mut years.rect).chain(years.cells.iter_mut().map(|cell| &mut cell.1))
        {
            (rect.y0, rect.y1) = (14.0, 24.0);
        }
        let lines = [vec![title, all, years], body(28.0, "Port")].concat();
        assert!(bare(&lines).is_none());
        let (n_lines, header, _) = read(&lines[1..]).unwrap();
        assert_eq!(n_lines, 5);
        assert!(
            header.starts_with("Port|Traffic / 2024 / Cars|"),
            "{header}"
        );
        // Names over columns of numbers, none over the labels.
        let lines = [
            line(0.0, &[(150.0, "Cars"), (200.0, "People")]),
            line(14.0, &[(50.0, "Lund"), (150.0, "7"), (200.0, "30")]),
            line(28.0, &[(50.0, "Malm"), (150.0, "9"), (200.0, "10")]),
            line(42.0, &[(50.0, "Oslo"), (150.0, "9"), (200.0, "10")]),
        ];
        let (n_lines, header, rows) = read(&lines).unwrap();
        assert_eq!(
            (n_lines, header.as_str(), rows.len()),
            (4, "|Cars|People", 3)
        );
    }

    #[test]
    fn cells_and_names_may_be_wrapped() {
        let lines = [
            line(0.0, &[(50.0, "Drill"), (150.0, "How"), (250.0, "Who")]),
            line(11.0, &[(150.0, "often"), (250.0, "leads")]),
            line(
                30.0,
                &[(50.0, "Fire"), (150.0, "weekly, in"), (250.0, "the master")],
            ),
            line(41.0, &[(150.0, "harbour"), (250.0, "or mate")]),
            line(
                60.0,
                &[(50.0, "Flood"), (150.0, "monthly"), (250.0, "the mate")],
            ),
        ];
        let (n_lines, header, rows) = read(&lines).unwrap();
        assert_eq!((n_lines, header.as_str()), (5, "Drill|How often|Who leads"));
        assert_eq!(
            rows,
            [
                "Fire|weekly, in harbour|the master or mate",
                "Flood|monthly|the mate"
            ]
        );
        // The name of one column starts a line higher.
        let lines = [
            line(0.0, &[(250.0, "Longest")]),
            line(11.0, &[(50.0, "Drill"), (150.0, "Often"), (250.0, "time")]),
            line(
                30.0,
                &[(50.0, "Fire"), (150.0, "weekly"), (250.0, "4 minutes")],
            ),
            line(
                49.0,
                &[(50.0, "Flood"), (150.0, "monthly"), (250.0, "9 minutes")],
            ),
        ];
        let (n_lines, header, _) = read(&lines).unwrap();
        assert_eq!((n_lines, header.as_str()), (4, "Drill|Often|Longest time"));
        // Groups leave their label out on equal distances: rows of their own.
        let lines = [
            line(0.0, &[(50.0, "Port"), (150.0, "Year"), (250.0, "Cars")]),
            line(14.0, &[(50.0, "Lund"), (150.0, "2023"), (250.0, "7")]),
            line(28.0, &[(150.0, "2024"), (250.0, "8")]),
            line(42.0, &[(50.0, "Malm"), (150.0, "2023"), (250.0, "9")]),
        ];
        let (_, _, rows) = read(&lines).unwrap();
        assert_eq!(rows, ["Lund|2023|7", "|2024|8", "Malm|2023|9"]);
    }
}
