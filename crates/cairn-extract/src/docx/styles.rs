//! Styles and numbering of a Word document: what role a paragraph has, and what its number is.

use std::collections::{HashMap, HashSet};

use quick_xml::events::Event;

use crate::numerals::{Numerals, number};
use crate::xml::{attr, reader};

/// Longest chain of styles based on each other, and of links between lists.
const MAX_CHAIN: usize = 20;
/// Levels of a list, by the format.
const N_LEVELS: usize = 9;

/// What a paragraph is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Role {
    #[default]
    Text,
    Title,
    /// With its level, from 1.
    Heading(u8),
    /// Named as a list, perhaps without numbering.
    List,
}

#[derive(Debug, Default, Clone)]
struct Style {
    name: String,
    based_on: Option<String>,
    outline: Option<u8>,
    number: Option<(u32, u8)>,
}

/// What a style, with those it is based on, says.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) role: Role,
    pub(super) number: Option<(u32, u8)>,
}

/// A document's styles by id.
#[derive(Debug, Default)]
pub(super) struct Styles(HashMap<String, Style>);

impl Styles {
    pub(super) fn read(xml: &str) -> Self {
        let mut reader = reader(xml);
        let mut styles = HashMap::new();
        let mut open: Option<(String, Style)> = None;
        loop {
            match reader.read_event() {
                Ok(Event::Start(element) | Event::Empty(element)) => {
                    let value = || attr(&element, "val");
                    let local = element.local_name();
                    if local.as_ref() == "style" {
                        styles.extend(open.take());
                        let id = attr(&element, "styleId").unwrap_or_default();
                        open = Some((id, Style::default()));
                        continue;
                    }
                    let Some((_, style)) = &mut open else {
                        continue;
                    };
                    match local.as_ref() {
                        "name" => style.name = value().unwrap_or_default().to_lowercase(),
                        "basedOn" => style.based_on = value(),
                        "outlineLvl" => style.outline = value().and_then(|n| n.parse().ok()),
                        "ilvl" => {
                            let level = value().and_then(|n| n.parse().ok()).unwrap_or(0);
                            let id = style.number.map_or(u32::MAX, |number| number.0);
                            style.number = Some((id, level));
                        }
                        "numId" => {
                            if let Some(id) = value().and_then(|n| n.parse().ok()) {
                                style.number = Some((id, style.number.map_or(0, |n| n.1)));
                            }
                        }
                        _ => {}
                    }
                }
                Ok(Event::Eof) | Err(_) => break,
                Ok(_) => {}
            }
        }
        styles.extend(open);
        Self(styles)
    }

    /// What paragraphs of this style are.
    pub(super) fn resolve(&self, id: Option<&str>) -> Resolved {
        let mut resolved = Resolved::default();
        let mut next = id;
        for _ in 0..MAX_CHAIN {
            let Some(id) = next else {
                break;
            };
            let style = self.0.get(id);
            // Documents without styles still name them by their usual ids.
            let name = style.map_or_else(|| id.to_lowercase(), |style| style.name.clone());
            if resolved.role == Role::Text {
                resolved.role = role_of(&name, style.and_then(|style| style.outline));
            }
            let Some(style) = style else {
                break;
            };
            resolved.number = resolved.number.or(style.number);
            next = style.based_on.as_deref();
        }
        resolved
    }

    fn number_of(&self, id: &str) -> Option<(u32, u8)> {
        self.0.get(id)?.number
    }
}

fn role_of(name: &str, outline: Option<u8>) -> Role {
    if let Some(level) = name.strip_prefix("heading")
        && let Ok(level @ 1..=9) = level.trim().parse()
    {
        return Role::Heading(level);
    }
    match (name, outline) {
        ("title", _) => Role::Title,
        ("subtitle", _) => Role::Heading(2),
        (_, Some(level @ 0..=8)) => Role::Heading(level + 1),
        (name, _) if name.starts_with("list bullet") || name.starts_with("list number") => {
            Role::List
        }
        _ => Role::Text,
    }
}

#[derive(Debug, Clone, Default)]
struct Level {
    format: String,
    text: String,
    start: u32,
}

#[derive(Debug, Clone, Default)]
struct Abstract {
    levels: [Option<Level>; N_LEVELS],
    /// Style that holds the real definition.
    link: Option<String>,
}

#[derive(Debug, Clone, Default)]
struct List {
    of: String,
    /// Levels that this list starts anew, and at what.
    starts: [Option<u32>; N_LEVELS],
}

/// A document's lists, and how far each has counted.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    abstracts: HashMap<String, Abstract>,
    lists: HashMap<u32, List>,
    counters: HashMap<String, [Option<u32>; N_LEVELS]>,
    started: HashSet<(u32, usize)>,
}

impl Numbering {
    pub(super) fn read(xml: &str, styles: &Styles) -> Self {
        let mut numbering = Self::default();
        let mut reader = reader(xml);
        let mut current: Option<String> = None;
        let mut list: Option<u32> = None;
        let mut level = 0;
        loop {
            match reader.read_event() {
                Ok(Event::Start(element) | Event::Empty(element)) => {
                    let value = || attr(&element, "val");
                    match element.local_name().as_ref() {
                        "abstractNum" => {
                            let id = attr(&element, "abstractNumId").unwrap_or_default();
                            numbering.abstracts.insert(id.clone(), Abstract::default());
                            (current, list) = (Some(id), None);
                        }
                        "num" => {
                            list = attr(&element, "numId").and_then(|id| id.parse().ok());
                            current = None;
                            if let Some(id) = list {
                                numbering.lists.insert(id, List::default());
                            }
                        }
                        "abstractNumId" => {
                            if let Some(list) = list.and_then(|id| numbering.lists.get_mut(&id)) {
                                list.of = value().unwrap_or_default();
                            }
                        }
                        "lvl" | "lvlOverride" => {
                            level = attr(&element, "ilvl")
                                .and_then(|n| n.parse().ok())
                                .unwrap_or(0);
                            level = level.min(N_LEVELS - 1);
                        }
                        "startOverride" => {
                            if let Some(list) = list.and_then(|id| numbering.lists.get_mut(&id)) {
                                list.starts[level] = value().and_then(|n| n.parse().ok());
                            }
                        }
                        name @ ("start" | "numFmt" | "lvlText") => {
                            let definition = current
                                .as_ref()
                                .and_then(|id| numbering.abstracts.get_mut(id));
                            if let Some(definition) = definition {
                                let found = definition.levels[level].get_or_insert_with(|| Level {
                                    start: 1,
                                    ..Level::default()
                                });
                                let value = value().unwrap_or_default();
                                match name {
                                    "start" => found.start = value.parse().unwrap_or(1),
                                    "numFmt" => found.format = value,
                                    _ => found.text = value,
                                }
                            }
                        }
                        "numStyleLink" => {
                            let definition = current
                                .as_ref()
                                .and_then(|id| numbering.abstracts.get_mut(id));
                            if let Some(definition) = definition {
                                definition.link = value();
                            }
                        }
                        _ => {}
                    }
                }
                Ok(Event::Eof) | Err(_) => break,
                Ok(_) => {}
            }
        }
        numbering.resolve_links(styles);
        numbering
    }

    /// Lists whose definition is another's, by way of a style.
    fn resolve_links(&mut self, styles: &Styles) {
        for _ in 0..MAX_CHAIN {
            let links: Vec<(u32, String)> = self
                .lists
                .iter()
                .filter_map(|(id, list)| {
                    let link = self.abstracts.get(&list.of)?.link.as_deref()?;
                    let (target, _) = styles.number_of(link)?;
                    let of = &self.lists.get(&target)?.of;
                    (*of != list.of).then(|| (*id, of.clone()))
                })
                .collect();
            if links.is_empty() {
                return;
            }
            for (id, of) in links {
                if let Some(list) = self.lists.get_mut(&id) {
                    list.of = of;
                }
            }
        }
    }

    /// Counts one item of a list: its label (`-` for bullets, empty where it shows none), or `None` where
    /// there is no such list.
    pub(super) fn next(&mut self, list_id: u32, level: u8) -> Option<String> {
        let list = self.lists.get(&list_id)?;
        let definition = self.abstracts.get(&list.of)?;
        let level = usize::from(level).min(N_LEVELS - 1);
        let counters = self.counters.entry(list.of.clone()).or_default();
        let found = definition.levels[level].as_ref();
        let start = found.map_or(1, |found| found.start);
        counters[level] = Some(match (list.starts[level], counters[level]) {
            (Some(start), _) if self.started.insert((list_id, level)) => start,
            (_, Some(n)) => n.saturating_add(1),
            (_, None) => start,
        });
        for counter in &mut counters[level + 1..] {
            *counter = None;
        }
        // A level that was skipped on the way down counts as begun: after 2.1.1 without a 2.1 comes 2.2.
        for (counter, outer) in counters.iter_mut().zip(&definition.levels).take(level) {
            counter.get_or_insert(outer.as_ref().map_or(1, |outer| outer.start));
        }
        let found = found?;
        match found.format.as_str() {
            "bullet" => return Some("-".to_owned()),
            "none" => return Some(String::new()),
            _ => {}
        }
        let mut label = String::new();
        let mut chars = found.text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                label.push(c);
                continue;
            }
            let Some(n) = chars
                .next()
                .and_then(|c| c.to_digit(10))
                .filter(|n| *n >= 1)
            else {
                continue;
            };
            let at = n as usize - 1;
            let part = definition.levels[at].as_ref();
            let count = counters[at].or(part.map(|part| part.start)).unwrap_or(1);
            let format = part.map_or("decimal", |part| &part.format);
            label.push_str(&number(count, numerals(format)));
        }
        Some(label.trim().to_owned())
    }
}

/// Numerals of a format; formats of other scripts show as decimal.
fn numerals(format: &str) -> Numerals {
    match format {
        "lowerLetter" => Numerals::LowerLetter,
        "upperLetter" => Numerals::UpperLetter,
        "lowerRoman" => Numerals::LowerRoman,
        "upperRoman" => Numerals::UpperRoman,
        "decimalZero" => Numerals::DecimalZero,
        _ => Numerals::Decimal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_level_counts_as_begun() {
        let level = |n: u8, text: &str| {
            format!(
                "<lvl ilvl='{n}'><start val='1'/><numFmt val='decimal'/><lvlText val='{text}'/></lvl>"
            )
        };
        let xml = format!(
            "<n><abstractNum abstractNumId='0'>{}{}{}</abstractNum><num numId='1'><abstractNumId val='0'/></num></n>",
            level(0, "%1"),
            level(1, "%1.%2"),
            level(2, "%1.%2.%3")
        );
        let mut numbering = Numbering::read(&xml, &Styles::default());
        let labels = [0, 2, 1].map(|level| numbering.next(1, level).unwrap_or_default());
        assert_eq!(labels, ["1", "1.1.1", "1.2"]);
    }

    #[test]
    fn a_list_can_start_anew() {
        let xml = r#"<n><abstractNum abstractNumId="0"><lvl ilvl="0"><start val="1"/><numFmt val="decimal"/><lvlText val="%1)"/></lvl></abstractNum><num numId="1"><abstractNumId val="0"/></num><num numId="2"><abstractNumId val="0"/><lvlOverride ilvl="0"><startOverride val="1"/></lvlOverride></num></n>"#;
        let mut numbering = Numbering::read(xml, &Styles::default());
        let labels: Vec<_> = [1, 1, 2, 2, 1, 9].map(|id| numbering.next(id, 0)).into();
        let expect = [
            Some("1)"),
            Some("2)"),
            Some("1)"),
            Some("2)"),
            Some("3)"),
            None,
        ];
        assert_eq!(labels, expect.map(|label| label.map(str::to_owned)));
    }

    #[test]
    fn styles_follow_their_base_and_end() {
        let xml = r#"<s><style styleId="a"><name val="a"/><basedOn val="b"/></style><style styleId="b"><name val="b"/><basedOn val="a"/><outlineLvl val="2"/></style></s>"#;
        let styles = Styles::read(xml);
        assert_eq!(styles.resolve(Some("a")).role, Role::Heading(3));
        assert_eq!(styles.resolve(Some("Heading2")).role, Role::Heading(2));
        assert_eq!(styles.resolve(None), Resolved::default());
    }
}
