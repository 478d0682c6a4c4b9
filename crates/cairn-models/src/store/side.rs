//! The side files of sentence-transformers: how a model's token vectors are pooled, how long its inputs are, what stands before them.

use serde::Deserialize;

use super::source::Source;
use crate::error::ModelError;
use crate::manifest::Pooling;
use crate::prompts::Prompts;

/// Most tokens of a model that does not say: the usual size of BERT's position table.
const USUAL_MAX_TOKENS: usize = 512;

/// Modules that are computed; the normalisation is done for every model.
const MODULES: [&str; 3] = ["Transformer", "Pooling", "Normalize"];

/// Keys of a prompt for passages, in the order in which sentence-transformers names them. The first that is not empty counts: files that
/// it wrote have an empty `document` beside a model's own `passage`.
const PASSAGE_PROMPTS: [&str; 3] = ["document", "passage", "corpus"];

/// Most bytes of a prompt: an instruction, not a document.
const MOST_PROMPT_BYTES: usize = 2048;

/// What the side files say.
#[derive(Debug, PartialEq)]
pub(super) struct Side {
    /// `None` where no file says.
    pub(super) pooling: Option<Pooling>,
    pub(super) max_tokens: usize,
    pub(super) prompts: Prompts,
}

impl Side {
    /// Reads the files that are there.
    ///
    /// # Errors
    /// Where one cannot be understood or asks for what is not computed.
    pub(super) fn read(model: &str, source: &mut Source) -> Result<Self, ModelError> {
        if let Some(modules) = parse::<Vec<Module>>(model, source, "modules.json")? {
            check_modules(model, &modules)?;
        }
        let prompts = parse::<PromptsFile>(model, source, "config_sentence_transformers.json")?
            .unwrap_or_default()
            .choose(model)?;
        let pooling = match parse::<PoolingFile>(model, source, "1_Pooling/config.json")? {
            Some(file) => Some(file.choose(model, &prompts)?),
            None => None,
        };
        let limit = parse::<LimitFile>(model, source, "sentence_bert_config.json")?;
        Ok(Self {
            pooling,
            max_tokens: limit
                .and_then(|file| file.max_seq_length)
                .unwrap_or(USUAL_MAX_TOKENS),
            prompts,
        })
    }
}

#[derive(Deserialize)]
struct Module {
    #[serde(rename = "type")]
    kind: String,
}

fn check_modules(model: &str, modules: &[Module]) -> Result<(), ModelError> {
    let other = modules
        .iter()
        .find(|module| !MODULES.iter().any(|kind| module.kind.ends_with(kind)));
    other.map_or(Ok(()), |other| {
        let (kind, computed) = (&other.kind, MODULES.join(", "));
        Err(unsupported(
            model,
            format!("it has a module `{kind}`, expected {computed}"),
        ))
    })
}

#[derive(Deserialize)]
struct LimitFile {
    max_seq_length: Option<usize>,
}

/// Older files have one switch per way, newer ones `pooling_mode`.
#[derive(Deserialize)]
struct PoolingFile {
    #[serde(default)]
    pooling_mode: Option<Modes>,
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
    #[serde(default)]
    pooling_mode_lasttoken: bool,
    #[serde(default)]
    pooling_mode_max_tokens: bool,
    #[serde(default)]
    pooling_mode_mean_sqrt_len_tokens: bool,
    #[serde(default)]
    pooling_mode_weightedmean_tokens: bool,
    #[serde(default)]
    include_prompt: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Modes {
    One(String),
    Many(Vec<String>),
}

impl PoolingFile {
    fn choose(self, model: &str, prompts: &Prompts) -> Result<Pooling, ModelError> {
        if self.include_prompt == Some(false) && !prompts.is_empty() {
            let reason = "it leaves its prompt out of the pooling";
            return Err(unsupported(model, reason.to_owned()));
        }
        let switches = [
            (self.pooling_mode_cls_token, "cls"),
            (self.pooling_mode_mean_tokens, "mean"),
            (self.pooling_mode_lasttoken, "lasttoken"),
            (self.pooling_mode_max_tokens, "max"),
            (
                self.pooling_mode_mean_sqrt_len_tokens,
                "mean_sqrt_len_tokens",
            ),
            (self.pooling_mode_weightedmean_tokens, "weightedmean"),
        ];
        let modes = match self.pooling_mode {
            Some(Modes::One(mode)) => vec![mode],
            Some(Modes::Many(modes)) => modes,
            None => switches
                .iter()
                .filter(|(is_on, _)| *is_on)
                .map(|(_, mode)| (*mode).to_owned())
                .collect(),
        };
        let modes: Vec<&str> = modes.iter().map(String::as_str).collect();
        match modes[..] {
            // Of one length, so the direction is the mean's: vectors are normalised afterwards.
            [] | ["mean" | "mean_sqrt_len_tokens"] => Ok(Pooling::Mean),
            ["cls"] => Ok(Pooling::Cls),
            ["lasttoken"] => Ok(Pooling::Last),
            _ => Err(unsupported(
                model,
                format!(
                    "its pooling is {}, expected mean, cls or lasttoken",
                    modes.join(" and ")
                ),
            )),
        }
    }
}

#[derive(Deserialize, Default)]
struct PromptsFile {
    #[serde(default)]
    prompts: std::collections::BTreeMap<String, Option<String>>,
}

impl PromptsFile {
    fn choose(mut self, model: &str) -> Result<Prompts, ModelError> {
        let mut take = |keys: &[&str]| {
            let mut prompts = keys.iter().filter_map(|key| self.prompts.remove(*key)?);
            prompts
                .find(|prompt| !prompt.is_empty())
                .unwrap_or_default()
        };
        let prompts = Prompts {
            query: take(&["query"]),
            passage: take(&PASSAGE_PROMPTS),
        };
        for (name, prompt) in [("query", &prompts.query), ("passage", &prompts.passage)] {
            if prompt.len() > MOST_PROMPT_BYTES {
                return Err(unsupported(
                    model,
                    format!(
                        "its prompt `{name}` has {} bytes, expected at most {MOST_PROMPT_BYTES}",
                        prompt.len()
                    ),
                ));
            }
        }
        Ok(prompts)
    }
}

fn unsupported(model: &str, reason: String) -> ModelError {
    ModelError::Unsupported {
        model: model.to_owned(),
        reason,
    }
}

fn parse<T: for<'de> Deserialize<'de>>(
    model: &str,
    source: &mut Source,
    file: &str,
) -> Result<Option<T>, ModelError> {
    let Some(content) = source.side_file(file)? else {
        return Ok(None);
    };
    serde_json::from_slice(&content)
        .map(Some)
        .map_err(|e| ModelError::Malformed {
            model: model.to_owned(),
            file: file.to_owned(),
            reason: e.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read from a folder with these side files, for people.
    fn read(files: &[(&str, &str)]) -> String {
        let dir = tempfile::tempdir().unwrap();
        fs_err::create_dir(dir.path().join("1_Pooling")).unwrap();
        for (name, content) in [("model.safetensors", "")].iter().chain(files) {
            fs_err::write(dir.path().join(name), content).unwrap();
        }
        let mut source = Source::open(dir.path()).unwrap();
        match Side::read("m", &mut source) {
            Ok(side) => format!(
                "{} {} `{}` `{}`",
                side.pooling.map_or("none", Pooling::word),
                side.max_tokens,
                side.prompts.query,
                side.prompts.passage
            ),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn side_files_say_how() {
        let pooling = "1_Pooling/config.json";
        let prompts = "config_sentence_transformers.json";
        let cases: [(&[(&str, &str)], &str); 17] = [
            (&[], "none 512 `` ``"),
            (&[(pooling, "{}")], "mean 512 `` ``"),
            (
                &[(
                    pooling,
                    r#"{"pooling_mode_lasttoken": true, "pooling_mode_mean_tokens": false}"#,
                )],
                "last 512",
            ),
            (
                &[(pooling, r#"{"pooling_mode_cls_token": true}"#)],
                "cls 512",
            ),
            (&[(pooling, r#"{"pooling_mode": "cls"}"#)], "cls 512"),
            (
                &[(
                    pooling,
                    r#"{"pooling_mode": ["lasttoken"], "include_prompt": false}"#,
                )],
                "last 512",
            ),
            (
                &[(
                    pooling,
                    r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true}"#,
                )],
                "its pooling is cls and mean, expected",
            ),
            (
                &[(pooling, r#"{"pooling_mode": "max"}"#)],
                "its pooling is max",
            ),
            (
                &[(pooling, r#"{"pooling_mode": 3}"#)],
                "`1_Pooling/config.json`",
            ),
            (
                &[("sentence_bert_config.json", r#"{"max_seq_length": 128}"#)],
                "none 128",
            ),
            (
                &[(
                    prompts,
                    r#"{"prompts": {"query": "query: ", "passage": "passage: "}}"#,
                )],
                "`query: ` `passage: `",
            ),
            (
                &[(
                    prompts,
                    r#"{"prompts": {"query": "Instruct: x\nQuery:", "document": "", "passage": "p"}}"#,
                )],
                "`Instruct: x\nQuery:` `p`",
            ),
            (
                &[(
                    prompts,
                    r#"{"prompts": {"query": null}, "default_prompt_name": null}"#,
                )],
                "none 512 `` ``",
            ),
            (
                &[(prompts, r#"{"prompts": ["query"]}"#)],
                "`config_sentence_transformers.json`",
            ),
            (
                &[
                    (prompts, r#"{"prompts": {"query": "q "}}"#),
                    (pooling, r#"{"include_prompt": false}"#),
                ],
                "leaves its prompt out",
            ),
            (
                &[(
                    "modules.json",
                    r#"[{"type": "sentence_transformers.models.Dense"}]"#,
                )],
                "module `sentence_transformers.models.Dense`",
            ),
            (
                &[(
                    "modules.json",
                    r#"[{"type": "sentence_transformers.models.Transformer"}]"#,
                )],
                "none 512",
            ),
        ];
        for (files, expect) in cases {
            let got = read(files);
            assert!(got.contains(expect), "{files:?}: {got}");
        }
        let long = format!(r#"{{"prompts": {{"passage": "{}"}}}}"#, "a".repeat(3000));
        assert!(read(&[(prompts, &long)]).contains("has 3000 bytes"));
    }
}
