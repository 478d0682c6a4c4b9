//! Chat providers.
