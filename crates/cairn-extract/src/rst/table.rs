//! Grid tables and simple tables of reStructuredText, drawn with `+--+` and `== ==`.
//!
//! docutils reStructuredText specification, "Grid Tables" and "Simple Tables". Columns are counted in characters.

use crate::table::SpanCell;

/// Columns of one table.
const MAX_COLS: usize = 200;
/// Cells that a grid may be cut into; a drawing with more is text.
const MAX_GRID: usize = 100_000;

fn cell(text: &str, n_cols: usize, n_rows: usize, is_header: bool) -> SpanCell {
    SpanCell {
        text: text.to_owned(),
        n_cols,
        n_rows,
        is_header,
    }
}

/// Whether a line could be the top of a grid table.
pub(super) fn is_grid_border(line: &str) -> bool {
    let line = line.trim();
    line.len() >= 3
        && line.starts_with('+')
        && line.ends_with('+')
        && line.chars().all(|c| matches!(c, '+' | '-' | '='))
}

/// Whether a line could be the top of a simple table: two runs of `=` or more.
pub(super) fn is_simple_border(line: &str) -> bool {
    let line = line.trim();
    line.chars().all(|c| matches!(c, '=' | ' ')) && line.contains("= ") && line.starts_with('=')
}

/// Rows of the grid table that `lines` are.
pub(super) fn grid(lines: &[&str]) -> Option<Vec<Vec<SpanCell>>> {
    let grid: Vec<Vec<char>> = lines
        .iter()
        .map(|line| line.trim_end().chars().collect())
        .collect();
    let at = |row: usize, col: usize| {
        grid.get(row)
            .and_then(|line| line.get(col))
            .copied()
            .unwrap_or(' ')
    };
    // Columns where any border has a corner; rows where any line is one, in part at least.
    let width = grid.iter().map(Vec::len).max()?;
    let is_border = |row: usize, col: usize| matches!(at(row, col), '-' | '=' | '+');
    let row_edges: Vec<usize> = (0..grid.len())
        .filter(|&row| {
            let line: String = grid[row].iter().collect();
            let line = line.trim();
            line.starts_with(['+', '|']) && (line.contains("+-") || line.contains("+="))
        })
        .collect();
    let mut col_edges: Vec<usize> = (0..width)
        .filter(|&col| row_edges.iter().any(|&row| at(row, col) == '+'))
        .collect();
    col_edges.dedup();
    if row_edges.len() < 2
        || col_edges.len() < 2
        || col_edges.len() > MAX_COLS
        || row_edges.len() * col_edges.len() > MAX_GRID
    {
        return None;
    }
    let header_edge = row_edges
        .iter()
        .position(|&row| grid[row].iter().filter(|c| **c == '=').count() > 2);
    let (n_rows, n_cols) = (row_edges.len() - 1, col_edges.len() - 1);
    let mut taken = vec![vec![false; n_cols]; n_rows];
    let mut rows = Vec::with_capacity(n_rows);
    for row in 0..n_rows {
        let mut cells = Vec::new();
        for col in 0..n_cols {
            if taken[row][col] {
                continue;
            }
            // A cell ends at the first edge that is drawn all along it.
            let (top, left) = (row_edges[row] + 1, col_edges[col] + 1);
            let mut last_col = col;
            while last_col + 1 < n_cols && !matches!(at(top, col_edges[last_col + 1]), '|' | '+') {
                last_col += 1;
            }
            let right = col_edges[last_col + 1];
            let mut last_row = row;
            while last_row + 1 < n_rows
                && !(left..right).all(|x| is_border(row_edges[last_row + 1], x))
            {
                last_row += 1;
            }
            for line in taken.iter_mut().take(last_row + 1).skip(row) {
                for slot in line.iter_mut().take(last_col + 1).skip(col) {
                    *slot = true;
                }
            }
            let mut text = String::new();
            for y in top..row_edges[last_row + 1] {
                text.extend((left..right).map(|x| at(y, x)));
                text.push('\n');
            }
            let is_header = header_edge.is_some_and(|edge| row < edge);
            cells.push(cell(
                text.trim(),
                last_col - col + 1,
                last_row - row + 1,
                is_header,
            ));
        }
        rows.push(cells);
    }
    Some(rows)
}

/// Rows of the simple table that `lines` are.
pub(super) fn simple(lines: &[&str]) -> Option<Vec<Vec<SpanCell>>> {
    let mut columns: Vec<(usize, usize)> = Vec::new();
    for (idx, c) in lines.first()?.chars().enumerate() {
        match columns.last_mut() {
            Some((_, end)) if c == '=' && *end == idx => *end += 1,
            _ if c == '=' => columns.push((idx, idx + 1)),
            _ => {}
        }
    }
    if columns.is_empty() || columns.len() > MAX_COLS {
        return None;
    }
    let n_borders = lines.iter().filter(|line| is_simple_border(line)).count();
    let mut n_seen = 0;
    let mut rows: Vec<Vec<SpanCell>> = Vec::new();
    for line in lines {
        if is_simple_border(line) {
            n_seen += 1;
            continue;
        }
        if line.trim().is_empty() || line.chars().all(|c| matches!(c, '-' | ' ')) {
            continue;
        }
        let chars: Vec<char> = line.chars().collect();
        let piece = |start: usize, end: usize| -> String {
            let end = end.min(chars.len());
            chars
                .get(start..end)
                .unwrap_or_default()
                .iter()
                .collect::<String>()
                .trim()
                .to_owned()
        };
        let is_header = n_borders >= 3 && n_seen == 1;
        let mut cells = Vec::with_capacity(columns.len());
        for (idx, (start, _)) in columns.iter().enumerate() {
            // The text of a cell may go on up to the next column.
            let end = columns.get(idx + 1).map_or(usize::MAX, |(next, _)| *next);
            cells.push(cell(&piece(*start, end), 1, 1, is_header));
        }
        // A row without its first cell goes on with the one above.
        match rows.last_mut() {
            Some(above) if cells[0].text.is_empty() && above.len() == cells.len() => {
                for (above, cell) in above.iter_mut().zip(cells) {
                    if !cell.text.is_empty() {
                        above.text.push(' ');
                        above.text.push_str(&cell.text);
                    }
                }
            }
            _ => rows.push(cells),
        }
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::resolve_spans;
    use crate::text::collapse;

    fn texts(rows: Option<Vec<Vec<SpanCell>>>) -> (Vec<Vec<String>>, usize) {
        let mut rows = rows.unwrap_or_default();
        for cell in rows.iter_mut().flatten() {
            cell.text = collapse(&cell.text);
        }
        resolve_spans(&rows)
    }

    #[test]
    fn drawings_become_rows() {
        let lines = [
            "+----+----+----+",
            "| A  | B  | C  |",
            "+====+====+====+",
            "| x  | wide    |",
            "| y  |         |",
            "+----+----+----+",
            "| t  | 1  | 2  |",
            "|    +----+----+",
            "|    | 3  | é  |",
            "+----+----+----+",
        ];
        let (rows, n_header) = texts(grid(&lines));
        assert_eq!(
            rows,
            [
                vec!["A", "B", "C"],
                vec!["x y", "wide", "wide"],
                vec!["t", "1", "2"],
                vec!["t", "3", "é"]
            ]
        );
        assert_eq!(n_header, 1);
        let (rows, n_header) = texts(simple(&[
            "===  ===",
            "A    B",
            "===  ===",
            "1    two and",
            "     more",
            "3    4",
            "===  ===",
        ]));
        assert_eq!(rows, [["A", "B"], ["1", "two and more"], ["3", "4"]]);
        assert_eq!(n_header, 1);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-+=| aé\n]{0,120}") {
            let lines: Vec<&str> = text.lines().collect();
            texts(grid(&lines));
            texts(simple(&lines));
        }
    }
}
