//! Subtitles to paragraphs with time stamps: `WebVTT` and `SubRip`.
//!
//! W3C WebVTT (2019), section 4: blocks between blank lines; `NOTE`, `STYLE` and `REGION` blocks are no text and are left
//! out; a cue may begin with an identifier. Cue text (section 4.2.2): tags go, a voice (`<v Name>`) becomes `Name: ` where the
//! speaker changes. `SubRip` has no specification: numbered blocks, times with a comma, some HTML tags and `{\an8}`.
//! Lines that a cue repeats from the one before (rolling captions) are left out. Grouping: see `timed`. O(n).

use cairn_types::WarningCode;

use crate::builder::{Builder, count_text};
use crate::text::decode;
use crate::timed::push_segments;
use crate::tools::Segment;

/// Reads either format; the marks of both are told apart by their look.
pub(crate) fn read(bytes: &[u8], builder: &mut Builder) {
    let decoded = decode(bytes);
    decoded.note(builder);
    let mut state = State::default();
    for (idx, block) in blocks(&decoded.text).enumerate() {
        state.block(&block, idx == 0);
    }
    push_segments(builder, &state.segments);
    builder.left_out(state.n_left_out);
    if state.n_odd > 0 {
        let n = state.n_odd;
        builder.warn(
            WarningCode::Recovered,
            None,
            format!("{n} blocks have no valid time and were kept with the time before them"),
        );
    }
}

/// Lines between blank lines.
fn blocks(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let mut lines = text.lines().peekable();
    std::iter::from_fn(move || {
        while lines.next_if(|line| line.trim().is_empty()).is_some() {}
        let mut block = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.trim().is_empty()) {
            block.push(line);
        }
        (!block.is_empty()).then_some(block)
    })
}

#[derive(Default)]
struct State {
    segments: Vec<Segment>,
    speaker: String,
    /// The last line of the cue before.
    last_line: String,
    n_left_out: u64,
    n_odd: u64,
}

impl State {
    fn block(&mut self, lines: &[&str], is_first: bool) {
        let first = lines[0].trim_start_matches('\u{feff}');
        let keyword = first.split_whitespace().next().unwrap_or_default();
        let is_header = is_first && keyword == "WEBVTT";
        let time_at = lines.iter().take(2).position(|line| line.contains("-->"));
        if time_at.is_none() && (is_header || matches!(keyword, "NOTE" | "STYLE" | "REGION")) {
            self.n_left_out += lines.iter().map(|line| count_text(line)).sum::<u64>();
            return;
        }
        let time = time_at.and_then(|at| times(lines[at]));
        let (start_ms, end_ms) = time.unwrap_or_else(|| {
            self.n_odd += 1;
            let last = self.segments.last().map_or(0, |segment| segment.end_ms);
            (last, last)
        });
        let text_at = match (time, time_at) {
            (Some(_), Some(at)) => at + 1,
            _ => 0,
        };
        self.n_left_out += lines[..text_at]
            .iter()
            .map(|line| count_text(line))
            .sum::<u64>();
        self.cue(start_ms, end_ms, &lines[text_at..]);
    }

    fn cue(&mut self, start_ms: u64, end_ms: u64, lines: &[&str]) {
        let before = std::mem::take(&mut self.last_line);
        let mut text = String::new();
        let mut kept: Vec<String> = Vec::new();
        for (idx, line) in lines.iter().enumerate() {
            let line = self.plain(line);
            let is_repeated = idx == 0 && lines.len() > 1 && !before.is_empty() && line == before;
            self.last_line.clone_from(&line);
            if is_repeated {
                self.n_left_out += count_text(&line);
            } else {
                kept.push(line);
            }
        }
        for line in kept {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&line);
        }
        self.segments.push(Segment {
            start_ms,
            end_ms: end_ms.max(start_ms),
            text,
        });
    }

    /// A line without marks; a voice that is new begins it.
    fn plain(&mut self, line: &str) -> String {
        let mut out = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(at) = rest.find(['<', '{', '&']) {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let close = match rest.as_bytes()[0] {
                b'<' => '>',
                b'{' => '}',
                _ => ';',
            };
            let Some(end) = rest.find(close) else {
                break;
            };
            let inner = &rest[1..end];
            let is_mark = match close {
                '>' => inner.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/'),
                '}' => inner.starts_with('\\'),
                _ => entity(inner).is_some(),
            };
            if !is_mark {
                out.push_str(&rest[..1]);
                rest = &rest[1..];
                continue;
            }
            if close == ';' {
                out.extend(entity(inner).flatten());
            } else if let Some(name) = voice(inner)
                && name != self.speaker
            {
                out.push_str(name);
                out.push_str(": ");
                name.clone_into(&mut self.speaker);
            }
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        crate::text::collapse(&out)
    }
}

/// The name in `v Name` or `v.class Name`.
fn voice(tag: &str) -> Option<&str> {
    let (head, name) = tag.split_once([' ', '\t'])?;
    let is_voice = head == "v" || head.starts_with("v.");
    (is_voice && !name.trim().is_empty()).then(|| name.trim())
}

/// The character that an entity's name stands for: `Some(None)` is a mark of direction, which is no text.
fn entity(name: &str) -> Option<Option<char>> {
    Some(match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "nbsp" => Some('\u{a0}'),
        "lrm" | "rlm" => None,
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            Some(char::from_u32(code).filter(|c| !c.is_control())?)
        }
    })
}

/// Start and end of a line like `00:01.000 --> 00:02.500 align:left`.
fn times(line: &str) -> Option<(u64, u64)> {
    let (start, end) = line.split_once("-->")?;
    let end = end.split_whitespace().next()?;
    Some((milliseconds(start.trim())?, milliseconds(end)?))
}

/// `[HH:]MM:SS.mmm`, with a comma in `SubRip`.
fn milliseconds(time: &str) -> Option<u64> {
    let (whole, fraction) = time.split_once(['.', ',']).unwrap_or((time, "0"));
    let mut seconds: u64 = 0;
    let mut n_parts = 0;
    for part in whole.split(':') {
        seconds = seconds
            .checked_mul(60)?
            .checked_add(part.trim().parse().ok()?)?;
        n_parts += 1;
    }
    let digits: String = fraction.chars().take(3).collect();
    let scale = 10u64.pow(3 - u32::try_from(digits.len().min(3)).unwrap_or(3));
    let milliseconds = digits.parse::<u64>().ok()? * scale;
    (2..=3)
        .contains(&n_parts)
        .then(|| seconds.checked_mul(1000)?.checked_add(milliseconds))?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(input: &str) -> Vec<String> {
        let mut builder = Builder::new(1000);
        read(input.as_bytes(), &mut builder);
        builder.elements().iter().map(|e| e.text.clone()).collect()
    }

    #[test]
    fn cues_become_stamped_paragraphs() {
        let vtt = "WEBVTT - about\nKind: captions\n\nNOTE a remark\n\nSTYLE\n::cue { color: red }\n\n1\n00:11.000 --> 00:13.000 align:left\n<v Ann Lee>Hello <i>there</i> &amp; welcome.\n\n00:13.000 --> 00:15.000\n<v Ann Lee>We begin.\n\n00:15.000 --> 00:16.500\n<v.loud Bob>At <00:16.000><c>last</c> 1 < 2!\n\n01:00:00.000 --> 01:00:01.000\nLater &lt;x&gt;\n";
        assert_eq!(
            texts(vtt),
            [
                "[00:00:11] Ann Lee: Hello there & welcome. We begin. Bob: At last 1 < 2!",
                "[01:00:00] Later <x>"
            ]
        );
        let srt = "1\r\n00:00:01,500 --> 00:00:03,000\r\n{\\an8}<font color=\"red\">One</font>\r\ntwo\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\ntwo\r\nthree\r\n\r\nno time here\r\n";
        assert_eq!(texts(srt), ["[00:00:01] One two three no time here"]);
    }

    #[test]
    fn all_characters_are_accounted_for() {
        let input = "WEBVTT\n\nNOTE ab\n\n00:01.000 --> 00:02.000\nkept\n";
        let mut builder = Builder::new(10);
        read(input.as_bytes(), &mut builder);
        let report = &builder.report;
        assert_eq!(
            (report.chars_kept, report.chars_seen),
            (4, count_text(input))
        );
    }

    #[test]
    fn times_are_read() {
        for (time, expect) in [
            ("00:01.5", Some(1_500)),
            ("01:00:00,020", Some(3_600_020)),
            ("99999999999999999999:00", None),
            ("5", None),
            ("00:01.é", None),
        ] {
            assert_eq!(milliseconds(time), expect, "{time}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(input in "(WEBVTT)?[-<>v/&;#x{}\\\\0-9:.,a-cé \n]{0,200}") {
            texts(&input);
        }
    }
}
