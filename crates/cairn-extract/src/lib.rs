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
mod json;
mod mail;
mod markdown;
mod options;
mod pdf;
mod spreadsheet;
mod table;
mod text;
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
