//! Citations: the exact place of a statement.

use crate::chunk::Passage;
use crate::ids::{DocumentId, VersionNo};
use crate::text::CharSpan;

/// The document that a citation or result points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRef {
    /// Its id.
    pub id: DocumentId,
    /// Its title.
    pub title: String,
    /// Where a person finds it.
    pub uri: String,
    /// The version that was read.
    pub version: VersionNo,
}

impl DocumentRef {
    /// The document of a passage, at the passage's version.
    #[must_use]
    pub fn of(passage: &Passage) -> Self {
        Self {
            id: passage.id.document,
            title: passage.document.title.clone(),
            uri: passage.document.uri.clone(),
            version: passage.id.version,
        }
    }
}

/// Quote, document, version, page and character span that support one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Citation {
    /// The number under which the answer refers to it, from 1.
    pub n: u32,
    /// The stored text at `span`, to the letter.
    pub quote: String,
    /// Whether the quote was compared with the stored text and is equal.
    pub verified: bool,
    /// The document and version.
    pub document: DocumentRef,
    /// Page (from 1), where the format has pages.
    pub page: Option<u32>,
    /// Whether the quote is what Cairn computed from a table, not the document's own words.
    pub computed: bool,
    /// Place in the rendition's text.
    pub span: CharSpan,
}
