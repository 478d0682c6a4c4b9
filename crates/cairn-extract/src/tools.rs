//! What a reader asks of programs that it may not start itself: text recognition, conversion, transcription.
//!
//! A worker is locked up: it cannot execute anything. It sends a [`ToolRequest`] with a payload to its parent, which
//! runs the program in a process of its own, with limits of its own, and answers with bytes. Here stands only what both
//! sides know; the parent's side is in `programs`.

use serde::{Deserialize, Serialize};

use crate::error::ExtractError;

/// One request; the payload goes beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolRequest {
    /// Recognise the text of a picture. Payload: a file that Leptonica reads (PNG, JPEG, TIFF, `WebP`, GIF, BMP, PNM).
    /// Reply: Tesseract's table of words with boxes and confidences (TSV, UTF-8).
    Recognize {
        /// Resolution in dots per inch, where known.
        dpi: Option<u32>,
    },
    /// Convert an old office document. Payload: the document. Reply: the same as DOCX or PPTX.
    Convert {
        /// What it is.
        from: LegacyFormat,
    },
    /// Write down what is said. Payload: an audio or video file. Reply: JSON, a list of [`Segment`].
    Transcribe {
        /// The file's extension, lower case, without dot; at most 8 ASCII letters and digits.
        extension: String,
    },
}

/// Old office formats that LibreOffice reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegacyFormat {
    /// Word 97–2003; becomes DOCX.
    Doc,
    /// `PowerPoint` 97–2003; becomes PPTX.
    Ppt,
}

/// A stretch of speech.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Where it begins, in milliseconds from the start.
    pub start_ms: u64,
    /// Where it ends.
    pub end_ms: u64,
    /// What is said.
    pub text: String,
}

/// Why a tool gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolError {
    /// It is not installed or not configured.
    #[error("needs {what}")]
    Missing {
        /// Its name, with what it is needed for: "Tesseract to read text in pictures".
        what: String,
        /// How to get it.
        hint: String,
    },
    /// It ran, and the payload holds nothing that it could work on: a video without a sound track.
    #[error("{reason}")]
    Nothing {
        /// What is not there.
        reason: String,
    },
    /// It ran and failed.
    #[error("{what} failed: {reason}")]
    Failed {
        /// Its name.
        what: String,
        /// What it said, or what happened to it.
        reason: String,
    },
}

impl ToolError {
    /// The error of a document of `media_type` of which nothing can be read without the tool.
    pub(crate) fn into_error(self, media_type: &str) -> ExtractError {
        match self {
            Self::Missing { what, hint } => ExtractError::Unsupported {
                media_type: media_type.to_owned(),
                hint: format!("needs {what}: {hint}"),
            },
            Self::Nothing { reason } => ExtractError::empty(reason),
            Self::Failed { what, reason } => ExtractError::ToolFailed { what, reason },
        }
    }
}

/// Where requests go: to programs of this machine, through the worker's pipes, or nowhere.
pub trait Tools {
    /// Blocks until the reply is there.
    ///
    /// # Errors
    /// Where the tool is missing, fails, or takes longer than it may.
    fn call(&self, request: &ToolRequest, payload: &[u8]) -> Result<Vec<u8>, ToolError>;

    /// Why such a call is refused whatever its payload, where that is known beforehand: a payload that is costly to make,
    /// such as the picture of a page, is then not made.
    fn refusal(&self, request: &ToolRequest) -> Option<ToolError> {
        let _ = request;
        None
    }

    /// What of the tools decides what comes out of a document: which are there, and for which languages. A document that was
    /// read with other tools is read again.
    fn identity(&self) -> String {
        String::new()
    }
}

/// No tools at all: every request is refused as missing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTools;

impl Tools for NoTools {
    fn call(&self, request: &ToolRequest, _payload: &[u8]) -> Result<Vec<u8>, ToolError> {
        Err(missing(request))
    }

    fn refusal(&self, request: &ToolRequest) -> Option<ToolError> {
        Some(missing(request))
    }
}

/// The error for a tool that is not there.
pub(crate) fn missing(request: &ToolRequest) -> ToolError {
    let (what, hint) = match request {
        ToolRequest::Recognize { .. } => (
            "Tesseract to read text in pictures",
            "install it (Debian: apt-get install tesseract-ocr), then ingest again",
        ),
        ToolRequest::Convert { .. } => (
            "LibreOffice to read old Office formats",
            "install it (Debian: apt-get install libreoffice-writer-nogui libreoffice-impress-nogui), or save \
             the document in a current format",
        ),
        ToolRequest::Transcribe { .. } => (
            "a transcription service to read speech",
            "set `transcription.base_url` to an OpenAI-compatible service, or add a transcript as text or subtitles",
        ),
    };
    ToolError::Missing {
        what: what.into(),
        hint: hint.into(),
    }
}
