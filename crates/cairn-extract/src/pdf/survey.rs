//! What a page draws besides text: pictures and straight lines, those inside form objects included.
//!
//! Limits: only the first thousands of objects of a page are looked at. Cost: O(objects).

use pdfium_render::prelude::{
    PdfPage, PdfPageObject, PdfPageObjectCommon as _, PdfPageObjectsCommon as _,
};

use super::rules::{self, MAX_LINES};
use super::word::PageBox;

/// Objects of a page looked at; a dense drawing has more, a table never.
const MAX_OBJECTS: usize = 20_000;
/// Form objects within form objects.
const MAX_DEPTH: usize = 4;
/// Smallest picture that counts, as a share of the page: a smaller one is a bullet or a logo.
const MIN_PICTURE: f32 = 0.01;

/// The drawing of a page.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Straight lines in PDF coordinates: left, bottom, right, top.
    pub(super) lines: Vec<[f32; 4]>,
    pub(super) n_images: u32,
    /// Share of the page that pictures cover, at most 1; those that overlap count twice.
    pub(super) image_share: f32,
    /// Paths: text may be drawn as outlines.
    pub(super) n_paths: u32,
    n_objects: usize,
}

/// Looks at the objects of a page.
pub(super) fn survey(page: &PdfPage<'_>, bounds: &PageBox) -> Survey {
    let mut survey = Survey::default();
    let area = (bounds.right - bounds.left) * (bounds.top - bounds.bottom);
    for object in page.objects().iter() {
        if !survey.look_at(&object, Placement::ON_PAGE, area, 0) {
            break;
        }
    }
    survey.image_share = survey.image_share.min(1.0);
    survey
}

impl Survey {
    /// False where enough was seen.
    fn look_at(
        &mut self,
        object: &PdfPageObject<'_>,
        placement: Placement,
        page_area: f32,
        depth: usize,
    ) -> bool {
        self.n_objects += 1;
        if self.n_objects > MAX_OBJECTS {
            return false;
        }
        match object {
            PdfPageObject::Path(path) => {
                self.n_paths += 1;
                if self.lines.len() < MAX_LINES {
                    let first = self.lines.len();
                    rules::read_path(path, &mut self.lines);
                    for line in &mut self.lines[first..] {
                        *line = placement.of(*line);
                    }
                }
            }
            PdfPageObject::Image(image) => {
                if let Ok(quad) = image.bounds() {
                    let rect = quad.to_rect();
                    let [l, b, r, t] = placement.of([
                        rect.left().value,
                        rect.bottom().value,
                        rect.right().value,
                        rect.top().value,
                    ]);
                    let share = (r - l) * (t - b) / page_area;
                    if share >= MIN_PICTURE {
                        self.n_images += 1;
                        self.image_share += share;
                    }
                }
            }
            PdfPageObject::XObjectForm(form) if depth < MAX_DEPTH => {
                let Ok(matrix) = form.matrix() else {
                    return true;
                };
                let own = Placement([
                    matrix.a(),
                    matrix.b(),
                    matrix.c(),
                    matrix.d(),
                    matrix.e(),
                    matrix.f(),
                ]);
                let inner = own.then(placement);
                for object in form.iter() {
                    if !self.look_at(&object, inner, page_area, depth + 1) {
                        return false;
                    }
                }
            }
            _ => {}
        }
        true
    }
}

/// A transformation matrix as PDF writes it: a, b, c, d, e, f.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Placement([f32; 6]);

impl Placement {
    const ON_PAGE: Self = Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    /// This one, then `outer`.
    fn then(self, outer: Self) -> Self {
        let [a, b, c, d, e, f] = self.0;
        let [oa, ob, oc, od, oe, of] = outer.0;
        Self([
            a * oa + b * oc,
            a * ob + b * od,
            c * oa + d * oc,
            c * ob + d * od,
            e * oa + f * oc + oe,
            e * ob + f * od + of,
        ])
    }

    /// Where a box lies; its corners stay corners under quarter turns.
    fn of(self, [l, bottom, r, top]: [f32; 4]) -> [f32; 4] {
        if self == Self::ON_PAGE {
            return [l, bottom, r, top];
        }
        let [a, b, c, d, e, f] = self.0;
        let (x0, y0) = (a * l + c * bottom + e, b * l + d * bottom + f);
        let (x1, y1) = (a * r + c * top + e, b * r + d * top + f);
        [x0.min(x1), y0.min(y1), x0.max(x1), y0.max(y1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placements_nest() {
        let moved = Placement([1.0, 0.0, 0.0, 1.0, 10.0, 20.0]);
        let turned = Placement([0.0, 1.0, -1.0, 0.0, 0.0, 0.0]);
        assert_eq!(moved.of([0.0, 0.0, 5.0, 1.0]), [10.0, 20.0, 15.0, 21.0]);
        assert_eq!(
            moved.then(turned).of([0.0, 0.0, 5.0, 1.0]),
            [-21.0, 10.0, -20.0, 15.0]
        );
        assert_eq!(
            turned.then(moved).of([0.0, 0.0, 5.0, 1.0]),
            [9.0, 20.0, 10.0, 25.0]
        );
    }
}
