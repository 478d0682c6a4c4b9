//! The HTTP API of Cairn.
//!
//! The command line is a client of this API: over a Unix socket where a server runs, in process where none does.
//! [`api`] holds the objects that both sides exchange.

pub mod api;
