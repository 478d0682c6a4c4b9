//! Limits and settings of one extraction.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What an extraction may use. The defaults suit a worker with 1–2 GiB of address space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExtractOptions {
    /// The pdfium library; see [`crate::find_pdfium`]. Without it PDF files are unsupported.
    pub pdfium: Option<PathBuf>,
    /// Pages read of one document; the rest is named in a warning.
    pub max_pages: u32,
    /// Bytes that one archive (DOCX, XLSX) may expand to.
    pub max_expanded_bytes: u64,
    /// Expanded bytes per compressed byte of one archive member, once it expands to over a mebibyte.
    pub max_zip_ratio: u64,
    /// Members of one archive.
    pub max_zip_entries: usize,
    /// Documents within one document, at all levels.
    pub max_parts: usize,
    /// Levels of documents within documents: an archive in an attachment of a mail is the third.
    pub max_depth: usize,
    /// Pictures within one document (not pages of scans, nor pictures that are documents) whose text is recognised, at all
    /// levels; 0 for none.
    pub max_inset_pictures: u32,
    /// Elements of one document; the rest is named in a warning.
    pub max_elements: usize,
    /// Tried one after the other on encrypted documents.
    pub passwords: Passwords,
}

/// Passwords of documents. Debug output says how many, not which.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Passwords(Vec<String>);

impl Passwords {
    /// Tells one list of passwords from another without telling any of them.
    #[must_use]
    pub fn identity(&self) -> String {
        if self.0.is_empty() {
            return "none".to_owned();
        }
        // The lengths keep two lists apart that join to the same bytes.
        let mut bytes = Vec::new();
        for password in &self.0 {
            bytes.extend((password.len() as u64).to_le_bytes());
            bytes.extend(password.as_bytes());
        }
        cairn_types::BlobHash::of(&bytes).to_hex()
    }

    /// In the order in which they are tried.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// These, then `others`.
    pub(crate) fn followed_by(&self, others: &Self) -> Self {
        Self([self.0.as_slice(), others.0.as_slice()].concat())
    }
}

impl From<Vec<String>> for Passwords {
    fn from(passwords: Vec<String>) -> Self {
        Self(passwords)
    }
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passwords", self.0.len())
    }
}

impl Default for ExtractOptions {
    fn default() -> Self {
        Self {
            pdfium: None,
            max_pages: 5_000,
            max_expanded_bytes: 512 << 20,
            // Real office XML reaches about 60:1 in large sheets; deflate's own limit is 1032:1. A guess between.
            max_zip_ratio: 400,
            max_zip_entries: 10_000,
            max_parts: 10_000,
            max_depth: 5,
            // A picture takes one to some seconds.
            max_inset_pictures: 30,
            max_elements: 500_000,
            passwords: Passwords::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let options = ExtractOptions {
            passwords: vec!["open sesame".into()].into(),
            ..ExtractOptions::default()
        };
        let shown = format!("{options:?}");
        assert!(shown.contains("1 passwords") && !shown.contains("sesame"));
        let json = serde_json::to_string(&options).unwrap();
        let back: ExtractOptions = serde_json::from_str(&json).unwrap();
        assert_eq!(back.passwords.iter().collect::<Vec<_>>(), ["open sesame"]);
    }
}
