//! Reads along in the journal: which requests have news for the watch. A hint; the actor reads the request itself.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::{Input, stopped};
use crate::journal::{Journal, Recorded, TAIL_MAX};
use crate::vm_request::Event;

/// Pause after the journal could not be read.
const RETRY_SECS: u64 = 5;

/// Runs until the watch stops.
pub(super) async fn run(
    journal: Journal,
    from: u64,
    inputs: mpsc::Sender<Input>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut position = journal.position();
    let mut read_up_to = from;
    loop {
        let more = position.wait_for(|position| *position > read_up_to);
        let is_over = tokio::select! {
            () = stopped(&mut stopping) => true,
            more = more => more.is_err(),
        };
        if is_over {
            return;
        }
        let Ok(events) = journal.tail(read_up_to, TAIL_MAX).await else {
            tokio::select! {
                () = stopped(&mut stopping) => return,
                () = tokio::time::sleep(Duration::from_secs(RETRY_SECS)) => continue,
            }
        };
        read_up_to = events.last().map_or(read_up_to, |last| last.position);
        let news: BTreeSet<_> =
            events.iter().filter(|event| is_news(event)).map(|event| event.request_id.clone()).collect();
        if !news.is_empty() && inputs.send(Input::News(news.into_iter().collect())).await.is_err() {
            return;
        }
    }
}

/// Whether the event changes what is watched, or how.
const fn is_news(recorded: &Recorded) -> bool {
    matches!(
        recorded.event,
        Event::Verified(_)
            | Event::Adopted(_)
            | Event::DriftFound(_)
            | Event::DriftCleared { .. }
            | Event::DriftAccepted(_)
            | Event::DriftIgnored(_)
            | Event::DriftRepairAsked { .. }
            | Event::DriftHandled { .. }
            | Event::WatchPaused(_)
            | Event::WatchResumed(_)
            | Event::LeaseSet(_)
    )
}
