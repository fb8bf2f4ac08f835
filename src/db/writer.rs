//! The thread that writes.
//!
//! A commit waits for the disk, for milliseconds. All writes that come meanwhile are one
//! transaction afterwards, so the more there is to write, the more a commit carries. Each write
//! stands in a savepoint: one that fails takes nothing with it. Nobody is answered before the
//! commit, since even a refusal ("this path exists") may rest on a write that is not on the disk
//! yet.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info};

use super::Counts;
use super::error::{Caught, Error};
use super::folder::Lock;

/// Writes that wait. Each is of a request that somebody waits for.
const MAX_QUEUED: usize = 1024;

/// Writes in one transaction.
const MAX_GROUP: usize = 256;

/// How long a transaction takes up further writes: about as long as a commit takes on a slow disk.
const MAX_GROUP_TIME: Duration = Duration::from_millis(20);

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
    counters: Arc<Counters>,
}

enum Message {
    Write(Box<dyn Write>),
    /// All that was sent before is to be done, and the connection to be closed.
    Close(oneshot::Sender<()>),
}

#[derive(Debug, Default)]
struct Counters {
    written: AtomicU64,
    commits: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
}

impl Writer {
    /// Starts the thread. It holds the lock as long as the connection is open.
    pub(super) fn start(connection: Connection, lock: Lock) -> Self {
        let (queue, messages) = mpsc::channel(MAX_QUEUED);
        let counters = Arc::new(Counters::default());
        let mut thread = Thread { connection, messages, counters: Arc::clone(&counters), is_failing: false };
        let run = move || {
            let closing = thread.run();
            // The connection closes before the lock goes: the next process must not find it open.
            drop(thread);
            drop(lock);
            if let Some(closed) = closing {
                // Whoever asked may not wait any more.
                let _ = closed.send(());
            }
        };
        std::thread::Builder::new().name("db-writer".into()).spawn(run).expect("a thread can be made");
        Self { queue, counters }
    }

    /// See [`Database::write`](super::Database::write).
    pub(super) async fn write<T, E>(
        &self,
        work: impl Fn(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let write = Box::new(Pending { work, result: None, caller });
        // Never waited for: a request that waits for room would hold its own limits meanwhile.
        self.queue.try_send(Message::Write(write)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                self.counters.refused.fetch_add(1, Ordering::Relaxed);
                Error::Busy("writes to the database")
            }
            mpsc::error::TrySendError::Closed(_) => Error::Closed,
        })?;
        match answer.await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(Error::Closed.into()),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let Counters { written, commits, failed, refused } = &*self.counters;
        Counts {
            written: written.load(Ordering::Relaxed),
            commits: commits.load(Ordering::Relaxed),
            failed: failed.load(Ordering::Relaxed),
            refused_writes: refused.load(Ordering::Relaxed),
            reads: 0,
            refused_reads: 0,
        }
    }

    /// Waits until all writes so far are done and the file is closed.
    pub(super) async fn close(&self) {
        let (closed, closing) = oneshot::channel();
        if self.queue.send(Message::Close(closed)).await.is_ok() {
            let _ = closing.await;
        }
    }
}

struct Thread {
    connection: Connection,
    messages: mpsc::Receiver<Message>,
    counters: Arc<Counters>,
    /// Whether the last transaction failed: the log tells of the first one and of the end.
    is_failing: bool,
}

impl Thread {
    /// Returns who wants to know that the file is closed; nobody if there is nobody left who
    /// writes.
    fn run(&mut self) -> Option<oneshot::Sender<()>> {
        while let Some(message) = self.messages.blocking_recv() {
            let closing = match message {
                Message::Write(first) => self.write_group(first),
                Message::Close(closing) => Some(closing),
            };
            if closing.is_some() {
                return closing;
            }
        }
        None
    }

    /// Commits this write together with those that are waiting.
    fn write_group(&mut self, first: Box<dyn Write>) -> Option<oneshot::Sender<()>> {
        let (mut group, mut closing) = (vec![first], None);
        let began = Instant::now();
        let committed = in_transaction(&self.connection, |connection| {
            let mut at = 0;
            while at < group.len() {
                // An error here means that the transaction is
                // gone, and with it the writes before this one.
                group[at].run(connection)?;
                at += 1;
                if at == MAX_GROUP || began.elapsed() > MAX_GROUP_TIME {
                    break;
                }
                match self.messages.try_recv() {
                    Ok(Message::Write(next)) => group.push(next),
                    Ok(Message::Close(asked)) => closing = Some(asked),
                    Err(_) => {}
                }
            }
            Ok(())
        });
        match committed {
            // One of them may be to blame; alone, each shows whether it is.
            Err(_) if group.len() > 1 => group.into_iter().for_each(|write| self.write_alone(write)),
            committed => self.answer(group, &committed),
        }
        closing
    }

    /// Where a transaction of many failed, as on a full disk, those that can be written are.
    fn write_alone(&mut self, mut write: Box<dyn Write>) {
        let committed = in_transaction(&self.connection, |connection| write.run(connection));
        self.answer(vec![write], &committed);
    }

    fn answer(&mut self, group: Vec<Box<dyn Write>>, committed: &Result<(), Error>) {
        match committed {
            Ok(()) => {
                let written = group.iter().filter(|write| write.is_kept()).count();
                self.counters.written.fetch_add(written as u64, Ordering::Relaxed);
                self.counters.commits.fetch_add(1, Ordering::Relaxed);
                if std::mem::take(&mut self.is_failing) {
                    info!("the database can be written again");
                }
            }
            Err(error) => {
                self.counters.failed.fetch_add(group.len() as u64, Ordering::Relaxed);
                // Once: a full disk fails each write, and the log may be on the same disk.
                if !std::mem::replace(&mut self.is_failing, true) {
                    error!(%error, "the database cannot be written");
                }
            }
        }
        for write in group {
            write.answer(committed.clone());
        }
    }
}

/// Does `work` and commits it; nothing of it is kept where that fails.
fn in_transaction(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<(), Error>,
) -> Result<(), Error> {
    let done = || {
        run(connection, "BEGIN IMMEDIATE")?;
        work(connection)?;
        run(connection, "COMMIT")
    };
    let result = done();
    if result.is_err() && !connection.is_autocommit() {
        // There is nothing else to do where even that fails: the next BEGIN will say so.
        let _ = connection.execute_batch("ROLLBACK");
    }
    result
}

/// Runs a statement that every write needs: it is compiled once.
fn run(connection: &Connection, sql: &str) -> Result<(), Error> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// A write of somebody.
trait Write: Send {
    /// Does it within a transaction. An error means that the whole transaction is lost.
    fn run(&mut self, connection: &Connection) -> Result<(), Error>;

    /// Whether what it has done is part of the transaction: it was neither refused nor did it
    /// panic.
    fn is_kept(&self) -> bool;

    /// Tells the caller how it went, after the commit.
    fn answer(self: Box<Self>, committed: Result<(), Error>);
}

struct Pending<W, T, E> {
    work: W,
    result: Option<Caught<Result<T, E>>>,
    caller: oneshot::Sender<Caught<Result<T, E>>>,
}

impl<W, T, E> Write for Pending<W, T, E>
where
    W: Fn(&Connection) -> Result<T, E> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), Error> {
        // Other callers share the transaction: a refusal must undo this caller's steps alone.
        run(connection, "SAVEPOINT one")?;
        // What a panic left half done is rolled back.
        self.result = Some(catch_unwind(AssertUnwindSafe(|| (self.work)(connection))));
        // Some errors, such as a full disk, end the whole transaction.
        if connection.is_autocommit() {
            return Err(Error::Refused("the transaction was rolled back".into()));
        }
        if !self.is_kept() {
            run(connection, "ROLLBACK TO one")?;
        }
        run(connection, "RELEASE one")
    }

    fn is_kept(&self) -> bool {
        matches!(self.result, Some(Ok(Ok(_))))
    }

    fn answer(self: Box<Self>, committed: Result<(), Error>) {
        let result = match (self.result, committed) {
            (Some(Ok(Ok(_))) | None, Err(error)) => Ok(Err(error.into())),
            (Some(result), _) => result,
            (None, Ok(())) => unreachable!("a transaction is committed when all of it has run"),
        };
        // Whoever asked may not wait any more.
        let _ = self.caller.send(result);
    }
}
