//! The project's own rules, as far as a program can hold them.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::run::root;

/// Past this a file is split; past the limit the check fails.
const LINES_WARN: usize = 600;
const LINES_LIMIT: usize = 800;

/// What a manifest takes from the workspace and is no dependency.
const PACKAGE_FIELDS: [&str; 6] = [
    "version",
    "edition",
    "rust-version",
    "license",
    "repository",
    "publish",
];

/// Every dependency of the workspace has its line in `docs/dependencies.md`, and every line its dependency; every
/// crate uses what it declares.
pub(crate) fn dependencies() -> Result<()> {
    let manifest = fs_err::read_to_string(root().join("Cargo.toml"))?;
    let page = fs_err::read_to_string(root().join("docs/dependencies.md"))?;
    let used = declared(&manifest);
    let described = described(&page);
    let mut problems = Vec::new();
    for name in &used {
        if !described.contains(name) {
            problems.push(format!("`{name}` has no line in docs/dependencies.md"));
        }
    }
    for name in &described {
        if !used.contains(name) {
            problems.push(format!(
                "docs/dependencies.md describes `{name}`, which Cargo.toml does not name"
            ));
        }
    }
    let mut by_crates = Vec::new();
    for folder in crates()? {
        let manifest = fs_err::read_to_string(folder.join("Cargo.toml"))?;
        let mut files = Vec::new();
        collect(&folder, &mut files)?;
        let mut source = String::new();
        for file in files {
            source.push_str(&fs_err::read_to_string(file)?);
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        for dependency in inherited(&manifest) {
            if !mentions(&source, &dependency.replace('-', "_")) {
                problems.push(format!(
                    "`{name}` declares `{dependency}` and does not use it"
                ));
            }
            by_crates.push(dependency);
        }
    }
    for name in &used {
        if !by_crates.contains(name) {
            problems.push(format!("no crate uses `{name}` of Cargo.toml"));
        }
    }
    report(&problems)?;
    println!("{} dependencies, all described and used", used.len());
    Ok(())
}

/// Warns of long Rust files and refuses very long ones.
pub(crate) fn file_lengths() -> Result<()> {
    let mut files = Vec::new();
    for top in ["crates", "fuzz", "xtask"] {
        collect(&root().join(top), &mut files)?;
    }
    files.sort();
    let mut problems = Vec::new();
    for file in &files {
        let n_lines = fs_err::read_to_string(file)?.lines().count();
        let name = file.strip_prefix(root()).unwrap_or(file).display();
        if n_lines > LINES_LIMIT {
            problems.push(format!(
                "`{name}` has {n_lines} lines, at most {LINES_LIMIT} are allowed"
            ));
        } else if n_lines > LINES_WARN {
            println!("warning: `{name}` has {n_lines} lines: is there a second subject in it?");
        }
    }
    report(&problems)?;
    println!("{} Rust files looked at", files.len());
    Ok(())
}

fn report(problems: &[String]) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    bail!("{} problems\n  {}", problems.len(), problems.join("\n  "));
}

/// Names in `[workspace.dependencies]` that come from outside: our own crates have paths.
fn declared(manifest: &str) -> Vec<String> {
    manifest
        .lines()
        .skip_while(|line| line.trim() != "[workspace.dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#') && !line.contains("path ="))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().to_owned())
        .filter(|name| !name.starts_with(' ') && !name.is_empty())
        .collect()
}

/// Names in the first column of the page's tables, written `| name |` in backticks.
fn described(page: &str) -> Vec<String> {
    page.lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Names that a crate's manifest takes from the workspace.
fn inherited(manifest: &str) -> Vec<String> {
    manifest
        .lines()
        .filter_map(|line| line.split_once(".workspace"))
        .map(|(name, _)| name.trim().to_owned())
        .filter(|name| !PACKAGE_FIELDS.contains(&name.as_str()))
        .collect()
}

/// Whether a name stands in the source as a whole word.
fn mentions(source: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    source.match_indices(name).any(|(at, _)| {
        !source[..at].ends_with(is_word) && !source[at + name.len()..].starts_with(is_word)
    })
}

fn crates() -> Result<Vec<PathBuf>> {
    let mut folders = vec![root().join("fuzz"), root().join("xtask")];
    for entry in fs_err::read_dir(root().join("crates"))? {
        let path = entry?.path();
        if path.join("Cargo.toml").exists() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_from_manifest_and_page() {
        let manifest = "[workspace]\nx = 1\n\n[workspace.dependencies]\n# why\nown = { path = \"a\" }\n\
                        anyhow = \"1\"\nbase64 = { version = \"0.2\" }\n\n[profile.dev]\ndebug = 1\n";
        assert_eq!(declared(manifest), ["anyhow", "base64"]);
        let page = "# Page\n| name | why |\n|---|---|\n| `anyhow` | errors |\ntext `base64`\n";
        assert_eq!(described(page), ["anyhow"]);
        let own = "[package]\nedition.workspace = true\n[dependencies]\nfs-err.workspace = true\n\
                   serde = { workspace = true }\n";
        assert_eq!(inherited(own), ["fs-err"]);
    }

    #[test]
    fn a_dependency_is_used_where_its_name_stands_as_a_word() {
        for (source, expected) in [
            ("use toml::Value;", true),
            ("let x = (toml::from_str)(text);", true),
            ("use toml_edit::Value; let my_toml = 1;", false),
            ("", false),
        ] {
            assert_eq!(mentions(source, "toml"), expected, "{source}");
        }
    }
}
