//! Tables in PDF files written by hand: none is torn by the cutting of columns.
//!
//! Needs `CAIRN_TEST_PDFIUM`, the path of the pdfium library.

use std::fmt::Write as _;

use cairn_extract::extract;
use cairn_types::ElementKind;

use crate::pdf::{at, options, pdf, shape};

/// Cells left-aligned at `xs`, one row every 17 points downwards from `top`.
fn rows(xs: &[u32], top: u32, rows: &[&[&str]]) -> String {
    let mut content = String::new();
    let mut y = top;
    for row in rows {
        for (x, cell) in xs.iter().zip(*row) {
            content += &at(*x, y, 10, cell);
        }
        y -= 17;
    }
    content
}

/// All lines of a grid between these places.
fn lines(xs: &[u32], ys: &[u32]) -> String {
    let mut content = "0.5 w\n".to_owned();
    for y in ys {
        let _ = writeln!(content, "{} {y} m {} {y} l", xs[0], xs[xs.len() - 1]);
    }
    for x in xs {
        let _ = writeln!(content, "{x} {} m {x} {} l", ys[0], ys[ys.len() - 1]);
    }
    content + "S\n"
}

const DRILLS: [&[&str]; 5] = [
    &["Drill", "How often", "Who leads", "Longest allowed time"],
    &[
        "Abandon ship",
        "weekly",
        "Master",
        "18 minutes to last raft",
    ],
    &["Fire", "weekly", "Chief mate", "4 minutes to first hose"],
    &[
        "Person overboard",
        "monthly",
        "Second mate",
        "5 minutes to boat in water",
    ],
    &[
        "Loss of power",
        "every quarter",
        "Chief engineer",
        "45 seconds to emergency power",
    ],
];

fn joined(rows: &[&[&str]]) -> String {
    let rows: Vec<String> = rows.iter().map(|row| row.join(" | ")).collect();
    rows.join("\n")
}

/// A page with a table between two sections.
fn page(table: &str) -> String {
    [
        at(64, 700, 10, "Drills are held by every crew, in harbour and at sea, and a drill that could not be held is"),
        at(64, 686, 10, "made up within 24 hours and entered in the log."),
        table.to_owned(),
        at(64, 530, 14, "After an incident"),
        at(64, 508, 10, "The master calls the designated person ashore at any hour of the day or night."),
    ]
    .concat()
}

#[test]
fn tables_of_wordy_cells_stay_whole() {
    let Some(options) = options() else { return };
    let cells = rows(&[68, 176, 260, 351], 656, &DRILLS);
    let ruled = lines(&[64, 172, 256, 347, 531], &[583, 600, 617, 634, 651, 668]) + &cells;
    // Every other row on a coloured ground, and no line.
    let striped = "0.9 g\n64 634 467 17 re f\n64 600 467 17 re f\n0 g\n".to_owned() + &cells;
    for (name, table) in [("ruled", ruled), ("striped", striped), ("bare", cells)] {
        let extracted = extract("a.pdf", &pdf(&[page(&table)], "", ""), &options).unwrap();
        assert_eq!(
            shape(&extracted),
            [
                (
                    ElementKind::Paragraph,
                    0,
                    "Drills are held by every crew, in harbour and at sea, and a drill that could not be held is made up within 24 hours and entered in the log."
                ),
                (ElementKind::Table, 0, joined(&DRILLS).as_str()),
                (ElementKind::Heading, 1, "After an incident"),
                (
                    ElementKind::Paragraph,
                    0,
                    "The master calls the designated person ashore at any hour of the day or night."
                ),
            ],
            "{name}"
        );
        assert_eq!(extracted.report.cells, 20, "{name}");
        let bbox = extracted.elements[1].bbox.unwrap();
        assert!(bbox.x0 < 70.0 && bbox.x1 > 470.0, "{name}: {bbox:?}");
    }
}

#[test]
fn rows_of_numbers_keep_their_labels() {
    let Some(options) = options() else { return };
    let table: [&[&str]; 4] = [
        &["Route of the ferry", "2023", "2024", "2025", "Change 2025"],
        &[
            "R1 Marrick - Tolm",
            "398,120",
            "412,300",
            "431,850",
            "+4.7 %",
        ],
        &[
            "R4 Marrick - Vessay",
            "79,330",
            "88,120",
            "97,560",
            "+10.7 %",
        ],
        &[
            "All of the routes",
            "683,910",
            "704,070",
            "732,010",
            "+4.0 %",
        ],
    ];
    let cells = rows(&[68, 217, 288, 359, 430], 656, &table);
    let ruled = lines(&[64, 213, 284, 355, 426, 531], &[600, 617, 634, 651, 668]) + &cells;
    for content in [cells, ruled] {
        let extracted = extract("a.pdf", &pdf(&[page(&content)], "", ""), &options).unwrap();
        assert_eq!(shape(&extracted)[1].2, joined(&table));
    }
}

#[test]
fn cells_of_ruled_tables_may_go_on_and_span() {
    let Some(options) = options() else { return };
    // Both cells of the middle row go on; the last row is one cell over both columns.
    let mut content = "0.5 w\n".to_owned();
    for (x, y, width, height) in [
        (64, 650, 200, 20),
        (264, 650, 200, 20),
        (64, 610, 200, 40),
        (264, 610, 200, 40),
        (64, 590, 400, 20),
    ] {
        let _ = writeln!(content, "{x} {y} {width} {height} re S");
    }
    for (x, y, text) in [
        (68, 656, "Appliance"),
        (268, 656, "Where it is and who serves it"),
        (68, 636, "Marine evacuation slide,"),
        (68, 622, "two of them"),
        (268, 636, "Amidships, on both sides;"),
        (268, 622, "the maker, every second May"),
        (68, 596, "All of these are drilled with every week."),
    ] {
        content += &at(x, y, 10, text);
    }
    let extracted = extract("a.pdf", &pdf(&[page(&content)], "", ""), &options).unwrap();
    assert_eq!(
        shape(&extracted)[1].2,
        "Appliance | Where it is and who serves it\nMarine evacuation slide, two of them | Amidships, on both sides; the maker, every second May\nAll of these are drilled with every week."
    );
}

#[test]
fn a_table_over_both_columns_parts_them() {
    let Some(options) = options() else { return };
    let mut content = String::new();
    let mut word = 0;
    let mut expect = Vec::new();
    for top in [760u32, 450] {
        for x in [50, 320] {
            for line in 0..8u32 {
                let text = format!("prose of columns, the line {word} here");
                content += &at(x, top - line * 14, 10, &text);
                expect.push(format!("line {word} here"));
                word += 1;
            }
        }
        if top == 760 {
            content += &rows(&[54, 180, 300, 420], 606, &DRILLS);
            content += &lines(&[50, 176, 296, 416, 570], &[533, 550, 567, 584, 601, 618]);
            expect.push(joined(&DRILLS));
        }
    }
    let text = extract("a.pdf", &pdf(&[content], "", ""), &options)
        .unwrap()
        .render()
        .text;
    let places: Vec<Option<usize>> = expect.iter().map(|what| text.find(what)).collect();
    assert!(places.iter().all(Option::is_some), "{text}");
    assert!(places.is_sorted(), "{text}");
}

/// One line of bold text at a place.
fn bold(x: u32, y: u32, text: &str) -> String {
    at(x, y, 10, text).replace("/F1", "/F2")
}

#[test]
fn header_rows_of_ruled_and_bare_tables_are_joined() {
    let Some(options) = options() else { return };
    let body = rows(
        &[68, 170, 260, 350, 440],
        622,
        &[
            &["Marrick", "398", "412", "431", "433"],
            &["Vessay", "79", "88", "97", "98"],
            &["Tolm", "21", "25", "29", "31"],
        ],
    );
    let names: [(u32, &str); 5] = [
        (68, "Port"),
        (170, "Cars"),
        (260, "People"),
        (350, "Cars"),
        (440, "People"),
    ];
    let names: String = names
        .iter()
        .map(|(x, name)| at(*x, 639, 10, name))
        .collect();
    // Each year is centred over two columns.
    let years = at(217, 656, 10, "2024") + &at(397, 656, 10, "2025");
    let xs = [64, 164, 254, 344, 434, 531];
    let ruled = {
        // No line parts the columns of a year, nor the port from what is above it.
        let mut content = lines(&xs, &[583, 600, 617, 634]);
        content += "64 668 m 531 668 l 164 651 m 531 651 l S\n";
        for (x, y) in [
            (64, 668),
            (164, 668),
            (254, 651),
            (344, 668),
            (434, 651),
            (531, 668),
        ] {
            let _ = writeln!(content, "{x} 634 m {x} {y} l S");
        }
        content
    };
    let expect = "Port | 2024 / Cars | 2024 / People | 2025 / Cars | 2025 / People\n\
                  Marrick | 398 | 412 | 431 | 433\nVessay | 79 | 88 | 97 | 98\nTolm | 21 | 25 | 29 | 31";
    for rules in [String::new(), ruled] {
        let content = [rules, years.clone(), names.clone(), body.clone()].concat();
        let extracted = extract("a.pdf", &pdf(&[page(&content)], "", ""), &options).unwrap();
        assert_eq!(shape(&extracted)[1], (ElementKind::Table, 0, expect));
        assert_eq!(extracted.report.cells, 22);
        assert_eq!(extracted.report.chars_seen, extracted.report.chars_kept);
    }
    // Two bold rows above rows that are not.
    let content = [
        bold(68, 656, "Who"),
        bold(260, 656, "What"),
        bold(68, 639, "(family name)"),
        bold(260, 639, "(in their own words)"),
        rows(
            &[68, 260],
            622,
            &[
                &["Lind", "a boat"],
                &["Moe", "two nets"],
                &["Rask", "a quay"],
            ],
        ),
    ];
    let extracted = extract("a.pdf", &pdf(&[page(&content.concat())], "", ""), &options).unwrap();
    assert_eq!(
        shape(&extracted)[1].2,
        "Who / (family name) | What / (in their own words)\nLind | a boat\nMoe | two nets\nRask | a quay"
    );
}

#[test]
fn a_bare_table_over_the_gutter_is_not_torn() {
    let Some(options) = options() else { return };
    // The columns of the table leave the gutter of the text white.
    let table: [&[&str]; 4] = [
        &["Part", "In stock", "Price"],
        &["Bolt", "12", "0.10"],
        &["Washer", "7", "0.05"],
        &["Gear", "1", "9.99"],
    ];
    let prose = |top: u32, content: &mut String, expect: &mut Vec<String>| {
        for x in [50, 320] {
            for line in 0..9u32 {
                let tail = ["", " and", " with"][(line % 3) as usize];
                let text = format!("Column at {x}, top {top}, line {line}, goes on here{tail}");
                *content += &at(x, top - line * 12, 10, &text);
                expect.push(format!("at {x}, top {top}, line {line},"));
            }
        }
    };
    for (is_above, is_below) in [(true, false), (false, true), (true, true)] {
        let mut content = String::new();
        let mut expect = Vec::new();
        if is_above {
            prose(760, &mut content, &mut expect);
        }
        content += &rows(&[50, 240, 420], 640, &table);
        expect.push(joined(&table));
        if is_below {
            prose(564, &mut content, &mut expect);
        }
        let text = extract("a.pdf", &pdf(&[content], "", ""), &options)
            .unwrap()
            .render()
            .text;
        let places: Vec<Option<usize>> = expect.iter().map(|what| text.find(what)).collect();
        assert!(places.iter().all(Option::is_some), "{text}");
        assert!(places.is_sorted(), "{text}");
    }
}

#[test]
fn three_columns_of_text_are_read_one_after_the_other() {
    let Some(options) = options() else { return };
    let mut content = String::new();
    for line in 0..12u32 {
        for (column, x) in [50, 230, 410].into_iter().enumerate() {
            let tail = ["", " of", " at"][(line % 3) as usize];
            let text = format!("column {column} has line {line} here{tail}");
            content += &at(x, 700 - line * 12, 10, &text);
        }
    }
    let extracted = extract("a.pdf", &pdf(&[content], "", ""), &options).unwrap();
    assert_eq!(extracted.report.tables, 0);
    let text = extracted.render().text;
    let places = (0..36).map(|n| text.find(&format!("column {} has line {} ", n / 12, n % 12)));
    let places: Vec<Option<usize>> = places.collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{text}"
    );
}

#[test]
fn frames_and_lines_of_a_page_are_no_table() {
    let Some(options) = options() else { return };
    // A frame, a line under the head, one between the columns.
    let mut content = "30 30 540 740 re S\n30 740 m 570 740 l S\n300 30 m 300 740 l S\n".to_owned();
    content += &at(50, 750, 10, "The head of the page");
    for line in 0..20u32 {
        let y = 700 - line * 14;
        content += &at(50, y, 10, &format!("left column, line number {line} of it"));
        content += &at(
            320,
            y,
            10,
            &format!("right column, line number {line} of it"),
        );
    }
    let extracted = extract("a.pdf", &pdf(&[content], "", ""), &options).unwrap();
    assert_eq!(extracted.report.tables, 0);
    let text = extracted.render().text;
    assert!(
        text.find("left column, line number 19") < text.find("right column, line number 0"),
        "{text}"
    );
}
