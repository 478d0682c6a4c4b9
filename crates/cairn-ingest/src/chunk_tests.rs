//! Tests of the chunker.

use cairn_types::ports::Embedder as _;
use cairn_types::{Element, ElementKind, Extracted, ParseReport};
use proptest::prelude::*;

use super::*;

/// Words plus two special tokens: simple enough to count by hand.
fn words(text: &str) -> usize {
    text.split_whitespace().count() + 2
}

fn element(kind: ElementKind, level: u8, text: &str) -> Element {
    Element {
        level,
        ..Element::new(kind, text)
    }
}

fn chunks_of(title: &str, elements: &[Element], options: &ChunkOptions) -> (String, Vec<Chunk>) {
    let extracted = Extracted {
        media_type: "text/plain".into(),
        title: None,
        elements: elements.to_vec(),
        report: ParseReport::default(),
    };
    let rendered = extracted.render();
    let chunks = chunk_document(title, elements, &rendered, options, &words, &|_| None);
    (rendered.text, chunks)
}

fn small() -> ChunkOptions {
    ChunkOptions {
        max_tokens: 40,
        overlap_tokens: 8,
        min_tokens: 10,
        prefix_tokens: 8,
    }
}

fn sentences(n: usize) -> String {
    (0..n)
        .map(|i| format!("Sentence number {i} has six words."))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn a_short_document_is_one_chunk_with_its_headings_in_the_input() {
    let elements = [
        element(ElementKind::Heading, 1, "Pumps"),
        element(ElementKind::Heading, 2, "Care"),
        element(ElementKind::Paragraph, 0, "Clean the pump weekly."),
    ];
    let (text, chunks) = chunks_of("Manual", &elements, &ChunkOptions::default());
    assert_eq!(chunks.len(), 1);
    assert_eq!(chunks[0].new.meta.span.slice(&text), Some(text.as_str()));
    assert_eq!(chunks[0].input(&text), format!("Manual\n{text}"));
    assert_eq!(chunks[0].new.meta.heading_path, "");
}

#[test]
fn sections_start_chunks_and_carry_their_path() {
    let elements = [
        element(ElementKind::Heading, 1, "Pumps"),
        element(ElementKind::Paragraph, 0, &sentences(4)),
        element(ElementKind::Heading, 2, "Care"),
        element(ElementKind::Paragraph, 0, &sentences(9)),
    ];
    let (text, chunks) = chunks_of("Manual", &elements, &small());
    let starts: Vec<_> = chunks
        .iter()
        .map(|c| {
            c.new
                .meta
                .span
                .slice(&text)
                .expect("in the text")
                .split_whitespace()
                .next()
                .expect("a word")
        })
        .collect();
    assert_eq!(starts[..2], ["Pumps", "Care"]);
    assert_eq!(chunks[1].new.meta.heading_path, "Pumps");
    assert_eq!(
        chunks.last().expect("chunks").new.meta.heading_path,
        "Pumps > Care"
    );
    assert!(
        chunks
            .last()
            .expect("chunks")
            .input(&text)
            .starts_with("Manual > Pumps > Care\n")
    );
}

#[test]
fn overlap_repeats_the_last_sentence_only_within_prose() {
    let elements = [element(ElementKind::Paragraph, 0, &sentences(12))];
    let (text, chunks) = chunks_of("", &elements, &small());
    assert!(chunks.len() > 1);
    for pair in chunks.windows(2) {
        let (one, two) = (pair[0].new.meta.span, pair[1].new.meta.span);
        assert!(two.start < one.end, "chunks overlap");
        let shared = CharSpan::new(two.start, one.end)
            .slice(&text)
            .expect("in the text");
        assert!(words(shared) - 2 <= 8, "{shared}");
    }
    let table = (0..40)
        .map(|i| format!("a | b | {i}"))
        .collect::<Vec<_>>()
        .join("\n");
    let (_, chunks) = chunks_of("", &[element(ElementKind::Table, 0, &table)], &small());
    assert!(chunks.len() > 1);
    for pair in chunks.windows(2) {
        assert!(pair[0].new.meta.span.end < pair[1].new.meta.span.start);
    }
}

fn table(rows: std::ops::Range<usize>) -> Element {
    let rows: Vec<String> = rows.map(|n| format!("row{n} | {n}")).collect();
    element(
        ElementKind::Table,
        0,
        &format!("Name | Count\n{}", rows.join("\n")),
    )
}

fn bodies<'a>(text: &'a str, chunks: &[Chunk]) -> Vec<&'a str> {
    let spans = chunks.iter().map(|chunk| chunk.new.meta.span);
    spans
        .map(|span| span.slice(text).expect("in the text"))
        .collect()
}

#[test]
fn pieces_of_a_table_stay_whole() {
    let elements = [
        element(ElementKind::Paragraph, 0, &sentences(3)),
        table(0..7),
        table(7..14),
        table(14..16),
        table(16..18),
    ];
    let (text, chunks) = chunks_of("Stock", &elements, &small());
    let bodies = bodies(&text, &chunks);
    assert_eq!(bodies.len(), 4, "{bodies:?}");
    for body in &bodies[1..] {
        assert!(body.starts_with("Name | Count\n"), "{body}");
    }
    // Small pieces share a chunk.
    assert!(bodies[2].contains("row7") && bodies[2].contains("row15"));
    assert_eq!(bodies[3], "Name | Count\nrow16 | 16\nrow17 | 17");
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk.new.meta.heading_path.is_empty())
    );
}

#[test]
fn a_chunk_in_the_middle_of_a_table_carries_its_header() {
    let (text, chunks) = chunks_of("", &[table(0..40)], &small());
    assert!(chunks.len() > 2);
    for (chunk, body) in chunks.iter().zip(bodies(&text, &chunks)).skip(1) {
        assert!(body.starts_with("row"), "{body}");
        assert_eq!(chunk.new.meta.heading_path, "Name | Count");
        assert_eq!(chunk.input(&text), format!("Name | Count\n{body}"));
        assert!(words(&chunk.input(&text)) <= small().max_tokens);
    }
    // Within a row its first cell too.
    let row = format!("Item | Use\nPump | {}", "word ".repeat(80).trim());
    let (text, chunks) = chunks_of("", &[element(ElementKind::Table, 0, &row)], &small());
    assert!(chunks.len() > 2);
    for chunk in &chunks[1..] {
        let input = chunk.input(&text);
        assert_eq!(chunk.new.meta.heading_path, "Item | Use > Pump");
        assert!(input.starts_with("Item | Use > Pump\nword"), "{input}");
    }
    // Without a header there is none to repeat.
    let rows = (0..40)
        .map(|n| format!("{n} | {n}"))
        .collect::<Vec<_>>()
        .join("\n");
    let (_, chunks) = chunks_of("", &[element(ElementKind::Table, 0, &rows)], &small());
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk.new.meta.heading_path.is_empty())
    );
}

#[test]
fn the_descriptor_of_a_table_is_a_chunk_of_its_own() {
    let elements = [
        element(ElementKind::Paragraph, 0, "Before it."),
        element(ElementKind::Heading, 1, "Stock"),
        element(ElementKind::TableSummary, 0, "Table: 2 rows."),
        table(0..2),
        element(ElementKind::TableSummary, 0, "Table: 1 row."),
        element(ElementKind::Paragraph, 0, "After it."),
    ];
    let (text, chunks) = chunks_of("", &elements, &small());
    assert_eq!(
        bodies(&text, &chunks),
        [
            "Before it.",
            "Stock\n\nTable: 2 rows.",
            "Name | Count\nrow0 | 0\nrow1 | 1",
            "Table: 1 row.",
            "After it."
        ]
    );
    assert_eq!(chunks[2].new.meta.heading_path, "Stock");
    let computed: Vec<bool> = chunks.iter().map(|c| c.new.meta.is_computed()).collect();
    assert_eq!(computed, [false, true, false, true, false]);
}

#[test]
fn a_word_beyond_any_budget_is_cut_not_dropped() {
    let long = "x".repeat(5000);
    let (text, chunks) = chunks_of("t", &[element(ElementKind::Paragraph, 0, &long)], &small());
    let covered: usize = chunks.iter().map(|c| c.new.meta.span.len()).sum();
    assert!(covered >= 5000);
    assert_eq!(chunks[0].new.meta.span.start, 0);
    assert_eq!(
        chunks.last().expect("chunks").new.meta.span.end,
        text.chars().count()
    );
}

#[test]
fn the_input_can_be_made_again_from_what_the_catalog_keeps() {
    let elements = [
        element(ElementKind::Heading, 1, "A > B heading"),
        element(ElementKind::Paragraph, 0, &sentences(20)),
    ];
    let (text, chunks) = chunks_of("The title", &elements, &small());
    for chunk in &chunks {
        let meta = &chunk.new.meta;
        let body = meta.span.slice(&text).expect("in the text");
        let input = embedded_input("The title", &meta.heading_path, body, &small(), &words);
        assert_eq!(input, chunk.input(&text));
        assert_eq!(InputHash::of(input.as_bytes()), chunk.new.input_hash);
    }
}

#[test]
fn a_real_embedder_counts_the_budget() {
    let embedder = cairn_testkit::HashEmbedder::default();
    let text = sentences(200);
    let elements = [element(ElementKind::Paragraph, 0, &text)];
    let rendered = Rendered {
        text: text.clone(),
        spans: vec![],
    };
    let options = ChunkOptions::default();
    let count = |text: &str| embedder.count_tokens(text);
    let chunks = chunk_document("t", &elements, &rendered, &options, &count, &|_| Some("en"));
    assert!(
        chunks
            .iter()
            .all(|c| embedder.count_tokens(&c.input(&text)) <= options.max_tokens)
    );
}

fn any_element() -> impl Strategy<Value = Element> {
    let kinds = prop::sample::select(vec![
        ElementKind::Heading,
        ElementKind::Paragraph,
        ElementKind::ListItem,
        ElementKind::Table,
        ElementKind::TableSummary,
        ElementKind::Code,
        ElementKind::Note,
    ]);
    let texts = prop_oneof![
        "[ -~\n]{0,300}",
        "\\PC{0,200}",
        "(\\w{1,12}[ .]){0,120}",
        Just("長い日本語の文章です。".repeat(30)),
    ];
    (kinds, 0..5u8, texts).prop_filter_map("empty", |(kind, level, text)| {
        let text = text.trim().to_owned();
        (!text.is_empty()).then(|| Element {
            level,
            ..Element::new(kind, text)
        })
    })
}

proptest! {
    #[test]
    fn every_letter_is_in_a_chunk_and_no_chunk_exceeds_the_budget(
        elements in prop::collection::vec(any_element(), 0..12),
        title in "\\PC{0,80}",
    ) {
        let options = small();
        let (text, chunks) = chunks_of(&title, &elements, &options);
        let n_chars = text.chars().count();
        let mut covered = vec![false; n_chars];
        for (idx, chunk) in chunks.iter().enumerate() {
            prop_assert_eq!(chunk.new.meta.ordinal as usize, idx);
            let span = chunk.new.meta.span;
            prop_assert!(span.end <= n_chars && !span.is_empty());
            let body = span.slice(&text).expect("in the text");
            let input = chunk.input(&text);
            prop_assert!(input.ends_with(body));
            prop_assert!(words(&input) <= options.max_tokens);
            covered[span.start..span.end].fill(true);
        }
        // No chunk holds a descriptor and anything else but headings before it.
        let rendered = Extracted { media_type: String::new(), title: None, elements: elements.clone(), report: ParseReport::default() }.render();
        for chunk in &chunks {
            let span = chunk.new.meta.span;
            let inside = || elements.iter().zip(&rendered.spans).filter(|(_, s)| s.start < span.end && span.start < s.end);
            if let Some(at) = inside().position(|(element, _)| element.kind == ElementKind::TableSummary) {
                prop_assert_eq!(at + 1, inside().count());
                prop_assert!(inside().take(at).all(|(element, _)| element.kind == ElementKind::Heading));
            }
        }
        for (idx, letter) in text.chars().enumerate() {
            prop_assert!(covered[idx] || letter.is_whitespace(), "letter {} at {}", letter, idx);
        }
    }
}
