//! Every target on its seeds, and on each of them cut short and with bytes changed: a quick look without an engine.

use cairn_fuzz::{TARGETS, documents_below, from_document, made};

#[test]
fn targets_hold_on_seeds_and_near_them() {
    let documents = documents_below(&cairn_testkit::examples_dir()).unwrap();
    for target in TARGETS {
        let mut seeds = made(target.name);
        for document in &documents {
            let ending = document.extension().unwrap_or_default().to_string_lossy();
            if seeds.len() < 6 && target.endings.contains(&&*ending) {
                seeds.extend(from_document(
                    target,
                    &ending,
                    &fs_err::read(document).unwrap(),
                ));
            }
        }
        assert!(!seeds.is_empty(), "{}", target.name);
        for seed in &seeds {
            (target.run)(seed);
            let step = (seed.len() / 5).max(1);
            for at in (0..seed.len()).step_by(step) {
                (target.run)(&seed[..at]);
                let mut changed = seed.clone();
                changed[at] ^= 0x41;
                (target.run)(&changed);
            }
        }
    }
}
