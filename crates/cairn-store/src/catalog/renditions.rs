//! Renditions: what one pipeline made of one content, stored once per tenant.
//!
//! The text is a BLOB, read by ranges of bytes. Elements are stored as places in it; an element's own text is
//! stored only where it is not what stands at its place. Reading a range costs the pages that hold it plus one
//! walk along the rendition's chain of pages for each open handle.

use std::collections::HashMap;

use cairn_types::ports::{PublishVersion, StoredElements};
use cairn_types::{BoundingBox, CharSpan, Element, ElementKind, TenantId};
use rusqlite::blob::Blob;
use rusqlite::{MAIN_DB, OptionalExtension};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::failure::{DbResult, corrupt, invalid};
use super::rows::{from_json, from_sql, json, to_sql};
use super::threads::Db;

/// An element as stored. Short names: there are many of them in a long document.
#[derive(Serialize, Deserialize)]
struct StoredElement {
    /// Kind.
    k: ElementKind,
    /// Span.
    s: (usize, usize),
    /// Level.
    #[serde(default, skip_serializing_if = "is_zero")]
    l: u8,
    /// Page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<u32>,
    /// Box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    b: Option<BoundingBox>,
    /// Label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    /// Text, where it differs from the rendition's at the span.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    t: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(level: &u8) -> bool {
    *level == 0
}

/// Byte offsets of positions in a text, for many positions in one pass.
///
/// O(n + m log m) for n bytes and m positions.
pub(super) struct ByteOffsets(HashMap<usize, usize>);

impl ByteOffsets {
    /// The offsets of `positions` (code points); those past the end are left out.
    pub(super) fn of(text: &str, positions: impl Iterator<Item = usize>) -> Self {
        let mut sorted: Vec<_> = positions.collect();
        sorted.sort_unstable();
        sorted.dedup();
        if text.is_ascii() {
            let inside = sorted.into_iter().take_while(|at| *at <= text.len());
            return Self(inside.map(|at| (at, at)).collect());
        }
        let mut wanted = sorted.into_iter().peekable();
        let mut offsets = HashMap::with_capacity(wanted.len());
        let ends = std::iter::once(text.len());
        for (at, byte) in text
            .char_indices()
            .map(|(byte, _)| byte)
            .chain(ends)
            .enumerate()
        {
            if wanted.next_if_eq(&at).is_some() {
                offsets.insert(at, byte);
            }
        }
        Self(offsets)
    }

    /// The range of bytes of a span both of whose ends were among the positions.
    pub(super) fn range(&self, span: CharSpan) -> Option<std::ops::Range<usize>> {
        Some(*self.0.get(&span.start)?..*self.0.get(&span.end)?)
    }
}

/// The id of the rendition that `version` brings; stored where it is new.
pub(super) fn intern(db: &Db<'_>, tenant: TenantId, version: &PublishVersion) -> DbResult<i64> {
    let text = &version.text;
    let spans = version.elements.iter().map(|(_, span)| *span);
    let offsets = ByteOffsets::of(text, spans.flat_map(|span| [span.start, span.end]));
    let mut elements = Vec::with_capacity(version.elements.len());
    for (element, span) in &version.elements {
        let bytes = offsets.range(*span).ok_or_else(|| {
            invalid(format!(
                "an element reaches to character {}, past the end of the text",
                span.end
            ))
        })?;
        elements.push(StoredElement {
            k: element.kind,
            s: (span.start, span.end),
            l: element.level,
            p: element.page,
            b: element.bbox,
            n: element.label.clone(),
            t: (text[bytes] != element.text).then(|| element.text.clone()),
        });
    }
    let elements = json(&elements, "an element")?;
    let report = json(&version.report, "the parse report")?;
    let mut result = Sha256::new();
    for part in [text, &elements, &report] {
        result.update((part.len() as u64).to_le_bytes());
        result.update(part.as_bytes());
    }
    let result: [u8; 32] = result.finalize().into();
    let known = db
        .conn
        .prepare_cached(
            "SELECT rendition_id FROM renditions
             WHERE tenant_id = ?1 AND blob = ?2 AND fingerprint = ?3 AND result_hash = ?4",
        )?
        .query_row(
            (tenant.0, version.blob.0, version.fingerprint.0, result),
            |row| row.get(0),
        )
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    let n_chars = to_sql(text.chars().count(), "the text")?;
    let id = db
        .conn
        .prepare_cached(
            "INSERT INTO renditions
                 (tenant_id, blob, fingerprint, result_hash, n_chars, report, elements, text)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .insert((
            tenant.0,
            version.blob.0,
            version.fingerprint.0,
            result,
            n_chars,
            &report,
            &elements,
            text.as_bytes(),
        ))?;
    Ok(id)
}

/// Reads ranges of the texts of renditions; keeps the last one open, since chunks come in order.
pub(super) struct TextReader<'c> {
    db: &'c Db<'c>,
    open: Option<(i64, Blob<'c>)>,
}

impl<'c> TextReader<'c> {
    pub(super) const fn new(db: &'c Db<'c>) -> Self {
        Self { db, open: None }
    }

    /// The text at a range of bytes that was checked when it was stored.
    pub(super) fn read(
        &mut self,
        rendition: i64,
        bytes: std::ops::Range<usize>,
    ) -> DbResult<String> {
        let damaged = || corrupt("the text of a rendition");
        let blob = match &mut self.open {
            Some((id, blob)) if *id == rendition => blob,
            Some((id, blob)) => {
                *id = rendition;
                blob.reopen(rendition)?;
                blob
            }
            none => {
                let conn = self.db.conn;
                let blob = conn.blob_open(MAIN_DB, "renditions", "text", rendition, true)?;
                &mut none.insert((rendition, blob)).1
            }
        };
        let mut text = vec![0; bytes.end.checked_sub(bytes.start).ok_or_else(damaged)?];
        blob.read_at_exact(&mut text, bytes.start)?;
        String::from_utf8(text).map_err(|_| damaged())
    }
}

/// The text at a span; `None` where it reaches past the end.
pub(super) fn text_at(db: &Db<'_>, rendition: i64, span: CharSpan) -> DbResult<Option<String>> {
    let (n_chars, n_bytes): (i64, i64) = db
        .conn
        .prepare_cached("SELECT n_chars, length(text) FROM renditions WHERE rendition_id = ?1")?
        .query_row([rendition], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if span.end > from_sql(n_chars, "the length of a text")? {
        return Ok(None);
    }
    let mut reader = TextReader::new(db);
    if n_chars == n_bytes {
        // All ASCII: code points are bytes.
        return reader.read(rendition, span.start..span.end).map(Some);
    }
    let whole = reader.read(rendition, 0..from_sql(n_bytes, "the length of a text")?)?;
    Ok(span.slice(&whole).map(str::to_owned))
}

/// The elements with their texts.
pub(super) fn elements(db: &Db<'_>, rendition: i64) -> DbResult<StoredElements> {
    let (n_chars, stored, text): (i64, String, Vec<u8>) = db
        .conn
        .prepare_cached("SELECT n_chars, elements, text FROM renditions WHERE rendition_id = ?1")?
        .query_row([rendition], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let text = String::from_utf8(text).map_err(|_| corrupt("the text of a rendition"))?;
    let stored: Vec<StoredElement> = from_json(&stored, "the elements of a rendition")?;
    let offsets = ByteOffsets::of(
        &text,
        stored.iter().flat_map(|element| [element.s.0, element.s.1]),
    );
    let mut elements = Vec::with_capacity(stored.len());
    for StoredElement {
        k,
        s,
        l,
        p,
        b,
        n,
        t,
    } in stored
    {
        if s.0 > s.1 {
            return Err(corrupt("the place of an element"));
        }
        let span = CharSpan::new(s.0, s.1);
        let bytes = offsets
            .range(span)
            .ok_or_else(|| corrupt("the place of an element"))?;
        let element = Element {
            kind: k,
            level: l,
            text: t.unwrap_or_else(|| text[bytes].to_owned()),
            page: p,
            bbox: b,
            label: n,
        };
        elements.push((element, span));
    }
    Ok(StoredElements {
        n_chars: from_sql(n_chars, "the length of a text")?,
        elements,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_agree_with_slicing() {
        for text in ["", "abc", "añb🦀c", "日本語"] {
            let n_chars = text.chars().count();
            let offsets = ByteOffsets::of(text, 0..n_chars + 3);
            for start in 0..=n_chars + 1 {
                for end in start..=n_chars + 2 {
                    let span = CharSpan::new(start, end);
                    let sliced = offsets.range(span).map(|bytes| &text[bytes]);
                    assert_eq!(sliced, span.slice(text), "{text:?} {span:?}");
                }
            }
        }
    }
}
