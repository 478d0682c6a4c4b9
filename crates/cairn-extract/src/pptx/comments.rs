//! Comments on slides, in both formats: of PowerPoint 2007 (ECMA-376 part 1, section 19.4) and of 2021 with replies.

use std::collections::HashMap;

use quick_xml::events::Event;

use crate::ooxml::TextBody;
use crate::xml::{attr, reader, reference};

/// Names by id of the authors part `xml`.
pub(super) fn read_authors(xml: &str) -> HashMap<String, String> {
    let mut reader = reader(xml);
    let mut authors = HashMap::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => {
                if matches!(element.local_name().as_ref(), "cmAuthor" | "author") {
                    let value = |name| attr(&element, name).unwrap_or_default();
                    authors.insert(value("id"), value("name"));
                }
            }
            Ok(Event::Eof) | Err(_) => return authors,
            Ok(_) => {}
        }
    }
}

struct Comment {
    author: String,
    body: TextBody,
    /// Text without paragraphs, as the older format has it.
    text: String,
}

/// Comments and replies, each as "author: text", replies after what they reply to.
pub(super) fn read(xml: &str, authors: &HashMap<String, String>) -> Vec<String> {
    let mut reader = reader(xml);
    let mut found: Vec<Comment> = Vec::new();
    // Indices of the open comments, the innermost last.
    let mut open: Vec<usize> = Vec::new();
    let mut in_text = false;
    loop {
        let event = match reader.read_event() {
            Ok(Event::Eof) | Err(_) => break,
            Ok(event) => event,
        };
        let is_empty = matches!(event, Event::Empty(_));
        match event {
            Event::Start(element) | Event::Empty(element) => {
                let local = element.local_name();
                match local.as_ref() {
                    "cm" | "reply" if !is_empty => {
                        let id = attr(&element, "authorId").unwrap_or_default();
                        open.push(found.len());
                        found.push(Comment {
                            author: authors.get(&id).cloned().unwrap_or_default(),
                            body: TextBody::default(),
                            text: String::new(),
                        });
                    }
                    "text" => in_text = !is_empty,
                    local => {
                        if let Some(comment) = open.last().and_then(|idx| found.get_mut(*idx)) {
                            comment.body.start(&element);
                            if is_empty {
                                comment.body.end(local);
                            }
                        }
                    }
                }
            }
            Event::End(element) => match element.local_name().as_ref() {
                "cm" | "reply" => {
                    open.pop();
                }
                "text" => in_text = false,
                local => {
                    if let Some(comment) = open.last().and_then(|idx| found.get_mut(*idx)) {
                        comment.body.end(local);
                    }
                }
            },
            Event::Text(piece) => give(&mut found, &open, in_text, &piece.xml10_content()),
            Event::GeneralRef(piece) => {
                if let Some(c) = reference(&piece) {
                    give(&mut found, &open, in_text, c.encode_utf8(&mut [0; 4]));
                }
            }
            _ => {}
        }
    }
    let line = |comment: Comment| {
        let text = format!("{}\n{}", comment.text, comment.body.plain());
        let text = text.trim();
        match comment.author.trim() {
            _ if text.is_empty() => None,
            "" => Some(text.to_owned()),
            author => Some(format!("{author}: {text}")),
        }
    };
    found.into_iter().filter_map(line).collect()
}

fn give(found: &mut [Comment], open: &[usize], in_text: bool, text: &str) {
    if let Some(comment) = open.last().and_then(|idx| found.get_mut(*idx)) {
        if in_text {
            comment.text.push_str(text);
        } else {
            comment.body.text(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_read() {
        let authors =
            read_authors("<l><p:cmAuthor id='0' name='Ann'/><p188:author id='{B}' name='Bo'/></l>");
        let cases = [
            (
                "<p:cmLst><p:cm authorId='0'><p:pos x='1'/><p:text>a &lt; b</p:text></p:cm><p:cm authorId='7'><p:text>who?</p:text></p:cm></p:cmLst>",
                vec!["Ann: a < b", "who?"],
            ),
            (
                "<p188:cmLst><p188:cm authorId='{B}'><p188:replyLst><p188:reply authorId='0'><p188:txBody><a:p><a:r><a:t>no</a:t></a:r></a:p></p188:txBody></p188:reply></p188:replyLst><p188:txBody><a:p><a:r><a:t>yes?</a:t></a:r></a:p></p188:txBody></p188:cm></p188:cmLst>",
                vec!["Bo: yes?", "Ann: no"],
            ),
            ("<cm><reply><text>open", vec!["open"]),
        ];
        for (xml, expect) in cases {
            assert_eq!(read(xml, &authors), expect, "{xml}");
        }
    }
}
