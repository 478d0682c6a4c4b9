//! The engine over a real catalog and real indexes.

mod engine;
mod hooked;
mod recovery;
