//! The connections that read.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::Error;
use super::open::configure;

/// Connections. Reads are short, and a page of rows takes less than a millisecond.
const CONNECTIONS: usize = 4;

/// Reads at a time that run or wait. Each is of a request that somebody waits for: a few seconds'
/// worth.
const MAX_READS: usize = 1024;

/// The pool.
#[derive(Debug)]
pub(super) struct Readers {
    file: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    /// One for each connection in `idle`.
    connections: Arc<Semaphore>,
    /// One for each read that may be there.
    places: Semaphore,
    begun: AtomicU64,
    refused: AtomicU64,
}

impl Readers {
    /// Connections to a database that is there and open.
    pub(super) fn open(file: &Path) -> rusqlite::Result<Self> {
        let idle = (0..CONNECTIONS).map(|_| connect(file)).collect::<rusqlite::Result<_>>()?;
        Ok(Self {
            file: file.to_owned(),
            idle: Arc::new(Mutex::new(idle)),
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
            places: Semaphore::new(MAX_READS),
            begun: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// Does `work` on a thread that may wait for the disk.
    pub(super) async fn read<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        // Refused at once: somebody who waits for a list does not wait for a thousand others.
        let Ok(_place) = self.places.try_acquire() else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Error::Busy("reads of the database").into());
        };
        self.begun.fetch_add(1, Ordering::Relaxed);
        let permit = Arc::clone(&self.connections).acquire_owned().await;
        let lent = Lent::take(&self.idle, permit.map_err(|_| Error::Closed)?);
        let read = move || {
            let transaction = lent.connection().unchecked_transaction().map_err(Error::from)?;
            // Dropped, it ends: there is nothing to keep.
            work(&transaction)
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime ends.
                Err(_) => Err(Error::Closed.into()),
            },
        }
    }

    /// The same here and now, by a connection that is free or by one of its own.
    pub(super) fn read_here<T, E: From<Error>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let (lent, own);
        let connection = if let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() {
            lent = Lent::take(&self.idle, permit);
            lent.connection()
        } else {
            // A thread that may wait for the disk must not wait
            // for a task, which may need this very thread.
            own = connect(&self.file).map_err(Error::from)?;
            &own
        };
        let transaction = connection.unchecked_transaction().map_err(Error::from)?;
        work(&transaction)
    }

    /// How many were begun, and how many refused.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.begun.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }

    /// Waits for the reads that there are; later ones are refused.
    pub(super) async fn close(&self) {
        let all = u32::try_from(CONNECTIONS).expect("a handful");
        // All permits mean that all connections are back.
        let waited = self.connections.acquire_many(all).await;
        self.connections.close();
        if waited.is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    configure(&connection)?;
    Ok(connection)
}

/// A connection that comes back when it is dropped, whatever happened to the reader.
struct Lent {
    connection: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
    // Dropped behind the connection's return: see `Drop`.
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    fn take(idle: &Arc<Mutex<Vec<Connection>>>, permit: OwnedSemaphorePermit) -> Self {
        let connection = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self { connection, idle: Arc::clone(idle), _permit: permit }
    }

    fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("each permit stands for a connection")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let connection = self.connection.take();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(connection);
    }
}
