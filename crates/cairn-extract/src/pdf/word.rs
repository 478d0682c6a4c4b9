//! Words of a page with their boxes, in coordinates in which their text runs upright and rightwards.

use cairn_types::BoundingBox;

/// A box with the origin at the top left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub(super) x0: f32,
    pub(super) y0: f32,
    pub(super) x1: f32,
    pub(super) y1: f32,
}

impl Rect {
    pub(super) fn width(&self) -> f32 {
        self.x1 - self.x0
    }

    pub(super) fn height(&self) -> f32 {
        self.y1 - self.y0
    }

    pub(super) fn center_y(&self) -> f32 {
        f32::midpoint(self.y0, self.y1)
    }

    pub(super) fn center_x(&self) -> f32 {
        f32::midpoint(self.x0, self.x1)
    }

    /// Whether the middle of `other` lies inside.
    pub(super) fn holds_center(&self, other: &Self) -> bool {
        let (x, y) = (other.center_x(), other.center_y());
        self.x0 <= x && x <= self.x1 && self.y0 <= y && y <= self.y1
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        Self {
            x0: self.x0.min(other.x0),
            y0: self.y0.min(other.y0),
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
        }
    }

    /// Share of the smaller height in which both stand on the same line.
    pub(super) fn line_overlap(&self, other: &Self) -> f32 {
        let shared = self.y1.min(other.y1) - self.y0.max(other.y0);
        shared / self.height().min(other.height()).max(0.1)
    }
}

/// Direction of text on the page: quarter turns counter-clockwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Turn(pub(super) u8);

/// The page's box in PDF coordinates: points, origin anywhere, y upwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PageBox {
    pub(super) left: f32,
    pub(super) bottom: f32,
    pub(super) right: f32,
    pub(super) top: f32,
}

impl PageBox {
    /// A box in PDF coordinates (left, bottom, right, top) as it stands when text of this turn is upright.
    pub(super) fn upright(&self, turn: Turn, [l, b, r, t]: [f32; 4]) -> Rect {
        let (x0, y0, x1, y1) = match turn.0 % 4 {
            0 => (l - self.left, self.top - t, r - self.left, self.top - b),
            // Text that runs upwards: turned clockwise, the page's left edge is on top.
            1 => (
                b - self.bottom,
                l - self.left,
                t - self.bottom,
                r - self.left,
            ),
            2 => (
                self.right - r,
                b - self.bottom,
                self.right - l,
                t - self.bottom,
            ),
            _ => (self.top - t, self.right - r, self.top - b, self.right - l),
        };
        Rect { x0, y0, x1, y1 }
    }

    /// The inverse of [`Self::upright`], with the origin at the top left of the page before rotation.
    pub(super) fn on_page(&self, turn: Turn, rect: &Rect) -> BoundingBox {
        let (width, height) = (self.right - self.left, self.top - self.bottom);
        let Rect { x0, y0, x1, y1 } = *rect;
        let (x0, y0, x1, y1) = match turn.0 % 4 {
            0 => (x0, y0, x1, y1),
            1 => (y0, height - x1, y1, height - x0),
            2 => (width - x1, height - y1, width - x0, height - y0),
            _ => (width - y1, x0, width - y0, x1),
        };
        BoundingBox { x0, y0, x1, y1 }
    }

    /// Width and height when text of this turn is upright.
    pub(super) fn upright_size(&self, turn: Turn) -> (f32, f32) {
        let (width, height) = (self.right - self.left, self.top - self.bottom);
        if turn.0.is_multiple_of(2) {
            (width, height)
        } else {
            (height, width)
        }
    }
}

/// Characters without white space between them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) rect: Rect,
    /// Font size in points.
    pub(super) size: f32,
    pub(super) is_bold: bool,
    /// Position in the order in which the page draws.
    pub(super) order: u32,
    /// Ends with a hyphen that the line break brought in.
    pub(super) ends_soft: bool,
    /// No white space follows in the drawing order: the next word touches this one.
    pub(super) is_glued: bool,
    /// Number of its font on the page; [`NO_FONT`] where it comes from no text layer.
    pub(super) font: u16,
}

/// Words of form fields and of text recognition.
pub(super) const NO_FONT: u16 = u16::MAX;

impl Word {
    /// Characters by width: ideographs count two.
    pub(super) fn n_columns(&self) -> usize {
        self.text
            .chars()
            .map(|c| if is_wide(c) { 2 } else { 1 })
            .sum()
    }

    pub(super) fn is_rtl(&self) -> bool {
        self.text.chars().any(is_rtl)
    }
}

/// Hebrew, Arabic and the scripts beside them.
pub(super) fn is_rtl(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}')
}

/// Ideographs, kana and Hangul: as wide as high, written without spaces (Hangul apart).
pub(super) fn is_wide(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}' | '\u{ff00}'..='\u{ff60}' | '\u{20000}'..='\u{3fffd}')
}

/// Scripts whose words are not parted by spaces.
pub(super) fn is_unspaced(c: char) -> bool {
    is_wide(c) && !matches!(c, '\u{1100}'..='\u{115f}' | '\u{ac00}'..='\u{d7a3}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turning_there_and_back() {
        let page = PageBox {
            left: 10.0,
            bottom: 20.0,
            right: 110.0,
            top: 220.0,
        };
        for turn in 0..4 {
            let upright = page.upright(Turn(turn), [15.0, 30.0, 25.0, 60.0]);
            assert!(upright.width() > 0.0 && upright.height() > 0.0);
            let back = page.on_page(Turn(turn), &upright);
            assert_eq!(
                (back.x0, back.y0, back.x1, back.y1),
                (5.0, 160.0, 15.0, 190.0)
            );
        }
    }
}
