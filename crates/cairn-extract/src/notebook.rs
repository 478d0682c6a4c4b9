//! Jupyter notebooks: cells in order, with the text of their outputs.
//!
//! nbformat 4 (`cells`) and 3 (`worksheets`). Markdown cells go through the Markdown reader, code is code in the kernel's
//! language, outputs are read in the richest form that holds text (table, Markdown, plain); the same output in other
//! forms is left out and counted, pictures are counted. Errors keep name, message and trace.

use cairn_types::WarningCode;
use serde_json::Value;

use crate::builder::{Builder, count_text};
use crate::code::push_code;
use crate::error::ExtractError;
use crate::text::{clean, decode};
use crate::{html, json, markdown};

/// Reads a notebook.
pub(crate) fn read(bytes: &[u8], builder: &mut Builder) -> Result<(), ExtractError> {
    let decoded = decode(bytes);
    let Ok(notebook) = serde_json::from_str::<Value>(decoded.text.trim()) else {
        return json::read(bytes, builder);
    };
    let has_cells = notebook.get("cells").is_some() || notebook.get("worksheets").is_some();
    if !has_cells {
        return json::read(bytes, builder);
    }
    decoded.note(builder);
    let metadata = &notebook["metadata"];
    builder.title = metadata["title"].as_str().map(str::to_owned);
    let language = [
        &metadata["kernelspec"]["language"],
        &metadata["language_info"]["name"],
    ]
    .into_iter()
    .find_map(Value::as_str)
    .map(str::to_lowercase);
    let sheets = notebook["worksheets"].as_array().into_iter().flatten();
    let cells = sheets
        .map(|sheet| &sheet["cells"])
        .chain([&notebook["cells"]])
        .filter_map(Value::as_array)
        .flatten();
    for cell in cells {
        push_cell(cell, language.as_deref(), builder);
    }
    Ok(())
}

fn push_cell(cell: &Value, language: Option<&str>, builder: &mut Builder) {
    // Version 3 calls the source of code its input.
    let source = text_of(cell.get("source").unwrap_or(&cell["input"]));
    match cell["cell_type"].as_str() {
        Some("code") => {
            let language = cell["language"].as_str().or(language);
            push_code(builder, &source, language);
            for output in cell["outputs"].as_array().into_iter().flatten() {
                push_output(output, builder);
            }
        }
        Some("markdown") => markdown::read_text(&source, builder),
        Some("heading") => {
            let level = cell["level"].as_u64().unwrap_or(1).clamp(1, 9);
            builder.heading(u8::try_from(level).unwrap_or(9), source);
        }
        Some("raw") | None => {
            for block in crate::text::blocks(&source) {
                builder.paragraph(block);
            }
        }
        Some(other) => {
            builder.failed(count_text(&source));
            let reason = format!("a cell of type `{}` was not read", clean(other).0);
            builder.warn(WarningCode::Unsupported, None, reason);
        }
    }
}

fn push_output(output: &Value, builder: &mut Builder) {
    match output["output_type"].as_str() {
        Some("stream") => push_code(builder, &text_of(&output["text"]), None),
        Some("error" | "pyerr") => {
            let trace = text_of_lines(&output["traceback"]);
            let text = if trace.trim().is_empty() {
                let part = |key: &str| output[key].as_str().unwrap_or_default();
                format!("{}: {}", part("ename"), part("evalue"))
            } else {
                trace
            };
            push_code(builder, &text, None);
        }
        // Version 3 has the forms beside the type, version 4 within `data`.
        _ => push_forms(output.get("data").unwrap_or(output), builder),
    }
}

/// One output in several forms.
fn push_forms(forms: &Value, builder: &mut Builder) {
    let form = |name: &str, old_name: &str| {
        let value = forms.get(name).or_else(|| forms.get(old_name))?;
        let text = text_of(value);
        (!text.trim().is_empty()).then_some(text)
    };
    let is_picture =
        |key: &String| key.starts_with("image/") || matches!(key.as_str(), "png" | "jpeg" | "svg");
    let n_pictures = forms.as_object().map_or(0, |forms| {
        forms.keys().filter(|key| is_picture(key)).count()
    });
    builder.report.images += u32::from(n_pictures > 0);
    // HTML is of use for its tables; the rest of it is decoration around the plain text.
    let html = form("text/html", "html").filter(|html| html.contains("<table"));
    let markdown = form("text/markdown", "markdown");
    let plain = form("text/plain", "text").or_else(|| form("text/latex", "latex"));
    match (html, markdown, plain) {
        (Some(html), _, plain) => {
            html::read_fragment(&html, builder);
            builder.left_out(plain.map_or(0, |text| count_text(&text)));
        }
        (None, Some(text), plain) => {
            markdown::read_text(&text, builder);
            builder.left_out(plain.map_or(0, |text| count_text(&text)));
        }
        // `<Figure size 640x480>` is what a picture looks like to a terminal.
        (None, None, Some(text)) if n_pictures > 0 => builder.left_out(count_text(&text)),
        (None, None, Some(text)) => push_code(builder, &text, None),
        (None, None, None) => {
            if let Some(html) = form("text/html", "html") {
                html::read_fragment(&html, builder);
            }
        }
    }
}

/// A text, or a list of its pieces.
fn text_of(value: &Value) -> String {
    joined(value, "")
}

fn text_of_lines(value: &Value) -> String {
    joined(value, "\n")
}

fn joined(value: &Value, between: &str) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(pieces) => pieces
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(between),
        _ => String::new(),
    };
    clean(&without_colours(&text)).0
}

/// Takes out the escape sequences of terminals (ECMA-48, CSI): `ESC [ ... letter`.
fn without_colours(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut pieces = text.split("\u{1b}[");
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let n_parameters = piece
            .bytes()
            .take_while(|b| b.is_ascii_digit() || matches!(b, b';' | b'?'))
            .count();
        let is_sequence = piece
            .as_bytes()
            .get(n_parameters)
            .is_some_and(u8::is_ascii_alphabetic);
        out.push_str(&piece[n_parameters + usize::from(is_sequence)..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use cairn_types::ElementKind::{self, Code, Heading, Paragraph, Table};
    use proptest::prelude::*;

    use super::*;

    fn shape(input: &str) -> Vec<(ElementKind, String)> {
        let mut builder = Builder::new(1000);
        read(input.as_bytes(), &mut builder).unwrap();
        builder.body().map(|e| (e.kind, e.text.clone())).collect()
    }

    #[test]
    fn cells_and_outputs_are_read() {
        let input = r##"{"nbformat": 4, "metadata": {"kernelspec": {"language": "Python"}}, "cells": [
            {"cell_type": "markdown", "source": ["# T\n", "some *text*"]},
            {"cell_type": "code", "source": "a = 1\nb", "outputs": [
                {"output_type": "stream", "name": "stdout", "text": ["out\n", "put"]},
                {"output_type": "execute_result", "data": {"text/plain": "x  y", "text/html": "<table><tr><th>A<th>B<tr><td>1<td>2</table>"}},
                {"output_type": "display_data", "data": {"image/png": "iVBOR", "text/plain": "<Figure>"}},
                {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\u001b[0;31mE\u001b[0m: v"]}]},
            {"cell_type": "raw", "source": "raw"}]}"##;
        let found = shape(input);
        let expect = [
            (Heading, "T"),
            (Paragraph, "some text"),
            (Code, "a = 1\nb"),
            (Code, "out\nput"),
            (Table, "A | B\n1 | 2"),
            (Code, "E: v"),
            (Paragraph, "raw"),
        ];
        assert_eq!(found, expect.map(|(kind, text)| (kind, text.to_owned())));
        let mut builder = Builder::new(100);
        read(input.as_bytes(), &mut builder).unwrap();
        assert_eq!(builder.report.images, 1);
        assert_eq!(builder.elements()[2].label.as_deref(), Some("python"));
        let report = builder.report;
        assert_eq!(
            report.chars_seen - report.chars_kept,
            10,
            "other forms of an output"
        );
    }

    #[test]
    fn version_3_is_read() {
        let found = shape(
            r#"{"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "heading", "level": 2, "source": "H"},
            {"cell_type": "code", "language": "python", "input": ["x"], "outputs": [{"output_type": "pyout", "text": ["1"]}]}]}]}"#,
        );
        assert_eq!(found.len(), 3);
        assert_eq!(found[2], (Code, "1".to_owned()));
    }

    #[test]
    fn what_is_no_notebook_is_read_as_json() {
        assert_eq!(shape(r#"{"a": 1}"#), [(Paragraph, "a: 1".to_owned())]);
        assert_eq!(shape("{broken"), [(Code, "{broken".to_owned())]);
    }

    proptest! {
        #[test]
        fn never_panics(piece in "[\\[\\]{}\":,a-c0-9é]{0,60}", text in "[\u{1b}\\[0-9;mé]{0,30}") {
            without_colours(&text);
            let _ = read(format!(r#"{{"cells": [{{"cell_type": "code", "source": {piece}}}]}}"#).as_bytes(), &mut Builder::new(10));
            let _ = read(format!(r#"{{"cells": {piece}}}"#).as_bytes(), &mut Builder::new(10));
        }
    }
}
