//! Fuzz targets: bytes from a fuzzer to each parser that is written by hand, and what must hold afterwards.
//!
//! A target is a function over bytes. `cargo xtask full` builds them all into one program with libFuzzer and runs them one
//! after the other; the tests of this crate run each on its seeds. A parser must neither panic nor hang nor grow, and
//! what it gives must keep its books: see [`check`](fn@check).

mod check;
mod pack;
mod pdf;
mod seeds;
mod targets;
mod tools;

pub use check::{check, watch_panics};
pub use pack::{pack, unpack};
pub use seeds::{documents_below, from_document, made};
pub use targets::{TARGETS, Target, run};
