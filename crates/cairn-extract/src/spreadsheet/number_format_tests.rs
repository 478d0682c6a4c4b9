//! Tests of the number formats.

use proptest::prelude::*;

use super::*;

fn shown(code: &str, n: f64) -> String {
    NumberFormat::parse(code).number(n, Epoch::Y1900)
}

#[test]
fn numbers_show_as_their_format_says() {
    for (code, n, expect) in [
        ("General", 0.1 + 0.2, "0.3"),
        ("General", 1234.5, "1234.5"),
        ("General", 1e20, "1e20"),
        ("General\" pcs\"", 3.0, "3 pcs"),
        ("0", 12.5, "13"),
        ("0.00", 1.005, "1.01"),
        ("0.00", -0.001, "0.00"),
        ("0.00", -1.5, "-1.50"),
        ("000", 7.0, "007"),
        ("#", 7.0, "7"),
        (".00", 12.345, "12.35"),
        ("#.##", 0.5, ".5"),
        ("0.0#", 2.0, "2.0"),
        ("#,##0", 1_234_567.0, "1,234,567"),
        ("#,##0", 123.0, "123"),
        ("#,##0.00", 1234.5, "1,234.50"),
        ("#,##0.00", 999.999, "1,000.00"),
        ("0,000", 12.0, "0,012"),
        ("#,##0,", 1_234_567.0, "1,235"),
        ("0.0,,\" M\"", 12_345_678.0, "12.3 M"),
        ("0%", 0.125, "13%"),
        ("0.00%", 0.125, "12.50%"),
        ("0.00E+00", 12345.0, "1.23E+04"),
        ("0.00E+00", 0.000_999_9, "1.00E-03"),
        ("0.00E-00", 12345.0, "1.23E04"),
        ("##0.0E+0", 12345.0, "12.3E+3"),
        ("# ?/?", 1.5, "1 1/2"),
        ("# ?/?", 0.333, "1/3"),
        ("# ?/?", 2.0, "2"),
        ("# ?/?", 22.141_592_653, "22 1/7"),
        ("# ??/??", 22.141_592_653, "22 14/99"),
        ("# ?/4", 0.75, "3/4"),
        ("?/?", 1.5, "3/2"),
        ("[$€-407] #,##0.00", 1234.5, "€ 1,234.50"),
        ("#,##0.00 [$€-407]", 1234.5, "1,234.50 €"),
        ("\"$\"#,##0_);[Red]\\(\"$\"#,##0\\)", -1234.0, "($1,234)"),
        ("$#,##0.00", 5.0, "$5.00"),
        ("#,##0.00;(#,##0.00)", -5.0, "(5.00)"),
        ("0;-0;\"none\"", 0.0, "none"),
        ("0;-0;;@", 0.0, "0"),
        (";;;", 5.0, "5"),
        ("[>=1000]#,##0,\"k\";0", 2500.0, "3k"),
        ("[>=1000]#,##0,\"k\";0", 25.0, "25"),
        ("[<0]\"low\";[=0]\"zero\";\"high\"", 3.0, "high"),
        ("000-0000", 5_551_234.0, "555-1234"),
        ("(000) 000-0000", 8_005_551_234.0, "(800) 555-1234"),
        ("0\" kg\"", 12.0, "12 kg"),
        ("0\\ kg", 12.0, "12 kg"),
        ("@", 12.5, "12.5"),
        ("\"Yes\";\"Yes\";\"No\"", 1.0, "Yes"),
        ("#,##0.00\\ \"€\"", -1234.567, "-1,234.57 €"),
        ("0.0?", 2.5, "2.5"),
        ("", 5.0, "5"),
        ("0.00", 1e300, &format!("1{}.00", "0".repeat(300))),
    ] {
        assert_eq!(shown(code, n), expect, "{code} of {n}");
    }
    for id in [5, 8, 37, 40, 42, 43, 44] {
        let code = builtin(id).unwrap();
        let text = shown(code, -1234.5);
        assert!(
            text.contains("1,23") && text.ends_with(')'),
            "{code}: {text}"
        );
        assert!(!shown(code, 0.0).is_empty());
    }
    assert_eq!(shown(builtin(44).unwrap(), 1234.5), "$1,234.50");
    assert_eq!(shown(builtin(44).unwrap(), 0.0), "$-");
}

#[test]
fn dates_and_times_show_as_their_format_says() {
    // 2024-01-31 15:04:05.
    let at: f64 = 45_322.0 + (15.0 * 3600.0 + 4.0 * 60.0 + 5.0) / 86_400.0;
    for (code, n, expect) in [
        ("yyyy-mm-dd", at, "2024-01-31"),
        ("dd.mm.yyyy", at, "31.01.2024"),
        ("m/d/yy", at, "1/31/24"),
        ("d-mmm-yy", at, "31-Jan-24"),
        ("dddd, mmmm d, yyyy", at, "Wednesday, January 31, 2024"),
        ("mmm yyyy", at, "Jan 2024"),
        ("mmmmm", at, "J"),
        ("h:mm AM/PM", at, "3:04 PM"),
        ("hh:mm:ss", at, "15:04:05"),
        ("h:mm A/P", at - 0.5, "3:04 A"),
        ("h AM/PM", 0.5, "12 PM"),
        ("h AM/PM", 0.0, "12 AM"),
        ("yyyy\\-mm\\-dd\\ hh:mm", at, "2024-01-31 15:04"),
        ("yyyy\"年\"m\"月\"d\"日\"", at, "2024年1月31日"),
        ("[$-409]d/mmm/yyyy;@", at, "31/Jan/2024"),
        ("[$-F800]dddd, mmmm dd, yyyy", at.floor(), "2024-01-31"),
        ("[h]:mm:ss", 1.5, "36:00:00"),
        ("[h]:mm", -0.25, "-6:00"),
        ("[mm]:ss", 90.0 / 86_400.0, "01:30"),
        ("[s]", 90.0 / 86_400.0, "90"),
        ("mm:ss.0", 90.25 / 86_400.0, "01:30.3"),
        ("mm:ss.000", 90.25 / 86_400.0, "01:30.250"),
        ("yyyy-mm-dd", 1.0, "1900-01-01"),
        ("yyyy-mm-dd", 61.0, "1900-03-01"),
        ("yyyy-mm-dd", 2_958_465.0, "9999-12-31"),
        ("yyyy-mm-dd", -1.0, "-1"),
        ("yyyy-mm-dd", 1e9, "1000000000"),
        ("gge\"年\"", at.floor(), "2024-01-31"),
    ] {
        assert_eq!(shown(code, n), expect, "{code} of {n}");
    }
    let of = |id: u16, n: f64| shown(builtin(id).unwrap(), n);
    assert_eq!(of(14, 45_322.0), "2024-01-31");
    assert_eq!(of(22, 45_322.5), "2024-01-31 12:00:00");
    assert_eq!(of(46, 1.25), "30:00:00");
    let format = NumberFormat::parse("yyyy-mm-dd");
    assert_eq!(format.number(0.0, Epoch::Y1904), "1904-01-01");
    assert!(format.is_date());
    assert!(!NumberFormat::parse("#,##0\\ \"days\"").is_date());
    assert!(!NumberFormat::parse("[Red]0.0").is_date());
}

#[test]
fn texts_show_within_their_section() {
    assert_eq!(NumberFormat::parse("\"No. \"@").text("7b"), "No. 7b");
    assert_eq!(NumberFormat::parse("0;-0;0;\"<\"@\">\"").text("x"), "<x>");
    assert_eq!(NumberFormat::parse("0.00").text("x"), "x");
    assert_eq!(NumberFormat::parse(";;;").text("x"), "x");
}

proptest! {
    #[test]
    fn any_code_shows_something(code in "[0#?.,%E+;@/\"\\\\_*\\[\\]$<>=a-zA-Zé -]{0,30}", n in any::<f64>()) {
        let format = NumberFormat::parse(&code);
        for n in [n, n % 100_000.0, n.abs() % 60_000.0] {
            if n.is_finite() {
                prop_assert!(!format.number(n, Epoch::Y1900).is_empty());
            }
        }
        format.text("x");
    }

    #[test]
    fn whole_numbers_keep_their_digits(n in -1_000_000_000i32..1_000_000_000) {
        let text = shown("#,##0", f64::from(n));
        prop_assert_eq!(text.replace(',', ""), n.to_string());
    }
}
