//! Readings of runs, gathered over all requests: one controller request reads up to 200 of them (CONTRACT.md §12).

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::aap::{Controller, ReadError, RunNode};
use crate::vm_request::action::RunReading;
use crate::vm_request::event::RunStatus;
use crate::vm_request::stage::Stage;

/// Ids in one request.
const IDS_MAX: usize = 200;
/// How long the first reader waits for others: runs that end within this time of each other cost one request. Nobody
/// misses it beside a poll interval of seconds.
const GATHER_MS: u64 = 50;
/// With at most this many runs in a batch their nodes are read too (one more request), so that each stage is seen as
/// it happens. Beyond it the stages are read when the run is over.
const RUNS_WITH_NODES_MAX: usize = 25;
/// Readers that may wait at once.
const WAITING_MAX: usize = 10_000;

/// What a reading found; `None` when the controller does not show the run.
pub(super) type Reading = Result<Option<RunReading>, ReadError>;

/// The batch reader of one controller.
#[derive(Debug, Clone)]
pub(super) struct RunBatch {
    asks: mpsc::Sender<(i64, oneshot::Sender<Reading>)>,
}

impl RunBatch {
    /// Starts the reader. It ends when the last handle is dropped.
    pub fn start(controller: Controller) -> Self {
        let (asks, queue) = mpsc::channel(WAITING_MAX);
        tokio::spawn(serve(controller, queue));
        Self { asks }
    }

    /// Reads a run together with whoever else reads one now.
    pub async fn read(&self, workflow_job: i64) -> Reading {
        let gone = || ReadError::Unavailable { why: "the reader has stopped".to_owned() };
        let (answer, answered) = oneshot::channel();
        self.asks.send((workflow_job, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

async fn serve(controller: Controller, mut queue: mpsc::Receiver<(i64, oneshot::Sender<Reading>)>) {
    while let Some(first) = queue.recv().await {
        let mut asks: BTreeMap<i64, Vec<oneshot::Sender<Reading>>> = BTreeMap::new();
        asks.entry(first.0).or_default().push(first.1);
        let gathered = tokio::time::sleep(Duration::from_millis(GATHER_MS));
        tokio::pin!(gathered);
        while asks.len() < IDS_MAX {
            tokio::select! {
                () = &mut gathered => break,
                more = queue.recv() => match more {
                    Some((id, answer)) => asks.entry(id).or_default().push(answer),
                    None => break,
                },
            }
        }
        answer(&controller, asks).await;
    }
}

async fn answer(controller: &Controller, asks: BTreeMap<i64, Vec<oneshot::Sender<Reading>>>) {
    let ids: Vec<i64> = asks.keys().copied().collect();
    let mut readings = readings(controller, &ids).await;
    for (id, waiting) in asks {
        let reading = match &mut readings {
            Ok(found) => Ok(found.remove(&id)),
            Err(error) => Err(error.clone()),
        };
        for answer in waiting {
            // Whoever asked may have gone: a shutdown, or a request that ended meanwhile.
            let _gone = answer.send(reading.clone());
        }
    }
}

async fn readings(controller: &Controller, ids: &[i64]) -> Result<BTreeMap<i64, RunReading>, ReadError> {
    let read = controller.runs(ids).await?;
    let open: Vec<i64> = read.runs.iter().filter(|run| !run.status.is_over()).map(|run| run.id).collect();
    let nodes = match open.len() {
        1..=RUNS_WITH_NODES_MAX => controller.nodes(&open).await?,
        _ => Vec::new(),
    };
    let mut found = BTreeMap::new();
    for run in read.runs {
        let stages = stages(nodes.iter().filter(|node| node.workflow_job == run.id));
        let status = RunStatus::from_name(run.status.as_str());
        found.insert(run.id, RunReading { status, stages, explanation: run.job_explanation });
    }
    for missing in read.missing {
        // A row that a list does not show may still be there: only its own address tells (CONTRACT.md §12).
        match controller.run(missing).await {
            Ok(Some(run)) => {
                let status = RunStatus::from_name(run.status.as_str());
                let reading =
                    RunReading { status, stages: BTreeMap::new(), explanation: run.job_explanation };
                found.insert(run.id, reading);
            }
            Ok(None) | Err(ReadError::Forbidden { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The job's status of each stage that has one.
fn stages<'a>(nodes: impl Iterator<Item = &'a RunNode>) -> BTreeMap<Stage, RunStatus> {
    nodes
        .filter_map(|node| {
            let stage = Stage::from_name(&node.identifier)?;
            let job = node.job.as_ref()?;
            Some((stage, RunStatus::from_name(job.status.as_str())))
        })
        .collect()
}
