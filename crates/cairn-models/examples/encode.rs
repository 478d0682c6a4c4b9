//! Speed of the encoder on real text: `encode MODEL_DIR TEXTS [OPTION VALUE]...`.
//!
//! `TEXTS` is a folder: every `.jsonl`, `.jsonl.gz` (their `text` fields), `.md` and `.txt` below it is cut at sentences into passages
//! of about 200 tokens. Prints passages per second (best and median of the rounds), the time of a query of 12 tokens, load time, the
//! time to count tokens, peak memory, and the cosine to `f32` of the same passages. Options: `--passages 1000`, `--threads 2`,
//! `--precision int8|bf16|f32`, `--kernel auto|avx512|avx2|portable`, `--rounds 3`, `--cosine 200` (how many passages are also computed
//! in `f32`), `--write FILE` (the passages as JSON lines, for other programs that measure the same).

#![expect(clippy::print_stdout, reason = "a program that prints figures")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use cairn_models::{KernelChoice, LoadOptions, NativeEmbedder, Precision};
use cairn_types::ports::{Caller, Embedder, Urgency};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Tokens of a passage, as near as sentences allow.
const TOKENS: usize = 200;

fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let (Some(dir), Some(texts)) = (args.next(), args.next()) else {
        return Err("encode MODEL_DIR TEXTS [OPTION VALUE]...".into());
    };
    let mut given = BTreeMap::new();
    while let Some(name) = args.next() {
        let value = args
            .next()
            .ok_or_else(|| format!("`{name}` needs a value"))?;
        given.insert(name, value);
    }
    let option = |name: &str, default: &str| {
        given
            .get(name)
            .map_or_else(|| default.to_owned(), Clone::clone)
    };
    let options = LoadOptions {
        threads: option("--threads", "2").parse()?,
        precision: Some(option("--precision", "int8").parse()?),
        kernel: option("--kernel", "auto").parse()?,
    };
    let n: usize = option("--passages", "1000").parse()?;
    let rounds: usize = option("--rounds", "3").parse()?;
    let n_cosine: usize = option("--cosine", "200").parse()?;

    let dir = Path::new(&dir);
    let started = Instant::now();
    let embedder = NativeEmbedder::load(dir, &options)?;
    let load = started.elapsed();
    let passages = passages(Path::new(&texts), n, &embedder)?;
    if let Some(file) = given.get("--write") {
        write(Path::new(file), &passages)?;
    }
    let passages: Vec<&str> = passages.iter().map(String::as_str).collect();
    println!(
        "kernel {}, {}, {} threads, {} passages",
        embedder.kernel_name(),
        embedder.space().recipe,
        options.threads,
        passages.len()
    );
    println!("load              {:8.1} ms", load.as_secs_f64() * 1e3);
    print_query(&embedder)?;
    let vectors = print_passages(&embedder, &passages, rounds)?;
    print_cosine(dir, &vectors, &passages[..n_cosine.min(passages.len())])?;
    println!("peak memory       {:8} MiB", peak_mib().unwrap_or(0));
    Ok(())
}

fn print_query(embedder: &NativeEmbedder) -> Outcome<()> {
    let query = "how do I restart a service after changing its configuration";
    let mut times: Vec<Duration> = (0..600)
        .map(|_| time(|| embedder.embed(&[query])))
        .collect::<Result<_, _>>()?;
    let p50 = median(&mut times[100..]).as_secs_f64() * 1e3;
    let tokens = embedder.count_tokens(query);
    println!("query, p50        {p50:8.3} ms ({tokens} tokens)");
    Ok(())
}

fn print_passages(
    embedder: &NativeEmbedder,
    passages: &[&str],
    rounds: usize,
) -> Outcome<Vec<Vec<f32>>> {
    let counting = Instant::now();
    let tokens: usize = passages
        .iter()
        .map(|text| embedder.count_tokens(text).min(256))
        .sum();
    let counting = counting.elapsed().as_secs_f64() / passages.len() as f64;
    let mut vectors = embedder.embed(&passages[..passages.len().min(64)])?;
    let cpu = cpu_seconds();
    let bulk = Caller::new(Urgency::Bulk);
    let mut times = Vec::new();
    for _ in 0..rounds.max(1) {
        times.push(time(|| {
            embedder.embed_for(&bulk, passages).map(|all| vectors = all)
        })?);
    }
    let median = median(&mut times).as_secs_f64();
    let best = times[0].as_secs_f64();
    let n = passages.len() as f64;
    println!("count tokens      {:8.1} us per passage", counting * 1e6);
    println!(
        "passages/s        {:8.1} best, {:.1} median ({:.0} tokens each)",
        n / best,
        n / median,
        tokens as f64 / n
    );
    println!("tokens/s          {:8.0}", tokens as f64 / best);
    if let (Some(before), Some(after)) = (cpu, cpu_seconds()) {
        let cpu = (after - before) / times.len() as f64;
        println!("tokens/CPU second {:8.0}", tokens as f64 / cpu);
    }
    Ok(vectors)
}

fn print_cosine(dir: &Path, vectors: &[Vec<f32>], passages: &[&str]) -> Outcome<()> {
    let options = LoadOptions {
        precision: Some(Precision::F32),
        kernel: KernelChoice::Auto,
        ..LoadOptions::default()
    };
    let exact = NativeEmbedder::load(dir, &options)?.embed(passages)?;
    let cosines: Vec<f32> = exact
        .iter()
        .zip(vectors)
        .map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum())
        .collect();
    let mean = cosines.iter().sum::<f32>() / cosines.len().max(1) as f32;
    let least = cosines.iter().copied().fold(1.0, f32::min);
    println!(
        "cosine to f32     {mean:8.5} mean, {least:.5} least of {}",
        cosines.len()
    );
    Ok(())
}

/// The first `n` passages of the texts below `folder`, in the order of the names of its files.
fn passages(folder: &Path, n: usize, embedder: &NativeEmbedder) -> Outcome<Vec<String>> {
    let mut passages = Vec::new();
    for text in texts(folder)? {
        let mut passage = String::new();
        let mut tokens = 0;
        for sentence in text.split_inclusive(". ") {
            let more = embedder.count_tokens(sentence).saturating_sub(2);
            if tokens > TOKENS * 3 / 4 && tokens + more > TOKENS * 9 / 8 {
                passages.push(std::mem::take(&mut passage));
                tokens = 0;
            }
            passage.push_str(sentence);
            tokens += more;
        }
        if tokens > TOKENS * 3 / 4 {
            passages.push(passage);
        }
        if passages.len() >= n {
            passages.truncate(n);
            return Ok(passages);
        }
    }
    let found = passages.len();
    Err(format!(
        "`{}` holds text for {found} passages, expected {n}",
        folder.display()
    )
    .into())
}

fn texts(folder: &Path) -> Outcome<Vec<String>> {
    let mut entries: Vec<_> = fs_err::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs_err::DirEntry::file_name);
    let mut all = Vec::new();
    for entry in entries {
        let (path, name) = (
            entry.path(),
            entry.file_name().to_string_lossy().into_owned(),
        );
        if entry.file_type()?.is_dir() {
            all.append(&mut texts(&path)?);
        } else if name.ends_with(".jsonl") {
            texts_of_lines(&fs_err::read_to_string(&path)?, &mut all)?;
        } else if name.ends_with(".jsonl.gz") {
            let mut content = String::new();
            flate2::read::MultiGzDecoder::new(fs_err::File::open(&path)?)
                .read_to_string(&mut content)?;
            texts_of_lines(&content, &mut all)?;
        } else if name.ends_with(".md") || name.ends_with(".txt") {
            all.push(String::from_utf8_lossy(&fs_err::read(&path)?).into_owned());
        }
    }
    Ok(all)
}

fn texts_of_lines(lines: &str, all: &mut Vec<String>) -> Outcome<()> {
    for line in lines.lines().filter(|line| !line.is_empty()) {
        let row: serde_json::Value = serde_json::from_str(line)?;
        // White space as a chunk has it.
        let words = row["text"].as_str().unwrap_or_default().split_whitespace();
        all.push(words.collect::<Vec<_>>().join(" "));
    }
    Ok(())
}

fn write(file: &Path, passages: &[String]) -> Outcome<()> {
    let mut out = std::io::BufWriter::new(fs_err::File::create(file)?);
    for (id, text) in passages.iter().enumerate() {
        writeln!(out, "{}", serde_json::json!({ "id": id, "text": text }))?;
    }
    Ok(out.flush()?)
}

fn time<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<Duration, E> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}

/// Sorts the times and gives the middle one.
fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Processor time of this process, as Linux reports it in hundredths of a second: what is left to compare on a busy machine.
fn cpu_seconds() -> Option<f64> {
    let stat = fs_err::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks as f64 / 100.0)
}

/// Largest resident size so far, as Linux reports it.
fn peak_mib() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? / 1024)
}
