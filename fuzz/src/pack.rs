//! Archives as text, so that a fuzzer changes what stands in a member and not the checksum around it.
//!
//! A line `%%% NAME` begins the member `NAME`; bytes before the first such line belong to the format's main member.

use std::io::{Cursor, Read as _, Write as _};

const MARK: &[u8] = b"%%% ";
const MAX_MEMBERS: usize = 64;

/// The archive that `text` describes, stored without compression. `main` is the member that text without marks belongs to.
#[must_use]
pub fn pack(text: &[u8], first: Option<(&str, &[u8])>, main: &str) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut add = |name: &str, bytes: &[u8]| {
        // A name that stands there already, or that no archive can hold, is left out.
        if writer.start_file(name, stored).is_ok() {
            let _ = writer.write_all(bytes);
        }
    };
    if let Some((name, bytes)) = first {
        add(name, bytes);
    }
    for (name, bytes) in members(text, main) {
        add(&name, bytes);
    }
    writer.finish().map(Cursor::into_inner).unwrap_or_default()
}

fn members<'a>(text: &'a [u8], main: &str) -> Vec<(String, &'a [u8])> {
    let mut found: Vec<(String, &[u8])> = Vec::new();
    let mut name = main.to_owned();
    let mut start = 0;
    let mut at = 0;
    while at < text.len() && found.len() < MAX_MEMBERS {
        let end = text[at..]
            .iter()
            .position(|&b| b == b'\n')
            .map_or(text.len(), |n| at + n + 1);
        if let Some(rest) = text[at..end].strip_prefix(MARK) {
            if at > start {
                found.push((name, &text[start..at]));
            }
            name = String::from_utf8_lossy(rest).trim().to_owned();
            start = end;
        }
        at = end;
    }
    if text.len() > start {
        found.push((name, &text[start..]));
    }
    found
}

/// The text for [`pack`] of a real archive: its small members that hold markup, as far as `max_bytes` go.
#[must_use]
pub fn unpack(archive: &[u8], max_bytes: usize) -> Option<Vec<u8>> {
    let mut zip = zip::ZipArchive::new(Cursor::new(archive)).ok()?;
    let mut text = Vec::new();
    for n in 0..zip.len().min(200) {
        let Ok(member) = zip.by_index(n) else {
            continue;
        };
        let Ok(name) = member.name().map(std::borrow::Cow::into_owned) else {
            continue;
        };
        let is_markup = [".xml", ".rels", ".xhtml", ".html", ".opf", ".ncx"]
            .iter()
            .any(|end| name.ends_with(end));
        let is_needless = [
            "theme",
            "docProps",
            "fontTable",
            "webSettings",
            "Thumbnails",
        ]
        .iter()
        .any(|part| name.contains(part));
        if !is_markup || is_needless {
            continue;
        }
        let mut bytes = Vec::new();
        let limit = max_bytes.saturating_sub(text.len() + name.len() + 8) as u64;
        if member.take(limit + 1).read_to_end(&mut bytes).is_err() || bytes.len() as u64 > limit {
            continue;
        }
        text.extend_from_slice(MARK);
        text.extend_from_slice(name.as_bytes());
        text.push(b'\n');
        text.extend_from_slice(&bytes);
        if !bytes.ends_with(b"\n") {
            text.push(b'\n');
        }
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_unpacks_to_the_same() {
        let text = b"%%% a.xml\n<a/>\n%%% dir/b.xml\n<b>\n</b>\n";
        assert_eq!(
            unpack(&pack(text, None, "main.xml"), 1000).as_deref(),
            Some(&text[..])
        );
        let main = unpack(&pack(b"<m/>\n", None, "main.xml"), 1000);
        assert_eq!(main.as_deref(), Some(&b"%%% main.xml\n<m/>\n"[..]));
        assert_eq!(unpack(&pack(text, None, "main.xml"), 3), None);
    }
}
