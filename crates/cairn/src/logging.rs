//! Log lines: for people or as JSON, to standard error or a file.

use cairn_types::ErrorKind;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::config::Settings;
use crate::failure::Failure;
use crate::output::Output;

/// Starts logging for the rest of the process.
pub(crate) fn start(
    settings: &Settings,
    verbose: u8,
    is_server: bool,
    output: Output,
) -> Result<(), Failure> {
    let level = match (verbose, is_server && settings.log_level_is_default) {
        (0, true) => "info",
        (0, false) => settings.log_level.as_str(),
        (1, _) => "debug",
        (_, _) => "trace",
    };
    // Libraries below us speak up only where something is wrong, unless everything is asked for.
    let filter = if level == "trace" {
        EnvFilter::new("trace")
    } else {
        let libraries = if level == "error" { "error" } else { "warn" };
        EnvFilter::new(format!("{libraries},cairn={level}{}", crates(level)))
    };
    let writer = match &settings.log_file {
        None => BoxMakeWriter::new(std::io::stderr),
        Some(path) => {
            let file = fs_err::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .map_err(|error| {
                    Failure::new(
                        ErrorKind::InvalidInput,
                        format!("the log file cannot be opened: {error}"),
                    )
                })?;
            BoxMakeWriter::new(std::sync::Mutex::new(file.into_parts().0))
        }
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_target(true);
    let result = if settings.log_json {
        builder.json().flatten_event(true).try_init()
    } else {
        let ansi = settings.log_file.is_none() && output.error_colours;
        builder.with_ansi(ansi).try_init()
    };
    result.map_err(|error| {
        Failure::new(
            ErrorKind::Bug,
            format!("logging cannot be started: {error}"),
        )
    })
}

fn crates(level: &str) -> String {
    [
        "answer", "extract", "index", "ingest", "llm", "models", "retrieve", "server", "store",
    ]
    .iter()
    .map(|name| format!(",cairn_{name}={level}"))
    .collect()
}
