//! Vectors of texts, one a line: `embed_lines MODEL_DIR LINES.txt OUT.npy [PRECISION]`.
//!
//! Writes float32 `[lines, dim]` of unit norm in the format of `NumPy` (version 1.0 of its specification), as measurements of
//! the index want real vectors.

use std::io::Write;
use std::path::PathBuf;

use cairn_models::{LoadOptions, NativeEmbedder, Precision};
use cairn_types::ports::Embedder;

/// Texts that are embedded at once.
const BATCH: usize = 256;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, lines, out, rest @ ..] = args.as_slice() else {
        return Err("wanted: MODEL_DIR LINES.txt OUT.npy [PRECISION]".into());
    };
    let precision: Precision = rest.first().map_or("int8", String::as_str).parse()?;
    let options = LoadOptions {
        threads: 2,
        precision: Some(precision),
        ..LoadOptions::default()
    };
    let embedder = NativeEmbedder::load(&PathBuf::from(dir), &options)?;
    let text = fs_err::read_to_string(lines)?;
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let dim = embedder.space().dim as usize;
    let mut file = std::io::BufWriter::new(fs_err::File::create(out)?);
    file.write_all(&npy_header(lines.len(), dim))?;
    for batch in lines.chunks(BATCH) {
        for vector in embedder.embed(batch)? {
            for value in vector {
                file.write_all(&value.to_le_bytes())?;
            }
        }
    }
    file.flush()?;
    Ok(())
}

/// Magic, version, length, and a dictionary padded so that the values begin at a multiple of 64.
fn npy_header(rows: usize, dim: usize) -> Vec<u8> {
    let fields = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    let padded = (10 + fields.len() + 1).next_multiple_of(64) - 10;
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend_from_slice(&(padded as u16).to_le_bytes());
    header.extend_from_slice(format!("{fields:<width$}\n", width = padded - 1).as_bytes());
    header
}
