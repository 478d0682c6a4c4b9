//! Pages of PDF files per second of processor time: the whole reader against pdfium's characters with their boxes alone.
//!
//! `cargo run -p cairn-extract --example pdf_speed -- PDFIUM FILE...` prints both figures and their ratio. The plain run
//! does what a reader without layout analysis must do: each character, its box and its baseline, put together to words at
//! white space. Both run in turn, five times over all files; Linux only, since processor time comes from
//! `/proc/self/schedstat`.
#![expect(clippy::print_stdout, reason = "printing is its purpose")]

use std::io::{Error, Result};
use std::path::PathBuf;

use cairn_extract::{ExtractOptions, extract, find_pdfium};
use pdfium_render::prelude::Pdfium;

const N_ROUNDS: u32 = 5;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let library = find_pdfium(args.next().map(PathBuf::from).as_deref())
        .ok_or_else(|| Error::other("the first argument names no pdfium library"))?;
    let files: Vec<Vec<u8>> = args.map(fs_err::read).collect::<Result<_>>()?;
    let options = ExtractOptions {
        pdfium: Some(library),
        ..ExtractOptions::default()
    };
    // Loads the library, which the plain run then shares.
    let mut n_pages = 0;
    for file in &files {
        let extracted = extract("a.pdf", file, &options).map_err(Error::other)?;
        n_pages += extracted.report.pages.unwrap_or(0);
    }
    let pdfium = Pdfium::default();
    let (mut full, mut plain) = (0, 0);
    let mut n_chars = 0;
    for _ in 0..N_ROUNDS {
        for file in &files {
            let start = cpu_nanoseconds()?;
            extract("a.pdf", file, &options).map_err(Error::other)?;
            let middle = cpu_nanoseconds()?;
            n_chars += read_plain(&pdfium, file);
            plain += cpu_nanoseconds()? - middle;
            full += middle - start;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = |nanoseconds: u64| f64::from(n_pages * N_ROUNDS) * 1e9 / nanoseconds.max(1) as f64;
    println!(
        "{n_pages} pages, {} characters; pages per CPU second: {:.0} in full, {:.0} plain; ratio {:.2}",
        n_chars / N_ROUNDS as usize,
        rate(full),
        rate(plain),
        rate(full) / rate(plain)
    );
    Ok(())
}

/// Characters of the words of a file, each word with its box.
fn read_plain(pdfium: &Pdfium, file: &[u8]) -> usize {
    let Ok(document) = pdfium.load_pdf_from_byte_slice(file, None) else {
        return 0;
    };
    let mut n_chars = 0;
    for page in document.pages().iter() {
        let Ok(text) = page.text() else {
            continue;
        };
        let mut words: Vec<(String, [f32; 4], f32)> = Vec::new();
        let mut is_open = false;
        for char in text.chars().iter() {
            let Some(c) = char.unicode_char().filter(|c| !c.is_whitespace()) else {
                is_open = false;
                continue;
            };
            let (Ok(bounds), Ok((_, baseline))) = (char.loose_bounds(), char.origin()) else {
                continue;
            };
            let edges = [
                bounds.left().value,
                bounds.bottom().value,
                bounds.right().value,
                bounds.top().value,
            ];
            match words.last_mut() {
                Some((word, all, _)) if is_open => {
                    word.push(c);
                    *all = [
                        all[0].min(edges[0]),
                        all[1].min(edges[1]),
                        all[2].max(edges[2]),
                        all[3].max(edges[3]),
                    ];
                }
                _ => words.push((c.to_string(), edges, baseline.value)),
            }
            is_open = true;
        }
        n_chars += words.iter().map(|word| word.0.len()).sum::<usize>();
    }
    n_chars
}

/// Time that this thread has run.
fn cpu_nanoseconds() -> Result<u64> {
    // The count is brought up to date at a switch, else only every few milliseconds.
    std::thread::yield_now();
    let stat = fs_err::read_to_string("/proc/thread-self/schedstat")?;
    let first = stat.split_whitespace().next();
    first
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| Error::other("the system tells no processor time"))
}
