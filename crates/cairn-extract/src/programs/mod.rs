//! The parent's side of [`crate::ToolRequest`]: runs Tesseract, `LibreOffice` and `ffmpeg`, and asks a transcription service.
//!
//! What arrives here comes from a worker that has parsed foreign bytes and may be somebody else's by now: payloads are
//! checked again, names of files are ours, and nothing of a request becomes an option of a program.

mod find;
mod folder;
mod office;
mod recording;
mod result;
mod run;
mod tesseract;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::tools::{Segment, ToolError, ToolRequest, Tools, missing};
use crate::worker::Launcher;
use folder::folder_with;
pub use folder::remove_leftovers;
use run::{Finished, Job};

/// Sends a recording to a transcription service: the bytes of an audio file and the name that tells its format.
pub type Transcribe = dyn Fn(&str, Vec<u8>) -> Result<Vec<Segment>, ToolError> + Send + Sync;

/// Which programs are used, and how long they may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolSettings {
    /// Whether text in pictures is recognised at all.
    pub recognize: bool,
    /// Starts programs within walls, see [`crate::worker::launch`]. Without it they run with the rights of this process.
    pub launcher: Option<Launcher>,
    /// Tesseract; looked for in the search path where not named.
    pub tesseract: Option<PathBuf>,
    /// Languages to recognise, as Tesseract calls them (`eng`, `deu`); those that are not installed are passed over.
    pub languages: Vec<String>,
    /// `LibreOffice` (`soffice`); looked for in the search path where not named.
    pub libreoffice: Option<PathBuf>,
    /// `ffmpeg`; looked for in the search path where not named.
    pub ffmpeg: Option<PathBuf>,
    /// Time to recognise one page.
    pub page_deadline: Duration,
    /// Time to convert one document.
    pub convert_deadline: Duration,
    /// Time to take the sound track out of one recording.
    pub track_deadline: Duration,
    /// Most bytes that are sent to the transcription service in one request.
    pub max_upload_bytes: u64,
}

impl Default for ToolSettings {
    fn default() -> Self {
        Self {
            recognize: true,
            launcher: None,
            tesseract: None,
            languages: vec!["eng".to_owned()],
            libreoffice: None,
            ffmpeg: None,
            // A dense page takes 1 to 3 s; the rest is for slow machines with all their cores busy.
            page_deadline: Duration::from_secs(60),
            convert_deadline: Duration::from_secs(120),
            track_deadline: Duration::from_secs(600),
            // The limit of the OpenAI API.
            max_upload_bytes: 25_000_000,
        }
    }
}

/// Programs are looked for again after so long. A look takes some hundredths of a second.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The programs of this machine, looked for when the first of them is needed. Callable from many threads; the worker pool that
/// calls bounds how many run at once.
pub struct LocalTools {
    settings: ToolSettings,
    /// When the programs were looked for, and what was found.
    found: Mutex<Option<(Instant, Arc<Found>)>>,
    transcribe: Option<Arc<Transcribe>>,
    /// What the transcription service is, for [`Tools::identity`].
    transcriber: String,
    /// Conversions run one at a time: each starts a whole office.
    converting: Mutex<()>,
}

/// Where the programs are.
struct Found {
    tesseract: Result<tesseract::Tesseract, ToolError>,
    libreoffice: Option<PathBuf>,
    ffmpeg: Option<PathBuf>,
}

impl std::fmt::Debug for LocalTools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalTools")
            .field("settings", &self.settings)
            .field("transcriber", &self.transcriber)
            .finish_non_exhaustive()
    }
}

impl LocalTools {
    /// Programs by these settings, without a transcription service.
    #[must_use]
    pub const fn new(settings: ToolSettings) -> Self {
        Self {
            settings,
            found: Mutex::new(None),
            transcribe: None,
            transcriber: String::new(),
            converting: Mutex::new(()),
        }
    }

    /// With a transcription service; `name` is what tells it from others: address and model.
    #[must_use]
    pub fn with_transcription(
        mut self,
        name: impl Into<String>,
        transcribe: Arc<Transcribe>,
    ) -> Self {
        self.transcriber = name.into();
        self.transcribe = Some(transcribe);
        self
    }

    /// The programs of this machine. They are looked for again after a while, so that one that was installed meanwhile is
    /// used without a restart.
    fn found(&self) -> Arc<Found> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        match &*found {
            Some((at, known)) if at.elapsed() < LOOK_AGAIN => Arc::clone(known),
            _ => {
                let now = Arc::new(Found::look(&self.settings));
                *found = Some((Instant::now(), Arc::clone(&now)));
                now
            }
        }
    }
}

impl Found {
    /// Looks for the programs. Logs a warning where a configured language or program is not there.
    fn look(settings: &ToolSettings) -> Self {
        let tesseract = tesseract::find(settings);
        for language in tesseract.iter().flat_map(|found| &found.missing) {
            tracing::warn!(
                language,
                package = find::language_package(language),
                "Tesseract has no data for a configured language"
            );
        }
        let look = |configured: &Option<PathBuf>, names: &[&str]| {
            let found = find::program(configured.as_deref(), names);
            if let (Some(path), None) = (configured, &found) {
                tracing::warn!(path = %path.display(), "a configured program cannot be run");
            }
            found
        };
        Self {
            tesseract,
            libreoffice: look(&settings.libreoffice, &["soffice", "libreoffice"]),
            ffmpeg: look(&settings.ffmpeg, &["ffmpeg"]),
        }
    }
}

impl Tools for LocalTools {
    fn call(&self, request: &ToolRequest, payload: &[u8]) -> Result<Vec<u8>, ToolError> {
        match request {
            ToolRequest::Recognize { dpi } => match &self.found().tesseract {
                Ok(tesseract) => tesseract.recognize(payload, *dpi, self.settings.page_deadline),
                Err(error) => Err(error.clone()),
            },
            ToolRequest::Convert { from } => {
                let found = self.found();
                let soffice = found
                    .libreoffice
                    .as_deref()
                    .ok_or_else(|| missing(request))?;
                let _one_at_a_time = self.converting.lock();
                office::convert(soffice, *from, payload, &self.settings)
            }
            ToolRequest::Transcribe { extension } => {
                let transcribe = self.transcribe.as_deref().ok_or_else(|| missing(request))?;
                recording::transcribe(
                    &self.settings,
                    self.found().ffmpeg.as_deref(),
                    transcribe,
                    extension,
                    payload,
                )
            }
        }
    }

    fn refusal(&self, request: &ToolRequest) -> Option<ToolError> {
        match request {
            ToolRequest::Recognize { .. } => self.found().tesseract.as_ref().err().cloned(),
            ToolRequest::Convert { .. } => {
                let found = &self.found().libreoffice;
                found.is_none().then(|| missing(request))
            }
            ToolRequest::Transcribe { .. } => self.transcribe.is_none().then(|| missing(request)),
        }
    }

    fn identity(&self) -> String {
        let found = self.found();
        let Found {
            tesseract,
            libreoffice,
            ffmpeg,
        } = &*found;
        let languages = tesseract.as_ref().map_or("", |found| &found.languages);
        format!(
            "tesseract={languages} libreoffice={} ffmpeg={} transcription={}",
            libreoffice.is_some(),
            ffmpeg.is_some(),
            self.transcriber
        )
    }
}

/// Runs a job; where the program does not start or ends badly, what it said goes to the log.
fn run_logged(what: &str, job: &Job<'_>) -> Result<Finished, ToolError> {
    let finished = run::run(job).map_err(|error| failed(what, error.to_string()))?;
    if !finished.is_success() {
        tracing::debug!(
            program = what,
            reason = finished.reason(job),
            stderr = finished.stderr,
            "a program failed"
        );
    }
    Ok(finished)
}

fn failed(what: &str, reason: impl Into<String>) -> ToolError {
    ToolError::Failed {
        what: what.to_owned(),
        reason: reason.into(),
    }
}

/// A launcher that runs this script in the program's place and folder. (A script that a test writes cannot be executed
/// while another thread forks: somebody has it open for writing.)
#[cfg(test)]
fn played_by_shell(script: &str) -> Launcher {
    Launcher {
        command: crate::worker::WorkerCommand {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
        },
        isolation: crate::worker::IsolationPolicy::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::LegacyFormat;

    #[test]
    fn without_programs_every_request_says_what_it_needs() {
        let nowhere = Some(PathBuf::from("/no/such/program"));
        let tools = LocalTools::new(ToolSettings {
            tesseract: nowhere.clone(),
            libreoffice: nowhere.clone(),
            ffmpeg: nowhere,
            ..ToolSettings::default()
        });
        let from = LegacyFormat::Doc;
        for request in [
            ToolRequest::Recognize { dpi: None },
            ToolRequest::Convert { from },
            ToolRequest::Transcribe {
                extension: "mp3".into(),
            },
        ] {
            let error = tools.call(&request, b"x").unwrap_err();
            assert!(matches!(error, ToolError::Missing { .. }), "{error}");
            assert_eq!(tools.refusal(&request), Some(error));
        }
        let with = tools.identity();
        assert_eq!(
            with,
            "tesseract= libreoffice=false ffmpeg=false transcription="
        );
    }

    #[test]
    fn recognition_can_be_switched_off() {
        let tools = LocalTools::new(ToolSettings {
            recognize: false,
            ..ToolSettings::default()
        });
        let error = tools
            .call(&ToolRequest::Recognize { dpi: None }, b"x")
            .unwrap_err();
        let ToolError::Missing { hint, .. } = error else {
            panic!("{error}");
        };
        assert!(hint.contains("extract.ocr"), "{hint}");
    }
}
