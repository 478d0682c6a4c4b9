//! Comments on cells, as notes that name their cell and author.

use cairn_types::{Element, ElementKind};
use quick_xml::events::Event;

use crate::builder::{Builder, count_text};
use crate::text::{clean, collapse_lines};
use crate::xml::{attr, reader, reference};

/// Adds the comments of one sheet, each with its author and the cell that it stands at.
pub(super) fn push_comments(xml: &str, builder: &mut Builder) {
    let mut reader = reader(xml);
    let mut authors: Vec<String> = Vec::new();
    let mut open: Option<(String, String)> = None;
    let mut text = String::new();
    let mut in_text = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => match element.local_name().as_ref() {
                "author" => {
                    text.clear();
                    in_text = true;
                }
                "comment" => {
                    let author = attr(&element, "authorId").and_then(|n| n.parse::<usize>().ok());
                    let author = author
                        .and_then(|n| authors.get(n))
                        .cloned()
                        .unwrap_or_default();
                    open = Some((attr(&element, "ref").unwrap_or_default(), author));
                    text.clear();
                }
                "t" => in_text = true,
                _ => {}
            },
            Ok(Event::Text(piece)) if in_text => text.push_str(&piece.xml10_content()),
            Ok(Event::GeneralRef(piece)) if in_text => text.extend(reference(&piece)),
            Ok(Event::End(element)) => match element.local_name().as_ref() {
                "author" => {
                    authors.push(std::mem::take(&mut text));
                    in_text = false;
                }
                "t" => in_text = false,
                "comment" => {
                    if let Some((cell, author)) = open.take() {
                        push_comment(builder, &cell, &author, &text);
                    }
                }
                _ => {}
            },
            Ok(Event::Eof) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

pub(super) fn push_comment(builder: &mut Builder, cell: &str, author: &str, text: &str) {
    // Threaded comments are stored a second time for old programs, after a notice about that.
    let text = match text.split_once("Comment:") {
        Some((notice, comment)) if notice.starts_with("[Threaded comment]") => comment,
        _ => text,
    };
    let text = collapse_lines(&clean(text).0);
    if text.is_empty() {
        return;
    }
    let by = if author.is_empty() || author.starts_with("tc={") {
        String::new()
    } else {
        format!(" by {author}")
    };
    let n_chars = count_text(&text);
    let element = Element::new(ElementKind::Note, format!("Comment on {cell}{by}: {text}"));
    builder.push_counted(element, n_chars);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_name_their_cell() {
        let xml = "<comments><authors><author>Ann &amp; Bo</author><author>tc={1}</author></authors><commentList><comment ref='A1' authorId='0'><text><r><t>Why</t></r><r><t> so?</t></r></text></comment><comment ref='B2' authorId='1'><text><t>[Threaded comment]\n\nOld programs.\n\nComment:\n    Low</t></text></comment></commentList></comments>";
        let mut builder = Builder::new(10);
        push_comments(xml, &mut builder);
        let texts: Vec<&str> = builder.elements().iter().map(|e| e.text.as_str()).collect();
        assert_eq!(
            texts,
            ["Comment on A1 by Ann & Bo: Why so?", "Comment on B2: Low"]
        );
    }
}
