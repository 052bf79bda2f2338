//! A few connections that only read, each used by one blocking thread at a time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::error::{ReadError, StorageError};
use super::open;

/// The pool.
#[derive(Debug)]
pub(super) struct Readers {
    pool: Arc<Pool>,
    room: Arc<Semaphore>,
    wait_secs: u64,
}

#[derive(Debug)]
struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub fn new(path: PathBuf, readers_max: usize, wait_secs: u64) -> Self {
        let pool = Arc::new(Pool { path, idle: Mutex::default() });
        Self { pool, room: Arc::new(Semaphore::new(readers_max)), wait_secs }
    }

    /// Runs `read` on a blocking thread with a connection of its own.
    pub async fn run<T, F>(&self, read: F) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    {
        let waiting = Arc::clone(&self.room).acquire_owned();
        let permit = tokio::time::timeout(Duration::from_secs(self.wait_secs), waiting)
            .await
            .map_err(|_| ReadError::Busy { waited_secs: self.wait_secs })?
            .map_err(|_| ReadError::Closed)?;
        let pool = Arc::clone(&self.pool);
        let task = tokio::task::spawn_blocking(move || {
            let connection = pool.take()?;
            let result = read(&connection);
            let is_open = !permit.semaphore().is_closed();
            if is_open {
                pool.give_back(connection);
            }
            drop(permit);
            result
        });
        task.await.map_err(|_| StorageError::new("a reader ended early"))?
    }

    /// Refuses further reads and closes the idle connections.
    pub fn close(&self) {
        self.room.close();
        self.pool.lock().clear();
    }
}

impl Pool {
    fn take(&self) -> Result<Connection, ReadError> {
        let idle = self.lock().pop();
        match idle {
            Some(connection) => Ok(connection),
            None => Ok(open::read_connection(&self.path)?),
        }
    }

    fn give_back(&self, connection: Connection) {
        self.lock().push(connection);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
