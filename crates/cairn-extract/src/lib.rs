//! Bytes of a document to elements in reading order, in a limited worker process.

mod archive;
mod builder;
mod code;
mod containers;
mod context;
mod delimited;
mod detect;
mod docx;
mod error;
mod extract;
mod html;
mod image;
mod json;
mod legacy;
mod mail;
mod markdown;
mod ocr;
mod options;
mod pdf;
mod picture;
mod speech;
mod spreadsheet;
mod table;
mod text;
mod timed;
mod tools;
pub mod worker;
mod xml;

pub use context::Origin;
pub use detect::{MediaType, detect};
pub use error::ExtractError;
pub use extract::{EXTRACTOR_VERSION, Input, extract, extract_with};
pub use options::{ExtractOptions, Passwords};
pub use pdf::{PageImage, PageRequest, find_pdfium, render_page};
pub use tools::{LegacyFormat, NoTools, Segment, ToolError, ToolRequest, Tools};
pub use worker::{WorkerCommand, WorkerLimits, WorkerPool};
