//! The lexical arm against a plain model: random changes, filters, reopening, damaged files.

use std::collections::{BTreeMap, BTreeSet};

use cairn_testkit::Random;
use cairn_types::{ChunkNo, ErrorKind, HasKind};
use proptest::prelude::*;

use super::score::{Bm25, idf};
use super::*;
use crate::analyse::{self, DocumentTerms};

/// A chunk of the model: title and text in English.
type Model = BTreeMap<u32, (String, String)>;

fn add(index: &mut LexicalIndex, model: &mut Model, no: u32, title: &str, text: &str) {
    let doc = LexicalDoc {
        chunk_no: ChunkNo(no),
        title,
        heading_path: "",
        text,
        lang: Some("en"),
    };
    index.add(&doc).expect("add");
    model.insert(no, (title.to_owned(), text.to_owned()));
}

/// BM25 computed from the texts, without an index.
fn brute_force(model: &Model, query: &str, allowed: &RoaringBitmap) -> Vec<(ChunkNo, f32)> {
    Exhaustive::new(model).search(query, allowed)
}

/// The terms of a model's chunks.
struct Exhaustive {
    analysed: Vec<(u32, DocumentTerms, DocumentTerms)>,
    mean: f32,
}

impl Exhaustive {
    fn new(model: &Model) -> Self {
        let analysed: Vec<(u32, DocumentTerms, DocumentTerms)> = model
            .iter()
            .map(|(no, (title, text))| {
                let terms = |text: &str| analyse::analyse_document(text, Some("en"));
                (*no, terms(title), terms(text))
            })
            .collect();
        let (heads, texts) = analysed.iter().fold((0, 0), |sum, (_, head, text)| {
            (sum.0 + head.length, sum.1 + text.length)
        });
        let mean = (f64::from(Bm25::DEFAULT.head_weight) * f64::from(heads) + f64::from(texts))
            / analysed.len().max(1) as f64;
        let mean = mean.max(1.0) as f32;
        Self { analysed, mean }
    }

    /// Every chunk with a word of the question, best first.
    fn search(&self, query: &str, allowed: &RoaringBitmap) -> Vec<(ChunkNo, f32)> {
        let bm25 = Bm25::DEFAULT;
        let frequency = |held: &DocumentTerms, term: &analyse::QueryTerm| {
            held.terms
                .iter()
                .filter(|held| term.forms.iter().any(|form| form.term == **held))
                .count() as f32
        };
        let mut scores = vec![0.0; self.analysed.len()];
        for term in analyse::analyse_query(query) {
            let sums: Vec<f32> = self
                .analysed
                .iter()
                .map(|(_, head, text)| {
                    bm25.head_weight * frequency(head, &term) + frequency(text, &term)
                })
                .collect();
            let n_with = sums.iter().filter(|sum| **sum > 0.0).count() as u64;
            let weight = idf(n_with, self.analysed.len() as u64) * term.count as f32;
            for ((sum, score), (_, head, text)) in sums.iter().zip(&mut scores).zip(&self.analysed)
            {
                let norm = bm25.norm(bm25.length(head.length, text.length), self.mean);
                if *sum > 0.0 {
                    *score += weight * bm25.saturate(*sum, norm);
                }
            }
        }
        let scored = self.analysed.iter().zip(scores);
        let mut hits: Vec<(ChunkNo, f32)> = scored
            .filter(|((no, ..), score)| *score > 0.0 && allowed.contains(*no))
            .map(|((no, ..), score)| (ChunkNo(*no), score))
            .collect();
        hits.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        hits
    }
}

const WORDS: [&str; 12] = [
    "wing",
    "wings",
    "flow",
    "flows",
    "heat",
    "shock",
    "wave",
    "plate",
    "the",
    "of",
    "3.5",
    "東京都",
];

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(0..WORDS.len(), 0..12).prop_map(|words| {
        words
            .into_iter()
            .map(|at| WORDS[at])
            .collect::<Vec<_>>()
            .join(" ")
    })
}

#[derive(Debug, Clone)]
enum Step {
    Add(u32, String, String),
    Remove(BTreeSet<u32>),
    Commit,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(
        prop_oneof![
            8 => (0_u32..40, text(), text()).prop_map(|(no, title, text)| Step::Add(no, title, text)),
            2 => proptest::collection::btree_set(0_u32..40, 1..10).prop_map(Step::Remove),
            3 => Just(Step::Commit),
            1 => Just(Step::Reopen),
        ],
        1..40,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn equals_brute_force_under_random_changes(steps in steps(), query in text(), odd in any::<bool>()) {
        let dir = tempfile::tempdir().expect("folder");
        let mut index = LexicalIndex::open(dir.path()).expect("open");
        let (mut pending, mut committed) = (Model::new(), Model::new());
        let mut seq = 0;
        let allowed: RoaringBitmap = (0..40).filter(|no| no % 2 == 1 || !odd).collect();
        for step in steps {
            match step {
                Step::Add(no, title, text) => add(&mut index, &mut pending, no, &title, &text),
                Step::Remove(nos) => {
                    index.remove(&nos.iter().copied().collect()).expect("remove");
                    pending.retain(|no, _| !nos.contains(no));
                }
                Step::Commit => {
                    seq += 1;
                    index.commit(Seq(seq)).expect("commit");
                    committed.clone_from(&pending);
                }
                Step::Reopen => {
                    drop(index);
                    index = LexicalIndex::open(dir.path()).expect("open");
                    pending.clone_from(&committed);
                }
            }
            prop_assert_eq!(index.applied(), Seq(seq));
        }
        let snapshot = index.snapshot();
        prop_assert_eq!(snapshot.n_chunks(), committed.len() as u64);
        let parsed = LexicalQuery::new(&query);
        let expected = brute_force(&committed, &query, &allowed);
        let found = snapshot.search(&parsed, &allowed, 100).expect("search");
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(
            snapshot.search(&parsed, &allowed, 3).expect("search"),
            &expected[..expected.len().min(3)]
        );
        for (no, score) in &expected {
            prop_assert_eq!(
                snapshot.scores_of(&parsed, &[*no, ChunkNo(99)]).expect("scores"),
                vec![Some(*score), None]
            );
        }
    }
}

/// Three commits, of which the last one deletes.
fn small_index(dir: &Path) -> Model {
    let mut index = LexicalIndex::open(dir).expect("open");
    let mut model = Model::new();
    add(
        &mut index,
        &mut model,
        1,
        "Heat",
        "heat transfer over a flat plate",
    );
    add(
        &mut index,
        &mut model,
        2,
        "Shock",
        "shock waves in supersonic flow",
    );
    index.commit(Seq(1)).expect("commit");
    add(
        &mut index,
        &mut model,
        3,
        "Wings",
        "the wing of an aircraft in a flow",
    );
    index.commit(Seq(2)).expect("commit");
    index.remove(&[2].into_iter().collect()).expect("remove");
    model.remove(&2);
    index.commit(Seq(3)).expect("commit");
    model
}

#[test]
fn words_weigh_by_living_chunks() {
    let dir = tempfile::tempdir().expect("folder");
    small_index(dir.path());
    let snapshot = LexicalIndex::open(dir.path()).expect("open").snapshot();
    let weights = snapshot
        .idf(&LexicalQuery::new("Flows of unicorns: a wing"))
        .expect("idf");
    let words: Vec<&str> = weights.iter().map(|(word, _)| word.as_str()).collect();
    assert_eq!(words, ["flows", "of", "unicorns", "a", "wing"]);
    assert_eq!(weights[0].1, idf(1, 2), "the deleted chunk does not count");
    assert_eq!(weights[2].1, idf(0, 2));
    assert_eq!(weights[3].1, idf(2, 2));
}

#[test]
fn a_snapshot_stays_as_it_was() {
    let dir = tempfile::tempdir().expect("folder");
    let model = small_index(dir.path());
    let mut index = LexicalIndex::open(dir.path()).expect("open");
    let old = index.snapshot();
    let all: RoaringBitmap = (0..10).collect();
    index.remove(&all).expect("remove");
    index.commit(Seq(4)).expect("commit");
    let query = LexicalQuery::new("heat flow");
    assert_eq!(
        old.search(&query, &all, 9).expect("search"),
        brute_force(&model, "heat flow", &all)
    );
    assert!(
        index
            .snapshot()
            .search(&query, &all, 9)
            .expect("search")
            .is_empty()
    );
}

#[test]
fn any_flipped_byte_or_cut_is_found_or_harmless() {
    let dir = tempfile::tempdir().expect("folder");
    let model = small_index(dir.path());
    let all: RoaringBitmap = (0..10).collect();
    let expected = brute_force(&model, "heat flow wing", &all);
    let files: Vec<PathBuf> = fs_err::read_dir(dir.path())
        .expect("folder")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_none_or(|ending| ending != "lock"))
        .collect();
    assert!(files.len() > 5, "{files:?}");
    let mut n_found = 0;
    let mut check = |file: &Path, bytes: &[u8], what: &str| {
        let copy = tempfile::tempdir().expect("folder");
        for other in &files {
            let name = other.file_name().expect("name");
            fs_err::copy(other, copy.path().join(name)).expect("copy");
        }
        fs_err::write(copy.path().join(file.file_name().expect("name")), bytes).expect("write");
        match LexicalIndex::open(copy.path()) {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
                n_found += 1;
            }
            Ok(index) => {
                let query = LexicalQuery::new("heat flow wing");
                let found = index.snapshot().search(&query, &all, 9).expect(what);
                assert_eq!(
                    (found, index.applied()),
                    (expected.clone(), Seq(3)),
                    "{what}"
                );
            }
        }
    };
    for file in &files {
        let whole = fs_err::read(file).expect("read");
        // Every byte of the small files, some of the large ones.
        let step = whole.len().div_ceil(200).max(1);
        for at in (0..whole.len()).step_by(step) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 7);
            check(
                file,
                &bytes,
                &format!("flipped byte {at} of {}", file.display()),
            );
        }
        for length in (0..whole.len()).step_by(step * 9) {
            check(
                file,
                &whole[..length],
                &format!("{} cut at {length}", file.display()),
            );
        }
    }
    assert!(n_found > 100, "only {n_found} damages were found");
}

#[test]
fn results_do_not_depend_on_history() {
    let text = |no: u32| {
        (0..30)
            .map(|at| WORDS[((no * 7 + at * at + no * at) % 11) as usize])
            .collect::<Vec<_>>()
            .join(" ")
    };
    let (once, grown) = (
        tempfile::tempdir().expect("folder"),
        tempfile::tempdir().expect("folder"),
    );
    let mut model = Model::new();
    let mut straight = LexicalIndex::open(once.path()).expect("open");
    for no in 0..400 {
        add(&mut straight, &mut model, no, "Heat", &text(no));
    }
    straight.commit(Seq(1)).expect("commit");
    let mut index = LexicalIndex::open(grown.path()).expect("open");
    for (seq, nos) in [400..600, 200..400, 0..250].into_iter().enumerate() {
        for no in nos {
            add(&mut index, &mut model, no, "Shock", "of another text");
        }
        index.commit(Seq(seq as u64 + 1)).expect("commit");
    }
    for no in (0..400).rev() {
        add(&mut index, &mut model, no, "Heat", &text(no));
        if no % 40 == 0 {
            index.commit(Seq(1000 - u64::from(no))).expect("commit");
        }
    }
    index.remove(&(400..600).collect()).expect("remove");
    index.commit(Seq(2000)).expect("commit");
    for query in [
        "wing",
        "heat shock of the wave",
        "東京 3.5",
        "flows flows unknown",
    ] {
        let parsed = LexicalQuery::new(query);
        for allowed in [
            (0..1000).collect(),
            (0..400).step_by(3).collect(),
            [7, 211].into_iter().collect::<RoaringBitmap>(),
        ] {
            let expected = straight
                .snapshot()
                .search(&parsed, &allowed, 50)
                .expect("search");
            assert!(!expected.is_empty(), "{query}");
            assert_eq!(
                index
                    .snapshot()
                    .search(&parsed, &allowed, 50)
                    .expect("search"),
                expected
            );
            let nos: Vec<ChunkNo> = expected.iter().map(|hit| hit.0).collect();
            let scores: Vec<Option<f32>> = expected.iter().map(|hit| Some(hit.1)).collect();
            assert_eq!(
                index.snapshot().scores_of(&parsed, &nos).expect("scores"),
                scores
            );
        }
    }
}

/// A word whose frequency falls with its number, as Zipf says; the first ones stand in nearly every text.
fn zipf_word(random: &mut Random) -> String {
    let at = (1.0 / (1.0 - f64::from(random.signed_unit().abs()) * 0.995)) as usize;
    format!("word{}", at.min(150))
}

/// Chunks of which `n_words` are drawn, some of them as long as several others.
fn zipf_text(random: &mut Random) -> String {
    let n_words = if random.one_in(9) {
        120
    } else {
        5 + random.below(30)
    };
    (0..n_words)
        .map(|_| zipf_word(random))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Over several windows and segments, with deletions, filters of all widths and any number of results.
#[test]
fn pruned_results_are_those_of_scoring_everything() {
    for seed in 0..4 {
        let mut random = Random::seeded(seed);
        let dir = tempfile::tempdir().expect("folder");
        let mut index = LexicalIndex::open(dir.path()).expect("open");
        let mut model = Model::new();
        let n_chunks = 3_000 + random.below(4_000) as u32;
        let mut nos: Vec<u32> = (0..n_chunks).collect();
        if seed % 2 == 1 {
            random.shuffle(&mut nos);
        }
        for (seq, part) in nos
            .chunks(n_chunks as usize / (1 + seed as usize) + 1)
            .enumerate()
        {
            for &no in part {
                let title = if random.one_in(3) {
                    zipf_word(&mut random)
                } else {
                    String::new()
                };
                add(&mut index, &mut model, no, &title, &zipf_text(&mut random));
            }
            index.commit(Seq(seq as u64 + 1)).expect("commit");
        }
        if seed > 0 {
            // Deleted, and replaced by another text.
            let removed: RoaringBitmap = nos.iter().copied().filter(|_| random.one_in(5)).collect();
            index.remove(&removed).expect("remove");
            model.retain(|no, _| !removed.contains(*no));
            for _ in 0..200 {
                let no = random.below(n_chunks as usize) as u32;
                add(&mut index, &mut model, no, "word7", &zipf_text(&mut random));
            }
            index.commit(Seq(100)).expect("commit");
        }
        let snapshot = index.snapshot();
        let exhaustive = Exhaustive::new(&model);
        let half = n_chunks / 2;
        let filters: [RoaringBitmap; 6] = [
            (0..n_chunks + 9).collect(),
            (0..n_chunks).filter(|_| random.one_in(10)).collect(),
            (0..n_chunks).filter(|_| random.one_in(300)).collect(),
            (half - 300..half + 300).collect(),
            (0..n_chunks).filter(|_| !random.one_in(50)).collect(),
            [random.below(n_chunks as usize) as u32]
                .into_iter()
                .collect(),
        ];
        for round in 0..24 {
            let n_words = 1 + random.below(12);
            let mut words: Vec<String> = (0..n_words).map(|_| zipf_word(&mut random)).collect();
            if round % 3 == 0 {
                words.push("nowhere".to_owned());
                words.push(format!("word{}", 20 + random.below(130)));
            }
            let query = words.join(" ");
            let parsed = LexicalQuery::new(&query);
            let allowed = &filters[round % filters.len()];
            let expected = exhaustive.search(&query, allowed);
            for k in [1, 10, 200, n_chunks as usize * 2] {
                assert_eq!(
                    snapshot.search(&parsed, allowed, k).expect("search"),
                    &expected[..expected.len().min(k)],
                    "seed {seed}, k {k}: {query}"
                );
            }
            let some: Vec<ChunkNo> = expected.iter().step_by(7).map(|hit| hit.0).collect();
            let scores: Vec<Option<f32>> =
                expected.iter().step_by(7).map(|hit| Some(hit.1)).collect();
            assert_eq!(snapshot.scores_of(&parsed, &some).expect("scores"), scores);
        }
    }
}
