//! Bars on standard error: what is going on, for a person who waits.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;

/// Whether bars are shown; they draw themselves only on a terminal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    quiet: bool,
}

impl Progress {
    pub(super) const fn new(output: Output) -> Self {
        Self {
            quiet: output.quiet,
        }
    }

    /// A bar over so many things.
    pub(super) fn bar(self, n: usize, what: &'static str) -> ProgressBar {
        let bar = ProgressBar::new(n as u64);
        if self.quiet {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}  {eta} left") {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar
    }
}
