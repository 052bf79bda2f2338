//! Looks for the run of an attempt whose launch went unanswered. `extra_vars` cannot be filtered on (CONTRACT.md
//! finding 1), so the template's recent runs are listed and compared here.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::neighbours::KnownRun;
use super::{Outcome, Scene, unread};
use crate::aap::{LaunchType, Run, RunListing};
use crate::vm_request::action::{Listing, Match};
use crate::vm_request::event::RunStatus;

/// How far the listing reaches back beyond the intent: clocks differ, and `created` is set before the commit.
const OVERLAP_SECS: i64 = 300;
/// A known run older than this is asked for by its id instead of lengthening the listing.
const KNOWN_RUN_LISTED_SECS: i64 = 3_600;

pub(super) async fn find_run(scene: &Scene<'_>) -> Outcome {
    let controller = scene.controller;
    let Some(intent) = &scene.state.intent else {
        return Outcome::Listed(Listing { matches: Vec::new(), is_healthy: false });
    };
    let template = match controller.workflow_now().await {
        Ok(Some(template)) => template,
        Ok(None) => return Outcome::Listed(Listing { matches: Vec::new(), is_healthy: false }),
        Err(error) => return unread(&error),
    };
    let since = before(intent.intended_at, OVERLAP_SECS);
    let known = controller.known_run();
    let listed_known = known.filter(|known| known.created >= before(since, KNOWN_RUN_LISTED_SECS));
    let from = listed_known.map_or(since, |known| known.created.min(since));
    let listing = match controller.client.runs_created_since(template.id, from).await {
        Ok(listing) => listing,
        Err(error) => return unread(&error),
    };
    let attempt = intent.attempt.to_string();
    let matches: Vec<Match> = listing.runs.iter().filter(|run| carries(run, &attempt)).map(matched).collect();
    let is_healthy = listing.complete && shows_known(scene, known, listed_known, &listing).await;
    Outcome::Listed(Listing { matches, is_healthy })
}

/// Whether a run that was seen before can still be seen. If not, the listing proves nothing this time, and the run is
/// no longer asked for: it may have been deleted.
async fn shows_known(
    scene: &Scene<'_>,
    known: Option<KnownRun>,
    listed: Option<KnownRun>,
    listing: &RunListing,
) -> bool {
    let Some(known) = known else { return true };
    let is_shown = match listed {
        Some(listed) => listing.runs.iter().any(|run| run.id == listed.workflow_job),
        None => matches!(scene.controller.client.run(known.workflow_job).await, Ok(Some(_))),
    };
    if !is_shown {
        scene.controller.set_known_run(None);
    }
    is_shown
}

/// A relaunch carries the variables of the run that it repeats (CONTRACT.md §5): it is not the attempt's run.
fn carries(run: &Run, attempt: &str) -> bool {
    let found = run.extra_vars.get("causeway_attempt").and_then(Value::as_str);
    found == Some(attempt) && run.launch_type != LaunchType::Relaunch
}

fn matched(run: &Run) -> Match {
    Match { workflow_job: run.id, status: RunStatus::from_name(run.status.as_str()) }
}

fn before(at: Timestamp, secs: i64) -> Timestamp {
    at.checked_sub(SignedDuration::from_secs(secs)).unwrap_or(Timestamp::MIN)
}
