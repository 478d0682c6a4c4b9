//! HTML tables: data tables to table elements, layout tables left to the walk.

use scraper::{ElementRef, Node};

use super::Content;
use super::shown::field_value;
use super::walk::is_block;
use crate::builder::Builder;
use crate::table::{SpanCell, push_spans};
use crate::text::collapse;

/// Layout tables within each other beyond which tables are not looked into: the look costs their whole subtree.
const MAX_NESTED: usize = 12;

/// Adds the table, or returns false where it is there for layout and the walk should read its content.
pub(super) fn read(
    table: ElementRef<'_>,
    content: Content,
    builder: &mut Builder,
    n_outer: usize,
) -> bool {
    if n_outer >= MAX_NESTED || table.value().attr("role") == Some("presentation") {
        return false;
    }
    let found = collect(table, content);
    let n_cols = found.rows.iter().map(Vec::len).max().unwrap_or(0);
    let has_header = found.rows.iter().flatten().any(|cell| cell.is_header);
    if n_cols <= 1 || (!has_header && (found.has_table || found.has_heading)) {
        return false;
    }
    if let Some(caption) = &found.caption {
        builder.paragraph(caption);
    }
    push_spans(builder, &found.rows, found.caption, None);
    true
}

#[derive(Default)]
struct Found {
    rows: Vec<Vec<SpanCell>>,
    caption: Option<String>,
    has_table: bool,
    has_heading: bool,
}

/// Rows and cells of `table` itself; tables in cells become text of the cell.
fn collect(table: ElementRef<'_>, content: Content) -> Found {
    let mut found = Found::default();
    // Where the text goes, and the depth of tables in cells.
    let mut text = String::new();
    let mut cell: Option<SpanCell> = None;
    let mut n_inner = 0usize;
    let mut node = *table;
    loop {
        let mut descend = false;
        match node.value() {
            Node::Element(tag) if node.id() == table.id() || !content.skips(tag) => {
                descend = true;
                if node.id() != table.id() {
                    match tag.name() {
                        "table" => {
                            n_inner += 1;
                            found.has_table = true;
                        }
                        "tr" if n_inner == 0 => found.rows.push(Vec::new()),
                        "td" | "th" if n_inner == 0 => {
                            text.clear();
                            let span = |name: &str| {
                                tag.attr(name).and_then(|n| n.trim().parse::<usize>().ok())
                            };
                            cell = Some(SpanCell {
                                text: String::new(),
                                n_cols: span("colspan").unwrap_or(1).clamp(1, 1000),
                                // 0 means: to the end of the table.
                                n_rows: match span("rowspan") {
                                    Some(0) => 65_534,
                                    Some(n) => n.min(65_534),
                                    None => 1,
                                },
                                is_header: tag.name() == "th",
                            });
                        }
                        "caption" if n_inner == 0 => text.clear(),
                        "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                            found.has_heading = true;
                            text.push(' ');
                        }
                        "img" => {
                            if let Some(alt) = tag.attr("alt") {
                                text.push_str(alt);
                            }
                        }
                        "input" => {
                            text.push(' ');
                            text.push_str(field_value(tag).unwrap_or_default());
                            text.push(' ');
                        }
                        "br" | "tspan" => text.push(' '),
                        name if is_block(name) => text.push(' '),
                        _ => {}
                    }
                }
            }
            Node::Text(piece) => text.push_str(piece),
            _ => {}
        }
        if descend && let Some(child) = node.first_child() {
            node = child;
            continue;
        }
        let mut leaving = descend;
        loop {
            if leaving
                && node.id() != table.id()
                && let Node::Element(tag) = node.value()
            {
                match tag.name() {
                    "table" => n_inner = n_inner.saturating_sub(1),
                    "td" | "th" if n_inner == 0 => {
                        if let Some(mut cell) = cell.take() {
                            cell.text = collapse(&std::mem::take(&mut text));
                            if found.rows.is_empty() {
                                found.rows.push(Vec::new());
                            }
                            if let Some(row) = found.rows.last_mut() {
                                row.push(cell);
                            }
                        }
                    }
                    "caption" if n_inner == 0 => {
                        let caption = collapse(&std::mem::take(&mut text));
                        found.caption = (!caption.is_empty()).then_some(caption);
                    }
                    name if is_block(name) => text.push(' '),
                    _ => {}
                }
            }
            if node.id() == table.id() {
                return found;
            }
            if let Some(next) = node.next_sibling() {
                node = next;
                break;
            }
            let Some(parent) = node.parent() else {
                return found;
            };
            node = parent;
            leaving = true;
        }
    }
}
