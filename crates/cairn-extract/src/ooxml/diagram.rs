//! Text of a diagram ("SmartArt"; DrawingML diagrams, ECMA-376 part 1, section 21.4): its points as a nested list.
//!
//! The data part holds points and connections between them; the tree of "parent of" connections from the
//! document point gives order and depth. Points outside the tree come last, so that no text is lost.

use std::collections::{HashMap, HashSet};

use cairn_types::{Element, ElementKind};
use quick_xml::events::Event;

use super::TextBody;
use crate::builder::{Builder, count_text};
use crate::text::{clean, collapse_lines};
use crate::xml::{attr, reader, reference};

/// Points of one diagram. Bounds memory; real ones have dozens.
const MAX_POINTS: usize = 100_000;

#[derive(Default)]
struct Model {
    /// Text by id, in order of the file.
    points: Vec<(String, String)>,
    root: Option<String>,
    /// Children by parent, with their position.
    children: HashMap<String, Vec<(u32, String)>>,
}

/// Adds the texts of the data part `xml`.
pub(crate) fn push_diagram(xml: &str, page: Option<u32>, builder: &mut Builder) {
    let model = parse(xml);
    let texts: HashMap<&str, &str> = model
        .points
        .iter()
        .map(|(id, text)| (id.as_str(), text.as_str()))
        .collect();
    let mut seen: HashSet<&str> = HashSet::new();
    let mut order: Vec<(usize, &str)> = Vec::new();
    let mut stack: Vec<(usize, &str)> = model.root.iter().map(|id| (0, id.as_str())).collect();
    while let Some((depth, id)) = stack.pop() {
        if !seen.insert(id) {
            continue;
        }
        order.push((depth, id));
        if let Some(children) = model.children.get(id) {
            let mut children: Vec<&(u32, String)> = children.iter().collect();
            children.sort_by_key(|(position, _)| *position);
            stack.extend(
                children
                    .iter()
                    .rev()
                    .map(|(_, id)| (depth + 1, id.as_str())),
            );
        }
    }
    let rest = model
        .points
        .iter()
        .filter(|(id, _)| !seen.contains(id.as_str()));
    order.extend(rest.map(|(id, _)| (1, id.as_str())));
    for (depth, id) in order {
        let text = texts.get(id).map(|text| collapse_lines(&clean(text).0));
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            let n_chars = count_text(&text);
            let mut element = Element::new(ElementKind::ListItem, format!("- {text}"));
            element.level = u8::try_from(depth.clamp(1, 9)).unwrap_or(9);
            element.page = page;
            builder.push_counted(element, n_chars);
        }
    }
}

fn parse(xml: &str) -> Model {
    let mut model = Model::default();
    let mut reader = reader(xml);
    // The open point with its text; presentation points repeat what others hold.
    let mut open: Option<(String, TextBody)> = None;
    loop {
        let event = match reader.read_event() {
            Ok(Event::Eof) | Err(_) => return model,
            Ok(event) => event,
        };
        let is_empty = matches!(event, Event::Empty(_));
        match event {
            Event::Start(element) | Event::Empty(element) => {
                let local = element.local_name();
                match local.as_ref() {
                    "pt" if model.points.len() < MAX_POINTS => {
                        let id = attr(&element, "modelId").unwrap_or_default();
                        match attr(&element, "type").as_deref() {
                            Some("doc") => model.root = Some(id),
                            Some("pres") => {}
                            _ => open = Some((id, TextBody::default())),
                        }
                    }
                    "cxn" if attr(&element, "type").is_none_or(|kind| kind == "parOf") => {
                        let id = |name| attr(&element, name).unwrap_or_default();
                        let position = id("srcOrd").parse().unwrap_or(u32::MAX);
                        let children = model.children.entry(id("srcId")).or_default();
                        children.push((position, id("destId")));
                    }
                    local => {
                        if let Some((_, text)) = &mut open {
                            text.start(&element);
                            if is_empty {
                                text.end(local);
                            }
                        }
                    }
                }
            }
            Event::End(element) => match (element.local_name().as_ref(), &mut open) {
                ("pt", _) => {
                    let found = open.take();
                    model
                        .points
                        .extend(found.map(|(id, text)| (id, text.plain())));
                }
                (local, Some((_, text))) => text.end(local),
                (_, None) => {}
            },
            Event::Text(piece) => {
                if let Some((_, text)) = &mut open {
                    text.text(&piece.xml10_content());
                }
            }
            Event::GeneralRef(piece) => {
                if let (Some((_, text)), Some(c)) = (&mut open, reference(&piece)) {
                    text.text(c.encode_utf8(&mut [0; 4]));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_come_in_their_order_each_once() {
        let pt = |id: u8, text: &str| {
            format!(
                "<dgm:pt modelId='{id}'><dgm:t><a:p><a:r><a:t>{text}</a:t></a:r></a:p></dgm:t></dgm:pt>"
            )
        };
        let cxn = |from: u8, to: u8, position: u8| {
            format!("<dgm:cxn srcId='{from}' destId='{to}' srcOrd='{position}'/>")
        };
        let xml = [
            "<dgm:dataModel><dgm:ptLst><dgm:pt modelId='0' type='doc'/>".to_owned(),
            pt(3, "second"),
            pt(1, "first"),
            pt(2, "below &amp; first"),
            pt(9, "astray"),
            "<dgm:pt modelId='8' type='pres'><dgm:t><a:p><a:r><a:t>again</a:t></a:r></a:p></dgm:t></dgm:pt></dgm:ptLst><dgm:cxnLst>".to_owned(),
            cxn(0, 3, 1),
            cxn(0, 1, 0),
            cxn(1, 2, 0),
            // A loop must not hang.
            cxn(2, 1, 0),
            "<dgm:cxn type='presOf' srcId='1' destId='8'/></dgm:cxnLst></dgm:dataModel>".to_owned(),
        ]
        .concat();
        let mut builder = Builder::new(100);
        push_diagram(&xml, Some(4), &mut builder);
        let found: Vec<_> = builder
            .elements()
            .iter()
            .map(|e| (e.level, e.text.as_str(), e.page))
            .collect();
        assert_eq!(
            found,
            [
                (1, "- first", Some(4)),
                (2, "- below & first", Some(4)),
                (1, "- second", Some(4)),
                (1, "- astray", Some(4))
            ]
        );
    }
}
