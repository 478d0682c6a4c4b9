//! The default model, where `CAIRN_TEST_MODEL` names its wheel (or a folder with its files).

use std::path::PathBuf;
use std::sync::OnceLock;

use cairn_models::{
    InstalledModel, KernelChoice, LoadOptions, ModelStore, NativeEmbedder, Precision,
};
use cairn_types::ports::Embedder;

use crate::reference::Reference;
use crate::{cosine, kernels, load};

/// The installed model, once per run; `None` where the variable is missing.
fn installed() -> Option<&'static InstalledModel> {
    static MODEL: OnceLock<Option<(tempfile::TempDir, InstalledModel)>> = OnceLock::new();
    let model = MODEL.get_or_init(|| {
        let path = PathBuf::from(variable("CAIRN_TEST_MODEL")?);
        let dir = tempfile::tempdir().unwrap();
        let model = ModelStore::open(dir.path()).install_from(&path).unwrap();
        Some((dir, model))
    });
    if model.is_none() {
        assert_ne!(
            variable("CAIRN_TEST_REQUIRE").as_deref(),
            Some("1"),
            "CAIRN_TEST_MODEL is not set"
        );
        println!("SKIP CAIRN_TEST_MODEL is not set");
    }
    model.as_ref().map(|(_, model)| model)
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests of a real counterpart learn its place from the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

const TEXTS: [&str; 6] = [
    "how do I restart a service after changing its configuration",
    "Restart the service with `systemctl restart` once you have edited its settings file.",
    "Bake the bread at 220 degrees until the crust is brown, then let it cool on a rack for an hour.",
    "Die Rechnung ist innerhalb von dreißig Tagen zu zahlen.",
    "ok",
    "A contract of indefinite duration may be terminated by either party with three months' notice to the end of a quarter. \
     Notice must be given in writing. Where the contract has lasted for more than ten years, the period for notice by the \
     supplier is six months; this does not apply where the customer has failed to pay two consecutive invoices.",
];

#[test]
fn it_installs_with_a_passed_check() {
    let Some(model) = installed() else { return };
    assert_eq!(
        (model.name.as_str(), model.manifest.dim),
        ("all-MiniLM-L6-v2", 384)
    );
    assert_eq!(model.manifest.precision, Precision::Int8);
    let check = model.manifest.self_check.unwrap();
    println!("self-check: {check:?}");
    assert!(check.n_sentences == 20 && check.mean_cosine >= 0.998 && check.min_cosine >= 0.995);
    model.verify().unwrap();
}

#[test]
fn every_path_agrees_with_the_reference() {
    let Some(model) = installed() else { return };
    let reference = Reference::open(&model.dir, 256);
    let expect: Vec<_> = TEXTS.iter().map(|text| reference.embed(text)).collect();
    let mut by_path = Vec::new();
    for kernel in kernels(&model.dir) {
        for (precision, least) in [
            (Precision::F32, 0.999_999),
            (Precision::Bf16, 0.9999),
            (Precision::Int8, 0.996),
        ] {
            let got = load(&model.dir, kernel, precision, 2)
                .embed(&TEXTS)
                .unwrap();
            let cosines: Vec<f64> = got.iter().zip(&expect).map(|(a, b)| cosine(a, b)).collect();
            println!("{kernel:?} {precision:?}: {cosines:.6?}");
            assert!(cosines.iter().all(|cosine| *cosine >= least));
            by_path.push((precision, got));
        }
    }
    for (precision, got) in &by_path {
        let (_, first) = by_path
            .iter()
            .find(|(other, _)| other == precision)
            .unwrap();
        for (a, b) in first.iter().zip(got) {
            assert!(
                *precision == Precision::F32 || a == b,
                "{precision:?} differs between paths"
            );
        }
    }
}

#[test]
fn near_texts_are_near() {
    let Some(model) = installed() else { return };
    let embedder = NativeEmbedder::load(&model.dir, &LoadOptions::default()).unwrap();
    let vectors = embedder.embed(&TEXTS).unwrap();
    let (near, far) = (
        cosine(&vectors[0], &vectors[1]),
        cosine(&vectors[0], &vectors[2]),
    );
    assert!(near > 0.6 && far < 0.2, "near {near}, far {far}");
    assert_eq!(embedder.count_tokens(TEXTS[0]), 12);
    let options = LoadOptions {
        kernel: KernelChoice::Portable,
        ..LoadOptions::default()
    };
    assert_eq!(
        NativeEmbedder::load(&model.dir, &options).unwrap().space(),
        embedder.space()
    );
}

#[test]
fn tokens_are_counted_as_they_are_made() {
    let Some(model) = installed() else { return };
    let embedder = NativeEmbedder::load(&model.dir, &LoadOptions::default()).unwrap();
    let tokenizer =
        tokenizers::Tokenizer::from_bytes(fs_err::read(model.dir.join("tokenizer.json")).unwrap());
    let mut tokenizer = tokenizer.unwrap();
    tokenizer.with_padding(None).with_truncation(None).unwrap();
    let odd = [
        "supercalifragilisticexpialidocious, antidisestablishmentarianism; e.g. 3.14159-ish (v2.0.1)",
        "naïve café – “quoted” … 東京タワー and Ελλάδα's own №5",
        "if (a[i]!=b->c){return 0x7f;} // done\r\n\tEND",
    ];
    for text in TEXTS.iter().chain(&odd) {
        let made = tokenizer.encode(*text, true).unwrap().len();
        assert_eq!(embedder.count_tokens(text), made, "`{text}`");
    }
}

#[test]
fn every_path_agrees_with_pytorch() {
    let Some(model) = installed() else { return };
    let stored: crate::stored::Stored =
        serde_json::from_str(include_str!("data/minilm.json")).unwrap();
    let least = [
        (Precision::F32, 0.999_999),
        (Precision::Bf16, 0.9999),
        (Precision::Int8, 0.996),
    ];
    stored.check(&model.dir, least);
}
