//! Where programs are, and which languages Tesseract has.

use std::path::{Path, PathBuf};

/// Folders beside the search path: where package managers and installers put programs on macOS.
const MORE_FOLDERS: [&str; 3] = [
    "/opt/homebrew/bin",
    "/usr/local/bin",
    "/Applications/LibreOffice.app/Contents/MacOS",
];

/// The program that is configured, or else the first of these names in the folders of the search path.
pub(super) fn program(configured: Option<&Path>, names: &[&str]) -> Option<PathBuf> {
    if let Some(path) = configured {
        return is_program(path).then(|| path.to_owned());
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "the search path is where the system says programs are"
    )]
    let search = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&search)
        .chain(MORE_FOLDERS.iter().map(PathBuf::from))
        .filter(|folder| folder.is_absolute())
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::metadata(path)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The names that `tesseract --list-langs` prints below its headline.
pub(super) fn listed_languages(output: &str) -> Vec<String> {
    output
        .lines()
        .skip(1)
        .map(str::trim)
        .filter(|line| is_language(line))
        .map(str::to_owned)
        .collect()
}

/// Whether this can be the name of a language or script: it becomes an argument and part of a file name.
pub(super) fn is_language(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'/'))
}

/// The Debian package of a language.
pub(super) fn language_package(name: &str) -> String {
    if name.contains('/') {
        // Packages of scripts are named by codes that the names do not tell.
        return "tesseract-ocr-all".to_owned();
    }
    format!(
        "tesseract-ocr-{}",
        name.to_ascii_lowercase().replace('_', "-")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_where_they_are() {
        assert!(program(None, &["no-such-program", "sh"]).is_some_and(|path| path.ends_with("sh")));
        assert_eq!(program(None, &["no-such-program"]), None);
        assert_eq!(
            program(Some(Path::new("/no/such")), &["sh"]),
            None,
            "configured, so not looked for"
        );
        assert_eq!(
            program(Some(Path::new("/bin/sh")), &["x"]),
            Some("/bin/sh".into())
        );
        assert_eq!(
            program(Some(Path::new("/etc/passwd")), &["x"]),
            None,
            "no program"
        );
    }

    #[test]
    fn languages_are_names_and_have_packages() {
        let listed =
            "List of available languages in \"/usr/share/x/\" (3):\nchi_sim\neng\nscript/Latin\n\n";
        assert_eq!(listed_languages(listed), ["chi_sim", "eng", "script/Latin"]);
        assert_eq!(language_package("chi_sim"), "tesseract-ocr-chi-sim");
        assert_eq!(language_package("script/Latin"), "tesseract-ocr-all");
        for bad in ["", "-l", "../eng", "eng+deu", "a b"] {
            assert!(!is_language(bad), "{bad}");
        }
    }
}
