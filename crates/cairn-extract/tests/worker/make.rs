//! Files that no honest program writes: archives by hand (APPNOTE.TXT 4.3), streams that repeat themselves.

use std::io::Write as _;

use flate2::{Compress, Compression, Crc, FlushCompress};

/// One member of an archive, as the archive states it.
#[derive(Clone)]
pub(crate) struct Member<'a> {
    name: &'a str,
    bytes: &'a [u8],
    method: u16,
    crc: u32,
    n_expanded: u64,
}

impl<'a> Member<'a> {
    /// Bytes that are a raw deflate stream of so many.
    pub(crate) fn deflated(name: &'a str, bytes: &'a [u8], n_expanded: u64) -> Self {
        Self {
            name,
            bytes,
            method: 8,
            crc: 0,
            n_expanded,
        }
    }
}

/// Members that are not compressed.
pub(crate) fn stored<'a>(members: &[(&'a str, &'a [u8])]) -> Vec<Member<'a>> {
    let member = |&(name, bytes): &(&'a str, &'a [u8])| {
        let mut crc = Crc::new();
        crc.update(bytes);
        Member {
            name,
            bytes,
            method: 0,
            crc: crc.sum(),
            n_expanded: bytes.len() as u64,
        }
    };
    members.iter().map(member).collect()
}

/// An archive. A member that follows one with the same bytes and name is only named once more: both lie in one place. One
/// without a name gets its number.
pub(crate) fn zip(members: &[Member<'_>]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    let mut last: Option<(&str, *const u8, u32)> = None;
    for (n, member) in members.iter().enumerate() {
        let number = n.to_string();
        let name = if member.name.is_empty() {
            &number
        } else {
            member.name
        };
        let offset = match last {
            Some((own, bytes, offset)) if own == name && bytes == member.bytes.as_ptr() => offset,
            _ => {
                let offset = u32::try_from(file.len()).unwrap();
                file.extend(b"PK\x03\x04");
                file.extend(header(member, name));
                file.extend([0, 0]);
                file.extend(name.as_bytes());
                file.extend(member.bytes);
                offset
            }
        };
        last = Some((member.name, member.bytes.as_ptr(), offset));
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(header(member, name));
        directory.extend([0; 12]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = u32::try_from(file.len()).unwrap();
    let n_bytes = u32::try_from(directory.len()).unwrap();
    let n_members = u16::try_from(members.len()).unwrap();
    file.extend(directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend(n_members.to_le_bytes());
    file.extend(n_members.to_le_bytes());
    file.extend(n_bytes.to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0, 0]);
    file
}

/// The fields that both headers have, from the version to the length of the name.
fn header(member: &Member<'_>, name: &str) -> Vec<u8> {
    let mut fields = vec![20, 0, 0, 0];
    fields.extend(member.method.to_le_bytes());
    fields.extend([0; 4]);
    fields.extend(member.crc.to_le_bytes());
    fields.extend(u32::try_from(member.bytes.len()).unwrap().to_le_bytes());
    let n_expanded = u32::try_from(member.n_expanded).unwrap_or(u32::MAX);
    fields.extend(n_expanded.to_le_bytes());
    fields.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
    fields
}

/// A raw deflate stream (RFC 1951) of `start` and then `piece` so many times. The piece is compressed once: after a full flush
/// a stream goes on at a byte, and refers to nothing before.
pub(crate) fn repeated(start: &[u8], piece: &[u8], n_times: usize) -> Vec<u8> {
    let pack = |bytes: &[u8]| {
        let mut out = Vec::with_capacity(bytes.len() + 1024);
        Compress::new(Compression::fast(), false)
            .compress_vec(bytes, &mut out, FlushCompress::Full)
            .unwrap();
        out
    };
    let mut stream = pack(start);
    stream.extend(pack(piece).repeat(n_times));
    // A last block with nothing in it.
    stream.extend([3, 0]);
    stream
}

pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Archives within archives: on each level so many copies of the level below, a text on the last.
pub(crate) fn nested(n_levels: usize, n_copies: usize) -> Vec<u8> {
    let mut inner = b"innermost".to_vec();
    for level in 0..n_levels {
        let ending = if level == 0 { "txt" } else { "zip" };
        let names: Vec<String> = (0..n_copies).map(|n| format!("{n}.{ending}")).collect();
        let packed = repeated(b"", &inner, 1);
        let members: Vec<Member<'_>> = names
            .iter()
            .map(|name| Member::deflated(name, &packed, inner.len() as u64))
            .collect();
        inner = zip(&members);
    }
    inner
}

/// A PDF whose catalogue names object 2 as its pages; these objects are numbered from there.
pub(crate) fn pdf(objects: &[&[u8]]) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    let catalogue = &b"<< /Type /Catalog /Pages 2 0 R >>"[..];
    let mut table = String::new();
    for (n, object) in (1..).zip([catalogue].iter().chain(objects)) {
        table.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.extend(format!("{n} 0 obj\n").bytes());
        file.extend(*object);
        file.extend(b"\nendobj\n");
    }
    let (start, size) = (file.len(), objects.len() + 2);
    file.extend(
        format!(
            "xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
        )
        .bytes(),
    );
    file
}
