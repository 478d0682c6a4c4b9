//! Reads a model's answer as it streams in: text, citation markers, and nothing that a page would act on.
//!
//! Markers are `[2: "exact words"]`, several quotes or numbers in one (`[1: "a"; "b"]`, `[1, 3]`), or a bare `[2]`.
//! A marker is held back until it is closed, a word until the next white space, so that nothing is shown that
//! has to be taken back. Links and images become their text, tags lose their angle bracket, and an address that
//! is in none of the passages is removed: a page that renders the answer as Markdown loads and links nothing that
//! a document's text talked the model into. Linear, with bounded look-ahead.

/// The word with which a model says that the passages do not say.
pub(crate) const REFUSAL: &str = "NOT_IN_DOCUMENTS";

/// A marker or link that is not closed after this many characters never will be.
const MAX_MARKER_CHARS: usize = 1500;
/// The same for the text of a link.
const MAX_LINK_CHARS: usize = 300;

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Text, safe to show.
    Text(String),
    /// A citation as the model gave it.
    Marker {
        /// Passage numbers; at least one.
        numbers: Vec<u32>,
        /// Quotes; empty for a bare number.
        quotes: Vec<String>,
    },
    /// A marker that was never closed.
    HalfOpen(String),
}

/// Takes text in pieces, gives pieces out.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    pending: String,
    /// Text in which an address may stand that may be shown.
    known: String,
    /// The last character that was given out as text.
    last: Option<char>,
}

enum Bracket {
    /// More text is needed to tell.
    Open,
    /// A marker of this many bytes.
    Marker(usize, Vec<u32>, Vec<String>),
    /// A link or image of this many bytes with its text.
    Link(usize, String),
    /// A marker that is broken, of this many bytes.
    Broken(usize),
    /// A plain bracket.
    Plain,
}

impl Parser {
    /// `known`: the passages' texts, whose addresses may be shown.
    pub(crate) fn new(known: String) -> Self {
        Self {
            known,
            ..Self::default()
        }
    }

    /// Takes more text in.
    pub(crate) fn push(&mut self, text: &str) -> Vec<Piece> {
        self.pending.push_str(text);
        self.drain(false)
    }

    /// Gives the rest out.
    pub(crate) fn finish(&mut self) -> Vec<Piece> {
        self.drain(true)
    }

    fn drain(&mut self, at_end: bool) -> Vec<Piece> {
        let mut pieces = Vec::new();
        loop {
            let Some(at) = self.pending.find('[') else {
                let cut = if at_end {
                    self.pending.len()
                } else {
                    whole_words(&self.pending)
                };
                self.text(cut, &mut pieces);
                return pieces;
            };
            match bracket(&self.pending[at..], at_end) {
                Bracket::Open => {
                    // What stands before it may be shown, all but a word that touches the bracket.
                    let cut = whole_words(&self.pending[..at]);
                    self.text(cut, &mut pieces);
                    return pieces;
                }
                Bracket::Marker(len, numbers, quotes) => {
                    self.text(at, &mut pieces);
                    self.pending.drain(..len);
                    self.last = None;
                    pieces.push(Piece::Marker { numbers, quotes });
                }
                Bracket::Link(len, label) => {
                    let is_image = self.pending[..at].ends_with('!');
                    self.text(at - usize::from(is_image), &mut pieces);
                    self.pending.drain(..len + usize::from(is_image));
                    let label: String = label
                        .chars()
                        .filter(|c| !matches!(c, '[' | ']' | '!'))
                        .collect();
                    self.pending.insert_str(0, &label);
                }
                Bracket::Broken(len) => {
                    self.text(at, &mut pieces);
                    let broken = self.pending.drain(..len).collect();
                    self.last = None;
                    pieces.push(Piece::HalfOpen(broken));
                }
                Bracket::Plain => {
                    // `![a][b]` of a reference is taken apart.
                    let is_image = self.pending[..at].ends_with(['!', ']']);
                    self.text(at, &mut pieces);
                    self.pending.drain(..1);
                    self.last = Some('[');
                    pieces.push(Piece::Text(if is_image { " [" } else { "[" }.to_owned()));
                }
            }
        }
    }

    /// Gives the first `cut` bytes out as safe text.
    fn text(&mut self, cut: usize, pieces: &mut Vec<Piece>) {
        if cut > 0 {
            let raw: String = self.pending.drain(..cut).collect();
            let mut safe = self.safe(&raw);
            // Nor do two pieces make the joint of a link.
            if is_joint(self.last, safe.chars().next()) {
                safe.insert(0, ' ');
            }
            if !safe.is_empty() {
                self.last = safe.chars().next_back();
                pieces.push(Piece::Text(safe));
            }
        }
    }

    fn safe(&self, raw: &str) -> String {
        let mut out = String::with_capacity(raw.len());
        for token in raw.split_inclusive(char::is_whitespace) {
            let word = token.trim_end();
            let space = &token[word.len()..];
            let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
            if bare == REFUSAL {
                out.push_str(space);
                continue;
            }
            match address(word) {
                Some(start) if !self.is_known(&word[start..]) => {
                    out.push_str(&plain(&word[..start]));
                    // Never right behind a bracket: `](` would make a link again.
                    let gap = if out.ends_with(']') { " " } else { "" };
                    out.push_str(gap);
                    out.push_str("(link removed)");
                }
                _ => out.push_str(&plain(word)),
            }
            out.push_str(space);
        }
        out
    }

    fn is_known(&self, address: &str) -> bool {
        let address = address.trim_end_matches(|c: char| {
            matches!(
                c,
                '.' | ','
                    | ';'
                    | ':'
                    | '!'
                    | '?'
                    | ')'
                    | ']'
                    | '"'
                    | '\''
                    | '”'
                    | '’'
                    | '>'
                    | '*'
                    | '_'
                    | '`'
            )
        });
        address.len() > 8 && self.known.contains(address)
    }
}

/// `](`, `][` and `![` make links and images.
fn is_joint(last: Option<char>, next: Option<char>) -> bool {
    matches!(
        (last, next),
        (Some(']'), Some('(' | '[')) | (Some('!'), Some('['))
    )
}

/// Where an address begins in a word.
fn address(word: &str) -> Option<usize> {
    let lower = word.to_ascii_lowercase();
    if let Some(at) = lower.find("://") {
        let scheme = lower[..at]
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')));
        return Some(scheme.map_or(0, |i| {
            i + lower[i..].chars().next().map_or(1, char::len_utf8)
        }));
    }
    ["javascript:", "data:", "vbscript:", "www."]
        .iter()
        .filter_map(|scheme| {
            lower
                .find(scheme)
                .filter(|at| lower.len() > at + scheme.len())
        })
        .min()
}

/// Takes tags and the joints of links apart.
fn plain(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        match (c, next) {
            ('<', Some(n)) if n.is_ascii_alphabetic() || matches!(n, '/' | '!' | '?') => {
                out.push('‹')
            }
            (']', Some('(' | '[')) => out.push_str("] "),
            ('!', Some('[')) => out.push_str("! "),
            _ => out.push(c),
        }
    }
    out
}

/// Bytes up to the last white space: what follows may still grow.
fn whole_words(text: &str) -> usize {
    let at = text.char_indices().rfind(|(_, c)| c.is_whitespace());
    let cut = at.map_or(0, |(at, c)| at + c.len_utf8());
    // A word without an end is no word; scripts without spaces would otherwise never be shown.
    if text.len() - cut > 200 {
        text.len()
    } else {
        cut
    }
}

/// What a bracket at the beginning of `text` opens.
fn bracket(text: &str, at_end: bool) -> Bracket {
    let inner = text[1..].trim_start();
    if inner.is_empty() {
        return if at_end {
            Bracket::Plain
        } else {
            Bracket::Open
        };
    }
    if inner.starts_with(|c: char| c.is_ascii_digit()) {
        marker(text, at_end)
    } else {
        link(text, at_end)
    }
}

fn marker(text: &str, at_end: bool) -> Bracket {
    let mut rest = &text[1..];
    let mut numbers = Vec::new();
    let too_long = text.chars().count() > MAX_MARKER_CHARS;
    let open = |text: &str| {
        if at_end || too_long {
            let paragraph = text.find("\n\n").unwrap_or(text.len());
            Bracket::Broken(paragraph)
        } else {
            Bracket::Open
        }
    };
    loop {
        rest = rest.trim_start();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            // `[1, see below]` is no marker; `[1,` may become one.
            return if rest.is_empty() {
                open(text)
            } else {
                Bracket::Plain
            };
        }
        numbers.push(rest[..digits].parse().unwrap_or(u32::MAX));
        rest = rest[digits..].trim_start();
        match rest.chars().next() {
            None => return open(text),
            Some(']') => return closed(text, &rest[1..], at_end, numbers, Vec::new()),
            Some(',' | ';') => rest = &rest[1..],
            Some(':') => break,
            Some(_) => return Bracket::Plain,
        }
    }
    rest = &rest[1..];
    let mut quotes = Vec::new();
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            return open(text);
        };
        let Some(close) = closing(first) else {
            // No quotation marks: up to the bracket.
            let Some(end) = rest.find(']') else {
                return open(text);
            };
            quotes.push(rest[..end].trim().to_owned());
            return closed(text, &rest[end + 1..], at_end, numbers, quotes);
        };
        rest = &rest[first.len_utf8()..];
        let Some((end, after)) = quote_end(rest, close) else {
            return open(text);
        };
        quotes.push(rest[..end].replace("\\\"", "\""));
        rest = rest[after..].trim_start();
        match rest.chars().next() {
            Some(']') => return closed(text, &rest[1..], at_end, numbers, quotes),
            Some(_) => rest = &rest[1..],
            None => return open(text),
        }
    }
}

/// A marker whose bracket is closed; `[1](address)` loses the address.
fn closed(text: &str, rest: &str, at_end: bool, numbers: Vec<u32>, quotes: Vec<String>) -> Bracket {
    let len = text.len() - rest.len();
    match rest.chars().next() {
        None if !at_end => Bracket::Open,
        Some('(') => match rest.find([')', '\n']) {
            Some(end) => Bracket::Marker(len + end + 1, numbers, quotes),
            None if at_end || rest.len() > MAX_MARKER_CHARS => {
                Bracket::Marker(text.len(), numbers, quotes)
            }
            None => Bracket::Open,
        },
        _ => Bracket::Marker(len, numbers, quotes),
    }
}

fn closing(open: char) -> Option<char> {
    Some(match open {
        '"' => '"',
        '“' => '”',
        '„' => '“',
        '«' => '»',
        '\'' => '\'',
        '‘' => '’',
        '「' => '」',
        _ => return None,
    })
}

/// End of a quote: the closing mark before `]`, or before a separator and another quote. Gives the byte of the
/// mark and the byte after it.
fn quote_end(text: &str, close: char) -> Option<(usize, usize)> {
    text.char_indices().find_map(|(at, c)| {
        let is_close = c == close || (close == '”' && c == '"');
        if !is_close || text[..at].ends_with('\\') {
            return None;
        }
        let after = at + c.len_utf8();
        let rest = text[after..].trim_start();
        let next = rest.chars().next();
        let separates = matches!(next, Some(',' | ';'))
            && rest[1..]
                .trim_start()
                .chars()
                .next()
                .is_some_and(|c| closing(c).is_some());
        (next == Some(']') || separates).then_some((at, after))
    })
}

fn link(text: &str, at_end: bool) -> Bracket {
    let Some(close) = text.find([']', '\n']) else {
        let is_open = !at_end && text.chars().count() <= MAX_LINK_CHARS;
        return if is_open {
            Bracket::Open
        } else {
            Bracket::Plain
        };
    };
    if text[close..].starts_with('\n') {
        return Bracket::Plain;
    }
    let rest = &text[close + 1..];
    match rest.chars().next() {
        None if !at_end => Bracket::Open,
        Some('(') => {
            let label = text[1..close].to_owned();
            match rest.find([')', '\n']) {
                Some(end) => Bracket::Link(close + 1 + end + 1, label),
                None if at_end || rest.len() > MAX_MARKER_CHARS => Bracket::Link(text.len(), label),
                None => Bracket::Open,
            }
        }
        _ => Bracket::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pieces: &[&str]) -> Vec<Piece> {
        let mut parser = Parser::new("see https://intranet.example/handbook for more".into());
        let mut out: Vec<Piece> = pieces.iter().flat_map(|piece| parser.push(piece)).collect();
        out.extend(parser.finish());
        let mut joined: Vec<Piece> = Vec::new();
        for piece in out {
            match (joined.last_mut(), piece) {
                (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
                (_, piece) => joined.push(piece),
            }
        }
        joined
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.into())
    }

    fn marker(numbers: &[u32], quotes: &[&str]) -> Piece {
        Piece::Marker {
            numbers: numbers.to_vec(),
            quotes: quotes.iter().map(|quote| (*quote).into()).collect(),
        }
    }

    #[test]
    fn markers_are_read_however_the_text_is_cut() {
        let cases: &[(&str, Vec<Piece>)] = &[
            (
                "It is so [2: \"exact words\"].",
                vec![text("It is so "), marker(&[2], &["exact words"]), text(".")],
            ),
            (
                "[1: \"a\"; \"b\"] [1, 3] x",
                vec![
                    marker(&[1], &["a", "b"]),
                    text(" "),
                    marker(&[1, 3], &[]),
                    text(" x"),
                ],
            ),
            (
                "[1: “he said \"go\" [sic]”]",
                vec![marker(&[1], &["he said \"go\" [sic]"])],
            ),
            (
                "[1: \"he said \\\"go\\\"\"]",
                vec![marker(&[1], &["he said \"go\""])],
            ),
            ("[2: plain words]", vec![marker(&[2], &["plain words"])]),
            ("[99999999999: \"x\"]", vec![marker(&[u32::MAX], &["x"])]),
            ("array[i] and [x] stay", vec![text("array[i] and [x] stay")]),
            (
                "broken [1: \"never closed",
                vec![
                    text("broken "),
                    Piece::HalfOpen("[1: \"never closed".into()),
                ],
            ),
            ("[1, see below]", vec![text("[1, see below]")]),
            ("[1](http://evil.example/x)", vec![marker(&[1], &[])]),
        ];
        for (input, expect) in cases {
            assert_eq!(parse(&[input]), *expect, "{input}");
            let chars: Vec<String> = input.chars().map(String::from).collect();
            let chars: Vec<&str> = chars.iter().map(String::as_str).collect();
            assert_eq!(parse(&chars), *expect, "one by one: {input}");
        }
    }

    #[test]
    fn nothing_is_left_that_a_page_would_act_on() {
        let cases = [
            (
                "see [here](http://evil.example/?q=secret) now",
                "see here now",
            ),
            ("![pixel](https://evil.example/p.png?d=1)", "pixel"),
            (
                "![a][b] and [b]: //evil.example/p.png",
                "! [a] [b] and [b]: //evil.example/p.png",
            ),
            (
                "<img src=\"https://evil.example/p\">",
                "‹img src=\"(link removed)",
            ),
            ("<script>alert(1)</script>", "‹script>alert(1)‹/script>"),
            (
                "at https://intranet.example/handbook.",
                "at https://intranet.example/handbook.",
            ),
            ("at https://evil.example/handbook.", "at (link removed)"),
            ("[x](javascript:alert(1))", "x)"),
            ("javascript:alert(1)", "(link removed)"),
            ("1 < 2 and a<b stay? 2 <3", "1 < 2 and a‹b stay? 2 <3"),
            (
                "[![alt](https://evil.example/i.png)](https://evil.example)",
                "alt] ((link removed)",
            ),
            ("half [link](https://evil.example/", "half link"),
            ("NOT_IN_DOCUMENTS is not shown", " is not shown"),
        ];
        for (input, expect) in cases {
            let shown = |pieces: Vec<Piece>| -> String {
                pieces
                    .into_iter()
                    .map(|piece| match piece {
                        Piece::Text(text) => text,
                        other => format!("{other:?}"),
                    })
                    .collect()
            };
            let whole = shown(parse(&[input]));
            let chars: Vec<String> = input.chars().map(String::from).collect();
            let chars: Vec<&str> = chars.iter().map(String::as_str).collect();
            for got in [whole, shown(parse(&chars))] {
                assert_eq!(got, expect, "{input}");
                assert!(!got.contains("](") && !got.contains("!["), "{got}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn cuts_do_not_matter(input in "([a-z ]|\\[|\\]|\\(|\\)|!|<|[0-9]|: |\"|“|”|\\n|http://){0,40}", at in 0usize..40) {
            let cut = input.char_indices().nth(at).map_or(input.len(), |(at, _)| at);
            let whole = parse(&[&input]);
            proptest::prop_assert_eq!(&whole, &parse(&[&input[..cut], &input[cut..]]));
            for piece in whole {
                if let Piece::Text(text) = piece {
                    proptest::prop_assert!(!text.contains("](") && !text.contains("!["), "{}", text);
                }
            }
        }
    }
}
