//! Audio and video: what is said in them, with its times, as a transcription service writes it down.

use crate::builder::Builder;
use crate::context::Context;
use crate::detect::extension;
use crate::error::ExtractError;
use crate::timed;
use crate::tools::{Segment, ToolRequest};

/// Longest extension that is passed on.
const MAX_EXTENSION: usize = 8;

pub(crate) fn read(
    name: &str,
    media_type: &str,
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    let request = ToolRequest::Transcribe {
        extension: file_extension(name, media_type),
    };
    let reply = cx
        .call(&request, bytes)
        .map_err(|error| error.into_error(media_type))?;
    let segments: Vec<Segment> = serde_json::from_slice(&reply).map_err(|error| {
        ExtractError::malformed(format!("the transcript cannot be read: {error}"))
    })?;
    timed::push_segments(builder, &segments);
    if builder.is_empty() {
        return Err(ExtractError::empty("no speech was recognised"));
    }
    Ok(())
}

/// The name's extension, or where that is none of a file the one of the type: services tell formats by it.
fn file_extension(name: &str, media_type: &str) -> String {
    let own = extension(name);
    let is_plain = |text: &str| {
        (1..=MAX_EXTENSION).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    if is_plain(&own) {
        return own;
    }
    let by_type = match media_type {
        "audio/mpeg" => "mp3",
        "audio/m4a" => "m4a",
        "audio/x-wav" => "wav",
        "audio/ogg" | "audio/opus" => "ogg",
        "audio/x-flac" => "flac",
        "video/quicktime" => "mov",
        "video/x-matroska" => "mkv",
        other => other
            .rsplit('/')
            .next()
            .filter(|kind| is_plain(kind))
            .unwrap_or("bin"),
    };
    by_type.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Origin;
    use crate::options::ExtractOptions;
    use crate::tools::{NoTools, ToolError, Tools};

    /// A service that says the same of every recording.
    struct Says(&'static str);

    impl Tools for Says {
        fn call(&self, request: &ToolRequest, _payload: &[u8]) -> Result<Vec<u8>, ToolError> {
            assert_eq!(
                request,
                &ToolRequest::Transcribe {
                    extension: "mp3".into()
                }
            );
            Ok(self.0.as_bytes().to_vec())
        }
    }

    fn read_with(tools: &dyn Tools) -> Result<Vec<String>, ExtractError> {
        let options = ExtractOptions::default();
        let cx = Context::new(&options, Origin::File, tools);
        let mut builder = Builder::new(100);
        read("a.mp3", "audio/mpeg", b"ID3", &cx, &mut builder)?;
        Ok(builder.elements().iter().map(|e| e.text.clone()).collect())
    }

    #[test]
    fn a_recording_is_its_transcript() {
        let segments = r#"[{"start_ms":61000,"end_ms":62000,"text":" Ahoy."}]"#;
        assert_eq!(read_with(&Says(segments)).unwrap(), ["[00:01:01] Ahoy."]);
        let silent = read_with(&Says("[]")).unwrap_err();
        assert_eq!(silent, ExtractError::empty("no speech was recognised"));
        assert!(matches!(
            read_with(&Says("<html>")).unwrap_err(),
            ExtractError::Malformed { .. }
        ));
        assert!(matches!(
            read_with(&NoTools).unwrap_err(),
            ExtractError::Unsupported { .. }
        ));
    }

    #[test]
    fn the_extension_is_short_and_plain() {
        for (name, media_type, expect) in [
            ("talk.MP3", "audio/mpeg", "mp3"),
            ("talk", "video/quicktime", "mov"),
            ("a.../../etc", "video/mp4", "mp4"),
            ("a.m p", "video/x-ms-wmv", "bin"),
            ("a.verylongextension", "video/mp4", "mp4"),
        ] {
            assert_eq!(file_extension(name, media_type), expect, "{name}");
        }
    }
}
