//! Files for programs that measure something else on the same data: JSON, and vectors as plain little-endian numbers.

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::failure::Failure;

use super::place::io;

/// A file of numbers.
pub(super) struct Numbers(std::io::BufWriter<fs_err::File>);

/// Makes a file of numbers, and the folder where it is not there.
pub(super) fn create(folder: &Path, name: &str) -> Result<Numbers, Failure> {
    fs_err::create_dir_all(folder).map_err(io)?;
    let file = fs_err::File::create(folder.join(name)).map_err(io)?;
    Ok(Numbers(std::io::BufWriter::new(file)))
}

impl Numbers {
    /// Adds a vector as f32.
    pub(super) fn vector(&mut self, vector: &[f32]) -> Result<(), Failure> {
        let mut write = |value: &f32| self.0.write_all(&value.to_le_bytes());
        vector.iter().try_for_each(&mut write).map_err(io)
    }

    /// Adds a u32.
    pub(super) fn number(&mut self, number: u32) -> Result<(), Failure> {
        self.0.write_all(&number.to_le_bytes()).map_err(io)
    }

    /// Writes what waits.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.0.flush().map_err(io)
    }
}

/// Writes a value as JSON.
pub(super) fn json(folder: &Path, name: &str, value: &impl Serialize) -> Result<(), Failure> {
    fs_err::create_dir_all(folder).map_err(io)?;
    let text = serde_json::to_string(value).map_err(|error| io(error.into()))?;
    fs_err::write(folder.join(name), text).map_err(io)
}
