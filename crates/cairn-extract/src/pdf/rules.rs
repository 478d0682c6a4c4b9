//! Grids: rectangles of a page in which drawn lines form the rows of a table.
//!
//! Lines come from the page's paths: straight strokes along an axis, and the edges of rectangles (cells,
//! stripes behind rows). Lines that touch are one drawing; a drawing with enough lines in both directions
//! is a grid. Lines across alone make a grid where they are of one length and as close as rows are.
//!
//! Cost: O(lines²) for each page, with a bounded number of lines.

use std::collections::BTreeMap;

use pdfium_render::prelude::{PdfPagePathObject, PdfPathSegmentType, PdfPathSegments as _};

use super::word::{PageBox, Rect, Turn};

/// Lines kept in each direction. Bounds the time spent on drawings.
const MAX_RULES: usize = 2_000;
/// Lines read of one page.
pub(super) const MAX_LINES: usize = 4 * MAX_RULES;
/// Shortest line, in points: shorter ones underline words or draw symbols.
const MIN_LENGTH: f32 = 6.0;
/// Farthest that lines which meet may miss each other, in points.
const SLACK: f32 = 1.5;
/// Lines across that a grid needs: the frame and one between two rows.
const MIN_ACROSS: usize = 3;
/// Highest row of a grid with lines down; a higher "row" is the body of a framed page. A guess.
const MAX_ROW: f32 = 150.0;
/// Highest row of a grid of lines across alone. A guess: three lines of text.
const MAX_OPEN_ROW: f32 = 60.0;

/// A straight line along an axis, from `start` to `end` at `place` on the other axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rule {
    pub(super) place: f32,
    pub(super) start: f32,
    pub(super) end: f32,
}

impl Rule {
    /// Whether the line passes `place` of its own axis.
    pub(super) fn passes(&self, place: f32) -> bool {
        place > self.start - SLACK && place < self.end + SLACK
    }
}

/// Lines of a drawing, as they lie when text of one turn is upright.
#[derive(Debug, Default)]
struct Rules {
    across: Vec<Rule>,
    down: Vec<Rule>,
}

/// Lines that form the rows, and perhaps the columns, of a table.
#[derive(Debug)]
pub(super) struct Grid {
    pub(super) rect: Rect,
    pub(super) across: Vec<Rule>,
    /// Empty where the lines part rows only.
    pub(super) down: Vec<Rule>,
}

/// Adds the straight lines of a path in PDF coordinates: left, bottom, right, top.
pub(super) fn read_path(path: &PdfPagePathObject<'_>, lines: &mut Vec<[f32; 4]>) {
    let Ok(matrix) = path.matrix() else {
        return;
    };
    let segments = path.segments().transform(matrix);
    let mut first = (0.0, 0.0);
    let mut last = (0.0, 0.0);
    for segment in segments.iter().take(MAX_LINES) {
        let (x, y) = segment.point();
        let point = (x.value, y.value);
        match segment.segment_type() {
            PdfPathSegmentType::MoveTo => first = point,
            PdfPathSegmentType::LineTo => lines.extend(straight(last, point)),
            _ => {}
        }
        last = point;
        if segment.is_close() {
            lines.extend(straight(last, first));
        }
        if lines.len() >= MAX_LINES {
            break;
        }
    }
}

/// The line between two points, if it runs along an axis.
fn straight(a: (f32, f32), b: (f32, f32)) -> Option<[f32; 4]> {
    let line = [a.0.min(b.0), a.1.min(b.1), a.0.max(b.0), a.1.max(b.1)];
    let (width, height) = (line[2] - line[0], line[3] - line[1]);
    let is_along = width.min(height) <= 0.5 && width.max(height) >= MIN_LENGTH;
    (is_along && line.iter().all(|edge| edge.is_finite())).then_some(line)
}

/// The grids that a page's lines form for text of this turn.
pub(super) fn grids(lines: &[[f32; 4]], bounds: &PageBox, turn: Turn) -> Vec<Grid> {
    let mut rules = Rules::default();
    for &line in lines {
        let rect = bounds.upright(turn, line);
        if rect.width() > rect.height() {
            rules.across.push(Rule {
                place: rect.center_y(),
                start: rect.x0,
                end: rect.x1,
            });
        } else {
            rules.down.push(Rule {
                place: f32::midpoint(rect.x0, rect.x1),
                start: rect.y0,
                end: rect.y1,
            });
        }
    }
    rules.across = merged(rules.across);
    rules.down = merged(rules.down);
    let mut grids = Vec::new();
    let mut left: Vec<Rule> = Vec::new();
    for drawing in drawings(&rules) {
        let found = if drawing.down.len() >= 2 {
            runs(&drawing, MAX_ROW)
        } else {
            Vec::new()
        };
        if found.is_empty() {
            left.extend(drawing.across);
        } else {
            grids.extend(found);
        }
    }
    // Lines of one length, such as the edges of stripes behind every other row.
    while let Some(first) = left.first().copied() {
        let is_same = |rule: &Rule| {
            (rule.start - first.start).abs() < 2.0 * SLACK
                && (rule.end - first.end).abs() < 2.0 * SLACK
        };
        let (across, others) = left.into_iter().partition(is_same);
        left = others;
        let down = Vec::new();
        grids.extend(runs(&Rules { across, down }, MAX_OPEN_ROW));
    }
    grids
}

/// Joins lines that go on or double each other: tables are often drawn cell by cell.
fn merged(mut rules: Vec<Rule>) -> Vec<Rule> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates; places are within a few thousand points"
    )]
    let step = |rule: &Rule| rule.place.round() as i32;
    rules.sort_by(|a, b| step(a).cmp(&step(b)).then(a.start.total_cmp(&b.start)));
    let mut out: Vec<Rule> = Vec::new();
    for rule in rules {
        match out.last_mut() {
            Some(last) if step(last) == step(&rule) && rule.start <= last.end + SLACK => {
                last.end = last.end.max(rule.end);
            }
            _ => out.push(rule),
        }
    }
    out.truncate(MAX_RULES);
    out
}

/// Lines that touch each other.
fn drawings(rules: &Rules) -> Vec<Rules> {
    let n_across = rules.across.len();
    let mut parent: Vec<usize> = (0..n_across + rules.down.len()).collect();
    for (i, across) in rules.across.iter().enumerate() {
        for (j, down) in rules.down.iter().enumerate() {
            if across.passes(down.place) && down.passes(across.place) {
                let (a, b) = (root(&mut parent, i), root(&mut parent, n_across + j));
                parent[a] = b;
            }
        }
    }
    let mut found: BTreeMap<usize, Rules> = BTreeMap::new();
    for idx in 0..parent.len() {
        let drawing = found.entry(root(&mut parent, idx)).or_default();
        match rules.across.get(idx) {
            Some(rule) => drawing.across.push(*rule),
            None => drawing.down.push(rules.down[idx - n_across]),
        }
    }
    found.into_values().collect()
}

fn root(parent: &mut [usize], mut idx: usize) -> usize {
    while parent[idx] != idx {
        parent[idx] = parent[parent[idx]];
        idx = parent[idx];
    }
    idx
}

/// Lines across that follow each other as closely as rows, with the lines down among them.
fn runs(drawing: &Rules, max_row: f32) -> Vec<Grid> {
    let mut sorted = drawing.across.clone();
    sorted.sort_by(|a, b| a.place.total_cmp(&b.place));
    let mut found = Vec::new();
    for across in sorted.chunk_by(|a, b| b.place - a.place <= max_row) {
        // The two edges of a thick line are one.
        let is_new = |pair: &&[Rule]| pair[1].place - pair[0].place > 2.0 * SLACK;
        let n_places = 1 + across.windows(2).filter(is_new).count();
        if n_places < MIN_ACROSS {
            continue;
        }
        let rect = across.iter().map(|rule| Rect {
            x0: rule.start,
            y0: rule.place,
            x1: rule.end,
            y1: rule.place,
        });
        let Some(rect) = rect.reduce(|all, rect| all.union(&rect)) else {
            continue;
        };
        let down = drawing.down.iter();
        found.push(Grid {
            rect,
            across: across.to_vec(),
            down: down
                .filter(|rule| rule.start < rect.y1 && rule.end > rect.y0)
                .copied()
                .collect(),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: PageBox = PageBox {
        left: 0.0,
        bottom: 0.0,
        right: 600.0,
        top: 800.0,
    };

    fn frame(x0: f32, y0: f32, x1: f32, y1: f32) -> Vec<[f32; 4]> {
        vec![
            [x0, y0, x1, y0],
            [x0, y1, x1, y1],
            [x0, y0, x0, y1],
            [x1, y0, x1, y1],
        ]
    }

    #[test]
    fn which_drawings_are_grids() {
        let across = |x1: f32, places: &[f32]| -> Vec<[f32; 4]> {
            places.iter().map(|&y| [50.0, y, x1, y]).collect()
        };
        let cells: Vec<[f32; 4]> = [50.0f32, 150.0]
            .iter()
            .flat_map(|&x| [700.0f32, 720.0, 740.0].map(|y| frame(x, y, x + 100.0, y + 20.0)))
            .flatten()
            .collect();
        let stripes = [700.0f32, 740.0].map(|y| frame(50.0, y, 250.0, y + 20.0));
        // A frame around the page, a line under its head and one between its columns.
        let mut page = frame(20.0, 20.0, 580.0, 780.0);
        page.extend([[20.0, 750.0, 580.0, 750.0], [300.0, 20.0, 300.0, 750.0]]);
        for (name, lines, expect) in [
            ("cells", cells, 1),
            ("stripes", stripes.concat(), 1),
            ("rows", across(250.0, &[700.0, 720.0, 740.0]), 1),
            ("a thick line", across(250.0, &[700.0, 701.0, 702.0]), 0),
            ("lines far apart", across(250.0, &[100.0, 400.0, 740.0]), 0),
            ("a frame", frame(50.0, 700.0, 250.0, 760.0), 0),
            ("a framed page", page, 0),
            ("nothing", Vec::new(), 0),
        ] {
            let found = grids(&lines, &PAGE, Turn(0));
            assert_eq!(found.len(), expect, "{name}: {found:?}");
            if let Some(Grid { rect, .. }) = found.first() {
                assert_eq!((rect.x0, rect.x1), (50.0, 250.0), "{name}");
                assert!(rect.height() >= 40.0, "{name}");
            }
        }
    }

    #[test]
    fn grids_turn_with_the_text() {
        let lines: Vec<[f32; 4]> = [100.0f32, 120.0, 140.0]
            .iter()
            .map(|&x| [x, 50.0, x, 250.0])
            .collect();
        assert!(grids(&lines, &PAGE, Turn(0)).is_empty());
        let found = grids(&lines, &PAGE, Turn(1));
        assert_eq!((found.len(), found[0].rect.width()), (1, 200.0));
    }

    #[test]
    fn slanted_and_short_lines_are_none() {
        assert!(straight((0.0, 0.0), (100.0, 90.0)).is_none());
        assert!(straight((0.0, 0.0), (3.0, 0.0)).is_none());
        assert!(straight((0.0, f32::NAN), (30.0, f32::NAN)).is_none());
        assert!(straight((30.0, 5.0), (0.0, 5.2)).is_some());
    }
}
