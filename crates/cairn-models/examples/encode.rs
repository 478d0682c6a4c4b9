//! Speed of the encoder: `encode MODEL_DIR [PRECISION] [KERNEL] [THREADS] [N_PASSAGES]`.
//!
//! Prints load time, passages per second on passages of about 200 tokens, the time of a query of 12 tokens, the time to count the
//! tokens of a passage, and peak memory. Run it from a release build on a machine that does nothing else.

#![expect(clippy::print_stdout, reason = "a program that prints figures")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use cairn_models::{KernelChoice, LoadOptions, NativeEmbedder, Precision};
use cairn_types::ports::Embedder;

const SENTENCES: [&str; 8] = [
    "The committee met on the third of May to discuss the renewal of the supply contract, which had expired in winter.",
    "Rainfall in the northern valleys exceeded the long-term mean by a quarter, and the reservoirs were full by April.",
    "To replace the filter, switch off the unit, open the front cover, and pull the cartridge towards you until it clicks.",
    "Her second novel, written in exile, was printed privately and reached no more than three hundred readers.",
    "Operating expenses rose to 4.3 million because two warehouses were rented for longer than had been planned.",
    "The algorithm sorts the candidates by score and discards every item whose score lies below the threshold.",
    "Patients who receive the drug should drink enough water and avoid direct sunlight for at least two weeks.",
    "When the railway came, the village grew into a town with a market, four mills, a theatre and a grammar school.",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(
        args.next()
            .ok_or("the folder of an installed model is missing")?,
    );
    let precision: Precision = args.next().as_deref().unwrap_or("int8").parse()?;
    let kernel: KernelChoice = args.next().as_deref().unwrap_or("auto").parse()?;
    let threads: usize = args.next().as_deref().unwrap_or("2").parse()?;
    let n: usize = args.next().as_deref().unwrap_or("1000").parse()?;

    let started = Instant::now();
    let options = LoadOptions {
        threads,
        precision: Some(precision),
        kernel,
    };
    let embedder = NativeEmbedder::load(&dir, &options)?;
    let load = started.elapsed();

    let query = "how do I restart a service after changing its configuration";
    let mut times: Vec<Duration> = (0..300)
        .map(|_| time(|| embedder.embed(&[query])))
        .collect::<Result<_, _>>()?;
    let query_p50 = median(&mut times[50..]);

    let passages: Vec<String> = (0..n).map(passage).collect();
    let passages: Vec<&str> = passages.iter().map(String::as_str).collect();
    let counting = Instant::now();
    let tokens: usize = passages
        .iter()
        .map(|text| embedder.count_tokens(text))
        .sum();
    let counting = counting.elapsed();
    let mut times = Vec::new();
    let cpu = cpu_seconds();
    for _ in 0..3 {
        times.push(time(|| {
            passages
                .chunks(64)
                .try_for_each(|batch| embedder.embed(batch).map(drop))
        })?);
    }
    let best = times
        .iter()
        .min()
        .copied()
        .unwrap_or_default()
        .as_secs_f64();

    println!(
        "kernel {} {precision:?}, {threads} threads",
        embedder.kernel_name()
    );
    println!("load              {:8.1} ms", load.as_secs_f64() * 1e3);
    println!(
        "query, p50        {:8.3} ms ({} tokens)",
        query_p50.as_secs_f64() * 1e3,
        embedder.count_tokens(query)
    );
    println!(
        "count tokens      {:8.1} us per passage",
        counting.as_secs_f64() * 1e6 / n as f64
    );
    println!(
        "passages/s        {:8.1} ({:.0} tokens each)",
        n as f64 / best,
        tokens as f64 / n as f64
    );
    println!("tokens/s          {:8.0}", tokens as f64 / best);
    if let (Some(before), Some(after)) = (cpu, cpu_seconds()) {
        let cpu = (after - before) / times.len() as f64;
        println!("tokens/CPU second {:8.0}", tokens as f64 / cpu);
    }
    println!("peak memory       {:8} MiB", peak_mib().unwrap_or(0));
    Ok(())
}

fn passage(i: usize) -> String {
    (0..8)
        .map(|s| SENTENCES[(i * 3 + s * (1 + i % 7)) % SENTENCES.len()])
        .collect::<Vec<_>>()
        .join(" ")
}

fn time<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<Duration, E> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}

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
