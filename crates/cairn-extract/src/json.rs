//! JSON and JSON Lines to readable text: one `path: value` line for each leaf, grouped by top-level item.
//!
//! `{"user": {"name": "Ann", "tags": ["a", "b"]}}` gives `user.name: Ann` and `user.tags: a, b`.
//! Nesting is limited by `serde_json` (128 levels), so recursion here is bounded too.

use cairn_types::{Element, ElementKind, WarningCode};
use serde_json::Value;

use crate::builder::Builder;
use crate::error::ExtractError;
use crate::text::{collapse, decode};

/// Characters after which a group of lines ends; about a chunk. A guess.
const MAX_GROUP_CHARS: usize = 1_500;

/// Reads one JSON value.
pub(crate) fn read(bytes: &[u8], builder: &mut Builder) -> Result<(), ExtractError> {
    let decoded = decode(bytes);
    decoded.note(builder);
    let text = decoded.text.trim();
    if text.is_empty() {
        return Ok(());
    }
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        // Too deep or not quite JSON: it is still text that a person can search.
        Err(error) => {
            builder.warn(
                WarningCode::Recovered,
                None,
                format!("not valid json, kept as text: {error}"),
            );
            push_raw(builder, text);
            return Ok(());
        }
    };
    read_value(&value, builder);
    Ok(())
}

fn read_value(value: &Value, builder: &mut Builder) {
    match value {
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (idx, item) in items.iter().enumerate() {
                push_item(builder, &format!("[{idx}]"), item);
            }
        }
        Value::Object(fields) => {
            builder.title = ["title", "name"]
                .into_iter()
                .find_map(|key| fields.get(key).and_then(Value::as_str).map(str::to_owned));
            let mut lines = Vec::new();
            for (key, field) in fields {
                match field {
                    Value::Object(_) | Value::Array(_) if !is_flat_list(field) => {
                        push_lines(builder, std::mem::take(&mut lines));
                        match field {
                            Value::Array(items) => {
                                for (idx, item) in items.iter().enumerate() {
                                    push_item(builder, &format!("{key}[{idx}]"), item);
                                }
                            }
                            other => push_item(builder, key, other),
                        }
                    }
                    leaf => flatten(key, leaf, &mut lines),
                }
            }
            push_lines(builder, lines);
        }
        other => push_item(builder, "", other),
    }
}

/// Reads one JSON value a line; a line that is none is kept as text.
pub(crate) fn read_lines(bytes: &[u8], builder: &mut Builder) {
    let decoded = decode(bytes);
    decoded.note(builder);
    let mut n_bad = 0;
    for line in decoded.text.lines().filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str::<Value>(line) {
            Ok(value) => push_item(builder, "", &value),
            Err(_) => {
                n_bad += 1;
                push_raw(builder, line);
            }
        }
    }
    if n_bad > 0 {
        builder.warn(
            WarningCode::Recovered,
            None,
            format!("{n_bad} lines are not valid json and were kept as text"),
        );
    }
}

fn push_raw(builder: &mut Builder, text: &str) {
    let mut element = Element::new(ElementKind::Code, text);
    element.label = Some("json".into());
    builder.push(element);
}

fn push_item(builder: &mut Builder, path: &str, value: &Value) {
    let mut lines = Vec::new();
    flatten(path, value, &mut lines);
    push_lines(builder, lines);
}

/// Adds lines as paragraphs of limited length.
fn push_lines(builder: &mut Builder, lines: Vec<String>) {
    let mut text = String::new();
    for line in lines {
        if !text.is_empty() && text.len() + line.len() > MAX_GROUP_CHARS {
            builder.paragraph(std::mem::take(&mut text));
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&line);
    }
    builder.paragraph(text);
}

/// A list of short plain values, which reads best on one line.
fn is_flat_list(value: &Value) -> bool {
    value.as_array().is_some_and(|items| {
        items
            .iter()
            .all(|item| !item.is_object() && !item.is_array() && leaf(item).len() <= 80)
    })
}

fn leaf(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn flatten(path: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                flatten(&path, field, lines);
            }
        }
        Value::Array(items) if is_flat_list(value) => {
            let joined = items.iter().map(leaf).collect::<Vec<_>>().join(", ");
            push_line(path, &joined, lines);
        }
        Value::Array(items) => {
            for (idx, item) in items.iter().enumerate() {
                flatten(&format!("{path}[{idx}]"), item, lines);
            }
        }
        other => push_line(path, &leaf(other), lines),
    }
}

fn push_line(path: &str, value: &str, lines: &mut Vec<String>) {
    // Control characters reach us here through escapes, past the decoder.
    let (value, _) = crate::text::clean(value);
    let value = value.trim();
    let value = if value.contains("\n\n") {
        // Blank lines would end the paragraph in every rendering.
        value
            .lines()
            .map(collapse)
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join("\n")
    } else {
        value.to_owned()
    };
    if path.is_empty() {
        lines.push(value);
    } else {
        lines.push(format!("{path}: {value}"));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(input: &str) -> Vec<String> {
        let mut builder = Builder::new(1000);
        read(input.as_bytes(), &mut builder).unwrap();
        builder.elements().iter().map(|e| e.text.clone()).collect()
    }

    #[test]
    fn leaves_show_their_path() {
        let cases: [(&str, &[&str]); 5] = [
            (
                r#"{"user": {"name": "Ann", "tags": ["a", "b"]}}"#,
                &["user.name: Ann\nuser.tags: a, b"],
            ),
            (
                r#"[{"id": 1, "ok": true}, {"id": 2, "x": null}]"#,
                &["[0].id: 1\n[0].ok: true", "[1].id: 2\n[1].x: null"],
            ),
            (
                r#"{"v": 1, "rows": [{"a": 1}, {"a": [[2]]}]}"#,
                &["rows[0].a: 1", "rows[1].a[0]: 2", "v: 1"],
            ),
            (r#"["a", "b"]"#, &["a, b"]),
            ("{broken", &["{broken"]),
        ];
        for (input, expect) in cases {
            assert_eq!(texts(input), expect, "{input}");
        }
    }

    #[test]
    fn deep_nesting_is_kept_as_text() {
        let input = "[".repeat(100_000);
        assert_eq!(texts(&input), [input]);
    }

    #[test]
    fn each_line_is_an_element() {
        let mut builder = Builder::new(1000);
        read_lines(
            b"{\"q\": \"one\"}\nnot json\n\n{\"q\": \"two\"}\n",
            &mut builder,
        );
        let found: Vec<&str> = builder.elements().iter().map(|e| e.text.as_str()).collect();
        assert_eq!(found, ["q: one", "not json", "q: two"]);
        assert_eq!(builder.report.warnings.len(), 1);
    }

    proptest! {
        #[test]
        fn never_panics(input in "[\\[\\]{}\":,a-c0-9\\\\ \n]{0,120}") {
            texts(&input);
            read_lines(input.as_bytes(), &mut Builder::new(10));
        }
    }
}
