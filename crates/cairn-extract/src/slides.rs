//! Reading order of what stands on a slide, whichever program made it.
//!
//! The title comes first. The order in the file is the one that screen readers use and that authors can set, so
//! it is kept, unless it contradicts the page: where most of the pairs of which one shape stands above the
//! other come in reverse, the shapes are read by their place, top to bottom in rows, left to right.

/// Shapes that are compared with each other; with more of them the order of the file is kept.
const MAX_COMPARED: usize = 300;
/// Longest line that stands in for a title; longer ones are sentences. A guess.
const MAX_TITLE_CHARS: usize = 100;

/// A box on the slide, in any unit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Frame {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// One shape, as far as its place in the order depends on it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Placed {
    pub(crate) frame: Option<Frame>,
    pub(crate) is_title: bool,
    /// Whether it says anything that belongs to the slide: text, a table, a chart.
    pub(crate) is_content: bool,
    /// Its text, where that is a single line and no item of a list.
    pub(crate) line: Option<String>,
}

/// Indices of the shapes in reading order.
pub(crate) fn reading_order(shapes: &[Placed]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..shapes.len()).collect();
    let placed: Vec<Frame> = shapes
        .iter()
        .filter(|shape| !shape.is_title && shape.is_content)
        .filter_map(|shape| shape.frame)
        .collect();
    if is_odd(&placed) {
        by_place(&mut order, shapes);
    }
    let title = stand_in_title(shapes);
    order.sort_by_key(|idx| !shapes[*idx].is_title && title != Some(*idx));
    order
}

/// The shape that serves as title of a slide without one: a single line above all else.
pub(crate) fn stand_in_title(shapes: &[Placed]) -> Option<usize> {
    let content = || {
        shapes
            .iter()
            .enumerate()
            .filter(|(_, shape)| shape.is_content)
    };
    if content().any(|(_, shape)| shape.is_title) {
        return None;
    }
    let y = |shape: &Placed| shape.frame.map_or(f64::INFINITY, |frame| frame.y);
    let (found, shape) = content().min_by(|(_, a), (_, b)| y(a).total_cmp(&y(b)))?;
    let (frame, line) = (shape.frame?, shape.line.as_ref()?);
    let is_alone = content().all(|(idx, other)| {
        idx == found || other.frame.is_some_and(|other| is_above(&frame, &other))
    });
    (is_alone && line.chars().count() <= MAX_TITLE_CHARS).then_some(found)
}

fn is_above(a: &Frame, b: &Frame) -> bool {
    a.y + a.height <= b.y
}

/// For boxes that share some of their width; side by side, nothing follows from heights. Boxes are drawn with room to
/// spare, and tables state less height than they take: so the middle counts, not the lower edge.
fn is_mostly_above(a: &Frame, b: &Frame) -> bool {
    let shares_width = a.x < b.x + b.width && b.x < a.x + a.width;
    shares_width && a.y + a.height / 2.0 <= b.y
}

fn is_odd(frames: &[Frame]) -> bool {
    if frames.len() > MAX_COMPARED {
        return false;
    }
    let (mut n_right, mut n_wrong) = (0, 0);
    for (idx, first) in frames.iter().enumerate() {
        for second in &frames[idx + 1..] {
            n_right += usize::from(is_mostly_above(first, second));
            n_wrong += usize::from(is_mostly_above(second, first));
        }
    }
    n_wrong > n_right
}

/// Rows from the top: a shape belongs to a row where its middle is above the lower edge of the row's first shape.
fn by_place(order: &mut Vec<usize>, shapes: &[Placed]) {
    let frame = |idx: usize| shapes[idx].frame.unwrap_or_default();
    order.sort_by(|a, b| frame(*a).y.total_cmp(&frame(*b).y));
    let mut sorted: Vec<usize> = Vec::with_capacity(order.len());
    let mut rest = order.as_slice();
    while let Some(first) = rest.first() {
        let lower = frame(*first).y + frame(*first).height.max(1.0);
        let n_row = rest
            .iter()
            .take_while(|idx| {
                let frame = frame(**idx);
                *idx == first || frame.y + frame.height / 2.0 < lower
            })
            .count();
        let (row, below) = rest.split_at(n_row);
        let mut row = row.to_vec();
        row.sort_by(|a, b| frame(*a).x.total_cmp(&frame(*b).x));
        sorted.extend(row);
        rest = below;
    }
    *order = sorted;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places of shapes, which of them is the title, and the order they are read in.
    type Case<'t> = (&'t [(f64, f64)], Option<usize>, &'t [usize]);

    fn placed(places: &[(f64, f64)], title: Option<usize>) -> Vec<Placed> {
        let shape = |(idx, (x, y)): (usize, &(f64, f64))| Placed {
            frame: Some(Frame {
                x: *x,
                y: *y,
                width: 10.0,
                height: 10.0,
            }),
            is_title: title == Some(idx),
            is_content: true,
            line: None,
        };
        places.iter().enumerate().map(shape).collect()
    }

    #[test]
    fn titles_come_first_and_odd_orders_are_put_right() {
        let cases: [Case<'_>; 4] = [
            // As in the file, though the second column starts higher.
            (
                &[(0.0, 20.0), (0.0, 0.0), (50.0, 15.0)],
                Some(1),
                &[1, 0, 2],
            ),
            // From bottom to top in the file.
            (&[(0.0, 60.0), (0.0, 40.0), (0.0, 20.0)], None, &[2, 1, 0]),
            (&[(0.0, 60.0), (50.0, 22.0), (0.0, 20.0)], None, &[2, 1, 0]),
            (&[], None, &[]),
        ];
        for (places, title, expect) in cases {
            assert_eq!(reading_order(&placed(places, title)), expect, "{places:?}");
        }
    }

    #[test]
    fn a_line_above_all_stands_in_for_a_title() {
        let mut shapes = placed(&[(0.0, 30.0), (0.0, 50.0), (20.0, 0.0)], None);
        assert_eq!(stand_in_title(&shapes), None, "no line");
        shapes[2].line = Some("Costs".to_owned());
        assert_eq!(stand_in_title(&shapes), Some(2));
        assert_eq!(reading_order(&shapes), [2, 0, 1]);
        shapes[0].frame = None;
        assert_eq!(stand_in_title(&shapes), None, "nobody knows what is above");
        shapes[1].is_title = true;
        assert_eq!(stand_in_title(&shapes), None, "there is one");
    }
}
