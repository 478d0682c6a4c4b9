//! Reading order of a slide's shapes.
//!
//! The title comes first. The order in the file is the one that screen readers use and that authors can set, so
//! it is kept, unless it contradicts the page: where most of the pairs of which one shape stands wholly above the
//! other come in reverse, the shapes are read by their place, top to bottom in rows, left to right.

use super::slide::{Frame, Shape};
use crate::ooxml::ListStyle;

/// Shapes that are compared with each other; with more of them the order of the file is kept.
const MAX_COMPARED: usize = 300;

/// Indices of the shapes in reading order; `frames` has the box of each, where known.
pub(super) fn reading_order(shapes: &[Shape], frames: &[Option<Frame>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..shapes.len()).collect();
    let placed: Vec<Frame> = shapes
        .iter()
        .zip(frames)
        .filter(|(shape, _)| !shape.is_title() && shape.is_content())
        .filter_map(|(_, frame)| *frame)
        .collect();
    if is_odd(&placed) {
        by_place(&mut order, frames);
    }
    order.sort_by_key(|idx| !shapes[*idx].is_title());
    order
}

/// The shape that serves as title of a slide without one: a single line above all else.
pub(super) fn stand_in_title(shapes: &[Shape], frames: &[Option<Frame>]) -> Option<usize> {
    /// Longer lines are sentences. A guess.
    const MAX_CHARS: usize = 100;
    let content = || {
        let all = shapes.iter().zip(frames).enumerate();
        all.filter(|(_, (shape, _))| shape.is_content())
    };
    if content().any(|(_, (shape, _))| shape.is_title()) {
        return None;
    }
    let (found, (shape, frame)) = content().filter(|(_, (_, frame))| frame.is_some()).min_by(
        |(_, (_, a)), (_, (_, b))| {
            let y = |frame: &Option<Frame>| frame.map_or(0.0, |frame| frame.y);
            y(a).total_cmp(&y(b))
        },
    )?;
    let frame = (*frame)?;
    let text = shape.text.plain();
    let is_line = !text.is_empty() && !text.contains('\n') && text.chars().count() <= MAX_CHARS;
    let is_alone = content().all(|(idx, (_, other))| {
        idx == found || other.is_some_and(|other| is_above(&frame, &other))
    });
    let has_bullet = shape
        .text
        .markers(&ListStyle::default())
        .iter()
        .any(Option::is_some);
    (is_line && is_alone && !has_bullet).then_some(found)
}

fn is_above(a: &Frame, b: &Frame) -> bool {
    a.y + a.height <= b.y
}

fn is_odd(frames: &[Frame]) -> bool {
    if frames.len() > MAX_COMPARED {
        return false;
    }
    let (mut n_right, mut n_wrong) = (0, 0);
    for (idx, first) in frames.iter().enumerate() {
        for second in &frames[idx + 1..] {
            n_right += usize::from(is_above(first, second));
            n_wrong += usize::from(is_above(second, first));
        }
    }
    n_wrong > n_right
}

/// Rows from the top: a shape belongs to a row where its middle is above the lower edge of the row's first shape.
fn by_place(order: &mut Vec<usize>, frames: &[Option<Frame>]) {
    let frame = |idx: usize| frames[idx].unwrap_or_default();
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
    use super::super::slide;
    use super::*;

    fn order(shapes: &[(&str, i32, i32)]) -> Vec<usize> {
        let shape = |(kind, x, y): &(&str, i32, i32)| {
            format!(
                "<p:sp><p:nvPr><p:ph type='{kind}'/></p:nvPr><a:xfrm><a:off x='{x}' y='{y}'/><a:ext cx='10' cy='10'/></a:xfrm><p:txBody><a:p><a:r><a:t>x</a:t></a:r></a:p></p:txBody></p:sp>"
            )
        };
        let xml: String = shapes.iter().map(shape).collect();
        let slide = slide::read(&xml);
        let frames: Vec<_> = slide.shapes.iter().map(|shape| shape.frame).collect();
        reading_order(&slide.shapes, &frames)
    }

    /// Shapes as kind of placeholder and place, and the order they are read in.
    type Case<'t> = (&'t [(&'t str, i32, i32)], &'t [usize]);

    #[test]
    fn titles_come_first_and_odd_orders_are_put_right() {
        let cases: [Case<'_>; 4] = [
            // As in the file, though the second column starts higher.
            (
                &[("body", 0, 20), ("title", 0, 0), ("body", 50, 15)],
                &[1, 0, 2],
            ),
            // From bottom to top in the file.
            (
                &[("body", 0, 60), ("body", 0, 40), ("body", 0, 20)],
                &[2, 1, 0],
            ),
            (
                &[("body", 0, 60), ("body", 50, 22), ("body", 0, 20)],
                &[2, 1, 0],
            ),
            (&[], &[]),
        ];
        for (shapes, expect) in cases {
            assert_eq!(order(shapes), expect, "{shapes:?}");
        }
    }
}
