//! What needs processes of their own on the base: a first answer, one more document, many connections, memory.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cairn_bench::{Corpus, Latencies, bytes_below};
use cairn_server::api::{IngestEvent, IngestRequest, SearchMode, SearchReply, SearchRequest};
use cairn_types::ErrorKind;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;

use crate::client::{Client, failed, read, read_line, to_json};
use crate::failure::Failure;

use super::args::BenchArgs;
use super::ingest::write_files;
use super::place::{Place, Server, io};
use super::progress::Progress;
use super::report::{MemoryReport, ServeReport, Timed, rounded};

/// Generated documents from here on are not in any base.
const BEYOND_BASE: u64 = 1 << 40;
/// How long a document may take to be found.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that opens the base, finds or answers, and ends.
pub(super) async fn start(
    args: &BenchArgs,
    place: &Place,
    data: &Path,
    n_documents: u64,
    progress: Progress,
) -> Result<Vec<Timed>, Failure> {
    let corpus = Corpus::new(args.seed);
    let mut rows = Vec::new();
    for what in ["search", "ask"] {
        let bar = progress.bar(args.runs, "processes started");
        let mut times = Vec::new();
        // The first one fills the page cache and is not counted.
        for run in 0..=args.runs as u64 {
            let question = corpus.question(run, n_documents).text;
            let finished = place
                .run(data, &[what, "--json", "--", &question], |_| {})
                .await?;
            if run > 0 {
                times.push(finished.wall);
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        rows.push(Timed::new(
            format!("cairn {what}"),
            &times.into_iter().collect(),
        ));
    }
    Ok(rows)
}

/// One small file after the other, read by a running server: until its words are found.
pub(super) async fn insert(
    args: &BenchArgs,
    place: &Place,
    server: &Server,
    progress: Progress,
) -> Result<Timed, Failure> {
    let corpus = Corpus::new(args.seed);
    let folder = place.folder().join("inserted");
    fs_err::create_dir_all(&folder).map_err(io)?;
    let client = server.client();
    let bar = progress.bar(args.runs, "documents inserted");
    let mut times = Vec::new();
    // The first one starts the parsing process and opens the index for writing.
    for run in 0..=args.runs as u64 {
        let word = format!("zq{run:06}zq");
        let text = corpus
            .document(BEYOND_BASE + run, 1)
            .paragraphs
            .join("\n\n");
        let path = folder.join(format!("{run}.txt"));
        fs_err::write(
            &path,
            format!("{text} The mark of this document is {word}.\n"),
        )
        .map_err(io)?;
        let started = Instant::now();
        ingest(&client, &path).await?;
        await_found(&client, &word, started).await?;
        if run > 0 {
            times.push(started.elapsed());
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(Timed::new(
        "file to found, durable",
        &times.into_iter().collect(),
    ))
}

/// Reads a file or folder through a server; returns when it is durable.
async fn ingest(client: &Client, path: &Path) -> Result<(), Failure> {
    let request = IngestRequest::new(vec![path.to_string_lossy().into_owned()], "/");
    let request = to_json(&request)?;
    let mut summary = None;
    client
        .lines(Method::POST, "/local/v1/ingest", Some(&request), |line| {
            if let IngestEvent::Summary(end) = read_line(line)? {
                summary = Some(end);
            }
            Ok(())
        })
        .await?;
    let summary = summary.ok_or_else(|| Failure::new(ErrorKind::Bug, "a run has no summary"))?;
    if let Some(error) = summary.error {
        return Err(failed(error));
    }
    if summary.added == 0 {
        return Err(Failure::new(
            ErrorKind::Bug,
            format!("`{}` was not added", path.display()),
        ));
    }
    Ok(())
}

async fn await_found(client: &Client, word: &str, since: Instant) -> Result<(), Failure> {
    while since.elapsed() < PATIENCE {
        let request = SearchRequest {
            top_k: 1,
            ..SearchRequest::new(word)
        };
        let reply: SearchReply = read(client.post("/api/v1/search", &request).await?)?;
        if reply
            .results
            .iter()
            .any(|result| result.text.contains(word))
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Err(Failure::new(
        ErrorKind::Unavailable,
        format!(
            "`{word}` was not found {} s after it was read",
            PATIENCE.as_secs()
        ),
    ))
}

/// Connections that ask one question after the other, for some seconds.
pub(super) async fn serve(
    args: &BenchArgs,
    server: &Server,
    n_documents: u64,
    mode: SearchMode,
) -> Result<ServeReport, Failure> {
    let corpus = Corpus::new(args.seed);
    let bodies: Vec<Bytes> = (0..args.queries as u64)
        .map(|number| {
            let request = SearchRequest {
                mode,
                ..SearchRequest::new(corpus.question(number, n_documents).text)
            };
            Ok(Bytes::from(to_json(&request)?.to_string()))
        })
        .collect::<Result<_, Failure>>()?;
    let bodies: Arc<[Bytes]> = bodies.into();
    let address = server.address;
    let started = Instant::now();
    let until = started + Duration::from_secs(args.seconds.max(1));
    let tasks: Vec<_> = (0..args.connections)
        .map(|first| tokio::spawn(connection(address, bodies.clone(), first, until)))
        .collect();
    let (mut times, mut errors) = (Vec::new(), 0);
    for task in tasks {
        let (own, own_errors) = task
            .await
            .map_err(|error| Failure::new(ErrorKind::Bug, error.to_string()))?;
        times.extend(own);
        errors += own_errors;
    }
    let seconds = started.elapsed().as_secs_f64();
    let latencies: Latencies = times.into_iter().collect();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    Ok(ServeReport {
        mode: if mode == SearchMode::Lexical {
            "lexical"
        } else {
            "hybrid"
        },
        connections: args.connections,
        seconds: rounded(seconds),
        requests: latencies.len(),
        errors,
        requests_per_s: rounded(latencies.len() as f64 / seconds),
        p50_ms: rounded(latencies.percentile_ms(50)),
        p99_ms: rounded(latencies.percentile_ms(99)),
    })
}

/// The times of what was answered, and the number of what was not.
async fn connection(
    address: SocketAddr,
    bodies: Arc<[Bytes]>,
    first: usize,
    until: Instant,
) -> (Vec<Duration>, usize) {
    let mut times = Vec::new();
    let Ok(stream) = tokio::net::TcpStream::connect(address).await else {
        return (times, 1);
    };
    // Requests are small: they must not wait for more to send.
    let _ = stream.set_nodelay(true);
    let Ok((mut sender, driver)) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await
    else {
        return (times, 1);
    };
    tokio::spawn(driver);
    let mut errors = 0;
    let mut i = first;
    while Instant::now() < until {
        let request = Request::post("/api/v1/search")
            .header(header::HOST, address.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(bodies[i % bodies.len()].clone()));
        i += 1;
        let Ok(request) = request else {
            return (times, errors + 1);
        };
        let started = Instant::now();
        let Ok(response) = sender.send_request(request).await else {
            return (times, errors + 1);
        };
        let status = response.status();
        match response.into_body().collect().await {
            Ok(_) if status == StatusCode::OK => times.push(started.elapsed()),
            _ => errors += 1,
        }
    }
    (times, errors)
}

/// Memory of a server: empty, with the base, after questions, while it reads documents.
pub(super) async fn memory(
    args: &BenchArgs,
    place: &Place,
    data: &Path,
    n_documents: u64,
    progress: Progress,
) -> Result<MemoryReport, Failure> {
    let bar = progress.bar(4, "states of a server");
    let empty = place.serve(&place.data("empty")?).await?;
    let empty_bytes = resident(&empty)?;
    empty.stop().await?;
    bar.inc(1);
    // The models are a link, which is not followed.
    let disk_bytes = bytes_below(data);
    let server = place.serve(data).await?;
    let started_bytes = resident(&server)?;
    bar.inc(1);
    let client = server.client();
    let corpus = Corpus::new(args.seed);
    for number in 0..args.queries as u64 {
        let request = SearchRequest::new(corpus.question(number, n_documents).text);
        client.post("/api/v1/search", &request).await?;
    }
    let searched_bytes = resident(&server)?;
    bar.inc(1);
    let files = write_files(args, place, BEYOND_BASE / 2, args.ingest_chunks)?;
    let (workers_peak_bytes, done) = server.watch(ingest(&client, &files)).await;
    done?;
    let ingest_peak_bytes = server.memory().map_or(0, |(memory, _)| memory.peak_bytes);
    server.stop().await?;
    bar.finish_and_clear();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let per_chunk = |bytes: u64| rounded(bytes as f64 / args.chunks as f64);
    Ok(MemoryReport {
        empty_bytes,
        started_bytes,
        searched_bytes,
        ingest_peak_bytes,
        workers_peak_bytes,
        memory_bytes_per_chunk: per_chunk(searched_bytes.saturating_sub(empty_bytes)),
        disk_bytes_per_chunk: per_chunk(disk_bytes),
    })
}

fn resident(server: &Server) -> Result<u64, Failure> {
    let memory = server.memory().map(|(memory, _)| memory.resident_bytes);
    memory.ok_or_else(|| {
        Failure::new(
            ErrorKind::Unavailable,
            "this system does not tell the memory of a process",
        )
    })
}
