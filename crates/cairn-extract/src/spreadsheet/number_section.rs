//! The digits of a number format: plain numbers, exponents, fractions.
//!
//! A number is taken as its 15 significant decimal digits (what the programs keep) and rounded half up in decimal,
//! so that 1.005 with two decimals is 1.01 as it is shown, not the 1.00 of its binary value.

use super::number_format::Token;

/// A positive decimal number: digits and where the point stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digits {
    /// Most significant first, each 0 to 9; no zeros in front.
    digits: Vec<u8>,
    /// How many digits stand before the point; may be negative or beyond the digits.
    point: i32,
}

impl Digits {
    /// The 15 significant digits of a finite number that is not negative.
    pub(super) fn of(n: f64) -> Self {
        let text = format!("{n:.14e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits = mantissa
            .bytes()
            .filter(u8::is_ascii_digit)
            .map(|b| b - b'0');
        let mut new = Self {
            digits: digits.collect(),
            point: exponent.parse::<i32>().unwrap_or(0) + 1,
        };
        new.trim();
        new
    }

    fn trim(&mut self) {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        let n_zeros = self.digits.iter().take_while(|&&digit| digit == 0).count();
        self.digits.drain(..n_zeros);
        self.point -= i32::try_from(n_zeros).unwrap_or(0);
        if self.digits.is_empty() {
            self.point = 0;
        }
    }

    /// Moves the point: times ten to the power of `by`.
    pub(super) fn scale(&mut self, by: i32) {
        if !self.digits.is_empty() {
            self.point += by;
        }
    }

    fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// Rounds half up to `n` digits after the point.
    fn round(&mut self, n: usize) {
        let keep = self.point + i32::try_from(n).unwrap_or(i32::MAX / 2);
        let Ok(keep) = usize::try_from(keep) else {
            *self = Self {
                digits: Vec::new(),
                point: 0,
            };
            return;
        };
        if keep >= self.digits.len() {
            return;
        }
        let is_up = self.digits[keep] >= 5;
        self.digits.truncate(keep);
        if is_up {
            let mut at = keep;
            loop {
                if at == 0 {
                    self.digits.insert(0, 1);
                    self.point += 1;
                    break;
                }
                at -= 1;
                if self.digits[at] < 9 {
                    self.digits[at] += 1;
                    break;
                }
                self.digits[at] = 0;
            }
        }
        self.trim();
    }

    /// Digits before the point, without zeros in front: "" for 0.5.
    fn whole(&self) -> String {
        let n = usize::try_from(self.point).unwrap_or(0);
        (0..n).map(|at| self.digit(at)).collect()
    }

    /// The first `n` digits after the point.
    fn decimals(&self, n: usize) -> String {
        let n_zeros = usize::try_from(-self.point).unwrap_or(0).min(n);
        let start = usize::try_from(self.point).unwrap_or(0);
        let zeros = std::iter::repeat_n('0', n_zeros);
        zeros
            .chain((start..).map(|at| self.digit(at)))
            .take(n)
            .collect()
    }

    fn digit(&self, at: usize) -> char {
        char::from(b'0' + self.digits.get(at).copied().unwrap_or(0))
    }
}

/// Where the placeholders of a section stand.
struct Layout {
    /// Placeholders before the point, after it, and after the exponent.
    n_whole: usize,
    n_decimals: usize,
    n_exponent: usize,
    has_groups: bool,
    /// Commas behind the last placeholder, each a division by a thousand.
    n_scale: i32,
}

fn layout(tokens: &[Token]) -> Layout {
    let mut layout = Layout {
        n_whole: 0,
        n_decimals: 0,
        n_exponent: 0,
        has_groups: false,
        n_scale: 0,
    };
    let (mut after_point, mut after_exponent) = (false, false);
    let mut n_commas = 0;
    for token in tokens {
        match token {
            Token::Digit(_) if after_exponent => layout.n_exponent += 1,
            Token::Digit(_) => {
                if n_commas > 0 && layout.n_whole > 0 && !after_point {
                    layout.has_groups = true;
                }
                n_commas = 0;
                if after_point {
                    layout.n_decimals += 1;
                } else {
                    layout.n_whole += 1;
                }
            }
            Token::Comma if layout.n_whole + layout.n_decimals > 0 => n_commas += 1,
            Token::Point => {
                layout.n_scale += std::mem::take(&mut n_commas);
                after_point = true;
            }
            Token::Exponent(_) => after_exponent = true,
            _ => {
                layout.n_scale += std::mem::take(&mut n_commas);
            }
        }
    }
    layout.n_scale += n_commas;
    layout
}

/// Digits put into the placeholders before the point, from the right; those that find none stand in the first.
struct WholePart<'a> {
    digits: &'a str,
    n_places: usize,
    has_groups: bool,
}

impl WholePart<'_> {
    /// What stands in for the placeholder `mark`, the `place`th from the left.
    fn push(&self, out: &mut String, place: usize, mark: char) {
        let n_over = self.digits.len().saturating_sub(self.n_places);
        let from = if place == 0 { 0 } else { n_over + place };
        let n_right = self.n_places - place - 1;
        if self.digits.len() <= n_right {
            match mark {
                '0' => {
                    out.push('0');
                    self.group(out, n_right);
                }
                '?' => out.push(' '),
                _ => {}
            }
            return;
        }
        let to = self.digits.len() - n_right;
        let from = if self.digits.len() < self.n_places {
            to - 1
        } else {
            from
        };
        for at in from..to {
            out.push_str(&self.digits[at..=at]);
            self.group(out, self.digits.len() - at - 1);
        }
    }

    fn group(&self, out: &mut String, n_right: usize) {
        if self.has_groups && n_right > 0 && n_right.is_multiple_of(3) {
            out.push(',');
        }
    }
}

/// A number without exponent, and whether only zeros show.
pub(super) fn plain(tokens: &[Token], mut digits: Digits) -> (String, bool) {
    let layout = layout(tokens);
    digits.scale(-3 * layout.n_scale);
    digits.round(layout.n_decimals);
    let text = fill(tokens, &layout, &digits, None);
    (text, digits.is_zero())
}

/// A number with exponent. With several placeholders before the point the exponent is a multiple of their number.
pub(super) fn scientific(tokens: &[Token], mut digits: Digits) -> (String, bool) {
    let layout = layout(tokens);
    let step = i32::try_from(layout.n_whole.max(1)).unwrap_or(1);
    let exponent_of = |digits: &Digits| (digits.point - 1).div_euclid(step) * step;
    let mut exponent = if digits.is_zero() {
        0
    } else {
        exponent_of(&digits)
    };
    digits.scale(-exponent);
    digits.round(layout.n_decimals);
    // 9.99 rounds to 10.0: one more step.
    if !digits.is_zero() && exponent_of(&digits) > 0 {
        let more = exponent_of(&digits);
        digits.scale(-more);
        exponent += more;
    }
    let text = fill(tokens, &layout, &digits, Some(exponent));
    (text, digits.is_zero())
}

fn fill(tokens: &[Token], layout: &Layout, digits: &Digits, exponent: Option<i32>) -> String {
    let whole_digits = digits.whole();
    let whole = WholePart {
        digits: &whole_digits,
        n_places: layout.n_whole,
        has_groups: layout.has_groups,
    };
    let decimals = digits.decimals(layout.n_decimals);
    let n_significant = decimals.trim_end_matches('0').len();
    let (mut n_whole, mut n_decimal, mut n_exponent) = (0, 0, 0);
    let (mut after_point, mut after_exponent) = (false, false);
    let mut out = String::new();
    for token in tokens {
        match token {
            Token::Digit(mark) if after_exponent => {
                let size = exponent.unwrap_or(0).unsigned_abs().to_string();
                if n_exponent == 0 {
                    let n_zeros = layout.n_exponent.saturating_sub(size.len());
                    if *mark == '0' {
                        out.extend(std::iter::repeat_n('0', n_zeros));
                    }
                    out.push_str(&size);
                }
                n_exponent += 1;
            }
            Token::Digit(mark) if after_point => {
                if n_decimal < n_significant || *mark == '0' {
                    out.push_str(&decimals[n_decimal..=n_decimal]);
                } else if *mark == '?' {
                    out.push(' ');
                }
                n_decimal += 1;
            }
            Token::Digit(mark) => {
                whole.push(&mut out, n_whole, *mark);
                n_whole += 1;
            }
            Token::Point if !after_point => {
                if layout.n_whole == 0 {
                    out.push_str(&whole_digits);
                }
                after_point = true;
                out.push('.');
            }
            Token::Point => out.push('.'),
            Token::Exponent(shows_plus) => {
                after_exponent = true;
                out.push('E');
                match exponent {
                    Some(exponent) if exponent < 0 => out.push('-'),
                    _ if *shows_plus => out.push('+'),
                    _ => {}
                }
            }
            Token::Percent => out.push('%'),
            Token::Literal(text) => out.push_str(text),
            Token::Comma if layout.n_whole + layout.n_decimals == 0 || n_whole == 0 => {
                out.push(',')
            }
            _ => {}
        }
    }
    out
}

/// A number as whole and fraction; none where the section is no fraction.
pub(super) fn fraction(tokens: &[Token], value: f64) -> Option<(String, bool)> {
    let slash = tokens.iter().position(|t| *t == Token::Slash)?;
    let is_digit = |t: &Token| matches!(t, Token::Digit(_));
    let n_numerator = tokens[..slash]
        .iter()
        .rev()
        .take_while(|t| is_digit(t))
        .count();
    let n_denominator = tokens[slash + 1..]
        .iter()
        .take_while(|t| is_digit(t))
        .count();
    let has_whole = tokens[..slash - n_numerator].iter().any(is_digit);
    if n_numerator == 0 || value >= 1e15 {
        return None;
    }
    // A fixed denominator is a literal: `# ?/4`, or digits beside placeholders: `# ??/100`.
    let tail: String = tokens[slash + 1..]
        .iter()
        .map_while(|t| match t {
            Token::Literal(text) => Some(text.as_str()),
            Token::Digit('0') => Some("0"),
            _ => None,
        })
        .collect();
    let fixed: String = tail.chars().take_while(char::is_ascii_digit).collect();
    let (whole, rest) = if has_whole {
        (value.trunc(), value.fract())
    } else {
        (0.0, value)
    };
    let (mut numerator, denominator) = match fixed.parse::<u32>() {
        Ok(n) if n > 0 => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "below 1e15 times 1e9, saturates"
            )]
            let numerator = (rest * f64::from(n)).round() as u64;
            (numerator, u64::from(n))
        }
        _ if n_denominator > 0 => nearest(
            rest,
            10u64.pow(u32::try_from(n_denominator.min(5)).unwrap_or(1)) - 1,
        ),
        _ => return None,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "below 1e15"
    )]
    let mut whole = whole as u64;
    if has_whole && numerator == denominator {
        whole += 1;
        numerator = 0;
    }
    let text = match (has_whole, numerator) {
        (true, 0) => whole.to_string(),
        (true, _) if whole > 0 => format!("{whole} {numerator}/{denominator}"),
        _ => format!("{numerator}/{denominator}"),
    };
    // Literals around the digits, as in `"about "# ?/?`.
    let before = tokens.iter().take_while(|t| !is_digit(t));
    let prefix: String = before
        .filter_map(|t| {
            if let Token::Literal(text) = t {
                Some(text.as_str())
            } else {
                None
            }
        })
        .collect();
    Some((format!("{prefix}{text}"), whole == 0 && numerator == 0))
}

/// The fraction nearest to `x` with a denominator of at most `max`; the smallest denominator of equals.
fn nearest(x: f64, max: u64) -> (u64, u64) {
    let mut best = (0, 1, f64::INFINITY);
    for denominator in 1..=max {
        #[expect(clippy::cast_precision_loss, reason = "at most 99,999")]
        let d = denominator as f64;
        let numerator = (x * d).round();
        let error = (x - numerator / d).abs();
        if error + 1e-12 < best.2 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "below 1e15 times 1e5, saturates"
            )]
            let numerator = numerator as u64;
            best = (numerator, denominator, error);
        }
    }
    (best.0, best.1)
}
