//! Text formats through the front door: each is recognised and read.

use cairn_extract::{ExtractOptions, extract};

#[test]
fn each_format_is_recognised_and_read() {
    let cases: [(&str, &str, &str, &str); 9] = [
        (
            "a.rtf",
            "{\\rtf1\\ansi Gr\\'fc\\'dfe\\par}",
            "application/rtf",
            "Grüße",
        ),
        (
            "a.nxml",
            "<!DOCTYPE article><article><body><p>Long <i>text</i>.</p></body></article>",
            "application/xml",
            "Long text.",
        ),
        (
            "a.svg",
            "<svg><text>Label</text></svg>",
            "application/xml",
            "Label",
        ),
        (
            "a.vtt",
            "WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n",
            "text/vtt",
            "[00:00:01] Hello",
        ),
        (
            "a.srt",
            "1\n00:00:01,000 --> 00:00:02,000\nHello\n",
            "application/x-subrip",
            "[00:00:01] Hello",
        ),
        (
            "a.ipynb",
            r#"{"nbformat": 4, "cells": [{"cell_type": "raw", "source": "cell"}]}"#,
            "application/x-ipynb+json",
            "cell",
        ),
        (
            "a.adoc",
            "= Title\n\n*text*\n",
            "text/asciidoc",
            "Title\n\ntext",
        ),
        (
            "a.rst",
            "Title\n=====\n\n*text*\n",
            "text/x-rst",
            "Title\n\ntext",
        ),
        ("a.html", "<p>text</p>", "text/html", "text"),
    ];
    for (name, content, media_type, text) in cases {
        let extracted = extract(name, content.as_bytes(), &ExtractOptions::default()).unwrap();
        assert_eq!(extracted.media_type, media_type, "{name}");
        assert_eq!(extracted.render().text, text, "{name}");
    }
}
