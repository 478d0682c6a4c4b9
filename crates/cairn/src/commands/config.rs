//! `cairn config`: every key, its value and where it came from; secrets masked.

use serde_json::json;

use crate::config::{Effective, KEYS, variable};
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(effective: &Effective, output: Output) -> Result<u8, Failure> {
    let mut section = "";
    for key in KEYS {
        let Some((value, origin)) = effective.values.get(key.path) else {
            continue;
        };
        let shown = if key.is_secret && !value.is_empty() {
            "***"
        } else {
            value.as_str()
        };
        if output.json {
            output.value(&json!({
                "key": key.path,
                "value": shown,
                "origin": origin.to_string(),
                "variable": variable(key.path),
                "help": key.help,
            }))?;
            continue;
        }
        let (this, name) = key.path.split_once('.').unwrap_or(("", key.path));
        if this != section {
            if !section.is_empty() {
                output.line("")?;
            }
            output.line(output.bold(&format!("[{this}]")))?;
            section = this;
        }
        let value = if shown.is_empty() {
            "\"\"".to_owned()
        } else {
            shown.to_owned()
        };
        output.line(format!(
            "{name} = {value}  {}",
            output.dim(&format!("({origin})"))
        ))?;
        if !output.quiet {
            output.line(output.dim(&format!("    {}", key.help)))?;
        }
    }
    Ok(0)
}
