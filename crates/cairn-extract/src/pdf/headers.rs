//! Header rows of tables on pages: which of the first rows name the columns, and their names as one row.
//!
//! Pages do not say what a header is. The first row is one where it looks like one (texts, no amounts) or is bold above rows
//! that are not. Further rows go with it where they are bold too, where they stand under cells that span columns, or where
//! they hold texts and no label over columns of numbers: units, parts of names. A row with a label of its own is never taken
//! from the body without such a sign. Rows of one cell on top are titles and stay in the body. Cost: O(cells).

use crate::table::{MAX_HEADER_ROWS, is_number, is_year, join_header, looks_like_header};

/// One row of a table, its spans resolved.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Row {
    pub(super) cells: Vec<String>,
    pub(super) is_bold: bool,
    /// One of its cells covers several columns, not all of them.
    pub(super) has_spans: bool,
    /// Cells of the page that hold text; one that covers several fields counts once.
    pub(super) n_cells: u64,
}

impl Row {
    fn filled(&self) -> impl Iterator<Item = &str> {
        self.cells
            .iter()
            .map(|cell| cell.trim())
            .filter(|cell| !cell.is_empty())
    }

    fn cell(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", |cell| cell.trim())
    }
}

/// A table with its names.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Named {
    /// Empty where no row names the columns.
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    /// Cells of the page that hold text.
    pub(super) n_cells: u64,
}

/// Joins the header rows of a table.
pub(super) fn name(rows: Vec<Row>) -> Named {
    let n_cells = rows.iter().map(|row| row.n_cells).sum();
    let head = header_rows(&rows);
    let mut rows: Vec<Vec<String>> = rows.into_iter().map(|row| row.cells).collect();
    let head: Vec<Vec<String>> = rows.drain(head).collect();
    Named {
        header: join_header(&head),
        rows,
        n_cells,
    }
}

/// The rows that name the columns; none where that is not clear.
fn header_rows(rows: &[Row]) -> std::ops::Range<usize> {
    let start = rows.iter().take_while(|row| row.cells.len() < 2).count();
    let Some((first, rest)) = rows.get(start..).and_then(<[Row]>::split_first) else {
        return 0..0;
    };
    let n_bold = rest.iter().filter(|row| row.is_bold).count();
    // Bold says something only where most rows are not.
    let is_bold = |row: &Row| row.is_bold && n_bold * 2 < rest.len();
    let n_amounts = |row: &Row| {
        let amounts = row
            .filled()
            .filter(|cell| is_number(cell) && !is_year(cell));
        amounts.count()
    };
    let is_named = looks_like_header(&first.cells)
        || is_bold(first)
            && first.filled().count() >= 2
            && n_amounts(first) * 2 <= first.cells.len();
    // Names are not among the values.
    let n_again = first.cells.iter().enumerate().filter(|(column, cell)| {
        let again = rest.last().map_or("", |last| last.cell(*column));
        !again.is_empty() && again == cell.trim()
    });
    let is_value = n_again.count() * 2 > first.filled().count();
    if rest.is_empty() || !is_named || is_value {
        return 0..0;
    }
    let n_columns = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
    let numeric: Vec<usize> = (0..n_columns)
        .filter(|&column| {
            let filled = || {
                rest.iter()
                    .map(|row| row.cell(column))
                    .filter(|c| !c.is_empty())
            };
            filled().filter(|cell| is_number(cell)).count() * 2 > filled().count()
        })
        .collect();
    // The last row stays: a table is more than its header.
    let last = (start + MAX_HEADER_ROWS).min(rows.len() - 1);
    let mut end = start + 1;
    while end < last {
        let (above, row) = (&rows[end - 1], &rows[end]);
        let has_label = !row.cell(0).is_empty() && row.cell(0) != above.cell(0);
        let n_filled = row.filled().count();
        if row.cells.len() < 2 || n_filled == 0 || n_amounts(row) > 0 {
            break;
        }
        let is_text =
            |column: &&usize| !row.cell(**column).is_empty() && !is_number(row.cell(**column));
        let names_numbers = numeric.iter().any(|column| is_text(&column))
            && numeric.iter().all(|&column| !is_year(row.cell(column)));
        let goes_on = is_bold(row) && is_bold(above) && (n_filled >= 2 || !has_label)
            || above.has_spans && (!has_label || names_numbers || above.cell(0).is_empty())
            || names_numbers && !has_label;
        if !goes_on {
            break;
        }
        end += 1;
    }
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cells parted by `|`; a row starts with `*` where it is bold, with `^` where it has spans.
    fn row(text: &str) -> Row {
        let cells = text.trim_start_matches(['*', '^']);
        Row {
            cells: cells
                .split('|')
                .map(|cell| cell.trim().to_owned())
                .collect(),
            is_bold: text.starts_with('*'),
            has_spans: text.trim_start_matches('*').starts_with('^'),
            n_cells: 1,
        }
    }

    fn header(rows: &[&str]) -> (String, usize) {
        let named = name(rows.iter().map(|text| row(text)).collect());
        (named.header.join(" | "), named.rows.len())
    }

    #[test]
    fn rows_that_name_columns_are_joined() {
        for (rows, expect, n_rows) in [
            (
                &["Port|Cars|People", "Lund|7|30"][..],
                "Port | Cars | People",
                1,
            ),
            // Under a cell that spans columns.
            (
                &[
                    "^Port|2024|2024|2025",
                    "Port|Cars|People|Cars",
                    "Lund|7|30|8",
                    "Malm|1|2|3",
                ],
                "Port | 2024 / Cars | 2024 / People | 2025 / Cars",
                2,
            ),
            (
                &["^|Cars|Cars", "Port|2023|2024", "Lund|7|30", "Malm|8|31"],
                "Port | Cars / 2023 | Cars / 2024",
                2,
            ),
            // Units, without a label.
            (
                &["Port|Cars|Weight", "|(1,000)|kg", "Lund|7|30", "Malm|8|31"],
                "Port | Cars | Weight",
                3,
            ),
            (
                &["Port|Cars|Weight", "|thousand|kg", "Lund|7|30", "Malm|8|31"],
                "Port | Cars / thousand | Weight / kg",
                2,
            ),
            // Bold, over text.
            (
                &[
                    "*Who|What",
                    "*(name)|(of it)",
                    "Ann|a long text",
                    "Bob|another",
                    "Cal|none",
                ],
                "Who / (name) | What / (of it)",
                3,
            ),
            (&["*Group|1|2", "North|7|8", "South|8|9", "East|1|1"], "", 4),
            (
                &["*Group|0-4|Sum", "North|7|8", "South|8|9"],
                "Group | 0-4 | Sum",
                2,
            ),
            // A title stays in the body.
            (&["Traffic", "Port|Cars", "Lund|7"], "Port | Cars", 2),
        ] {
            assert_eq!(header(rows), (expect.to_owned(), n_rows), "{rows:?}");
        }
    }

    #[test]
    fn rows_of_the_body_stay_there() {
        for rows in [
            // A missing value, a group, a text table, a merged label.
            &["Port|Cars", "Oslo|n/a", "Lund|7", "Malm|8"][..],
            &["*Port|Cars", "*North|", "Lund|7", "Malm|8", "Oslo|9"],
            &["Name|Where", "Ann|here", "|there", "Bob|elsewhere"],
            &["^Name|Contact|Contact", "Ann|mail|phone", "Bob|mail|none"],
            &["^Site|Counts|Counts", "North|1|2", "North|3|4"],
            &["Port|Cars", "Lund|2024"],
            &["A|B", "C|D"],
        ] {
            let named = name(rows.iter().map(|text| row(text)).collect());
            assert_eq!(named.header, row(rows[0]).cells, "{rows:?}");
            assert_eq!(named.rows.len(), rows.len() - 1, "{rows:?}");
        }
        assert_eq!(header(&["7|8", "Lund|9"]), (String::new(), 2));
        assert_eq!(header(&["y|Women|*", "y|Men|*"]), (String::new(), 2));
        assert_eq!(header(&["Alone|here"]), (String::new(), 1));
        assert_eq!(header(&[]), (String::new(), 0));
    }
}
