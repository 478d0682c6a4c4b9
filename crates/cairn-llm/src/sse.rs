//! Server-sent events, read piece by piece.
//!
//! Source: HTML Living Standard, "Server-sent events", interpreting an event stream. Only `data` matters to
//! the chat protocol, so `event`, `id` and `retry` are read over. Differs from the standard in one point: an
//! event that the end of the stream cuts off is given out by [`SseReader::finish`], because some servers leave
//! out the last empty line.
//!
//! Bytes may be split anywhere, inside a character too: a line is decoded as a whole. Memory is bounded by
//! `max_event_bytes` for one line and for the data of one event. Cost is linear in the bytes.

/// A line or an event is longer than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

/// The state between two pieces of the stream.
#[derive(Debug)]
pub(crate) struct SseReader {
    max_event_bytes: usize,
    /// The line so far, without its end.
    line: Vec<u8>,
    /// Data lines of the event so far, joined by line feeds.
    data: Option<String>,
    /// The last byte was a carriage return: a line feed right after it belongs to the same line end.
    after_cr: bool,
    at_start: bool,
}

impl SseReader {
    /// A reader at the start of a stream.
    pub(crate) fn new(max_event_bytes: usize) -> Self {
        Self {
            max_event_bytes,
            line: Vec::new(),
            data: None,
            after_cr: false,
            at_start: true,
        }
    }

    /// Takes the next bytes and returns the data of the events that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, TooLong> {
        let mut events = Vec::new();
        let mut rest = bytes;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n' || byte == b'\r') {
            self.extend_line(&rest[..end])?;
            events.extend(self.end_line()?);
            let after = &rest[end + 1..];
            rest = match (rest[end], after.first()) {
                (b'\r', Some(b'\n')) => &after[1..],
                (b'\r', None) => {
                    self.after_cr = true;
                    after
                }
                _ => after,
            };
        }
        self.extend_line(rest)?;
        Ok(events)
    }

    /// The stream is over: the event that was not closed by an empty line.
    pub(crate) fn finish(&mut self) -> Result<Option<String>, TooLong> {
        if !self.line.is_empty() {
            self.end_line()?;
        }
        Ok(self.data.take())
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + bytes.len() > self.max_event_bytes {
            return Err(TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// Interprets the line; an empty one gives out the event.
    fn end_line(&mut self) -> Result<Option<String>, TooLong> {
        let bytes = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes);
        let mut line = text.as_ref();
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            return Ok(self.data.take());
        }
        // A line that starts with a colon has the empty field name: a comment.
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        if field == "data" {
            let value = value.strip_prefix(' ').unwrap_or(value);
            let held = self.data.as_ref().map_or(0, String::len);
            if held + value.len() > self.max_event_bytes {
                return Err(TooLong);
            }
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::{SseReader, TooLong};
    use proptest::prelude::*;

    /// Reads `pieces` one after another.
    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let mut reader = SseReader::new(1000);
        let mut events = Vec::new();
        for piece in pieces {
            events.extend(reader.push(piece).unwrap());
        }
        events.extend(reader.finish().unwrap());
        events
    }

    #[test]
    fn reads_events_as_the_standard_says() {
        let cases: &[(&str, &[&str])] = &[
            ("data: a\n\ndata: b\n\n", &["a", "b"]),
            ("data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]),
            ("data: a\r\rdata: b\r\r", &["a", "b"]),
            ("\u{feff}data: a\n\n", &["a"]),
            (": hello\n\ndata:a\n:x\n\n", &["a"]),
            ("event: e\nid: 1\nretry: 5\ndata: a\n\n", &["a"]),
            ("data: a\ndata: b\n\n", &["a\nb"]),
            ("data\n\n", &[""]),
            ("data:  a\n\n", &[" a"]),
            ("dataset: a\n\n", &[]),
            ("data: cut", &["cut"]),
            ("<html>\n<body>\n\n", &[]),
            ("\n\n\n", &[]),
        ];
        for (input, expected) in cases {
            assert_eq!(read(&[input.as_bytes()]), *expected, "{input:?}");
        }
    }

    #[test]
    fn long_lines_and_long_events_are_refused() {
        let mut reader = SseReader::new(100);
        assert_eq!(reader.push(&[b'x'; 101]), Err(TooLong));
        let mut reader = SseReader::new(100);
        assert_eq!(
            reader.push("data: 0123456789\n".repeat(11).as_bytes()),
            Err(TooLong)
        );
    }

    proptest! {
        #[test]
        fn pieces_do_not_change_the_events(
            lines in prop::collection::vec("(data: ?[aé字😀]{0,4}|: c|event: e|)(\n|\r\n|\r)", 0..12),
            cuts in prop::collection::vec(0usize..200, 0..8),
        ) {
            let whole = lines.concat();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(whole.len())).collect();
            cuts.push(0);
            cuts.push(whole.len());
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> =
                cuts.windows(2).map(|pair| &whole.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&pieces), read(&[whole.as_bytes()]));
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut reader = SseReader::new(64);
            if reader.push(&bytes).is_ok() {
                let _ = reader.finish();
            }
        }
    }
}
