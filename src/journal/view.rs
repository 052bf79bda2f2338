//! A journal to read and nothing else: an open one's, or the file of a bridge that runs, read from beside it.

use std::sync::Arc;

use super::error::{OpenError, ReadError};
use super::open;
use super::options::JournalOptions;
use super::read::{self, Loaded};
use super::readers::Readers;
use super::verify::{self, VerifyReport};
use crate::vm_request::RequestId;

/// Reads what is durable, while somebody else may write.
#[derive(Debug, Clone)]
pub struct JournalView {
    pub(super) readers: Arc<Readers>,
}

impl JournalView {
    /// Opens the file of a bridge that runs. Nothing of it is changed, and the bridge does not wait.
    ///
    /// # Errors
    /// [`OpenError`] when it is no journal, or one of a later version.
    pub fn beside(options: &JournalOptions) -> Result<Self, OpenError> {
        open::look(&options.path, false)?;
        Ok(Self::new(options))
    }

    pub(super) fn new(options: &JournalOptions) -> Self {
        let readers = Readers::new(options.path.clone(), options.readers_max, options.reader_wait_secs);
        Self { readers: Arc::new(readers) }
    }

    /// The request's state and events; `None` when there is no such request.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn load(&self, id: &RequestId) -> Result<Option<Loaded>, ReadError> {
        let id = id.clone();
        self.readers.run(move |connection| read::load(connection, &id)).await
    }

    /// Proves the whole file as it stands at one moment. Reads all of it; writing goes on meanwhile, and
    /// the write-ahead log grows until it is done.
    ///
    /// # Errors
    /// [`ReadError`] when the file cannot be read to the end. What is wrong with its content is in the report.
    pub async fn verify(&self) -> Result<VerifyReport, ReadError> {
        self.readers.run(verify::run).await
    }
}
