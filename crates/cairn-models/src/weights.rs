//! Tensors of a safetensors file, read from a memory map.
//!
//! The file is written once under a temporary name and renamed, never changed in place, so a map stays valid even while a newer
//! version of the model replaces it. Numbers are copied out as `f32` (from F32, F16 or BF16); all must be finite, because the kernels'
//! minima and maxima would make finite nonsense of others.

use std::ops::Range;
use std::path::Path;

use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::tensor::{Dtype, SafeTensors};

use crate::error::ModelError;
use crate::manifest::WEIGHTS;

/// A mapped file of tensors.
pub(crate) struct Weights {
    model: String,
    map: Mmap,
}

impl Weights {
    /// Maps the file; nothing is checked yet.
    pub(crate) fn open(model: &str, dir: &Path) -> Result<Self, ModelError> {
        let file = fs_err::File::open(dir.join(WEIGHTS))?;
        // SAFETY: files of the store are replaced by rename and never written in place (see above).
        #[expect(unsafe_code, reason = "a memory map is the point of this file")]
        let map = unsafe { Mmap::map(&file) }?;
        Ok(Self {
            model: model.to_owned(),
            map,
        })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Reads the header. Some exports put all tensors under one of `prefixes`: where `probe` stands decides.
    pub(crate) fn tensors(
        &self,
        probe: &str,
        prefixes: &[&'static str],
    ) -> Result<Tensors<'_>, ModelError> {
        let inner =
            SafeTensors::deserialize(&self.map).map_err(|e| self.malformed(e.to_string()))?;
        let holds = |prefix: &&&str| inner.tensor(&format!("{prefix}{probe}")).is_ok();
        let prefix = prefixes.iter().find(holds).copied().unwrap_or_default();
        Ok(Tensors {
            file: self,
            inner,
            prefix,
        })
    }

    fn malformed(&self, reason: String) -> ModelError {
        ModelError::Malformed {
            model: self.model.clone(),
            file: WEIGHTS.to_owned(),
            reason,
        }
    }
}

/// The tensors by name.
pub(crate) struct Tensors<'a> {
    file: &'a Weights,
    inner: SafeTensors<'a>,
    prefix: &'static str,
}

impl Tensors<'_> {
    /// The tensor as `f32`, row-major. `shape` is what the configuration demands.
    pub(crate) fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let (dtype, bytes) = self.find(name, shape)?;
        let values: Vec<f32> = match dtype {
            Dtype::F32 => bytes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b))
                .collect(),
            Dtype::F16 => {
                let halves = bytes.as_chunks::<2>().0.iter();
                halves.map(|b| f16::from_le_bytes(*b).to_f32()).collect()
            }
            Dtype::BF16 => {
                let halves = bytes.as_chunks::<2>().0.iter();
                halves.map(|b| bf16::from_le_bytes(*b).to_f32()).collect()
            }
            other => {
                return Err(self
                    .file
                    .malformed(format!("`{name}` is {other:?}, expected F32, F16 or BF16")));
            }
        };
        self.check_finite(name, values.iter().copied())?;
        Ok(values)
    }

    fn check_finite(
        &self,
        name: &str,
        mut values: impl Iterator<Item = f32>,
    ) -> Result<(), ModelError> {
        match values.find(|value| !value.is_finite()) {
            None => Ok(()),
            Some(value) => Err(self
                .file
                .malformed(format!("`{name}` holds {value}, expected finite numbers"))),
        }
    }

    /// The file's error with this reason.
    #[cfg(feature = "families")]
    pub(crate) fn malformed(&self, reason: String) -> ModelError {
        self.file.malformed(reason)
    }

    /// Where in the file the tensor lies, if it is stored as `f32` and can be read in place.
    pub(crate) fn place_of_f32(
        &self,
        name: &str,
        shape: &[usize],
    ) -> Result<Option<Range<usize>>, ModelError> {
        let (dtype, bytes) = self.find(name, shape)?;
        if dtype != Dtype::F32 {
            return Ok(None);
        }
        let values = bytes.as_chunks::<4>().0.iter();
        self.check_finite(name, values.map(|b| f32::from_le_bytes(*b)))?;
        let start = bytes.as_ptr().addr() - self.file.map.as_ptr().addr();
        Ok(Some(start..start + bytes.len()))
    }

    fn find(&self, name: &str, shape: &[usize]) -> Result<(Dtype, &[u8]), ModelError> {
        let full = format!("{}{name}", self.prefix);
        let view = self
            .inner
            .tensor(&full)
            .map_err(|e| self.file.malformed(e.to_string()))?;
        if view.shape() != shape {
            let reason = format!(
                "`{full}` has the shape {:?}, expected {shape:?}",
                view.shape()
            );
            return Err(self.file.malformed(reason));
        }
        Ok((view.dtype(), view.data()))
    }
}

/// The table of word vectors: in place where the file holds `f32`, else a copy.
pub(crate) enum WordTable {
    /// Little-endian `f32` at a range of the map.
    Mapped(Weights, Range<usize>),
    /// Converted.
    Copied(Vec<f32>),
}

impl WordTable {
    /// Writes row `id` to `out`, whose length is the row's.
    pub(crate) fn read(&self, id: usize, out: &mut [f32]) {
        match self {
            Self::Copied(rows) => out.copy_from_slice(&rows[id * out.len()..(id + 1) * out.len()]),
            Self::Mapped(file, range) => {
                let width = out.len() * 4;
                let row = &file.bytes()[range.clone()][id * width..(id + 1) * width];
                for (o, b) in out.iter_mut().zip(row.as_chunks::<4>().0) {
                    *o = f32::from_le_bytes(*b);
                }
            }
        }
    }
}
