//! Extraction in child processes: a parser that crashes, spins or grows takes down one document, not the server.
//!
//! The parent keeps a [`WorkerPool`] of children; each child runs [`serve`] over its standard input and
//! output. Frames are length-prefixed (see `protocol`). A child limits itself before it reads a document
//! (address space, processor time, no files written, no core dump) and locks itself up (see `sandbox`: no file, no
//! network, no other process); the parent keeps the clock.

mod child;
mod limits;
mod pool;
mod protocol;
mod sandbox;

pub use limits::WorkerLimits;
pub use pool::{WorkerCommand, WorkerPool};
pub(crate) use protocol::read_frames;
pub use sandbox::{Isolation, IsolationPolicy};
#[cfg(unix)]
pub use sandbox::{Launcher, ProgramLimits, launch, launch_args};

use std::cell::RefCell;
use std::io::{self, Read, Write};

use cairn_types::Extracted;

use crate::error::ExtractError;
use crate::extract::{Input, catch_panic, extract_with};
use crate::html::page_meta;
use crate::options::ExtractOptions;
use crate::pdf::{PageImage, render_page};
use crate::tools::{ToolError, ToolRequest, Tools};
use protocol::{Answer, Hello, Ready, Request, Task, ToolReply, VERSION};

/// Answers a parent's requests until it closes `input`: the whole life of a worker process.
///
/// Where the parent is a [`WorkerPool`] this process gives up its rights for good, on Linux: it can open nothing,
/// start nothing and reach nobody, and all descriptors but the standard three are closed. The program must have
/// started no thread and must not want anything else of life.
///
/// # Errors
/// When the pipes fail or the parent speaks another version of the protocol. Errors of documents are answers.
pub fn serve(input: impl Read, output: impl Write) -> io::Result<()> {
    serve_with(input, output, extract_with)
}

/// [`serve`] with another way to read a document.
///
/// # Errors
/// As [`serve`].
pub fn serve_with(
    mut input: impl Read,
    mut output: impl Write,
    mut read: impl FnMut(&Input<'_>, &ExtractOptions, &dyn Tools) -> Result<Extracted, ExtractError>,
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
    let ready = Ready {
        version: VERSION,
        isolation: if hello.lock {
            // The last file that this process opens.
            crate::pdf::preload(&hello.options);
            sandbox::lock()?
        } else {
            Isolation::default()
        },
    };
    protocol::write_json(&mut output, &ready, u64::MAX)?;
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
            match request.task {
                Task::Extract { name, origin } => {
                    let document = Input {
                        name: &name,
                        bytes: &bytes,
                        origin,
                    };
                    let tools = PipedTools(RefCell::new((&mut input, &mut output)));
                    catch_panic(|| read(&document, &hello.options, &tools))
                }
                Task::PageMeta { name } => {
                    let meta = catch_panic(|| Ok(page_meta(&name, &bytes)));
                    let answer = meta.map_or_else(Answer::Failed, Answer::PageMeta);
                    write_answer(&mut output, &answer, hello.max_output_bytes)?;
                    continue;
                }
                Task::Render(page) => {
                    let drawn = catch_panic(|| render_page(&bytes, &page, &hello.options));
                    match drawn {
                        Ok(image) if image.png.len() as u64 <= hello.max_output_bytes => {
                            write_image(&mut output, image)?;
                            continue;
                        }
                        Ok(_) => Err(ExtractError::too_large(
                            "image of the page in bytes",
                            hello.max_output_bytes,
                        )),
                        Err(error) => Err(error),
                    }
                }
            }
        };
        write_answer(&mut output, &Answer::from(answer), hello.max_output_bytes)?;
    }
    Ok(())
}

/// Answers with an image: what is said of it, then its file.
fn write_image(output: &mut impl Write, mut image: PageImage) -> io::Result<()> {
    let png = std::mem::take(&mut image.png);
    let answer = Answer::Image {
        image,
        size: png.len() as u64,
    };
    protocol::write_with_payload(output, &answer, &png)
}

/// Writes an answer, or that it is too large.
fn write_answer(output: &mut impl Write, answer: &Answer, max_bytes: u64) -> io::Result<()> {
    if !protocol::write_json(output, answer, max_bytes)? {
        let too_large = ExtractError::too_large("extracted text in bytes", max_bytes);
        protocol::write_json(output, &Answer::Failed(too_large), u64::MAX)?;
    }
    Ok(())
}

/// Tools at the other end of the pipes.
struct PipedTools<'p, R, W>(RefCell<(&'p mut R, &'p mut W)>);

impl<R: Read, W: Write> PipedTools<'_, R, W> {
    fn converse(
        &self,
        request: &ToolRequest,
        payload: &[u8],
    ) -> io::Result<Result<Vec<u8>, ToolError>> {
        let (input, output) = &mut *self.0.borrow_mut();
        let call = Answer::Call {
            request: request.clone(),
            size: payload.len() as u64,
        };
        protocol::write_with_payload(output, &call, payload)?;
        Self::reply(input)
    }

    fn ask(&self, request: &ToolRequest) -> io::Result<Result<Vec<u8>, ToolError>> {
        let (input, output) = &mut *self.0.borrow_mut();
        let request = request.clone();
        protocol::write_json(output, &Answer::Ask { request }, u64::MAX)?;
        Self::reply(input)
    }

    fn reply(input: &mut R) -> io::Result<Result<Vec<u8>, ToolError>> {
        match protocol::read_json::<ToolReply>(input)? {
            Some(ToolReply::Done { size }) => protocol::read_bytes(input, size).map(Ok),
            Some(ToolReply::Failed(error)) => Ok(Err(error)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl<R: Read, W: Write> Tools for PipedTools<'_, R, W> {
    fn call(&self, request: &ToolRequest, payload: &[u8]) -> Result<Vec<u8>, ToolError> {
        self.converse(request, payload).unwrap_or_else(|error| {
            Err(ToolError::Failed {
                what: "the extraction worker's pipe".into(),
                reason: error.to_string(),
            })
        })
    }

    fn refusal(&self, request: &ToolRequest) -> Option<ToolError> {
        // A broken pipe shows at the next call.
        self.ask(request).ok()?.err()
    }
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
            lock: false,
            options: ExtractOptions::default(),
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
            protocol::write_request(&mut input, &Input::file(name, bytes)).unwrap();
        }
        let mut output = Vec::new();
        serve_with(&input[..], &mut output, |input, options, tools| {
            if input.name == "panic" {
                panic!("index out of bounds");
            }
            extract_with(input, options, tools)
        })
        .unwrap();
        let mut output = &output[..];
        assert!(protocol::read_json::<Ready>(&mut output).unwrap().is_some());
        let mut answers = Vec::new();
        while let Some(answer) = protocol::read_json::<Answer>(&mut output).unwrap() {
            answers.push(match answer {
                Answer::Read(extracted) => Ok(extracted),
                Answer::Failed(error) => Err(error),
                other @ (Answer::Ask { .. }
                | Answer::Call { .. }
                | Answer::Image { .. }
                | Answer::PageMeta(_)) => {
                    panic!("neither a tool nor an image is needed: {other:?}")
                }
            });
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
    fn a_worker_asks_whether_a_tool_refuses() {
        let request = ToolRequest::Recognize { dpi: None };
        let missing = crate::tools::missing(&request);
        for (reply, expect) in [
            (ToolReply::Done { size: 0 }, None),
            (ToolReply::Failed(missing.clone()), Some(missing)),
        ] {
            let mut input = Vec::new();
            protocol::write_json(&mut input, &hello(1 << 20), u64::MAX).unwrap();
            protocol::write_request(&mut input, &Input::file("a.txt", b"x")).unwrap();
            protocol::write_json(&mut input, &reply, u64::MAX).unwrap();
            let mut output = Vec::new();
            serve_with(&input[..], &mut output, |input, options, tools| {
                assert_eq!(tools.refusal(&request), expect);
                extract_with(input, options, tools)
            })
            .unwrap();
            let mut output = &output[..];
            protocol::read_json::<Ready>(&mut output).unwrap().unwrap();
            let asked = protocol::read_json::<Answer>(&mut output).unwrap().unwrap();
            assert!(matches!(asked, Answer::Ask { request: what } if what == request));
            let answer = protocol::read_json::<Answer>(&mut output).unwrap().unwrap();
            assert!(matches!(answer, Answer::Read(_)), "{answer:?}");
        }
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
        let mut other = hello(1);
        other.version = VERSION + 1;
        let mut input = Vec::new();
        protocol::write_json(&mut input, &other, u64::MAX).unwrap();
        assert!(serve(&input[..], io::sink()).is_err());
        assert!(serve(&b""[..], io::sink()).is_ok());
        assert!(serve(&b"\xff\xff\xff\xffgarbage"[..], io::sink()).is_err());
        let mut torn = Vec::new();
        protocol::write_json(&mut torn, &hello(1), u64::MAX).unwrap();
        protocol::write_request(&mut torn, &Input::file("a", b"12345")).unwrap();
        torn.pop();
        assert!(serve(&torn[..], io::sink()).is_err());
    }
}
