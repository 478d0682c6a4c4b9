//! The `cairn` binary: command line, configuration, wiring.
//!
//! Commands are clients of the HTTP API (`client.rs`): of the server that runs on the data folder, or of the same
//! router in this process. Only this crate reads the environment, knows clap and ends the process.

mod cli;
mod client;
mod commands;
mod config;
mod failure;
mod logging;
mod output;
mod wiring;

use std::process::ExitCode;

use cairn_store::{DataDir, LockState};
use cairn_types::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

use crate::cli::{Cli, Command, Global};
use crate::client::{Client, Target};
use crate::config::{Effective, Settings};
use crate::failure::Failure;
use crate::output::Output;
use crate::wiring::Embedding;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.global.json;
    match start(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if !failure.message.is_empty() {
                output::show_failure(&failure, json);
            }
            ExitCode::from(failure.exit_code)
        }
    }
}

fn start(cli: Cli) -> Result<u8, Failure> {
    let output = Output::new(
        &cli.global,
        variable("NO_COLOR").is_some_and(|value| !value.is_empty()),
    );
    // These need no configuration: a worker has no environment to read, and completions are made at build time.
    match cli.command {
        Command::Worker => return commands::worker::run(),
        Command::Launch { args } => return commands::worker::launch(args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "cairn", &mut script);
            output.write(&String::from_utf8_lossy(&script))?;
            return Ok(0);
        }
        _ => {}
    }
    let (effective, settings) = configuration(&cli)?;
    if matches!(cli.command, Command::Config) {
        return commands::config::run(&effective, output);
    }
    logging::start(
        &settings,
        cli.global.verbose,
        matches!(cli.command, Command::Serve { .. }),
        output,
    )?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(
                ErrorKind::Unavailable,
                format!("threads cannot be started: {error}"),
            )
        })?;
    let result = runtime.block_on(run(cli, settings, output));
    // Blocking work of a cancelled command (a file being parsed) is not waited for.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    result
}

/// The one place that reads variables of the environment.
#[expect(clippy::disallowed_methods, reason = "the configuration of the binary")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn configuration(cli: &Cli) -> Result<(Effective, Settings), Failure> {
    let names: Vec<String> = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .collect();
    let home = wiring::default_data_dir(&variable);
    let named = variable("CAIRN_DATA_DIR").filter(|dir| !dir.is_empty());
    let data_dir = cli
        .global
        .data_dir
        .clone()
        .or_else(|| named.map(std::path::PathBuf::from))
        .or_else(|| home.clone());
    let beside = data_dir
        .as_ref()
        .map(|dir| dir.join("cairn.toml"))
        .filter(|path| path.is_file());
    let file = cli.global.config.clone().or(beside);
    let mut flags = Vec::new();
    if let Some(dir) = &cli.global.data_dir {
        flags.push(("data.dir", "--data-dir", dir.to_string_lossy().into_owned()));
    }
    if let Command::Serve {
        listen: Some(listen),
    } = &cli.command
    {
        flags.push(("server.listen", "--listen", listen.clone()));
    }
    let effective = config::load(file.as_deref(), &variable, &names, &flags)?;
    let Some(home) = data_dir else {
        return Err(Failure::new(
            ErrorKind::InvalidInput,
            "there is no home folder to keep data in",
        )
        .hint("name a folder: `--data-dir DIR` or CAIRN_DATA_DIR"));
    };
    let settings = Settings::new(&effective, home);
    Ok((effective, settings))
}

async fn run(cli: Cli, settings: Settings, output: Output) -> Result<u8, Failure> {
    let Cli { global, command } = cli;
    let llm = wiring::llm_settings(&settings, &variable);
    match command {
        Command::Serve { .. } => {
            let listen = settings.listen.clone();
            let opened = wiring::open(&settings, &llm, Embedding::Checked).await?;
            commands::serve::run(opened, &listen, output).await
        }
        Command::Eval(args) => {
            let own_dir = global.data_dir.is_some();
            commands::eval::run(args, &settings, &llm, own_dir, output).await
        }
        Command::Bench(args) => commands::bench::run(args, &settings, global.config, output).await,
        command => {
            let embedding = if matches!(command, Command::Models(_)) {
                Embedding::WhereUsable
            } else {
                Embedding::Checked
            };
            let (client, _opened) = connect(&settings, &llm, embedding, global.key.clone()).await?;
            dispatch(&client, command, &global, &settings, output).await
        }
    }
}

/// The running server, or the data folder opened in this process.
async fn connect(
    settings: &Settings,
    llm: &cairn_llm::LlmSettings,
    embedding: Embedding,
    key: Option<String>,
) -> Result<(Client, Option<wiring::Opened>), Failure> {
    if let LockState::Held { pid } = DataDir::peek(&settings.data_dir)? {
        let socket = wiring::socket(&settings.data_dir);
        if tokio::net::UnixStream::connect(&socket).await.is_ok() {
            return Ok((Client::new(Target::Unix(socket), key), None));
        }
        let who = pid
            .map(|pid| format!(" (process {pid})"))
            .unwrap_or_default();
        let message = format!(
            "the data folder `{}` is in use by another command{who}",
            settings.data_dir.display()
        );
        return Err(Failure::new(ErrorKind::Conflict, message).hint(
            "wait until it ends, or run `cairn serve`: several commands can use a server at once",
        ));
    }
    let opened = wiring::open(settings, llm, embedding).await?;
    let router = cairn_server::router(opened.app.clone(), cairn_server::Surface::Local);
    Ok((Client::new(Target::InProcess(router), key), Some(opened)))
}

async fn dispatch(
    client: &Client,
    command: Command,
    global: &Global,
    settings: &Settings,
    output: Output,
) -> Result<u8, Failure> {
    let collections = &global.collection;
    match command {
        Command::Ingest(args) => {
            let collection = match collections.as_slice() {
                [] => "default",
                [one] => one,
                _ => {
                    return Err(Failure::new(
                        ErrorKind::InvalidInput,
                        "`ingest` reads into one collection, several were given",
                    ));
                }
            };
            commands::ingest::run(client, args, collection, output).await
        }
        Command::Search(args) => commands::search::run(client, args, collections, output).await,
        Command::Ask(args) => commands::ask::ask(client, args, collections, output).await,
        Command::Chat(flags) => commands::ask::chat(client, flags, collections, output).await,
        Command::Docs(command) => commands::docs::run(client, command, collections, output).await,
        Command::Collections => commands::docs::collections(client, output).await,
        Command::Jobs { id } => commands::docs::jobs(client, id, output).await,
        Command::Key(command) => commands::keys::run(client, command, output).await,
        Command::Models(command) => {
            commands::models::run(client, command, variable("HF_ENDPOINT"), output).await
        }
        Command::Status => commands::maintain::status(client, &settings.data_dir, output).await,
        Command::Index(command) => commands::maintain::index(client, command, output).await,
        Command::Serve { .. }
        | Command::Eval(_)
        | Command::Bench(_)
        | Command::Config
        | Command::Completions { .. }
        | Command::Launch { .. }
        | Command::Worker => Err(Failure::new(
            ErrorKind::Bug,
            "a command was handed to the wrong place",
        )),
    }
}
