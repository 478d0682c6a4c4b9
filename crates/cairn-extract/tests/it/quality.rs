//! What comes out of real documents, against what people found in them and against another tool's reading.
//!
//! Phrases: every phrase of `expected.jsonl` occurs in the text, on its page where one is named; compared without white
//! space, case, bidi marks and soft hyphens, after NFKC. Word F1: harmonic mean of precision and recall over the multiset
//! of words (runs of letters and digits), against reference Markdown; a yardstick, since that tool's choices are not the
//! truth. Descriptors of tables are left out of both: they are no words of the document.
//!
//! `CAIRN_TEST_DATA=... CAIRN_TEST_PDFIUM=... cargo test -p cairn-extract --test it quality -- --nocapture` prints the tables.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use cairn_extract::{
    ExtractOptions, Input, LocalTools, NoTools, ToolSettings, Tools, extract_with,
};
use cairn_types::{ElementKind, Extracted};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

/// Least mean word F1 by format. What was measured stands in `docs/quality.md`; this holds what must not be lost.
const F1_FLOORS: [(&str, f64); 6] = [
    ("docx", 0.95),
    ("pptx", 0.90),
    ("xlsx", 0.90),
    ("html", 0.94),
    ("odt", 0.85),
    ("pdf", 0.93),
];

fn squash(text: &str) -> String {
    text.nfkc()
        .filter(|c| {
            !c.is_whitespace()
                && !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        })
        .flat_map(char::to_lowercase)
        .collect()
}

fn words(text: &str) -> HashMap<String, i64> {
    let text: String = text.nfkc().flat_map(char::to_lowercase).collect();
    let mut found = HashMap::new();
    for word in text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        *found.entry(word.to_owned()).or_default() += 1;
    }
    found
}

/// Markdown without what is no word of the document: comments that stand for pictures, targets of links, escapes, entities.
fn plain(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some(at) = rest.find("<!--") {
        text.push_str(&rest[..at]);
        rest = rest[at..]
            .find("-->")
            .map_or("", |end| &rest[at + end + 3..]);
    }
    text.push_str(rest);
    let markdown = std::mem::take(&mut text);
    let mut rest = markdown.as_str();
    while let Some(at) = rest.find("](") {
        text.push_str(&rest[..=at]);
        // Targets may hold balanced parentheses.
        let mut depth = 0;
        let end = rest[at + 1..].find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0 || c == '\n'
        });
        rest = end.map_or("", |end| &rest[at + 2 + end..]);
    }
    text.push_str(rest);
    let mut text = text.replace('\\', "");
    for (entity, c) in [
        ("&amp;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&nbsp;", " "),
    ] {
        text = text.replace(entity, c);
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "counts of words")]
fn f1(got: &str, reference: &str) -> f64 {
    let (got, reference) = (words(got), words(&plain(reference)));
    let n_common: i64 = got
        .iter()
        .map(|(word, n)| *n.min(reference.get(word).unwrap_or(&0)))
        .sum();
    let (n_got, n_reference): (i64, i64) = (got.values().sum(), reference.values().sum());
    if n_got + n_reference == 0 {
        return 1.0;
    }
    2.0 * n_common as f64 / (n_got + n_reference) as f64
}

/// Which of the document's own text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Title, body, repeated headers and footers.
    All,
    /// Without the repeated headers and footers, which the reference leaves out as well.
    Body,
}

/// The document's own text: as one, and by page.
fn text_of(extracted: &Extracted, what: What) -> (String, BTreeMap<u32, String>) {
    let (mut all, mut pages) = (String::new(), BTreeMap::<u32, String>::new());
    if what == What::All {
        // It goes into every chunk's input.
        all.push_str(extracted.title.as_deref().unwrap_or_default());
        all.push('\n');
    }
    let mut last_header = None;
    for element in &extracted.elements {
        if element.kind == ElementKind::TableSummary {
            continue;
        }
        if element.kind == ElementKind::Furniture && what == What::Body {
            continue;
        }
        // The header row repeats in each group of a table's rows; it is one row of the document.
        let header = (element.kind == ElementKind::Table)
            .then(|| element.text.lines().next())
            .flatten();
        let own = match header.filter(|_| what == What::Body && header == last_header) {
            Some(header) => &element.text[header.len()..],
            None => element.text.as_str(),
        };
        last_header = header;
        all.push_str(own);
        all.push('\n');
        if let Some(page) = element.page {
            let text = pages.entry(page).or_default();
            text.push_str(&element.text);
            text.push('\n');
        }
    }
    (all, pages)
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs_err::read_to_string(path).unwrap();
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn options(passwords: Vec<String>, pdfium: &Path) -> ExtractOptions {
    ExtractOptions {
        pdfium: Some(pdfium.to_owned()),
        passwords: passwords.into(),
        ..ExtractOptions::default()
    }
}

fn all_tools() -> Box<dyn Tools> {
    let has_ocr = cairn_testkit::need("tesseract").is_some();
    let has_office = cairn_testkit::need("libreoffice").is_some();
    if has_ocr || has_office {
        Box::new(LocalTools::new(ToolSettings {
            languages: vec!["eng".to_owned()],
            ..ToolSettings::default()
        }))
    } else {
        Box::new(NoTools)
    }
}

/// Phrases found and expected.
#[derive(Debug, Default)]
struct Score {
    hits: usize,
    expected: usize,
    page_hits: usize,
    paged: usize,
}

#[test]
fn phrases_are_found_on_their_pages() {
    let (Some(data), Some(pdfium)) = (cairn_testkit::need("data"), cairn_testkit::need("pdfium"))
    else {
        return;
    };
    let tools = all_tools();
    let mut scores: BTreeMap<(String, bool), Score> = BTreeMap::new();
    let mut missing = Vec::new();
    for row in lines(&data.join("expected.jsonl")) {
        let expected = row["must_contain"].as_array().unwrap();
        let expect = row["expect"].as_str().unwrap();
        if expected.is_empty() || expect == "speech" {
            continue;
        }
        let file = row["file"].as_str().unwrap();
        let bytes = fs_err::read(data.join(file)).unwrap();
        let passwords = row["password"].as_str().map(str::to_owned);
        let options = options(passwords.into_iter().collect(), &pdfium);
        let (text, pages) = match extract_with(&Input::file(file, &bytes), &options, tools.as_ref())
        {
            Ok(extracted) => text_of(&extracted, What::All),
            Err(error) => {
                missing.push(format!("{file}: {error}"));
                (String::new(), BTreeMap::new())
            }
        };
        let text = squash(&text);
        let by_ocr = expect.starts_with("text_by_ocr");
        let score = scores
            .entry((row["format"].as_str().unwrap().to_owned(), by_ocr))
            .or_default();
        for phrase in expected {
            let wanted = squash(phrase["text"].as_str().unwrap());
            score.expected += 1;
            if text.contains(&wanted) {
                score.hits += 1;
            } else {
                missing.push(format!("{file}: {}", phrase["text"]));
                continue;
            }
            if let (false, Some(page)) = (pages.is_empty(), phrase["page"].as_u64()) {
                score.paged += 1;
                let on_page = pages.get(&u32::try_from(page).unwrap());
                if on_page.is_some_and(|text| squash(text).contains(&wanted)) {
                    score.page_hits += 1;
                } else {
                    missing.push(format!("{file}: not on page {page}: {}", phrase["text"]));
                }
            }
        }
        for unwanted in row["must_not_contain"].as_array().into_iter().flatten() {
            let unwanted = unwanted.as_str().unwrap();
            if text.contains(&squash(unwanted)) {
                missing.push(format!("{file}: must not contain {unwanted}"));
            }
        }
    }
    println!(
        "{:10} {:5} {:>12} {:>12}",
        "format", "", "phrases", "on the page"
    );
    let (mut ocr, mut plain, mut legacy) = (Score::default(), Score::default(), Score::default());
    for ((format, by_ocr), score) in &scores {
        let kind = if *by_ocr { "ocr" } else { "" };
        println!(
            "{format:10} {kind:5} {:>5} of {:>3} {:>5} of {:>3}",
            score.hits, score.expected, score.page_hits, score.paged
        );
        // Old office formats come through LibreOffice, and cells that their phrases join stay cells.
        let sum = match format.as_str() {
            "doc" | "ppt" => &mut legacy,
            _ if *by_ocr => &mut ocr,
            _ => &mut plain,
        };
        sum.hits += score.hits;
        sum.expected += score.expected;
        sum.page_hits += score.page_hits;
        sum.paged += score.paged;
    }
    for line in &missing {
        println!("missing: {line}");
    }
    println!("text {plain:?}, by recognition {ocr:?}, old office formats {legacy:?}");
    assert_eq!((plain.hits, plain.page_hits), (plain.expected, plain.paged));
    if cairn_testkit::need("tesseract").is_some() {
        assert!(ocr.hits * 10 >= ocr.expected * 9, "{ocr:?}");
    }
    if cairn_testkit::need("libreoffice").is_some() {
        assert!(legacy.hits * 10 >= legacy.expected * 7, "{legacy:?}");
    }
}

#[test]
fn words_are_those_of_the_reference() {
    let (Some(data), Some(pdfium)) = (cairn_testkit::need("data"), cairn_testkit::need("pdfium"))
    else {
        return;
    };
    let tools = all_tools();
    let options = options(Vec::new(), &pdfium);
    let mut by_format: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut weak = Vec::new();
    let mut files = BTreeMap::new();
    for row in lines(&data.join("expected.jsonl")) {
        let file = row["file"].as_str().unwrap().to_owned();
        let name = file.rsplit('/').next().unwrap().to_owned();
        files.insert(name, file);
    }
    for (name, file) in files {
        let Ok(reference) = fs_err::read_to_string(data.join(format!("docs_reference/{name}.md")))
        else {
            continue;
        };
        let bytes = fs_err::read(data.join(&file)).unwrap();
        let text = extract_with(&Input::file(&name, &bytes), &options, tools.as_ref()).map_or_else(
            |error| error.to_string(),
            |extracted| text_of(&extracted, What::Body).0,
        );
        let score = f1(&text, &reference);
        let format = name.rsplit('.').next().unwrap().to_owned();
        by_format.entry(format).or_default().push(score);
        if score < 0.8 {
            weak.push(format!("{score:.3} {name}"));
        }
    }
    println!("{:10} {:>5} {:>6}", "format", "files", "F1");
    let mut below = Vec::new();
    for (format, scores) in &by_format {
        #[expect(clippy::cast_precision_loss, reason = "a few files")]
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        println!("{format:10} {:>5} {mean:>6.3}", scores.len());
        let floor = F1_FLOORS.iter().find(|(of, _)| of == format);
        if floor.is_some_and(|(_, floor)| mean < *floor) {
            below.push(format!("{format} {mean:.3}"));
        }
    }
    for line in &weak {
        println!("below .8: {line}");
    }
    assert!(below.is_empty(), "below the floor: {below:?}");
}
