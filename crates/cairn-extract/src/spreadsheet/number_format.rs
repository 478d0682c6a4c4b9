//! Number format codes: a stored number to the text that the spreadsheet program shows for it.
//!
//! ECMA-376 part 1, sections 18.8.30 (built-in codes) and 18.8.31 (codes): sections with conditions, digit
//! placeholders, thousands separators and scaling, percent, exponents, fractions, literals, currencies, dates,
//! times, elapsed times. Differences: decimal point, separators and names of months are those of English (a file
//! does not say which language it is shown in); the dates of the system (built-in 14 and 22, `[$-F800]`) show in
//! ISO 8601; `General` keeps 15 digits instead of what fits the column; padding (`_x`) is one space, fill (`*x`)
//! nothing. Not covered: colours (they are no text), eras and calendars other than the Gregorian one, `[DBNum]`,
//! names of months in the language of the code. O(length of the code) per number.

use std::fmt::Write as _;

use super::number_section::{Digits, fraction, plain, scientific};
use crate::calendar;

/// A parsed format code.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NumberFormat {
    sections: Vec<Section>,
}

/// One of the parts between semicolons.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Section {
    condition: Option<(Comparison, f64)>,
    pub(super) tokens: Vec<Token>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Kind {
    #[default]
    Number,
    General,
    Date,
    /// The date or time of the system: shown in ISO 8601.
    SystemDate,
    Text,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Literal(String),
    /// `0`, `#` or `?`.
    Digit(char),
    Point,
    Comma,
    Percent,
    /// With `true` a plus sign shows.
    Exponent(bool),
    Slash,
    General,
    /// `@`.
    Text,
    /// y, m (month), d, h, n (minute), s, with the length of the run.
    Date(char, usize),
    /// Digits of a second's fraction.
    Fraction(usize),
    /// Whether it is `A/P` instead of `AM/PM`.
    AmPm(bool),
    /// Whole hours, minutes or seconds: `[h]`, `[m]`, `[s]`.
    Elapsed(char, usize),
}

/// Which day a date of 0 is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Epoch {
    /// 1899-12-30, with a 29 February 1900 that never was.
    #[default]
    Y1900,
    /// 1904-01-01.
    Y1904,
}

/// The code of a built-in format, section 18.8.30. None for those that are not built in or depend on the country.
pub(super) const fn builtin(id: u16) -> Option<&'static str> {
    Some(match id {
        0 => "General",
        1 => "0",
        2 => "0.00",
        3 => "#,##0",
        4 => "#,##0.00",
        5 => "$#,##0_);($#,##0)",
        6 => "$#,##0_);[Red]($#,##0)",
        7 => "$#,##0.00_);($#,##0.00)",
        8 => "$#,##0.00_);[Red]($#,##0.00)",
        9 => "0%",
        10 => "0.00%",
        11 => "0.00E+00",
        12 => "# ?/?",
        13 => "# ??/??",
        14 | 22 | 27..=31 | 36 | 50..=54 | 57 | 58 => "[$-F800]yyyy",
        15 => "d-mmm-yy",
        16 => "d-mmm",
        17 => "mmm-yy",
        18 => "h:mm AM/PM",
        19 => "h:mm:ss AM/PM",
        20 => "h:mm",
        21 => "h:mm:ss",
        32..=35 | 55 | 56 => "h:mm:ss",
        37 => "#,##0_);(#,##0)",
        38 => "#,##0_);[Red](#,##0)",
        39 => "#,##0.00_);(#,##0.00)",
        40 => "#,##0.00_);[Red](#,##0.00)",
        41 => "_(* #,##0_);_(* (#,##0);_(* \"-\"_);_(@_)",
        42 => "_($* #,##0_);_($* (#,##0);_($* \"-\"_);_(@_)",
        43 => "_(* #,##0.00_);_(* (#,##0.00);_(* \"-\"??_);_(@_)",
        44 => "_($* #,##0.00_);_($* (#,##0.00);_($* \"-\"??_);_(@_)",
        45 => "mm:ss",
        46 => "[h]:mm:ss",
        47 => "mm:ss.0",
        48 => "##0.0E+0",
        49 => "@",
        _ => return None,
    })
}

impl NumberFormat {
    /// Parses `code`. Anything is accepted; what is not known is a literal.
    pub(super) fn parse(code: &str) -> Self {
        let mut sections: Vec<Section> = split_sections(code)
            .into_iter()
            .map(|part| parse_section(&part))
            .collect();
        sections.truncate(4);
        Self { sections }
    }

    /// `n` as it is shown. Never empty: a number that the format hides shows as with `General`.
    pub(super) fn number(&self, n: f64, epoch: Epoch) -> String {
        let shown = self.section_for(n).and_then(|(section, value)| {
            let text = match section.kind {
                Kind::General => render_general(section, value),
                Kind::Text => Some(general(value)),
                Kind::Number => render_number(section, value),
                Kind::Date => render_date(section, value, epoch),
                Kind::SystemDate => iso_date(value, epoch),
            }?;
            let text = text.trim();
            (!text.is_empty()).then(|| text.to_owned())
        });
        shown.unwrap_or_else(|| general(n))
    }

    /// A text as it is shown, with what the fourth section puts around it.
    pub(super) fn text(&self, text: &str) -> String {
        let section = self.sections.get(3).or_else(|| {
            let last = self.sections.last();
            last.filter(|section| section.kind == Kind::Text)
        });
        let Some(section) = section.filter(|section| section.tokens.contains(&Token::Text)) else {
            return text.to_owned();
        };
        let mut out = String::new();
        for token in &section.tokens {
            match token {
                Token::Text => out.push_str(text),
                Token::Literal(literal) => out.push_str(literal),
                _ => {}
            }
        }
        out
    }

    /// Whether a number with this format is a day or time.
    #[cfg(test)]
    fn is_date(&self) -> bool {
        self.sections
            .first()
            .is_some_and(|section| matches!(section.kind, Kind::Date | Kind::SystemDate))
    }

    /// The section that holds for `n`, and the value that it shows: without its sign where the section stands for it.
    fn section_for(&self, n: f64) -> Option<(&Section, f64)> {
        let sections = &self.sections;
        if sections.iter().any(|section| section.condition.is_some()) {
            let found = sections.iter().find(|section| match section.condition {
                Some((comparison, limit)) => comparison.holds(n, limit),
                None => section.kind != Kind::Text || sections.len() == 1,
            })?;
            return Some((found, n));
        }
        match (sections.len(), n) {
            (0, _) => None,
            (2.., n) if n < 0.0 => match &sections[1] {
                section if section.kind == Kind::Text => Some((&sections[0], n)),
                section => Some((section, -n)),
            },
            (3.., 0.0) if sections[2].kind != Kind::Text => Some((&sections[2], n)),
            _ => Some((&sections[0], n)),
        }
    }
}

impl Comparison {
    fn holds(self, n: f64, limit: f64) -> bool {
        match self {
            Self::Less => n < limit,
            Self::LessOrEqual => n <= limit,
            Self::Greater => n > limit,
            Self::GreaterOrEqual => n >= limit,
            #[expect(clippy::float_cmp, reason = "the code asks for exactly this number")]
            Self::Equal => n == limit,
            #[expect(clippy::float_cmp, reason = "the code asks for exactly this number")]
            Self::NotEqual => n != limit,
        }
    }
}

/// The parts between semicolons that are not quoted.
fn split_sections(code: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut is_quoted = false;
    let mut is_bracketed = false;
    let mut chars = code.chars();
    while let Some(c) = chars.next() {
        if c == ';' && !is_quoted && !is_bracketed {
            parts.push(String::new());
            continue;
        }
        let part = parts.last_mut().expect("starts with one");
        part.push(c);
        match c {
            '"' => is_quoted = !is_quoted,
            '[' if !is_quoted => is_bracketed = true,
            ']' if !is_quoted => is_bracketed = false,
            '\\' | '_' | '*' if !is_quoted => part.extend(chars.next()),
            _ => {}
        }
    }
    parts
}

fn parse_section(code: &str) -> Section {
    let mut section = Section::default();
    let chars: Vec<char> = code.chars().collect();
    let mut is_system = false;
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        let rest = &chars[at..];
        let n_run = rest
            .iter()
            .take_while(|other| other.eq_ignore_ascii_case(&c))
            .count();
        let mut n_used = 1;
        match c {
            '"' => {
                let literal: String = rest[1..].iter().take_while(|&&c| c != '"').collect();
                n_used = literal.chars().count() + 2;
                section.literal(&literal);
            }
            '\\' => {
                n_used = 2;
                section.literal(&rest.get(1).map(char::to_string).unwrap_or_default());
            }
            '_' => {
                n_used = 2;
                section.literal(" ");
            }
            '*' => n_used = 2,
            '[' => {
                let inside: String = rest[1..].iter().take_while(|&&c| c != ']').collect();
                n_used = inside.chars().count() + 2;
                is_system |= inside.starts_with("$-F800") || inside.starts_with("$-F400");
                section.bracket(&inside);
            }
            '0' | '#' | '?' => section.tokens.push(Token::Digit(c)),
            '.' => {
                let n_zeros = rest[1..].iter().take_while(|&&c| c == '0').count();
                let after_seconds = matches!(
                    section.tokens.last(),
                    Some(Token::Date('s', _) | Token::Elapsed('s', _))
                );
                if after_seconds && n_zeros > 0 {
                    n_used = n_zeros + 1;
                    section.tokens.push(Token::Fraction(n_zeros));
                } else {
                    section.tokens.push(Token::Point);
                }
            }
            ',' => section.tokens.push(Token::Comma),
            '%' => section.tokens.push(Token::Percent),
            '/' => section.tokens.push(Token::Slash),
            '@' => section.tokens.push(Token::Text),
            'E' | 'e' if matches!(rest.get(1), Some('+' | '-')) => {
                n_used = 2;
                section.tokens.push(Token::Exponent(rest[1] == '+'));
            }
            'G' | 'g' if is_word(rest, "General") => {
                n_used = 7;
                section.tokens.push(Token::General);
            }
            'A' | 'a' if is_word(rest, "AM/PM") => {
                n_used = 5;
                section.tokens.push(Token::AmPm(false));
            }
            'A' | 'a' if is_word(rest, "A/P") => {
                n_used = 3;
                section.tokens.push(Token::AmPm(true));
            }
            'y' | 'Y' | 'm' | 'M' | 'd' | 'D' | 'h' | 'H' | 's' | 'S' | 'e' | 'E' => {
                n_used = n_run;
                let unit = match c.to_ascii_lowercase() {
                    'e' => 'y',
                    unit => unit,
                };
                let n = if matches!(c, 'e' | 'E') { 4 } else { n_run };
                section.tokens.push(Token::Date(unit, n));
            }
            // Colours and calendars stand in brackets; a bare era or Buddhist year is left to ISO 8601.
            'g' | 'G' | 'b' | 'B' if section.has_date_after(&rest[n_run..]) => {
                n_used = n_run;
                is_system = true;
            }
            other => section.literal(&other.to_string()),
        }
        at += n_used;
    }
    section.settle(is_system);
    section
}

fn is_word(rest: &[char], word: &str) -> bool {
    let mut rest = rest.iter();
    word.chars().all(|c| {
        rest.next()
            .is_some_and(|other| other.eq_ignore_ascii_case(&c))
    })
}

impl Section {
    fn literal(&mut self, text: &str) {
        if let Some(Token::Literal(last)) = self.tokens.last_mut() {
            last.push_str(text);
        } else {
            self.tokens.push(Token::Literal(text.to_owned()));
        }
    }

    /// A condition, a currency, or a unit of elapsed time; colours and languages show nothing.
    fn bracket(&mut self, inside: &str) {
        if let Some(currency) = inside.strip_prefix('$') {
            let symbol = currency.rsplit_once('-').map_or(currency, |(left, _)| left);
            if !symbol.is_empty() {
                self.literal(symbol);
            }
            return;
        }
        let unit = inside.chars().next().map(|c| c.to_ascii_lowercase());
        if let Some(unit @ ('h' | 'm' | 's')) = unit
            && inside.chars().all(|c| c.eq_ignore_ascii_case(&unit))
        {
            self.tokens.push(Token::Elapsed(unit, inside.len()));
            return;
        }
        let n_sign = inside
            .chars()
            .take_while(|c| matches!(c, '<' | '>' | '='))
            .count();
        let comparison = match &inside[..n_sign] {
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            "=" => Comparison::Equal,
            "<>" => Comparison::NotEqual,
            _ => return,
        };
        if let Ok(limit) = inside[n_sign..].trim().parse() {
            self.condition = Some((comparison, limit));
        }
    }

    /// Whether a year or month follows, so that a bare letter before it is an era.
    fn has_date_after(&self, rest: &[char]) -> bool {
        self.tokens.iter().any(|t| matches!(t, Token::Date(..)))
            || rest
                .iter()
                .any(|c| matches!(c.to_ascii_lowercase(), 'e' | 'y' | 'm'))
    }

    /// Decides the kind, and which `m` are minutes: those after hours or before seconds.
    fn settle(&mut self, is_system: bool) {
        let is_date = self
            .tokens
            .iter()
            .any(|t| matches!(t, Token::Date(..) | Token::Elapsed(..) | Token::AmPm(_)));
        self.kind = if is_date && is_system {
            Kind::SystemDate
        } else if is_date {
            Kind::Date
        } else if self.tokens.contains(&Token::General) {
            Kind::General
        } else if self.tokens.contains(&Token::Text) {
            Kind::Text
        } else {
            Kind::Number
        };
        if self.kind != Kind::Date {
            return;
        }
        let units: Vec<(usize, char)> = self
            .tokens
            .iter()
            .enumerate()
            .filter_map(|(at, token)| match token {
                Token::Date(unit, _) | Token::Elapsed(unit, _) => Some((at, *unit)),
                _ => None,
            })
            .collect();
        for (idx, &(at, unit)) in units.iter().enumerate() {
            let after_hour = idx > 0 && units[idx - 1].1 == 'h';
            let before_second = units.get(idx + 1).is_some_and(|next| next.1 == 's');
            if unit == 'm'
                && (after_hour || before_second)
                && let Token::Date(unit, 1..=2) = &mut self.tokens[at]
            {
                *unit = 'n';
            }
        }
    }
}

/// At most 15 significant digits, as the program keeps them: 0.1 + 0.2 is 0.3.
pub(super) fn general(n: f64) -> String {
    if n == 0.0 || !n.is_finite() {
        return if n == 0.0 {
            "0".to_owned()
        } else {
            n.to_string()
        };
    }
    let rounded: f64 = format!("{n:.14e}").parse().unwrap_or(n);
    let size = rounded.abs();
    if (1e-9..1e15).contains(&size) {
        rounded.to_string()
    } else {
        format!("{rounded:e}")
    }
}

fn render_general(section: &Section, value: f64) -> Option<String> {
    let mut out = String::new();
    for token in &section.tokens {
        match token {
            Token::General => out.push_str(&general(value)),
            Token::Literal(text) => out.push_str(text),
            Token::Percent => out.push('%'),
            _ => return None,
        }
    }
    Some(out)
}

fn render_number(section: &Section, value: f64) -> Option<String> {
    if !value.is_finite() {
        return None;
    }
    let has_digits = section.tokens.iter().any(|t| matches!(t, Token::Digit(_)));
    if !has_digits {
        // Only literals: the text stands for the number.
        let mut out = String::new();
        for token in &section.tokens {
            match token {
                Token::Literal(text) => out.push_str(text),
                Token::Percent => out.push('%'),
                Token::Slash => out.push('/'),
                Token::Comma => out.push(','),
                Token::Point => out.push('.'),
                _ => return None,
            }
        }
        return Some(out);
    }
    let n_percent = section.tokens.iter().filter(|t| **t == Token::Percent);
    let mut digits = Digits::of(value.abs());
    digits.scale(2 * i32::try_from(n_percent.count()).unwrap_or(0));
    let (text, is_zero) = if section
        .tokens
        .iter()
        .any(|t| matches!(t, Token::Exponent(_)))
    {
        scientific(&section.tokens, digits)
    } else if section.tokens.contains(&Token::Slash) {
        fraction(&section.tokens, value.abs())?
    } else {
        plain(&section.tokens, digits)
    };
    Some(if value < 0.0 && !is_zero {
        format!("-{text}")
    } else {
        text
    })
}

/// Days since 1970-01-01 of a serial day.
fn unix_day(day: i64, epoch: Epoch) -> i64 {
    match epoch {
        Epoch::Y1904 => day - 24_107,
        // Day 60 is the 29 February 1900 that the first programs invented; it shows as the 28th.
        Epoch::Y1900 if day < 60 => day - 25_568,
        Epoch::Y1900 => day - 25_569,
    }
}

/// Last day that the programs know: 9999-12-31.
const MAX_DAY: f64 = 2_958_466.0;

/// A moment in units of a power of ten of a second, rounded half up.
fn ticks(value: f64, n_fraction: usize) -> i64 {
    let per_second = 10f64.powi(i32::try_from(n_fraction.min(3)).unwrap_or(0));
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most 2,958,466 days of milliseconds"
    )]
    let ticks = (value * 86_400.0 * per_second).round() as i64;
    ticks
}

/// A day, a day with time, or below one day a time, in ISO 8601.
pub(super) fn iso_date(value: f64, epoch: Epoch) -> Option<String> {
    if !(0.0..MAX_DAY).contains(&value) {
        return None;
    }
    let seconds = ticks(value, 0);
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    let time = format!(
        "{:02}:{:02}:{:02}",
        second / 3_600,
        second / 60 % 60,
        second % 60
    );
    if value < 1.0 && value > 0.0 {
        return Some(time);
    }
    // In ISO 8601 by itself.
    let date = calendar::day(unix_day(day, epoch))?;
    Some(if second == 0 {
        date.to_string()
    } else {
        format!("{date} {time}")
    })
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

fn render_date(section: &Section, value: f64, epoch: Epoch) -> Option<String> {
    let tokens = &section.tokens;
    let is_elapsed = tokens.iter().any(|t| matches!(t, Token::Elapsed(..)));
    if !value.is_finite() || value.abs() >= MAX_DAY || (value < 0.0 && !is_elapsed) {
        return None;
    }
    let n_fraction = tokens
        .iter()
        .map(|t| if let Token::Fraction(n) = t { *n } else { 0 })
        .max()
        .unwrap_or(0)
        .min(3);
    let per_second = 10i64.pow(u32::try_from(n_fraction).unwrap_or(0));
    let all = ticks(value.abs(), n_fraction);
    let (seconds, part) = (all / per_second, all % per_second);
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    let date = calendar::day(unix_day(day, epoch))?;
    let (year, day_of_month) = (date.year(), date.day());
    let month = usize::try_from(date.month()).ok()?;
    let weekday = usize::try_from(date.weekday().to_sunday_zero_offset()).ok()?;
    let is_12_hours = tokens.iter().any(|t| matches!(t, Token::AmPm(_)));
    let hour = second / 3_600;
    let mut out = String::new();
    if value < 0.0 && all != 0 {
        out.push('-');
    }
    for token in tokens {
        let written = match token {
            Token::Literal(text) => out.write_str(text),
            Token::Date('y', 1..=2) => write!(out, "{:02}", year.rem_euclid(100)),
            Token::Date('y', _) => write!(out, "{year:04}"),
            Token::Date('m', 1) => write!(out, "{month}"),
            Token::Date('m', 2) => write!(out, "{month:02}"),
            Token::Date('m', 3) => out.write_str(&MONTHS[month - 1][..3]),
            Token::Date('m', 5) => out.write_str(&MONTHS[month - 1][..1]),
            Token::Date('m', _) => out.write_str(MONTHS[month - 1]),
            Token::Date('d', 1) => write!(out, "{day_of_month}"),
            Token::Date('d', 2) => write!(out, "{day_of_month:02}"),
            Token::Date('d', 3) => out.write_str(&DAYS[weekday][..3]),
            Token::Date('d', _) => out.write_str(DAYS[weekday]),
            Token::Date('h', n) => {
                let hour = match hour % 12 {
                    0 if is_12_hours => 12,
                    hour if is_12_hours => hour,
                    _ => hour,
                };
                padded(&mut out, hour, *n)
            }
            Token::Date('n', n) => padded(&mut out, second / 60 % 60, *n),
            Token::Date(_, n) => padded(&mut out, second % 60, *n),
            Token::Elapsed('h', n) => padded(&mut out, seconds / 3_600, *n),
            Token::Elapsed('m', n) => padded(&mut out, seconds / 60, *n),
            Token::Elapsed(_, n) => padded(&mut out, seconds, *n),
            Token::Fraction(n) => {
                let text = format!("{part:0n_fraction$}");
                write!(
                    out,
                    ".{:0<n$}",
                    &text[..text.len().min(*n)],
                    n = (*n).min(9)
                )
            }
            Token::AmPm(is_short) => {
                let name = if hour < 12 { "AM" } else { "PM" };
                out.write_str(if *is_short { &name[..1] } else { name })
            }
            Token::Slash => out.write_str("/"),
            Token::Comma => out.write_str(","),
            Token::Point => out.write_str("."),
            Token::Percent => out.write_str("%"),
            Token::Text => Ok(()),
            Token::Digit(_) | Token::Exponent(_) | Token::General => return None,
        };
        written.ok()?;
    }
    Some(out)
}

fn padded(out: &mut String, n: i64, n_digits: usize) -> std::fmt::Result {
    let n_digits = n_digits.min(9);
    write!(out, "{n:0n_digits$}")
}

#[cfg(test)]
#[path = "number_format_tests.rs"]
mod tests;
