//! `cairn bench` from outside: every measurement is there and plausible, recall is whole, nothing is left behind. Times are never checked.

use serde_json::Value;

use crate::support::Cairn;

const SMALL: [&str; 14] = [
    "--chunks",
    "120",
    "--queries",
    "12",
    "--passages",
    "12",
    "--ingest-chunks",
    "20",
    "--connections",
    "3",
    "--seconds",
    "1",
    "--runs",
    "1",
];

/// Runs it with small sizes, its throw-away folder in a folder of the test.
async fn bench(cairn: &Cairn, more: &[&str]) -> Value {
    let folder = cairn.files().join("throw-away");
    fs_err::create_dir_all(&folder).unwrap();
    let dir = folder.to_string_lossy().into_owned();
    let report = cairn
        .json(&[&["bench", "--dir", &dir], &SMALL[..], more].concat())
        .await;
    let left: Vec<_> = fs_err::read_dir(&folder).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    report
}

#[track_caller]
fn number(report: &Value, path: &str) -> f64 {
    let value = report.pointer(path).and_then(Value::as_f64);
    value.unwrap_or_else(|| panic!("no number at {path} of {report}"))
}

#[track_caller]
fn is_positive(report: &Value, paths: &[&str]) {
    for path in paths {
        assert!(number(report, path) > 0.0, "{path} of {report}");
    }
}

/// Value by value, as JSON has no integers.
#[track_caller]
fn is_equal(report: &Value, expected: &[(&str, f64)]) {
    for (path, value) in expected {
        let found = number(report, path);
        assert!((found - value).abs() < 1e-9, "{path}: {found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_measured_without_a_model_by_words() {
    let cairn = Cairn::new();
    let report = bench(&cairn, &[]).await;
    is_equal(
        &report,
        &[
            ("/seed", 7.0),
            ("/base/chunks", 120.0),
            ("/base/documents", 12.0),
            ("/base/dense_bytes", 0.0),
            ("/search/queries", 12.0),
            ("/search/rows/0/allowed_chunks", 120.0),
            ("/search/rows/0/n", 36.0),
            ("/serve/errors", 0.0),
            ("/serve/connections", 3.0),
            ("/ingest/failed", 0.0),
            ("/ingest/files", 2.0),
            ("/start/0/n", 1.0),
            ("/insert/n", 1.0),
        ],
    );
    is_positive(
        &report,
        &[
            "/machine/cores",
            "/base/catalog_bytes",
            "/base/lexical_bytes",
            "/ingest/chunks",
            "/ingest/chunks_per_s",
            "/ingest/bytes",
            "/serve/requests",
            "/start/1/p50_ms",
            "/insert/p50_ms",
            "/memory/searched_bytes",
            "/memory/ingest_peak_bytes",
            "/memory/disk_bytes_per_chunk",
        ],
    );
    let rows = report["search"]["rows"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["mode"] == "lexical"), "{rows:?}");
    assert_eq!(rows.len(), 5);
    // Ten results where the set has ten chunks that share a word with the question.
    assert!(number(&report, "/search/rows/0/results") > 9.0);
    assert!(report["encoder"].is_null());
    let note = report["notes"][0].as_str().unwrap();
    assert!(note.contains("no model is installed"), "{note}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scan_of_a_model_s_vectors_is_exact_in_every_set() {
    let Some(cairn) = Cairn::with_model().await else {
        return;
    };
    let saved = cairn.files().join("saved");
    let save = saved.to_string_lossy().into_owned();
    let report = bench(&cairn, &["encoder", "search", "--save", &save]).await;
    assert_eq!(report["encoder"]["rates"][0]["threads"], 1);
    assert!(report["cairn"]["kernel"].is_string(), "{report}");
    assert!(number(&report, "/encoder/cosine_min") > 0.99);
    assert!((100.0..256.0).contains(&number(&report, "/encoder/mean_tokens")));
    is_positive(
        &report,
        &["/encoder/rates/0/passages_per_s", "/encoder/query/p50_ms"],
    );
    let rows = report["search"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 15);
    let index = report["search"]["index"].as_array().unwrap();
    assert_eq!(index.len(), 5);
    let dense = rows.iter().filter(|row| row["mode"] == "dense");
    for row in dense.chain(index) {
        let recall = row["recall_at_10"].as_f64().unwrap();
        assert!(recall > 0.999, "{row}");
        assert!(row["allowed_chunks"].as_u64().unwrap() > 0, "{row}");
    }
    assert!(report["serve"].is_null() && report["ingest"].is_null());
    // What was measured on: one row of 384 numbers for each chunk.
    let bytes = |name: &str| fs_err::metadata(saved.join(name)).unwrap().len();
    assert_eq!(bytes("vectors.f32"), 120 * 384 * 4);
    assert_eq!(bytes("queries.f32"), 12 * 384 * 4);
    assert_eq!(bytes("sets.u32"), 120 * 4);
    assert_eq!(bytes("passages.f32"), 12 * 384 * 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_that_are_mixed_are_searched_like_others() {
    let Some(cairn) = Cairn::with_model().await else {
        return;
    };
    let report = bench(&cairn, &["search", "--mix-from", "40", "--threads", "1"]).await;
    let word = report["base"]["vectors"].as_str().unwrap();
    assert_eq!(word, "vectors mixed from 40 of the model");
    for row in report["search"]["index"].as_array().unwrap() {
        assert!(row["recall_at_10"].as_f64().unwrap() > 0.98, "{row}");
    }
    assert_eq!(report["search"]["threads"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_get_tables_and_a_folder_of_their_own_is_read() {
    let cairn = Cairn::new();
    crate::support::write(&cairn.files(), "own/a.txt", "One small text.");
    crate::support::write(&cairn.files(), "own/b.md", "# Title\n\nAnother small text.");
    let outcome = cairn
        .run(&["bench", "ingest", "--folder", "own"])
        .await
        .ok();
    assert!(
        outcome.stdout.contains("Ingest: 2 files, 2 chunks"),
        "{outcome:?}"
    );
    assert!(outcome.stdout.contains("| chunks/s "), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_measured_is_an_error() {
    let cairn = Cairn::new();
    let none = cairn
        .run(&["bench", "ingest", "--folder", "none", "--json"])
        .await;
    assert!(
        none.code(7).error()["message"]
            .as_str()
            .unwrap()
            .contains("none")
    );
    for bad in ["0", "many", "1.5k"] {
        let outcome = cairn.run(&["bench", "search", "--chunks", bad]).await;
        outcome.code(2).says("--chunks");
    }
    cairn.run(&["bench", "nothing"]).await.code(2);
}
