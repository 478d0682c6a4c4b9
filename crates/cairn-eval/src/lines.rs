//! Lines of text files, plain or gzip, with their numbers.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use fs_err::File;
use serde::de::DeserializeOwned;

use crate::error::EvalError;

/// Longest line that is read; a document of 64 MiB in one line is not evaluation data.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// `name` in `folder`, plain or with `.gz`.
pub(crate) fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), folder.join(format!("{name}.gz"))]
        .into_iter()
        .find(|path| path.is_file())
}

/// Calls `each` with the number (from 1) and the text of every line that is not blank.
pub(crate) fn each_line(
    path: &Path,
    mut each: impl FnMut(usize, &str) -> Result<(), String>,
) -> Result<(), EvalError> {
    let file = File::open(path)?;
    let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
    let source: Box<dyn Read> = if is_gzip {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let mut reader = BufReader::new(source);
    let mut bytes = Vec::new();
    for line in 1.. {
        let wrong = |reason: String| EvalError::Line {
            path: path.to_owned(),
            line,
            reason,
        };
        bytes.clear();
        let n_bytes = reader
            .by_ref()
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut bytes)
            .map_err(|error| wrong(format!("cannot be read: {error}")))?;
        if n_bytes == 0 {
            break;
        }
        if n_bytes as u64 == MAX_LINE_BYTES {
            return Err(wrong(format!("longer than {MAX_LINE_BYTES} bytes")));
        }
        let text = str::from_utf8(&bytes).map_err(|_| wrong("not UTF-8".to_owned()))?;
        let text = if line == 1 {
            text.trim_start_matches('\u{feff}')
        } else {
            text
        };
        let text = text.trim_end_matches(['\n', '\r']);
        if !text.trim().is_empty() {
            each(line, text).map_err(wrong)?;
        }
    }
    Ok(())
}

/// Reads JSON lines of `T`. `id_of` names the key that must not repeat; `check` may refuse a row.
pub(crate) fn read_rows<T: DeserializeOwned>(
    path: &Path,
    id_of: impl Fn(&T) -> &str,
    check: impl Fn(&T) -> Result<(), String>,
) -> Result<Vec<T>, EvalError> {
    let mut rows = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    each_line(path, |line, text| {
        let row: T = serde_json::from_str(text).map_err(|error| {
            // The parser counts lines of its own, which here are always 1.
            let text = error.to_string();
            text.split(" at line ").next().unwrap_or(&text).to_owned()
        })?;
        let id = id_of(&row);
        if id.is_empty() {
            return Err("the id is empty".to_owned());
        }
        if let Some(first) = seen.insert(id.to_owned(), line) {
            return Err(format!("id `{id}` stands in line {first} already"));
        }
        check(&row)?;
        rows.push(row);
        Ok(())
    })?;
    Ok(rows)
}
