//! `cairn search`: the objects of the contract, filters, explanations.

use serde_json::{Value, json};

use crate::support::{Cairn, Texts, example_documents, need_all, without_timings, write};

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

async fn with_examples() -> Option<Cairn> {
    let [pdfium] = need_all(["pdfium"])?;
    let cairn = Cairn::with_model()
        .await?
        .set("CAIRN_EXTRACT__PDFIUM", pdfium);
    cairn.run(&["ingest", &example_documents()]).await.ok();
    Some(cairn)
}

#[tokio::test]
async fn results_have_the_shape_of_the_contract() {
    let Some(cairn) = with_examples().await else {
        return;
    };
    let texts = Texts::of(&cairn).await;
    let found = cairn
        .json(&[
            "search",
            "What does the general alarm sound like?",
            "-k",
            "5",
        ])
        .await;
    assert_eq!(
        keys(&found),
        ["lexical_only", "results", "seq", "timing_ms"]
    );
    let times = [
        "dense", "embed", "fuse", "hydrate", "lexical", "plan", "total",
    ];
    assert_eq!(keys(&found["timing_ms"]), times);
    let results = found["results"].as_array().unwrap();
    assert_eq!(results.len(), 5);
    let mut last = f64::INFINITY;
    for (rank, result) in (1..).zip(results) {
        let own = [
            "chunk_id",
            "collection",
            "document",
            "heading_path",
            "page",
            "rank",
            "score",
            "scores",
            "span",
            "text",
        ];
        assert_eq!(keys(result), own);
        assert_eq!(result["rank"], rank);
        assert_eq!(keys(&result["scores"]), ["dense", "lexical"]);
        assert_eq!(keys(&result["document"]), ["id", "title", "uri", "version"]);
        assert_eq!(keys(&result["span"]), ["end", "start"]);
        let score = result["score"].as_f64().unwrap();
        assert!(score <= last, "{result}");
        last = score;
        assert_eq!(
            result["text"].as_str(),
            texts.at(result).as_deref(),
            "{result}"
        );
    }
    let first = &results[0];
    assert!(
        first["document"]["uri"]
            .as_str()
            .unwrap()
            .ends_with("eider-safety-manual.pdf"),
        "{first}"
    );
    assert!(first["page"].as_u64().is_some(), "{first}");

    let again = cairn
        .json(&[
            "search",
            "What does the general alarm sound like?",
            "-k",
            "5",
        ])
        .await;
    assert_eq!(without_timings(found), without_timings(again));
    let told = cairn
        .run(&["search", "general alarm", "-k", "2"])
        .await
        .ok();
    assert!(told.stdout.starts_with(" 1. "), "{told:#?}");
    assert!(
        told.stdout.contains("Safety manual: Eider, page"),
        "{told:#?}"
    );
    assert!(
        !told.stdout.contains('\x1b'),
        "no colours outside of a terminal: {told:#?}"
    );
    assert_eq!(told.stderr, "");

    explanations(&cairn).await;
}

async fn explanations(cairn: &Cairn) {
    let args = [
        "search",
        "general alarm",
        "--type",
        "application/pdf",
        "-k",
        "1",
        "--explain",
    ];
    let found = cairn.json(&args).await;
    let explanation = &found["explanation"];
    assert_eq!(explanation["n_readable"], 21);
    assert_eq!(
        explanation["filters"],
        json!([{ "condition": "media_type", "n_removed": 19 }])
    );
    let stages: Vec<&str> = explanation["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["name"].as_str().unwrap())
        .collect();
    assert_eq!(stages, ["dense", "lexical", "fused"]);
    let told = cairn.run(&args).await.ok();
    for part in [
        "readable documents: 21",
        "filter media_type removed 19",
        "fused: ",
        "milliseconds: ",
    ] {
        assert!(told.stdout.contains(part), "{part} in {told:#?}");
    }

    let listed = cairn.run(&["docs", "list", "--json"]).await.ok().lines();
    let id = |end: &str| {
        let is_it = |d: &&Value| d["uri"].as_str().unwrap().ends_with(end);
        listed.iter().find(is_it).unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (manual, faq) = (id("eider-safety-manual.pdf"), id("faq.html"));
    let why = async |document: &str, more: &[&str]| {
        let args = [
            &["search", "general alarm", "-k", "1", "--why-not", document][..],
            more,
        ]
        .concat();
        cairn.json(&args).await["reason"].clone()
    };
    assert_eq!(
        why(&manual, &[]).await,
        json!({ "kind": "found", "rank": 1 })
    );
    let filtered = json!({ "kind": "filtered", "condition": "media_type" });
    assert_eq!(why(&faq, &["--type", "application/pdf"]).await, filtered);
    let outranked = why(&faq, &[]).await;
    assert!(
        ["outranked", "no_match"].contains(&outranked["kind"].as_str().unwrap()),
        "{outranked}"
    );
    cairn.run(&["docs", "delete", &faq]).await.ok();
    assert_eq!(why(&faq, &[]).await["kind"], "deleted");
    let told = cairn
        .run(&["search", "general alarm", "--why-not", &faq])
        .await
        .ok();
    assert!(told.stdout.contains("it was deleted"), "{told:#?}");
    cairn
        .run(&["search", "alarm", "--why-not", "0123456789abcdef"])
        .await
        .code(3)
        .says("not found");
}

#[tokio::test]
async fn nothing_found_is_told_with_its_own_code() {
    let cairn = Cairn::new();
    write(&cairn.files(), "a.md", "Tides are high at noon.");
    cairn.run(&["ingest", "."]).await.ok();
    let none = cairn
        .run(&["search", "zeppelin"])
        .await
        .code(1)
        .says("nothing found");
    assert_eq!(none.stdout, "");
    let none = cairn.run(&["search", "zeppelin", "--json"]).await.code(1);
    assert_eq!(
        (&none.json()["results"], none.stderr.as_str()),
        (&json!([]), "")
    );
}

#[tokio::test]
async fn a_key_sees_what_it_may_read() {
    let cairn = Cairn::new();
    write(
        &cairn.files(),
        "open.md",
        "The harbour office opens at eight.",
    );
    write(
        &cairn.files(),
        "secret.md",
        "The harbour safe opens with 4711.",
    );
    cairn.run(&["ingest", "open.md"]).await.ok();
    cairn
        .run(&["ingest", "secret.md", "--allow", "group:hr"])
        .await
        .ok();
    let key = async |user: &str, group: &str| {
        let made = cairn
            .json(&[
                "key",
                "create",
                "--user",
                user,
                "--group",
                group,
                "--expires",
                "90d",
            ])
            .await;
        made["key"].as_str().unwrap().to_owned()
    };
    let (anna, ben) = (key("anna", "hr").await, key("ben", "it").await);
    let titles = async |key: &str| -> Vec<String> {
        let found = cairn.json(&["search", "harbour opens", "--key", key]).await;
        let results = found["results"].as_array().unwrap().clone();
        let mut titles: Vec<String> = results
            .iter()
            .map(|r| r["document"]["title"].as_str().unwrap().to_owned())
            .collect();
        titles.sort();
        titles
    };
    assert_eq!(titles(&anna).await, ["open", "secret"]);
    assert_eq!(titles(&ben).await, ["open"]);
    let asked = cairn
        .json(&[
            "ask",
            "With what does the harbour safe open?",
            "--key",
            &ben,
        ])
        .await;
    assert!(!asked.to_string().contains("4711"), "{asked}");
    let listed = cairn
        .run(&["docs", "list", "--json", "--key", &ben])
        .await
        .ok()
        .lines();
    assert_eq!(listed.len(), 1);
    let all = cairn.run(&["docs", "list", "--json"]).await.ok().lines();
    let secret = all.iter().find(|d| d["title"] == "secret").unwrap()["id"]
        .as_str()
        .unwrap();
    cairn
        .run(&["docs", "show", secret, "--key", &ben])
        .await
        .code(3);
    cairn
        .run(&["search", "safe", "--why-not", secret, "--key", &ben])
        .await
        .code(3);
    cairn
        .run(&["docs", "share", secret, "--allow", "user:ben"])
        .await
        .ok();
    cairn
        .run(&["docs", "show", secret, "--key", &ben])
        .await
        .ok();

    let keys = cairn.run(&["key", "list", "--json"]).await.ok().lines();
    assert_eq!(keys.len(), 2);
    assert!(
        !keys.iter().any(|k| k.to_string().contains(&anna)),
        "only a hash is kept"
    );
    let id = keys.iter().find(|k| k["user"] == "ben").unwrap()["id"]
        .as_str()
        .unwrap();
    cairn.run(&["key", "revoke", id]).await.ok();
    cairn
        .run(&["search", "harbour", "--key", &ben])
        .await
        .code(4);
    cairn
        .run(&["search", "harbour", "--key", "nonsense"])
        .await
        .code(4);
    cairn
        .run(&["key", "create", "--user", "x", "--expires", "soon"])
        .await
        .code(2)
        .says("`soon`");
}
