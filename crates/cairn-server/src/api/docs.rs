//! Documents, their chunks and collections: `/api/v1/docs`, `/api/v1/collections`.

use std::collections::BTreeSet;

use cairn_types::{CharSpan, DocumentSummary, ElementKind, Passage};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::shared::{Span, timestamp};

/// How well a document was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentStatus {
    /// Everything was read.
    Ok,
    /// Something was not read; the report says what.
    Partial,
}

/// Something that a reader of the parse report should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParseWarning {
    /// What it is about; these names are stable: `unreadable`, `no_text_layer`, `unmapped_font`, `low_confidence`,
    /// `recovered`, `second_reader`, `limit`, `unsupported`, `missing_value`, `other`; and without loss: `hidden`, `cleaned`.
    pub code: String,
    /// Page, where there is one.
    pub page: Option<u32>,
    /// The attachment or archive member it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// What happened.
    pub reason: String,
}

/// What text recognition did for a document.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OcrReport {
    /// Pages and pictures that were recognised.
    pub pages: u32,
    /// Words found on them.
    pub words: u64,
    /// Mean confidence over those words, 0 to 1.
    pub confidence: f64,
}

/// What was seen and kept of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ParseReport {
    /// Pages or slides, in formats that have them.
    pub pages: Option<u32>,
    /// Pages of those that could not be read.
    pub pages_failed: u32,
    /// Headings, paragraphs, list items, tables and so on that came out.
    pub elements: u32,
    /// Tables and sheets.
    pub tables: u32,
    /// Table cells that hold something.
    pub cells: u64,
    /// Cells that were not kept.
    pub cells_failed: u64,
    /// Pictures.
    pub images: u32,
    /// Documents within this one: attachments, archive members.
    pub parts: u32,
    /// Parts that could not be read.
    pub parts_failed: u32,
    /// Characters that the format holds.
    pub chars_seen: u64,
    /// Characters that were kept.
    pub chars_kept: u64,
    /// Characters that could not be read; the rest was left out on purpose (repeated headers, navigation, hidden text).
    pub chars_failed: u64,
    /// Text recognition, where there was any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ocr: Option<OcrReport>,
    /// What could not be read, and what else a reader should know.
    pub warnings: Vec<ParseWarning>,
}

impl From<&cairn_types::ParseReport> for ParseReport {
    fn from(report: &cairn_types::ParseReport) -> Self {
        let warnings = report.warnings.iter().map(|warning| ParseWarning {
            code: warning.code.as_str().to_owned(),
            page: warning.page,
            part: warning.part.clone(),
            reason: warning.reason.clone(),
        });
        Self {
            pages: report.pages,
            pages_failed: report.pages_failed,
            elements: report.elements,
            tables: report.tables,
            cells: report.cells,
            cells_failed: report.cells_failed,
            images: report.images,
            parts: report.parts,
            parts_failed: report.parts_failed,
            chars_seen: report.chars_seen,
            chars_kept: report.chars_kept,
            chars_failed: report.chars_failed,
            ocr: report.ocr.map(|ocr| OcrReport {
                pages: ocr.pages,
                words: ocr.words,
                confidence: ocr.confidence,
            }),
            warnings: warnings.collect(),
        }
    }
}

/// A document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Document {
    /// Its id: 16 hexadecimal digits.
    pub id: String,
    /// Its title, or else its file name.
    pub title: String,
    /// Where a person finds it.
    pub uri: String,
    /// The current version, from 1.
    pub version: u32,
    /// Name of its collection.
    pub collection: String,
    /// Where it comes from: `files` or `upload`.
    pub source: String,
    /// What identifies it there: a path or a name.
    pub key: String,
    /// Decided from the content.
    pub media_type: String,
    /// In fixed order.
    pub tags: BTreeSet<String>,
    /// Who may read it: `user:NAME`, `group:NAME`, `everyone`. Told to those only who may change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// Size of the original.
    pub size_bytes: u64,
    /// SHA-256 of the original.
    pub sha256: String,
    /// Chunks of the current version.
    pub chunks: u32,
    /// How well it was understood.
    pub status: DocumentStatus,
    /// How much of it was understood, 0 to 1.
    pub coverage: f64,
    /// What was seen and kept.
    pub report: ParseReport,
    /// When it was last changed at its source, where the source says.
    pub modified_at: Option<String>,
    /// When it was first published here.
    pub created_at: String,
    /// When its current version was published here.
    pub updated_at: String,
    /// When it was deleted.
    pub deleted_at: Option<String>,
}

/// Whether a caller is told who else may read a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccessShown {
    /// The caller may change it.
    Yes,
    /// The caller only reads.
    No,
}

impl Document {
    pub(crate) fn new(summary: &DocumentSummary, shown: AccessShown) -> Self {
        let report = &summary.report;
        Self {
            id: summary.id.to_string(),
            title: summary.title.clone(),
            uri: summary.uri.clone(),
            version: summary.version.0,
            collection: summary.collection.clone(),
            source: summary.source.0.clone(),
            key: summary.key.clone(),
            media_type: summary.media_type.clone(),
            tags: summary.tags.clone(),
            allow: (shown == AccessShown::Yes).then(|| {
                summary
                    .access
                    .principals()
                    .map(ToString::to_string)
                    .collect()
            }),
            size_bytes: summary.size_bytes,
            sha256: summary.blob.to_hex(),
            chunks: summary.n_chunks,
            status: match summary.status {
                cairn_types::DocumentStatus::Ok => DocumentStatus::Ok,
                cairn_types::DocumentStatus::Partial => DocumentStatus::Partial,
            },
            coverage: report.coverage(),
            report: report.into(),
            modified_at: summary.modified_at.map(timestamp),
            created_at: timestamp(summary.created_at),
            updated_at: timestamp(summary.updated_at),
            deleted_at: summary.deleted_at.map(timestamp),
        }
    }
}

/// One page of documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DocumentList {
    /// In order of id.
    pub documents: Vec<Document>,
    /// Pass it as `cursor` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A chunk of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Chunk {
    /// `document.version.ordinal`.
    pub chunk_id: String,
    /// Position in the version, from 0.
    pub ordinal: u32,
    /// Page (from 1) on which it starts.
    pub page: Option<u32>,
    /// Its place in the version's text.
    pub span: Span,
    /// Headings above it, joined by ` > `.
    pub heading_path: String,
    /// ISO 639-1 code of its language, where it was recognised.
    pub lang: Option<String>,
    /// Tokens of its embedded input.
    pub n_tokens: u32,
    /// The version's text at `span`.
    pub text: String,
    /// What it is made of, in reading order; the first and last may reach beyond it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<Element>,
}

/// A piece of a parsed document: heading, paragraph, table and so on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Element {
    /// `heading`, `paragraph`, `list_item`, `table`, `table_summary` (made from a table's cells), `code`, `image`,
    /// `note` or `furniture` (a repeated header or footer, in no chunk).
    pub kind: String,
    /// Depth of a heading or list item, from 1; 0 elsewhere.
    pub level: u8,
    /// Its place in the version's text.
    pub span: Span,
    /// Page (from 1), in formats that have pages.
    pub page: Option<u32>,
    /// Where it stands on the page, in points from the top left.
    pub bbox: Option<BoundingBox>,
    /// Name of the sheet, caption, or language of code.
    pub label: Option<String>,
}

/// A box on a page: points, origin at the top left.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BoundingBox {
    /// Left edge.
    pub x0: f32,
    /// Top edge.
    pub y0: f32,
    /// Right edge.
    pub x1: f32,
    /// Bottom edge.
    pub y1: f32,
}

impl From<&(cairn_types::Element, CharSpan)> for Element {
    fn from((element, span): &(cairn_types::Element, CharSpan)) -> Self {
        Self {
            kind: match element.kind {
                ElementKind::Heading => "heading",
                ElementKind::Paragraph => "paragraph",
                ElementKind::ListItem => "list_item",
                ElementKind::Table => "table",
                ElementKind::TableSummary => "table_summary",
                ElementKind::Furniture => "furniture",
                ElementKind::Code => "code",
                ElementKind::Image => "image",
                ElementKind::Note => "note",
            }
            .to_owned(),
            level: element.level,
            span: (*span).into(),
            page: element.page,
            bbox: element.bbox.map(|bbox| BoundingBox {
                x0: bbox.x0,
                y0: bbox.y0,
                x1: bbox.x1,
                y1: bbox.y1,
            }),
            label: element.label.clone(),
        }
    }
}

/// The elements of a version that a span touches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ElementList {
    /// The version they are of.
    pub version: u32,
    /// Length of the version's text in code points.
    pub n_chars: usize,
    /// In reading order.
    pub elements: Vec<Element>,
    /// Pass it as `start` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_start: Option<usize>,
}

impl Chunk {
    /// A chunk with those of a version's elements (in order) that it touches.
    pub(crate) fn new(passage: &Passage, elements: &[(cairn_types::Element, CharSpan)]) -> Self {
        let meta = &passage.meta;
        let first = elements.partition_point(|(_, span)| span.end <= meta.span.start);
        let touched = elements[first..]
            .iter()
            .take_while(|(_, span)| span.start < meta.span.end);
        Self {
            chunk_id: passage.id.to_string(),
            ordinal: meta.ordinal,
            page: meta.page,
            span: meta.span.into(),
            heading_path: meta.heading_path.clone(),
            lang: meta.lang.clone(),
            n_tokens: meta.n_tokens,
            text: passage.text.clone(),
            elements: touched.map(Element::from).collect(),
        }
    }
}

/// One page of chunks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChunkList {
    /// In order of ordinal.
    pub chunks: Vec<Chunk>,
    /// Pass it as `cursor` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Sets tags, readers or both. A field that is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentPatch {
    /// All tags from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeSet<String>>,
    /// All who may read it from now on: `user:NAME`, `group:NAME`, `everyone`; empty: only the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
}

/// A write to a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WriteReply {
    /// Id of the document.
    pub document_id: String,
    /// Its position: a search with this `min_seq` or a later one sees it.
    pub seq: u64,
}

/// A named set of documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Collection {
    /// Its name.
    pub name: String,
    /// Documents in it that the caller may read.
    pub documents: u64,
    /// Chunks of those documents.
    pub chunks: u64,
    /// When it was made.
    pub created_at: String,
}

impl From<&cairn_types::Collection> for Collection {
    fn from(collection: &cairn_types::Collection) -> Self {
        Self {
            name: collection.name.clone(),
            documents: collection.n_documents,
            chunks: collection.n_chunks,
            created_at: timestamp(collection.created_at),
        }
    }
}

/// One page of collections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CollectionList {
    /// In order of name.
    pub collections: Vec<Collection>,
    /// Pass it as `cursor` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
