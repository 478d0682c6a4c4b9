//! Whole documents through the public interface.

#[cfg(test)]
mod bombs;
#[cfg(test)]
mod cells;
#[cfg(test)]
mod pdf;
#[cfg(test)]
mod pdf_images;
#[cfg(test)]
mod pdf_pages;
#[cfg(test)]
mod pdf_tables;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod quality;
#[cfg(test)]
mod texts;
