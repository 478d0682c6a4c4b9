//! Whole documents through the public interface.

mod bombs;
mod pdf;
