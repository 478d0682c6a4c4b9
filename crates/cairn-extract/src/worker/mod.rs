//! Extraction in child processes: a parser that crashes, spins or grows takes down one document, not the server.
//!
//! The parent keeps a [`WorkerPool`] of children; each child runs [`serve`] over its standard input and
//! output. Frames are length-prefixed (see `protocol`). A child limits itself before it reads a document
//! (address space, processor time, no files written, no core dump); the parent keeps the clock.

mod child;
mod limits;
mod pool;
mod protocol;

pub use limits::WorkerLimits;
pub use pool::{WorkerCommand, WorkerPool};

use std::io::{self, Read, Write};

use cairn_types::Extracted;

use crate::error::ExtractError;
use crate::extract::{catch_panic, extract};
use crate::options::ExtractOptions;
use protocol::{Answer, Hello, Ready, Request, VERSION};

/// Answers a parent's requests until it closes `input`: the whole life of a worker process.
///
/// # Errors
/// When the pipes fail or the parent speaks another version of the protocol. Errors of documents are answers.
pub fn serve(input: impl Read, output: impl Write, options: &ExtractOptions) -> io::Result<()> {
    serve_with(input, output, |name, bytes| extract(name, bytes, options))
}

/// [`serve`] with another way to read a document.
///
/// # Errors
/// As [`serve`].
pub fn serve_with(
    mut input: impl Read,
    mut output: impl Write,
    mut read: impl FnMut(&str, &[u8]) -> Result<Extracted, ExtractError>,
) -> io::Result<()> {
    let Some(hello) = protocol::read_json::<Hello>(&mut input)? else {
        return Ok(());
    };
    if hello.version != VERSION {
        let (theirs, ours) = (hello.version, VERSION);
        return Err(io::Error::other(format!(
            "parent speaks protocol version {theirs}, this worker {ours}"
        )));
    }
    limits::apply(&hello)?;
    protocol::write_json(&mut output, &Ready { version: VERSION }, u64::MAX)?;
    while let Some(request) = protocol::read_json::<Request>(&mut input)? {
        let answer = if request.size > hello.max_input_bytes {
            protocol::skip(&mut input, request.size)?;
            Err(ExtractError::too_large(
                "document in bytes",
                hello.max_input_bytes,
            ))
        } else {
            let bytes = protocol::read_bytes(&mut input, request.size)?;
            limits::renew_cpu(&hello);
            catch_panic(|| read(&request.name, &bytes))
        };
        let answer = Answer::from(answer);
        if !protocol::write_json(&mut output, &answer, hello.max_output_bytes)? {
            let too_large =
                ExtractError::too_large("extracted text in bytes", hello.max_output_bytes);
            protocol::write_json(&mut output, &Answer::Failed(too_large), u64::MAX)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use cairn_types::HasKind as _;

    use super::*;

    fn hello(max_output_bytes: u64) -> Hello {
        Hello {
            version: VERSION,
            memory_bytes: None,
            cpu_seconds: None,
            max_input_bytes: 100,
            max_output_bytes,
        }
    }

    /// What a worker answers to these files.
    fn converse(
        max_output_bytes: u64,
        files: &[(&str, &[u8])],
    ) -> Vec<Result<Extracted, ExtractError>> {
        let mut input = Vec::new();
        protocol::write_json(&mut input, &hello(max_output_bytes), u64::MAX).unwrap();
        for (name, bytes) in files {
            protocol::write_request(&mut input, name, bytes).unwrap();
        }
        let mut output = Vec::new();
        let options = ExtractOptions::default();
        serve_with(&input[..], &mut output, |name, bytes| {
            if name == "panic" {
                panic!("index out of bounds");
            }
            extract(name, bytes, &options)
        })
        .unwrap();
        let mut output = &output[..];
        assert!(protocol::read_json::<Ready>(&mut output).unwrap().is_some());
        let mut answers = Vec::new();
        while let Some(answer) = protocol::read_json::<Answer>(&mut output).unwrap() {
            answers.push(answer.into());
        }
        answers
    }

    #[test]
    fn each_file_gets_its_answer() {
        let long = [b'x'; 101];
        let answers = converse(
            1 << 20,
            &[
                ("a.txt", b"hello"),
                ("panic", b"x"),
                ("b.txt", &long),
                ("c.txt", b"again"),
            ],
        );
        let texts: Vec<String> = answers
            .into_iter()
            .map(|answer| match answer {
                Ok(extracted) => extracted.render().text,
                Err(error) => format!("{}: {error}", error.kind()),
            })
            .collect();
        assert_eq!(
            texts,
            [
                "hello",
                "invalid_input: the parser crashed on this document: index out of bounds",
                "invalid_input: document exceeds a limit: document in bytes is over 100",
                "again"
            ]
        );
    }

    #[test]
    fn output_is_capped() {
        let answers = converse(150, &[("a.txt", &[b'y'; 90])]);
        assert!(matches!(
            answers[..],
            [Err(ExtractError::TooLarge { limit: 150, .. })]
        ));
    }

    #[test]
    fn other_versions_and_torn_input_end_the_worker() {
        let options = ExtractOptions::default();
        let mut other = hello(1);
        other.version = VERSION + 1;
        let mut input = Vec::new();
        protocol::write_json(&mut input, &other, u64::MAX).unwrap();
        assert!(serve(&input[..], io::sink(), &options).is_err());
        assert!(serve(&b""[..], io::sink(), &options).is_ok());
        assert!(serve(&b"\xff\xff\xff\xffgarbage"[..], io::sink(), &options).is_err());
        let mut torn = Vec::new();
        protocol::write_json(&mut torn, &hello(1), u64::MAX).unwrap();
        protocol::write_request(&mut torn, "a", b"12345").unwrap();
        torn.pop();
        assert!(serve(&torn[..], io::sink(), &options).is_err());
    }
}
