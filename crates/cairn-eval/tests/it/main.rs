//! Reading real sets, and the same figures as the reference scripts that come with them.
#![expect(clippy::unwrap_used, reason = "a failed step ends the test")]
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

use cairn_eval::{
    Answered, Dataset, Hit, Run, leave_out, read_dataset, read_golden, score_answers,
    score_retrieval, write_run,
};
use serde_json::{Value, json};

/// A small generator (xorshift), so that the made-up results are the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// Python, which the reference scripts need.
#[expect(
    clippy::disallowed_methods,
    reason = "a test may start a child and wait for it"
)]
fn python() -> Command {
    Command::new("python3")
}

/// The lines that a reference script prints, by their one key.
fn reference(script: &Path, arguments: &[&Path]) -> BTreeMap<String, Value> {
    let output = python().arg(script).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .flat_map(|line| serde_json::from_str::<BTreeMap<String, Value>>(line).unwrap())
        .collect()
}

/// The folder of the sets, where it is named and Python is there.
fn data() -> Option<PathBuf> {
    let folder = cairn_testkit::need("data")?;
    if python().arg("--version").output().is_err() {
        println!("SKIP python3 is not installed");
        return None;
    }
    Some(folder)
}

fn existing(folder: &Path, name: &str) -> PathBuf {
    [folder.join(name), folder.join(format!("{name}.gz"))]
        .into_iter()
        .find(|path| path.exists())
        .unwrap()
}

fn close(ours: f64, theirs: &Value) -> bool {
    // The reference prints five decimals.
    (ours - theirs.as_f64().unwrap()).abs() <= 0.000_006
}

/// Some relevant and some random documents for most queries, with equal scores among them.
fn made_up_run(dataset: &Dataset, random: &mut Random) -> Run {
    let mut run = Run::new();
    for (query, judged) in &dataset.qrels {
        if random.below(10) == 0 {
            continue;
        }
        let relevant = judged
            .keys()
            .filter(|_| random.below(2) == 0)
            .cloned()
            .collect::<Vec<_>>();
        let others = (0..random.below(150))
            .map(|_| {
                dataset.documents[random.below(dataset.documents.len())]
                    .id
                    .clone()
            })
            .collect::<Vec<_>>();
        let hits = relevant.into_iter().chain(others).map(|document_id| Hit {
            document_id,
            score: random.below(80) as f64 / 7.0 - 3.0,
        });
        run.insert(query.clone(), hits.collect());
    }
    run
}

#[test]
fn retrieval_scores_are_those_of_the_reference() {
    let Some(data) = data() else { return };
    let script = data.join("score_retrieval.py");
    let temporary = tempfile::tempdir().unwrap();
    let mut random = Random(42);
    for name in [
        "ir_cranfield",
        "ir_xquad_xling",
        "qa_multihop_en",
        "qa_multihop_zh",
    ] {
        let folder = data.join(name);
        let dataset = read_dataset(&folder).unwrap();
        let run = made_up_run(&dataset, &mut random);
        let path = temporary.path().join("made-up.trec");
        write_run(&run, "made-up", fs_err::File::create(&path).unwrap()).unwrap();
        let ours = score_retrieval(&dataset, &run);
        let mut arguments = vec![folder.join("qrels.tsv"), path];
        if !ours.by_language.is_empty() {
            arguments.extend([
                PathBuf::from("--lang-of"),
                existing(&folder, "queries.jsonl"),
            ]);
        }
        let arguments: Vec<&Path> = arguments.iter().map(PathBuf::as_path).collect();
        let theirs = reference(&script, &arguments);
        let all = [("all".to_owned(), ours.all)];
        let slices: Vec<_> = all.into_iter().chain(ours.by_language).collect();
        assert_eq!(slices.len(), theirs.len(), "{name}");
        for (slice, ours) in slices {
            let theirs = &theirs[&slice];
            assert_eq!(theirs["queries"], ours.n_queries, "{name} {slice}");
            assert!(
                close(ours.ndcg_at_10, &theirs["ndcg@10"]),
                "{name} {slice} {ours:?} {theirs}"
            );
            assert!(
                close(ours.recall_at_10, &theirs["recall@10"]),
                "{name} {slice}"
            );
            assert!(
                close(ours.recall_at_100, &theirs["recall@100"]),
                "{name} {slice}"
            );
            assert!(close(ours.mrr, &theirs["mrr"]), "{name} {slice}");
        }
    }
}

/// Right, wrapped, partly right, foreign and missing answers.
fn made_up_answers(dataset: &Dataset, random: &mut Random) -> HashMap<String, Answered> {
    let texts: HashMap<&str, &str> = dataset
        .documents
        .iter()
        .map(|d| (d.id.as_str(), d.text.as_str()))
        .collect();
    let mut answers = HashMap::new();
    for question in &dataset.questions {
        let gold = &question.answers[random.below(question.answers.len())].0;
        let gold = &gold[random.below(gold.len())];
        let text = question.doc_id.as_ref().map_or("", |id| texts[id.as_str()]);
        let answer = match random.below(6) {
            0 => gold.clone(),
            1 => format!("The answer — “{gold}”, it says."),
            2 => gold.chars().take(5).collect(),
            3 => text.chars().take(400).collect(),
            4 => question
                .answers
                .iter()
                .map(|answer| answer.0.join(", "))
                .collect::<String>(),
            _ => continue,
        };
        let cited_documents = question
            .doc_id
            .iter()
            .filter(|_| random.below(2) == 0)
            .cloned()
            .collect();
        let answered = Answered {
            answer,
            cited_documents,
            ..Answered::default()
        };
        answers.insert(question.id.clone(), answered);
    }
    answers
}

#[test]
fn answer_scores_are_those_of_the_reference() {
    let Some(data) = data() else { return };
    let script = data.join("score_qa.py");
    let temporary = tempfile::tempdir().unwrap();
    let mut random = Random(7);
    for name in [
        "qa_xquad",
        "qa_multihop_en",
        "qa_multihop_zh",
        "qa_tables",
        "qa_email",
    ] {
        let folder = data.join(name);
        let dataset = read_dataset(&folder).unwrap();
        let answers = made_up_answers(&dataset, &mut random);
        let lines: String = answers
            .iter()
            .map(|(id, answered)| {
                json!({"id": id, "answer": answered.answer, "citations": answered.cited_documents})
                    .to_string()
                    + "\n"
            })
            .collect();
        let path = temporary.path().join("predictions.jsonl");
        fs_err::write(&path, lines).unwrap();
        let theirs = reference(&script, &[&existing(&folder, "qa.jsonl"), &path]);
        let ours = score_answers(&dataset.questions, &answers);
        let all = [("all".to_owned(), ours.all)];
        let slices: Vec<_> = all.into_iter().chain(ours.by_language).collect();
        assert_eq!(slices.len(), theirs.len(), "{name}");
        for (slice, ours) in slices {
            let theirs = &theirs[&slice];
            assert_eq!(theirs["questions"], ours.n_questions, "{name} {slice}");
            assert!(
                close(ours.em, &theirs["em"]),
                "{name} {slice} {ours:?} {theirs}"
            );
            assert!(
                close(ours.f1, &theirs["f1"]),
                "{name} {slice} {ours:?} {theirs}"
            );
            assert!(
                close(ours.contains, &theirs["contains"]),
                "{name} {slice} {ours:?} {theirs}"
            );
            assert!(
                close(ours.citation_hit, &theirs["citation_hit"]),
                "{name} {slice}"
            );
        }
    }
}

#[test]
fn articles_are_left_out_in_all_languages_at_once() {
    let Some(data) = data() else { return };
    let dataset = read_dataset(&data.join("qa_xquad")).unwrap();
    let [first, second] = leave_out(&dataset);
    assert_eq!(
        first.documents.len() + second.documents.len(),
        dataset.documents.len()
    );
    let titles = |half: &cairn_eval::LeaveOut| -> std::collections::BTreeSet<String> {
        half.documents
            .iter()
            .map(|document| document.title.clone())
            .collect()
    };
    assert_eq!((titles(&first).len(), titles(&second).len()), (12, 12));
    assert!(titles(&first).is_disjoint(&titles(&second)));
    assert_eq!(first.answerable, second.unanswerable);
    assert_eq!(
        first.answerable.len() + second.answerable.len(),
        dataset.questions.len()
    );
}

#[test]
fn the_golden_set_of_the_examples_is_read() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let cases = read_golden(&examples.join("golden.jsonl")).unwrap();
    assert!(cases.iter().any(|case| case.expect.abstain));
    assert!(cases.iter().any(|case| case.expect.conflict));
    for case in &cases {
        for document in &case.expect.documents {
            assert!(
                examples.join("documents").join(document).is_file(),
                "{} {document}",
                case.id
            );
        }
    }
}
