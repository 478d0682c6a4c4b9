//! Small helpers over `quick-xml` for office XML. Entities other than the five predefined ones are not
//! expanded (they are dropped), so neither entity bombs nor external entities can do harm.

use quick_xml::events::{BytesRef, BytesStart, Event};

/// Bytes of an XML part to text: UTF-8 or UTF-16 by mark, anything invalid replaced.
pub(crate) fn part_text(bytes: &[u8]) -> String {
    let (encoding, n_bom) = encoding_rs::Encoding::for_bom(bytes)
        .or_else(|| crate::text::utf16_by_zeros(bytes).map(|encoding| (encoding, 0)))
        .unwrap_or((encoding_rs::UTF_8, 0));
    encoding
        .decode_without_bom_handling(&bytes[n_bom..])
        .0
        .into_owned()
}

/// Bytes of a whole document to text: as [`part_text`], but other encodings too, as the declaration says or as they look.
pub(crate) fn document_text(bytes: &[u8]) -> String {
    let is_marked = encoding_rs::Encoding::for_bom(bytes).is_some()
        || crate::text::utf16_by_zeros(bytes).is_some();
    if is_marked || std::str::from_utf8(bytes).is_ok() {
        return part_text(bytes);
    }
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(256)]).into_owned();
    let declared = head
        .split_once("encoding=")
        .and_then(|(_, rest)| rest.get(1..)?.split(['"', '\'']).next())
        .and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes()));
    match declared {
        Some(encoding) => encoding.decode(bytes).0.into_owned(),
        None => crate::text::decode(bytes).text,
    }
}

/// A reader that accepts what broken writers produce.
pub(crate) fn reader(text: &str) -> quick_xml::Reader<&[u8]> {
    let mut reader = quick_xml::Reader::from_str(text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_dangling_amp = true;
    config.allow_unmatched_ends = true;
    reader
}

/// Parts up to this size are looked through for faults, larger ones only at their ends.
const MAX_LOOK: usize = 1 << 20;

/// What keeps an XML part from being read to its end, if anything does: a broken tag, or elements that nothing closes.
/// Costs one pass over the part.
pub(crate) fn fault(bytes: &[u8]) -> Option<String> {
    if bytes.len() > MAX_LOOK {
        return (!ends_whole(bytes)).then(|| "it ends before its elements".to_owned());
    }
    let text = part_text(bytes);
    let mut reader = reader(&text);
    let mut depth = 0_usize;
    loop {
        match reader.read_event() {
            Ok(Event::Start(_)) => depth += 1,
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Eof) if depth > 0 => return Some("it ends before its elements".to_owned()),
            Ok(Event::Eof) => return None,
            Ok(_) => {}
            Err(error) => return Some(error.to_string()),
        }
    }
}

/// Whether the last tag closes the element that the first one opens. True where that cannot be told without decoding.
fn ends_whole(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]);
    let tail = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(4096)..]);
    let root = head
        .split('<')
        .skip(1)
        .find(|tag| !tag.starts_with(['?', '!']))
        .and_then(|tag| tag.split([' ', '\t', '\r', '\n', '>', '/']).next())
        .filter(|name| !name.is_empty() && !name.contains('\0'));
    let Some(root) = root else {
        return true;
    };
    let tail = tail.trim_end_matches(|c: char| c.is_whitespace() || c == '\0');
    if tail.ends_with("-->") {
        return true;
    }
    tail.strip_suffix('>')
        .map(str::trim_end)
        .and_then(|tail| tail.strip_suffix(root))
        .is_some_and(|tail| tail.ends_with("</"))
}

/// Value of the attribute with this local name.
pub(crate) fn attr(element: &BytesStart<'_>, local: &str) -> Option<String> {
    element
        .attributes()
        .with_checks(false)
        .flatten()
        .find(|attribute| attribute.key.local_name().as_ref() == local)
        .map(|attribute| {
            quick_xml::escape::unescape(&attribute.value).map_or_else(
                |_| attribute.value.to_string(),
                std::borrow::Cow::into_owned,
            )
        })
}

/// Value of an on/off property: present without a value means on.
pub(crate) fn is_on(element: &BytesStart<'_>) -> bool {
    !matches!(
        attr(element, "val").as_deref(),
        Some("0" | "false" | "off" | "none")
    )
}

/// The character that a reference stands for, if it is predefined or numeric.
pub(crate) fn reference(reference: &BytesRef<'_>) -> Option<char> {
    if let Ok(Some(c)) = reference.resolve_char_ref() {
        return (!c.is_control() || matches!(c, '\n' | '\t')).then_some(c);
    }
    quick_xml::escape::resolve_predefined_entity(reference).and_then(|text| text.chars().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_what_hides_the_rest() {
        for whole in [
            "",
            "<a/>",
            "<a><b>x & y</b></a>\n\0",
            "<?xml version=\"1.0\"?><a>&x;</a>",
        ] {
            assert_eq!(fault(whole.as_bytes()), None, "{whole}");
        }
        for cut in ["<a><b/>", "<a><b na", "<a><!-- x</a>", "<a>x"] {
            assert!(fault(cut.as_bytes()).is_some(), "{cut}");
        }
        let many = "<b>x</b>".repeat(MAX_LOOK / 8);
        for whole in [
            format!("<?xml version=\"1.0\"?>\n<x:a y=''>{many}</x:a>\n\0"),
            format!("<a>{many}</a ><!-- end -->"),
        ] {
            assert_eq!(fault(whole.as_bytes()), None);
        }
        let large = format!("<a>{many}<b>x</b>");
        assert!(fault(large.as_bytes()).is_some());
    }
}
