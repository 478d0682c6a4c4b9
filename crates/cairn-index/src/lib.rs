//! Dense and lexical search engines.
