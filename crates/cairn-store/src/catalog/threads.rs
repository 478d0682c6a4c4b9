//! One writer thread and a few reader threads, so that no caller ever waits on a database inside a future.
//!
//! Both queues are bounded: a caller waits for a place in the queue without holding a thread. The writer
//! takes what is queued (up to [`BATCH`] writes) into one transaction, each write in its own savepoint, and
//! answers after the commit: one sync for many writers, while each write stays atomic by itself. A write
//! that fails or panics is rolled back to its savepoint alone. A caller that went away before its turn costs
//! nothing; one that goes away later has its write done all the same.
//!
//! A *lazy* write is one that nobody was promised: a killed process loses nothing of it, a power cut may. Transactions of lazy
//! writes alone are not synced; the next one that is syncs them, too.
//!
//! Every read runs in its own read transaction, so it sees one state of the catalog.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use cairn_types::ports::CatalogError;
use cairn_types::{AccessList, Clock, Timestamp};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::failure::{DbResult, in_words};

/// Most writes that share a commit: bounds how long the first of them waits for the others.
const BATCH: usize = 32;
/// Places in each queue. A guess: far more callers than one machine serves well at once.
const QUEUE: usize = 256;

/// What all connections of one catalog share.
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    /// Random, given when the data directory was made.
    pub(crate) data_id: String,
    /// Access lists by id. They never change and ids are never given again, so nothing here goes stale;
    /// only readers fill it, because a writer's rows may still be rolled back.
    pub(crate) acls: Mutex<HashMap<i64, Arc<AccessList>>>,
    /// By space: below this chunk number every live chunk has its vector, unless a document was restored
    /// since the position that stands beside it.
    pub(crate) embedded_below: Mutex<HashMap<i64, (u64, u32)>>,
}

/// A connection inside a transaction.
pub(crate) struct Db<'c> {
    pub(crate) conn: &'c Connection,
    pub(crate) shared: &'c Shared,
    pub(crate) now: Timestamp,
}

impl<'c> Db<'c> {
    fn new(conn: &'c Connection, shared: &'c Shared) -> Self {
        Self {
            conn,
            shared,
            now: shared.clock.now(),
        }
    }
}

type ReadTask = Box<dyn FnOnce(&Connection, &Shared) + Send>;

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// The end of the process.
    Lazy,
    /// A power cut.
    Synced,
}

impl Durability {
    /// The setting of `SQLite` (with a write-ahead log).
    const fn synchronous(self) -> &'static str {
        match self {
            Self::Lazy => "NORMAL",
            Self::Synced => "FULL",
        }
    }
}

/// A queued write: run inside a savepoint, told afterwards whether the commit held.
trait WriteTask: Send {
    fn durability(&self) -> Durability;
    fn is_wanted(&self) -> bool;
    /// Whether its changes are to be kept.
    fn run(&mut self, db: &Db<'_>) -> bool;
    fn finish(self: Box<Self>, committed: Result<(), CatalogError>);
}

struct Write<T, F> {
    durability: Durability,
    work: Option<F>,
    result: Option<Result<T, CatalogError>>,
    reply: oneshot::Sender<Result<T, CatalogError>>,
}

impl<T: Send, F: FnOnce(&Db<'_>) -> DbResult<T> + Send> WriteTask for Write<T, F> {
    fn durability(&self) -> Durability {
        self.durability
    }

    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn run(&mut self, db: &Db<'_>) -> bool {
        let Some(work) = self.work.take() else {
            return false;
        };
        let result = work(db).map_err(CatalogError::from);
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn finish(self: Box<Self>, committed: Result<(), CatalogError>) {
        let answer = match (self.result, committed) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(commit)) => Err(commit),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(stopped()),
        };
        // The caller may be gone; the write stands all the same.
        let _ = self.reply.send(answer);
    }
}

fn stopped() -> CatalogError {
    CatalogError::Unavailable("the call stopped half-way and was undone".to_owned())
}

/// The threads of one open catalog. Dropping it ends them after the work that is queued.
pub(crate) struct Threads {
    writes: Option<mpsc::Sender<Box<dyn WriteTask>>>,
    reads: Option<mpsc::Sender<ReadTask>>,
    writer: Option<JoinHandle<()>>,
    readers: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Starts one thread for `writer` and one for each of `readers`.
    pub(crate) fn start(
        writer: Connection,
        readers: Vec<Connection>,
        shared: &Arc<Shared>,
    ) -> std::io::Result<Self> {
        let (writes, write_queue) = mpsc::channel(QUEUE);
        let (reads, read_queue) = mpsc::channel(QUEUE);
        let mut threads = Self {
            writes: Some(writes),
            reads: Some(reads),
            writer: None,
            readers: Vec::with_capacity(readers.len()),
        };
        let read_queue = Arc::new(Mutex::new(read_queue));
        for conn in readers {
            let (queue, shared) = (Arc::clone(&read_queue), Arc::clone(shared));
            let thread = std::thread::Builder::new().name("catalog-read".to_owned());
            threads
                .readers
                .push(thread.spawn(move || read_loop(&conn, &queue, &shared))?);
        }
        let shared = Arc::clone(shared);
        let thread = std::thread::Builder::new().name("catalog-write".to_owned());
        threads.writer = Some(thread.spawn(move || write_loop(writer, write_queue, &shared))?);
        Ok(threads)
    }

    /// Runs `work` in a read transaction.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, CatalogError>
    where
        T: Send + 'static,
        F: FnOnce(&Db<'_>) -> DbResult<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task: ReadTask = Box::new(move |conn, shared| {
            if reply.is_closed() {
                return;
            }
            let result = conn
                .unchecked_transaction()
                .map_err(Into::into)
                .and_then(|snapshot| work(&Db::new(&snapshot, shared)))
                .map_err(CatalogError::from);
            let _ = reply.send(result);
        });
        let queue = self.reads.as_ref().ok_or_else(stopped)?;
        queue.send(task).await.map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Runs `work` in a write transaction and answers after the commit was synced.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, CatalogError>
    where
        T: Send + 'static,
        F: FnOnce(&Db<'_>) -> DbResult<T> + Send + 'static,
    {
        self.queue(Durability::Synced, work).await
    }

    /// Runs `work` in a write transaction and answers after the commit, which may not be synced yet.
    pub(crate) async fn write_lazily<T, F>(&self, work: F) -> Result<T, CatalogError>
    where
        T: Send + 'static,
        F: FnOnce(&Db<'_>) -> DbResult<T> + Send + 'static,
    {
        self.queue(Durability::Lazy, work).await
    }

    async fn queue<T, F>(&self, durability: Durability, work: F) -> Result<T, CatalogError>
    where
        T: Send + 'static,
        F: FnOnce(&Db<'_>) -> DbResult<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Box::new(Write {
            durability,
            work: Some(work),
            result: None,
            reply,
        });
        let queue = self.writes.as_ref().ok_or_else(stopped)?;
        queue.send(task).await.map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A thread catches the panics of its tasks, so joining it reports nothing. The writer closes last:
        // only the last connection folds the log into the file, and a reading one may not.
        self.reads = None;
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        self.writes = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn read_loop(conn: &Connection, queue: &Mutex<mpsc::Receiver<ReadTask>>, shared: &Shared) {
    loop {
        // One idle thread waits inside the channel, the others for this lock.
        let next = queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .blocking_recv();
        let Some(task) = next else { return };
        // The transaction is dropped, and so ended, while the panic unwinds.
        if catch_unwind(AssertUnwindSafe(|| task(conn, shared))).is_err() {
            tracing::error!("a catalog read panicked");
        }
    }
}

fn write_loop(
    mut conn: Connection,
    mut queue: mpsc::Receiver<Box<dyn WriteTask>>,
    shared: &Shared,
) {
    let mut waiting = VecDeque::new();
    while let Some(first) = waiting.pop_front().or_else(|| queue.blocking_recv()) {
        let mut batch = vec![first];
        let committed = run_batch(&mut conn, &mut batch, &mut queue, &mut waiting, shared);
        for task in batch {
            task.finish(committed.as_ref().copied().map_err(in_words));
        }
    }
    // Statistics for the planner, where they are old; a failure here changes nothing for anybody.
    let _ = conn.execute_batch("PRAGMA optimize");
}

/// Runs the tasks of `batch`, and those that are queued meanwhile, in one transaction. Where nothing of it needs a sync, one that
/// does begins another transaction: it is left in `waiting`.
fn run_batch(
    conn: &mut Connection,
    batch: &mut Vec<Box<dyn WriteTask>>,
    queue: &mut mpsc::Receiver<Box<dyn WriteTask>>,
    waiting: &mut VecDeque<Box<dyn WriteTask>>,
    shared: &Shared,
) -> rusqlite::Result<()> {
    let durability = batch
        .first()
        .map_or(Durability::Synced, |task| task.durability());
    conn.pragma_update(None, "synchronous", durability.synchronous())?;
    let mut tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut next = 0;
    while next < batch.len() {
        let task = &mut batch[next];
        next += 1;
        if task.is_wanted() {
            let mut savepoint = tx.savepoint()?;
            let run = catch_unwind(AssertUnwindSafe(|| task.run(&Db::new(&savepoint, shared))));
            let keep = run.unwrap_or_else(|_| {
                tracing::error!("a catalog write panicked");
                false
            });
            if savepoint.is_autocommit() {
                // A full disk or an I/O failure ends the whole transaction: nothing of it is kept.
                return Err(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR),
                    None,
                ));
            }
            if !keep {
                savepoint.rollback()?;
            }
            savepoint.commit()?;
        }
        if batch.len() < BATCH
            && waiting.is_empty()
            && let Ok(task) = queue.try_recv()
        {
            if durability == Durability::Synced || task.durability() == Durability::Lazy {
                batch.push(task);
            } else {
                waiting.push_back(task);
            }
        }
    }
    tx.commit()
}

#[cfg(test)]
mod tests {
    use cairn_types::{ErrorKind, HasKind, ManualClock, Timestamp};

    use super::super::schema;
    use super::*;

    /// Threads over a catalog with one more table, `n (number)`.
    fn threads(dir: &tempfile::TempDir) -> Threads {
        let path = dir.path().join("c.sqlite");
        let (writer, data_id) = schema::open_writer(&path, 0).unwrap();
        writer
            .execute_batch("CREATE TABLE n (number, filling)")
            .unwrap();
        let readers = (0..2)
            .map(|_| schema::open_reader(&path).unwrap())
            .collect();
        let shared = Shared {
            clock: Arc::new(ManualClock::at(Timestamp(0))),
            data_id,
            acls: Mutex::default(),
            embedded_below: Mutex::default(),
        };
        Threads::start(writer, readers, &Arc::new(shared)).unwrap()
    }

    fn insert(number: u32) -> impl FnOnce(&Db<'_>) -> DbResult<u32> + Send + 'static {
        move |db| {
            db.conn
                .execute("INSERT INTO n VALUES (?1, randomblob(2000))", [number])?;
            Ok(number)
        }
    }

    async fn numbers(threads: &Threads) -> Vec<u32> {
        let read = threads.read(|db| {
            let mut statement = db.conn.prepare("SELECT number FROM n ORDER BY number")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        });
        read.await.unwrap()
    }

    #[tokio::test]
    async fn a_panic_undoes_its_own_write_alone() {
        let dir = tempfile::tempdir().unwrap();
        let threads = threads(&dir);
        let panics = threads.write(|db| {
            insert(99)(db)?;
            if db.now == Timestamp(0) {
                panic!("a mistake of ours");
            }
            Ok(0)
        });
        // All are queued at once, so that they share a transaction.
        let (before, panicked, after) =
            tokio::join!(threads.write(insert(1)), panics, threads.write(insert(2)));
        assert_eq!((before.unwrap(), after.unwrap()), (1, 2));
        assert_eq!(panicked.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(numbers(&threads).await, [1, 2]);
        let panicked = threads.read::<(), _>(|_| panic!("another"));
        assert_eq!(panicked.await.unwrap_err().kind(), ErrorKind::Unavailable);
        for _ in 0..4 {
            assert_eq!(numbers(&threads).await.len(), 2, "every reader goes on");
        }
    }

    #[tokio::test]
    async fn a_full_disk_refuses_writes_and_loses_none() {
        let dir = tempfile::tempdir().unwrap();
        let threads = threads(&dir);
        let limit = |more: u32| {
            move |db: &Db<'_>| -> DbResult<()> {
                let n_pages: u32 = db
                    .conn
                    .query_row("PRAGMA page_count", [], |row| row.get(0))?;
                let set = format!("PRAGMA max_page_count = {}", n_pages + more);
                Ok(db.conn.query_row(&set, [], |_| Ok(()))?)
            }
        };
        threads.write(limit(20)).await.unwrap();
        let mut acknowledged = Vec::new();
        let mut refused = 0;
        for start in (0..120).step_by(3) {
            // Three that share a transaction: where the disk is full, whoever was not told `Ok` is not there.
            let (one, two, three) = tokio::join!(
                threads.write(insert(start)),
                threads.write(insert(start + 1)),
                threads.write(insert(start + 2))
            );
            for result in [one, two, three] {
                match result {
                    Ok(number) => acknowledged.push(number),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                        refused += 1;
                    }
                }
            }
        }
        assert!(
            refused > 0 && acknowledged.len() > 10,
            "the limit was reached, not at once"
        );
        assert_eq!(numbers(&threads).await, acknowledged);
        threads.write(limit(1000)).await.unwrap();
        acknowledged.push(threads.write(insert(500)).await.unwrap());
        assert_eq!(numbers(&threads).await, acknowledged);
    }
}
