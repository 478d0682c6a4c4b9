//! Tests of the descriptors.

use proptest::prelude::*;

use super::*;

fn table(label: &str, rows: &[&[&str]]) -> Table {
    let mut rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| (*cell).to_owned()).collect())
        .collect();
    let header = rows.remove(0);
    Table {
        header,
        rows,
        label: (!label.is_empty()).then(|| label.to_owned()),
        ..Table::default()
    }
}

fn check(label: &str, rows: &[&[&str]], expect: &str) {
    assert_eq!(summarize(&table(label, rows)).as_deref(), Some(expect));
}

#[test]
fn a_table_is_described() {
    check(
        "Sales 2024",
        &[
            &["Region", "Month", "Units", "Revenue", "Margin"],
            &["North", "2024-01-31", "3", "1,200.50 €", "12.5 %"],
            &["South", "2024-07-31", "940", "900.00 €", "8.0 %"],
            &["North", "2024-12-31", "12", "10.25 €", "11.5 %"],
            &["Total", "", "955", "2,110.75 €", ""],
        ],
        "Table “Sales 2024”: 3 rows, 5 columns: Region, Month, Units, Revenue, Margin. Not counted: 1 row of totals (“Total”). \
         Region: 2 different values: North, South. Month: 2024-01-31 to 2024-12-31. \
         Units: total 955, smallest 3 (North, 2024-01-31), largest 940 (South, 2024-07-31), mean 318.3. \
         Revenue: total 2,110.75 €, smallest 10.25 € (North, 2024-12-31), largest 1,200.50 € (North, 2024-01-31), mean 703.58 €. \
         Margin: smallest 8.0 % (South, 2024-07-31), largest 12.5 % (North, 2024-01-31), mean 10.7 %.",
    );
}

#[test]
fn the_decimal_mark_is_that_of_the_column() {
    check(
        "",
        &[
            &["Posten", "Betrag", "Menge"],
            &["A", "1.234,50", "1.200"],
            &["B", "0,10", "2.300"],
            &["C", "1,00", "4.000"],
            &["Summe", "1.235,60", "7.500"],
        ],
        "Table: 3 rows, 3 columns: Posten, Betrag, Menge. Not counted: 1 row of totals (“Summe”). Posten: 3 different values. \
         Betrag: total 1.235,60, smallest 0,10 (B), largest 1.234,50 (A), mean 411,87. \
         Menge: total 7.500, smallest 1.200 (A), largest 4.000 (C), mean 2.500.",
    );
}

#[test]
fn sums_are_exact_and_years_have_none() {
    let rows: Vec<Vec<String>> = (0..10)
        .map(|n| vec![(2010 + n).to_string(), "0.1".to_owned(), format!("000{n}")])
        .collect();
    let table = Table {
        header: ["Year", "Rate", "Code"].map(str::to_owned).to_vec(),
        rows,
        ..Table::default()
    };
    assert_eq!(
        summarize(&table).unwrap(),
        "Table: 10 rows, 3 columns: Year, Rate, Code. Year: smallest 2010, largest 2019. \
         Rate: total 1.0, always 0.1. Code: 10 different values."
    );
}

#[test]
fn totals_are_those_that_add_up() {
    let rows: &[&[&str]] = &[
        &["Company", "Barrels"],
        &["Total Energies", "5"],
        &["Shell", "7"],
        &["Eni", "2"],
        &["BP", "1"],
        &["Exxon", "9"],
    ];
    let text = summarize(&table("", rows)).unwrap();
    assert!(
        text.contains("5 rows") && text.contains("total 24"),
        "{text}"
    );
    let mut with_total = rows.to_vec();
    with_total[1] = &["Equinor", "5"];
    with_total.push(&["Total of all", "24"]);
    let text = summarize(&table("", &with_total)).unwrap();
    assert!(
        text.contains("5 rows") && text.contains("total 24"),
        "{text}"
    );
    assert!(text.contains("(“Total of all”)"), "{text}");
    *with_total.last_mut().unwrap() = &["", "24"];
    let text = summarize(&table("", &with_total)).unwrap();
    assert!(text.contains("Not counted: 1 row of totals."), "{text}");
}

#[test]
fn cells_of_other_kinds_are_counted() {
    check(
        "",
        &[
            &["Name", "Price"],
            &["a", "$5"],
            &["b", "n/a"],
            &["c", ""],
            &["d", "$7"],
            &["e", "($1)"],
            &["f", "$2"],
        ],
        "Table: 6 rows, 2 columns: Name, Price. Name: 6 different values. \
         Price: total $13, smallest ($1) (e), largest $7 (d), mean $3.3, 1 cell without a number, 1 cell empty.",
    );
    // Different currencies have no sum.
    check(
        "",
        &[
            &["Name", "Price"],
            &["a", "5 €"],
            &["b", "5 $"],
            &["c", "6 $"],
        ],
        "Table: 3 rows, 2 columns: Name, Price. Name: 3 different values. Price: 3 different values.",
    );
}

#[test]
fn a_small_table_has_a_short_descriptor() {
    check(
        "Ports",
        &[&["Port", "Ships"], &["Lund", "3"]],
        "Table “Ports”: 1 row, 2 columns: Port, Ships.",
    );
    check(
        "",
        &[
            &["Port", "Ships"],
            &["Lund", "3"],
            &["Ystad", "4"],
            &["Total", "7"],
        ],
        "Table: 2 rows, 2 columns: Port, Ships. Not counted: 1 row of totals (“Total”).",
    );
    check(
        "",
        &[&["Port", "Ships"], &["Total", "7"]],
        "Table: 1 row, 2 columns: Port, Ships.",
    );
    check(
        "",
        &[&["Port"], &["Lund"], &["Ystad"], &["Malmö"], &["Lund"]],
        "Table: 4 rows, 1 column: Port.",
    );
}

#[test]
fn grids_and_heads_alone_have_no_descriptor() {
    let of = |rows: &[&[&str]]| summarize(&table("", rows));
    assert!(of(&[&["", ""], &["a", "b"], &["c", "d"], &["e", "f"]]).is_none());
    assert!(of(&[&["", ""], &["a", "1"], &["c", "2"]]).is_none());
    assert!(of(&[&[""], &["1"], &["2"], &["3"]]).is_none());
    assert!(of(&[&["a", "b"]]).is_none());
    assert!(of(&[&["a", "b"], &["", " "]]).is_none());
    assert!(of(&[&["", ""], &["a", "1"], &["c", "2"], &["d", "3"]]).is_some());
}

#[test]
fn numbers_that_are_names_have_no_sum() {
    check(
        "",
        &[
            &["Lfd.", "orderId", "Founded", "Number of ships"],
            &["1", "70311", "1901", "4"],
            &["2", "70200", "1955", "4"],
            &["3", "81000", "2011", "1"],
        ],
        "Table: 3 rows, 4 columns: Lfd., orderId, Founded, Number of ships. Lfd.: smallest 1, largest 3. \
         orderId: smallest 70200 (2), largest 81000 (3). Founded: smallest 1901 (1), largest 2011 (3). \
         Number of ships: total 9, smallest 1 (3), largest 4 (1), mean 3.",
    );
}

#[test]
fn a_wide_table_has_a_short_descriptor() {
    let header: Vec<String> = (0..300)
        .map(|n| format!("Measured value number {n}"))
        .collect();
    let rows = (0..5)
        .map(|row| (0..300).map(|n| (row * n).to_string()).collect())
        .collect();
    let table = Table {
        header,
        rows,
        ..Table::default()
    };
    let text = summarize(&table).unwrap();
    assert!(text.chars().count() < MAX_CHARS + 60, "{text}");
    assert!(text.contains("and 292 more."), "{text}");
    assert!(
        text.ends_with("more columns are not described here."),
        "{text}"
    );
}

proptest! {
    #[test]
    fn any_table_is_described_in_bounded_length(
        rows in prop::collection::vec(prop::collection::vec("[-0-9.,€% a-cTotal]{0,60}", 0..6), 0..8),
        header in prop::collection::vec("\\PC{0,80}", 0..6),
    ) {
        let table = Table { header, rows, ..Table::default() };
        if let Some(text) = summarize(&table) {
            prop_assert!(text.chars().count() <= MAX_CHARS + 60);
            prop_assert_eq!(Some(text), summarize(&table));
        }
    }

    #[test]
    fn the_total_is_the_sum(values in prop::collection::vec(-1_000_000i64..1_000_000, 3..30)) {
        let rows = values.iter().enumerate().map(|(n, cents)| {
            vec![format!("row {n}"), write((*cents).into(), 2, Decimal::Point, Some(','))]
        });
        let table = Table { header: vec!["Item".into(), "Cost".into()], rows: rows.collect(), ..Table::default() };
        let sum = write(values.iter().map(|n| i128::from(*n)).sum(), 2, Decimal::Point, None);
        let text = summarize(&table).unwrap().replace(',', "");
        let expect = format!("Cost: total {sum} ");
        prop_assert!(text.contains(&expect), "{} in {}", expect, text);
    }
}
