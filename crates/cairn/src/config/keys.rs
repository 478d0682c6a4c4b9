//! Every setting: one table that file, environment, `cairn config` and the reference page share.

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text; empty means not set.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number within these bounds.
    Number(u64, u64),
    /// Texts; in the environment separated by commas.
    List,
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    /// `section.key`, as in the file; `CAIRN_SECTION__KEY` in the environment.
    pub(crate) path: &'static str,
    /// What its value may be.
    pub(crate) kind: Kind,
    /// Its default as text.
    pub(crate) default: &'static str,
    /// Whether its value is masked wherever it is shown.
    pub(crate) is_secret: bool,
    /// Names in the environment that people already have.
    pub(crate) known_as: &'static [&'static str],
    /// What it does.
    pub(crate) help: &'static str,
}

const fn key(path: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Key {
    Key {
        path,
        kind,
        default,
        is_secret: false,
        known_as: &[],
        help,
    }
}

const fn known(key: Key, known_as: &'static [&'static str]) -> Key {
    Key { known_as, ..key }
}

const GIB: u64 = 1 << 30;

/// All settings, in the order they are shown.
pub(crate) const KEYS: &[Key] = &[
    key(
        "data.dir",
        Kind::Text,
        "",
        "Folder for everything that Cairn keeps. Also `--data-dir` and `CAIRN_DATA_DIR`.",
    ),
    key(
        "server.listen",
        Kind::Text,
        "127.0.0.1:7171",
        "Address and port of `cairn serve`. Other than loopback needs an API key.",
    ),
    key(
        "server.allowed_hosts",
        Kind::List,
        "",
        "Names that clients may use for this server, besides localhost.",
    ),
    key(
        "server.max_upload_bytes",
        Kind::Number(1, 64 * GIB),
        "209715200",
        "Largest upload request.",
    ),
    key(
        "server.heartbeat_seconds",
        Kind::Number(1, 300),
        "15",
        "Pause between heartbeats on an event stream.",
    ),
    key(
        "server.max_concurrent_requests",
        Kind::Number(1, 100_000),
        "256",
        "Requests worked on at once; more get 503.",
    ),
    key(
        "server.request_timeout_seconds",
        Kind::Number(1, 86_400),
        "120",
        "Time limit of a request that is not a stream.",
    ),
    key(
        "ingest.workers",
        Kind::Number(1, 256),
        "2",
        "Processes that parse documents, and documents read at once.",
    ),
    key(
        "ingest.max_file_bytes",
        Kind::Number(1, 64 * GIB),
        "209715200",
        "Larger files are passed over, with a reason.",
    ),
    key(
        "ingest.deadline_seconds",
        Kind::Number(1, 86_400),
        "60",
        "Time to parse one document; then its worker is killed.",
    ),
    key(
        "ingest.worker_memory_bytes",
        Kind::Number(64 << 20, 64 * GIB),
        "2147483648",
        "Address space of one parsing process.",
    ),
    key(
        "ingest.isolation",
        Kind::Choice(&["best_effort", "required"]),
        "best_effort",
        "Whether documents are parsed on a system without Landlock or seccomp; see `isolation.md`.",
    ),
    key(
        "ingest.partial_below_percent",
        Kind::Number(0, 100),
        "90",
        "A document of which less than this was understood is `partial`, as is one in which something is known to be missing.",
    ),
    key(
        "ingest.chunk_tokens",
        Kind::Number(32, 8192),
        "256",
        "Most tokens of a chunk, title and headings included; never more than the model takes.",
    ),
    key(
        "ingest.overlap_tokens",
        Kind::Number(0, 512),
        "32",
        "Tokens that a chunk repeats from the one before.",
    ),
    key(
        "extract.pdfium",
        Kind::Text,
        "",
        "Path of libpdfium, which reads PDF files.",
    ),
    Key {
        is_secret: true,
        ..key(
            "extract.passwords",
            Kind::List,
            "",
            "Passwords tried on protected PDF files, one after the other.",
        )
    },
    key(
        "extract.ocr",
        Kind::Choice(&["auto", "off"]),
        "auto",
        "Whether text in pictures and scanned pages is recognised, where Tesseract is installed.",
    ),
    key(
        "extract.ocr_languages",
        Kind::List,
        "eng",
        "Languages to recognise, as Tesseract calls them: `eng`, `deu`, `chi_sim`. Each needs its data installed.",
    ),
    key(
        "extract.ocr_pictures",
        Kind::Number(0, 10_000),
        "30",
        "Pictures within one document (text, slides, sheet, book, page) whose text is recognised; 0 for none.",
    ),
    key(
        "extract.tesseract",
        Kind::Text,
        "",
        "Path of `tesseract`, which reads pictures; empty looks in the search path.",
    ),
    key(
        "extract.libreoffice",
        Kind::Text,
        "",
        "Path of `soffice`, which converts DOC and PPT; empty looks in the search path.",
    ),
    key(
        "extract.ffmpeg",
        Kind::Text,
        "",
        "Path of `ffmpeg`, which takes the sound out of recordings; empty looks in the search path.",
    ),
    key(
        "transcription.base_url",
        Kind::Text,
        "",
        "OpenAI-compatible endpoint that writes down speech, e.g. `http://127.0.0.1:8000/v1`. Recordings are sent there. Empty: they are passed over.",
    ),
    Key {
        is_secret: true,
        ..key(
            "transcription.api_key",
            Kind::Text,
            "",
            "Key for that endpoint.",
        )
    },
    key(
        "transcription.model",
        Kind::Text,
        "whisper-1",
        "Model name for transcriptions.",
    ),
    key(
        "transcription.language",
        Kind::Text,
        "",
        "Language of the recordings (ISO 639-1, `en`); empty lets the service find out.",
    ),
    key(
        "web.allow_private",
        Kind::List,
        "",
        "Networks (`10.0.0.0/8`) and hosts (`intranet.example`) that web pages may be read from although they are not public.",
    ),
    key(
        "web.extra_roots",
        Kind::List,
        "",
        "PEM files with root certificates that web servers may be signed by, beside those that this system trusts.",
    ),
    key(
        "web.delay_ms",
        Kind::Number(0, 60_000),
        "1000",
        "Pause between two requests to a web server; a longer `Crawl-delay` of its robots.txt, up to 30 s, wins.",
    ),
    key(
        "web.max_pages",
        Kind::Number(1, 1_000_000),
        "1000",
        "Most web pages of one run; `--max-pages` asks for fewer.",
    ),
    key(
        "web.max_response_bytes",
        Kind::Number(0, 64 * GIB),
        "0",
        "Largest web page after unpacking; 0 takes `ingest.max_file_bytes`.",
    ),
    key(
        "web.first_byte_seconds",
        Kind::Number(1, 3600),
        "30",
        "Time limit until a web server answers.",
    ),
    key(
        "web.total_seconds",
        Kind::Number(1, 86_400),
        "120",
        "Time limit of a whole answer of a web server.",
    ),
    key(
        "models.default",
        Kind::Text,
        "",
        "Installed embedding model to use; empty takes the only one.",
    ),
    key(
        "models.threads",
        Kind::Number(0, 256),
        "0",
        "Threads that embed; 0 takes all cores.",
    ),
    key(
        "models.kernel",
        Kind::Choice(&["auto", "avx512", "avx2", "neon", "portable"]),
        "auto",
        "Instructions of the encoder. All compute the same vectors; auto takes the fastest.",
    ),
    known(
        key(
            "llm.base_url",
            Kind::Text,
            "",
            "OpenAI-compatible endpoint that writes answers, e.g. `http://127.0.0.1:11434/v1`. Empty: answers are quotes from the documents.",
        ),
        &["OPENAI_BASE_URL"],
    ),
    Key {
        is_secret: true,
        ..key("llm.api_key", Kind::Text, "", "Key for that endpoint.")
    },
    known(
        key(
            "llm.model",
            Kind::Text,
            "",
            "Model name; empty takes the first that the endpoint lists.",
        ),
        &["DEFAULT_LLM_MODEL"],
    ),
    key(
        "llm.first_token_seconds",
        Kind::Number(1, 3600),
        "30",
        "Time limit until the model's first word.",
    ),
    key(
        "llm.total_seconds",
        Kind::Number(1, 86_400),
        "120",
        "Time limit of a whole answer.",
    ),
    known(
        key(
            "log.level",
            Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
            "error",
            "What is logged. `cairn serve` raises the default to info.",
        ),
        &["LOG_LEVEL"],
    ),
    known(
        key(
            "log.format",
            Kind::Choice(&["human", "json"]),
            "human",
            "How log lines look. `LOG_JSON=true` is `json`.",
        ),
        &["LOG_JSON"],
    ),
    known(
        key(
            "log.file",
            Kind::Text,
            "",
            "File that log lines are appended to; empty is standard error.",
        ),
        &["LOG_TO_FILE"],
    ),
];

/// The setting at `path`.
pub(crate) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// `CAIRN_SECTION__KEY` for `section.key`.
pub(crate) fn variable(path: &str) -> String {
    format!("CAIRN_{}", path.replace('.', "__").to_uppercase())
}
