//! The way in: discover, extract, chunk, embed, publish.
