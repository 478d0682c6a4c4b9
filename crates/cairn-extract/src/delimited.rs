//! CSV and TSV to table elements. The delimiter is the one that gives the most even rows.

use crate::builder::Builder;
use crate::detect::MediaType;
use crate::table::{Table, push_table};
use crate::text::decode;
use cairn_types::WarningCode;

/// Bytes from the start that the choice of delimiter looks at.
const SNIFF_BYTES: usize = 64 << 10;

/// Reads delimited values. Rows of other lengths than the first are kept as they are.
pub(crate) fn read(media_type: MediaType, bytes: &[u8], builder: &mut Builder) {
    let decoded = decode(bytes);
    decoded.note(builder);
    let mut text = decoded.text.as_str();
    // Excel writes the delimiter as a first line of its own.
    let mut delimiter = None;
    if let Some(rest) = text.strip_prefix("sep=")
        && let Some(d) = rest.bytes().next().filter(u8::is_ascii_punctuation)
        && let Some(body) = rest[1..].strip_prefix('\n')
    {
        (delimiter, text) = (Some(d), body);
    }
    let delimiter = delimiter.unwrap_or_else(|| {
        if media_type == MediaType::Tsv && text.contains('\t') {
            b'\t'
        } else {
            sniff(text)
        }
    });
    let mut table = Table::default();
    let (rows, n_bad) = rows(text, delimiter);
    table.rows = rows;
    if n_bad > 0 {
        builder.warn(
            WarningCode::Unreadable,
            None,
            format!("{n_bad} rows could not be read"),
        );
    }
    table.guess_header();
    push_table(builder, &table);
}

fn rows(text: &str, delimiter: u8) -> (Vec<Vec<String>>, usize) {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    let mut n_bad = 0;
    for record in reader.records() {
        match record {
            Ok(record) => rows.push(record.iter().map(str::to_owned).collect()),
            Err(_) => n_bad += 1,
        }
    }
    (rows, n_bad)
}

/// Of the usual delimiters the one with which most rows have the same number (over one) of columns.
fn sniff(text: &str) -> u8 {
    let mut end = text.len().min(SNIFF_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let head = &text[..end];
    let mut best = (0, b',');
    for delimiter in [b',', b';', b'\t', b'|', b':'] {
        if delimiter == b':' && best.0 > 0 {
            continue;
        }
        let (mut rows, _) = rows(head, delimiter);
        if end < text.len() {
            rows.pop();
        }
        let mut counts = std::collections::HashMap::new();
        for row in &rows {
            *counts.entry(row.len()).or_insert(0usize) += 1;
        }
        let score = counts
            .into_iter()
            .filter(|&(n_cols, _)| n_cols > 1)
            .map(|(n_cols, n_rows)| n_rows * 100 / rows.len().max(1) * 100 + n_cols.min(99))
            .max()
            .unwrap_or(0);
        if score > best.0 {
            best = (score, delimiter);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(media_type: MediaType, input: &str) -> Vec<String> {
        let mut builder = Builder::new(1000);
        read(media_type, input.as_bytes(), &mut builder);
        builder.body().map(|e| e.text.clone()).collect()
    }

    #[test]
    fn delimiters_are_found() {
        let cases = [
            (
                "Name,City\n\"Doe, Anna\",Bonn\n",
                "Name | City\nDoe, Anna | Bonn",
            ),
            (
                "Name;Betrag\nA;1,50\nB;2,50\n",
                "Name | Betrag\nA | 1,50\nB | 2,50",
            ),
            ("a\tb\n1\t2\n", "a | b\n1 | 2"),
            ("sep=|\na|b\n1|2\n", "a | b\n1 | 2"),
            ("Note\n\"two\nlines\"\n", "Note\ntwo lines"),
            ("only one column\nof text\n", "only one column\nof text"),
        ];
        for (input, expect) in cases {
            assert_eq!(texts(MediaType::Csv, input), [expect], "{input}");
        }
        assert_eq!(texts(MediaType::Tsv, "a\tb;c\n1\t2\n"), ["a | b;c\n1 | 2"]);
    }

    proptest! {
        #[test]
        fn never_panics(input in "[a-c,;|\t\"\n é0-9]{0,200}") {
            texts(MediaType::Csv, &input);
        }
    }
}
