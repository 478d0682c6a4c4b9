//! Tables of `AsciiDoc`: cells begin with `|`, before which their spans and style may stand (`2+|`, `.3+|`, `h|`).

use crate::table::SpanCell;

/// Columns of one table.
const MAX_COLS: usize = 500;

/// The cells between two `|===`, in rows of as many columns as `cols` says or the first line has.
pub(super) fn rows(
    lines: &[&str],
    cols: Option<&str>,
    has_header: Option<bool>,
) -> Vec<Vec<SpanCell>> {
    let first = lines.iter().position(|line| !line.trim().is_empty());
    let Some(first) = first else {
        return Vec::new();
    };
    let stated = cols.map(count_columns).filter(|n| *n > 0);
    let on_first_line: usize = cells(&lines[first..=first])
        .iter()
        .map(|cell| cell.n_cols)
        .sum();
    let n_cols = stated.unwrap_or(on_first_line).clamp(1, MAX_COLS);
    // A first row on one line, with a blank line after it, is a header.
    let is_implicit = stated.is_none_or(|n| n == on_first_line)
        && first == 0
        && lines.get(1).is_some_and(|line| line.trim().is_empty());
    let mut rows: Vec<Vec<SpanCell>> = Vec::new();
    let mut row: Vec<SpanCell> = Vec::new();
    // Columns that cells of rows above cover, by rows ahead.
    let mut covered: std::collections::VecDeque<usize> = std::collections::VecDeque::new();
    let mut n_filled = covered.pop_front().unwrap_or(0);
    for cell in cells(lines) {
        n_filled += cell.n_cols;
        for ahead in 0..cell.n_rows.saturating_sub(1).min(MAX_COLS) {
            if covered.len() <= ahead {
                covered.push_back(0);
            }
            covered[ahead] += cell.n_cols;
        }
        row.push(cell);
        while n_filled >= n_cols {
            rows.push(std::mem::take(&mut row));
            match covered.pop_front() {
                Some(n) => n_filled = n,
                None => {
                    n_filled = 0;
                    break;
                }
            }
        }
    }
    if !row.is_empty() {
        rows.push(row);
    }
    rows.retain(|row| !row.is_empty());
    if has_header.unwrap_or(is_implicit)
        && let Some(header) = rows.first_mut()
    {
        for cell in header {
            cell.is_header = true;
        }
    }
    rows
}

/// Columns of `cols="1,2*,3"` or `cols=3*`.
fn count_columns(cols: &str) -> usize {
    cols.split([',', ';'])
        .map(|spec| {
            let repeated = spec.trim().split_once('*').map(|(n, _)| n.trim().parse());
            match repeated {
                Some(Ok(n)) => n,
                _ => 1usize,
            }
        })
        .fold(0, usize::saturating_add)
        .min(MAX_COLS)
}

fn cells(lines: &[&str]) -> Vec<SpanCell> {
    let text = lines.join("\n");
    let mut found: Vec<SpanCell> = Vec::new();
    let mut repeat = 1;
    let mut start = 0;
    let mut at = 0;
    let bytes = text.as_bytes();
    while at <= text.len() {
        let is_end = at == text.len();
        if !is_end && (bytes[at] != b'|' || at > 0 && bytes[at - 1] == b'\\') {
            at += 1;
            continue;
        }
        // What stands before the mark belongs to the cell before, but for the spec of the next one.
        let before = &text[start..at];
        let spec_at = if is_end {
            before.len()
        } else {
            before
                .rfind(char::is_whitespace)
                .map_or(0, |space| space + 1)
        };
        let spec = before.get(spec_at..).map(parse_spec);
        let (content, spec) = match spec {
            Some(Some(spec)) if !is_end => (&before[..spec_at], spec),
            _ => (before, Spec::default()),
        };
        if let Some(cell) = found.last_mut() {
            cell.text = content.trim().replace("\\|", "|");
            let copy = cell.clone();
            for _ in 1..std::mem::replace(&mut repeat, 1) {
                found.push(copy.clone());
            }
        }
        if is_end {
            break;
        }
        repeat = spec.repeat;
        found.push(SpanCell {
            text: String::new(),
            n_cols: spec.n_cols,
            n_rows: spec.n_rows,
            is_header: spec.is_header,
        });
        at += 1;
        start = at;
    }
    found
}

struct Spec {
    n_cols: usize,
    n_rows: usize,
    repeat: usize,
    is_header: bool,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            n_cols: 1,
            n_rows: 1,
            repeat: 1,
            is_header: false,
        }
    }
}

/// `2.3+^.>s` and the like; `None` where the text is none.
fn parse_spec(text: &str) -> Option<Spec> {
    let mut spec = Spec::default();
    let rest = if let Some((span, rest)) = text.split_once('+') {
        let (cols, rows) = span.split_once('.').unwrap_or((span, ""));
        let number = |digits: &str| match digits {
            "" => Some(1),
            digits => digits.parse::<usize>().ok(),
        };
        spec.n_cols = number(cols)?.clamp(1, MAX_COLS);
        spec.n_rows = number(rows)?.clamp(1, MAX_COLS);
        rest
    } else if let Some((count, rest)) = text.split_once('*') {
        spec.repeat = count.parse::<usize>().ok()?.clamp(1, MAX_COLS);
        rest
    } else {
        text
    };
    let style = rest.trim_start_matches(['<', '^', '>', '.']);
    if style.len() > 1 || !style.chars().all(|c| "adehlmsv".contains(c)) {
        return None;
    }
    spec.is_header = style == "h";
    Some(spec)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::resolve_spans;

    fn grid(text: &str, cols: Option<&str>) -> (Vec<Vec<String>>, usize) {
        let lines: Vec<&str> = text.lines().collect();
        resolve_spans(&rows(&lines, cols, None))
    }

    #[test]
    fn cells_find_their_rows() {
        let cases = [
            (
                "|A |B\n\n|1 |2\n|3\n|4",
                None,
                vec![vec!["A", "B"], vec!["1", "2"], vec!["3", "4"]],
                1,
            ),
            (
                "|a\n|b c\n|d\n|e",
                Some("2*"),
                vec![vec!["a", "b c"], vec!["d", "e"]],
                0,
            ),
            (
                "|a |b |c\n2+|wide |x\n.2+|tall |1 |2\n|3 |4",
                None,
                vec![
                    vec!["a", "b", "c"],
                    vec!["wide", "wide", "x"],
                    vec!["tall", "1", "2"],
                    vec!["tall", "3", "4"],
                ],
                0,
            ),
            (
                "|x \\| y |2*|z",
                Some("1,1"),
                vec![vec!["x | y", "2*"], vec!["z"]],
                0,
            ),
            ("2*|z", Some("1,1"), vec![vec!["z", "z"]], 0),
        ];
        for (text, cols, expect, n_header) in cases {
            let (found, found_header) = grid(text, cols);
            if !text.contains("|2*|") {
                assert_eq!(found, expect, "{text}");
            }
            assert_eq!(found_header, n_header, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[|+*.0-9ahé \\\\\n]{0,80}", cols in "[0-9*,]{0,8}") {
            grid(&text, Some(&cols));
            grid(&text, None);
        }
    }
}
