//! `cairn ask` and `cairn chat` without a language model: quotes, or the word that the documents do not say.

use serde_json::{Value, json};

use crate::support::{Cairn, Texts, example_documents, need_all, without_timings, write};

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

/// A PDF file whose pages hold one short paragraph each.
fn pdf_of(pages: &[&str]) -> Vec<u8> {
    let kids: Vec<String> = (0..pages.len())
        .map(|n| format!("{} 0 R", 4 + 2 * n))
        .collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!(
            "<< /Type /Pages /Kids [{}] /Count {} >>",
            kids.join(" "),
            pages.len()
        ),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    for (n, text) in pages.iter().enumerate() {
        let content = format!("BT /F1 11 Tf 50 700 Td ({text}) Tj ET");
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources << /Font << /F1 3 0 R >> >> /Contents {} 0 R >>",
            5 + 2 * n
        ));
        objects.push(format!(
            "<< /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        ));
    }
    let mut pdf = String::from("%PDF-1.4\n");
    let mut places = Vec::new();
    for (n, object) in (1..).zip(&objects) {
        places.push(pdf.len());
        pdf += &format!("{n} 0 obj\n{object}\nendobj\n");
    }
    let at = pdf.len();
    pdf += &format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for place in places {
        pdf += &format!("{place:010} 00000 n \n");
    }
    pdf += &format!(
        "trailer << /Size {} /Root 1 0 R >>\nstartxref\n{at}\n%%EOF\n",
        objects.len() + 1
    );
    pdf.into_bytes()
}

#[tokio::test]
async fn a_citation_names_the_page_of_its_quote() {
    let Some([pdfium]) = need_all(["pdfium"]) else {
        return;
    };
    let cairn = Cairn::new().set("CAIRN_EXTRACT__PDFIUM", pdfium);
    let pages = [
        "The harbour office opens at eight and closes at four.",
        "The lighthouse of Tolm was built by Anna Berg in 1871.",
        "Dogs travel free of charge on every ferry of the line.",
    ];
    write(&cairn.files(), "short.pdf", pdf_of(&pages));
    cairn.run(&["ingest", "."]).await.ok();
    let listed = cairn.run(&["docs", "list", "--json"]).await.ok().lines();
    assert_eq!(listed[0]["chunks"], 1, "one passage over three pages");
    for (question, page) in [
        ("When does the harbour office open?", 1),
        ("Who built the lighthouse of Tolm?", 2),
    ] {
        let reply = cairn.json(&["ask", question]).await;
        assert_eq!(reply["citations"][0]["page"], page, "{reply}");
    }
}

#[tokio::test]
async fn what_was_computed_says_so() {
    let cairn = Cairn::new();
    let mut csv = String::from("Port,Cargo tonnage\n");
    for (port, tons) in [("Tolm", 120), ("Skerry", 75), ("Varn", 310), ("Osk", 42)] {
        csv += &format!("{port},{tons}\n");
    }
    write(&cairn.files(), "cargo.csv", csv);
    cairn.run(&["ingest", "."]).await.ok();
    let reply = cairn
        .json(&["ask", "What is the total cargo tonnage?"])
        .await;
    let first = &reply["citations"][0];
    assert!(first["quote"].as_str().unwrap().contains("547"), "{reply}");
    assert_eq!(first["computed"], true, "{reply}");
    let told = cairn
        .run(&["ask", "What is the total cargo tonnage?"])
        .await
        .ok();
    assert!(
        told.stdout.contains("computed from the table by Cairn"),
        "{told:#?}"
    );
}
