//! What can be saved of a file that pdfium refuses: a second opinion of our own.
//!
//! Most such files are cut off (a broken download): their objects are whole, but the table of where they are and the
//! catalog stood at the end. All objects are found by their first line (`12 0 obj`, ISO 32000-1, 7.3.10), those packed in
//! object streams (7.5.7) are unpacked, and everything is written as a new file with a table, a catalog and a list of
//! all pages in the order of the file. Pages still inherit through the entry `Parent` from nodes that were found.
//!
//! Limits: nothing is decrypted; of object streams only those that are deflated without a predictor are unpacked. Cost:
//! O(bytes), expanded bytes included, which count against the document's budget.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use flate2::read::ZlibDecoder;

use crate::context::Context;
use crate::error::ExtractError;

/// Objects of a file; the format's own limit is 8,388,607.
const MAX_OBJECTS: usize = 1_000_000;
/// Highest number of an object that is believed.
const MAX_NUMBER: u32 = 8_388_607;
/// Bytes of an object in which its dictionary's type is looked for.
const MAX_HEAD: usize = 4_096;

/// A new file of all the objects of `bytes`; `None` where no page is among them, or they are encrypted.
pub(super) fn salvage(bytes: &[u8], cx: &Context<'_>) -> Result<Option<Vec<u8>>, ExtractError> {
    if find(bytes, b"/Encrypt").is_some() {
        return Ok(None);
    }
    // Later objects of a number replace earlier ones, as in files that were saved with changes.
    let mut objects: BTreeMap<u32, (usize, Vec<u8>)> = BTreeMap::new();
    let starts = starts(bytes);
    let mut order = 0;
    let mut keep = |objects: &mut BTreeMap<u32, (usize, Vec<u8>)>, number: u32, body: &[u8]| {
        order += 1;
        objects.insert(number, (order, body.to_vec()));
    };
    for (idx, start) in starts.iter().enumerate() {
        let end = starts.get(idx + 1).map_or(bytes.len(), |next| next.at);
        let body = body(&bytes[start.body..end]);
        if has_type(body, b"/XRef") {
            continue;
        }
        if has_type(body, b"/ObjStm") {
            for (number, object) in unpack(body, cx)? {
                keep(&mut objects, number, &object);
            }
        } else {
            keep(&mut objects, start.number, body);
        }
        if objects.len() > MAX_OBJECTS {
            return Err(ExtractError::too_large(
                "number of objects",
                MAX_OBJECTS as u64,
            ));
        }
    }
    let mut pages: Vec<(usize, u32)> = objects
        .iter()
        .filter(|(_, (_, body))| has_type(body, b"/Page"))
        .map(|(number, (order, _))| (*order, *number))
        .collect();
    pages.sort_unstable();
    if pages.is_empty() {
        return Ok(None);
    }
    Ok(Some(write(&objects, &pages)))
}

struct Start {
    number: u32,
    /// Where its number starts.
    at: usize,
    /// Where what it holds starts.
    body: usize,
}

/// The places of `12 0 obj`.
fn starts(bytes: &[u8]) -> Vec<Start> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(place) = find(&bytes[from..], b"obj") {
        let place = from + place;
        from = place + 3;
        let mut rest = &bytes[..place];
        let Some(_generation) = number_before(&mut rest) else {
            continue;
        };
        let Some(number) = number_before(&mut rest) else {
            continue;
        };
        if (1..=MAX_NUMBER).contains(&number) && found.len() <= MAX_OBJECTS {
            found.push(Start {
                number,
                at: rest.len(),
                body: from,
            });
        }
    }
    found
}

/// Takes white space and a number off the end.
fn number_before(rest: &mut &[u8]) -> Option<u32> {
    let text = rest.trim_ascii_end();
    let n_digits = text
        .iter()
        .rev()
        .take(10)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (left, digits) = text.split_at(text.len() - n_digits);
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    *rest = left;
    Some(number)
}

/// The object without what follows it. A stream that was cut off ends with the bytes.
fn body(bytes: &[u8]) -> &[u8] {
    let is_stream = dictionary(bytes).len() < bytes.len();
    let end = if is_stream {
        rfind(bytes, b"endstream").map(|at| at + b"endstream".len())
    } else {
        rfind(bytes, b"endobj")
    };
    bytes[..end.unwrap_or(bytes.len())].trim_ascii()
}

/// What stands before the data of a stream.
fn dictionary(bytes: &[u8]) -> &[u8] {
    let mut from = 0;
    while let Some(place) = find(&bytes[from..], b"stream") {
        let place = from + place;
        if bytes[..place].trim_ascii_end().ends_with(b">>") {
            return &bytes[..place];
        }
        from = place + 6;
    }
    bytes
}

/// Whether the dictionary's `/Type` is this name.
fn has_type(body: &[u8], name: &[u8]) -> bool {
    let head = &body[..body.len().min(MAX_HEAD)];
    let head = dictionary(head);
    let mut from = 0;
    while let Some(place) = find(&head[from..], b"/Type") {
        let rest = head[from + place + 5..].trim_ascii_start();
        if rest.starts_with(name)
            && rest
                .get(name.len())
                .is_none_or(|byte| !byte.is_ascii_alphanumeric())
        {
            return true;
        }
        from += place + 5;
    }
    false
}

/// The objects packed in an object stream; those before a tear where it is damaged.
fn unpack(body: &[u8], cx: &Context<'_>) -> Result<Vec<(u32, Vec<u8>)>, ExtractError> {
    let head = dictionary(body);
    let entry = |name: &[u8]| -> Option<usize> {
        let rest = head[find(head, name)? + name.len()..].trim_ascii_start();
        let n_digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        std::str::from_utf8(&rest[..n_digits]).ok()?.parse().ok()
    };
    let (Some(n), Some(first)) = (entry(b"/N "), entry(b"/First")) else {
        return Ok(Vec::new());
    };
    let data = &body[head.len().min(body.len())..];
    let data = data.strip_prefix(b"stream").unwrap_or(data);
    let data = data
        .strip_prefix(b"\r\n")
        .unwrap_or(data.strip_prefix(b"\n").unwrap_or(data));
    let mut plain = Vec::new();
    let mut decoder = ZlibDecoder::new(data);
    let mut buffer = vec![0; 64 << 10];
    // What came out before a tear is of use.
    while let Ok(n_read @ 1..) = decoder.read(&mut buffer) {
        cx.count_expanded(n_read as u64)?;
        plain.extend_from_slice(&buffer[..n_read]);
    }
    let Some(index) = plain.get(..first) else {
        return Ok(Vec::new());
    };
    let numbers: Vec<usize> = String::from_utf8_lossy(index)
        .split_ascii_whitespace()
        .take(n.saturating_mul(2))
        .map_while(|number| number.parse().ok())
        .collect();
    let places: Vec<&[usize]> = numbers.chunks_exact(2).collect();
    let mut found = Vec::new();
    for (idx, place) in places.iter().enumerate() {
        let start = first.saturating_add(place[1]);
        let end = places
            .get(idx + 1)
            .map_or(plain.len(), |next| first.saturating_add(next[1]));
        let number = u32::try_from(place[0]).ok();
        if let (Some(number @ 1..=MAX_NUMBER), Some(object)) =
            (number, plain.get(start..end.min(plain.len())))
        {
            found.push((number, object.trim_ascii().to_vec()));
        }
    }
    Ok(found)
}

fn write(objects: &BTreeMap<u32, (usize, Vec<u8>)>, pages: &[(usize, u32)]) -> Vec<u8> {
    let last = objects.keys().next_back().copied().unwrap_or(0);
    let (tree, catalog) = (last + 1, last + 2);
    let mut out = b"%PDF-1.7\n".to_vec();
    let mut places: BTreeMap<u32, usize> = BTreeMap::new();
    let mut put = |out: &mut Vec<u8>, number: u32, body: &[u8]| {
        places.insert(number, out.len());
        // Writing to memory does not fail.
        let _ = writeln!(out, "{number} 0 obj");
        out.extend_from_slice(body);
        if dictionary(body).len() < body.len() && !body.ends_with(b"endstream") {
            out.extend_from_slice(b"\nendstream");
        }
        out.extend_from_slice(b"\nendobj\n");
    };
    for (number, (_, body)) in objects {
        put(&mut out, *number, body);
    }
    let kids: String = pages
        .iter()
        .map(|(_, number)| format!("{number} 0 R "))
        .collect();
    let count = pages.len();
    let node = format!("<< /Type /Pages /Count {count} /Kids [ {kids}] >>");
    put(&mut out, tree, node.as_bytes());
    let root = format!("<< /Type /Catalog /Pages {tree} 0 R >>");
    put(&mut out, catalog, root.as_bytes());
    let start = out.len();
    let _ = write!(out, "xref\n0 1\n0000000000 65535 f \n");
    for (number, place) in &places {
        let _ = write!(out, "{number} 1\n{place:010} 00000 n \n");
    }
    let size = catalog + 1;
    let _ = write!(
        out,
        "trailer\n<< /Size {size} /Root {catalog} 0 R >>\nstartxref\n{start}\n%%EOF\n"
    );
    out
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let first = what[0];
    let mut from = 0;
    while let Some(place) = bytes[from..].iter().position(|byte| *byte == first) {
        if bytes[from + place..].starts_with(what) {
            return Some(from + place);
        }
        from += place + 1;
    }
    None
}

fn rfind(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).rposition(|window| window == what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn objects_are_found_and_unpacked() {
        let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        packed
            .write_all(b"7 0 8 23 << /Type /Page /N 1 >> << /Type /Font >>")
            .unwrap();
        let packed = packed.finish().unwrap();
        let mut bytes =
            b"%PDF-1.5\n3 0 obj\n<< /Type /Page >>\nendobj\n5 0 obj << /Type /ObjStm /N 2 /First 9 /Length 9 >>\nstream\n"
                .to_vec();
        bytes.extend(packed);
        bytes.extend(b"\nendstream endobj\n3 0 obj << /Type/Page /New true >> endobj\n9 0 obj << /Length 99 >> stream\nBT (cut");
        let file = salvage(&bytes, &Context::for_test()).unwrap().unwrap();
        let text = String::from_utf8_lossy(&file);
        for part in [
            "3 0 obj\n<< /Type/Page /New true >>\nendobj",
            "7 0 obj\n<< /Type /Page /N 1 >>\nendobj",
            "8 0 obj\n<< /Type /Font >>\nendobj",
            "9 0 obj\n<< /Length 99 >> stream\nBT (cut\nendstream\nendobj",
            "/Count 2 /Kids [ 7 0 R 3 0 R ]",
            "trailer\n<< /Size 12 /Root 11 0 R >>",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("ObjStm"));
    }

    #[test]
    fn what_cannot_be_saved_is_left() {
        for bytes in [
            &b""[..],
            b"%PDF-1.7\n",
            b"1 0 obj << /Type /Pages >> endobj",
            b"1 0 obj << /Type /Page >> endobj trailer << /Encrypt 2 0 R >>",
            b"obj obj 0 obj x 0 obj 99999999999 0 obj << /Type /Page >>",
        ] {
            assert_eq!(salvage(bytes, &Context::for_test()).unwrap(), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(pieces in proptest::collection::vec(0usize..14, 0..60), seed in proptest::collection::vec(any::<u8>(), 0..20)) {
            let words: [&[u8]; 13] = [b"1 0 obj ", b"2 0 obj", b"endobj ", b"stream\n", b"endstream ", b"<< ", b">> ", b"/Type ", b"/Page ", b"/ObjStm ", b"/N 3 ", b"/First 9 ", b"\x78\x9c"];
            let bytes: Vec<u8> = pieces.iter().flat_map(|&idx| words.get(idx).copied().unwrap_or(&seed)).copied().collect();
            let file = salvage(&bytes, &Context::for_test()).unwrap();
            prop_assert!(file.is_none_or(|file| file.len() < 200 * (bytes.len() + 10)));
        }
    }
}
