//! Whether the sectors of a compound file ([MS-CFB]) form chains that end: who follows a circle reads for ever.
//!
//! The file allocation table (section 2.3) gives for each sector the one after it; the header and the DIFAT sectors (2.2, 2.5)
//! say where the table is. Nothing else is looked at. O(sectors) time and memory.

/// Marks that are no sectors begin here.
const RESERVED: u32 = 0xFFFF_FFFA;
/// Entries of the DIFAT in the header.
const N_HEADER: usize = 109;

/// Whether no chain of sectors leads in a circle, and the table is not larger than the file.
pub(super) fn chains_end(bytes: &[u8]) -> bool {
    table(bytes).is_some_and(|next| !has_circle(&next))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

/// Entries of a sector; fewer where the file ends in it.
fn entries(bytes: &[u8], sector: u32, size: usize) -> impl Iterator<Item = u32> {
    let start = (sector as usize)
        .saturating_add(1)
        .saturating_mul(size)
        .min(bytes.len());
    let end = start.saturating_add(size).min(bytes.len());
    let four = bytes[start..end].chunks_exact(4);
    four.map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

/// The sector after each sector; none where it would be larger than the file, or the header is torn.
fn table(bytes: &[u8]) -> Option<Vec<u32>> {
    let shift = *bytes.get(30)?;
    if !matches!(shift, 9 | 12) {
        return None;
    }
    let size = 1_usize << shift;
    let n_sectors = bytes.len() / size + 1;
    let mut places: Vec<u32> = (0..N_HEADER)
        .map_while(|idx| u32_at(bytes, 76 + 4 * idx))
        .collect();
    let mut more = u32_at(bytes, 68)?;
    let mut n_more = 0;
    while more < RESERVED {
        n_more += 1;
        if n_more > n_sectors {
            return None;
        }
        places.extend(entries(bytes, more, size));
        // The last entry leads on.
        more = places.pop()?;
    }
    places.retain(|place| *place < RESERVED);
    if places.len() > n_sectors {
        return None;
    }
    let all = places.iter().flat_map(|place| entries(bytes, *place, size));
    Some(all.collect())
}

/// Whether some entry leads back to itself: each is walked once.
fn has_circle(next: &[u32]) -> bool {
    // The walk in which an entry was first met, from 1.
    let mut met = vec![0_usize; next.len()];
    for start in 0..next.len() {
        let walk = start + 1;
        let mut at = start;
        while met.get(at) == Some(&0) {
            met[at] = walk;
            at = next[at] as usize;
        }
        if met.get(at) == Some(&walk) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn file() -> Vec<u8> {
        let mut file = cfb::CompoundFile::create(std::io::Cursor::new(Vec::new())).unwrap();
        let mut stream = file.create_stream("/Workbook").unwrap();
        stream.write_all(&[7; 20_000]).unwrap();
        drop(stream);
        file.into_inner().into_inner()
    }

    #[test]
    fn circles_are_found() {
        let bytes = file();
        assert!(chains_end(&bytes));
        let next = table(&bytes).unwrap();
        assert!(next.len() > 5);
        for (from, to) in [(3, 3), (4, 3)] {
            let mut circle = next.clone();
            circle[3] = 4;
            circle[from] = to;
            assert!(has_circle(&circle), "{from} {to}");
        }
        assert!(!has_circle(&[1, 2, 3, 9]) && has_circle(&[1, 2, 0]) && !has_circle(&[]));
        assert!(!chains_end(&bytes[..40]) && !chains_end(b""));
    }

    proptest! {
        #[test]
        fn never_panics(at in 0usize..2_000, byte in any::<u8>(), cut in 0usize..3_000) {
            let mut bytes = file();
            bytes[at] = byte;
            let len = bytes.len() - cut;
            chains_end(&bytes[..len]);
        }
    }
}
