//! The descriptor of a table: what it holds as a whole, in a few sentences.
//!
//! Computed by Cairn from the cells that are shown, so that a question about the whole (how many, in total, the
//! largest, since when) finds something: no single row says it. Rows of totals are not counted twice. Sums are exact.
//! Deterministic; O(cells) time, bounded memory, at most about [`MAX_CHARS`] characters.

use std::collections::HashSet;

use super::Table;
use super::amount::{Amount, DayOrder, Decimal, Shape, day_key, day_order, write};
use super::totals::{is_code, is_total, may_be_total};
use crate::text::collapse;

/// Rows of data of a table whose columns are described one by one.
const MIN_ROWS: usize = 3;
/// Where the descriptor ends; what is left is counted in its last sentence. About half a chunk.
const MAX_CHARS: usize = 600;
/// Characters of the list of columns.
const MAX_NAMES: usize = 200;
/// Characters of one cell or name within the descriptor.
const MAX_CELL: usize = 40;
/// Columns that are looked at.
const MAX_COLUMNS: usize = 100;
/// Different values of a column that are counted.
const MAX_DISTINCT: usize = 10_000;
/// Different values of a column that are listed.
const MAX_LISTED: usize = 8;

/// The descriptor of a table that has a header and a row of data, or columns of numbers. What has neither header nor
/// numbers is a grid for looks or a list. Of a small table it only says what it is about: it stands whole in one chunk,
/// where sentences on each column would repeat it.
pub(super) fn summarize(table: &Table) -> Option<String> {
    let rows: Vec<&[String]> = table
        .rows
        .iter()
        .map(Vec::as_slice)
        .filter(|row| row.iter().any(|cell| !cell.trim().is_empty()))
        .collect();
    let n_columns = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    let n_columns = n_columns.max(table.header.len());
    let has_header = table.header.iter().any(|cell| !cell.trim().is_empty());
    let (data, totals) = without_totals(&rows, n_columns);
    if n_columns < 2 || data.len() < MIN_ROWS {
        let is_described = has_header && !rows.is_empty();
        return is_described.then(|| describe_small(table, &rows, &data, &totals, n_columns));
    }
    let decimal = table_decimal(&data, n_columns);
    let columns: Vec<Column<'_>> = (0..n_columns.min(MAX_COLUMNS))
        .map(|at| Column::of(&data, at, name(table, at), decimal))
        .collect();
    let has_numbers = columns.iter().any(|c| matches!(c.kind, Kind::Numbers(_)));
    if !has_header && !has_numbers {
        return None;
    }
    let mut text = head(table, data.len(), n_columns);
    push_notes(&mut text, table, &totals);
    let keys = Keys::of(&data, &columns);
    let mut n_left = n_columns - columns.len();
    let mut is_full = false;
    let mut n_chars = text.chars().count();
    for column in &columns {
        let Some(sentence) = column.describe(&data, &keys) else {
            continue;
        };
        let n = sentence.chars().count() + 1;
        if is_full || n_chars + n > MAX_CHARS {
            is_full = true;
            n_left += 1;
            continue;
        }
        n_chars += n;
        text.push(' ');
        text.push_str(&sentence);
    }
    if n_left > 0 {
        text.push_str(&format!(" {n_left} more columns are not described here."));
    }
    Some(text)
}

/// What a small table is about: its columns and how many rows it has.
fn describe_small(
    table: &Table,
    rows: &[&[String]],
    data: &[&[String]],
    totals: &[String],
    n_columns: usize,
) -> String {
    // A table of nothing but totals is about them.
    let is_all_totals = data.is_empty();
    let n_rows = if is_all_totals {
        rows.len()
    } else {
        data.len()
    };
    let mut text = head(table, n_rows, n_columns);
    push_notes(&mut text, table, if is_all_totals { &[] } else { totals });
    text
}

fn push_notes(text: &mut String, table: &Table, totals: &[String]) {
    if let Some(note) = &table.note {
        text.push(' ');
        text.push_str(note);
    }
    if !totals.is_empty() {
        text.push_str(&totals_note(totals));
    }
}

fn cell(row: &[String], at: usize) -> &str {
    row.get(at).map_or("", |cell| cell.trim())
}

fn short(text: &str) -> String {
    let text = collapse(text);
    if text.chars().count() <= MAX_CELL {
        return text;
    }
    let cut: String = text.chars().take(MAX_CELL - 1).collect();
    format!("{}…", cut.trim_end())
}

fn name(table: &Table, at: usize) -> String {
    let name = table.header.get(at).map_or("", |name| name.trim());
    if name.is_empty() {
        format!("column {}", at + 1)
    } else {
        short(name)
    }
}

fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

fn head(table: &Table, n_rows: usize, n_columns: usize) -> String {
    let mut text = String::from("Table");
    if let Some(label) = &table.label {
        text.push_str(&format!(" “{}”", short(label)));
    }
    if let Some(page) = table.page {
        text.push_str(&format!(" on page {page}"));
    }
    let rows = count(n_rows, "row", "rows");
    let columns = count(n_columns, "column", "columns");
    text.push_str(&format!(": {rows}, {columns}"));
    if table.header.iter().all(|cell| cell.trim().is_empty()) {
        text.push_str(" without names.");
        return text;
    }
    let mut names = String::new();
    let mut n_named = 0;
    for name in (0..n_columns.min(MAX_COLUMNS)).map(|at| name(table, at)) {
        if n_named > 0 && names.chars().count() + name.chars().count() > MAX_NAMES {
            break;
        }
        names.push_str(if n_named > 0 { ", " } else { "" });
        names.push_str(&name);
        n_named += 1;
    }
    text.push_str(": ");
    text.push_str(&names);
    if n_named < n_columns {
        text.push_str(&format!(" and {} more", n_columns - n_named));
    }
    text.push('.');
    text
}

fn totals_note(totals: &[String]) -> String {
    let mut names: Vec<String> = Vec::new();
    for label in totals {
        let label = format!("“{}”", short(label));
        if label.len() > "“”".len() && !names.contains(&label) && names.len() < 3 {
            names.push(label);
        }
    }
    let rows = count(totals.len(), "row", "rows");
    let names = if names.is_empty() {
        String::new()
    } else {
        format!(" ({})", names.join(", "))
    };
    format!(" Not counted: {rows} of totals{names}.")
}

/// The rows of data, and the labels of the rows that sum them up.
fn without_totals<'a>(rows: &[&'a [String]], n_columns: usize) -> (Vec<&'a [String]>, Vec<String>) {
    let label = |row: &[String]| {
        let mut cells = row.iter().map(|cell| cell.trim());
        cells.find(|cell| !cell.is_empty()).unwrap_or("").to_owned()
    };
    let has_labels = rows.iter().filter(|row| !cell(row, 0).is_empty()).count() * 2 > rows.len();
    let mut data: Vec<&[String]> = Vec::with_capacity(rows.len());
    let mut totals = Vec::new();
    let mut candidates: Vec<&[String]> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let label = label(row);
        let is_unlabelled = has_labels && at + 1 == rows.len() && cell(row, 0).is_empty();
        if is_total(&label) {
            totals.push(label);
        } else if may_be_total(&label) || is_unlabelled {
            candidates.push(row);
        } else {
            data.push(row);
        }
    }
    if candidates.is_empty() || candidates.len() * 4 > rows.len() {
        // So many rows named for totals are what the table is about.
        return if candidates.is_empty() {
            (data, totals)
        } else {
            let all = rows.iter().filter(|row| !is_total(&label(row)));
            (all.copied().collect(), totals)
        };
    }
    // A label that only begins like one is a total where a number of its row is the sum of the others.
    let decimal = table_decimal(&data, n_columns);
    let mut is_sum = vec![false; candidates.len()];
    for at in 0..n_columns.min(MAX_COLUMNS) {
        let column = Column::of(&data, at, String::new(), decimal);
        let Kind::Numbers(numbers) = &column.kind else {
            continue;
        };
        let Some(total) = numbers.total.filter(|_| numbers.n >= 2) else {
            continue;
        };
        for (row, is_sum) in candidates.iter().zip(&mut is_sum) {
            let value = Shape::of(cell(row, at)).and_then(|s| s.value(numbers.decimal));
            *is_sum |= value.and_then(|v| v.with_scale(numbers.scale.max(v.scale)))
                == Amount {
                    units: total,
                    scale: numbers.scale,
                }
                .with_scale(numbers.scale.max(value.map_or(0, |v| v.scale)));
        }
    }
    let sums: HashSet<*const String> = candidates
        .iter()
        .zip(&is_sum)
        .filter(|(_, is_sum)| **is_sum)
        .map(|(row, _)| row.as_ptr())
        .collect();
    let data = rows
        .iter()
        .filter(|row| !is_total(&label(row)) && !sums.contains(&row.as_ptr()));
    let data = data.copied().collect();
    let is_sum = |row: &&&[String]| sums.contains(&row.as_ptr());
    totals.extend(
        candidates
            .iter()
            .filter(is_sum)
            .map(|row| cell(row, 0).to_owned()),
    );
    (data, totals)
}

/// The decimal mark that most cells of the table show.
fn table_decimal(rows: &[&[String]], n_columns: usize) -> Option<Decimal> {
    let cells = rows.iter().flat_map(|row| row.iter().take(n_columns));
    majority(cells.filter_map(|cell| Shape::of(cell)?.evidence()))
}

fn majority(found: impl Iterator<Item = Decimal>) -> Option<Decimal> {
    let (mut n_points, mut n_commas) = (0usize, 0usize);
    for decimal in found {
        match decimal {
            Decimal::Point => n_points += 1,
            Decimal::Comma => n_commas += 1,
        }
    }
    match n_points.cmp(&n_commas) {
        std::cmp::Ordering::Greater => Some(Decimal::Point),
        std::cmp::Ordering::Less => Some(Decimal::Comma),
        std::cmp::Ordering::Equal => None,
    }
}

struct Column<'a> {
    at: usize,
    name: String,
    n_filled: usize,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Numbers(Numbers<'a>),
    /// Rows of the first and the last day.
    Days {
        first: usize,
        last: usize,
    },
    Texts(Texts<'a>),
    Empty,
}

struct Numbers<'a> {
    n: usize,
    decimal: Decimal,
    group: Option<char>,
    prefix: &'a str,
    suffix: &'a str,
    scale: u32,
    /// With `scale` decimals; none beyond the range.
    total: Option<i128>,
    /// Rows of the smallest and the largest, the first of equals.
    smallest: usize,
    largest: usize,
    is_one_value: bool,
    /// Whether a sum of the values means something: not of names and percentages.
    adds_up: bool,
    /// Whether the numbers are names: codes, years, numbers of rows. They have no mean either.
    is_name: bool,
}

struct Texts<'a> {
    /// In the order of their first appearance, up to a limit.
    listed: Vec<&'a str>,
    n_distinct: usize,
}

impl<'a> Column<'a> {
    fn of(rows: &[&'a [String]], at: usize, name: String, table: Option<Decimal>) -> Self {
        let filled: Vec<(usize, &'a str)> = rows
            .iter()
            .enumerate()
            .map(|(row, cells)| (row, cell(cells, at)))
            .filter(|(_, cell)| !cell.is_empty())
            .collect();
        let kind = if filled.is_empty() {
            Kind::Empty
        } else if let Some(days) = days(&filled) {
            days
        } else if let Some(numbers) = numbers(&filled, at, &name, table) {
            Kind::Numbers(numbers)
        } else {
            Kind::Texts(texts(&filled))
        };
        Self {
            at,
            name,
            n_filled: filled.len(),
            kind,
        }
    }

    fn describe(&self, rows: &[&[String]], keys: &Keys) -> Option<String> {
        let name = &self.name;
        let shown = |row: usize| short(cell(rows[row], self.at));
        match &self.kind {
            Kind::Empty => None,
            Kind::Days { first, last } => {
                let (first, last) = (shown(*first), shown(*last));
                Some(if first == last {
                    format!("{name}: always {first}.")
                } else {
                    format!("{name}: {first} to {last}.")
                })
            }
            Kind::Texts(texts) if texts.n_distinct > MAX_LISTED => {
                let over = if texts.n_distinct >= MAX_DISTINCT {
                    "at least "
                } else {
                    ""
                };
                Some(format!(
                    "{name}: {over}{} different values.",
                    texts.n_distinct
                ))
            }
            Kind::Texts(texts) => {
                let values: Vec<String> = texts.listed.iter().map(|v| short(v)).collect();
                let values = values.join(", ");
                Some(match texts.n_distinct {
                    1 => format!("{name}: always {values}."),
                    // So few rows stand together in one piece; a list of what each is called would only make their
                    // names less telling in a search.
                    n if n == self.n_filled || values.chars().count() > 120 => {
                        format!("{name}: {n} different values.")
                    }
                    n => format!("{name}: {n} different values: {values}."),
                })
            }
            Kind::Numbers(numbers) => {
                let mut parts = Vec::new();
                if let Some(total) = numbers.total.filter(|_| numbers.adds_up) {
                    parts.push(format!("total {}", numbers.write(total, numbers.scale)));
                }
                if numbers.is_one_value {
                    parts.push(format!("always {}", shown(numbers.smallest)));
                } else {
                    for (what, row) in
                        [("smallest", numbers.smallest), ("largest", numbers.largest)]
                    {
                        let key = keys.of_row(rows, row, self.at);
                        parts.push(format!("{what} {}{key}", shown(row)));
                    }
                    if !numbers.is_name {
                        parts.extend(numbers.mean().map(|mean| format!("mean {mean}")));
                    }
                }
                if numbers.n < self.n_filled {
                    let n = self.n_filled - numbers.n;
                    parts.push(count(n, "cell without a number", "cells without a number"));
                }
                if self.n_filled < rows.len() {
                    parts.push(count(
                        rows.len() - self.n_filled,
                        "cell empty",
                        "cells empty",
                    ));
                }
                Some(format!("{name}: {}.", parts.join(", ")))
            }
        }
    }
}

impl Numbers<'_> {
    fn write(&self, units: i128, scale: u32) -> String {
        let text = write(units, scale, self.decimal, self.group);
        let (sign, digits) = text
            .strip_prefix('-')
            .map_or(("", text.as_str()), |d| ("-", d));
        format!("{sign}{}{digits}{}", self.prefix, self.suffix)
    }

    /// The mean with up to two decimals more than the values, rounded half away from zero.
    fn mean(&self) -> Option<String> {
        let n = i128::try_from(self.n).ok()?;
        let more = if self.scale == 0 { 1 } else { 0 };
        let sum = self.total?.checked_mul(10i128.checked_pow(more)?)?;
        let half = if sum < 0 { -n / 2 } else { n / 2 };
        let mut units = sum.checked_add(half)? / n;
        let mut scale = self.scale + more;
        if more == 1 && units % 10 == 0 {
            (units, scale) = (units / 10, 0);
        }
        Some(self.write(units, scale))
    }
}

fn is_year(cell: &str) -> bool {
    cell.len() == 4
        && cell
            .parse::<u32>()
            .is_ok_and(|year| (1800..2200).contains(&year))
}

/// Whether each value is one more than that of the row before: such numbers in the first
/// column name rows.
fn counts_rows(values: &[(i128, usize)]) -> bool {
    values.len() >= MIN_ROWS
        && values.is_sorted_by(|(one, _), (next, _)| one.checked_add(1) == Some(*next))
}

/// Four of five cells: some tables write `n/a` or a remark between their values.
const fn is_most(n: usize, of: usize) -> bool {
    n >= 2 && n * 5 >= of * 4
}

fn days<'a>(filled: &[(usize, &'a str)]) -> Option<Kind<'a>> {
    let order: DayOrder = day_order(filled.iter().map(|(_, cell)| *cell));
    let keys: Vec<(u64, usize)> = filled
        .iter()
        .filter_map(|(row, cell)| Some((day_key(cell, order)?, *row)))
        .collect();
    if !is_most(keys.len(), filled.len()) {
        return None;
    }
    let first = keys.iter().min_by_key(|(key, row)| (*key, *row))?.1;
    let last = keys
        .iter()
        .max_by_key(|(key, row)| (*key, std::cmp::Reverse(*row)))?
        .1;
    Some(Kind::Days { first, last })
}

fn numbers<'a>(
    filled: &[(usize, &'a str)],
    at: usize,
    name: &str,
    table: Option<Decimal>,
) -> Option<Numbers<'a>> {
    let shapes: Vec<(usize, Shape<'a>)> = filled
        .iter()
        .filter_map(|(row, cell)| Some((*row, Shape::of(cell)?)))
        .collect();
    if !is_most(shapes.len(), filled.len()) {
        return None;
    }
    let own = majority(shapes.iter().filter_map(|(_, shape)| shape.evidence()));
    let decimal = own.or(table).unwrap_or(Decimal::Point);
    let (_, first) = *shapes.first()?;
    let unit = |shape: &Shape<'a>| (shape.prefix.trim(), shape.suffix.trim());
    let values: Vec<(usize, Amount, Shape<'a>)> = shapes
        .into_iter()
        .filter(|(_, shape)| unit(shape) == unit(&first))
        .filter_map(|(row, shape)| Some((row, shape.value(decimal)?, shape)))
        .collect();
    // Amounts in different currencies or units have no sum, no smallest and no largest.
    if !is_most(values.len(), filled.len()) {
        return None;
    }
    let scale = values.iter().map(|(_, amount, _)| amount.scale).max()?;
    let mut total = Some(0i128);
    let mut scaled = Vec::with_capacity(values.len());
    for (row, amount, _) in &values {
        let units = amount.with_scale(scale)?;
        total = total.and_then(|total| total.checked_add(units));
        scaled.push((units, *row));
    }
    let smallest = *scaled.iter().min_by_key(|(units, row)| (*units, *row))?;
    let largest = *scaled
        .iter()
        .max_by_key(|(units, row)| (*units, std::cmp::Reverse(*row)))?;
    let is_percent = first.suffix.contains(['%', '‰']) || name.contains('%');
    let is_whole = scale == 0;
    let all_years = is_whole && filled.iter().all(|(_, cell)| is_year(cell));
    let is_name = all_years || (is_whole && (is_code(name) || (at == 0 && counts_rows(&scaled))));
    Some(Numbers {
        n: values.len(),
        decimal,
        group: values
            .iter()
            .find_map(|(_, _, shape)| shape.group_mark(decimal)),
        prefix: first.prefix,
        suffix: first.suffix,
        scale,
        total,
        smallest: smallest.1,
        largest: largest.1,
        is_one_value: smallest.0 == largest.0,
        adds_up: !is_percent && !is_name,
        is_name,
    })
}

fn texts<'a>(filled: &[(usize, &'a str)]) -> Texts<'a> {
    let mut seen: HashSet<&str> = HashSet::new();
    let mut listed = Vec::new();
    for (_, cell) in filled {
        if seen.len() < MAX_DISTINCT && seen.insert(cell) && listed.len() < MAX_LISTED {
            listed.push(*cell);
        }
    }
    Texts {
        listed,
        n_distinct: seen.len(),
    }
}

/// The columns that name a row: the first with texts or days, and a second one where the first repeats itself.
struct Keys {
    columns: Vec<usize>,
}

impl Keys {
    fn of(rows: &[&[String]], columns: &[Column<'_>]) -> Self {
        let mut naming = columns.iter().filter(|column| match &column.kind {
            Kind::Texts(texts) => texts.n_distinct > 1,
            Kind::Days { .. } => true,
            Kind::Numbers(numbers) => {
                !numbers.adds_up && numbers.n == column.n_filled && !numbers.suffix.contains('%')
            }
            Kind::Empty => false,
        });
        let mut found: Vec<usize> = naming.next().map(|column| column.at).into_iter().collect();
        if let Some(&first) = found.first() {
            let mut seen = HashSet::new();
            if !rows.iter().all(|row| seen.insert(cell(row, first))) {
                found.extend(naming.next().map(|column| column.at));
            }
        }
        Self { columns: found }
    }

    fn of_row(&self, rows: &[&[String]], row: usize, but: usize) -> String {
        let parts: Vec<String> = self
            .columns
            .iter()
            .filter(|at| **at != but)
            .map(|at| short(cell(rows[row], *at)))
            .filter(|text| !text.is_empty())
            .collect();
        if parts.is_empty() {
            String::new()
        } else {
            format!(" ({})", parts.join(", "))
        }
    }
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
