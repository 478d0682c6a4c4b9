//! Text recognition: runs Tesseract on a picture and passes on its table of words.
//!
//! Pages are taken as upright (page segmentation mode 3). A result that Tesseract itself does not believe is tried again
//! with detection of the page's orientation (mode 1), which costs a fifth more and finds pages that lie on their side.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::run::{End, Job};
use super::{ToolSettings, failed, find, folder_with, run_logged};
use crate::ocr::believed;
use crate::picture::{self, Header};
use crate::tools::{ToolError, ToolRequest, missing};
use crate::worker::Launcher;

/// Table of one picture; a dense page has 60 kB.
const MAX_TABLE: usize = 64 << 20;
/// Longest run, however many pages a picture has.
const MAX_DEADLINE: Duration = Duration::from_secs(30 * 60);
const LIST_DEADLINE: Duration = Duration::from_secs(20);
/// Resolutions that make sense to Tesseract.
const DPI: std::ops::RangeInclusive<u32> = 50..=2400;
/// Mean confidence below which a page may lie on its side: upright pages are above 0.9, turned ones at 0.3 to 0.4.
const WEAK: f64 = 0.6;

/// The program with the languages that are both configured and installed.
pub(super) struct Tesseract {
    program: PathBuf,
    launcher: Option<Launcher>,
    /// For `-l`: joined by `+`, never empty.
    pub(super) languages: String,
    /// Configured, not installed.
    pub(super) missing: Vec<String>,
    has_orientation: bool,
}

/// Finds the program and asks it for its languages.
pub(super) fn find(settings: &ToolSettings) -> Result<Tesseract, ToolError> {
    let what = "Tesseract to read text in pictures";
    let refuse = |hint: String| ToolError::Missing {
        what: what.to_owned(),
        hint,
    };
    if !settings.recognize {
        return Err(refuse("set `extract.ocr` to `auto`".to_owned()));
    }
    let program = find::program(settings.tesseract.as_deref(), &["tesseract"]).ok_or_else(
        || match &settings.tesseract {
            Some(path) => refuse(format!(
                "`extract.tesseract` names `{}`, which cannot be run",
                path.display()
            )),
            None => missing(&ToolRequest::Recognize { dpi: None }),
        },
    )?;
    let folder = folder_with("none", b"").map_err(|error| failed(what, error.to_string()))?;
    let finished = run_logged(
        "Tesseract",
        &Job {
            program: &program,
            args: vec!["--list-langs".into()],
            folder: folder.path(),
            launcher: settings.launcher.as_ref(),
            stdin: None,
            deadline: LIST_DEADLINE,
            max_output: 1 << 20,
        },
    )?;
    // Old versions print the list to standard error.
    let listed = String::from_utf8_lossy(&finished.stdout).into_owned() + &finished.stderr;
    let installed = find::listed_languages(&listed);
    let (there, missing): (Vec<String>, Vec<String>) = settings
        .languages
        .iter()
        .cloned()
        .partition(|name| find::is_language(name) && installed.contains(name));
    if there.is_empty() {
        let packages: Vec<String> = missing
            .iter()
            .map(|name| find::language_package(name))
            .collect();
        return Err(refuse(format!(
            "none of its configured languages ({}) is installed (Debian: apt-get install {})",
            missing.join(", "),
            packages.join(" ")
        )));
    }
    Ok(Tesseract {
        program,
        launcher: settings.launcher.clone(),
        languages: there.join("+"),
        missing,
        has_orientation: installed.iter().any(|name| name == "osd"),
    })
}

impl Tesseract {
    /// The table of words of a picture.
    pub(super) fn recognize(
        &self,
        payload: &[u8],
        dpi: Option<u32>,
        page_deadline: Duration,
    ) -> Result<Vec<u8>, ToolError> {
        let header = check(payload)?;
        let deadline = page_deadline
            .saturating_mul(header.n_pages)
            .min(MAX_DEADLINE);
        let table = self.run(payload, dpi, deadline, "3")?;
        let (confidence, worth) = believed(&table);
        if worth > 0.0 && confidence < WEAK && self.has_orientation {
            let turned = self.run(payload, dpi, deadline, "1")?;
            if believed(&turned).1 > worth {
                return Ok(turned);
            }
        }
        Ok(table)
    }

    fn run(
        &self,
        payload: &[u8],
        dpi: Option<u32>,
        deadline: Duration,
        mode: &str,
    ) -> Result<Vec<u8>, ToolError> {
        let folder = folder_with("picture", payload)
            .map_err(|error| failed("Tesseract", error.to_string()))?;
        let mut args: Vec<OsString> = ["picture", "stdout", "-l", &self.languages, "--psm", mode]
            .map(OsString::from)
            .into();
        if let Some(dpi) = dpi.filter(|dpi| DPI.contains(dpi)) {
            args.extend(["--dpi".into(), dpi.to_string().into()]);
        }
        args.extend(["-c", "tessedit_create_tsv=1"].map(OsString::from));
        let job = Job {
            program: &self.program,
            args,
            folder: folder.path(),
            launcher: self.launcher.as_ref(),
            stdin: None,
            deadline,
            max_output: MAX_TABLE,
        };
        let finished = run_logged("Tesseract", &job)?;
        // A run that ended half-way has read the pages before: the reader sees which ones are missing.
        if finished.is_success()
            || finished.end != End::TooMuchOutput && has_words(&finished.stdout)
        {
            return Ok(whole_lines(finished.stdout));
        }
        Err(failed("Tesseract", finished.reason(&job)))
    }
}

/// Only pictures reach Tesseract, which would take anything else for a list of names of files to read.
fn check(payload: &[u8]) -> Result<Header, ToolError> {
    let header = picture::header(payload)
        .ok_or_else(|| failed("Tesseract", "the file is no picture that it reads"))?;
    if header.pixels > picture::MAX_PIXELS {
        let limit = picture::MAX_PIXELS;
        return Err(failed(
            "Tesseract",
            format!("the picture has more than {limit} pixels"),
        ));
    }
    Ok(header)
}

fn has_words(table: &[u8]) -> bool {
    table
        .split(|&b| b == b'\n')
        .any(|row| row.starts_with(b"5\t"))
}

/// Cuts off a last line that was not written to its end.
fn whole_lines(mut table: Vec<u8>) -> Vec<u8> {
    let end = table
        .iter()
        .rposition(|&b| b == b'\n')
        .map_or(0, |at| at + 1);
    table.truncate(end);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::tests::png_of;

    #[test]
    fn only_pictures_of_a_sane_size_get_through() {
        assert!(check(&png_of(10_000, 10_000, 0)).is_ok());
        for bytes in [
            png_of(60_000, 60_000, 0),
            b"/etc/passwd\n".to_vec(),
            b"http://127.0.0.1/\n".to_vec(),
            Vec::new(),
        ] {
            assert!(check(&bytes).is_err());
        }
    }

    #[test]
    fn torn_tables_end_with_a_whole_line() {
        assert_eq!(whole_lines(b"a\nb".to_vec()), b"a\n");
        assert_eq!(whole_lines(b"a".to_vec()), b"");
        assert!(has_words(b"1\t1\n5\t1\n") && !has_words(b"1\t5\n"));
    }
}
