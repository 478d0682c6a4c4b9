//! Reads the layers and joins them, keeping where each value came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use cairn_types::{ErrorKind, HasKind};

use super::keys::{KEYS, Key, Kind, find, variable};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// A variable of the environment.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "{name}"),
            Self::Flag(name) => write!(f, "{name}"),
        }
    }
}

/// Values as text with their origins, checked against the table of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effective {
    /// By key path.
    pub(crate) values: BTreeMap<&'static str, (String, Origin)>,
}

/// What is wrong with the configuration: every problem, not the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigError {
    pub(crate) problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [one] => f.write_str(one),
            many => {
                write!(f, "the configuration has {} problems:", many.len())?;
                many.iter()
                    .try_for_each(|problem| write!(f, "\n  - {problem}"))
            }
        }
    }
}

impl std::error::Error for ConfigError {}

impl HasKind for ConfigError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidInput
    }

    fn hint(&self) -> Option<String> {
        Some("`cairn config` lists every key with its value and where it came from".to_owned())
    }
}

/// Joins the layers. `file` must exist where it was named by a person; `flags` are key paths with values.
pub(crate) fn load(
    file: Option<&Path>,
    lookup: &dyn Fn(&str) -> Option<String>,
    variables: &[String],
    flags: &[(&'static str, &'static str, String)],
) -> Result<Effective, ConfigError> {
    let mut problems = Vec::new();
    let mut values: BTreeMap<&'static str, (String, Origin)> = KEYS
        .iter()
        .map(|key| (key.path, (key.default.to_owned(), Origin::Default)))
        .collect();
    if let Some(path) = file {
        match fs_err::read_to_string(path) {
            Ok(text) => read_file(path, &text, &mut values, &mut problems),
            Err(error) => problems.push(error.to_string()),
        }
    }
    read_known_names(lookup, &mut values);
    read_variables(lookup, variables, &mut values, &mut problems);
    for (path, flag, value) in flags {
        values.insert(path, (value.clone(), Origin::Flag(flag)));
    }
    for (path, (value, origin)) in &values {
        if let Some(key) = find(path)
            && let Err(problem) = check(key, value)
        {
            let shown = if key.is_secret { "***" } else { value.as_str() };
            problems.push(format!(
                "`{path}` is `{shown}` ({origin}), expected {problem}"
            ));
        }
    }
    if problems.is_empty() {
        Ok(Effective { values })
    } else {
        Err(ConfigError { problems })
    }
}

fn read_file(
    path: &Path,
    text: &str,
    values: &mut BTreeMap<&'static str, (String, Origin)>,
    problems: &mut Vec<String>,
) {
    let table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map_or(1, |span| {
                text[..span.start.min(text.len())].matches('\n').count() + 1
            });
            problems.push(format!(
                "{}, line {line}: {}",
                path.display(),
                error.message()
            ));
            return;
        }
    };
    for (section, inner) in &table {
        let toml::Value::Table(inner) = inner else {
            problems.push(unknown(section, &path.display().to_string()));
            continue;
        };
        for (name, value) in inner {
            let full = format!("{section}.{name}");
            let Some(key) = find(&full) else {
                problems.push(unknown(&full, &path.display().to_string()));
                continue;
            };
            match text_of(value) {
                Some(text) => {
                    values.insert(key.path, (text, Origin::File(path.to_owned())));
                }
                None => problems.push(format!(
                    "`{full}` in {} is a {}, expected {}",
                    path.display(),
                    value.type_str(),
                    expectation(key.kind)
                )),
            }
        }
    }
}

/// A value of the file as the text that the environment would hold.
fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(value) => Some(value.to_string()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<String>> = items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect();
            texts.map(|texts| texts.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

/// Names that people already have in their environment.
fn read_known_names(
    lookup: &dyn Fn(&str) -> Option<String>,
    values: &mut BTreeMap<&'static str, (String, Origin)>,
) {
    for key in KEYS {
        for name in key.known_as {
            let Some(value) = lookup(name).filter(|value| !value.is_empty()) else {
                continue;
            };
            let value = match *name {
                "LOG_JSON" => match value.to_lowercase().as_str() {
                    "1" | "true" | "yes" | "on" => "json".to_owned(),
                    _ => "human".to_owned(),
                },
                "LOG_LEVEL" => value
                    .to_lowercase()
                    .replace("warning", "warn")
                    .replace("critical", "error"),
                _ => value,
            };
            values.insert(key.path, (value, Origin::Environment((*name).to_owned())));
        }
    }
}

fn read_variables(
    lookup: &dyn Fn(&str) -> Option<String>,
    variables: &[String],
    values: &mut BTreeMap<&'static str, (String, Origin)>,
    problems: &mut Vec<String>,
) {
    for key in KEYS {
        let name = variable(key.path);
        if let Some(value) = lookup(&name) {
            values.insert(key.path, (value, Origin::Environment(name)));
        }
    }
    if let Some(dir) = lookup("CAIRN_DATA_DIR").filter(|dir| !dir.is_empty()) {
        values.insert(
            "data.dir",
            (dir, Origin::Environment("CAIRN_DATA_DIR".to_owned())),
        );
    }
    // Only names with a section are settings of ours; CAIRN_DATA_DIR, CAIRN_KEY and the like are flags.
    for name in variables
        .iter()
        .filter(|name| name.starts_with("CAIRN_") && name.contains("__"))
    {
        if !KEYS.iter().any(|key| variable(key.path) == **name) {
            let path = name["CAIRN_".len()..].to_lowercase().replace("__", ".");
            problems.push(unknown(&path, name));
        }
    }
}

fn unknown(path: &str, place: &str) -> String {
    let nearest = KEYS
        .iter()
        .map(|key| (strsim::jaro_winkler(path, key.path), key.path))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(similarity, _)| *similarity > 0.7);
    match nearest {
        Some((_, near)) => format!("`{path}` ({place}) is not a key; did you mean `{near}`?"),
        None => format!("`{path}` ({place}) is not a key"),
    }
}

fn expectation(kind: Kind) -> String {
    match kind {
        Kind::Text => "a text".to_owned(),
        Kind::Choice(words) => format!("one of {}", words.join(", ")),
        Kind::Number(low, high) => format!("a whole number from {low} to {high}"),
        Kind::List => "a list of texts".to_owned(),
    }
}

fn check(key: &Key, value: &str) -> Result<(), String> {
    let fits = match key.kind {
        Kind::Text | Kind::List => !value.contains('\0'),
        Kind::Choice(words) => words.contains(&value),
        Kind::Number(low, high) => value
            .parse::<u64>()
            .is_ok_and(|number| (low..=high).contains(&number)),
    };
    if fits {
        Ok(())
    } else {
        Err(expectation(key.kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(file: &str, env: &[(&str, &str)]) -> Result<Effective, ConfigError> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("cairn.toml");
        fs_err::write(&path, file).expect("written");
        let lookup = |name: &str| {
            env.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let names: Vec<String> = env.iter().map(|(key, _)| (*key).to_owned()).collect();
        load(Some(&path), &lookup, &names, &[])
    }

    #[test]
    fn later_layers_win_and_say_so() {
        let file = "[log]\nlevel = \"info\"\n[server]\nallowed_hosts = [\"a\", \"b\"]\n[ingest]\nworkers = 3";
        let env = [
            ("LOG_LEVEL", "DEBUG"),
            ("CAIRN_INGEST__WORKERS", "4"),
            ("LOG_JSON", "true"),
        ];
        let effective = run(file, &env).expect("loads");
        let value = |path: &str| effective.values[path].0.clone();
        assert_eq!(value("log.level"), "debug");
        assert_eq!(value("log.format"), "json");
        assert_eq!(value("ingest.workers"), "4");
        assert_eq!(value("server.allowed_hosts"), "a,b");
        assert_eq!(
            effective.values["ingest.workers"].1,
            Origin::Environment("CAIRN_INGEST__WORKERS".into())
        );
        assert!(matches!(
            effective.values["server.allowed_hosts"].1,
            Origin::File(_)
        ));
        assert_eq!(effective.values["server.listen"].1, Origin::Default);
    }

    #[test]
    fn every_problem_is_named_with_its_key() {
        let file = "top = 1\n[ingest]\nworker = 3\ndeadline_seconds = \"soon\"\nworkers = 1.5\n[log]\nlevel = \"loud\"";
        let env = [
            ("CAIRN_INGEST__MAX_FILE_BYTES", "-1"),
            ("CAIRN_LOGS__LEVEL", "info"),
        ];
        let error = run(file, &env).expect_err("refused");
        let text = error.to_string();
        for part in [
            "`top`",
            "`ingest.worker` ",
            "did you mean `ingest.workers`",
            "`ingest.deadline_seconds` is `soon`",
            "`ingest.workers` in",
            "is a float",
            "`log.level` is `loud`",
            "one of error, warn",
            "`ingest.max_file_bytes` is `-1` (CAIRN_INGEST__MAX_FILE_BYTES)",
            "`logs.level` (CAIRN_LOGS__LEVEL) is not a key; did you mean `log.level`?",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn defaults_fit_their_own_kinds() {
        for key in KEYS {
            assert_eq!(check(key, key.default), Ok(()), "{}", key.path);
        }
    }

    #[test]
    fn a_broken_file_is_named_with_its_line() {
        let error = run("[log]\nlevel = \n", &[]).expect_err("refused");
        assert!(error.to_string().contains("cairn.toml, line 2"), "{error}");
    }
}
