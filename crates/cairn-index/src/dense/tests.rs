//! The dense arm against a plain model: random changes, filters, reopening, damaged files.

use std::path::PathBuf;

use half::f16;
use proptest::prelude::*;

use super::kernel::Kernel;
use super::query::PreparedQuery;
use super::upkeep::MAX_SEGMENTS;
use super::*;
use cairn_types::{ErrorKind, HasKind};

const DIM: usize = 24;

struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn value(&mut self) -> f32 {
        self.next() as f32 / 1_073_741_824.0 - 1.0
    }

    fn vector(&mut self) -> Vec<f32> {
        (0..DIM).map(|_| self.value()).collect()
    }
}

fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector
        .iter()
        .flat_map(|value| f16::from_f32(*value).to_le_bytes())
        .collect()
}

/// Every row scored by the portable kernel and sorted.
fn brute_force(
    model: &BTreeMap<u32, Vec<u8>>,
    query: &[f32],
    allowed: &RoaringBitmap,
    k: usize,
) -> Vec<(ChunkNo, f32)> {
    let prepared = PreparedQuery::new(query, None).expect("finite");
    let mut all: Vec<(ChunkNo, f32)> = model
        .iter()
        .filter(|(no, _)| allowed.contains(**no))
        .map(|(no, row)| (ChunkNo(*no), Kernel::Portable.dot_f16(row, &prepared)))
        .collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all.truncate(k);
    all
}

fn fill(index: &mut DenseIndex, model: &mut BTreeMap<u32, Vec<u8>>, nos: &[u32], rng: &mut Lcg) {
    let rows: Vec<(ChunkNo, Vec<u8>)> = nos
        .iter()
        .map(|no| (ChunkNo(*no), to_bytes(&rng.vector())))
        .collect();
    let borrowed: Vec<(ChunkNo, &[u8])> =
        rows.iter().map(|(no, row)| (*no, row.as_slice())).collect();
    index.append(&borrowed).expect("append");
    model.extend(rows.into_iter().map(|(no, row)| (no.0, row)));
}

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<u32>),
    Remove(Vec<u32>),
    Commit,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let nos = || proptest::collection::vec(0_u32..300, 1..60);
    proptest::collection::vec(
        prop_oneof![
            4 => nos().prop_map(Step::Append),
            2 => nos().prop_map(Step::Remove),
            4 => Just(Step::Commit),
            1 => Just(Step::Reopen),
        ],
        1..40,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn equals_brute_force_under_random_changes(steps in steps(), seed in any::<u64>()) {
        let dir = tempfile::tempdir().expect("folder");
        let mut index = DenseIndex::open(dir.path(), DIM, "space").expect("open");
        let (mut pending, mut committed) = (BTreeMap::new(), BTreeMap::new());
        let mut rng = Lcg(seed);
        let mut seq = 0;
        for step in steps {
            match step {
                Step::Append(nos) => fill(&mut index, &mut pending, &nos, &mut rng),
                Step::Remove(nos) => {
                    index.remove(&nos.iter().copied().collect());
                    pending.retain(|no, _| !nos.contains(no));
                }
                Step::Commit => {
                    seq += 1;
                    index.commit(Seq(seq)).expect("commit");
                    committed.clone_from(&pending);
                }
                Step::Reopen => {
                    drop(index);
                    index = DenseIndex::open(dir.path(), DIM, "space").expect("open");
                    pending.clone_from(&committed);
                }
            }
            prop_assert_eq!(index.applied(), Seq(seq));
            let snapshot = index.snapshot();
            prop_assert_eq!(snapshot.n_vectors(), committed.len() as u64);
            let query = rng.vector();
            let mask = rng.next();
            let allowed: RoaringBitmap =
                (0..300).filter(|no| mask >> (no % 7) & 1 == 1 || no % 5 == 0).collect();
            let expected = brute_force(&committed, &query, &allowed, 10);
            for kernel in Kernel::available() {
                for recall in [Recall::Exact, Recall::default()] {
                    let found = snapshot.search_on(kernel, &query, &allowed, 10, recall);
                    prop_assert_eq!(&found.expect("search").0, &expected);
                }
            }
            if let Some((no, score)) = expected.last() {
                let rank = snapshot.rank_of(&query, &allowed, *no).expect("rank");
                prop_assert_eq!(rank, Some((expected.len() as u64, *score)));
                let scores = snapshot.scores_of(&query, &[*no, ChunkNo(999)]).expect("scores");
                prop_assert_eq!(scores, vec![Some(*score), None]);
            }
        }
    }
}

#[test]
fn many_small_commits_stay_few_segments_and_dead_rows_go() {
    let dir = tempfile::tempdir().expect("folder");
    let mut index = DenseIndex::open(dir.path(), DIM, "space").expect("open");
    let (mut model, mut rng) = (BTreeMap::new(), Lcg(3));
    for seq in 0..100 {
        let nos = [seq * 3, seq * 3 + 1, seq * 3 + 2];
        fill(&mut index, &mut model, &nos, &mut rng);
        index.commit(Seq(u64::from(seq) + 1)).expect("commit");
        assert!(index.snapshot().n_segments() <= 25, "after commit {seq}");
    }
    index.settle();
    assert!(index.snapshot().n_segments() <= MAX_SEGMENTS);
    let old = index.snapshot();
    let all: RoaringBitmap = (0..300).collect();
    index.remove(&(0..200).collect());
    index.commit(Seq(101)).expect("commit");
    assert_eq!(index.snapshot().n_vectors(), 100, "at once");
    index.settle();
    let parts = index.snapshot().parts();
    let kept: usize = parts.iter().map(|part| part.segment.n_rows()).sum();
    assert!(
        kept <= 143,
        "100 living rows and at most 30 % dead ones, not {kept}"
    );
    let n_files = fs_err::read_dir(dir.path()).expect("folder").count();
    assert_eq!(n_files, parts.len() + 1, "replaced files are deleted");
    let query = rng.vector();
    assert_eq!(
        old.search(&query, &all, 300).expect("search"),
        brute_force(&model, &query, &all, 300),
        "an old snapshot still shows what it showed"
    );
}

#[test]
fn what_dies_while_segments_are_joined_stays_dead() {
    let dir = tempfile::tempdir().expect("folder");
    let mut index = DenseIndex::open(dir.path(), DIM, "space").expect("open");
    let (mut model, mut rng) = (BTreeMap::new(), Lcg(17));
    for seq in 0..400_u32 {
        let nos: Vec<u32> = (seq * 20..seq * 20 + 40).collect();
        fill(&mut index, &mut model, &nos, &mut rng);
        let gone = RoaringBitmap::from_iter([seq * 7, seq * 20 + 1]);
        index.remove(&gone);
        model.retain(|no, _| !gone.contains(*no));
        index.commit(Seq(u64::from(seq) + 1)).expect("commit");
        let snapshot = index.snapshot();
        assert_eq!(
            snapshot.n_vectors(),
            model.len() as u64,
            "after commit {seq}"
        );
        if seq % 50 == 49 {
            let query = rng.vector();
            let all = (0..10_000).collect();
            assert_eq!(
                snapshot.search(&query, &all, 5).expect("search"),
                brute_force(&model, &query, &all, 5)
            );
            assert_eq!(snapshot.chunk_nos(), model.keys().copied().collect());
        }
    }
    index.settle();
    drop(index);
    let index = DenseIndex::open(dir.path(), DIM, "space").expect("open");
    assert_eq!(
        index.snapshot().chunk_nos(),
        model.keys().copied().collect()
    );
}

#[test]
fn ties_break_by_chunk_number() {
    let dir = tempfile::tempdir().expect("folder");
    let mut index = DenseIndex::open(dir.path(), DIM, "space").expect("open");
    let row = to_bytes(&[0.5; DIM]);
    for (seq, nos) in [[9, 4], [7, 1], [5, 3]].iter().enumerate() {
        let rows: Vec<(ChunkNo, &[u8])> = nos.iter().map(|no| (ChunkNo(*no), &row[..])).collect();
        index.append(&rows).expect("append");
        index.commit(Seq(seq as u64 + 1)).expect("commit");
    }
    let found = index
        .snapshot()
        .search(&[1.0; DIM], &(0..10).collect(), 4)
        .expect("search");
    assert_eq!(
        found.iter().map(|hit| hit.0.0).collect::<Vec<_>>(),
        [1, 3, 4, 5]
    );
}

#[test]
fn another_space_or_dimension_is_invalid() {
    let dir = tempfile::tempdir().expect("folder");
    let mut index = DenseIndex::open(dir.path(), DIM, "space").expect("open");
    index.commit(Seq(1)).expect("commit");
    for (dim, space) in [(DIM, "other"), (DIM + 1, "space")] {
        let error = DenseIndex::open(dir.path(), dim, space).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    for bytes in [vec![0; 3], vec![0; DIM * 2 + 2], to_bytes(&[f32::NAN; DIM])] {
        let error = index.append(&[(ChunkNo(1), &bytes)]).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    for query in [vec![0.0; DIM - 1], vec![f32::NAN; DIM]] {
        let error = index
            .snapshot()
            .search(&query, &RoaringBitmap::new(), 1)
            .expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}

#[test]
fn files_left_over_by_a_crash_are_ignored_and_deleted() {
    let dir = tempfile::tempdir().expect("folder");
    let mut index = DenseIndex::open(dir.path(), DIM, "space").expect("open");
    let (mut model, mut rng) = (BTreeMap::new(), Lcg(5));
    fill(&mut index, &mut model, &[1, 2, 3], &mut rng);
    index.commit(Seq(1)).expect("commit");
    let torn = dir.path().join("segment-2.vec");
    fs_err::write(&torn, b"half a segm").expect("write");
    fs_err::write(dir.path().join("manifest.tmp"), b"cairn-de").expect("write");
    let index = DenseIndex::open(dir.path(), DIM, "space").expect("open");
    assert_eq!((index.applied(), index.snapshot().n_vectors()), (Seq(1), 3));
    assert!(!torn.exists());
}

#[test]
fn any_flipped_byte_or_cut_is_found() {
    let dir = tempfile::tempdir().expect("folder");
    let mut index = DenseIndex::open(dir.path(), DIM, "space").expect("open");
    let (mut model, mut rng) = (BTreeMap::new(), Lcg(11));
    // Enough rows for a segment with codes, and so many components that it is small all the same.
    let nos: Vec<u32> = (0..1024).collect();
    fill(&mut index, &mut model, &nos, &mut rng);
    index.commit(Seq(1)).expect("commit");
    fill(&mut index, &mut model, &[2000], &mut rng);
    index.remove(&(0..3).collect());
    index.commit(Seq(2)).expect("commit");
    assert!(index.snapshot().parts()[0].segment.codes().is_some());
    drop(index);
    let files: Vec<PathBuf> = fs_err::read_dir(dir.path())
        .expect("folder")
        .map(|entry| entry.expect("entry").path())
        .collect();
    assert_eq!(files.len(), 3);
    for file in files {
        let whole = fs_err::read(&file).expect("read");
        let check = |bytes: &[u8], what: &str| {
            fs_err::write(&file, bytes).expect("write");
            let error = DenseIndex::open(dir.path(), DIM, "space").expect_err(what);
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
        };
        // Every byte of the small files; of the large one those of every kind of section.
        let step = whole.len() / 700 + 1;
        for at in (0..whole.len()).step_by(step) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            check(&bytes, &format!("flipped byte {at} of {}", file.display()));
        }
        for length in (0..whole.len()).step_by(step * 7) {
            check(
                &whole[..length],
                &format!("{} cut at {length}", file.display()),
            );
        }
        fs_err::write(&file, &whole).expect("write");
    }
    let index = DenseIndex::open(dir.path(), DIM, "space").expect("open");
    assert_eq!(index.snapshot().n_vectors(), 1022);
}

#[test]
fn more_equal_rows_than_the_list_of_candidates_holds() {
    let dir = tempfile::tempdir().expect("folder");
    let mut index = DenseIndex::open(dir.path(), 4, "space").expect("open");
    let (low, high) = (to_bytes(&[0.25; 4]), to_bytes(&[0.5; 4]));
    let rows: Vec<(ChunkNo, &[u8])> = (0..30_000)
        .map(|no| (ChunkNo(no), if no % 2 == 0 { &low[..] } else { &high[..] }))
        .collect();
    index.append(&rows).expect("append");
    index.commit(Seq(1)).expect("commit");
    let all = (0..30_000).collect();
    for k in [1, 3000, 20_000] {
        let found = index.snapshot().search(&[1.0; 4], &all, k).expect("search");
        let expected: Vec<(ChunkNo, f32)> = (0..15_000)
            .map(|at| (ChunkNo(at * 2 + 1), 2.0))
            .chain((0..15_000).map(|at| (ChunkNo(at * 2), 1.0)))
            .take(k)
            .collect();
        assert_eq!(found, expected, "k {k}");
    }
}

#[test]
fn after_a_loss_of_power_the_durable_state_holds() {
    let dir = tempfile::tempdir().expect("folder");
    let file = |name: &str| dir.path().join(name);
    let mut index = DenseIndex::open(dir.path(), DIM, "space").expect("open");
    let (mut model, mut rng) = (BTreeMap::new(), Lcg(29));
    let mut manifests = Vec::new();
    for no in [1, 2] {
        fill(&mut index, &mut model, &[no], &mut rng);
        index.commit(Seq(u64::from(no))).expect("commit");
        index.settle();
        assert!(
            !file("manifest.latest").exists(),
            "the durable one is as new"
        );
        manifests.push(fs_err::read(file("manifest")).expect("read"));
    }
    drop(index);
    let segment = fs_err::read(file("segment-2.vec")).expect("read");
    // As it is when power fails between a commit and its becoming durable, with what may have reached the disk.
    let cut = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    for (latest, segment, expected) in [
        (Some(manifests[1].clone()), Some(segment.clone()), 2),
        (Some(manifests[1].clone()), Some(cut(&segment)), 1),
        (Some(manifests[1].clone()), None, 1),
        (Some(cut(&manifests[1])), Some(segment.clone()), 1),
        (Some(Vec::new()), Some(segment.clone()), 1),
        (None, Some(segment.clone()), 1),
        (Some(manifests[0].clone()), None, 1),
    ] {
        fs_err::write(file("manifest"), &manifests[0]).expect("write");
        for (name, bytes) in [("manifest.latest", latest), ("segment-2.vec", segment)] {
            match bytes {
                Some(bytes) => fs_err::write(file(name), bytes).expect("write"),
                None => drop(fs_err::remove_file(file(name))),
            }
        }
        let mut index = DenseIndex::open(dir.path(), DIM, "space").expect("open");
        let snapshot = index.snapshot();
        assert_eq!(
            (snapshot.applied().0, snapshot.n_vectors()),
            (expected, expected)
        );
        // It goes on from there.
        fill(&mut index, &mut model, &[7], &mut rng);
        index.commit(Seq(9)).expect("commit");
        drop(index);
        let index = DenseIndex::open(dir.path(), DIM, "space").expect("open");
        assert_eq!(index.snapshot().n_vectors(), expected + 1);
        index.snapshot().parts().iter().skip(1).for_each(|part| {
            fs_err::remove_file(layout::path_of(dir.path(), part.segment.id())).expect("removed");
        });
    }
}

#[test]
fn an_index_of_an_older_format_is_to_be_rebuilt() {
    let dir = tempfile::tempdir().expect("folder");
    fs_err::write(dir.path().join("manifest"), "cairn-dense-1 00000000\n{}").expect("write");
    let error = DenseIndex::open(dir.path(), DIM, "space").expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(
        error.to_string().contains("format `cairn-dense-2`"),
        "{error}"
    );
}

/// Rows around some points, as topics are, or in all directions.
fn rows_of_topics(rng: &mut Lcg, n_rows: usize, n_topics: usize) -> Vec<Vec<f32>> {
    let dim = 96;
    let mut direction = |length: f32| -> Vec<f32> {
        (0..dim)
            .map(|_| (0..4).map(|_| rng.value()).sum::<f32>() * length)
            .collect()
    };
    let topics: Vec<Vec<f32>> = (0..n_topics).map(|_| direction(1.0)).collect();
    (0..n_rows)
        .map(|row| {
            let mut vector = direction(0.5);
            if let Some(topic) = topics.get(row % n_topics.max(1)) {
                vector.iter_mut().zip(topic).for_each(|(v, t)| *v += t);
            }
            let norm = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
            vector.iter().map(|v| v / norm).collect()
        })
        .collect()
}

#[test]
fn recall_is_what_was_asked_for_on_topics_and_on_noise() {
    for n_topics in [0, 60] {
        let mut rng = Lcg(23);
        let mut rows = rows_of_topics(&mut rng, 12_040, n_topics);
        let queries = rows.split_off(12_000);
        let dir = tempfile::tempdir().expect("folder");
        let mut index = DenseIndex::open(dir.path(), 96, "space").expect("open");
        let bytes: Vec<Vec<u8>> = rows.iter().map(|row| to_bytes(row)).collect();
        for (seq, part) in bytes.chunks(4_000).enumerate() {
            let part: Vec<(ChunkNo, &[u8])> = part
                .iter()
                .enumerate()
                .map(|(at, row)| (ChunkNo((seq * 4_000 + at) as u32), row.as_slice()))
                .collect();
            index.append(&part).expect("append");
            index.commit(Seq(seq as u64 + 1)).expect("commit");
        }
        let snapshot = index.snapshot();
        let all: RoaringBitmap = (0..12_000).collect();
        let search = |kernel, query: &[f32], recall| {
            snapshot
                .search_on(kernel, query, &all, 10, recall)
                .expect("search")
        };
        let model = bytes
            .iter()
            .enumerate()
            .map(|(no, row)| (no as u32, row.clone()))
            .collect();
        for (asked, floor) in [(0.9, 0.95), (0.999, 0.995)] {
            let mut n_found = 0;
            for query in &queries {
                let exact = brute_force(&model, query, &all, 10);
                assert_eq!(search(Kernel::detect(), query, Recall::Exact).0, exact);
                let (found, cost) = search(Kernel::detect(), query, Recall::AtLeast(asked));
                assert_eq!(cost.n_one_bit, 12_000, "the scan is what is measured");
                assert!(cost.n_four_bit < 12_000, "it spares work");
                for kernel in Kernel::available() {
                    let other = search(kernel, query, Recall::AtLeast(asked));
                    assert_eq!(other, (found.clone(), cost), "{kernel:?}");
                }
                n_found += found.iter().filter(|hit| exact.contains(hit)).count();
            }
            let recall = n_found as f32 / (queries.len() * 10) as f32;
            assert!(
                recall >= floor,
                "{recall} where {asked} was asked, {n_topics} topics"
            );
        }
    }
}

/// Copies of one vector are their segment's centre, so their codes have no error that would cover rounding.
#[test]
fn many_copies_of_a_vector_are_found() {
    let mut rng = Lcg(11);
    for _ in 0..4 {
        let dir = tempfile::tempdir().expect("folder");
        let mut index = DenseIndex::open(dir.path(), DIM, "space").expect("open");
        let row = to_bytes(&rng.vector());
        let rows: Vec<(ChunkNo, &[u8])> = (0..10_000).map(|no| (ChunkNo(no), &row[..])).collect();
        index.append(&rows).expect("append");
        index.commit(Seq(1)).expect("commit");
        let snapshot = index.snapshot();
        let all = (0..10_000).collect();
        for asked in 0..100 {
            let found = snapshot.search(&rng.vector(), &all, 3).expect("search");
            let nos: Vec<u32> = found.iter().map(|hit| hit.0.0).collect();
            assert_eq!(nos, [0, 1, 2], "query {asked}");
        }
    }
}
