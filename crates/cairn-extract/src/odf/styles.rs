//! Styles of an `OpenDocument` file (ODF 1.3 part 3, sections 16 and 17): roles of paragraphs, lists and their numbers.

use std::collections::HashMap;

use quick_xml::events::{BytesStart, Event};

use crate::builder::count_text;
use crate::numerals::{Numerals, number};
use crate::xml::{attr, reader};

/// Levels of a list, by the format.
pub(super) const N_LEVELS: usize = 10;
/// Longest chain of styles based on each other.
const MAX_CHAIN: usize = 20;

/// How one level of a list is marked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Level {
    /// `None` for bullets.
    numerals: Option<Numerals>,
    /// No number is shown.
    is_blank: bool,
    prefix: String,
    suffix: String,
    /// How many levels the number shows.
    n_shown: usize,
    start: u32,
}

/// Levels of a list.
pub(super) type ListStyle = [Option<Level>; N_LEVELS];

#[derive(Debug, Default, Clone)]
struct Style {
    parent: Option<String>,
    /// As people see it, lower case.
    name: String,
    list: Option<String>,
    outline: Option<u8>,
    is_hidden: bool,
}

/// What a paragraph's style says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Role {
    /// Level of the heading that it makes.
    pub(super) heading: Option<u8>,
    pub(super) is_title: bool,
    pub(super) list: Option<String>,
}

/// Styles by name, of all parts of a document.
#[derive(Debug, Default)]
pub(super) struct Styles {
    styles: HashMap<String, Style>,
    lists: HashMap<String, ListStyle>,
    /// How headings are numbered.
    outline: ListStyle,
    /// Characters of headers, footers and master pages.
    pub(super) n_furniture: u64,
}

impl Styles {
    /// Adds the styles of the part `xml`.
    pub(super) fn read(&mut self, xml: &str) {
        let mut reader = reader(xml);
        let mut open: Option<(String, Style)> = None;
        // The open list style; the outline has no name.
        let mut list: Option<(Option<String>, ListStyle)> = None;
        let (mut in_master, mut n_paragraphs) = (false, 0_usize);
        loop {
            let event = match reader.read_event() {
                Ok(Event::Eof) | Err(_) => break,
                Ok(event) => event,
            };
            let is_empty = matches!(event, Event::Empty(_));
            match event {
                Event::Start(element) | Event::Empty(element) => {
                    match element.local_name().as_ref() {
                        "body" => break,
                        "master-styles" => in_master = !is_empty,
                        "p" | "h" if in_master && !is_empty => n_paragraphs += 1,
                        "style" => {
                            self.styles.extend(open.take());
                            open = Some(style(&element));
                        }
                        "text-properties" => {
                            if let Some((_, style)) = &mut open {
                                style.is_hidden |=
                                    attr(&element, "display").as_deref() == Some("none");
                            }
                        }
                        "drawing-page-properties" => {
                            if let Some((_, style)) = &mut open {
                                style.is_hidden |=
                                    attr(&element, "visibility").as_deref() == Some("hidden");
                            }
                        }
                        "list-style" => {
                            list = Some((attr(&element, "name"), ListStyle::default()));
                        }
                        "outline-style" => list = Some((None, ListStyle::default())),
                        local
                            if local.contains("-level-style")
                                || local.starts_with("list-level-style") =>
                        {
                            if let Some((_, levels)) = &mut list {
                                add_level(levels, local, &element);
                            }
                        }
                        _ => {}
                    }
                }
                Event::End(element) => match element.local_name().as_ref() {
                    "style" => self.styles.extend(open.take()),
                    "master-styles" => in_master = false,
                    "p" | "h" if in_master => n_paragraphs = n_paragraphs.saturating_sub(1),
                    "list-style" | "outline-style" => match list.take() {
                        Some((Some(name), levels)) => {
                            self.lists.insert(name, levels);
                        }
                        Some((None, levels)) => self.outline = levels,
                        None => {}
                    },
                    _ => {}
                },
                Event::Text(text) if n_paragraphs > 0 => {
                    self.n_furniture += count_text(&text.xml10_content());
                }
                _ => {}
            }
        }
        self.styles.extend(open);
    }

    /// What the paragraph style `name` and those it is based on say.
    pub(super) fn role(&self, name: Option<&str>) -> Role {
        let mut role = Role::default();
        let mut next = name;
        for _ in 0..MAX_CHAIN {
            let Some(name) = next else {
                break;
            };
            let style = self.styles.get(name);
            let shown = style.map_or_else(|| name.to_lowercase(), |style| style.name.clone());
            match shown.as_str() {
                "title" => role.is_title = true,
                "subtitle" => role.heading = role.heading.or(Some(2)),
                _ => {}
            }
            let Some(style) = style else {
                break;
            };
            role.heading = role.heading.or(style.outline);
            role.list = role.list.or_else(|| style.list.clone());
            next = style.parent.as_deref();
        }
        role
    }

    /// Whether texts, or slides, of this style are not shown.
    pub(super) fn is_hidden(&self, name: &str) -> bool {
        self.styles.get(name).is_some_and(|style| style.is_hidden)
    }

    /// Levels of a list style, of the outline for no name.
    pub(super) fn list(&self, name: Option<&str>) -> Option<&ListStyle> {
        match name {
            Some(name) => self.lists.get(name),
            None => Some(&self.outline),
        }
    }
}

fn style(element: &BytesStart<'_>) -> (String, Style) {
    let name = attr(element, "name").unwrap_or_default();
    let shown = attr(element, "display-name").unwrap_or_else(|| name.clone());
    let style = Style {
        parent: attr(element, "parent-style-name"),
        name: shown.to_lowercase(),
        list: attr(element, "list-style-name").filter(|name| !name.is_empty()),
        outline: attr(element, "default-outline-level")
            .and_then(|level| level.parse().ok())
            .filter(|level| (1..=10).contains(level)),
        is_hidden: false,
    };
    (name, style)
}

fn add_level(levels: &mut ListStyle, local: &str, element: &BytesStart<'_>) {
    let count = |name| attr(element, name).and_then(|n| n.parse::<usize>().ok());
    let Some(level) = count("level").filter(|level| (1..=N_LEVELS).contains(level)) else {
        return;
    };
    let format = attr(element, "num-format").unwrap_or_default();
    let is_bullet = local.ends_with("bullet") || local.ends_with("image");
    levels[level - 1] = Some(Level {
        numerals: (!is_bullet).then_some(match format.as_str() {
            "a" => Numerals::LowerLetter,
            "A" => Numerals::UpperLetter,
            "i" => Numerals::LowerRoman,
            "I" => Numerals::UpperRoman,
            _ => Numerals::Decimal,
        }),
        is_blank: !is_bullet && format.is_empty(),
        prefix: attr(element, "num-prefix").unwrap_or_default(),
        suffix: attr(element, "num-suffix").unwrap_or_default(),
        n_shown: count("display-levels").unwrap_or(1).clamp(1, level),
        start: attr(element, "start-value")
            .and_then(|n| n.parse().ok())
            .unwrap_or(1),
    });
}

/// How far each level of each list has counted.
#[derive(Debug, Default)]
pub(super) struct Counters(HashMap<String, [Option<u32>; N_LEVELS]>);

impl Counters {
    /// Forgets what was counted from `level` on.
    pub(super) fn restart(&mut self, key: &str, level: usize) {
        if let Some(counters) = self.0.get_mut(key) {
            for counter in counters.iter_mut().skip(level) {
                *counter = None;
            }
        }
    }

    /// Counts one item: its label, `-` for a bullet, `None` where it shows none.
    pub(super) fn next(
        &mut self,
        key: &str,
        style: &ListStyle,
        level: usize,
        start: Option<u32>,
    ) -> Option<String> {
        let level = level.min(N_LEVELS - 1);
        let definition = style[level].as_ref()?;
        let counters = self.0.entry(key.to_owned()).or_default();
        counters[level] = Some(match (start, counters[level]) {
            (Some(start), _) => start,
            (None, Some(n)) => n.saturating_add(1),
            (None, None) => definition.start,
        });
        for counter in &mut counters[level + 1..] {
            *counter = None;
        }
        // A level that was skipped on the way down counts as begun: after 2.1.1 without a 2.1 comes 2.2.
        for (counter, outer) in counters.iter_mut().zip(style).take(level) {
            counter.get_or_insert(outer.as_ref().map_or(1, |outer| outer.start));
        }
        if definition.numerals.is_none() {
            return Some("-".to_owned());
        }
        if definition.is_blank {
            return None;
        }
        let shown: Vec<String> = (level + 1 - definition.n_shown..=level)
            .filter_map(|at| {
                let of_level = style[at].as_ref()?;
                let n = counters[at].unwrap_or(of_level.start);
                let numerals = of_level.numerals.filter(|_| !of_level.is_blank)?;
                Some(number(n, numerals))
            })
            .collect();
        let label = format!(
            "{}{}{}",
            definition.prefix,
            shown.join("."),
            definition.suffix
        );
        let label = label.trim();
        (!label.is_empty()).then(|| label.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = "<office:styles><style:style style:name='Title'/><style:style style:name='P1' style:parent-style-name='Title'/><style:style style:name='Loop' style:parent-style-name='Loop'/><style:style style:name='H_20_2' style:default-outline-level='2' style:list-style-name='L'/><style:style style:name='dp'><style:drawing-page-properties presentation:visibility='hidden'/></style:style><text:list-style style:name='L'><text:list-level-style-number text:level='1' style:num-format='1' style:num-suffix='.'/><text:list-level-style-number text:level='2' style:num-format='a' style:num-prefix='(' style:num-suffix=')' text:display-levels='2' text:start-value='3'/><text:list-level-style-bullet text:level='3' text:bullet-char='x'/><text:list-level-style-number text:level='4' style:num-format=''/></text:list-style></office:styles><office:master-styles><style:header><text:p>Top <text:span>page</text:span></text:p></style:header></office:master-styles>";

    #[test]
    fn lists_count_as_their_style_says() {
        let mut styles = Styles::default();
        styles.read(XML);
        let list = styles.list(Some("L")).unwrap();
        let mut counters = Counters::default();
        let steps = [
            (0, None),
            (1, None),
            (1, None),
            (2, None),
            (3, None),
            (0, None),
            (1, None),
            (0, Some(9)),
        ];
        let labels: Vec<Option<String>> = steps
            .into_iter()
            .map(|(level, start)| counters.next("L", list, level, start))
            .collect();
        let expect = [
            Some("1."),
            Some("(1.c)"),
            Some("(1.d)"),
            Some("-"),
            None,
            Some("2."),
            Some("(2.c)"),
            Some("9."),
        ];
        assert_eq!(labels, expect.map(|label| label.map(str::to_owned)));
        counters.restart("L", 0);
        assert_eq!(counters.next("L", list, 0, None).as_deref(), Some("1."));
    }

    #[test]
    fn roles_follow_their_base_and_end() {
        let mut styles = Styles::default();
        styles.read(XML);
        assert!(styles.role(Some("P1")).is_title);
        assert_eq!(styles.role(Some("Loop")), Role::default());
        let role = styles.role(Some("H_20_2"));
        assert_eq!((role.heading, role.list.as_deref()), (Some(2), Some("L")));
        assert_eq!(styles.role(Some("Subtitle")).heading, Some(2));
        assert!(styles.is_hidden("dp") && !styles.is_hidden("P1"));
        assert_eq!(styles.n_furniture, 7);
    }
}
