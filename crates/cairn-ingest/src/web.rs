//! A run over pages of the web: what is new, what has changed since it was fetched, what is gone.
//!
//! Pages come one after the other (a site is asked once a second anyway), and each is published before the next is asked for, so
//! that a run that is stopped goes on where it was. A page's key is its canonical address, below the room of who asked for it.
//! How a page was fetched is noted after its version: a process that ends between the two fetches once more than it had to.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use cairn_extract::{Origin, PageMeta};
use cairn_types::ports::{FetchState, KnownItem};
use cairn_types::{
    AccessList, BlobHash, DocumentId, HasKind as _, JobKind, JobState, NewJob, Outcome, Principal,
    Scope, Source, Timestamp,
};
use cairn_web::{
    Answer, Crawl, Fetched, Hops, Page, Step, StepKind, Url, Validators, WebClient, WebError,
    Within, http_date, resolve,
};
use tokio_util::sync::CancellationToken;

use crate::error::IngestError;
use crate::files::{DeletionGuard, Loaded, RunMode, blocking, job_item};
use crate::pipeline::{Item, Pipeline, Target, refused};
use crate::report::{DocumentReport, IngestEvent, Summary};
use crate::stages::{Course, Seen};

/// A run over pages.
#[derive(Debug, Clone)]
pub struct WebRequest {
    /// Start pages, in canonical form.
    pub starts: Vec<Url>,
    /// How many links away from a start page others may be; 0 reads the start pages alone.
    pub depth: u32,
    /// Most pages that are asked for.
    pub max_pages: usize,
    /// How far links are followed.
    pub within: Within,
    /// What the keys begin with: keeps apart who asked. Empty for the owner.
    pub room: String,
    /// Collection for new documents.
    pub collection: String,
    /// Tags to set; with none given, known documents keep theirs.
    pub tags: BTreeSet<String>,
    /// Access list to set; `None` keeps that of known documents and opens new ones to the tenant.
    pub access: Option<AccessList>,
    /// Whether anything is written. A dry run asks for the start pages and lists what they link to.
    pub mode: RunMode,
    /// What happens to known pages of the site that are gone. With a sync, every known page of the site is asked for.
    pub deletions: DeletionGuard,
}

/// What the catalog knows of the pages of one room, by address.
struct KnownPages {
    items: HashMap<String, KnownItem>,
    /// Validators of pages that need not be read again, with their documents' addresses.
    fetched: HashMap<String, (Validators, String)>,
}

/// One run and what it has learned.
struct Run<'r> {
    scope: &'r Scope,
    client: &'r WebClient,
    room: String,
    target: Target,
    mode: RunMode,
    is_sync: bool,
    known: KnownPages,
    crawl: Crawl,
    gone: Vec<DocumentId>,
    summary: Summary,
}

impl Run<'_> {
    fn count(&mut self, report: DocumentReport, emit: &mut (dyn FnMut(IngestEvent) + Send + '_)) {
        self.summary.count(&report);
        emit(IngestEvent::Document(report));
    }

    fn key(&self, address: &str) -> String {
        format!("{}{address}", self.room)
    }

    /// The living document at an address.
    fn living(&self, address: &str) -> Option<&KnownItem> {
        self.known
            .items
            .get(address)
            .filter(|item| !item.is_deleted)
    }

    /// A known page that is not to be kept: deleted by a sync, else kept and told of.
    fn let_go(&mut self, item: &KnownItem, why: &str) -> Option<DocumentReport> {
        if self.is_sync {
            self.gone.push(item.document);
            return None;
        }
        let reason = format!("{why}; the document is kept, a run with `--sync` deletes it");
        Some(DocumentReport {
            document: Some(item.document),
            ..refused(&item.key, 0, Outcome::Unchanged, reason)
        })
    }
}

impl Pipeline {
    /// Reads pages of the web into the catalog. `emit` is called in the order in which they are asked for.
    ///
    /// # Errors
    /// Where the catalog, the model or the start of a parser process fails, a sync would delete too much, or `cancel` is
    /// cancelled. What was published before stays. What happens to one page is a report.
    pub async fn ingest_web(
        &self,
        scope: &Scope,
        client: &WebClient,
        request: WebRequest,
        cancel: &CancellationToken,
        mut emit: impl FnMut(IngestEvent) + Send,
    ) -> Result<Summary, IngestError> {
        if request.mode == RunMode::DryRun {
            return self
                .run_web(scope, client, request, cancel, &mut emit)
                .await;
        }
        let job = self
            .catalog
            .accept(NewJob {
                tenant: self.tenant,
                kind: JobKind::Web,
                access: scope.user().map_or_else(AccessList::owner_only, |user| {
                    AccessList::new([Principal::User(user.to_owned())])
                }),
                collection: request.collection.clone(),
                tags: request.tags.clone(),
                document_access: request.access.clone(),
                items: Vec::new(),
            })
            .await?;
        self.catalog
            .set_job_state(self.system(), job, JobState::Running, None)
            .await?;
        let mut failures = Vec::new();
        let result = self
            .run_web(scope, client, request, cancel, &mut |event| {
                if let IngestEvent::Document(report) = &event
                    && report.outcome == Outcome::Failed
                {
                    failures.push(job_item(report));
                }
                emit(event);
            })
            .await;
        self.finish_job(job, failures, result).await
    }

    async fn run_web(
        &self,
        scope: &Scope,
        client: &WebClient,
        request: WebRequest,
        cancel: &CancellationToken,
        emit: &mut (dyn FnMut(IngestEvent) + Send + '_),
    ) -> Result<Summary, IngestError> {
        let started = Instant::now();
        let place = request
            .starts
            .iter()
            .map(Url::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        let target = Target {
            collection: request.collection,
            source: Source::web(),
            tags: Some(request.tags).filter(|tags| !tags.is_empty()),
            access: request.access,
        };
        let known = self.known_pages(&target, &request.room).await?;
        let mut run = Run {
            scope,
            client,
            room: request.room,
            target,
            mode: request.mode,
            is_sync: request.deletions != DeletionGuard::Keep,
            known,
            crawl: Crawl::new(
                request.starts,
                request.depth,
                request.max_pages,
                request.within,
            ),
            gone: Vec::new(),
            summary: Summary {
                has_vectors: self.embedder.is_some(),
                ..Summary::default()
            },
        };
        let mut n_told = 0;
        let mut is_rechecking = !run.is_sync;
        loop {
            let n_files = run.crawl.n_total() as u64;
            if n_files != n_told {
                n_told = n_files;
                emit(IngestEvent::Discovered {
                    n_files,
                    n_bytes: 0,
                });
            }
            let Some(step) = run.crawl.next_step() else {
                if is_rechecking {
                    break;
                }
                is_rechecking = true;
                let living = run.known.items.iter().filter(|(_, item)| !item.is_deleted);
                let mut addresses: Vec<&String> = living.map(|(address, _)| address).collect();
                addresses.sort_unstable();
                for url in addresses
                    .iter()
                    .filter_map(|text| cairn_web::parse(text).ok())
                {
                    run.crawl.recheck(url);
                }
                continue;
            };
            if run.mode == RunMode::DryRun && step.kind != StepKind::Start {
                let report = would_ask(&run, &step);
                run.count(report, emit);
                continue;
            }
            let fetched = {
                let known = &run.known;
                let crawl = &run.crawl;
                let hops = Hops {
                    validators: &|url| {
                        let (validators, _) = known.fetched.get(url.as_str())?;
                        Some(validators.clone())
                    },
                    accepts: &|url| crawl.accepts(&step, url),
                };
                let started = Instant::now();
                let fetched = tokio::select! {
                    biased;
                    () = cancel.cancelled() => return Err(IngestError::Cancelled),
                    fetched = client.fetch(&step.url, &hops) => fetched,
                };
                run.summary.stages.read += started.elapsed();
                fetched
            };
            match fetched {
                Ok(fetched) => self.arrived(&mut run, &step, fetched, cancel, emit).await?,
                Err(error) => {
                    let report = not_fetched(&run, &step, &error);
                    run.count(report, emit);
                }
            }
        }
        let n_left = run.crawl.n_left();
        if n_left > 0 {
            let reason = format!(
                "{n_left} more addresses were found than this run may read; `--max-pages` sets how many"
            );
            run.count(refused(&place, 0, Outcome::Skipped, reason), emit);
        }
        if run.is_sync {
            let n_known = run.known.items.iter().filter(|(address, item)| {
                !item.is_deleted && cairn_web::parse(address).is_ok_and(|url| run.crawl.holds(&url))
            });
            let n_known = n_known.count();
            let gone = std::mem::take(&mut run.gone);
            self.delete_gone(
                scope,
                &place,
                gone,
                n_known,
                request.deletions,
                run.mode,
                &mut run.summary,
            )
            .await?;
        }
        run.summary.elapsed = started.elapsed();
        Ok(run.summary)
    }

    async fn known_pages(&self, target: &Target, room: &str) -> Result<KnownPages, IngestError> {
        let (collection, source) = (&target.collection, &target.source);
        let items = self
            .catalog
            .known_items(self.system(), collection, source, "")
            .await?;
        let states = self
            .catalog
            .fetch_states(self.system(), collection, source)
            .await?;
        let states: HashMap<DocumentId, FetchState> = states.into_iter().collect();
        // Rooms begin with `~`, addresses with their scheme.
        let items: HashMap<String, KnownItem> = items
            .into_iter()
            .filter_map(|item| {
                let address = item.key.strip_prefix(room)?;
                (!address.starts_with('~')).then(|| (address.to_owned(), item.clone()))
            })
            .collect();
        let pipeline = self.clone();
        blocking(move || {
            let fingerprint = pipeline.fingerprint();
            let mut fetched = HashMap::new();
            for (address, item) in &items {
                // What another pipeline made is read again, from the page as it is now.
                let Some(state) = states.get(&item.document) else {
                    continue;
                };
                let has_original = pipeline.blobs.exists(pipeline.tenant, item.blob)?;
                let has_validators = state.etag.is_some() || state.last_modified.is_some();
                if item.fingerprint == fingerprint && has_original && has_validators {
                    let validators = Validators {
                        etag: state.etag.clone(),
                        last_modified: state.last_modified.clone(),
                    };
                    fetched.insert(state.address.clone(), (validators, address.clone()));
                }
            }
            Ok(KnownPages { items, fetched })
        })
        .await?
    }

    /// What is done with an answer.
    async fn arrived(
        &self,
        run: &mut Run<'_>,
        step: &Step,
        fetched: Fetched,
        cancel: &CancellationToken,
        emit: &mut (dyn FnMut(IngestEvent) + Send + '_),
    ) -> Result<(), IngestError> {
        let Fetched {
            url,
            has_moved,
            answer,
        } = fetched;
        match answer {
            Answer::Gone { status } => {
                let item = run.living(step.url.as_str()).or(run.living(url.as_str()));
                let report = match item.cloned() {
                    Some(item) => run.let_go(&item, &format!("the server answered {status}")),
                    None => {
                        let outcome = match step.kind {
                            StepKind::Start => Outcome::Failed,
                            StepKind::Found | StepKind::Recheck => Outcome::Skipped,
                        };
                        let reason = format!("the server answered {status}");
                        Some(refused(step.url.as_str(), 0, outcome, reason))
                    }
                };
                if let Some(report) = report {
                    run.count(report, emit);
                }
                Ok(())
            }
            _ if !run.crawl.arrived(step, &url) => {
                let reason = format!("it leads to `{url}`, which belongs to the run already");
                run.count(
                    refused(step.url.as_str(), 0, Outcome::Skipped, reason),
                    emit,
                );
                Ok(())
            }
            Answer::Same => self.same_page(run, step, &url, cancel, emit).await,
            Answer::Page(page) => {
                self.new_page(run, step, &url, has_moved, page, cancel, emit)
                    .await
            }
        }
    }

    /// A page that its server says has not changed: nothing was sent, and its links are those of the stored original.
    async fn same_page(
        &self,
        run: &mut Run<'_>,
        step: &Step,
        url: &Url,
        cancel: &CancellationToken,
        emit: &mut (dyn FnMut(IngestEvent) + Send + '_),
    ) -> Result<(), IngestError> {
        let Some((validators, address)) = run.known.fetched.get(url.as_str()).cloned() else {
            return Err(IngestError::Bug(format!(
                "`{url}` was not asked with a condition"
            )));
        };
        let Some(known) = run.known.items.get(&address).cloned() else {
            return Err(IngestError::Bug(format!("`{address}` is not known")));
        };
        if address != url.as_str()
            && let Ok(address) = cairn_web::parse(&address)
        {
            run.crawl.arrived(step, &address);
        }
        if run.crawl.follows(step) {
            let pipeline = self.clone();
            let blob = known.blob;
            let meta = blocking(move || {
                let bytes = pipeline.blobs.read_verified(pipeline.tenant, blob)?;
                pipeline.page_meta("page.html", &bytes)
            })
            .await??;
            self.follow(run, step, url, &meta);
        }
        let item = Item {
            key: known.key.clone(),
            uri: address,
            name: String::new(),
            modified_at: known.modified_at,
            blob: known.blob,
            size_bytes: 0,
            origin: Origin::WebPage,
            known: Some(known),
            moved_from: None,
        };
        let seen = Seen::Same(item, std::time::Duration::ZERO);
        let document = self.settle_page(run, seen, cancel, emit).await?;
        self.note_fetch(run, document, url, validators).await
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one step of one run, called once"
    )]
    async fn new_page(
        &self,
        run: &mut Run<'_>,
        step: &Step,
        url: &Url,
        has_moved: bool,
        page: Page,
        cancel: &CancellationToken,
        emit: &mut (dyn FnMut(IngestEvent) + Send + '_),
    ) -> Result<(), IngestError> {
        let name = file_name(url, &page.content_type);
        let pipeline = self.clone();
        let bytes = Arc::new(page.bytes);
        let meta = {
            let (name, bytes) = (name.clone(), Arc::clone(&bytes));
            blocking(move || pipeline.page_meta(&name, &bytes)).await??
        };
        if !page.no_follow {
            self.follow(run, step, url, &meta);
        }
        let own = meta
            .canonical
            .as_deref()
            .and_then(|href| resolve(&base_of(url, &meta), href))
            .filter(|own| own.origin() == url.origin() && own != url);
        if let Some(own) = &own
            && !run.crawl.arrived(step, own)
        {
            let reason = format!("its own address is `{own}`, which belongs to the run already");
            run.count(
                refused(step.url.as_str(), 0, Outcome::Skipped, reason),
                emit,
            );
            return Ok(());
        }
        let address = own.as_ref().unwrap_or(url).as_str().to_owned();
        if page.no_index || meta.no_index {
            let why = "the page asks not to be kept (noindex)";
            let report = match run.living(&address).cloned() {
                Some(item) => run.let_go(&item, why),
                None => Some(refused(&address, 0, Outcome::Skipped, why.to_owned())),
            };
            if let Some(report) = report {
                run.count(report, emit);
            }
            return Ok(());
        }
        let known = run.known.items.get(&address).cloned();
        let old = run
            .living(step.url.as_str())
            .filter(|old| has_moved && old.key != run.key(&address))
            .cloned();
        if let (Some(old), Some(_)) = (&old, &known)
            && run.is_sync
        {
            run.gone.push(old.document);
        }
        let bytes = Arc::unwrap_or_clone(bytes);
        let item = Item {
            key: run.key(&address),
            uri: address,
            name,
            modified_at: page
                .validators
                .last_modified
                .as_deref()
                .and_then(http_date)
                .map(Timestamp),
            blob: BlobHash::of(&bytes),
            size_bytes: bytes.len() as u64,
            origin: Origin::WebPage,
            moved_from: old.filter(|_| known.is_none()),
            known,
        };
        let loaded = Loaded {
            item,
            bytes,
            elapsed: std::time::Duration::ZERO,
            is_stored: false,
            share: None,
        };
        let pipeline = self.clone();
        let mode = run.mode;
        let seen = blocking(move || pipeline.look_at(loaded, mode)).await?;
        let document = self.settle_page(run, seen, cancel, emit).await?;
        self.note_fetch(run, document, url, page.validators).await
    }

    /// Takes one page through the stages; the document that it is or became, unless it could not be read.
    async fn settle_page(
        &self,
        run: &mut Run<'_>,
        seen: Seen,
        cancel: &CancellationToken,
        emit: &mut (dyn FnMut(IngestEvent) + Send + '_),
    ) -> Result<Option<DocumentId>, IngestError> {
        let course = Course {
            scope: Some(run.scope),
            target: &run.target,
            mode: run.mode,
            job: None,
        };
        let mut document = None;
        let page = futures::stream::iter([seen]);
        self.carry(course, page, cancel, &mut run.summary, &mut |event| {
            if let IngestEvent::Document(report) = &event
                && !matches!(report.outcome, Outcome::Failed | Outcome::Skipped)
            {
                document = report.document;
            }
            emit(event);
        })
        .await?;
        Ok(document)
    }

    fn page_meta(&self, name: &str, bytes: &[u8]) -> Result<PageMeta, IngestError> {
        match self.workers.page_meta(name, bytes) {
            Ok(meta) => Ok(meta),
            Err(error) if error.kind().is_fatal() => Err(error.into()),
            // A page that breaks its parser leads nowhere; reading it says what is wrong with it.
            Err(_) => Ok(PageMeta::default()),
        }
    }

    #[expect(clippy::unused_self, reason = "a step of the run, as its neighbours")]
    fn follow(&self, run: &mut Run<'_>, step: &Step, url: &Url, meta: &PageMeta) {
        let base = base_of(url, meta);
        run.crawl
            .found(step, &base, meta.links.iter().map(String::as_str));
    }

    async fn note_fetch(
        &self,
        run: &Run<'_>,
        document: Option<DocumentId>,
        url: &Url,
        validators: Validators,
    ) -> Result<(), IngestError> {
        let Some(document) = document.filter(|_| run.mode == RunMode::Write) else {
            return Ok(());
        };
        let state = FetchState {
            address: url.as_str().to_owned(),
            etag: validators.etag,
            last_modified: validators.last_modified,
            checked_at: run.client.now(),
        };
        self.catalog
            .put_fetch_state(self.system(), document, state)
            .await?;
        Ok(())
    }
}

/// What relative addresses of a page start from.
fn base_of(url: &Url, meta: &PageMeta) -> Url {
    let own = meta.base.as_deref().and_then(|base| url.join(base).ok());
    own.unwrap_or_else(|| url.clone())
}

/// What a dry run says of an address that it does not ask for.
fn would_ask(run: &Run<'_>, step: &Step) -> DocumentReport {
    let address = step.url.as_str();
    match run.living(address) {
        Some(item) => DocumentReport {
            document: Some(item.document),
            ..refused(
                &item.key,
                0,
                Outcome::Unchanged,
                "known: its server would be asked whether it has changed".to_owned(),
            )
        },
        None => refused(
            &run.key(address),
            0,
            Outcome::Added,
            "would be read, with what it links to as far as the depth allows".to_owned(),
        ),
    }
}

fn not_fetched(run: &Run<'_>, step: &Step, error: &WebError) -> DocumentReport {
    let is_choice = matches!(
        error,
        WebError::Disallowed { .. } | WebError::LeadsAway { .. }
    );
    let outcome = if is_choice && step.kind != StepKind::Start {
        Outcome::Skipped
    } else {
        Outcome::Failed
    };
    let hint = error.hint().map(|hint| format!("; {hint}"));
    let known = run.living(step.url.as_str());
    let kept = known.map_or("", |_| "; the document is kept");
    let reason = format!("{error}{}{kept}", hint.unwrap_or_default());
    DocumentReport {
        document: known.map(|item| item.document),
        ..refused(&run.key(step.url.as_str()), 0, outcome, reason)
    }
}

/// A file name for a page, by which formats that look alike are told apart. What a page is, its content says.
fn file_name(url: &Url, content_type: &str) -> String {
    let last = url.path().rsplit('/').next().unwrap_or_default();
    let last = if last.is_empty() { "index" } else { last };
    let (stem, ending) = match last.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && (1..=5).contains(&ending.len()) => {
            (stem, Some(ending))
        }
        _ => (last, None),
    };
    let by_type = match content_type {
        "text/html" | "application/xhtml+xml" => return format!("{stem}.html"),
        "text/plain" => "txt",
        "text/markdown" => "md",
        "text/csv" => "csv",
        "text/tab-separated-values" => "tsv",
        "application/json" => "json",
        "application/xml" | "text/xml" => "xml",
        _ => return last.to_owned(),
    };
    match ending {
        Some(_) => last.to_owned(),
        None => format!("{last}.{by_type}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_named_by_address_and_type() {
        for (url, content_type, expect) in [
            ("https://h/", "text/html", "index.html"),
            ("https://h/a/page.php?x=1", "text/html", "page.html"),
            ("https://h/main.rs", "text/html", "main.html"),
            ("https://h/v1.2", "application/xhtml+xml", "v1.html"),
            ("https://h/report.pdf", "application/pdf", "report.pdf"),
            ("https://h/main.rs", "text/plain", "main.rs"),
            ("https://h/LICENSE", "text/plain", "LICENSE.txt"),
            ("https://h/data", "text/csv", "data.csv"),
            ("https://h/data", "application/octet-stream", "data"),
            ("https://h/data", "", "data"),
        ] {
            let url = url.parse().unwrap();
            assert_eq!(
                file_name(&url, content_type),
                expect,
                "{url} {content_type}"
            );
        }
    }
}
