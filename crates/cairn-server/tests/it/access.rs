//! The permission property: whatever the access lists are, three keys see exactly what a brute-force filter lets through, by
//! search, chat, lists, chunks, jobs, explain and why-not; and nothing of what they may not know.

use cairn_server::Surface;
use cairn_testkit::{Random, access};
use cairn_types::Scope;
use http::Method;
use serde_json::{Value, json};

use crate::Test;
use crate::test_app::{TestApp, run};

pub(crate) const TESTS: &[Test] = &[
    (
        "access::keys_see_what_a_brute_force_filter_lets_through",
        keys_see_what_a_filter_lets_through,
    ),
    (
        "access::better_passages_of_others_take_no_place",
        better_passages_of_others_take_no_place,
    ),
];

/// More than all candidates that both retrievers bring for the results that are asked for.
const N_BETTER: usize = 410;

const N_DOCUMENTS: usize = 10;
const N_ROUNDS: usize = 12;
const PRINCIPALS: [&str; 6] = [
    "user:anna",
    "user:ben",
    "user:cleo",
    "group:hr",
    "group:it",
    "everyone",
];

/// What the test knows of a document.
struct Known {
    id: String,
    /// A word that no other document has.
    word: String,
    allow: Vec<&'static str>,
}

struct Reader {
    key: String,
    scope: Scope,
}

fn keys_see_what_a_filter_lets_through() {
    run(async {
        let test = TestApp::new().await;
        let mut documents = Vec::new();
        let mut jobs = Vec::new();
        let mut readers = Vec::new();
        for (user, groups) in [("anna", &["hr"][..]), ("ben", &["it"]), ("cleo", &[])] {
            let key = test.key(user, groups, false).await;
            let mut principals = vec![format!("user:{user}")];
            principals.extend(groups.iter().map(|group| format!("group:{group}")));
            let principals: Vec<&str> = principals.iter().map(String::as_str).collect();
            readers.push(Reader {
                key,
                scope: cairn_testkit::scope(test.tenant, &principals),
            });
        }
        for at in 0..N_DOCUMENTS {
            // Half of them come from local files, half from uploads of the three.
            let word = format!("zebra{at}x");
            let text = format!(
                "# Paper {at}\n\nThe ferry number {at} leaves at {at} with {word}. A common harbour."
            );
            let name = format!("{at}.md");
            let id = if at % 2 == 0 {
                test.document(&name, &text, &["everyone"]).await
            } else {
                let parts = [("file", Some(name.as_str()), text.as_bytes())];
                let key = &readers[at % 3].key;
                let job = test.upload(key, &parts, &[]).await.json()["job"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                let done = test.finish_job(&job).await;
                jobs.push((at % 3, job, at));
                done["items"][0]["document_id"].as_str().unwrap().to_owned()
            };
            documents.push(Known {
                id,
                word,
                allow: vec!["everyone"],
            });
        }
        let mut n_cited = 0;
        let mut random = Random::seeded(7);
        for round in 0..N_ROUNDS {
            for known in &mut documents {
                known.allow = PRINCIPALS
                    .into_iter()
                    .filter(|_| random.below(4) == 0)
                    .collect();
                let path = format!("/api/v1/docs/{}", known.id);
                let reply = test
                    .own(Method::PATCH, &path, Some(json!({ "allow": known.allow })))
                    .await;
                assert_eq!(reply.status, 200, "{}", reply.text());
            }
            // Every other round the indexes are behind: then results may be missing, but none may be foreign.
            let is_current = round % 2 == 0;
            if is_current {
                test.app.refresh().await.unwrap();
            }
            for (at, reader) in readers.iter().enumerate() {
                let view = View {
                    test: &test,
                    reader,
                    documents: &documents,
                    is_current,
                };
                let own_jobs = jobs.iter().filter(|(owner, ..)| *owner == at);
                view.check_lists(own_jobs.map(|(_, job, _)| job.as_str()).collect())
                    .await;
                view.check_search().await;
                n_cited += view.check_chat().await;
                view.check_each().await;
                for (owner, job, at) in &jobs {
                    view.check_job(std::ptr::eq(reader, &readers[*owner]), job, &documents[*at])
                        .await;
                }
            }
        }
        assert!(n_cited > 0, "no readable document was ever cited");
    });
}

/// A filter after the retrieval would find nothing here: passages that the reader may not see fill all candidates.
fn better_passages_of_others_take_no_place() {
    run(async {
        let test = TestApp::new().await;
        let key = test.key("ben", &["it"], false).await;
        let files: Vec<(String, String)> = (0..N_BETTER)
            .map(|at| (format!("{at}.md"), format!("Ferry harbour {at}.")))
            .collect();
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        test.ingest(&files, Some(&["group:hr"])).await;
        let text = "Long after everything else had been written down, somebody noted in passing that a ferry \
            might one day come to the harbour, should the weather and the council allow it.";
        let own = test.document("own.md", text, &["group:it"]).await;
        for mode in ["lexical", "dense", "hybrid"] {
            let body = json!({ "query": "ferry harbour", "top_k": 100, "mode": mode });
            let search = async |surface: Surface, key: Option<&str>| {
                let path = "/api/v1/search";
                let reply = test
                    .call(surface, key, Method::POST, path, Some(body.clone()))
                    .await
                    .json();
                let results = reply["results"].as_array().unwrap().iter();
                results
                    .map(|result| result["document"]["id"].as_str().unwrap().to_owned())
                    .collect::<Vec<_>>()
            };
            let all = search(Surface::Local, None).await;
            assert_eq!(all.len(), 100, "{mode}");
            assert!(!all.contains(&own), "{mode}: the others are better");
            let seen = search(Surface::Network, Some(key.as_str())).await;
            assert_eq!(seen, [own.as_str()], "{mode}");
        }
    });
}

/// One reader's view in one round.
struct View<'a> {
    test: &'a TestApp,
    reader: &'a Reader,
    documents: &'a [Known],
    is_current: bool,
}

impl View<'_> {
    fn may_read(&self, known: &Known) -> bool {
        self.reader.scope.permits(&access(&known.allow))
    }

    /// Ids of readable documents, sorted.
    fn readable(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = self
            .documents
            .iter()
            .filter(|known| self.may_read(known))
            .map(|known| known.id.as_str())
            .collect();
        ids.sort_unstable();
        ids
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> crate::test_app::Reply {
        let reply = self.test.as_key(&self.reader.key, method, path, body).await;
        // Nothing that may not be known is anywhere in any reply, by id or by word.
        let text = reply.text();
        for foreign in self.documents.iter().filter(|known| !self.may_read(known)) {
            let is_asked = path.contains(&foreign.id) && reply.status == 404;
            assert!(
                is_asked || !text.contains(&foreign.id),
                "{path} tells of {}: {text}",
                foreign.id
            );
            assert!(
                !text.contains(&foreign.word),
                "{path} tells {}: {text}",
                foreign.word
            );
        }
        reply
    }

    async fn check_lists(&self, mut own_jobs: Vec<&str>) {
        let mut ids = Vec::new();
        let mut path = "/api/v1/docs?limit=3".to_owned();
        loop {
            let page = self.ask(Method::GET, &path, None).await.json();
            let documents = page["documents"].as_array().unwrap();
            ids.extend(
                documents
                    .iter()
                    .map(|document| document["id"].as_str().unwrap().to_owned()),
            );
            let Some(next) = page["next_cursor"].as_str() else {
                break;
            };
            path = format!("/api/v1/docs?limit=3&cursor={next}");
        }
        assert_eq!(ids, self.readable());
        let collections = self
            .ask(Method::GET, "/api/v1/collections", None)
            .await
            .json();
        let n = collections["collections"]
            .get(0)
            .map_or(0, |own| own["documents"].as_u64().unwrap());
        assert_eq!(n, self.readable().len() as u64);
        let jobs = self.ask(Method::GET, "/api/v1/jobs", None).await.json();
        let listed = jobs["jobs"].as_array().unwrap().iter();
        let mut listed: Vec<&str> = listed.map(|job| job["id"].as_str().unwrap()).collect();
        listed.sort_unstable();
        own_jobs.sort_unstable();
        assert_eq!(listed, own_jobs);
    }

    async fn check_search(&self) {
        for mode in ["lexical", "dense", "hybrid"] {
            let body = json!({ "query": "which ferry leaves the harbour", "top_k": 100, "mode": mode, "explain": true });
            let own = self
                .ask(Method::POST, "/api/v1/search", Some(body.clone()))
                .await
                .json();
            let all = self
                .test
                .call(
                    Surface::Local,
                    None,
                    Method::POST,
                    "/api/v1/search",
                    Some(body),
                )
                .await
                .json();
            let pairs = |found: &Value, is_filtered: bool| -> Vec<(String, Value)> {
                let results = found["results"].as_array().unwrap().iter();
                let ids = results.map(|result| {
                    (
                        result["document"]["id"].as_str().unwrap().to_owned(),
                        result["scores"].clone(),
                    )
                });
                ids.filter(|(id, _)| !is_filtered || self.readable().contains(&id.as_str()))
                    .collect()
            };
            if self.is_current {
                let mut own_pairs = pairs(&own, false);
                let mut filtered = pairs(&all, true);
                if mode == "hybrid" {
                    // The fused score depends on the candidates, each retriever's own does not.
                    own_pairs.sort_by(|a, b| a.0.cmp(&b.0));
                    filtered.sort_by(|a, b| a.0.cmp(&b.0));
                }
                assert_eq!(own_pairs, filtered, "{mode}");
                assert_eq!(own_pairs.len(), self.readable().len(), "{mode}");
                assert_eq!(own["explanation"]["n_readable"], self.readable().len());
                assert_eq!(
                    own["explanation"]["n_allowed_chunks"],
                    self.readable().len()
                );
            }
        }
    }

    /// Returns how often the document that was asked for was cited.
    async fn check_chat(&self) -> usize {
        let mut n_cited = 0;
        for known in self.documents.iter().step_by(3) {
            // The words of a document that may not be known find nothing of it.
            let question = format!("When does the ferry with {} leave?", known.word);
            let reply = self
                .test
                .as_key(
                    &self.reader.key,
                    Method::POST,
                    "/api/v1/chat",
                    Some(json!({ "query": question })),
                )
                .await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert!(
                self.may_read(known) || !reply.text().contains(&known.id),
                "{}",
                reply.text()
            );
            for citation in reply.json()["citations"].as_array().unwrap() {
                let id = citation["document"]["id"].as_str().unwrap();
                assert!(
                    self.readable().contains(&id) && citation["verified"] == true,
                    "{citation}"
                );
                n_cited += usize::from(id == known.id);
            }
        }
        let body = json!({ "query": "When does the ferry leave the harbour?", "stream": true });
        self.ask(Method::POST, "/api/v1/chat", Some(body)).await;
        n_cited
    }

    async fn check_each(&self) {
        for known in self.documents {
            let expected = if self.may_read(known) { 200 } else { 404 };
            let path = format!("/api/v1/docs/{}", known.id);
            let parts =
                ["", "/chunks", "/elements", "/original"].map(|part| format!("{path}{part}"));
            for path in parts {
                let reply = self.ask(Method::GET, &path, None).await;
                assert_eq!(reply.status, expected, "{path}: {}", reply.text());
            }
            let page = self
                .ask(Method::GET, &format!("{path}/page-image?page=1"), None)
                .await;
            assert_eq!(page.status, 404, "no pages, or not known: {}", page.text());
            assert_eq!(page.text().contains("no page images"), self.may_read(known));
            let body = json!({ "query": "ferry", "document": known.id });
            let reply = self
                .test
                .as_key(
                    &self.reader.key,
                    Method::POST,
                    "/api/v1/search/why-not",
                    Some(body),
                )
                .await;
            assert_eq!(reply.status, expected, "{}", reply.text());
            if expected == 404 {
                // To the letter what is said of a document that does not exist.
                let body = json!({ "query": "ferry", "document": "00000000000000ff" });
                let none = self
                    .test
                    .as_key(
                        &self.reader.key,
                        Method::POST,
                        "/api/v1/search/why-not",
                        Some(body),
                    )
                    .await;
                let plain = |reply: &crate::test_app::Reply, id: &str| {
                    let mut problem = reply.json();
                    problem["trace_id"] = Value::Null;
                    problem.to_string().replace(id, "ID")
                };
                assert_eq!(plain(&reply, &known.id), plain(&none, "00000000000000ff"));
            }
        }
    }

    async fn check_job(&self, is_own: bool, job: &str, known: &Known) {
        let reply = self
            .ask(Method::GET, &format!("/api/v1/jobs/{job}"), None)
            .await;
        assert_eq!(
            reply.status,
            if is_own { 200 } else { 404 },
            "{}",
            reply.text()
        );
        if is_own {
            let expected = if self.may_read(known) {
                json!(known.id)
            } else {
                Value::Null
            };
            assert_eq!(reply.json()["items"][0]["document_id"], expected);
        }
    }
}
