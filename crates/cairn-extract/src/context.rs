//! What a reader works with besides its bytes: limits, tools, and the books of documents within documents.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use crate::error::ExtractError;
use crate::inset::Insets;
use crate::options::ExtractOptions;
use crate::tools::{ToolError, ToolRequest, Tools};

/// Damaged members that are named, in a document with all that is within it.
const MAX_DAMAGES: usize = 1_000;

/// Where a document was found, as far as reading it depends on that.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A file or upload: all of its text counts.
    #[default]
    File,
    /// A page of the web: navigation and advertisements around its main content do not.
    WebPage,
}

/// A member of a package that was read only in part.
#[derive(Debug)]
pub(crate) struct Damage {
    pub(crate) member: String,
    pub(crate) reason: String,
    /// Characters that are missing, at a guess.
    pub(crate) n_missing: u64,
}

/// One document with all that is within it. Budgets are shared by its parts, however deep.
pub(crate) struct Context<'a> {
    pub(crate) options: &'a ExtractOptions,
    pub(crate) origin: Origin,
    tools: &'a dyn Tools,
    n_expanded: Cell<u64>,
    n_parts: Cell<usize>,
    depth: Cell<usize>,
    /// What the document has had of the pictures within it.
    pub(crate) insets: RefCell<Insets>,
    /// Of the document that is being read, after those of the documents around it.
    damages: RefCell<Vec<Damage>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(options: &'a ExtractOptions, origin: Origin, tools: &'a dyn Tools) -> Self {
        Self {
            options,
            origin,
            tools,
            n_expanded: Cell::new(0),
            n_parts: Cell::new(0),
            depth: Cell::new(0),
            insets: RefCell::default(),
            damages: RefCell::new(Vec::new()),
        }
    }

    /// Asks a tool; see [`Tools::call`].
    pub(crate) fn call(&self, request: &ToolRequest, payload: &[u8]) -> Result<Vec<u8>, ToolError> {
        self.tools.call(request, payload)
    }

    /// Why a tool would refuse; see [`Tools::refusal`].
    pub(crate) fn refusal(&self, request: &ToolRequest) -> Option<ToolError> {
        self.tools.refusal(request)
    }

    /// Notes that a member was read only in part, or not at all.
    pub(crate) fn note_damage(&self, member: &str, reason: String, n_missing: u64) {
        let mut damages = self.damages.borrow_mut();
        if damages.len() < MAX_DAMAGES {
            damages.push(Damage {
                member: member.to_owned(),
                reason,
                n_missing,
            });
        }
    }

    /// Runs `read` for one document and returns the damages noted meanwhile, one for each member. Those of a reader that
    /// panics stay with the document around it.
    pub(crate) fn with_damages<T>(&self, read: impl FnOnce() -> T) -> (T, Vec<Damage>) {
        let n_around = self.damages.borrow().len();
        let result = read();
        let mut damages = self.damages.borrow_mut().split_off(n_around);
        let mut seen = HashSet::new();
        damages.retain(|damage| seen.insert(damage.member.clone()));
        (result, damages)
    }

    /// Counts `n` bytes that came out of a container, a document's own or a nested one's.
    pub(crate) fn count_expanded(&self, n: u64) -> Result<(), ExtractError> {
        let total = self.n_expanded.get().saturating_add(n);
        self.n_expanded.set(total);
        let limit = self.options.max_expanded_bytes;
        if total > limit {
            return Err(ExtractError::too_large("expanded archive in bytes", limit));
        }
        Ok(())
    }

    /// Bytes that may still come out of containers.
    pub(crate) fn room(&self) -> u64 {
        let limit = self.options.max_expanded_bytes;
        limit.saturating_sub(self.n_expanded.get())
    }

    /// Whether a budget is used up, so that nothing more can be read of this document.
    pub(crate) fn is_spent(&self) -> bool {
        self.n_expanded.get() > self.options.max_expanded_bytes
            || self.n_parts.get() >= self.options.max_parts
    }

    /// Runs `read` one level deeper, where depth and number of parts allow it.
    pub(crate) fn nested<T>(
        &self,
        read: impl FnOnce() -> Result<T, ExtractError>,
    ) -> Result<T, ExtractError> {
        let max_depth = self.options.max_depth;
        if self.depth.get() >= max_depth {
            return Err(ExtractError::too_large(
                "documents within documents in levels",
                max_depth as u64,
            ));
        }
        let max_parts = self.options.max_parts;
        if self.n_parts.get() >= max_parts {
            return Err(ExtractError::too_large(
                "number of documents within the document",
                max_parts as u64,
            ));
        }
        self.n_parts.set(self.n_parts.get() + 1);
        self.depth.set(self.depth.get() + 1);
        let result = read();
        self.depth.set(self.depth.get() - 1);
        result
    }
}

#[cfg(test)]
impl Context<'static> {
    /// Default limits, no tools.
    pub(crate) fn for_test() -> Self {
        static OPTIONS: std::sync::LazyLock<ExtractOptions> =
            std::sync::LazyLock::new(ExtractOptions::default);
        Self::new(&OPTIONS, Origin::File, &crate::tools::NoTools)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_parts_and_bytes_end() {
        let options = ExtractOptions {
            max_depth: 2,
            max_parts: 3,
            max_expanded_bytes: 10,
            ..ExtractOptions::default()
        };
        let cx = Context::new(&options, Origin::File, &crate::tools::NoTools);
        let too_deep = cx.nested(|| cx.nested(|| cx.nested(|| Ok(()))));
        assert!(matches!(too_deep, Err(ExtractError::TooLarge { .. })));
        assert!(cx.nested(|| Ok(())).is_ok());
        assert!(cx.nested(|| Ok(())).is_err(), "three parts, one too deep");
        assert!(cx.count_expanded(10).is_ok());
        assert!(cx.count_expanded(1).is_err());
    }
}
