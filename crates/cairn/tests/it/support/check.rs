//! Checks of what the binary says against what it stores.

use std::collections::HashMap;

use serde_json::Value;

use super::Cairn;

/// The text of each document version as far as its chunks hold it: code points at their places.
#[derive(Default)]
pub(crate) struct Texts(HashMap<String, HashMap<usize, char>>);

impl Texts {
    /// The texts of all documents of a data folder, from the chunks that `docs show` prints.
    pub(crate) async fn of(cairn: &Cairn) -> Self {
        let mut texts = Self::default();
        for document in cairn.run(&["docs", "list", "--json"]).await.ok().lines() {
            let id = document["id"].as_str().expect("an id");
            let shown = cairn.json(&["docs", "show", id, "--chunks"]).await;
            texts.add(id, shown["chunk_list"].as_array().expect("chunks"));
        }
        texts
    }

    /// Adds the chunks of a document: each has the length of its span, and where two overlap they agree.
    pub(crate) fn add(&mut self, id: &str, chunks: &[Value]) {
        let text = self.0.entry(id.to_owned()).or_default();
        for chunk in chunks {
            let (start, end) = span(chunk);
            let own: Vec<char> = chunk["text"].as_str().expect("text").chars().collect();
            assert_eq!(own.len(), end - start, "{chunk}");
            for (at, c) in (start..end).zip(own) {
                let known = *text.entry(at).or_insert(c);
                assert_eq!(known, c, "chunks disagree at {at}: {chunk}");
            }
        }
    }

    /// Demands that the quote of every citation, and the text of every passage, is the stored text at its span.
    #[track_caller]
    pub(crate) fn assert_verified(&self, reply: &Value) {
        for citation in reply["citations"].as_array().expect("citations") {
            assert_eq!(citation["verified"], true, "{citation}");
            assert_eq!(
                citation["quote"].as_str(),
                self.at(citation).as_deref(),
                "{citation}"
            );
        }
        for passage in reply["nearest"].as_array().into_iter().flatten() {
            assert_eq!(
                passage["text"].as_str(),
                self.at(passage).as_deref(),
                "{passage}"
            );
        }
    }

    /// The stored text at the place of a citation or passage.
    pub(crate) fn at(&self, place: &Value) -> Option<String> {
        let text = self.0.get(place["document"]["id"].as_str()?)?;
        let (start, end) = span(place);
        (start..end).map(|at| text.get(&at).copied()).collect()
    }
}

fn span(value: &Value) -> (usize, usize) {
    let end = |name: &str| usize::try_from(value["span"][name].as_u64().expect("a span")).unwrap();
    (end("start"), end("end"))
}

/// A reply without what differs between two equal runs: how long they took.
pub(crate) fn without_timings(mut value: Value) -> Value {
    fn remove(value: &mut Value) {
        match value {
            Value::Object(object) => {
                object.remove("timing_ms");
                object.values_mut().for_each(remove);
            }
            Value::Array(items) => items.iter_mut().for_each(remove),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    remove(&mut value);
    value
}
