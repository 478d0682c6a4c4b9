//! Real counterparts that a test may ask for, and the rule for when they are missing.
//!
//! `cargo xtask test` prepares the counterparts and sets `CAIRN_TEST_REQUIRE=1`, so that nothing is skipped there
//! unnoticed; a plain `cargo test` runs without any of them.

use std::ffi::OsString;
use std::path::PathBuf;

/// Where a real counterpart is, or `None` (after a line `SKIP ...`) where the machine has none: the test then
/// returns.
///
/// | `what` | variable | holds |
/// |---|---|---|
/// | `model` | `CAIRN_TEST_MODEL` | the wheel with the default embedding model |
/// | `pdfium` | `CAIRN_TEST_PDFIUM` | the PDFium library file |
/// | `data` | `CAIRN_TEST_DATA` | the folder of large evaluation sets |
/// | `tesseract`, `libreoffice`, `ffmpeg` | `PATH` | the program |
///
/// # Panics
/// On an unknown `what`, on a variable that names nothing on disk, and, with `CAIRN_TEST_REQUIRE=1`, on a missing
/// variable. `data` is skipped even then: it is too large and too varied in licence to be fetched by the set-up.
#[must_use]
pub fn need(what: &str) -> Option<PathBuf> {
    match look_up(what, variable) {
        Found::At(path) => Some(path),
        Found::Skip(line) => {
            skip(&line);
            None
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    At(PathBuf),
    Skip(String),
}

#[expect(
    clippy::panic,
    reason = "a test that cannot get what the run promised must fail"
)]
fn look_up(what: &str, variable: impl Fn(&str) -> Option<OsString>) -> Found {
    let is_strict = variable("CAIRN_TEST_REQUIRE").is_some_and(|value| value == "1");
    let (name, is_prepared) = match what {
        "model" => ("CAIRN_TEST_MODEL", true),
        "pdfium" => ("CAIRN_TEST_PDFIUM", true),
        "data" => ("CAIRN_TEST_DATA", false),
        "tesseract" | "ffmpeg" => return program(what, is_strict, &variable),
        "libreoffice" => return program("soffice", is_strict, &variable),
        other => panic!(
            "no counterpart is called `{other}`: expected `model`, `pdfium`, `data`, `tesseract`, `libreoffice` or `ffmpeg`"
        ),
    };
    let is_required = is_prepared && is_strict;
    match variable(name).filter(|value| !value.is_empty()) {
        Some(value) => {
            let path = PathBuf::from(value);
            assert!(
                path.exists(),
                "{name} names `{}`, which does not exist",
                path.display()
            );
            Found::At(path)
        }
        None if is_required => panic!("{name} is not set, and CAIRN_TEST_REQUIRE=1 demands it"),
        None => Found::Skip(format!(
            "SKIP {what}: {name} is not set (`cargo xtask test` prepares it)"
        )),
    }
}

/// The program `name` in the folders of the search path.
#[expect(
    clippy::panic,
    reason = "a test that cannot get what the run promised must fail"
)]
fn program(name: &str, is_required: bool, variable: &impl Fn(&str) -> Option<OsString>) -> Found {
    let search = variable("PATH").unwrap_or_default();
    let found = std::env::split_paths(&search)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    match found {
        Some(path) => Found::At(path),
        None if is_required => {
            panic!("`{name}` is not in the search path, and CAIRN_TEST_REQUIRE=1 demands it")
        }
        None => Found::Skip(format!("SKIP {name}: not in the search path")),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the environment is how a test run says what it has"
)]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[expect(clippy::print_stderr, reason = "the line belongs to the test's output")]
fn skip(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(set: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        let set: Vec<(String, OsString)> = set
            .iter()
            .map(|(name, value)| ((*name).to_owned(), OsString::from(value)))
            .collect();
        move |name| {
            set.iter()
                .find(|(own, _)| own == name)
                .map(|(_, value)| value.clone())
        }
    }

    #[test]
    fn a_missing_counterpart_is_skipped() {
        for what in [
            "model",
            "pdfium",
            "data",
            "tesseract",
            "libreoffice",
            "ffmpeg",
        ] {
            let Found::Skip(line) = look_up(what, environment(&[])) else {
                panic!("{what} was found in an empty environment");
            };
            assert!(line.starts_with("SKIP "), "{line}");
        }
    }

    #[test]
    fn a_counterpart_that_is_there_is_given() {
        let here = env!("CARGO_MANIFEST_DIR");
        let found = look_up(
            "model",
            environment(&[("CAIRN_TEST_MODEL", here), ("CAIRN_TEST_REQUIRE", "1")]),
        );
        assert_eq!(found, Found::At(PathBuf::from(here)));
    }

    #[test]
    fn a_program_is_found_in_the_search_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("soffice");
        fs_err::write(&path, "").unwrap();
        let search = format!("/no/such:{}", folder.path().display());
        let found = look_up("libreoffice", environment(&[("PATH", &search)]));
        assert_eq!(found, Found::At(path));
    }

    #[test]
    #[should_panic(expected = "demands it")]
    fn a_missing_program_fails_where_it_is_required() {
        let _ = look_up("ffmpeg", environment(&[("CAIRN_TEST_REQUIRE", "1")]));
    }

    #[test]
    #[should_panic(expected = "demands it")]
    fn a_missing_counterpart_fails_where_it_is_required() {
        let _ = look_up("pdfium", environment(&[("CAIRN_TEST_REQUIRE", "1")]));
    }

    #[test]
    fn evaluation_data_is_never_required() {
        assert!(matches!(
            look_up("data", environment(&[("CAIRN_TEST_REQUIRE", "1")])),
            Found::Skip(_)
        ));
    }

    #[test]
    #[should_panic(expected = "does not exist")]
    fn a_wrong_path_is_no_reason_to_skip() {
        let _ = look_up(
            "data",
            environment(&[("CAIRN_TEST_DATA", "/no/such/folder")]),
        );
    }
}
