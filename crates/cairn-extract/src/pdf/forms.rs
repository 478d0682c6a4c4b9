//! Form fields: what is filled in, where it stands on the page, and under which name.
//!
//! pdfium's text of a page has no text of form fields. Values become words within the field's box, so that they are read
//! beside the labels that are printed around it; boxes to tick become ☑ and ☐, round ones ◉ and ○ (the choice taken and
//! those not taken both say something). Fields with a value are also listed by name after the page's text, since names
//! may say what no label does.
//!
//! Limits: values of fields without a widget on a page are not seen. Buttons and signatures have no text.

use cairn_types::{Element, ElementKind};
use pdfium_render::prelude::{
    PdfFormField, PdfFormFieldCommon as _, PdfPage, PdfPageAnnotation, PdfPageAnnotationCommon as _,
};

use super::word::{NO_FONT, PageBox, Rect, Turn, Word};

/// Fields of one page; a dense form has some hundred.
const MAX_FIELDS: usize = 5_000;
/// Characters of one value that are laid out.
const MAX_VALUE_CHARS: usize = 100_000;

/// What is filled into one field of a page.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) value: Value,
    /// As the text of the page stands upright.
    pub(super) rect: Rect,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    /// A box to tick.
    Box {
        is_ticked: bool,
    },
    /// One of several choices.
    Choice {
        is_taken: bool,
    },
}

impl Value {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Box { is_ticked: true } => "☑",
            Self::Box { is_ticked: false } => "☐",
            Self::Choice { is_taken: true } => "◉",
            Self::Choice { is_taken: false } => "○",
        }
    }

    /// Whether it is what a person put in.
    fn is_set(&self) -> bool {
        match self {
            Self::Text(text) => !text.trim().is_empty(),
            Self::Box { is_ticked: set } | Self::Choice { is_taken: set } => *set,
        }
    }
}

/// The fields of a page in the order of the file; hidden ones are left out. `turn` is the direction of the page's text.
pub(super) fn read_fields(page: &PdfPage<'_>, bounds: &PageBox, turn: Turn) -> Vec<Field> {
    let mut fields = Vec::new();
    for annotation in page.annotations().iter().take(MAX_FIELDS) {
        let PdfPageAnnotation::Widget(widget) = &annotation else {
            continue;
        };
        if widget.is_hidden() {
            continue;
        }
        let (Some(field), Ok(rect)) = (widget.form_field(), widget.bounds()) else {
            continue;
        };
        let value = match field {
            PdfFormField::Text(text) if text.is_password() => continue,
            PdfFormField::Text(text) => Value::Text(text.value().unwrap_or_default()),
            PdfFormField::ComboBox(choice) => Value::Text(choice.value().unwrap_or_default()),
            PdfFormField::ListBox(choice) => Value::Text(choice.value().unwrap_or_default()),
            PdfFormField::Checkbox(tick) => Value::Box {
                is_ticked: is_on(tick.appearance_stream())
                    .unwrap_or_else(|| tick.is_checked().unwrap_or(false)),
            },
            PdfFormField::RadioButton(choice) => Value::Choice {
                is_taken: is_on(choice.appearance_stream())
                    .unwrap_or_else(|| choice.is_checked().unwrap_or(false)),
            },
            PdfFormField::PushButton(_) | PdfFormField::Signature(_) | PdfFormField::Unknown(_) => {
                continue;
            }
        };
        let edges = [
            rect.left().value,
            rect.bottom().value,
            rect.right().value,
            rect.top().value,
        ];
        if edges.iter().any(|edge| !edge.is_finite()) {
            continue;
        }
        let value = match value {
            Value::Text(text) => {
                let (text, _) = crate::text::clean(&text);
                Value::Text(text.chars().take(MAX_VALUE_CHARS).collect())
            }
            other => other,
        };
        fields.push(Field {
            name: crate::text::collapse(&field.name().unwrap_or_default()),
            value,
            rect: bounds.upright(turn, edges),
        });
    }
    fields
}

/// Whether the state that a button shows is another than "off"; `None` where it shows none.
fn is_on(state: Option<String>) -> Option<bool> {
    state
        .filter(|state| !state.is_empty())
        .map(|state| state.trim_start_matches('/') != "Off")
}

/// The values as words in their places. `size` is the font size of the page's text, `order` that of the first word.
pub(super) fn words(fields: &[Field], size: f32, mut order: u32) -> Vec<Word> {
    let mut words = Vec::new();
    for field in fields {
        let Rect { x0, y0, x1, y1 } = field.rect;
        let height = (y1 - y0).max(1.0);
        let size = size.min(height).max(1.0);
        let advance = 0.5 * size;
        let pitch = 1.2 * size;
        // One line stands in the middle of the field, more fill it from the top.
        let is_one_line = height < 2.2 * pitch;
        let mut baseline = if is_one_line {
            f32::midpoint(y0, y1) + 0.3 * size
        } else {
            y0 + size
        };
        for line in field.value.text().lines() {
            let mut x = x0 + 0.2 * size;
            for text in line.split_whitespace() {
                #[expect(clippy::cast_precision_loss, reason = "the width of a word")]
                let width = text.chars().count() as f32 * advance;
                if !is_one_line && x > x0 + size && x + width > x1 {
                    x = x0 + 0.2 * size;
                    baseline += pitch;
                }
                words.push(Word {
                    text: text.to_owned(),
                    rect: Rect {
                        x0: x,
                        y0: baseline - 0.8 * size,
                        x1: x + width,
                        y1: baseline + 0.22 * size,
                    },
                    size,
                    is_bold: false,
                    order,
                    ends_soft: false,
                    is_glued: false,
                    font: NO_FONT,
                });
                order = order.saturating_add(1);
                x += width + advance;
            }
            baseline += pitch;
        }
    }
    words
}

/// The fields that are filled in, by name: one line each, `name | value`, and the number of characters of the names.
pub(super) fn list(
    fields: &[Field],
    page: u32,
    bounds: &PageBox,
    turn: Turn,
) -> Option<(Element, u64)> {
    let mut lines = Vec::new();
    let mut all: Option<Rect> = None;
    let mut n_chars = 0;
    for field in fields {
        if field.name.is_empty() || !field.value.is_set() {
            continue;
        }
        let value = crate::text::collapse(field.value.text());
        lines.push(format!("{} | {value}", field.name));
        n_chars += crate::builder::count_text(&field.name);
        all = Some(all.map_or(field.rect, |all| all.union(&field.rect)));
    }
    let mut element = Element::new(ElementKind::Table, lines.join("\n"));
    element.page = Some(page);
    element.bbox = Some(bounds.on_page(turn, &all?));
    element.label = Some("form fields".into());
    Some((element, n_chars))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, value: Value, height: f32) -> Field {
        Field {
            name: name.into(),
            value,
            rect: Rect {
                x0: 100.0,
                y0: 50.0,
                x1: 160.0,
                y1: 50.0 + height,
            },
        }
    }

    #[test]
    fn values_are_laid_out_in_their_boxes() {
        let line = field("a", Value::Text("Ann Lee".into()), 14.0);
        let block = field("b", Value::Text("one two three four\nfive".into()), 60.0);
        let tick = field("c", Value::Box { is_ticked: true }, 10.0);
        let found = words(&[line, block, tick], 10.0, 7);
        let places: Vec<(&str, u32, bool)> = found
            .iter()
            .map(|w| {
                (
                    w.text.as_str(),
                    w.order,
                    w.rect.y0 >= 45.0 && w.rect.y1 <= 112.0,
                )
            })
            .collect();
        assert_eq!(
            places,
            [
                ("Ann", 7, true),
                ("Lee", 8, true),
                ("one", 9, true),
                ("two", 10, true),
                ("three", 11, true),
                ("four", 12, true),
                ("five", 13, true),
                ("☑", 14, true),
            ]
        );
        assert!(found[0].rect.x1 < found[1].rect.x0);
        assert!(found[4].rect.y0 > found[2].rect.y0, "wrapped");
        assert!(found[6].rect.y0 > found[5].rect.y0 && found[6].rect.x0 < 105.0);
    }

    #[test]
    fn the_list_names_what_is_filled_in() {
        let bounds = PageBox {
            left: 0.0,
            bottom: 0.0,
            right: 600.0,
            top: 800.0,
        };
        let fields = [
            field("Name", Value::Text("Ann\nLee".into()), 14.0),
            field("Empty", Value::Text(" ".into()), 14.0),
            field("Off", Value::Choice { is_taken: false }, 14.0),
            field("On", Value::Choice { is_taken: true }, 14.0),
        ];
        let (element, n_chars) = list(&fields, 2, &bounds, Turn(0)).unwrap();
        assert_eq!(element.text, "Name | Ann Lee\nOn | ◉");
        assert_eq!((element.page, n_chars), (Some(2), 6));
        assert!(list(&fields[1..3], 2, &bounds, Turn(0)).is_none());
        assert_eq!(is_on(Some("/Off".into())), Some(false));
        assert_eq!(is_on(Some("1".into())), Some(true));
        assert_eq!(is_on(None), None);
    }
}
