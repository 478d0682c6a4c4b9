//! The models that Cairn knows by the hashes of their files.
//!
//! A revision is pinned, so the same bytes come from the hub, from a package and from a folder that somebody carried over.

use crate::manifest::Pooling;

/// Models that install without further questions; the first one is the default.
pub const KNOWN_MODELS: &[KnownModel] = &[KnownModel {
    name: "all-MiniLM-L6-v2",
    repo: "sentence-transformers/all-MiniLM-L6-v2",
    revision: "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
    licence: "Apache-2.0",
    dim: 384,
    max_tokens: 256,
    pooling: Pooling::Mean,
    files: &[
        KnownFile {
            name: "model.safetensors",
            sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            size_bytes: 90_868_376,
        },
        KnownFile {
            name: "tokenizer.json",
            sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            size_bytes: 466_247,
        },
        KnownFile {
            name: "config.json",
            sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            size_bytes: 612,
        },
    ],
}];

/// A model of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownModel {
    /// Its name here, and the name of its folder in the store.
    pub name: &'static str,
    /// Its repository on the Hugging Face hub.
    pub repo: &'static str,
    /// The commit of that repository whose files are expected.
    pub revision: &'static str,
    /// SPDX identifier of its licence.
    pub licence: &'static str,
    /// Components of a vector.
    pub dim: u32,
    /// Most tokens of one input, special tokens included.
    pub max_tokens: u32,
    /// How token vectors become one.
    pub pooling: Pooling,
    files: &'static [KnownFile],
}

/// A file of a known model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFile {
    /// Its name, in the repository and in the store.
    pub name: &'static str,
    /// SHA-256 of its content, hexadecimal.
    pub sha256: &'static str,
    /// Its size.
    pub size_bytes: u64,
}

impl KnownModel {
    /// The model of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        KNOWN_MODELS
            .iter()
            .find(|model| model.name.eq_ignore_ascii_case(name))
    }

    /// The files that make the model: download all of them into one folder and install from it.
    #[must_use]
    pub const fn files(&self) -> &'static [KnownFile] {
        self.files
    }

    /// Path of a file relative to the hub's address: `{repo}/resolve/{revision}/{file}`.
    #[must_use]
    pub fn url_path(&self, file: &KnownFile) -> String {
        format!("{}/resolve/{}/{}", self.repo, self.revision, file.name)
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_on_the_hub_are_pinned() {
        let model = KnownModel::find("all-minilm-l6-V2").unwrap();
        let paths: Vec<_> = model
            .files()
            .iter()
            .map(|file| model.url_path(file))
            .collect();
        let base = "sentence-transformers/all-MiniLM-L6-v2/resolve/c9745ed1d9f207416be6d2e6f8de32d1f16199bf";
        assert_eq!(
            paths,
            ["model.safetensors", "tokenizer.json", "config.json"].map(|f| format!("{base}/{f}"))
        );
        assert_eq!(model.size_bytes(), 91_335_235);
        assert!(KnownModel::find("other").is_none());
    }

    #[test]
    fn hashes_are_hashes() {
        for file in KNOWN_MODELS.iter().flat_map(KnownModel::files) {
            assert_eq!(file.sha256.len(), 64);
            assert!(
                file.sha256
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
            );
        }
    }
}
