//! Fields of the inverted index, and a chunk as a document of it.

use cairn_types::ChunkNo;
use tantivy::TantivyDocument;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{PreTokenizedString, Token};

use crate::analyse::{self, DocumentTerms};

/// A chunk as the lexical arm wants it.
#[derive(Debug, Clone, Copy)]
pub struct LexicalDoc<'a> {
    /// Its number.
    pub chunk_no: ChunkNo,
    /// The title of its document; empty where there is none.
    pub title: &'a str,
    /// The headings above it; empty where there are none.
    pub heading_path: &'a str,
    /// Its text.
    pub text: &'a str,
    /// ISO 639-1 code of its language, as [`crate::detect_lang`] tells it. Words of a language without a
    /// stemmer stay as they are; Latin words of an unknown language are stemmed as English.
    pub lang: Option<&'a str>,
}

/// Handles of the fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    /// Number of the chunk; indexed, since deletion goes by it.
    pub chunk_no: Field,
    /// Terms of title and headings.
    pub head: Field,
    /// Terms of the text.
    pub text: Field,
    /// Number of terms in `head` that count as length.
    pub head_length: Field,
    /// Number of terms in `text` that count as length.
    pub text_length: Field,
    /// Tags of the terms, as a set of bits.
    pub tags: Field,
}

pub(super) const CHUNK_NO: &str = "chunk_no";
pub(super) const HEAD_LENGTH: &str = "head_length";
pub(super) const TEXT_LENGTH: &str = "text_length";
pub(super) const TAGS: &str = "tags";

pub(super) fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let terms = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer("raw")
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::WithFreqs),
    );
    let fields = Fields {
        chunk_no: builder.add_u64_field(CHUNK_NO, FAST | INDEXED),
        head: builder.add_text_field("head", terms.clone()),
        text: builder.add_text_field("text", terms),
        head_length: builder.add_u64_field(HEAD_LENGTH, FAST),
        text_length: builder.add_u64_field(TEXT_LENGTH, FAST),
        tags: builder.add_u64_field(TAGS, FAST),
    };
    (builder.build(), fields)
}

pub(super) fn document(fields: Fields, doc: &LexicalDoc<'_>) -> TantivyDocument {
    let text = analyse::analyse_document(doc.text, doc.lang);
    // The line break keeps words of title and headings apart.
    let head = format!("{}\n{}", doc.title, doc.heading_path);
    let head = analyse::analyse_document(&head, doc.lang);
    let mut document = TantivyDocument::default();
    document.add_u64(fields.chunk_no, u64::from(doc.chunk_no.0));
    document.add_u64(fields.tags, u64::from(text.tags | head.tags));
    document.add_u64(fields.head_length, u64::from(head.length));
    document.add_u64(fields.text_length, u64::from(text.length));
    document.add_pre_tokenized_text(fields.head, tokens(head));
    document.add_pre_tokenized_text(fields.text, tokens(text));
    document
}

fn tokens(terms: DocumentTerms) -> PreTokenizedString {
    let tokens = terms
        .terms
        .into_iter()
        .enumerate()
        .map(|(position, text)| Token {
            position,
            text,
            ..Token::default()
        })
        .collect();
    PreTokenizedString {
        text: String::new(),
        tokens,
    }
}
