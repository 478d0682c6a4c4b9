//! Whole documents through the public interface.

#[cfg(test)]
mod bombs;
#[cfg(test)]
mod pdf;
