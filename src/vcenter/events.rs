//! What happened to VMs and who did it: vCenter's event log, read on from where the last read ended.
//!
//! Where a read ended is a key and an instant of the server's own clock, so it does not matter what time it is here.
//! Keys rise with the log; an event may show a moment later than its time says, so each read looks a little back and
//! leaves out what it knows by its key. Servers cap an answer (vCenter at 1,000 events, govmomi's simulator at 10) and
//! give the newest; so as long as an answer does not reach back to what is known, the time before it is asked for.
//!
//! The log is a help for people, not a source of truth: vCenter may forget events, and a client that was away for long
//! is told that some are missing ([`VmEvents::truncated`]).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::errors::VcenterError;
use super::inventory::unescaped;
use super::session::Channel;
use super::soap::MoRef;
use super::xml::Element;

/// Events handed out by one read, and asked for in one call: the most that vCenter gives.
pub const EVENTS_MAX: usize = 1_000;
/// Calls of one read.
const CALLS_MAX: usize = 20;
/// How far before the last known event a read begins.
const OVERLAP_SECS: i64 = 10;
/// Longest message that is kept.
const MESSAGE_CHARS_MAX: usize = 500;

/// Where the last read of the log ended, by the server's keys and clock. Can be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCursor {
    /// Key of the last event that was seen; 0 when none was.
    pub key: i64,
    /// When it was written, or when the watch began, whichever is later.
    pub at: Timestamp,
}

/// One event that names a VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VmEvent {
    /// Rises with the log.
    pub key: i64,
    /// Its type as vSphere spells it, e.g. `VmReconfiguredEvent`; of an `EventEx` its own type, e.g.
    /// `com.vmware.vc.vm.VmStateRevertedToSnapshot`.
    pub kind: String,
    /// When it was written, by the server's clock.
    pub at: Timestamp,
    /// Who did it, e.g. `VSPHERE.LOCAL\\causeway`; empty when nobody did.
    pub user: String,
    /// Managed object id of the VM.
    pub moid: String,
    /// Name of the VM at that time.
    pub vm_name: Option<String>,
    /// `fullFormattedMessage`, at most 500 characters.
    pub message: String,
    /// Joins the events of one operation.
    pub chain_id: Option<i64>,
    /// Of a `TaskEvent`, what was asked for (`info.descriptionId`), e.g. `VirtualMachine.reconfigure`.
    pub task: Option<String>,
}

/// What the log tells since a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VmEvents {
    /// Oldest first, at most [`EVENTS_MAX`], the newest.
    pub events: Vec<VmEvent>,
    /// For the next read.
    pub cursor: EventCursor,
    /// There may have been more since the cursor than could be read; those are lost.
    pub truncated: bool,
}

/// One entry of the log.
#[derive(Debug)]
struct Entry {
    key: i64,
    at: Timestamp,
    /// `None` for an event without a VM.
    vm_event: Option<VmEvent>,
}

/// Reads on from `since`, or finds out where the log stands.
pub(super) async fn read_events(
    channel: Channel,
    since: Option<EventCursor>,
) -> Result<VmEvents, VcenterError> {
    match (channel.live.service.event_manager.clone(), since) {
        (Some(manager), Some(cursor)) => read_on(&channel, &manager, cursor).await,
        (Some(manager), None) => {
            let at = current_time(&channel).await?;
            let recent = query(&channel, &manager, before(at), None).await?;
            let key = recent.iter().map(|entry| entry.key).max().unwrap_or_default();
            Ok(nothing(EventCursor { key, at }))
        }
        (None, Some(cursor)) => Ok(nothing(cursor)),
        (None, None) => Ok(nothing(EventCursor { key: 0, at: current_time(&channel).await? })),
    }
}

fn nothing(cursor: EventCursor) -> VmEvents {
    VmEvents { events: Vec::new(), cursor, truncated: false }
}

fn before(at: Timestamp) -> Timestamp {
    at.checked_sub(SignedDuration::from_secs(OVERLAP_SECS)).unwrap_or(Timestamp::MIN)
}

async fn read_on(channel: &Channel, manager: &MoRef, cursor: EventCursor) -> Result<VmEvents, VcenterError> {
    let begin = before(cursor.at);
    let mut seen: BTreeMap<i64, Entry> = BTreeMap::new();
    let mut end = None;
    let mut truncated = true;
    for _ in 0..CALLS_MAX {
        let page = query(channel, manager, begin, end).await?;
        let is_full = page.len() >= EVENTS_MAX;
        let reaches_back = page.iter().any(|entry| entry.key <= cursor.key);
        end = page.iter().map(|entry| entry.at).min();
        let before = seen.len();
        let news = page.into_iter().filter(|entry| entry.key > cursor.key);
        seen.extend(news.map(|entry| (entry.key, entry)));
        // A full answer may have been cut at either end.
        if reaches_back || seen.len() == before {
            truncated = is_full;
            break;
        }
        if seen.len() >= EVENTS_MAX {
            break;
        }
    }
    while seen.len() > EVENTS_MAX {
        seen.pop_first();
        truncated = true;
    }
    let last =
        seen.last_key_value().map(|(_, entry)| EventCursor { key: entry.key, at: entry.at.max(cursor.at) });
    Ok(VmEvents {
        cursor: last.unwrap_or(cursor),
        events: seen.into_values().filter_map(|entry| entry.vm_event).collect(),
        truncated,
    })
}

/// The server's clock.
async fn current_time(channel: &Channel) -> Result<Timestamp, VcenterError> {
    let this = MoRef::new("ServiceInstance", "ServiceInstance");
    let reply = channel.call("CurrentTime", &this, "").await?;
    reply.open(|answer| {
        let time = answer.text_of("returnval").and_then(|text| text.parse().ok());
        time.ok_or_else(|| reply.not_understood("no time".to_owned()))
    })
}

/// Events from `begin` to `end`, both included; which of them, when there are too many, is up to the server.
async fn query(
    channel: &Channel,
    manager: &MoRef,
    begin: Timestamp,
    end: Option<Timestamp>,
) -> Result<Vec<Entry>, VcenterError> {
    let end = end.map(|end| format!("<endTime>{end}</endTime>")).unwrap_or_default();
    let arguments = format!(
        "<filter><time><beginTime>{begin}</beginTime>{end}</time>\
         <disableFullMessage>false</disableFullMessage><maxCount>{EVENTS_MAX}</maxCount></filter>"
    );
    let reply = channel.call("QueryEvents", manager, &arguments).await?;
    reply.open(|answer| Ok(answer.children_named("returnval").filter_map(read_entry).collect()))
}

fn read_entry(event: &Element<'_>) -> Option<Entry> {
    let key = event.text_of("key")?.parse().ok()?;
    let at = event.text_of("createdTime")?.parse().ok()?;
    let vm_event = vm_of(event).map(|(moid, vm_name)| VmEvent {
        key,
        kind: kind(event),
        at,
        user: event.text_of("userName").unwrap_or_default().to_owned(),
        moid,
        vm_name,
        message: event
            .text_of("fullFormattedMessage")
            .unwrap_or_default()
            .chars()
            .take(MESSAGE_CHARS_MAX)
            .collect(),
        chain_id: event.text_of("chainId").and_then(|id| id.parse().ok()).filter(|id| *id != 0),
        task: event.child("info").and_then(|info| info.text_of("descriptionId")).map(str::to_owned),
    });
    Some(Entry { key, at, vm_event })
}

/// Id and name of the VM that an event is about. An `EventEx` may name it as its object only.
fn vm_of(event: &Element<'_>) -> Option<(String, Option<String>)> {
    let named = event
        .child("vm")
        .and_then(|vm| Some((vm.text_of("vm")?.to_owned(), vm.text_of("name").map(unescaped))));
    named.or_else(|| {
        let is_vm = matches!(event.text_of("objectType"), Some("VirtualMachine" | "vim.VirtualMachine"));
        let moid = event.text_of("objectId").filter(|_| is_vm)?;
        Some((moid.to_owned(), event.text_of("objectName").map(unescaped)))
    })
}

fn kind(event: &Element<'_>) -> String {
    let kind = event.xsi_type.as_deref().unwrap_or_default();
    let own = event.text_of("eventTypeId").filter(|_| matches!(kind, "EventEx" | "ExtendedEvent"));
    own.unwrap_or(kind).to_owned()
}
