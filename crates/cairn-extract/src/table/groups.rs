//! How a table's rows are cut into pieces that each fit a chunk with the header on top.
//!
//! A piece never ends within a row unless the row alone is too long: then it is cut between cells, and each part
//! begins with the row's first cell. Wide tables are cut into bands of columns the same way. A cell longer than a
//! piece stays whole; the chunker cuts it, and says under which columns it stands.

use super::Table;

/// Tokens of one piece with its header, by [`weight`]. The chunker's default leaves 206 for text after title and
/// heading path; the rest is what the estimate may be wrong by.
const MAX_WEIGHT: usize = 160;
/// Rows of one piece. A guess: a passage of many short rows says less about each.
const MAX_ROWS: usize = 25;
/// A first cell that weighs more is no name that can be repeated.
const MAX_KEY: usize = 40;
/// Below this many columns a long row is cut by itself; above, all rows at the same columns.
const MIN_BAND_COLUMNS: usize = 9;
/// Rows that the width of a column is estimated from.
const N_SAMPLE: usize = 200;

/// One piece: which columns, and the rows with these columns only. No columns stands for all of them.
pub(super) struct Piece<'a> {
    pub(super) columns: &'a [usize],
    pub(super) rows: &'a [Vec<String>],
    /// The column that stands in an earlier piece and is repeated here to name the rows.
    pub(super) key: Option<usize>,
}

impl Piece<'_> {
    /// Whether a row says something here beside its repeated name.
    pub(super) fn holds(&self, row: &[String]) -> bool {
        let is_filled = |at: usize| Some(at) != self.key && !cell(row, at).trim().is_empty();
        if self.columns.is_empty() {
            (0..row.len()).any(is_filled)
        } else {
            self.columns.iter().any(|at| is_filled(*at))
        }
    }
}

/// Calls `push` with each piece in order.
pub(super) fn pieces(table: &Table, push: &mut impl FnMut(Piece<'_>)) {
    let bands = bands(table);
    if bands.is_empty() {
        band(table, &[], None, push);
    }
    for (at, columns) in bands.iter().enumerate() {
        let key = (at > 0 && columns[0] == 0).then_some(0);
        band(table, columns, key, push);
    }
}

/// Tokens that a subword model makes of `text`, roughly: short words are one, long ones and numbers several, and each
/// sign or character of a script without spaces is one.
pub(super) fn weight(text: &str) -> usize {
    let mut n = 0;
    let mut letters = 0usize;
    let mut digits = 0usize;
    for c in text.chars() {
        if c.is_ascii_digit() {
            n += usize::from(digits.is_multiple_of(2));
            digits += 1;
        } else {
            digits = 0;
        }
        if c.is_ascii_alphabetic() || (c.is_alphabetic() && c < '\u{2000}') {
            n += usize::from(letters.is_multiple_of(5));
            letters += 1;
        } else {
            letters = 0;
            n += usize::from(!c.is_whitespace() && !c.is_ascii_digit());
        }
    }
    n
}

fn cell(row: &[String], at: usize) -> &str {
    row.get(at).map_or("", String::as_str)
}

/// Weight of a cell and the mark before it.
fn cell_weight(row: &[String], at: usize) -> usize {
    weight(cell(row, at)) + 1
}

/// Groups of columns that fit a piece, each with the first one; none where all columns fit together.
fn bands(table: &Table) -> Vec<Vec<usize>> {
    let sample = &table.rows[..table.rows.len().min(N_SAMPLE)];
    let n_columns = sample.iter().map(Vec::len).max().unwrap_or(0);
    let n_columns = n_columns.max(table.header.len());
    if n_columns < MIN_BAND_COLUMNS {
        return Vec::new();
    }
    let cost = |at: usize| {
        let rows: usize = sample.iter().map(|row| cell_weight(row, at)).sum();
        cell_weight(&table.header, at) + rows.div_ceil(sample.len().max(1))
    };
    let costs: Vec<usize> = (0..n_columns).map(cost).collect();
    cut(&costs, 0, costs[0] <= 2 * MAX_KEY)
}

/// Cuts columns greedily; each part but the first begins with the column `key` where that is `repeated`.
fn cut(costs: &[usize], key: usize, is_repeated: bool) -> Vec<Vec<usize>> {
    if costs.iter().sum::<usize>() <= MAX_WEIGHT {
        return Vec::new();
    }
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut sum = 0;
    for (at, cost) in costs.iter().enumerate() {
        // The first part holds at least the key and one more.
        let n_least = if is_repeated { 2 } else { 1 };
        if open.len() >= n_least && sum + cost > MAX_WEIGHT {
            parts.push(std::mem::take(&mut open));
            sum = 0;
            if is_repeated {
                open.push(key);
                sum = costs[key];
            }
        }
        open.push(at);
        sum += cost;
    }
    parts.push(open);
    if parts.len() == 1 { Vec::new() } else { parts }
}

/// The pieces of one band. No columns stands for all of them.
fn band(table: &Table, columns: &[usize], key: Option<usize>, push: &mut impl FnMut(Piece<'_>)) {
    let n_columns = table.rows.iter().map(Vec::len).max().unwrap_or(0);
    let all: Vec<usize> = (0..n_columns.max(table.header.len())).collect();
    let inside = if columns.is_empty() { &all } else { columns };
    let of = |row: &[String]| {
        let is_filled = |at: &usize| !cell(row, *at).trim().is_empty();
        let n_shown = inside
            .iter()
            .rposition(is_filled)
            .map_or(0, |last| last + 1);
        let cells = inside[..n_shown].iter().map(|&at| cell_weight(row, at));
        cells.sum::<usize>()
    };
    let piece = |rows| Piece { columns, rows, key };
    let header = of(&table.header);
    if !table.rows.iter().any(|row| piece(&[]).holds(row)) {
        // Columns that only have names.
        push(piece(&[]));
        return;
    }
    let mut start = 0;
    let mut sum = header;
    for (at, row) in table.rows.iter().enumerate() {
        let n = of(row);
        let is_long = header + n > MAX_WEIGHT;
        if at > start && (at - start >= MAX_ROWS || sum + n > MAX_WEIGHT || is_long) {
            push(piece(&table.rows[start..at]));
            (start, sum) = (at, header);
        }
        sum += n;
        if is_long {
            long_row(table, inside, &piece(&table.rows[at..=at]), push);
            (start, sum) = (at + 1, header);
        }
    }
    if start < table.rows.len() {
        push(piece(&table.rows[start..]));
    }
}

/// A row that is too long for a piece, cut between its cells.
fn long_row(table: &Table, inside: &[usize], whole: &Piece<'_>, push: &mut impl FnMut(Piece<'_>)) {
    let row = &whole.rows[0];
    let is_filled = |at: &usize| !cell(row, *at).trim().is_empty();
    let filled: Vec<usize> = inside.iter().copied().filter(is_filled).collect();
    let costs: Vec<usize> = filled
        .iter()
        .map(|&at| cell_weight(&table.header, at) + cell_weight(row, at))
        .collect();
    let is_repeated = costs.len() > 1 && costs[0] <= 2 * MAX_KEY;
    let parts = cut(&costs, 0, is_repeated);
    if parts.is_empty() {
        push(Piece { ..*whole });
        return;
    }
    let mut parts: Vec<Vec<usize>> = parts
        .iter()
        .map(|part| part.iter().map(|&idx| filled[idx]).collect())
        .collect();
    // A column that is empty here stays where it has a name: that may stand nowhere else.
    for &at in inside {
        if cell(row, at).trim().is_empty() && !cell(&table.header, at).trim().is_empty() {
            // Not with the repeated name alone, which says nothing new and is not shown.
            let says = |column: &usize| Some(*column) != whole.key;
            let before = |part: &Vec<usize>| part.iter().any(|column| *column < at && says(column));
            let idx = parts
                .iter()
                .rposition(before)
                .or_else(|| parts.iter().position(|part| part.iter().any(says)))
                .unwrap_or(0);
            parts[idx].push(at);
            parts[idx].sort_unstable();
        }
    }
    for (idx, columns) in parts.iter().enumerate() {
        let is_repeat = idx > 0 && is_repeated;
        push(Piece {
            columns,
            rows: whole.rows,
            key: if is_repeat {
                filled.first().copied()
            } else {
                whole.key
            },
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(table: &Table) -> Vec<(Vec<usize>, usize)> {
        let mut out = Vec::new();
        pieces(table, &mut |piece| {
            out.push((piece.columns.to_vec(), piece.rows.len()))
        });
        out
    }

    fn text(n: usize) -> String {
        "word ".repeat(n)
    }

    #[test]
    fn rows_stay_whole_where_they_fit() {
        let table = Table {
            header: vec!["a".into(), "b".into()],
            rows: (0..60)
                .map(|n| vec![format!("name {n}"), n.to_string()])
                .collect(),
            ..Table::default()
        };
        let pieces = all(&table);
        assert!(
            pieces
                .iter()
                .all(|(columns, n)| columns.is_empty() && *n <= MAX_ROWS)
        );
        assert_eq!(pieces.iter().map(|(_, n)| n).sum::<usize>(), 60);
    }

    #[test]
    fn wide_tables_are_cut_into_bands_with_their_key() {
        let table = Table {
            header: (0..100).map(|n| format!("column {n}")).collect(),
            rows: (0..3)
                .map(|r| (0..100).map(|c| (r * c).to_string()).collect())
                .collect(),
            ..Table::default()
        };
        let pieces = all(&table);
        assert!(pieces.len() > 3);
        assert!(pieces.iter().all(|(columns, _)| columns[0] == 0));
        let mut seen: Vec<usize> = pieces.iter().flat_map(|(c, _)| c.clone()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 100);
    }

    #[test]
    fn long_rows_are_cut_between_cells() {
        let row = vec!["Pump".to_owned(), text(120), text(100), "5".to_owned()];
        let short = vec!["Fan".to_owned(), text(3), text(3), "6".to_owned()];
        let table = Table {
            header: ["Item", "Use", "Care", "Price"].map(str::to_owned).to_vec(),
            rows: vec![short.clone(), row, short],
            ..Table::default()
        };
        let expect = [
            (vec![], 1),
            (vec![0, 1], 1),
            (vec![0, 2, 3], 1),
            (vec![], 1),
        ];
        assert_eq!(all(&table), expect);
    }

    #[test]
    fn weights_are_near_those_of_a_model() {
        for (text, tokens) in [
            ("Region", 2),
            ("2024-01-31", 6),
            ("1,234.50", 6),
            ("日本語", 3),
            ("a b c", 3),
        ] {
            assert_eq!(weight(text), tokens, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_cell_is_in_a_piece(widths in prop::collection::vec(prop::collection::vec(0usize..200, 0..14), 0..8), n_header in 0usize..14) {
            let rows: Vec<Vec<String>> = widths.iter().map(|row| row.iter().map(|n| text(*n)).collect()).collect();
            let table = Table { header: vec!["h".into(); n_header], rows, ..Table::default() };
            let n_filled: usize = table.rows.iter().flatten().filter(|c| !c.is_empty()).count();
            let mut seen = std::collections::HashSet::new();
            pieces(&table, &mut |piece| {
                for row in piece.rows {
                    for (at, cell) in row.iter().enumerate() {
                        if !cell.is_empty() && (piece.columns.is_empty() || piece.columns.contains(&at)) {
                            seen.insert(cell.as_ptr());
                        }
                    }
                }
            });
            prop_assert_eq!(seen.len(), n_filled);
        }
    }
}
