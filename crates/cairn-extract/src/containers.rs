//! Archives of documents: ZIP, TAR and gzip. Each member is read as a document of its own and becomes a part.
//!
//! Names are labels only: nothing is written anywhere, so `../` in a name can reach nothing. What comes out is counted
//! against the budgets of the whole document (bytes, parts, depth), whatever an archive says of its sizes. Members without
//! a content of their own (links, pipes, empty files) and what systems leave there (resource forks, thumbnails) are passed
//! over and counted in the report; everything else but folders is read or named in a warning.

use std::io::Read;

use cairn_types::WarningCode;
use flate2::read::MultiGzDecoder;

use crate::archive::Archive;
use crate::builder::Builder;
use crate::context::Context;
use crate::error::ExtractError;
use crate::extract::read_part;

/// Compressed bytes below which a gzip file may expand at any ratio.
const RATIO_FLOOR: u64 = 1 << 20;

/// Reads the documents of a ZIP archive.
pub(crate) fn read_zip(
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    builder.headings_are_names = true;
    let mut archive = Archive::open(bytes, cx)?;
    let mut passed = PassedOver::default();
    for index in 0..archive.len() {
        let is_link = archive.is_link(index);
        let (name, content) = archive.read_at(index);
        if name.ends_with('/') {
            continue;
        }
        if is_link {
            passed.note(Passed::Link, &name);
            continue;
        }
        if is_litter(&name) {
            passed.note(Passed::Litter, &name);
            continue;
        }
        let name = label(&name);
        match content {
            // Placeholders such as `__init__.py` hold nothing that could be lost.
            Ok(content) if content.is_empty() => passed.note(Passed::Empty, &name),
            Ok(content) => push_member(&name, &content, cx, builder),
            Err(error) => builder.failed_part(&name, &error),
        }
        if stop_if_spent(cx, archive.len() - index - 1, builder) {
            break;
        }
    }
    passed.report(builder);
    Ok(())
}

/// Reads the documents of a TAR archive.
pub(crate) fn read_tar(
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    let damaged =
        |error: std::io::Error| ExtractError::malformed(format!("damaged archive: {error}"));
    builder.headings_are_names = true;
    let mut archive = tar::Archive::new(bytes);
    let max_entries = cx.options.max_zip_entries;
    let mut n_entries = 0;
    let mut passed = PassedOver::default();
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(error) if n_entries > 0 => {
                builder.warn(
                    WarningCode::Recovered,
                    None,
                    format!("the archive is damaged after {n_entries} members: {error}"),
                );
                break;
            }
            Err(error) => return Err(damaged(error)),
        };
        n_entries += 1;
        if n_entries > max_entries {
            return Err(ExtractError::too_large(
                "number of archive members",
                max_entries as u64,
            ));
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        match without_content(entry.header().entry_type()) {
            Kind::File if is_litter(&name) => {
                passed.note(Passed::Litter, &name);
                continue;
            }
            Kind::File => {}
            Kind::Structure => continue,
            Kind::PassedOver(why) => {
                passed.note(why, &name);
                continue;
            }
        }
        let name = label(&name);
        match read_counted(&mut entry, cx) {
            Ok(content) if content.is_empty() => passed.note(Passed::Empty, &name),
            Ok(content) => push_member(&name, &content, cx, builder),
            Err(error) => builder.failed_part(&name, &error),
        }
        if stop_if_spent(cx, 0, builder) {
            break;
        }
    }
    passed.report(builder);
    Ok(())
}

/// Reads what a gzip file holds: a TAR archive's documents, or one document.
pub(crate) fn read_gzip(
    name: &str,
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    let mut content = Vec::new();
    let mut decoder = MultiGzDecoder::new(bytes);
    let mut buffer = [0; 32 << 10];
    loop {
        match decoder.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                cx.count_expanded(n as u64)?;
                content.extend_from_slice(&buffer[..n]);
                let n_out = content.len() as u64;
                let max_ratio = cx.options.max_zip_ratio;
                if n_out > RATIO_FLOOR && n_out / bytes.len().max(1) as u64 > max_ratio {
                    return Err(ExtractError::too_large(
                        "expansion ratio of a gzip file",
                        max_ratio,
                    ));
                }
            }
            Err(error) if content.is_empty() => {
                return Err(ExtractError::malformed(format!(
                    "damaged gzip file: {error}"
                )));
            }
            Err(error) => {
                builder.warn(
                    WarningCode::Recovered,
                    None,
                    format!("the gzip file is damaged and was read only in part: {error}"),
                );
                break;
            }
        }
    }
    builder.headings_are_names = true;
    let inner = inner_name(name);
    if crate::detect::detect(&inner, &content) == crate::detect::MediaType::Tar {
        return read_tar(&content, cx, builder);
    }
    let part = read_part(&inner, &content, cx)?;
    builder.push_part(&label(&inner), 1, part);
    Ok(())
}

/// Reads one member as a document.
fn push_member(name: &str, content: &[u8], cx: &Context<'_>, builder: &mut Builder) {
    match read_part(name, content, cx) {
        Ok(part) => builder.push_part(name, 1, part),
        Err(error) => builder.failed_part(name, &error),
    }
}

/// Whether the document's budget is used up; then says how many members were not looked at (0: not known).
fn stop_if_spent(cx: &Context<'_>, n_left: usize, builder: &mut Builder) -> bool {
    if !cx.is_spent() {
        return false;
    }
    let what = match n_left {
        0 => "the rest of the archive".to_owned(),
        n => format!("{n} members of the archive"),
    };
    builder.report.parts += u32::try_from(n_left).unwrap_or(u32::MAX);
    builder.report.parts_failed += u32::try_from(n_left).unwrap_or(u32::MAX);
    builder.warn(
        WarningCode::Limit,
        None,
        format!("{what} was not read: the limits of one document are reached"),
    );
    true
}

/// Bytes of a member, counted as they come out. Sparse members expand without a compressed size to compare with.
fn read_counted(input: &mut impl Read, cx: &Context<'_>) -> Result<Vec<u8>, ExtractError> {
    let mut content = Vec::new();
    let mut buffer = [0; 32 << 10];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(content),
            Ok(n) => {
                cx.count_expanded(n as u64)?;
                content.extend_from_slice(&buffer[..n]);
            }
            Err(error) => {
                return Err(ExtractError::malformed(format!("damaged member: {error}")));
            }
        }
    }
}

/// What a member of a TAR archive is to us.
enum Kind {
    File,
    /// A folder, or an extension of the next header: no member.
    Structure,
    PassedOver(Passed),
}

/// Links lead nowhere here, and devices hold nothing. Types that nobody knows are files (POSIX, pax interchange format).
fn without_content(kind: tar::EntryType) -> Kind {
    if kind.is_hard_link() || kind.is_symlink() {
        Kind::PassedOver(Passed::Link)
    } else if kind.is_character_special() || kind.is_block_special() || kind.is_fifo() {
        Kind::PassedOver(Passed::Special)
    } else if kind.is_dir()
        || kind.is_gnu_longname()
        || kind.is_gnu_longlink()
        || kind.is_pax_global_extensions()
        || kind.is_pax_local_extensions()
    {
        Kind::Structure
    } else {
        Kind::File
    }
}

/// Why a member was passed over.
#[derive(Debug, Clone, Copy)]
enum Passed {
    Link,
    Special,
    Empty,
    Litter,
}

/// Members of each sort that are named in the report.
const MAX_NAMED: usize = 3;

/// Members that were passed over.
#[derive(Debug, Default)]
struct PassedOver {
    /// How many and the first names, in the order of [`Passed`].
    sorts: [(usize, Vec<String>); 4],
}

impl PassedOver {
    fn note(&mut self, why: Passed, name: &str) {
        let (n, names) = &mut self.sorts[why as usize];
        *n += 1;
        if names.len() < MAX_NAMED {
            names.push(format!("`{}`", label(name)));
        }
    }

    /// One warning for each sort: nothing was lost with them.
    fn report(self, builder: &mut Builder) {
        let words = [
            ("link", "links", "what is linked to was not read"),
            ("device or pipe", "devices or pipes", "nothing is in it"),
            ("empty file", "empty files", "nothing is in it"),
            (
                "leftover of a system",
                "leftovers of a system",
                "nobody wrote it",
            ),
        ];
        for ((n, names), (one, many, why)) in self.sorts.into_iter().zip(words) {
            if n == 0 {
                continue;
            }
            let more = if n > names.len() { ", ..." } else { "" };
            let (names, what) = (names.join(", "), if n == 1 { one } else { many });
            builder.warn(
                WarningCode::Cleaned,
                None,
                format!("{n} {what} in the archive passed over, {why}: {names}{more}"),
            );
        }
    }
}

/// Files that systems leave in archives and nobody wrote.
fn is_litter(name: &str) -> bool {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    name.starts_with("__MACOSX/")
        || file.starts_with("._")
        || matches!(file, ".DS_Store" | "Thumbs.db" | "desktop.ini")
}

/// A member's name as a label: one line, relative, of bounded length.
pub(crate) fn label(name: &str) -> String {
    let clean: String = name
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(500)
        .collect();
    let clean = clean.replace('\\', "/");
    let steps: Vec<&str> = clean
        .split('/')
        .map(str::trim)
        .filter(|step| !matches!(*step, "" | "." | ".."))
        .collect();
    if steps.is_empty() {
        "unnamed".to_owned()
    } else {
        steps.join("/")
    }
}

/// `a.tar.gz` holds `a.tar`, `a.tgz` too.
fn inner_name(name: &str) -> String {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let lower = file.to_ascii_lowercase();
    if lower.ends_with(".tgz") {
        return format!("{}.tar", &file[..file.len() - 4]);
    }
    match lower.strip_suffix(".gz") {
        Some(stem) if !stem.is_empty() => file[..stem.len()].to_owned(),
        _ => file.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::archive::tests::zip_of;
    use crate::extract::extract;
    use crate::options::ExtractOptions;

    fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = tar::Builder::new(Vec::new());
        for (name, bytes) in members {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            writer.append_data(&mut header, name, *bytes).unwrap();
        }
        writer.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn members_are_documents_with_their_names_as_headings() {
        let members: [(&str, &[u8]); 6] = [
            ("notes/a.md", b"# Tea\n\nGreen."),
            ("__MACOSX/notes/._a.md", b"junk"),
            ("empty.txt", b""),
            ("b.txt", b"Coffee."),
            ("c.bin", b"\0\x01\x02\x03\x04\x05\x06"),
            ("d.csv", b"x,y\n1,2\n3,4\n"),
        ];
        let options = ExtractOptions::default();
        let zip = zip_of(&members);
        let tar = tar_of(&members);
        for (name, bytes) in [
            ("a.zip", &zip),
            ("a.tar", &tar),
            ("a.tgz", &gzip(&tar)),
            ("a.tar.gz", &gzip(&tar)),
        ] {
            let read = extract(name, bytes, &options).unwrap();
            let text = read.render().text;
            assert!(
                text.starts_with("notes/a.md\n\nTea\n\nGreen.\n\nb.txt\n\nCoffee."),
                "{name}: {text}"
            );
            assert!(!text.contains("junk"), "{name}");
            assert_eq!(read.elements[1].level, 2, "{name}");
            assert_eq!(
                (read.report.parts, read.report.parts_failed),
                (4, 1),
                "{name}"
            );
            let [warning, empty, litter] = &read.report.warnings[..] else {
                panic!("{name}: {:?}", read.report.warnings);
            };
            assert_eq!(warning.code, WarningCode::Unsupported);
            assert_eq!(warning.part.as_deref(), Some("c.bin"));
            assert_eq!(
                (empty.code, empty.reason.as_str()),
                (
                    WarningCode::Cleaned,
                    "1 empty file in the archive passed over, nothing is in it: `empty.txt`"
                )
            );
            assert!(
                litter.reason.ends_with(": `__MACOSX/notes/._a.md`"),
                "{litter:?}"
            );
            assert!((read.report.coverage() - 0.75).abs() < 1e-9);
        }
        let one = extract("x.txt.gz", &gzip(b"Hello"), &options).unwrap();
        assert_eq!(one.render().text, "x.txt\n\nHello");
    }

    #[test]
    fn archives_within_archives_end_at_the_depth() {
        let options = ExtractOptions::default();
        let mut bytes = zip_of(&[("core.txt", b"heart")]);
        let mut n_wraps = 0;
        loop {
            match extract("a.zip", &bytes, &options) {
                Ok(read) => assert!(read.render().text.ends_with("heart")),
                Err(error) => {
                    assert!(matches!(error, ExtractError::Empty { .. }), "{error}");
                    assert!(error.to_string().contains("levels"), "{error}");
                    break;
                }
            }
            bytes = zip_of(&[("inner.zip", &bytes)]);
            n_wraps += 1;
        }
        assert_eq!(n_wraps, options.max_depth);
    }

    #[test]
    fn budgets_are_shared_by_all_levels() {
        let options = ExtractOptions {
            max_expanded_bytes: 40_000,
            ..ExtractOptions::default()
        };
        let text = "tea and coffee ".repeat(1000);
        let inner = zip_of(&[("a.txt", text.as_bytes())]);
        let outer = zip_of(&[
            ("1.zip", &inner),
            ("2.zip", &inner),
            ("3.zip", &inner),
            ("4.zip", &inner),
        ]);
        let read = extract("a.zip", &outer, &options).unwrap();
        assert!(read.report.parts_failed >= 2, "{:?}", read.report);
        assert!(
            read.report
                .warnings
                .iter()
                .any(|w| w.code == WarningCode::Limit)
        );
        assert!(read.report.coverage() < 0.8);
    }

    #[test]
    fn labels_lead_nowhere() {
        for (name, expect) in [
            ("../../etc/passwd", "etc/passwd"),
            ("/abs/x", "abs/x"),
            ("C:\\x\\..\\y", "C:/x/y"),
            ("a\0b\nc", "a b c"),
            ("..", "unnamed"),
        ] {
            assert_eq!(label(name), expect);
        }
        assert_eq!(inner_name("dir/x.tgz"), "x.tar");
        assert_eq!(inner_name(".gz"), ".gz");
    }

    #[test]
    fn only_members_without_content_are_passed_over() {
        let mut writer = tar::Builder::new(Vec::new());
        for (name, kind, text) in [
            ("plain.txt", tar::EntryType::Regular, "Tea."),
            ("joined.txt", tar::EntryType::Continuous, "Coffee."),
            ("odd.txt", tar::EntryType::new(b'Q'), "Milk."),
            ("link.txt", tar::EntryType::Symlink, ""),
            ("same.txt", tar::EntryType::Link, ""),
            ("pipe", tar::EntryType::Fifo, ""),
        ] {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(kind);
            header.set_size(text.len() as u64);
            writer
                .append_data(&mut header, name, text.as_bytes())
                .unwrap();
        }
        // A sparse member of GNU, whose one region is all of it.
        let mut header = tar::Header::new_gnu();
        header.set_path("sparse.txt").unwrap();
        header.set_entry_type(tar::EntryType::GNUSparse);
        header.set_size(6);
        let gnu = header.as_gnu_mut().unwrap();
        gnu.sparse[0].set_offset(0);
        gnu.sparse[0].set_length(6);
        gnu.set_real_size(6);
        header.set_cksum();
        writer.append(&header, &b"Cocoa."[..]).unwrap();
        let bytes = writer.into_inner().unwrap();
        let read = extract("x.tar", &bytes, &ExtractOptions::default()).unwrap();
        let text = read.render().text;
        for expect in ["Tea.", "Coffee.", "Milk.", "Cocoa."] {
            assert!(text.contains(expect), "{expect} in {text}");
        }
        assert_eq!((read.report.parts, read.report.parts_failed), (4, 0));
        let warnings = read.report.warnings.iter();
        let reasons: Vec<&str> = warnings.map(|warning| warning.reason.as_str()).collect();
        assert_eq!(
            reasons,
            [
                "2 links in the archive passed over, what is linked to was not read: `link.txt`, `same.txt`",
                "1 device or pipe in the archive passed over, nothing is in it: `pipe`",
            ]
        );
        assert!(!read.report.has_loss());
    }

    #[test]
    fn links_in_a_zip_archive_are_no_documents() {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        writer.add_symlink("a.txt", "/etc/passwd", options).unwrap();
        let only_links = writer.finish().unwrap().into_inner();
        let error = extract("a.zip", &only_links, &ExtractOptions::default()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("1 link in the archive passed over"),
            "{error}"
        );
    }
}
