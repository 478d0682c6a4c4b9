//! The stages that documents pass on their way in, all at work at the same time: read, embed, publish.
//!
//! ```text
//! read (several at once, in order) ──► queue ──► embed (one slice of chunks after the other) ──► slice ──► publish (groups)
//! ```
//!
//! Bounds: the queue holds as many documents as a slice may have chunks, and not more bytes than the run's [`Budget`] allows
//! (files and uploads take their share of it before they are read); one finished slice waits for the catalog. Each stage takes
//! what is there when it is free and waits for more only where nothing is: so one document passes at once, and many share slices
//! and transactions. A document longer than a slice is embedded slice by slice, and the vectors of finished slices are stored
//! before the document is published: it takes no more memory than it has text, and a stop loses no finished slice.
//!
//! Everything leaves in the order in which it came. A document is told of after the transaction that published it.
//!
//! [`Budget`]: crate::budget::Budget

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use cairn_types::ports::{PublishBatch, VectorRow};
use cairn_types::{HasKind as _, InputHash, Job, JobItem, Outcome, Scope};
use futures::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::error::IngestError;
use crate::files::{RunMode, job_item};
use crate::pipeline::{Item, Pipeline, Ready, Target, refused};
use crate::report::{DocumentReport, IngestEvent, Summary};

/// What the first stage says of an item.
pub(crate) enum Seen {
    /// There is nothing to parse: the known item may need its metadata set.
    Same(Item, Duration),
    /// Parsed and cut; with the time that reading took.
    Ready(Box<Ready>, Duration),
    /// A dry run stops before parsing.
    WouldRead(Item),
    /// This item cannot be read.
    Report(Box<DocumentReport>),
    /// The run cannot go on.
    Fatal(IngestError),
}

/// On whose behalf and where to a run writes.
#[derive(Clone, Copy)]
pub(crate) struct Course<'r> {
    /// Restores and relabels known documents; nobody where none can be known.
    pub(crate) scope: Option<&'r Scope>,
    pub(crate) target: &'r Target,
    pub(crate) mode: RunMode,
    /// Outcomes are recorded there as they come.
    pub(crate) job: Option<&'r Job>,
}

/// What one turn of the embedding stage leaves behind.
struct Slice {
    /// Vectors that were made now, and the time that it took.
    vectors: Vec<VectorRow>,
    elapsed: Duration,
    /// Items that are complete with it, in order.
    seen: Vec<Seen>,
}

/// An item in the embedding stage.
struct Waiting {
    seen: Seen,
    /// Chunks that have their vector, or are about to.
    n_done: usize,
}

impl Waiting {
    fn n_left(&self) -> usize {
        match &self.seen {
            Seen::Ready(ready, _) => ready.chunks.len() - self.n_done,
            _ => 0,
        }
    }
}

/// Inputs of the latest slices: their vectors may not be in the catalog yet.
#[derive(Default)]
struct Recent(VecDeque<Vec<InputHash>>);

impl Recent {
    /// Slices between the embedding stage and a finished transaction: one in the channel, those that the transaction at hand took
    /// (one and what was in the channel then), one that waits to be sent.
    const SLICES: usize = 4;

    fn holds(&self, hash: &InputHash) -> bool {
        self.0.iter().any(|slice| slice.binary_search(hash).is_ok())
    }

    fn push(&mut self, mut slice: Vec<InputHash>) {
        slice.sort_unstable();
        self.0.push_back(slice);
        if self.0.len() > Self::SLICES {
            self.0.pop_front();
        }
    }
}

impl Pipeline {
    /// Takes items through the stages. `emit` is called in their order.
    ///
    /// Where `cancel` is cancelled no further slice is embedded, what is complete is published, and the rest is dropped.
    pub(crate) async fn carry(
        &self,
        course: Course<'_>,
        items: impl Stream<Item = Seen> + Send,
        cancel: &CancellationToken,
        summary: &mut Summary,
        emit: &mut (dyn FnMut(IngestEvent) + Send + '_),
    ) -> Result<(), IngestError> {
        let (to_embed, queue) = mpsc::channel(self.options.batch_chunks.max(1));
        let (to_publish, slices) = mpsc::channel(1);
        // Boxed: together they are too large to be handed around.
        let read = Box::pin(async {
            let to_embed = to_embed;
            let mut items = std::pin::pin!(items);
            loop {
                let next = tokio::select! {
                    next = items.next() => next,
                    () = to_embed.closed() => None,
                };
                let Some(seen) = next else { return Ok(()) };
                if to_embed.send(seen).await.is_err() {
                    return Ok(());
                }
            }
        });
        let embed = Box::pin(self.embed_stage(queue, to_publish, cancel));
        let publish = Box::pin(self.publish_stage(course, slices, summary, emit));
        tokio::try_join!(read, embed, publish)?;
        Ok(())
    }

    /// The second stage.
    async fn embed_stage(
        &self,
        mut queue: mpsc::Receiver<Seen>,
        to_publish: mpsc::Sender<Slice>,
        cancel: &CancellationToken,
    ) -> Result<(), IngestError> {
        let most = self.options.batch_chunks.max(1);
        let mut waiting: VecDeque<Waiting> = VecDeque::new();
        let mut recent = Recent::default();
        loop {
            let mut n_left: usize = waiting.iter().map(Waiting::n_left).sum();
            while n_left < most && waiting.len() < most {
                let next = match queue.try_recv() {
                    Err(_) if waiting.is_empty() => queue.recv().await,
                    other => other.ok(),
                };
                let Some(seen) = next else { break };
                let item = Waiting { seen, n_done: 0 };
                n_left += item.n_left();
                waiting.push_back(item);
            }
            if waiting.is_empty() {
                return Ok(());
            }
            let (vectors, elapsed) = if self.embedder.is_some() {
                if cancel.is_cancelled() {
                    return Ok(());
                }
                let work = self.next_slice(&mut waiting, &recent).await?;
                recent.push(work.iter().map(|(hash, _)| *hash).collect());
                self.embed(work).await?
            } else {
                (Vec::new(), Duration::ZERO)
            };
            let n_complete = waiting
                .iter()
                .take_while(|item| self.embedder.is_none() || item.n_left() == 0)
                .count();
            let slice = Slice {
                vectors,
                elapsed,
                seen: waiting.drain(..n_complete).map(|item| item.seen).collect(),
            };
            if to_publish.send(slice).await.is_err() {
                return Ok(());
            }
        }
    }

    /// The inputs without a vector among the next chunks.
    async fn next_slice(
        &self,
        waiting: &mut VecDeque<Waiting>,
        recent: &Recent,
    ) -> Result<Vec<(InputHash, String)>, IngestError> {
        let Some(embedder) = &self.embedder else {
            return Ok(Vec::new());
        };
        let mut left = self.options.batch_chunks.max(1);
        let mut places = HashMap::new();
        let mut hashes = Vec::new();
        for (item_idx, item) in waiting.iter_mut().enumerate() {
            let n_taken = item.n_left().min(left);
            if let Seen::Ready(ready, _) = &item.seen {
                let chunks = ready.chunks.iter().enumerate();
                for (chunk_idx, chunk) in chunks.skip(item.n_done).take(n_taken) {
                    let hash = chunk.new.input_hash;
                    if !recent.holds(&hash) && places.insert(hash, (item_idx, chunk_idx)).is_none()
                    {
                        hashes.push(hash);
                    }
                }
            }
            item.n_done += n_taken;
            left -= n_taken;
            if left == 0 {
                break;
            }
        }
        if hashes.is_empty() {
            return Ok(Vec::new());
        }
        let missing = self
            .catalog
            .missing_vectors(self.system(), embedder.space(), &hashes)
            .await?;
        let input = |hash: InputHash| {
            let (item_idx, chunk_idx) = *places.get(&hash)?;
            match &waiting.get(item_idx)?.seen {
                Seen::Ready(ready, _) => {
                    let chunk = ready.chunks.get(chunk_idx)?;
                    Some((hash, chunk.input(&ready.rendered.text)))
                }
                _ => None,
            }
        };
        Ok(missing.into_iter().filter_map(input).collect())
    }

    /// The last stage: takes the slices that are there into one transaction.
    async fn publish_stage(
        &self,
        course: Course<'_>,
        mut slices: mpsc::Receiver<Slice>,
        summary: &mut Summary,
        emit: &mut (dyn FnMut(IngestEvent) + Send + '_),
    ) -> Result<(), IngestError> {
        while let Some(first) = slices.recv().await {
            let mut group = Group::default();
            let mut slices_now = vec![first];
            // At most what the channel holds.
            slices_now.extend(slices.try_recv().ok());
            let mut seen = Vec::new();
            for slice in slices_now {
                summary.stages.embed += slice.elapsed;
                if !slice.vectors.is_empty() {
                    group.n_embedded.push(slice.vectors.len() as u64);
                }
                group.vectors.extend(slice.vectors);
                seen.extend(slice.seen);
            }
            for seen in seen {
                self.gather(course, seen, &mut group, summary, &mut *emit)
                    .await?;
            }
            self.flush(course, &mut group, summary, &mut *emit).await?;
        }
        Ok(())
    }

    /// Puts an item into the group, or does what it needs at once, in its turn.
    async fn gather(
        &self,
        course: Course<'_>,
        seen: Seen,
        group: &mut Group,
        summary: &mut Summary,
        emit: &mut (dyn FnMut(IngestEvent) + Send + '_),
    ) -> Result<(), IngestError> {
        match seen {
            Seen::Ready(mut ready, read) => {
                summary.stages.read += read;
                let stored = match ready.storing.take() {
                    Some(storing) => storing.done().await,
                    None => Ok(Duration::ZERO),
                };
                match stored {
                    Ok(elapsed) => {
                        summary.stages.read += elapsed;
                        group.slots.push(Slot::Publish(ready));
                    }
                    Err(error) if error.kind().is_fatal() => {
                        self.flush(course, group, summary, emit).await?;
                        return Err(error);
                    }
                    Err(error) => {
                        let (key, size) = (&ready.item.key, ready.item.size_bytes);
                        let report = refused(key, size, Outcome::Failed, error.to_string());
                        group.slots.push(Slot::Tell(report));
                    }
                }
            }
            Seen::Same(item, read) => {
                summary.stages.read += read;
                if !item.is_settled(course.target) {
                    self.flush(course, group, summary, emit).await?;
                }
                let (key, size) = (item.key.clone(), item.size_bytes);
                let report = match self.settle_same(course, item, summary).await {
                    Err(error) if !error.kind().is_fatal() => {
                        refused(&key, size, Outcome::Failed, error.to_string())
                    }
                    settled => settled?,
                };
                group.slots.push(Slot::Tell(report));
            }
            Seen::WouldRead(item) => group.slots.push(Slot::Tell(item.would_read())),
            Seen::Report(report) => group.slots.push(Slot::Tell(*report)),
            Seen::Fatal(error) => {
                self.flush(course, group, summary, emit).await?;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Publishes the group in one transaction, then tells of it and records it. A document that the catalog refuses has failed;
    /// the others are published all the same.
    async fn flush(
        &self,
        course: Course<'_>,
        group: &mut Group,
        summary: &mut Summary,
        emit: &mut (dyn FnMut(IngestEvent) + Send + '_),
    ) -> Result<(), IngestError> {
        let Group {
            vectors,
            n_embedded,
            slots,
        } = std::mem::take(group);
        let started = Instant::now();
        let mut versions = Vec::new();
        let mut reports = Vec::with_capacity(slots.len());
        // Given back after the commit.
        let mut shares = Vec::new();
        for slot in slots {
            let mut ready = match slot {
                Slot::Tell(report) => {
                    reports.push((report, None));
                    continue;
                }
                Slot::Publish(ready) => ready,
            };
            let sizes = Sizes {
                n_chunks: ready.chunks.len() as u64,
                n_truncated: self.n_truncated(&ready),
            };
            summary.stages.parse += ready.times.parse;
            summary.stages.chunk += ready.times.chunk;
            shares.extend(ready.share.take());
            let (version, report) = self.to_version(*ready, course.target);
            versions.push(version);
            reports.push((report, Some(sizes)));
        }
        let vectors = self
            .embedder
            .as_ref()
            .filter(|_| !vectors.is_empty())
            .map(|embedder| (embedder.space().clone(), vectors));
        let mut outcomes = Vec::new().into_iter();
        if vectors.is_some() || !versions.is_empty() {
            let batch = PublishBatch { vectors, versions };
            let done = self.catalog.publish_batch(self.system(), batch).await?;
            outcomes = done.outcomes.into_iter();
        }
        drop(shares);
        for n_chunks in n_embedded {
            summary.n_embedded += n_chunks;
            emit(IngestEvent::Embedded { n_chunks });
        }
        let mut seq = None;
        let mut records = Vec::new();
        let mut stopped = Ok(());
        for (mut report, sizes) in reports {
            if let Some(sizes) = sizes {
                let outcome = outcomes.next().ok_or_else(|| {
                    IngestError::Bug(format!("the catalog says nothing of `{}`", report.path))
                });
                match outcome.and_then(|outcome| Ok(outcome?)) {
                    Ok(done) => {
                        report.document = Some(done.document);
                        report.outcome = match report.outcome {
                            Outcome::Moved => Outcome::Moved,
                            _ if done.is_new => Outcome::Added,
                            _ => Outcome::Updated,
                        };
                        summary.n_partial += u64::from(report.is_partial);
                        summary.n_chunks += sizes.n_chunks;
                        summary.n_truncated += sizes.n_truncated;
                        seq = Some(done.seq);
                    }
                    // What stands behind it was not tried.
                    Err(error) if error.kind().is_fatal() => {
                        stopped = Err(error);
                        break;
                    }
                    Err(error) => {
                        let (key, size) = (&report.path, report.size_bytes);
                        report = refused(key, size, Outcome::Failed, error.to_string());
                    }
                }
            }
            summary.count(&report);
            records.extend(course.record_of(&report));
            emit(IngestEvent::Document(report));
        }
        if let Some(seq) = seq {
            summary.seq = Some(seq);
            emit(IngestEvent::Published { seq });
        }
        summary.stages.write += started.elapsed();
        if let Some(job) = course.job {
            let record = |item| self.catalog.record_item(self.system(), job.id, item);
            futures::future::try_join_all(records.into_iter().map(record)).await?;
        }
        stopped
    }

    /// Chunks whose input exceeds the model's limit.
    fn n_truncated(&self, ready: &Ready) -> u64 {
        let max_tokens = u32::try_from(self.options.chunk.max_tokens).unwrap_or(u32::MAX);
        let chunks = ready.chunks.iter();
        chunks.filter(|c| c.new.meta.n_tokens > max_tokens).count() as u64
    }
}

/// What shares a transaction.
#[derive(Default)]
struct Group {
    vectors: Vec<VectorRow>,
    /// Chunks of each slice that was embedded for it.
    n_embedded: Vec<u64>,
    slots: Vec<Slot>,
}

/// What a summary counts of a document once it is published.
struct Sizes {
    n_chunks: u64,
    n_truncated: u64,
}

/// An item of a group, in its place among the others.
enum Slot {
    Publish(Box<Ready>),
    Tell(DocumentReport),
}

impl Course<'_> {
    /// What the job notes of an item.
    fn record_of(&self, report: &DocumentReport) -> Option<JobItem> {
        let items = &self.job?.request.items;
        let item = items.iter().find(|item| item.key == report.path)?;
        Some(JobItem {
            blob: item.blob,
            ..job_item(report)
        })
    }
}
