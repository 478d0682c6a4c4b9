//! The tokens of RTF 1.9.1 ("Contents of an RTF File"): groups, control words and symbols, bytes of text.
//!
//! Total: any bytes are tokens, unfinished ones end with the input. O(n), no memory of its own.

/// One token; what it borrows lies in the input.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Token<'a> {
    Open,
    Close,
    /// A control word without its backslash, and its number.
    Word(&'a str, Option<i32>),
    /// A control symbol: the character after the backslash.
    Symbol(u8),
    /// A byte of text, written as such or as `\'hh`.
    Byte(u8),
    /// Raw bytes of `\binN`.
    Binary(usize),
}

/// Letters of a control word, and digits of its number, that are looked at (the specification allows 32 and 10).
const MAX_WORD: usize = 64;

pub(super) struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Bytes from here on for which `is_it` holds, at most [`MAX_WORD`].
    fn take_while(&mut self, is_it: impl Fn(u8) -> bool) -> &'a [u8] {
        let start = self.at;
        while self.at - start < MAX_WORD && self.peek().is_some_and(&is_it) {
            self.at += 1;
        }
        &self.bytes[start..self.at]
    }

    fn word(&mut self) -> Token<'a> {
        let name = self.take_while(|b| b.is_ascii_alphabetic());
        let name = std::str::from_utf8(name).unwrap_or_default();
        let is_negative = self.peek() == Some(b'-')
            && self.bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit);
        self.at += usize::from(is_negative);
        let digits = self.take_while(|b| b.is_ascii_digit());
        let number = (!digits.is_empty()).then(|| {
            let number = digits.iter().fold(0i32, |n, b| {
                n.saturating_mul(10).saturating_add(i32::from(b - b'0'))
            });
            if is_negative { -number } else { number }
        });
        // One space ends the word and belongs to it.
        if self.peek() == Some(b' ') {
            self.at += 1;
        }
        if name == "bin" {
            let n = usize::try_from(number.unwrap_or(0)).unwrap_or(0);
            let n = n.min(self.bytes.len() - self.at);
            self.at += n;
            return Token::Binary(n);
        }
        Token::Word(name, number)
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let byte = self.peek()?;
            self.at += 1;
            return Some(match byte {
                b'{' => Token::Open,
                b'}' => Token::Close,
                // Line ends of the file are no text.
                b'\r' | b'\n' | 0 => continue,
                b'\\' => match self.peek() {
                    None => return None,
                    Some(b) if b.is_ascii_alphabetic() => self.word(),
                    Some(b'\'') => {
                        self.at += 1;
                        let digits = self.bytes.get(self.at..self.at + 2);
                        let value = digits
                            .and_then(|digits| std::str::from_utf8(digits).ok())
                            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                        match value {
                            Some(value) => {
                                self.at += 2;
                                Token::Byte(value)
                            }
                            None => Token::Symbol(b'\''),
                        }
                    }
                    Some(symbol) => {
                        self.at += 1;
                        Token::Symbol(symbol)
                    }
                },
                text => Token::Byte(text),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_end_where_they_should() {
        let found: Vec<Token<'_>> =
            Tokens::new(b"{\\b0 a\\u-10179?\\'e9\\~\\bin3 }{\\x}\\par").collect();
        assert_eq!(
            found,
            [
                Token::Open,
                Token::Word("b", Some(0)),
                Token::Byte(b'a'),
                Token::Word("u", Some(-10179)),
                Token::Byte(b'?'),
                Token::Byte(0xe9),
                Token::Symbol(b'~'),
                Token::Binary(3),
                Token::Byte(b'x'),
                Token::Close,
                Token::Word("par", None),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_tokens(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Tokens::new(&bytes).count() <= bytes.len());
        }
    }
}
