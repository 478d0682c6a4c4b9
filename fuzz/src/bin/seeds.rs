//! Writes the seeds of all targets: `cairn-fuzz-seeds FOLDER [DOCUMENTS...]`.
//!
//! Prints each target with its longest input. Each target gets the folder of its name; documents are taken from the folders that are named, at all depths.
#![expect(clippy::print_stdout, reason = "a command for the terminal")]

use std::path::PathBuf;

use cairn_fuzz::{TARGETS, documents_below, from_document, made};

/// Documents of a target beyond this number: they cost time at each start and hold little that is new.
const MAX_DOCUMENTS: usize = 60;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let Some(folder) = arguments.next() else {
        return Err(std::io::Error::other("the folder to write to is missing"));
    };
    let mut documents = Vec::new();
    for root in arguments {
        documents.extend(documents_below(&root)?);
    }
    for target in TARGETS {
        let own = folder.join(target.name);
        fs_err::create_dir_all(&own)?;
        let mut seeds = made(target.name);
        for document in &documents {
            let ending = document.extension().unwrap_or_default().to_string_lossy();
            if seeds.len() < MAX_DOCUMENTS && target.endings.contains(&&*ending) {
                seeds.extend(from_document(target, &ending, &fs_err::read(document)?));
            }
        }
        for (n, seed) in seeds.iter().enumerate() {
            fs_err::write(own.join(format!("seed-{n:03}")), seed)?;
        }
        println!("{} {}", target.name, target.max_len);
    }
    Ok(())
}
