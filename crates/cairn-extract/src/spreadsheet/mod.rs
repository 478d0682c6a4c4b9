//! Workbooks (XLSX, XLSM, XLSB, XLS, ODS) to elements: a heading for each sheet, its rows as table elements.
//!
//! A reader for each format fills a [`sheet::Sheet`] with the texts that the cells show; what follows (merged cells,
//! blocks, headers, titles) is the same for all.

mod comments;
mod compound;
mod drawings;
mod layout;
mod number_format;
mod number_section;
mod ods;
mod sheet;
mod xls;
mod xlsb;
mod xlsx;

pub(crate) use ods::read_ods;
pub(crate) use xls::read_xls;
pub(crate) use xlsb::read_xlsb;
pub(crate) use xlsx::read_xlsx;
