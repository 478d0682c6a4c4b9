//! Flags of `cairn bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Flags of `bench`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Everything happens in a throw-away folder with the model of the usual one; data is generated from the seed.\nMeasure on a machine that does nothing else, with a release build.\n\nExamples:\n  cairn bench                                      all of it, in some minutes\n  cairn bench search --chunks 1m                   how search grows\n  cairn bench ingest --folder ~/Documents --json   your own documents"
)]
pub(crate) struct BenchArgs {
    /// What to measure; several: in this order [default: all]
    #[arg(value_enum, value_name = "WHAT")]
    pub(crate) what: Vec<What>,
    /// Chunks of the base that is searched and served; 10k, 1m
    #[arg(long, value_name = "N", value_parser = count, default_value = "10k")]
    pub(crate) chunks: usize,
    /// Generated data and questions follow from this number
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub(crate) seed: u64,
    /// Vectors of the base
    #[arg(long, value_enum, default_value_t = EmbedArg::Mixed)]
    pub(crate) embed: EmbedArg,
    /// Chunks that the model embeds where the others are mixed from them
    #[arg(long, value_name = "N", value_parser = count, default_value = "2k")]
    pub(crate) mix_from: usize,
    /// Questions that are asked
    #[arg(long, value_name = "N", value_parser = count, default_value = "200")]
    pub(crate) queries: usize,
    /// Searches at once, at most [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// encoder: passages that are embedded
    #[arg(long, value_name = "N", value_parser = count, default_value = "500")]
    pub(crate) passages: usize,
    /// ingest: generated chunks that are read
    #[arg(long, value_name = "N", value_parser = count, default_value = "1000")]
    pub(crate) ingest_chunks: usize,
    /// ingest: read this folder instead of generated files
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// serve: connections that ask at once
    #[arg(long, value_name = "N", value_parser = count, default_value = "32")]
    pub(crate) connections: usize,
    /// serve: for how long
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub(crate) seconds: u64,
    /// start, insert: how often
    #[arg(long, value_name = "N", value_parser = count, default_value = "20")]
    pub(crate) runs: usize,
    /// Write what was measured on (passages, vectors, questions, files) into this folder, for programs that compare
    #[arg(long, value_name = "DIR")]
    pub(crate) save: Option<PathBuf>,
    /// Make the throw-away folder in this one
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Do not throw the folder away
    #[arg(long)]
    pub(crate) keep: bool,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// All of the following
    All,
    /// Passages and questions to vectors
    Encoder,
    /// Files on disk to found: chunks a second, by stage
    Ingest,
    /// Dense, lexical and hybrid search in one process: times, recall, filters, threads
    Search,
    /// A fresh process to its first answer
    Start,
    /// One small document to found, while a server runs
    Insert,
    /// Searches over HTTP
    Serve,
    /// Memory and disk of a server, idle and at work
    Memory,
}

impl What {
    pub(super) const EACH: [Self; 7] = [
        Self::Encoder,
        Self::Ingest,
        Self::Search,
        Self::Start,
        Self::Insert,
        Self::Serve,
        Self::Memory,
    ];
}

/// Where the vectors of the base come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EmbedArg {
    /// The first ones from the model, the others mixed from them
    Mixed,
    /// All from the model
    Real,
}

/// `500`, `10k`, `1m`; at least 1.
fn count(text: &str) -> Result<usize, String> {
    let lower = text.to_ascii_lowercase();
    let (digits, unit) = match lower.strip_suffix('k') {
        Some(digits) => (digits, 1_000),
        None => lower
            .strip_suffix('m')
            .map_or((lower.as_str(), 1), |digits| (digits, 1_000_000)),
    };
    let number: usize = digits
        .replace('_', "")
        .parse()
        .map_err(|_| "expected a number such as 500, 10k or 1m".to_owned())?;
    number
        .checked_mul(unit)
        .filter(|n| (1..=100_000_000).contains(n))
        .ok_or_else(|| "expected 1 to 100m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts_have_units() {
        for (text, expected) in [
            ("7", 7),
            ("10k", 10_000),
            ("1M", 1_000_000),
            ("2_000", 2_000),
        ] {
            assert_eq!(count(text), Ok(expected));
        }
        for bad in [
            "",
            "k",
            "0",
            "-1",
            "1.5k",
            "1g",
            "999999m",
            "99999999999999999999",
        ] {
            assert!(count(bad).is_err(), "{bad}");
        }
    }
}
