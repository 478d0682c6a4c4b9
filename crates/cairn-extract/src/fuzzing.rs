//! Doors for the fuzz targets (`fuzz/`): what a document or a worker could send to a parser, without the way around it.
//!
//! No part of the interface: nothing else may call it.

use cairn_types::Extracted;

use crate::context::{Context, Origin};
use crate::detect::MediaType;
use crate::error::ExtractError;
use crate::extract::{catch_panic, read_as};
use crate::options::ExtractOptions;
use crate::tools::Tools;

/// Reads bytes as the format they are said to be, whatever they look like.
///
/// # Errors
/// As [`crate::extract`].
pub fn read(
    media_type: MediaType,
    bytes: &[u8],
    origin: Origin,
    options: &ExtractOptions,
    tools: &dyn Tools,
) -> Result<Extracted, ExtractError> {
    let cx = Context::new(options, origin, tools);
    catch_panic(|| read_as(media_type, "document.bin", bytes, &cx))
}

/// Reads bytes as frames from a worker, then as frames from a parent.
pub fn frames(bytes: &[u8]) {
    crate::worker::read_frames(bytes);
}
