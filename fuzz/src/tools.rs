//! Programs whose replies the fuzzer writes.

use cairn_extract::{ToolError, ToolRequest, Tools};

/// Answers every request with the same bytes.
pub(crate) struct Reply<'a>(pub(crate) &'a [u8]);

impl Tools for Reply<'_> {
    fn call(&self, _request: &ToolRequest, _payload: &[u8]) -> Result<Vec<u8>, ToolError> {
        Ok(self.0.to_vec())
    }
}
