//! One stream of RTF text: the body, a footnote, a text box. Paragraphs and cells come in, blocks come out.
//!
//! Cells are placed by the right edges that `\cellx` gives (edges of all rows make the columns), merged ones by
//! `\clmgf`, `\clmrg`, `\clvmgf` and `\clvmrg`. A table within a cell becomes text of that cell.

use cairn_types::{Element, ElementKind};

use crate::builder::{Builder, count_text};
use crate::table::{SpanCell, push_span_table};
use crate::text::{collapse, collapse_lines};

/// Tables within each other; deeper ones are read at this level.
const MAX_TABLE_DEPTH: usize = 8;
/// Right edges closer than this (in twips, 1/1440 inch) are one. A guess: a millimetre.
const SAME_EDGE: i32 = 57;
/// Columns beyond which edges are not looked at: such rows were not drawn as a grid.
const MAX_EDGES: usize = 64;

/// What a paragraph is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Text,
    Title,
    Heading(u8),
    /// Level from 1.
    Item(u8),
}

#[derive(Debug)]
pub(super) enum Block {
    Paragraph {
        role: Role,
        marker: Option<String>,
        text: String,
    },
    Table(Vec<Vec<SpanCell>>),
    Note(String),
}

/// What `\trowd` and its followers say of one cell.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct CellShape {
    pub(super) right: i32,
    pub(super) joins_left: bool,
    pub(super) joins_above: bool,
}

#[derive(Debug, Default)]
struct Row {
    cells: Vec<String>,
    shapes: Vec<CellShape>,
    is_header: bool,
}

/// A table that is open.
#[derive(Debug, Default)]
struct Level {
    text: String,
    cells: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Debug, Default)]
pub(super) struct Flow {
    /// The open paragraph.
    pub(super) text: String,
    pub(super) marker: Option<String>,
    /// Notes and text boxes anchored in the open paragraph.
    pub(super) after: Vec<Block>,
    blocks: Vec<Block>,
    levels: Vec<Level>,
}

impl Flow {
    /// Ends the open paragraph, at `depth` tables (0: none).
    pub(super) fn end_paragraph(&mut self, depth: usize, role: Role) {
        let depth = depth.min(MAX_TABLE_DEPTH);
        let text = std::mem::take(&mut self.text);
        let marker = self.marker.take();
        self.close_tables(depth);
        if depth > 0 {
            self.open_tables(depth);
            let cell = &mut self.levels[depth - 1].text;
            if let Some(marker) = marker {
                cell.push_str(&marker);
                cell.push(' ');
            }
            cell.push_str(&text);
            cell.push('\n');
        } else {
            self.blocks.push(Block::Paragraph { role, marker, text });
            self.blocks.append(&mut self.after);
        }
    }

    fn open_tables(&mut self, depth: usize) {
        while self.levels.len() < depth {
            self.levels.push(Level::default());
        }
    }

    pub(super) fn end_cell(&mut self, depth: usize) {
        let depth = depth.clamp(1, MAX_TABLE_DEPTH);
        self.end_paragraph(depth, Role::Text);
        let level = &mut self.levels[depth - 1];
        level.cells.push(std::mem::take(&mut level.text));
    }

    pub(super) fn end_row(&mut self, depth: usize, shapes: &[CellShape], is_header: bool) {
        let depth = depth.clamp(1, MAX_TABLE_DEPTH);
        if !self.text.trim().is_empty() {
            self.end_cell(depth);
        }
        self.close_tables(depth);
        self.open_tables(depth);
        let level = &mut self.levels[depth - 1];
        level.rows.push(Row {
            cells: std::mem::take(&mut level.cells),
            shapes: shapes.to_vec(),
            is_header,
        });
    }

    /// Closes the tables deeper than `depth`.
    fn close_tables(&mut self, depth: usize) {
        while self.levels.len() > depth {
            let Some(mut level) = self.levels.pop() else {
                return;
            };
            if !level.text.trim().is_empty() {
                level.cells.push(std::mem::take(&mut level.text));
            }
            if !level.cells.is_empty() {
                level.rows.push(Row {
                    cells: std::mem::take(&mut level.cells),
                    ..Row::default()
                });
            }
            match self.levels.last_mut() {
                Some(outer) => {
                    for row in level.rows {
                        outer.text.push_str(&row.cells.join(" "));
                        outer.text.push('\n');
                    }
                }
                None => {
                    self.blocks.push(Block::Table(place(level.rows)));
                    self.blocks.append(&mut self.after);
                }
            }
        }
    }

    /// Ends the stream, whose last paragraph is within `depth` tables.
    pub(super) fn finish(mut self, depth: usize, role: Role) -> Vec<Block> {
        if !self.text.trim().is_empty() || self.marker.is_some() {
            self.end_paragraph(depth, role);
        }
        self.close_tables(0);
        self.blocks.append(&mut self.after);
        self.blocks
    }
}

/// Cells with their spans.
fn place(rows: Vec<Row>) -> Vec<Vec<SpanCell>> {
    let edges = edges(&rows);
    let mut placed: Vec<Vec<SpanCell>> = Vec::with_capacity(rows.len());
    // For each column: where the cell stands that a `\clvmrg` below would continue.
    let mut above: Vec<Option<(usize, usize)>> = Vec::new();
    for (row_idx, row) in rows.into_iter().enumerate() {
        let has_shapes = row.shapes.len() >= row.cells.len() && edges.len() <= MAX_EDGES;
        let mut cells: Vec<SpanCell> = Vec::with_capacity(row.cells.len());
        let mut col = 0;
        let mut next_above = vec![None; edges.len()];
        for (idx, text) in row.cells.into_iter().enumerate() {
            let shape = if has_shapes {
                row.shapes[idx]
            } else {
                CellShape::default()
            };
            let end = if has_shapes {
                edges.partition_point(|edge| *edge + SAME_EDGE < shape.right) + 1
            } else {
                col + 1
            };
            let n_cols = end.saturating_sub(col).max(1);
            let text = collapse(&text);
            let origin = above.get(col).copied().flatten();
            if let (true, true, Some((at_row, at_cell))) =
                (shape.joins_above, text.is_empty(), origin)
            {
                placed[at_row][at_cell].n_rows += 1;
                for slot in next_above.iter_mut().skip(col).take(n_cols) {
                    *slot = origin;
                }
            } else if let (true, Some(left)) = (shape.joins_left, cells.last_mut()) {
                left.n_cols += n_cols;
                if !text.is_empty() {
                    left.text.push(' ');
                    left.text.push_str(&text);
                }
            } else {
                for slot in next_above.iter_mut().skip(col).take(n_cols) {
                    *slot = Some((row_idx, cells.len()));
                }
                cells.push(SpanCell {
                    text,
                    n_cols,
                    n_rows: 1,
                    is_header: row.is_header,
                });
            }
            col += n_cols;
        }
        above = next_above;
        placed.push(cells);
    }
    placed
}

/// Right edges of all cells, rising, near ones merged.
fn edges(rows: &[Row]) -> Vec<i32> {
    let mut edges: Vec<i32> = rows
        .iter()
        .flat_map(|row| row.shapes.iter().map(|shape| shape.right))
        .collect();
    edges.sort_unstable();
    edges.dedup_by(|next, kept| next.saturating_sub(*kept) <= SAME_EDGE);
    edges
}

/// Adds the blocks of a stream to the document.
pub(super) fn push(blocks: Vec<Block>, builder: &mut Builder) {
    for block in blocks {
        match block {
            Block::Paragraph { role, marker, text } => push_paragraph(role, marker, &text, builder),
            Block::Note(text) => {
                builder.push(Element::new(ElementKind::Note, collapse_lines(&text)));
            }
            Block::Table(rows) => push_span_table(builder, &rows, None),
        }
    }
}

fn push_paragraph(role: Role, marker: Option<String>, text: &str, builder: &mut Builder) {
    let text = collapse_lines(text);
    if text.is_empty() {
        return;
    }
    let n_chars = count_text(&text);
    let marker = marker.map(|marker| {
        let marker = collapse(&marker);
        // Bullets are characters of symbol fonts.
        if marker.chars().any(char::is_alphanumeric) {
            marker
        } else {
            "-".to_owned()
        }
    });
    let mut element = match (role, marker) {
        (Role::Title | Role::Heading(_), marker) => {
            let text = text.replace('\n', " ");
            let label = marker.filter(|marker| marker != "-");
            let text = label.map_or(text.clone(), |label| format!("{label} {text}"));
            if role == Role::Title && builder.title.is_none() {
                builder.title = Some(text.clone());
            }
            Element::new(ElementKind::Heading, text)
        }
        (_, Some(marker)) => Element::new(ElementKind::ListItem, format!("{marker} {text}")),
        (_, None) => Element::new(ElementKind::Paragraph, text),
    };
    element.level = match (element.kind, role) {
        (ElementKind::Heading, Role::Heading(level))
        | (ElementKind::ListItem, Role::Item(level)) => level.clamp(1, 9),
        (ElementKind::Heading | ElementKind::ListItem, _) => 1,
        _ => 0,
    };
    builder.push_counted(element, n_chars);
}
