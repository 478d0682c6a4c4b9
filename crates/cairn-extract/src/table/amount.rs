//! Amounts and days as tables show them: `1.234,56 €`, `(1,200)`, `12.5 %`, `31.01.2024`.
//!
//! Exact: an amount is a whole number and a count of decimals, so sums have no noise of binary fractions. Whether a
//! comma is the decimal mark is not a property of one cell; the caller decides it over a column.

/// The decimal mark of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decimal {
    Point,
    Comma,
}

/// The parts of a cell that may be an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape<'a> {
    /// Currency or sign in front, with the space behind it: `$`, `€ `.
    pub(super) prefix: &'a str,
    /// Digits and marks.
    body: &'a str,
    /// Unit behind, with the space before it: ` kg`, `%`.
    pub(super) suffix: &'a str,
    is_negative: bool,
}

/// An exact decimal number: `units` divided by ten to the power of `scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) units: i128,
    pub(super) scale: u32,
}

/// Whether the letters before a number are those of a currency, not of a name with a number: `USD 5`, not `Q3`.
fn is_currency(prefix: &str) -> bool {
    const SHORT: &[&str] = &[
        "Rs", "Rs.", "kr", "kr.", "Fr.", "R$", "US$", "C$", "A$", "zł", "Kč", "Ft", "lei",
    ];
    let is_code = prefix.len() == 3 && prefix.bytes().all(|b| b.is_ascii_uppercase());
    is_code || SHORT.contains(&prefix) || !prefix.chars().any(char::is_alphabetic)
}

/// Letters of a unit; more is text with a number in it. A guess.
const MAX_UNIT: usize = 6;
/// Decimals that are kept apart; a cell with more is no amount.
const MAX_SCALE: u32 = 12;

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}')
}

const fn is_minus(c: char) -> bool {
    matches!(c, '-' | '\u{2212}' | '\u{2013}')
}

impl<'a> Shape<'a> {
    /// The parts of `cell`, or none where it can be no amount.
    pub(super) fn of(cell: &'a str) -> Option<Self> {
        let cell = cell.trim();
        if cell.len() > 60 {
            return None;
        }
        let inner = cell.strip_prefix('(').and_then(|c| c.strip_suffix(')'));
        let (text, mut is_negative) = inner.map_or((cell, false), |inner| (inner.trim(), true));
        let first = text.find(|c: char| c.is_ascii_digit())?;
        // `.5` has no digit before its point.
        let start = match text[..first].chars().next_back() {
            Some('.') => first - 1,
            _ => first,
        };
        let end = text.rfind(|c: char| c.is_ascii_digit())? + 1;
        let (mut prefix, body, mut suffix) = (&text[..start], &text[start..end], &text[end..]);
        if let Some(rest) = prefix.trim_start().strip_prefix(is_minus) {
            (prefix, is_negative) = (rest.trim_start(), !is_negative);
        } else if let Some(rest) = prefix.trim_end().strip_suffix(is_minus) {
            (prefix, is_negative) = (rest, !is_negative);
        } else if let Some(rest) = suffix.strip_prefix(is_minus) {
            (suffix, is_negative) = (rest, !is_negative);
        } else {
            prefix = prefix.trim_start().strip_prefix('+').unwrap_or(prefix);
        }
        let is_unit = |text: &str| {
            let text = text.trim();
            text.chars().count() <= MAX_UNIT
                && text.chars().all(|c| !c.is_whitespace() && !is_minus(c))
                && !text.contains([':', ';', ',', '(', ')', '#', '_', '*'])
        };
        let is_digits = |c: char| c.is_ascii_digit() || is_space(c) || ".,'’".contains(c);
        let fits = body.chars().all(is_digits) && is_unit(prefix) && is_unit(suffix);
        let fits = fits && is_currency(prefix.trim());
        let has_one_unit = prefix.trim().is_empty() || suffix.trim().is_empty();
        (fits && has_one_unit).then_some(Self {
            prefix,
            body,
            suffix,
            is_negative,
        })
    }

    /// Which decimal mark this cell alone shows; none where both readings hold.
    pub(super) fn evidence(&self) -> Option<Decimal> {
        let n_points = self.body.matches('.').count();
        let n_commas = self.body.matches(',').count();
        let after = |mark: char| self.body.rsplit(mark).next().map_or(0, str::len);
        let single = |mark: char, this: Decimal| {
            let is_short =
                after(mark) != 3 || self.body.starts_with('0') || self.body.starts_with(mark);
            is_short.then_some(this)
        };
        match (n_points, n_commas) {
            (0, 0) => None,
            (1, 0) => single('.', Decimal::Point),
            (0, 1) => single(',', Decimal::Comma),
            (0, _) => Some(Decimal::Point),
            (_, 0) => Some(Decimal::Comma),
            _ if self.body.rfind('.') > self.body.rfind(',') => Some(Decimal::Point),
            _ => Some(Decimal::Comma),
        }
    }

    /// The mark between groups of digits, where there is one.
    pub(super) fn group_mark(&self, decimal: Decimal) -> Option<char> {
        let mut marks = self.body.chars().filter(|c| !c.is_ascii_digit());
        let mark = marks.next()?;
        (mark != decimal.mark()).then_some(mark)
    }

    /// The exact value; none where the digits are not grouped as those of an amount (versions, telephone numbers) or
    /// begin with a zero that no amount has (codes).
    pub(super) fn value(&self, decimal: Decimal) -> Option<Amount> {
        let (whole, decimals) = match self.body.rsplit_once(decimal.mark()) {
            Some((whole, decimals)) => (whole, decimals),
            None => (self.body, ""),
        };
        if !decimals.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let scale = u32::try_from(decimals.len()).ok()?;
        let groups: Vec<&str> = whole.split(|c: char| !c.is_ascii_digit()).collect();
        if groups.len() > 1 {
            let mut marks = whole.chars().filter(|c| !c.is_ascii_digit());
            let mark = marks.next()?;
            let last = groups.len() - 1;
            let fits = groups.iter().enumerate().all(|(at, group)| match at {
                0 => (1..=3).contains(&group.len()),
                // 12,34,567 is how amounts are grouped in India.
                _ if at < last => matches!(group.len(), 2 | 3),
                _ => group.len() == 3,
            });
            if mark == decimal.mark() || !marks.all(|other| other == mark) || !fits {
                return None;
            }
        } else if whole.len() > 1 && whole.starts_with('0') {
            return None;
        }
        let digits: String = groups.concat() + decimals;
        if digits.is_empty() || digits.len() > 30 || scale > MAX_SCALE {
            return None;
        }
        let units: i128 = digits.parse().ok()?;
        Some(Amount {
            units: if self.is_negative { -units } else { units },
            scale,
        })
    }
}

impl Decimal {
    pub(super) const fn mark(self) -> char {
        match self {
            Self::Point => '.',
            Self::Comma => ',',
        }
    }
}

impl Amount {
    /// The same value with `scale` decimals, which must be at least its own. None beyond the range.
    pub(super) fn with_scale(self, scale: u32) -> Option<i128> {
        let factor = 10i128.checked_pow(scale.checked_sub(self.scale)?)?;
        self.units.checked_mul(factor)
    }
}

/// Writes `units` with `scale` decimals as the column does.
pub(super) fn write(units: i128, scale: u32, decimal: Decimal, group: Option<char>) -> String {
    let digits = units.unsigned_abs().to_string();
    let scale = scale as usize;
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, decimals) = digits.split_at(digits.len() - scale);
    let mut out = String::new();
    if units < 0 {
        out.push('-');
    }
    for (at, digit) in whole.chars().enumerate() {
        let n_left = whole.len() - at;
        if at > 0 && n_left.is_multiple_of(3) {
            out.extend(group);
        }
        out.push(digit);
    }
    if scale > 0 {
        out.push(decimal.mark());
        out.push_str(decimals);
    }
    out
}

/// Which of two numbers of a day with slashes is the month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DayOrder {
    DayFirst,
    MonthFirst,
}

/// A day, or a day and time, as a number that sorts: year, month, day, then hours, minutes and seconds. None where
/// the cell is no day. `order` decides `3/4/2024`.
pub(super) fn day_key(cell: &str, order: DayOrder) -> Option<u64> {
    let cell = cell.trim();
    if cell.len() > 32 || !cell.is_ascii() {
        return None;
    }
    let (date, time) = match cell.find([' ', 'T']) {
        Some(at) if cell[at + 1..].contains(':') => (&cell[..at], &cell[at + 1..]),
        _ => (cell, ""),
    };
    let mut clock = [0u64; 3];
    if !time.is_empty() {
        let parts: Vec<&str> = time.trim_end_matches('Z').split(':').collect();
        if !(2..=3).contains(&parts.len()) {
            return None;
        }
        for (slot, part) in clock.iter_mut().zip(parts) {
            let whole = part.split('.').next().unwrap_or(part);
            *slot = whole.parse().ok().filter(|n| *n < 60)?;
        }
    }
    let parts: Vec<&str> = date
        .split([' ', '-', '/', '.', ','])
        .filter(|part| !part.is_empty())
        .collect();
    let numbers: Vec<Option<u64>> = parts.iter().map(|part| part.parse().ok()).collect();
    let (year, month, day) = match (parts.as_slice(), numbers.as_slice()) {
        ([year, _, _], [Some(y), Some(m), Some(d)]) if year.len() == 4 => (*y, *m, *d),
        ([_, _, year], [Some(a), Some(b), Some(y)]) if matches!(year.len(), 2 | 4) => {
            let is_dotted = date.contains('.');
            match order {
                DayOrder::MonthFirst if !is_dotted => (full_year(*y), *a, *b),
                _ => (full_year(*y), *b, *a),
            }
        }
        ([_, name, _], [Some(d), None, Some(y)]) => (full_year(*y), month(name)?, *d),
        ([name, _, _], [None, Some(d), Some(y)]) => (full_year(*y), month(name)?, *d),
        ([name, year], [None, Some(y)]) if matches!(year.len(), 2 | 4) => {
            (full_year(*y), month(name)?, 0)
        }
        ([year, _], [Some(y), Some(m)]) if year.len() == 4 && date.contains('-') => (*y, *m, 0),
        _ => return None,
    };
    let fits = (1000..=9999).contains(&year) && (1..=12).contains(&month) && day <= 31;
    let [hour, minute, second] = clock;
    fits.then(|| ((((year * 100 + month) * 100 + day) * 100 + hour) * 100 + minute) * 100 + second)
}

/// 1970 to 2069 of two digits.
const fn full_year(year: u64) -> u64 {
    match year {
        0..70 => 2000 + year,
        70..100 => 1900 + year,
        _ => year,
    }
}

fn month(name: &str) -> Option<u64> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let name = name.to_lowercase();
    if name.len() < 3 {
        return None;
    }
    let at = NAMES.iter().position(|full| full.starts_with(&name))?;
    u64::try_from(at + 1).ok()
}

/// Which order of day and month the cells show: the one in which a number over 12 is a day. Month first where all
/// numbers are small, unless some cell is written with points.
pub(super) fn day_order<'a>(cells: impl Iterator<Item = &'a str>) -> DayOrder {
    for cell in cells {
        let mut numbers = cell
            .split(['/', '-'])
            .map(|part| part.trim().parse::<u32>().ok());
        if let (Some(Some(a)), Some(Some(b))) = (numbers.next(), numbers.next()) {
            if (13..=31).contains(&a) {
                return DayOrder::DayFirst;
            }
            if (13..=31).contains(&b) {
                return DayOrder::MonthFirst;
            }
        }
    }
    DayOrder::MonthFirst
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(cell: &str, decimal: Decimal) -> Option<(i128, u32)> {
        let amount = Shape::of(cell)?.value(decimal)?;
        Some((amount.units, amount.scale))
    }

    #[test]
    fn amounts_are_exact() {
        use Decimal::{Comma, Point};
        for (cell, decimal, expect) in [
            ("12", Point, Some((12, 0))),
            ("1,234.50", Point, Some((123_450, 2))),
            ("1.234,50 €", Comma, Some((123_450, 2))),
            ("€ 5", Point, Some((5, 0))),
            ("-$5.25", Point, Some((-525, 2))),
            ("$-5.25", Point, Some((-525, 2))),
            ("(1,200)", Point, Some((-1200, 0))),
            ("−3,5 %", Comma, Some((-35, 1))),
            ("12-", Point, Some((-12, 0))),
            ("1 234 567", Point, Some((1_234_567, 0))),
            ("1'234.5", Point, Some((12_345, 1))),
            ("12,34,567", Point, Some((1_234_567, 0))),
            (".5", Point, Some((5, 1))),
            ("0.10", Point, Some((10, 2))),
            ("5 kg", Point, Some((5, 0))),
            ("007", Point, None),
            ("1.2.3", Point, None),
            ("555 1234", Point, None),
            ("2024-01-31", Point, None),
            ("12:30", Point, None),
            ("1/2", Point, None),
            ("12 months or more", Point, None),
            ("A12", Point, None),
            ("name 7", Point, None),
            ("USD 12", Point, Some((12, 0))),
            ("1234", Point, Some((1234, 0))),
            ("12,5", Point, None),
        ] {
            assert_eq!(value(cell, decimal), expect, "{cell}");
        }
    }

    #[test]
    fn cells_show_their_decimal_mark() {
        let of = |cell: &str| Shape::of(cell).unwrap().evidence();
        assert_eq!(of("1,234"), None);
        assert_eq!(of("1.234"), None);
        assert_eq!(of("0,234"), Some(Decimal::Comma));
        assert_eq!(of("1,23"), Some(Decimal::Comma));
        assert_eq!(of("1.234.567"), Some(Decimal::Comma));
        assert_eq!(of("1.234,5"), Some(Decimal::Comma));
        assert_eq!(of("1,234.5"), Some(Decimal::Point));
    }

    #[test]
    fn amounts_are_written_as_their_column_does() {
        assert_eq!(
            write(-123_456_789, 2, Decimal::Point, Some(',')),
            "-1,234,567.89"
        );
        assert_eq!(write(123_456, 2, Decimal::Comma, Some('.')), "1.234,56");
        assert_eq!(write(5, 2, Decimal::Point, None), "0.05");
        assert_eq!(write(1234, 0, Decimal::Point, None), "1234");
    }

    #[test]
    fn days_sort() {
        let key = |cell| day_key(cell, DayOrder::MonthFirst);
        assert_eq!(key("2024-01-31"), Some(20_240_131_000_000));
        assert_eq!(key("2024-01-31 12:30"), Some(20_240_131_123_000));
        for same in [
            "31.01.2024",
            "1/31/2024",
            "31-Jan-24",
            "Jan 31, 2024",
            "31 January 2024",
        ] {
            assert_eq!(key(same), key("2024-01-31"), "{same}");
        }
        assert_eq!(day_key("31/1/2024", DayOrder::DayFirst), key("2024-01-31"));
        assert!(key("Jan 2024") < key("Feb 2024"));
        for other in [
            "2024",
            "12",
            "1.5",
            "Mayor 5",
            "2024-13-01",
            "a-b-c",
            "12:30",
            "1.2.3",
        ] {
            assert_eq!(key(other), None, "{other}");
        }
        assert_eq!(
            day_order(["3/4/2024", "13/4/2024"].into_iter()),
            DayOrder::DayFirst
        );
    }

    proptest! {
        #[test]
        fn any_cell_has_a_reading_or_none(cell in "[-0-9.,' €$%()a-c:/−]{0,20}") {
            for decimal in [Decimal::Point, Decimal::Comma] {
                if let Some(shape) = Shape::of(&cell) {
                    shape.evidence();
                    shape.group_mark(decimal);
                    shape.value(decimal);
                }
            }
            day_key(&cell, DayOrder::DayFirst);
        }

        #[test]
        fn what_is_written_is_read_back(units in -1_000_000_000_000i128..1_000_000_000_000, scale in 0u32..5) {
            let text = write(units, scale, Decimal::Comma, Some('.'));
            let amount = Shape::of(&text).unwrap().value(Decimal::Comma).unwrap();
            prop_assert_eq!((amount.units, amount.scale), (units, scale));
        }
    }
}
