//! `cairn ask` and `cairn chat` without a language model: quotes, or the word that the documents do not say.

use serde_json::{Value, json};

use crate::support::{Cairn, Texts, example_documents, need_all, without_timings};

#[tokio::test]
async fn answers_quote_the_examples() {
    let Some([pdfium]) = need_all(["pdfium"]) else {
        return;
    };
    let Some(cairn) = Cairn::with_model().await else {
        return;
    };
    let cairn = cairn.set("CAIRN_EXTRACT__PDFIUM", pdfium);
    cairn.run(&["ingest", &example_documents()]).await.ok();
    let texts = Texts::of(&cairn).await;

    let reply = cairn
        .json(&["ask", "Who founded Tolm Sound Ferries?"])
        .await;
    for key in [
        "answer",
        "abstained",
        "citations",
        "mode",
        "timing_ms",
        "nearest",
        "dropped",
        "lexical_only",
    ] {
        assert!(reply.get(key).is_some(), "{key} in {reply}");
    }
    assert_eq!(
        (&reply["abstained"], &reply["mode"]),
        (&json!(false), &json!("extractive"))
    );
    let first = &reply["citations"][0];
    let own: Vec<&String> = first.as_object().unwrap().keys().collect();
    assert_eq!(own, ["document", "n", "page", "quote", "span", "verified"]);
    assert!(
        first["quote"].as_str().unwrap().contains("Agnes Hallam"),
        "{reply}"
    );
    assert!(reply["answer"].as_str().unwrap().contains("[1]"), "{reply}");
    texts.assert_verified(&reply);
    let again = cairn
        .json(&["ask", "Who founded Tolm Sound Ferries?"])
        .await;
    assert_eq!(without_timings(reply.clone()), without_timings(again));

    let told = cairn
        .run(&["ask", "Who founded Tolm Sound Ferries?"])
        .await
        .ok();
    assert!(
        told.stdout.starts_with(reply["answer"].as_str().unwrap()),
        "{told:#?}"
    );
    assert!(
        told.stdout.contains("[1] Tolm Sound Ferries at a glance"),
        "{told:#?}"
    );
    assert!(
        told.stdout.contains("verified") && told.stdout.contains("about/company.md"),
        "{told:#?}"
    );

    both_sides_of_a_contradiction(&cairn, &texts).await;
    what_is_not_there(&cairn, &texts).await;
    conversation(&cairn).await;
}

async fn both_sides_of_a_contradiction(cairn: &Cairn, texts: &Texts) {
    let question =
        "How many days before departure can a group booking be cancelled free of charge?";
    let reply = cairn.json(&["ask", question]).await;
    texts.assert_verified(&reply);
    for (file, value) in [
        ("group-conditions-2023.docx", "14 days"),
        ("group-travel-2026.html", "21 days"),
    ] {
        let is_cited = reply["citations"]
            .as_array()
            .unwrap()
            .iter()
            .any(|citation| {
                citation["document"]["uri"]
                    .as_str()
                    .unwrap()
                    .ends_with(file)
                    && citation["quote"].as_str().unwrap().contains(value)
            });
        assert!(is_cited, "{value} of {file} in {reply}");
    }
}

async fn what_is_not_there(cairn: &Cairn, texts: &Texts) {
    let question = "Who won the chess world championship in Reykjavik?";
    let reply = cairn.json(&["ask", question]).await;
    assert_eq!(
        (&reply["abstained"], &reply["citations"]),
        (&json!(true), &json!([])),
        "{reply}"
    );
    assert!(!reply["answer"].as_str().unwrap().is_empty());
    assert!(!reply["nearest"].as_array().unwrap().is_empty(), "{reply}");
    texts.assert_verified(&reply);
    let told = cairn.run(&["ask", question]).await.ok();
    assert!(told.stdout.contains("Nearest passages:"), "{told:#?}");
}

async fn conversation(cairn: &Cairn) {
    let input = "Who founded Tolm Sound Ferries?\nWho is the managing director of the company?\n\nnever read\n";
    let told = cairn.run_with_input(&["chat"], input).await.ok();
    let place = |part: &str| {
        told.stdout
            .find(part)
            .unwrap_or_else(|| panic!("{part} in {told:#?}"))
    };
    assert!(place("Agnes Hallam") < place("Ingrid Falk"));
    let told = cairn.run_with_input(&["chat", "--json"], input).await.ok();
    let replies: Vec<Value> = told.lines();
    assert_eq!(replies.len(), 2);
    let long = format!("{}\n", "x".repeat(5000));
    let told = cairn.run_with_input(&["chat"], &long).await.ok();
    assert!(
        told.stderr.contains("error: "),
        "a bad question does not end the conversation: {told:#?}"
    );
}

#[tokio::test]
async fn an_empty_folder_abstains() {
    let cairn = Cairn::new();
    let reply = cairn
        .json(&["ask", "Who founded Tolm Sound Ferries?"])
        .await;
    assert_eq!(
        (&reply["abstained"], &reply["nearest"]),
        (&json!(true), &json!([]))
    );
}
