//! Numbers of lists as documents show them: decimal, letters, Roman.

/// How a list counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Numerals {
    #[default]
    Decimal,
    /// At least two digits.
    DecimalZero,
    LowerLetter,
    UpperLetter,
    LowerRoman,
    UpperRoman,
}

/// A number as the numerals show it.
pub(crate) fn number(n: u32, numerals: Numerals) -> String {
    match numerals {
        Numerals::Decimal => n.to_string(),
        Numerals::DecimalZero => format!("{n:02}"),
        Numerals::LowerLetter => letters(n),
        Numerals::UpperLetter => letters(n).to_uppercase(),
        Numerals::LowerRoman => roman(n),
        Numerals::UpperRoman => roman(n).to_uppercase(),
    }
}

/// a, b … z, aa, bb … as office programs count.
fn letters(n: u32) -> String {
    if n == 0 {
        return "0".to_owned();
    }
    let letter = char::from(b'a' + u8::try_from((n - 1) % 26).unwrap_or(0));
    let n_times = ((n - 1) / 26 + 1).min(10) as usize;
    std::iter::repeat_n(letter, n_times).collect()
}

fn roman(n: u32) -> String {
    const PARTS: [(u32, &str); 13] = [
        (1000, "m"),
        (900, "cm"),
        (500, "d"),
        (400, "cd"),
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    ];
    if n == 0 || n > 4999 {
        return n.to_string();
    }
    let mut left = n;
    let mut out = String::new();
    for (value, text) in PARTS {
        while left >= value {
            left -= value;
            out.push_str(text);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_show_in_their_numerals() {
        for (n, numerals, expect) in [
            (4, Numerals::LowerRoman, "iv"),
            (1994, Numerals::UpperRoman, "MCMXCIV"),
            (5000, Numerals::LowerRoman, "5000"),
            (27, Numerals::LowerLetter, "aa"),
            (0, Numerals::UpperLetter, "0"),
            (3, Numerals::DecimalZero, "03"),
            (7, Numerals::Decimal, "7"),
        ] {
            assert_eq!(number(n, numerals), expect);
        }
    }
}
