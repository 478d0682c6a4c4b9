//! The golden set of the examples, with the real model and real PDF files.

use serde_json::json;

use crate::support::{Cairn, need_all, write};

/// The share of right cases that may not be lost.
const GATE: &str = "golden=0.85";

#[tokio::test]
async fn the_golden_set_passes_its_gate() {
    let Some([pdfium]) = need_all(["pdfium"]) else {
        return;
    };
    let Some(cairn) = Cairn::with_model().await else {
        return;
    };
    let cairn = cairn.set("CAIRN_EXTRACT__PDFIUM", pdfium);
    let examples = cairn_testkit::examples_dir();
    let examples = examples.to_string_lossy();
    let run = cairn
        .run(&["eval", "--dataset", &examples, "--gate", GATE, "--json"])
        .await
        .ok();
    let golden = run.json()["golden"].clone();
    assert_eq!(golden["cases"], 60, "{golden}");
    assert_eq!(
        cairn.json(&["status"]).await["documents"],
        0,
        "measured in a folder of its own"
    );
    let missed = [
        "eval",
        "--dataset",
        &examples,
        "--limit",
        "1",
        "--gate",
        "ndcg_at_10=0.5",
        "--json",
    ];
    let missed = cairn.run(&missed).await.code(1);
    assert_eq!(missed.error()["code"], "gate_missed");
}

#[tokio::test]
async fn a_data_set_is_measured_without_a_model() {
    let cairn = Cairn::new();
    let set = cairn.files().join("set");
    let documents = [
        ("d1", "Whales", "Whales sing under the ice."),
        ("d2", "Gulls", "Gulls follow the ferry."),
    ];
    let line = |(id, title, text): &(&str, &str, &str)| {
        format!("{}\n", json!({ "id": id, "title": title, "text": text }))
    };
    write(
        &set,
        "corpus.jsonl",
        documents.iter().map(line).collect::<String>(),
    );
    let queries = [
        ("q1", "Which animals sing?"),
        ("q2", "What follows the ferry?"),
    ];
    let line = |(id, text): &(&str, &str)| format!("{}\n", json!({ "id": id, "text": text }));
    write(
        &set,
        "queries.jsonl",
        queries.iter().map(line).collect::<String>(),
    );
    write(
        &set,
        "qrels.tsv",
        "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t1\n",
    );
    let runs = cairn.files().join("runs");
    let args = [
        "eval",
        "--dataset",
        "set",
        "--run-dir",
        "runs",
        "--gate",
        "lexical.mrr=1.0",
        "--json",
    ];
    let report = cairn.run(&args).await.ok().json();
    let lexical = &report["retrieval"]["lexical"];
    for measure in ["ndcg_at_10", "recall_at_10", "recall_at_100", "mrr"] {
        assert_eq!(lexical[measure], 1.0, "{report}");
    }
    let trec = fs_err::read_to_string(runs.join("set.lexical.trec")).unwrap();
    assert!(
        trec.lines().any(|line| line.starts_with("q1 Q0 d1 1 ")),
        "{trec}"
    );
    cairn
        .run(&["eval", "--dataset", "set", "--gate", "hybrid.mrr=0.5"])
        .await
        .code(1)
        .says("not measured");
    cairn
        .run(&["eval", "--dataset", "set", "--gate", "speed=1"])
        .await
        .code(2)
        .says("`speed`");
    cairn.run(&["eval", "--dataset", "nowhere"]).await.code(2);
    // A named folder keeps the documents, apart from those that are there already.
    write(
        &cairn.files(),
        "own.md",
        "Whales sing in my own document, and whales sing well.",
    );
    cairn.run(&["ingest", "own.md"]).await.ok();
    let named = cairn.data();
    let named = named.to_string_lossy();
    let args = [
        "eval",
        "--data-dir",
        &named,
        "--dataset",
        "set",
        "--gate",
        "lexical.mrr=1.0",
    ];
    cairn.run(&args).await.ok();
    assert_eq!(cairn.json(&["status"]).await["documents"], 3);
}
