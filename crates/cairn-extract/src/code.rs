//! Source code: blocks that end where a blank line meets the outermost indentation, lines kept as they are.

use cairn_types::{Element, ElementKind};

use crate::builder::Builder;
use crate::text::decode;

/// Lines after which a block ends at the next blank line, at any indentation. A guess, about two chunks.
const MAX_BLOCK_LINES: usize = 80;

/// The language of a file extension (lower case), as code fences name it.
pub(crate) fn by_extension(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "rs" => "rust",
        "py" | "pyi" => "python",
        "js" | "mjs" | "cjs" | "jsx" => "javascript",
        "ts" | "tsx" | "mts" => "typescript",
        "c" | "h" => "c",
        "cc" | "cpp" | "cxx" | "hpp" | "hh" | "hxx" => "cpp",
        "cs" => "csharp",
        "java" => "java",
        "kt" | "kts" => "kotlin",
        "scala" => "scala",
        "go" => "go",
        "rb" => "ruby",
        "php" => "php",
        "swift" => "swift",
        "m" | "mm" => "objective-c",
        "pl" | "pm" => "perl",
        "lua" => "lua",
        "r" => "r",
        "jl" => "julia",
        "hs" => "haskell",
        "ml" | "mli" => "ocaml",
        "ex" | "exs" => "elixir",
        "erl" => "erlang",
        "clj" => "clojure",
        "dart" => "dart",
        "zig" => "zig",
        "vue" => "vue",
        "svelte" => "svelte",
        "sh" | "bash" | "zsh" => "bash",
        "ps1" => "powershell",
        "bat" | "cmd" => "batch",
        "sql" => "sql",
        "css" => "css",
        "scss" | "sass" | "less" => "scss",
        "yaml" | "yml" => "yaml",
        "toml" => "toml",
        "ini" | "cfg" | "conf" | "properties" | "env" => "ini",
        "proto" => "protobuf",
        "graphql" | "gql" => "graphql",
        "tf" | "hcl" => "hcl",
        "cmake" => "cmake",
        "dockerfile" => "dockerfile",
        "mk" | "makefile" => "makefile",
        "diff" | "patch" => "diff",
        _ => return None,
    })
}

/// The language that a `#!` line names.
pub(crate) fn by_shebang(text: &str) -> Option<&'static str> {
    let line = text.strip_prefix("#!")?.lines().next()?;
    let mut words = line.split_whitespace();
    let first = words.next()?.rsplit('/').next()?;
    let program = if first == "env" {
        words.find(|word| !word.starts_with('-'))?
    } else {
        first
    };
    match program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') {
        "python" | "pypy" => Some("python"),
        "sh" | "bash" | "zsh" | "dash" | "ksh" => Some("bash"),
        "node" | "deno" | "bun" => Some("javascript"),
        "ruby" => Some("ruby"),
        "perl" => Some("perl"),
        "php" => Some("php"),
        "Rscript" => Some("r"),
        "lua" => Some("lua"),
        _ => None,
    }
}

/// Reads source code in `language`.
pub(crate) fn read(language: &str, bytes: &[u8], builder: &mut Builder) {
    let decoded = decode(bytes);
    decoded.note(builder);
    for block in blocks(&decoded.text) {
        push_code(builder, block, Some(language));
    }
}

/// Adds code: blank lines around it go, the indentation of its first line stays relative to the others.
pub(crate) fn push_code(builder: &mut Builder, text: &str, language: Option<&str>) {
    let text = text.trim_end();
    let n_blank = text.len() - text.trim_start_matches(['\n', ' ', '\t']).len();
    let first = text[..n_blank].rfind('\n').map_or(0, |at| at + 1);
    let text = dedent(&text[first..]);
    let mut element = Element::new(ElementKind::Code, text);
    element.label = language.map(str::to_owned);
    builder.push(element);
}

/// Takes the indentation that all lines share, so that an element may start without white space.
fn dedent(text: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let common = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(indent)
        .min()
        .unwrap_or(0);
    if common == 0 {
        return text.to_owned();
    }
    text.lines()
        .map(|line| line.get(common..).unwrap_or(""))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Byte slices of the blocks of `text`.
fn blocks(text: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    let mut start = 0;
    let mut at = 0;
    let mut n_lines = 0;
    let mut after_blank = false;
    for line in text.split_inclusive('\n') {
        let is_blank = line.trim().is_empty();
        let is_outer =
            line.starts_with(|c: char| !c.is_whitespace() && !matches!(c, '}' | ')' | ']'));
        if after_blank && !is_blank && (is_outer || n_lines >= MAX_BLOCK_LINES) {
            blocks.push(&text[start..at]);
            (start, n_lines) = (at, 0);
        }
        after_blank = is_blank;
        n_lines += 1;
        at += line.len();
    }
    blocks.push(&text[start..]);
    blocks.retain(|block| !block.trim().is_empty());
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_stays_whole() {
        let text = "use x;\n\nfn a() {\n    one();\n\n    two();\n}\n\n\nfn b() {}\n";
        assert_eq!(
            blocks(text),
            [
                "use x;\n\n",
                "fn a() {\n    one();\n\n    two();\n}\n\n\n",
                "fn b() {}\n"
            ]
        );
        let mut builder = Builder::new(10);
        read("rust", text.as_bytes(), &mut builder);
        assert_eq!(
            builder.elements()[1].text,
            "fn a() {\n    one();\n\n    two();\n}"
        );
        assert_eq!(builder.elements()[1].label.as_deref(), Some("rust"));
    }

    #[test]
    fn shared_indentation_goes() {
        let mut builder = Builder::new(10);
        push_code(&mut builder, "\n    if x:\n        y\n\n", None);
        assert_eq!(builder.elements()[0].text, "if x:\n    y");
    }

    #[test]
    fn shebangs_name_languages() {
        assert_eq!(
            by_shebang("#!/usr/bin/env -S python3.11 -u\n"),
            Some("python")
        );
        assert_eq!(by_shebang("#!/bin/sh"), Some("bash"));
        assert_eq!(by_shebang("#!"), None);
    }
}
