//! The reference page of all settings, made from the table of keys.

use super::keys::{KEYS, Kind, variable};

/// `docs/reference/configuration.md` as it should be.
pub(crate) fn page() -> String {
    let mut text = String::from(
        "# Configuration\n\nMade from the table of keys in `crates/cairn/src/config/keys.rs`; a test compares.\n\n\
         A value comes from the first of: a flag, the environment, `cairn.toml` in the data folder (or the file named by\n\
         `--config` or `CAIRN_CONFIG`), the default. `cairn config` prints the values in force and where each came from.\n\
         An unknown key is an error that names the nearest known one. Addresses and keys of language models are also taken\n\
         from `OPENAI_BASE_URL`, `OPENAI_API_KEY`, `OLLAMA_HOST`, `VLLM_API_BASE`, `OPENROUTER_API_KEY` and `GROQ_API_KEY`.\n",
    );
    let mut section = "";
    for key in KEYS {
        let (this, name) = key.path.split_once('.').unwrap_or(("", key.path));
        if this != section {
            text += &format!(
                "\n## [{this}]\n\n| key | environment | value | default | |\n|---|---|---|---|---|\n"
            );
            section = this;
        }
        let kind = match key.kind {
            Kind::Text => "text".to_owned(),
            Kind::Choice(words) => words.join(", "),
            Kind::Number(low, high) => format!("{low} to {high}"),
            Kind::List => "list".to_owned(),
        };
        let default = if key.default.is_empty() {
            "-".to_owned()
        } else {
            format!("`{}`", key.default)
        };
        let names: Vec<String> = std::iter::once(variable(key.path))
            .chain(key.known_as.iter().map(|name| (*name).to_owned()))
            .map(|name| format!("`{name}`"))
            .collect();
        let secret = if key.is_secret {
            " Secret: masked wherever it is shown."
        } else {
            ""
        };
        text += &format!(
            "| `{name}` | {} | {kind} | {default} | {}{secret} |\n",
            names.join(" "),
            key.help
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "asked to write the page instead of comparing it"
    )]
    fn the_page_is_current() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/reference/configuration.md"
        );
        if std::env::var_os("CAIRN_WRITE_REFERENCE").is_some() {
            fs_err::write(path, page()).expect("written");
        }
        let stored = fs_err::read_to_string(path).expect("the page is there");
        assert_eq!(
            stored,
            page(),
            "run `CAIRN_WRITE_REFERENCE=1 cargo test -p cairn the_page_is_current`"
        );
    }
}
