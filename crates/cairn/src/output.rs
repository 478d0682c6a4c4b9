//! What goes to standard output and standard error: text for people, JSON for programs.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::Value;

use crate::cli::Global;
use crate::failure::Failure;

/// How results are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    /// Whether standard output is a terminal that takes colours.
    pub(crate) colours: bool,
    /// The same of standard error.
    pub(crate) error_colours: bool,
}

impl Output {
    pub(crate) fn new(global: &Global, no_color: bool) -> Self {
        let colours = !global.json && !no_color && io::stdout().is_terminal();
        let error_colours = !no_color && io::stderr().is_terminal();
        Self {
            json: global.json,
            quiet: global.quiet,
            colours,
            error_colours,
        }
    }

    /// A line of results.
    pub(crate) fn line(self, text: impl AsRef<str>) -> Result<(), Failure> {
        self.write(text.as_ref())?;
        self.write("\n")
    }

    /// Part of a line, shown at once.
    #[expect(
        clippy::unused_self,
        reason = "every way out is a method of the output"
    )]
    pub(crate) fn write(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let result = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        match result {
            // `cairn ... | head` closes the pipe: the reader has what it wanted.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(Failure::interrupted(""))
            }
            Err(error) => Err(Failure::new(
                cairn_types::ErrorKind::Unavailable,
                format!("output cannot be written: {error}"),
            )),
            Ok(()) => Ok(()),
        }
    }

    /// A JSON value on a line of its own.
    pub(crate) fn value(self, value: &Value) -> Result<(), Failure> {
        self.line(value.to_string())
    }

    /// A remark for a person, on standard error; nothing with `--json` or `--quiet`.
    pub(crate) fn note(self, text: impl AsRef<str>) {
        if !self.json && !self.quiet {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
        }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(crate) fn warn(self, text: &str) -> String {
        self.paint("33", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Shows a failure: text on standard error, or JSON there with `--json`.
pub(crate) fn show_failure(failure: &Failure, json: bool) {
    let mut err = io::stderr().lock();
    let _ = if json {
        let value = serde_json::json!({
            "error": { "code": failure.code, "message": failure.message, "hint": failure.hint }
        });
        writeln!(err, "{value}")
    } else {
        let hint = failure
            .hint
            .as_ref()
            .map(|hint| format!("\n\nhint: {hint}"))
            .unwrap_or_default();
        writeln!(err, "error: {}{hint}", failure.message)
    };
}

/// Text from outside made harmless for a terminal: control characters (escape sequences among them) are shown as the
/// replacement character, line breaks and tabs stay.
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// `1 234 567` bytes as people read them.
pub(crate) fn bytes(n: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = n as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return if unit == "B" {
                format!("{n} B")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_get_no_escape_sequences_from_documents() {
        assert_eq!(
            harmless("a\x1b[31mb\nc\td\u{9b}"),
            "a\u{fffd}[31mb\nc\td\u{fffd}"
        );
    }

    #[test]
    fn sizes_are_short() {
        for (n, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1500, "1.5 kB"),
            (200_000_000, "200.0 MB"),
        ] {
            assert_eq!(bytes(n), text);
        }
    }
}
