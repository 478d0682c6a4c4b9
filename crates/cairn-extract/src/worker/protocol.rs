//! Frames between parent and worker: a little-endian `u32` length, then that many bytes of JSON.
//!
//! Parent: [`Hello`], then for each document a [`Request`] followed by its bytes. Worker: [`Ready`], then
//! one [`Answer`] for each request. Before its answer a worker may call tools: [`Answer::Call`] followed by a payload,
//! to which the parent replies with [`ToolReply`] followed by a payload. An [`Answer::Image`] is followed by its file.
//! A closed pipe between frames ends the conversation.

use std::io::{self, Read, Write};

use cairn_types::Extracted;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::sandbox::Isolation;
use crate::context::Origin;
use crate::error::ExtractError;
#[cfg(test)]
use crate::extract::Input;
use crate::html::PageMeta;
use crate::options::ExtractOptions;
use crate::pdf::{PageImage, PageRequest};
use crate::tools::{ToolError, ToolRequest};

/// Rises with every change of the frames.
pub(super) const VERSION: u32 = 6;

/// Longest frame of JSON that is ever read: the format's own limit.
const MAX_FRAME: u64 = u32::MAX as u64;

/// The parent's first frame.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) version: u32,
    /// Address space of the worker.
    pub(super) memory_bytes: Option<u64>,
    /// Processor time for each document.
    pub(super) cpu_seconds: Option<u64>,
    pub(super) max_input_bytes: u64,
    pub(super) max_output_bytes: u64,
    /// Whether the worker is a process of its own, to be locked up.
    pub(super) lock: bool,
    /// What the readers may use.
    pub(super) options: ExtractOptions,
}

/// The worker's first frame: its limits are set and it is locked up.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ready {
    pub(super) version: u32,
    /// What holds it.
    pub(super) isolation: Isolation,
}

/// One document; its bytes follow the frame.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) task: Task,
    pub(super) size: u64,
}

/// What to do with a document.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Task {
    /// Read it.
    Extract { name: String, origin: Origin },
    /// Say what it tells a crawler.
    PageMeta { name: String },
    /// Draw one of its pages.
    Render(PageRequest),
}

/// What became of one document.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Read(Extracted),
    PageMeta(PageMeta),
    Failed(ExtractError),
    /// A page was drawn. Its file of `size` bytes follows the frame; `image` comes without it.
    Image {
        image: PageImage,
        size: u64,
    },
    /// Not the end: the worker asks whether a tool would refuse. The reply has no payload.
    Ask {
        request: ToolRequest,
    },
    /// Not the end: the worker needs a tool. A payload of `size` bytes follows the frame.
    Call {
        request: ToolRequest,
        size: u64,
    },
}

/// What became of a call.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToolReply {
    /// A payload of `size` bytes follows the frame.
    Done {
        size: u64,
    },
    Failed(ToolError),
}

impl From<Result<Extracted, ExtractError>> for Answer {
    fn from(result: Result<Extracted, ExtractError>) -> Self {
        match result {
            Ok(extracted) => Self::Read(extracted),
            Err(error) => Self::Failed(error),
        }
    }
}

/// Writes one frame, or nothing and false where it is longer than `max_bytes`.
pub(super) fn write_json(
    output: &mut impl Write,
    value: &impl Serialize,
    max_bytes: u64,
) -> io::Result<bool> {
    let mut json = Capped {
        bytes: Vec::new(),
        max_bytes: max_bytes.min(MAX_FRAME),
        is_over: false,
    };
    match serde_json::to_writer(&mut json, value) {
        Ok(()) => {}
        Err(_) if json.is_over => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    let len = u32::try_from(json.bytes.len()).map_err(io::Error::other)?;
    output.write_all(&len.to_le_bytes())?;
    output.write_all(&json.bytes)?;
    output.flush()?;
    Ok(true)
}

/// Grows to a limit, so that an answer over it is never built in full.
struct Capped {
    bytes: Vec<u8>,
    max_bytes: u64,
    is_over: bool,
}

impl Write for Capped {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if (self.bytes.len() + piece.len()) as u64 > self.max_bytes {
            self.is_over = true;
            return Err(io::Error::other("over the limit"));
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a request to read a document, and its bytes.
#[cfg(test)]
pub(super) fn write_request(output: &mut impl Write, input: &Input<'_>) -> io::Result<()> {
    let request = Request {
        task: Task::Extract {
            name: input.name.to_owned(),
            origin: input.origin,
        },
        size: input.bytes.len() as u64,
    };
    write_with_payload(output, &request, input.bytes)
}

/// Writes a frame and the payload that it announces.
pub(super) fn write_with_payload(
    output: &mut impl Write,
    value: &impl Serialize,
    payload: &[u8],
) -> io::Result<()> {
    write_json(output, value, u64::MAX)?;
    output.write_all(payload)?;
    output.flush()
}

/// Reads one frame, or `None` where the other side closed the pipe before it.
pub(super) fn read_json<T: DeserializeOwned>(input: &mut impl Read) -> io::Result<Option<T>> {
    read_json_capped(input, MAX_FRAME)
}

/// [`read_json`] that believes no frame over `max_bytes`.
pub(super) fn read_json_capped<T: DeserializeOwned>(
    input: &mut impl Read,
    max_bytes: u64,
) -> io::Result<Option<T>> {
    let mut len = [0; 4];
    let n = read_some(input, &mut len)?;
    if n == 0 {
        return Ok(None);
    }
    if n < len.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let len = u64::from(u32::from_le_bytes(len));
    if len > max_bytes {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("frame of {len} bytes, at most {max_bytes} expected"),
        ));
    }
    let json = read_bytes(input, len)?;
    serde_json::from_slice(&json)
        .map(Some)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Reads until `buffer` is full or the input ends.
fn read_some(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut n = 0;
    while n < buffer.len() {
        match input.read(&mut buffer[n..]) {
            Ok(0) => break,
            Ok(read) => n += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n)
}

/// Reads exactly `len` bytes; memory grows with what arrives, not with what was promised.
pub(super) fn read_bytes(input: &mut impl Read, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let n = input.take(len).read_to_end(&mut bytes)?;
    if (n as u64) < len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// Reads `len` bytes to nowhere.
pub(super) fn skip(input: &mut impl Read, len: u64) -> io::Result<()> {
    let n = io::copy(&mut input.take(len), &mut io::sink())?;
    if n < len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Reads bytes as each side of the conversation does, as far as they go: for the fuzz targets.
pub(crate) fn read_frames(bytes: &[u8]) {
    let mut from_worker = bytes;
    let _ = read_json::<Ready>(&mut from_worker);
    while let Ok(Some(answer)) = read_json_capped::<Answer>(&mut from_worker, 1 << 20) {
        if let Answer::Call { size, .. } = answer {
            let _ = read_bytes(&mut from_worker, size);
        }
    }
    let mut from_parent = bytes;
    let _ = read_json::<Hello>(&mut from_parent);
    while let Ok(Some(request)) = read_json::<Request>(&mut from_parent) {
        let _ = skip(&mut from_parent, request.size);
    }
}
