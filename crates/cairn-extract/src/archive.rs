//! Members of a ZIP archive, within limits: entries, expanded bytes, ratio. Nothing is written to disk.
//!
//! Sizes that an archive states are not believed: what counts is what comes out.

use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::context::Context;
use crate::error::ExtractError;

/// Below this an expanded member cannot hurt, whatever its ratio.
const RATIO_FLOOR: u64 = 1 << 20;

/// Characters for each packed byte at most, when the missing ones of a damaged member are guessed from its stated size.
const MAX_TEXT_RATIO: u64 = 32;

/// An opened archive that keeps count of what it has expanded.
pub(crate) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    cx: &'a Context<'a>,
}

impl<'a> Archive<'a> {
    pub(crate) fn open(bytes: &'a [u8], cx: &'a Context<'a>) -> Result<Self, ExtractError> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| from_zip(&error))?;
        if zip.len() > cx.options.max_zip_entries {
            let limit = cx.options.max_zip_entries as u64;
            return Err(ExtractError::too_large("number of archive members", limit));
        }
        Ok(Self { zip, cx })
    }

    /// Names of all members.
    pub(crate) fn names(&self) -> Vec<String> {
        self.zip
            .file_names()
            .filter_map(|name| name.ok().map(std::borrow::Cow::into_owned))
            .collect()
    }

    /// Number of members.
    pub(crate) fn len(&self) -> usize {
        self.zip.len()
    }

    /// Name and bytes of the member at `index`, which may share its name with another one.
    pub(crate) fn read_at(&mut self, index: usize) -> (String, Result<Vec<u8>, ExtractError>) {
        let cx = self.cx;
        let name = self
            .zip
            .name_for_index(index)
            .and_then(|name| name.ok().map(std::borrow::Cow::into_owned))
            .unwrap_or_else(|| format!("member {}", index + 1));
        let mut bytes = Vec::new();
        let done = match self.zip.by_index(index) {
            Ok(member) => expand(member, &name, cx, &mut bytes),
            Err(error) => Err(from_zip(&error)),
        };
        (name, done.map(|()| bytes))
    }

    /// Bytes of the member `name` where they are at most `max_bytes`, and it is whole; for what can be done without.
    pub(crate) fn read_small(&mut self, name: &str, max_bytes: u64) -> Option<Vec<u8>> {
        let member = self.zip.by_name(name).ok()?;
        if member.size() > max_bytes {
            return None;
        }
        let mut bytes = Vec::new();
        // The size that an archive states is not believed.
        let n_read = member
            .take(max_bytes.saturating_add(1))
            .read_to_end(&mut bytes);
        self.cx.count_expanded(bytes.len() as u64).ok()?;
        (n_read.is_ok() && bytes.len() as u64 <= max_bytes).then_some(bytes)
    }

    /// Whether the member at `index` is a symbolic link, whose content is the path that it points to.
    pub(crate) fn is_link(&mut self, index: usize) -> bool {
        let member = self.zip.by_index_raw(index);
        member.is_ok_and(|member| member.is_symlink())
    }

    /// Bytes of the member `name`, or `None` where the archive has none.
    pub(crate) fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, ExtractError> {
        let mut bytes = Vec::new();
        let read = match self.zip.by_name(name) {
            Ok(member) => expand(member, name, self.cx, &mut bytes),
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => Err(from_zip(&error)),
        };
        match &read {
            // Not every reader says that a part of its package is of no use.
            Err(error @ ExtractError::Malformed { .. }) => {
                self.cx.note_damage(name, error.to_string(), 0);
            }
            Ok(()) if is_xml(name) => {
                if let Some(fault) = crate::xml::fault(&bytes) {
                    self.cx.note_damage(name, fault, 0);
                }
            }
            _ => {}
        }
        read.map(|()| Some(bytes))
    }
}

/// Reads a member to its end, within the limits.
fn expand(
    mut member: zip::read::ZipFile<'_, Cursor<&[u8]>>,
    name: &str,
    cx: &Context<'_>,
    into: &mut Vec<u8>,
) -> Result<(), ExtractError> {
    let n_packed = member.compressed_size().max(1);
    let n_stated = member.size();
    let max_ratio = cx.options.max_zip_ratio;
    let mut n_member = 0;
    let mut buffer = [0; 32 << 10];
    loop {
        let n = match member.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            // A damaged tail: what came out before it may still be of use to a lenient parser.
            Err(error) if n_member > 0 => {
                let n_missing = n_stated
                    .saturating_sub(n_member)
                    .min(n_packed.saturating_mul(MAX_TEXT_RATIO));
                let n_missing = if is_text(name) { n_missing } else { 0 };
                cx.note_damage(name, error.to_string(), n_missing);
                break;
            }
            Err(error) => {
                return Err(ExtractError::malformed(format!(
                    "archive member `{name}`: {error}"
                )));
            }
        };
        n_member += n as u64;
        cx.count_expanded(n as u64)?;
        if n_member > RATIO_FLOOR && n_member / n_packed > max_ratio {
            return Err(ExtractError::too_large(
                "expansion ratio of an archive member",
                max_ratio,
            ));
        }
        into.extend_from_slice(&buffer[..n]);
    }
    Ok(())
}

fn is_xml(name: &str) -> bool {
    matches!(
        crate::detect::extension(name).as_str(),
        "xml" | "rels" | "opf" | "ncx"
    )
}

/// Whether a byte of the member is about a character.
fn is_text(name: &str) -> bool {
    is_xml(name)
        || matches!(
            crate::detect::extension(name).as_str(),
            "html" | "htm" | "xhtml" | "txt" | "md" | "csv" | "tsv" | "json" | "log"
        )
}

fn from_zip(error: &ZipError) -> ExtractError {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => ExtractError::PasswordRequired,
        other => ExtractError::malformed(format!("damaged archive: {other}")),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use super::*;
    use crate::context::Origin;
    use crate::options::ExtractOptions;
    use crate::tools::NoTools;

    /// An archive with these members.
    pub(crate) fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            writer
                .start_file(*name, zip::write::SimpleFileOptions::default())
                .unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn limits_stop_bombs() {
        let zeros = vec![0; 8 << 20];
        let bomb = zip_of(&[("a", &zeros), ("b", b"fine"), ("c", b"x")]);
        let options = ExtractOptions::default();
        let cx = Context::new(&options, Origin::File, &NoTools);
        let mut archive = Archive::open(&bomb, &cx).unwrap();
        assert_eq!(archive.read("b").unwrap().as_deref(), Some(&b"fine"[..]));
        assert_eq!(archive.read("none").unwrap(), None);
        let error = archive.read("a").unwrap_err();
        assert!(matches!(error, ExtractError::TooLarge { .. }), "{error}");

        let small = ExtractOptions {
            max_expanded_bytes: 1 << 20,
            max_zip_ratio: u64::MAX,
            ..ExtractOptions::default()
        };
        let cx = Context::new(&small, Origin::File, &NoTools);
        assert!(Archive::open(&bomb, &cx).unwrap().read("a").is_err());
        let few = ExtractOptions {
            max_zip_entries: 2,
            ..ExtractOptions::default()
        };
        let cx = Context::new(&few, Origin::File, &NoTools);
        assert!(Archive::open(&bomb, &cx).is_err());
        let cx = Context::new(&options, Origin::File, &NoTools);
        assert!(Archive::open(b"PK\x03\x04 no archive", &cx).is_err());
    }

    /// `bytes` with the first byte of `needle` changed.
    fn damage(bytes: &[u8], needle: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let at = bytes
            .windows(needle.len())
            .position(|window| window == needle)
            .unwrap();
        bytes[at] ^= 1;
        bytes
    }

    #[test]
    fn damaged_members_are_named_in_the_report_of_their_document() {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let stored = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        for (name, text) in [("a.txt", "All is well."), ("b.txt", "Tea is at noon.")] {
            writer.start_file(name, stored).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        let bytes = writer.finish().unwrap().into_inner();
        let options = ExtractOptions::default();
        let whole = crate::extract::extract("x.zip", &bytes, &options).unwrap();
        assert_eq!(whole.report.warnings, []);
        let inner = damage(&bytes, b"noon");
        let outer = zip_of(&[("inner.zip", &inner)]);
        for (bytes, part) in [(inner, None), (outer, Some("inner.zip"))] {
            let read = crate::extract::extract("x.zip", &bytes, &options).unwrap();
            assert!(read.render().text.contains("ooon."));
            let [warning] = &read.report.warnings[..] else {
                panic!("{:?}", read.report.warnings)
            };
            assert_eq!(warning.code, cairn_types::WarningCode::Recovered);
            assert!(warning.reason.contains("`b.txt`"), "{warning:?}");
            assert_eq!(warning.part.as_deref(), part);
        }
    }

    #[test]
    fn what_is_missing_of_a_damaged_text_lowers_the_coverage() {
        let text: String = (0..40_000_u64)
            .map(|i| format!("w{} ", i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 30))
            .collect();
        let mut bytes = zip_of(&[("a.txt", text.as_bytes())]);
        let at = bytes.len() / 2;
        bytes[at..at + 4000].fill(0xff);
        let read = crate::extract::extract("x.zip", &bytes, &ExtractOptions::default()).unwrap();
        let report = &read.report;
        assert!(report.has_loss());
        assert!(report.coverage() < 0.8, "{}", report.coverage());
    }
}
