//! Outlook messages ([MS-OXMSG]): a compound file whose streams are the message's properties.
//!
//! Properties are found by their tags in the streams' names (`__substg1.0_TTTTPPPP`). Attached messages are storages of the
//! same file and are read in place. Times are in UTC.

use std::io::{Cursor, Read};

use cairn_types::WarningCode;
use cfb::CompoundFile;

use super::{Body, Envelope, better, lzfu, push_attachment, push_part, read_body};
use crate::builder::Builder;
use crate::context::Context;
use crate::error::ExtractError;

/// An opened message with its size, which no stream can exceed.
struct File<'a> {
    cfb: CompoundFile<Cursor<&'a [u8]>>,
    n_bytes: u64,
    cx: &'a Context<'a>,
}

const ATTACHMENT: &str = "__attach_version1.0_#";

// Property tags ([MS-OXPROPS]).
const SUBJECT: u16 = 0x0037;
const SENDER_NAME: u16 = 0x0c1a;
const SENDER_ADDRESS: u16 = 0x0c1f;
const SENDER_SMTP: u16 = 0x5d01;
const DISPLAY_TO: u16 = 0x0e04;
const DISPLAY_CC: u16 = 0x0e03;
const BODY: u16 = 0x1000;
const RTF: u16 = 0x1009;
const HTML: u16 = 0x1013;
const SUBMIT_TIME: u16 = 0x0039;
const DELIVERY_TIME: u16 = 0x0e06;
const CODE_PAGE: u16 = 0x3fde;
const ATTACH_DATA: u16 = 0x3701;
const ATTACH_LONG_NAME: u16 = 0x3707;
const ATTACH_NAME: u16 = 0x3704;
const DISPLAY_NAME: u16 = 0x3001;

// Property types ([MS-OXCDATA], section 2.11.1).
const UNICODE: u16 = 0x001f;
const STRING8: u16 = 0x001e;
const BINARY: u16 = 0x0102;
const OBJECT: u16 = 0x000d;
const LONG: u16 = 0x0003;
const TIME: u16 = 0x0040;

/// Reads an Outlook message.
pub(crate) fn read(
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    let cfb = CompoundFile::open(Cursor::new(bytes))
        .map_err(|error| ExtractError::malformed(format!("damaged compound file: {error}")))?;
    let mut file = File {
        cfb,
        n_bytes: bytes.len() as u64,
        cx,
    };
    read_message(&mut file, "", 32, cx, builder)
}

/// Reads the message in the storage `at`, whose table of fixed properties has a header of `n_header` bytes.
fn read_message(
    file: &mut File<'_>,
    at: &str,
    n_header: usize,
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    let fixed = Fixed::read(file, at, n_header);
    let encoding = fixed.encoding();
    let mut text = |tag| file.text(at, tag, encoding);
    let subject = text(SUBJECT);
    let name = text(SENDER_NAME);
    let address = text(SENDER_SMTP)
        .or_else(|| text(SENDER_ADDRESS))
        .filter(|address| address.contains('@'));
    let envelope = Envelope {
        subject,
        from: match (name, address) {
            (Some(name), Some(address)) if name != address => Some(format!("{name} <{address}>")),
            (name, address) => address.or(name),
        },
        to: text(DISPLAY_TO),
        cc: text(DISPLAY_CC),
        date: fixed
            .time(SUBMIT_TIME)
            .or_else(|| fixed.time(DELIVERY_TIME)),
    };
    envelope.push(builder);
    let plain = text(BODY).unwrap_or_default();
    let html = match file.binary(at, HTML) {
        Some(bytes) => Some(crate::text::decode(&bytes).text),
        None => file.text(at, HTML, encoding),
    };
    let mut body = read_body(&Body::Plain(&plain), cx)?;
    if let Some(html) = html {
        body = better(body, read_body(&Body::Html(&html), cx)?);
    }
    if body.is_empty()
        && let Some(rtf) = file.binary(at, RTF)
    {
        match lzfu::decompress(&rtf).map(|rtf| read_body(&Body::Rtf(&rtf), cx)) {
            Some(Ok(read)) => body = read,
            Some(Err(ExtractError::Empty { .. })) => {}
            Some(Err(error)) => builder.warn(
                WarningCode::Unreadable,
                None,
                format!("the body could not be read: {error}"),
            ),
            None => builder.warn(
                WarningCode::Unreadable,
                None,
                "the body could not be read: it is no compressed rtf",
            ),
        }
    }
    builder.absorb(body.finish("application/vnd.ms-outlook"));
    for (idx, storage) in file.attachments(at).into_iter().enumerate() {
        push_attached(file, &storage, idx, encoding, cx, builder);
    }
    Ok(())
}

fn push_attached(
    file: &mut File<'_>,
    at: &str,
    idx: usize,
    encoding: &'static encoding_rs::Encoding,
    cx: &Context<'_>,
    builder: &mut Builder,
) {
    let name = [ATTACH_LONG_NAME, ATTACH_NAME, DISPLAY_NAME]
        .into_iter()
        .find_map(|tag| file.text(at, tag, encoding))
        .unwrap_or_else(|| format!("attachment {}", idx + 1));
    if let Some(bytes) = file.binary(at, ATTACH_DATA) {
        push_attachment(&name, &bytes, cx, builder);
        return;
    }
    let inner = stream_path(at, ATTACH_DATA, OBJECT);
    let name = crate::containers::label(&name);
    if file
        .cfb
        .is_storage(format!("{inner}/__properties_version1.0"))
        || file
            .cfb
            .is_stream(format!("{inner}/__properties_version1.0"))
    {
        let read = cx.nested(|| {
            let mut part = Builder::new(cx.options.max_elements);
            read_message(file, &inner, 24, cx, &mut part)?;
            Ok(part.finish("application/vnd.ms-outlook"))
        });
        push_part(&name, read, builder);
    } else {
        builder.failed_part(
            &name,
            &ExtractError::malformed("the attachment is linked or embedded by another program"),
        );
    }
}

fn stream_path(at: &str, tag: u16, kind: u16) -> String {
    format!("{at}/__substg1.0_{tag:04X}{kind:04X}")
}

impl File<'_> {
    fn stream(&mut self, path: &str) -> Option<Vec<u8>> {
        if !self.cfb.is_stream(path) {
            return None;
        }
        let stream = match self.cfb.open_stream(path) {
            Ok(stream) => stream,
            Err(error) => {
                self.cx.note_damage(path, error.to_string(), 0);
                return None;
            }
        };
        let n_stated = stream.len();
        let mut bytes = Vec::new();
        // A stream of a damaged file is used as far as it can be read.
        let read = stream.take(self.n_bytes).read_to_end(&mut bytes);
        let n_missing = n_stated.saturating_sub(bytes.len() as u64);
        if n_missing > 0 {
            let reason = match read {
                Ok(_) => format!("{n_missing} bytes are missing"),
                Err(error) => error.to_string(),
            };
            // Only texts are known to have a character in each byte or two.
            let n_chars = match path.get(path.len().saturating_sub(4)..) {
                Some("001F") => n_missing.min(self.n_bytes) / 2,
                Some("001E") => n_missing.min(self.n_bytes),
                _ => 0,
            };
            self.cx.note_damage(path, reason, n_chars);
        }
        Some(bytes)
    }

    fn binary(&mut self, at: &str, tag: u16) -> Option<Vec<u8>> {
        self.stream(&stream_path(at, tag, BINARY))
    }

    fn text(
        &mut self,
        at: &str,
        tag: u16,
        encoding: &'static encoding_rs::Encoding,
    ) -> Option<String> {
        let text = match self.stream(&stream_path(at, tag, UNICODE)) {
            Some(bytes) => encoding_rs::UTF_16LE
                .decode_without_bom_handling(&bytes)
                .0
                .into_owned(),
            None => {
                let bytes = self.stream(&stream_path(at, tag, STRING8))?;
                encoding.decode_without_bom_handling(&bytes).0.into_owned()
            }
        };
        let text = text.trim_matches('\0').trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Paths of the attachments' storages, in order of their numbers.
    fn attachments(&self, at: &str) -> Vec<String> {
        let root = if at.is_empty() { "/" } else { at };
        let Ok(entries) = self.cfb.read_storage(root) else {
            return Vec::new();
        };
        let mut found: Vec<String> = entries
            .filter(|entry| entry.is_storage() && entry.name().starts_with(ATTACHMENT))
            .map(|entry| format!("{at}/{}", entry.name()))
            .collect();
        found.sort();
        found
    }
}

/// The table of properties of fixed size ([MS-OXMSG], section 2.4).
struct Fixed(Vec<(u32, [u8; 8])>);

impl Fixed {
    fn read(file: &mut File<'_>, at: &str, n_header: usize) -> Self {
        let bytes = file
            .stream(&format!("{at}/__properties_version1.0"))
            .unwrap_or_default();
        let rows = bytes.get(n_header..).unwrap_or_default().chunks_exact(16);
        Self(
            rows.map(|row| {
                let tag = u32::from_le_bytes([row[0], row[1], row[2], row[3]]);
                let mut value = [0; 8];
                value.copy_from_slice(&row[8..]);
                (tag, value)
            })
            .collect(),
        )
    }

    fn value(&self, tag: u16, kind: u16) -> Option<[u8; 8]> {
        let wanted = u32::from(tag) << 16 | u32::from(kind);
        let found = self.0.iter().find(|(tag, _)| *tag == wanted);
        found.map(|(_, value)| *value)
    }

    /// A time as people write it.
    fn time(&self, tag: u16) -> Option<String> {
        // Steps of 100 ns since 1601.
        let ticks = u64::from_le_bytes(self.value(tag, TIME)?);
        let seconds = i64::try_from(ticks / 10_000_000).ok()? - 11_644_473_600;
        utc(seconds)
    }

    /// Encoding of texts that are not in Unicode.
    fn encoding(&self) -> &'static encoding_rs::Encoding {
        let page = self.value(CODE_PAGE, LONG).map(|value| {
            let page = u32::from_le_bytes([value[0], value[1], value[2], value[3]]);
            match page {
                65001 => "utf-8".to_owned(),
                932 => "shift_jis".to_owned(),
                936 => "gbk".to_owned(),
                949 => "euc-kr".to_owned(),
                950 => "big5".to_owned(),
                28591..=28606 => format!("iso-8859-{}", page - 28590),
                page => format!("windows-{page}"),
            }
        });
        page.and_then(|page| encoding_rs::Encoding::for_label(page.as_bytes()))
            .unwrap_or(encoding_rs::WINDOWS_1252)
    }
}

/// `2024-03-04 09:00 UTC` from seconds since 1970; nothing for earlier times, which programs write for none.
fn utc(seconds: i64) -> Option<String> {
    let time = jiff::Timestamp::from_second(seconds).ok()?;
    (seconds >= 0).then(|| time.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;
    use crate::extract::extract;
    use crate::options::ExtractOptions;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    /// A message with a text attachment and an attached message.
    fn message() -> Vec<u8> {
        let mut file = CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        let mut put = |path: &str, bytes: &[u8]| {
            file.create_stream(path).unwrap().write_all(bytes).unwrap();
        };
        let mut fixed = vec![0; 32];
        fixed.extend((u32::from(SUBMIT_TIME) << 16 | u32::from(TIME)).to_le_bytes());
        fixed.extend([0; 4]);
        let ticks: u64 = (1_709_542_800 + 11_644_473_600) * 10_000_000;
        fixed.extend(ticks.to_le_bytes());
        put("/__properties_version1.0", &fixed);
        put("/__substg1.0_0037001F", &utf16("Plan für May"));
        put("/__substg1.0_0C1A001F", &utf16("Ann"));
        put("/__substg1.0_5D01001F", &utf16("ann@example.org"));
        put("/__substg1.0_0E04001E", b"Bo\x80");
        put("/__substg1.0_1000001F", &utf16("We meet at nine."));
        file.create_storage("/__attach_version1.0_#00000000")
            .unwrap();
        file.create_storage("/__attach_version1.0_#00000001")
            .unwrap();
        file.create_storage("/__attach_version1.0_#00000001/__substg1.0_3701000D")
            .unwrap();
        let mut put = |path: &str, bytes: &[u8]| {
            file.create_stream(path).unwrap().write_all(bytes).unwrap();
        };
        put(
            "/__attach_version1.0_#00000000/__substg1.0_3707001F",
            &utf16("list.txt"),
        );
        put(
            "/__attach_version1.0_#00000000/__substg1.0_37010102",
            b"Bring tea.",
        );
        put(
            "/__attach_version1.0_#00000001/__substg1.0_3001001F",
            &utf16("Old one"),
        );
        let inner = "/__attach_version1.0_#00000001/__substg1.0_3701000D";
        put(&format!("{inner}/__properties_version1.0"), &[0; 24]);
        put(&format!("{inner}/__substg1.0_0037001F"), &utf16("April"));
        put(
            &format!("{inner}/__substg1.0_10130102"),
            b"<p>It <b>rained</b>.</p>",
        );
        file.into_inner().into_inner()
    }

    #[test]
    fn a_message_is_its_envelope_body_and_attachments() {
        let read = extract("a.msg", &message(), &ExtractOptions::default()).unwrap();
        assert_eq!(read.media_type, "application/vnd.ms-outlook");
        assert_eq!(
            read.render().text,
            "Plan für May\n\nFrom: Ann <ann@example.org>\nTo: Bo€\nDate: 2024-03-04 09:00 UTC\n\nWe meet at nine.\n\n\
             list.txt\n\nBring tea.\n\nOld one\n\nApril\n\nIt rained."
        );
        assert_eq!((read.report.parts, read.report.parts_failed), (2, 0));
    }

    #[test]
    fn times_are_dates() {
        assert_eq!(utc(0).as_deref(), Some("1970-01-01 00:00 UTC"));
        assert_eq!(utc(951_782_400).as_deref(), Some("2000-02-29 00:00 UTC"));
        assert_eq!(utc(1_735_689_599).as_deref(), Some("2024-12-31 23:59 UTC"));
        assert_eq!(utc(-1), None);
        assert_eq!(utc(i64::MAX), None);
    }

    proptest! {
        #[test]
        fn never_panics(at in 0usize..8_000, byte in any::<u8>(), cut in 0usize..8_000) {
            let mut bytes = message();
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(bytes.len().saturating_sub(cut / 4));
            if let Err(error) = extract("a.msg", &bytes, &ExtractOptions::default()) {
                prop_assert!(!matches!(error, ExtractError::Crashed { .. }), "{error}");
            }
        }
    }
}
