//! Audio and video to text: the sound track by `ffmpeg` where that is needed, then the transcription service.
//!
//! A small audio file of a format that the protocol names is sent as it is. Everything else becomes mono WAV at 16 kHz,
//! what speech models compute with, in pieces that stay below the service's limit; the times of later pieces are
//! moved by where they begin. A word at a cut may be lost: there is one cut in ten minutes.

use std::ffi::OsString;
use std::path::Path;

use super::run::Job;
use super::{ToolSettings, Transcribe, failed, folder_with, run_logged};
use crate::tools::{Segment, ToolError};

/// Audio formats that the OpenAI API reference names for transcriptions.
const DIRECT: [&str; 6] = ["flac", "mp3", "mpga", "m4a", "ogg", "wav"];
/// Containers and streams that `ffmpeg` may read. Not among them: playlists and everything else that names other files.
const CONTAINERS: &str = "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dts,eac3,flac,flv,m4v,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,ogg,rm,tta,voc,w64,wav,wv";
/// Longest piece: 19 MB.
const MAX_PIECE_SECONDS: u64 = 600;
/// 16,000 samples of two bytes.
const BYTES_PER_SECOND: u64 = 32_000;

/// The transcript of a recording as JSON.
pub(super) fn transcribe(
    settings: &ToolSettings,
    ffmpeg: Option<&Path>,
    send: &Transcribe,
    extension: &str,
    payload: &[u8],
) -> Result<Vec<u8>, ToolError> {
    let is_small = payload.len() as u64 <= settings.max_upload_bytes;
    let segments = if is_small && DIRECT.contains(&extension) {
        send(&format!("recording.{extension}"), payload.to_vec())?
    } else {
        let ffmpeg = ffmpeg.ok_or_else(|| ToolError::Missing {
            what: if is_small {
                "ffmpeg to take the sound out of this recording".to_owned()
            } else {
                let limit = settings.max_upload_bytes;
                format!("ffmpeg to cut a recording of more than {limit} bytes")
            },
            hint: "install it (Debian: apt-get install ffmpeg), then ingest again".to_owned(),
        })?;
        in_pieces(settings, ffmpeg, send, payload)?
    };
    serde_json::to_vec(&segments).map_err(|error| failed("the transcript", error.to_string()))
}

fn in_pieces(
    settings: &ToolSettings,
    ffmpeg: &Path,
    send: &Transcribe,
    payload: &[u8],
) -> Result<Vec<Segment>, ToolError> {
    let of_file = |error: std::io::Error| failed("ffmpeg", error.to_string());
    // Half a second for the header and for cuts that fall between frames.
    let piece_seconds = (settings
        .max_upload_bytes
        .saturating_sub(BYTES_PER_SECOND / 2)
        / BYTES_PER_SECOND)
        .clamp(1, MAX_PIECE_SECONDS);
    let folder = folder_with("input", payload).map_err(of_file)?;
    let job = Job {
        program: ffmpeg,
        args: arguments(piece_seconds),
        folder: folder.path(),
        launcher: settings.launcher.as_ref(),
        stdin: None,
        deadline: settings.track_deadline,
        max_output: 1 << 20,
    };
    let finished = run_logged("ffmpeg", &job)?;
    if !finished.is_success() {
        return Err(failed("ffmpeg", finished.reason(&job)));
    }
    let mut segments = Vec::new();
    for idx in 0_u64.. {
        let path = folder.path().join(format!("{idx}.wav"));
        if !path.exists() {
            break;
        }
        let bytes = fs_err::read(&path).map_err(of_file)?;
        let start_ms = idx * piece_seconds * 1000;
        segments.extend(
            send("recording.wav", bytes)?
                .into_iter()
                .map(|segment| Segment {
                    start_ms: segment.start_ms.saturating_add(start_ms),
                    end_ms: segment.end_ms.saturating_add(start_ms),
                    ..segment
                }),
        );
    }
    Ok(segments)
}

/// The first sound track, and only files: a playlist may name addresses.
fn arguments(piece_seconds: u64) -> Vec<OsString> {
    let seconds = piece_seconds.to_string();
    [
        "-nostdin",
        "-hide_banner",
        "-loglevel",
        "error",
        "-threads",
        "1",
        "-protocol_whitelist",
        "file",
        "-format_whitelist",
        CONTAINERS,
        "-i",
        "file:input",
        "-map",
        "0:a:0",
        "-vn",
        "-sn",
        "-dn",
        "-map_metadata",
        "-1",
        "-ac",
        "1",
        "-ar",
        "16000",
        "-c:a",
        "pcm_s16le",
        "-f",
        "segment",
        "-segment_format",
        "wav",
        "-segment_time",
        &seconds,
        "-reset_timestamps",
        "1",
        "%d.wav",
    ]
    .map(OsString::from)
    .into()
}
