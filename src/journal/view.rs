//! A journal to read and nothing else: an open one's, or the file of a bridge that runs, read from beside it.

use std::sync::Arc;

use super::error::{OpenError, ReadError};
use super::open;
use super::options::JournalOptions;
use super::read::{self, Loaded};
use super::readers::Readers;
use super::sightings::{self, RegisterQuery, RegisterRow, SeenHost};
use super::verify::{self, VerifyReport};
use super::vms;
use crate::vm_request::RequestId;
use crate::vm_request::watch::line::VmLine;

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

    /// Lines about VMs under watch whose requests come after `after`, in order: all, or those with open findings. At
    /// most `limit` and [`TAIL_MAX`](super::TAIL_MAX).
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn vms(
        &self,
        after: Option<RequestId>,
        drifted_only: bool,
        limit: usize,
    ) -> Result<Vec<VmLine>, ReadError> {
        let limit = limit.min(super::TAIL_MAX);
        self.readers.run(move |connection| vms::after(connection, after.as_ref(), drifted_only, limit)).await
    }

    /// A part of the register of VMs, in the order of ids. At most [`PAGE_MAX`](super::PAGE_MAX) and one.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn register(&self, query: &RegisterQuery) -> Result<Vec<RegisterRow>, ReadError> {
        let mut query = query.clone();
        query.limit = query.limit.min(super::PAGE_MAX + 1);
        self.readers.run(move |connection| sightings::register(connection, &query)).await
    }

    /// The VM of that id in the register, or the one of the request of that id.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn register_one(&self, id: &str) -> Result<Option<RegisterRow>, ReadError> {
        let id = id.to_owned();
        self.readers.run(move |connection| sightings::register_one(connection, &id)).await
    }

    /// The host of a request's VM, as it was last seen.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn host_of(&self, id: &RequestId) -> Result<Option<SeenHost>, ReadError> {
        let id = id.clone();
        self.readers.run(move |connection| sightings::host_of(connection, &id)).await
    }

    /// Hosts as they were last seen, after a controller and name: all, or those that belong to no VM under watch. At
    /// most `limit` and [`TAIL_MAX`](super::TAIL_MAX).
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn hosts(
        &self,
        after: Option<(String, String)>,
        strays_only: bool,
        limit: usize,
    ) -> Result<Vec<SeenHost>, ReadError> {
        let limit = limit.min(super::TAIL_MAX);
        self.readers
            .run(move |connection| sightings::hosts(connection, after.as_ref(), strays_only, limit))
            .await
    }

    /// How many VMs were last seen, how many of them a request has, and how many are gone.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn vms_counted(&self) -> Result<(u64, u64, u64), ReadError> {
        self.readers.run(sightings::count).await
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
