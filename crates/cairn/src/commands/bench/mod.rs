//! `cairn bench`: how fast, how much memory, how exact; on generated data or a folder, with commands that anybody can rerun.
//!
//! What belongs to one process (encoder, search) is measured here, through the same engine as the API's. What a person waits for
//! (reading documents, a first answer, a server) is measured from outside, on children of this program. Everything happens in a
//! throw-away folder; the base is filled through the catalog, as the write path does.

mod args;
mod base;
mod encoder;
mod ingest;
mod place;
mod progress;
mod report;
mod save;
mod search;
mod serving;

use std::path::{Path, PathBuf};
use std::time::Instant;

use cairn_bench::Machine;
use cairn_llm::LlmSettings;
use cairn_models::{InstalledModel, ModelError, ModelStore};
use cairn_server::api::SearchMode;
use cairn_types::ErrorKind;

use crate::config::Settings;
use crate::failure::Failure;
use crate::output::Output;
use crate::wiring::{self, Embedding};

pub(crate) use args::BenchArgs;
use args::What;
use base::Plan;
use place::Place;
use progress::Progress;
use report::{Build, Report};

pub(crate) async fn run(
    args: BenchArgs,
    settings: &Settings,
    config: Option<PathBuf>,
    output: Output,
) -> Result<u8, Failure> {
    let model = installed(settings)?;
    let load = wiring::load_options(settings)?;
    let kernel = model.as_ref().map(|model| encoder::kernel(model, &load));
    let report = Report {
        cairn: Build {
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("CAIRN_COMMIT"),
            optimised: !cfg!(debug_assertions),
            model: model.as_ref().map(|model| model.manifest.name.clone()),
            kernel: kernel.transpose()?,
        },
        machine: Machine::this().into(),
        seed: args.seed,
        encoder: None,
        ingest: None,
        base: None,
        search: None,
        start: Vec::new(),
        insert: None,
        serve: None,
        memory: None,
        notes: Vec::new(),
    };
    let place = Place::new(&args, settings, config)?;
    let mut run = Run {
        progress: Progress::new(output),
        args,
        settings,
        model,
        place,
        report,
    };
    let measured = tokio::select! {
        measured = run.measure() => measured,
        () = stopped() => Err(Failure::interrupted("stopped")),
    };
    if run.args.keep {
        output.note(format!("kept: {}", run.place.folder().display()));
    }
    measured?;
    if output.json {
        let value = serde_json::to_value(&run.report).map_err(|error| {
            Failure::new(
                ErrorKind::Bug,
                format!("the report cannot be written: {error}"),
            )
        })?;
        output.value(&value)?;
    } else {
        output.line(run.report.to_text())?;
    }
    match run.report.serve.as_ref().map_or(0, |serve| serve.errors) {
        0 => Ok(0),
        n => Err(Failure::new(
            ErrorKind::Unavailable,
            format!("{n} requests over HTTP failed"),
        )),
    }
}

/// Until somebody stops this process in good order: the folder is thrown away then too.
async fn stopped() {
    let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    let terminated = async {
        match terminate {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

/// The model in use; `None` where none is installed.
fn installed(settings: &Settings) -> Result<Option<InstalledModel>, Failure> {
    let models = ModelStore::open(settings.data_dir.join("models"));
    let found = match &settings.model {
        Some(name) => models.get(name),
        None => models.default_model(),
    };
    match found {
        Ok(model) => Ok(Some(model)),
        Err(ModelError::NotInstalled { .. }) if settings.model.is_none() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// One run with what it has found so far.
struct Run<'a> {
    args: BenchArgs,
    settings: &'a Settings,
    model: Option<InstalledModel>,
    place: Place,
    progress: Progress,
    report: Report,
}

impl Run<'_> {
    async fn measure(&mut self) -> Result<(), Failure> {
        let asked = if self.args.what.is_empty() || self.args.what.contains(&What::All) {
            What::EACH.to_vec()
        } else {
            self.args.what.clone()
        };
        if self.model.is_none() {
            let note = "the encoder, dense and hybrid search: no model is installed";
            self.report.notes.push(note.to_owned());
        }
        let mut data = None;
        for what in asked {
            match what {
                What::All => {}
                What::Encoder => self.encoder().await?,
                What::Ingest => {
                    let report = ingest::measure(&self.args, &self.place, self.progress).await?;
                    self.report.ingest = Some(report);
                }
                What::Search | What::Start | What::Insert | What::Serve | What::Memory => {
                    let data = match &mut data {
                        Some(data) => data,
                        none => none.insert(self.base(what == What::Search).await?),
                    };
                    let data = data.clone();
                    if what == What::Search && self.report.search.is_none() {
                        self.search(&data).await?;
                    }
                    self.on_base(what, &data).await?;
                }
            }
        }
        Ok(())
    }

    async fn encoder(&mut self) -> Result<(), Failure> {
        let Some(model) = &self.model else {
            return Ok(());
        };
        let load = wiring::load_options(self.settings)?;
        let report = encoder::measure(&self.args, model, &load, self.progress).await?;
        self.report.encoder = Some(report);
        Ok(())
    }

    const fn plan(&self) -> Plan {
        Plan {
            seed: self.args.seed,
            n_chunks: self.args.chunks,
            embed: self.args.embed,
            mix_from: self.args.mix_from,
        }
    }

    /// Fills a data folder and builds its indexes; with `search`, searches too while it is open.
    async fn base(&mut self, search: bool) -> Result<PathBuf, Failure> {
        let data = self.place.data("base")?;
        let parts = self.open(&data).await?;
        let mut report = base::fill(&parts, self.plan(), self.progress).await?;
        let started = Instant::now();
        let opened = Searched::open(parts).await?;
        report.index_seconds = base::seconds(started.elapsed());
        if search {
            self.search_in(&opened, &data).await?;
        }
        opened.close().await;
        base::measure_sizes(&data, &mut report);
        self.report.base = Some(report);
        Ok(data)
    }

    /// Searches a base that was filled for something else.
    async fn search(&mut self, data: &Path) -> Result<(), Failure> {
        let opened = Searched::open(self.open(data).await?).await?;
        self.search_in(&opened, data).await?;
        opened.close().await;
        Ok(())
    }

    async fn search_in(&mut self, opened: &Searched, data: &Path) -> Result<(), Failure> {
        let n_documents = self.plan().n_documents();
        let parts = &opened.parts;
        let found = search::measure(&self.args, n_documents, parts, data, self.progress).await?;
        self.report.search = Some(found);
        Ok(())
    }

    async fn open(&self, data: &Path) -> Result<wiring::Parts, Failure> {
        let settings = Settings {
            data_dir: data.to_owned(),
            ..self.settings.clone()
        };
        // No question is put to a language model.
        let llm = LlmSettings::default();
        wiring::parts(&settings, &llm, Embedding::Checked, None).await
    }

    /// What is measured on processes of their own.
    async fn on_base(&mut self, what: What, data: &Path) -> Result<(), Failure> {
        let n_documents = self.plan().n_documents();
        let (args, place, progress) = (&self.args, &self.place, self.progress);
        match what {
            What::Start => {
                self.report.start =
                    serving::start(args, place, data, n_documents, progress).await?;
            }
            What::Insert => {
                let server = place.serve(data).await?;
                self.report.insert = Some(serving::insert(args, place, &server, progress).await?);
                server.stop().await?;
            }
            What::Serve => {
                let server = place.serve(data).await?;
                let mode = if self.model.is_some() {
                    SearchMode::Hybrid
                } else {
                    SearchMode::Lexical
                };
                self.report.serve = Some(serving::serve(args, &server, n_documents, mode).await?);
                server.stop().await?;
            }
            What::Memory => {
                let report = serving::memory(args, place, data, n_documents, progress).await?;
                self.report.memory = Some(report);
            }
            What::All | What::Encoder | What::Ingest | What::Search => {}
        }
        Ok(())
    }
}

/// An opened data folder that is searched in this process.
struct Searched {
    parts: search::Opened,
    opened: wiring::Opened,
}

impl Searched {
    async fn open(parts: wiring::Parts) -> Result<Self, Failure> {
        let catalog = parts.catalog().clone();
        let embedder = parts.embedder().cloned();
        let tenant = parts.tenant();
        let opened = parts.into_app().await?;
        let parts = search::Opened {
            engine: opened.app.engine(),
            catalog,
            embedder,
            tenant,
        };
        Ok(Self { parts, opened })
    }

    async fn close(self) {
        self.opened.app.close().await;
    }
}
