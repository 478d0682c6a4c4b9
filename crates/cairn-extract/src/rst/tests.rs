//! Small documents, and any input.

use cairn_types::ElementKind::{self, Code, Heading, Image, ListItem, Note, Paragraph, Table};
use proptest::prelude::*;

use super::*;

type Shape<'t> = (ElementKind, u8, &'t str);

fn document(input: &str) -> Builder {
    let mut builder = Builder::new(1000);
    read(input.as_bytes(), &mut builder);
    builder
}

#[test]
fn blocks_become_elements() {
    let cases: [(&str, &[Shape<'_>]); 10] = [
        (
            "=====\nTitle\n=====\n\nPart\n----\n\nSome *text*\nover lines.\n\nSub\n~~~\n\nOther\n-----\n",
            &[
                (Heading, 1, "Title"),
                (Heading, 2, "Part"),
                (Paragraph, 0, "Some text over lines."),
                (Heading, 3, "Sub"),
                (Heading, 2, "Other"),
            ],
        ),
        (
            "- a\n  more\n\n  - b\n- c\n\n1. one\n#. two\n",
            &[
                (ListItem, 1, "- a more"),
                (ListItem, 2, "- b"),
                (ListItem, 1, "- c"),
                (ListItem, 1, "1. one"),
                (ListItem, 1, "#. two"),
            ],
        ),
        (
            "Look::\n\n    def f():\n        pass\n\n.. code-block:: Rust\n   :linenos:\n\n   fn a() {}\n\n>>> 1\n1\n",
            &[
                (Paragraph, 0, "Look:"),
                (Code, 0, "def f():\n    pass"),
                (Code, 0, "fn a() {}"),
                (Code, 0, ">>> 1\n1"),
            ],
        ),
        (
            ".. note:: Careful\n   here.\n\n   And here.\n\n.. warning::\n\n   Hot.\n",
            &[
                (Paragraph, 0, "note: Careful here."),
                (Paragraph, 0, "And here."),
                (Paragraph, 0, "warning: Hot."),
            ],
        ),
        (
            "+---+---+\n| A | B |\n+===+===+\n| 1 | 2 |\n+---+---+\n\n=== ===\nC   D\n=== ===\n3   4\n=== ===\n\nend\n",
            &[
                (Table, 0, "A | B\n1 | 2"),
                (Table, 0, "C | D\n3 | 4"),
                (Paragraph, 0, "end"),
            ],
        ),
        (
            ".. list-table:: Cap\n   :header-rows: 1\n\n   * - A\n     - B\n   * - 1\n     - 2\n       more\n\n.. csv-table::\n   :header: X, Y\n\n   \"a, b\", c\n",
            &[
                (Paragraph, 0, "Cap"),
                (Table, 0, "A | B\n1 | 2 more"),
                (Table, 0, "X | Y\na, b | c"),
            ],
        ),
        (
            ".. image:: x.png\n   :alt: A cat\n\n.. figure:: y.png\n\n   The caption.\n",
            &[(Image, 0, "A cat"), (Paragraph, 0, "The caption.")],
        ),
        (
            "See [1]_ and |v|.\n\n.. [1] The note\n   goes on.\n.. |v| replace:: 1.2\n.. _x: http://y\n.. a comment\n",
            &[
                (Paragraph, 0, "See [1] and 1.2."),
                (Note, 0, "[1] The note goes on."),
            ],
        ),
        (
            ":Author: Me\n:Long: a\n  b\n\nterm\n    What it is.\n\n    More.\n",
            &[
                (Paragraph, 0, "Author: Me"),
                (Paragraph, 0, "Long: a b"),
                (Paragraph, 0, "term\nWhat it is."),
                (Paragraph, 0, "More."),
            ],
        ),
        (
            "| a\n| b\n\n    quoted\n\n----\n\nend\n",
            &[
                (Paragraph, 0, "a\nb"),
                (Paragraph, 0, "quoted"),
                (Paragraph, 0, "end"),
            ],
        ),
    ];
    for (input, expect) in cases {
        let found: Vec<_> = document(input)
            .body()
            .map(|e| (e.kind, e.level, e.text.clone()))
            .collect();
        let expect: Vec<_> = expect
            .iter()
            .map(|&(k, l, t)| (k, l, t.to_owned()))
            .collect();
        assert_eq!(found, expect, "{input}");
    }
}

#[test]
fn other_files_are_never_read() {
    let builder = document("a\n\n.. include:: /etc/passwd\n\n.. csv-table:: T\n   :file: x.csv\n");
    assert_eq!(builder.elements().len(), 1);
    assert_eq!(builder.report.warnings.len(), 2);
}

#[test]
fn depth_is_bounded() {
    let deep: String = (0..2_000)
        .map(|n| format!("{}- x\n\n", " ".repeat(2 * n)))
        .collect();
    assert!(document(&deep).report.chars_kept >= 2_000);
}

proptest! {
    #[test]
    fn never_panics(parts in proptest::collection::vec(0usize..24, 0..40), tail in "[-=+|:.*` a-cé\n]{0,40}") {
        const PARTS: [&str; 24] = ["T\n=\n", "==\nT\n==\n", "- ", "  ", "\n", "1. ", ".. note:: ", ".. code::\n", "::\n\n", "   x\n", "+--+--+\n",
            "|  |  |\n", "== ==\n", ".. [1] ", ".. |a| replace:: b\n", "|a| ", ":f: v\n", ".. list-table::\n", "   * - a\n", "     - b\n", ".. include:: x\n", "..\n", "text\n", ".. note::\n\n"];
        let input: String = parts.into_iter().map(|idx| PARTS[idx]).collect();
        let report = document(&format!("{input}{tail}")).report;
        prop_assert!(report.chars_kept + report.chars_failed <= report.chars_seen);
    }
}
