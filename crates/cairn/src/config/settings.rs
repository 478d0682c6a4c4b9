//! Settings with their types, made from checked values.

use std::path::PathBuf;
use std::time::Duration;

use cairn_extract::{IsolationPolicy, Passwords};

use super::load::Effective;

/// What the rest of the binary reads.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: String,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) max_upload_bytes: u64,
    pub(crate) heartbeat: Duration,
    pub(crate) max_concurrent_requests: usize,
    pub(crate) request_timeout: Duration,
    pub(crate) n_workers: usize,
    pub(crate) max_file_bytes: u64,
    pub(crate) deadline: Duration,
    pub(crate) worker_memory_bytes: u64,
    pub(crate) isolation: IsolationPolicy,
    pub(crate) partial_below: f64,
    pub(crate) chunk_tokens: usize,
    pub(crate) overlap_tokens: usize,
    pub(crate) pdfium: Option<PathBuf>,
    pub(crate) passwords: Passwords,
    pub(crate) is_ocr_on: bool,
    pub(crate) ocr_languages: Vec<String>,
    pub(crate) ocr_pictures: u32,
    pub(crate) tesseract: Option<PathBuf>,
    pub(crate) libreoffice: Option<PathBuf>,
    pub(crate) ffmpeg: Option<PathBuf>,
    pub(crate) transcription_base_url: Option<String>,
    pub(crate) transcription_api_key: Option<String>,
    pub(crate) transcription_model: String,
    pub(crate) transcription_language: Option<String>,
    pub(crate) web_allow_private: Vec<String>,
    pub(crate) web_extra_roots: Vec<PathBuf>,
    pub(crate) web_delay: Duration,
    pub(crate) web_max_pages: usize,
    pub(crate) web_max_response_bytes: u64,
    pub(crate) web_first_byte: Duration,
    pub(crate) web_total: Duration,
    pub(crate) model: Option<String>,
    pub(crate) model_threads: usize,
    pub(crate) kernel: String,
    pub(crate) llm_base_url: Option<String>,
    pub(crate) llm_api_key: Option<String>,
    pub(crate) llm_model: Option<String>,
    pub(crate) llm_first_token: Duration,
    pub(crate) llm_total: Duration,
    pub(crate) log_level: String,
    pub(crate) log_level_is_default: bool,
    pub(crate) log_json: bool,
    pub(crate) log_file: Option<PathBuf>,
}

impl Settings {
    /// Types for checked values; `home_data_dir` is used where no folder was named.
    pub(crate) fn new(effective: &Effective, home_data_dir: PathBuf) -> Self {
        let text = |path: &str| {
            effective
                .values
                .get(path)
                .map_or("", |(value, _)| value.as_str())
        };
        let some = |path: &str| Some(text(path).to_owned()).filter(|value| !value.is_empty());
        // `load` has checked every number against its bounds; the fallback is never taken.
        let number = |path: &str| text(path).parse::<u64>().unwrap_or_default();
        let count = |path: &str| usize::try_from(number(path)).unwrap_or(usize::MAX);
        let seconds = |path: &str| Duration::from_secs(number(path));
        let list = |path: &str| {
            let items = text(path).split(',').map(str::trim);
            let items = items.filter(|item| !item.is_empty());
            items.map(str::to_owned).collect::<Vec<String>>()
        };
        Self {
            data_dir: some("data.dir").map_or(home_data_dir, PathBuf::from),
            listen: text("server.listen").to_owned(),
            allowed_hosts: list("server.allowed_hosts"),
            max_upload_bytes: number("server.max_upload_bytes"),
            heartbeat: seconds("server.heartbeat_seconds"),
            max_concurrent_requests: count("server.max_concurrent_requests"),
            request_timeout: seconds("server.request_timeout_seconds"),
            n_workers: count("ingest.workers"),
            max_file_bytes: number("ingest.max_file_bytes"),
            deadline: seconds("ingest.deadline_seconds"),
            worker_memory_bytes: number("ingest.worker_memory_bytes"),
            isolation: match text("ingest.isolation") {
                "required" => IsolationPolicy::Required,
                _ => IsolationPolicy::BestEffort,
            },
            partial_below: f64::from(
                u8::try_from(number("ingest.partial_below_percent")).unwrap_or(100),
            ) / 100.0,
            chunk_tokens: count("ingest.chunk_tokens"),
            overlap_tokens: count("ingest.overlap_tokens"),
            pdfium: some("extract.pdfium").map(PathBuf::from),
            passwords: list("extract.passwords").into(),
            is_ocr_on: text("extract.ocr") != "off",
            ocr_languages: list("extract.ocr_languages"),
            ocr_pictures: u32::try_from(number("extract.ocr_pictures")).unwrap_or(u32::MAX),
            tesseract: some("extract.tesseract").map(PathBuf::from),
            libreoffice: some("extract.libreoffice").map(PathBuf::from),
            ffmpeg: some("extract.ffmpeg").map(PathBuf::from),
            transcription_base_url: some("transcription.base_url"),
            transcription_api_key: some("transcription.api_key"),
            transcription_model: text("transcription.model").to_owned(),
            transcription_language: some("transcription.language"),
            web_allow_private: list("web.allow_private"),
            web_extra_roots: list("web.extra_roots")
                .into_iter()
                .map(PathBuf::from)
                .collect(),
            web_delay: Duration::from_millis(number("web.delay_ms")),
            web_max_pages: count("web.max_pages"),
            web_max_response_bytes: match number("web.max_response_bytes") {
                0 => number("ingest.max_file_bytes"),
                n_bytes => n_bytes,
            },
            web_first_byte: seconds("web.first_byte_seconds"),
            web_total: seconds("web.total_seconds"),
            model: some("models.default"),
            model_threads: count("models.threads"),
            kernel: text("models.kernel").to_owned(),
            llm_base_url: some("llm.base_url"),
            llm_api_key: some("llm.api_key"),
            llm_model: some("llm.model"),
            llm_first_token: seconds("llm.first_token_seconds"),
            llm_total: seconds("llm.total_seconds"),
            log_level: text("log.level").to_owned(),
            log_level_is_default: effective
                .values
                .get("log.level")
                .is_none_or(|(_, origin)| *origin == super::Origin::Default),
            log_json: text("log.format") == "json",
            log_file: some("log.file").map(PathBuf::from),
        }
    }
}
