//! Tables in XML: the models of XHTML, CALS (OASIS TM 9901) and TEI.

use super::tree::Tree;
use crate::table::SpanCell;
use crate::text::collapse;

/// Rows of the table at `root`; a table in a cell is text of that cell.
pub(super) fn rows(tree: &Tree, root: usize) -> Vec<Vec<SpanCell>> {
    let mut found = Found {
        rows: Vec::new(),
        columns: Vec::new(),
        in_head: false,
    };
    tree.walk(
        root,
        &mut found,
        |found, node| match tree.name(node) {
            "thead" | "sthead" => {
                found.in_head = true;
                true
            }
            "colspec" => {
                let name = tree.attribute(node, "colname").unwrap_or_default();
                found.columns.push(name.to_owned());
                false
            }
            "tgroup" => {
                found.columns.clear();
                true
            }
            "tr" | "row" | "strow" => {
                let is_header = tree.attribute(node, "role") == Some("label");
                found.rows.push(Vec::new());
                found.in_head |= is_header;
                true
            }
            "td" | "th" | "entry" | "cell" | "stentry" | "entrytbl" => {
                let cell = found.cell(tree, node);
                if found.rows.is_empty() {
                    found.rows.push(Vec::new());
                }
                if let Some(row) = found.rows.last_mut() {
                    row.push(cell);
                }
                false
            }
            "title" | "caption" | "head" | "label" => false,
            _ => true,
        },
        |found, node| {
            if matches!(tree.name(node), "thead" | "sthead")
                || tree.attribute(node, "role") == Some("label")
            {
                found.in_head = false;
            }
        },
    );
    found.rows
}

struct Found {
    rows: Vec<Vec<SpanCell>>,
    /// Names of the columns, in order.
    columns: Vec<String>,
    in_head: bool,
}

impl Found {
    fn cell(&self, tree: &Tree, node: usize) -> SpanCell {
        let number = |key: &str| {
            tree.attribute(node, key)
                .and_then(|value| value.trim().parse::<usize>().ok())
        };
        let column = |key: &str| {
            let name = tree.attribute(node, key)?;
            self.columns.iter().position(|column| column == name)
        };
        let named = match (column("namest"), column("nameend")) {
            (Some(first), Some(last)) if last >= first => Some(last - first + 1),
            _ => None,
        };
        let n_cols = number("colspan").or(named).or_else(|| number("cols"));
        let n_rows = number("rowspan")
            .or_else(|| number("morerows").map(|more| more.saturating_add(1)))
            .or_else(|| number("rows"));
        SpanCell {
            text: collapse(&tree.text(node)),
            n_cols: n_cols.unwrap_or(1).clamp(1, 1000),
            n_rows: n_rows.unwrap_or(1).clamp(1, 65_534),
            is_header: self.in_head || tree.name(node) == "th",
        }
    }
}
