//! `kill -9` of a server that has promised something: an upload that was answered with 202 is there after a restart.

use std::collections::HashMap;
use std::time::Duration;

use cairn_testkit::Random;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::support::{Cairn, Multipart, Server, write};

const N_KILLS: usize = 20;
/// Longest time between the last promise and the kill, in microseconds: an upload takes some milliseconds.
const LATEST: usize = 60_000;

#[tokio::test]
async fn nothing_that_was_promised_is_lost() {
    // A process that lives for some hundredths of a second has no time to look for programs that read pictures.
    let cairn = Cairn::new().set("CAIRN_EXTRACT__OCR", "off");
    let mut random = Random::seeded(20_260_301);
    let mut promised: HashMap<String, Vec<String>> = HashMap::new();
    let mut n_uploads = 0;
    for _ in 0..N_KILLS {
        let server = Server::start(&cairn).await;
        for _ in 0..=random.below(3) {
            n_uploads += 1;
            let words: Vec<String> = (0..=random.below(4))
                .map(|n| format!("zug{n_uploads}x{n}q"))
                .collect();
            let mut form = Multipart::default();
            for word in &words {
                form = form.file(
                    &format!("{word}.md"),
                    format!("The {word} waits at the pier.").as_bytes(),
                );
            }
            let job = server.http.upload(form).await.status(202).json()["job"].clone();
            promised.insert(job.as_str().unwrap().to_owned(), words);
        }
        // One more upload is under way, perhaps, when the moment comes.
        let (http, late) = (server.http.clone(), format!("late{n_uploads}q"));
        let on_its_way = tokio::spawn(async move {
            let form = Multipart::default().file(&format!("{late}.md"), late.as_bytes());
            http.try_upload(form)
                .await
                .filter(|reply| reply.status == 202)
                .map(|reply| (reply.json(), late))
        });
        // The moment itself is what varies here: it waits for nothing.
        tokio::time::sleep(Duration::from_micros(random.below(LATEST) as u64)).await;
        server.kill().await;
        if let Some((accepted, word)) = on_its_way.await.unwrap() {
            promised.insert(accepted["job"].as_str().unwrap().to_owned(), vec![word]);
        }
    }
    let server = Server::start(&cairn).await;
    for (job, words) in &promised {
        let done = server.finished_job(job).await;
        assert_eq!(done["state"], "done", "{done}");
        assert_eq!(
            done["items"].as_array().unwrap().len(),
            words.len(),
            "{done}"
        );
        for word in words {
            let request = json!({ "query": word, "mode": "lexical" });
            let found = server
                .http
                .post("/api/v1/search", &request)
                .await
                .status(200)
                .json();
            let results = found["results"].as_array().unwrap();
            assert_eq!(results.len(), 1, "{word}: {found}");
            assert!(
                results[0]["text"].as_str().unwrap().contains(word.as_str()),
                "{found}"
            );
        }
    }
    let (code, log) = server.stop().await;
    assert_eq!(code, Some(0), "{log}");
    let n_words: usize = promised.values().map(Vec::len).sum();
    assert!(n_words >= N_KILLS);
    let status = cairn.json(&["status"]).await;
    assert!(
        status["documents"].as_u64().unwrap() >= n_words as u64,
        "{status}"
    );
    assert_eq!(status["open_jobs"], 0);
}

#[tokio::test]
async fn a_killed_ingest_goes_on_where_it_was() {
    const N: usize = 400;
    let cairn = Cairn::new();
    for n in 0..N {
        write(
            &cairn.files(),
            &format!("{n:03}.md"),
            format!("Report {n} on the harbour, for the mayor."),
        );
    }
    let mut random = Random::seeded(7);
    for _ in 0..6 {
        let mut child = cairn.command(&["ingest", ".", "--json"]).spawn().unwrap();
        drop(child.stderr.take());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Dies after some document was told, or at some moment before the first one.
        if random.one_in(2) {
            tokio::time::sleep(Duration::from_micros(random.below(LATEST) as u64)).await;
        } else {
            lines.next_line().await.unwrap();
        }
        child.kill().await.unwrap();
    }
    let lines = cairn.run(&["ingest", ".", "--json"]).await.ok().lines();
    let summary = lines.last().unwrap();
    let count = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!(count("added") + count("unchanged"), N as u64, "{summary}");
    let listed = cairn.run(&["docs", "list", "--json"]).await.ok().lines();
    assert_eq!(listed.len(), N);
    let found = cairn.json(&["search", "mayor", "-k", "1000"]).await;
    assert_eq!(found["results"].as_array().unwrap().len(), N);
    assert_eq!(cairn.json(&["status"]).await["open_jobs"], 0);
}
