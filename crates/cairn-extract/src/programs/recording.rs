//! Audio and video to text: the sound track by `ffmpeg` where that is needed, then the transcription service.
//!
//! A small audio file of a format that the protocol names is sent as it is. Everything else becomes mono WAV at 16 kHz,
//! what speech models compute with, in pieces that stay below the service's limit; the times of later pieces are
//! moved by where they begin. A word at a cut may be lost: there is one cut in ten minutes.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;

use super::result::read_result;
use super::run::Job;
use super::{ToolSettings, Transcribe, failed, folder_with, run_logged};
use crate::tools::{Segment, ToolError};

/// Audio formats that the OpenAI API reference names for transcriptions.
const DIRECT: [&str; 6] = ["flac", "mp3", "mpga", "m4a", "ogg", "wav"];
/// Containers and streams that `ffmpeg` may read. Not among them: playlists and everything else that names other files.
const CONTAINERS: &str = "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dts,eac3,flac,flv,m4v,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,ogg,rm,tta,voc,w64,wav,wv";
/// What `ffmpeg` says of a file without a sound track; it speaks English only.
const NO_TRACK: &str = "matches no streams";
/// Longest piece: 19 MB.
const MAX_PIECE_SECONDS: u64 = 600;
/// Longest recording.
const MAX_SECONDS: u64 = 24 * 60 * 60;
/// What a piece may have beyond its time: the header, and the rest of a frame of sound.
const PIECE_MARGIN: u64 = 1 << 20;
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
        if finished.stderr.contains(NO_TRACK) {
            let reason = "the recording has no sound track".to_owned();
            return Err(ToolError::Nothing { reason });
        }
        return Err(failed("ffmpeg", finished.reason(&job)));
    }
    let mut segments = Vec::new();
    let max_bytes = piece_seconds * BYTES_PER_SECOND + PIECE_MARGIN;
    let n_max = MAX_SECONDS.div_ceil(piece_seconds);
    if fs_err::symlink_metadata(folder.path().join(format!("{n_max}.wav"))).is_ok() {
        let hours = MAX_SECONDS / 3600;
        let reason = format!("the recording is longer than {hours} h");
        return Err(failed("ffmpeg", reason));
    }
    for idx in 0..n_max {
        let bytes = match read_result(folder.path(), &format!("{idx}.wav"), max_bytes) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => break,
            Err(error) => return Err(of_file(error)),
        };
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::played_by_shell;
    use super::*;

    /// What comes of a recording where this script plays `ffmpeg`, and how many pieces were sent.
    fn played_by(script: &str) -> (Result<Vec<Segment>, ToolError>, usize) {
        let settings = ToolSettings {
            launcher: Some(played_by_shell(script)),
            ..ToolSettings::default()
        };
        let n_sent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&n_sent);
        let send = move |_: &str, bytes: Vec<u8>| {
            assert_eq!(bytes, b"sound");
            counter.fetch_add(1, Ordering::Relaxed);
            Ok(Vec::new())
        };
        let done = in_pieces(&settings, Path::new("ffmpeg"), &send, b"x");
        (done, n_sent.load(Ordering::Relaxed))
    }

    #[test]
    fn a_program_that_was_taken_over_sends_nothing_but_its_own_files() {
        let outside = tempfile::tempdir().unwrap();
        let secret = outside.path().join("secret");
        fs_err::write(&secret, b"secret").unwrap();
        let (done, n_sent) = played_by("printf sound > 0.wav; printf sound > 1.wav");
        assert!(done.is_ok());
        assert_eq!(n_sent, 2);
        for leave in [
            format!("ln -s {} 1.wav", secret.display()),
            format!("ln {} 1.wav", secret.display()),
            "mkfifo 1.wav".to_owned(),
            "ln -s /dev/zero 1.wav".to_owned(),
            "ln -s 0.wav 1.wav".to_owned(),
            "head -c 30000000 /dev/zero > 1.wav".to_owned(),
        ] {
            let (done, n_sent) = played_by(&format!("printf sound > 0.wav; {leave}"));
            let error = done.unwrap_err().to_string();
            assert!(error.contains("1.wav"), "{leave}: {error}");
            assert_eq!(n_sent, 1, "{leave}");
        }
    }

    #[test]
    fn recordings_end() {
        let (done, n_sent) = played_by("printf sound > 0.wav; printf sound > 144.wav");
        let error = done.unwrap_err().to_string();
        assert!(error.contains("24 h"), "{error}");
        assert_eq!(n_sent, 0);
    }
}
