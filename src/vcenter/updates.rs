//! Following changes: which VMs are worth another look, told by vCenter itself.
//!
//! A [`Watcher`] has a property collector of its own with one filter over a view of all VMs, and waits on it. What it
//! hands out are hints, ids without values: a server may tell too much (a change twice, every VM as new when one is
//! made) and it does tell too little (nothing is told of a property that is not announced, and see the table). So
//! whoever follows reads what is touched, and reads everything from time to time.
//!
//! An answer that may be lost makes the watcher begin anew, and it says so: what happened before is then unknown. That
//! is the case at first, after a session was lost, after a call failed or was dropped half way, and when vCenter no
//! longer accepts the version or knows the collector.
//!
//! What govmomi's simulator tells, in the release that `tests/install-vcsim` pins (0.55.1), of what govc does; the events
//! are those of [`Vcenter::vm_events`](super::Vcenter::vm_events). `tests/vcenter_contract/watching.rs` proves each line.
//!
//! | change                     | told      | events                                   |
//! |----------------------------|-----------|------------------------------------------|
//! | power off                  | touched   | `VmStoppingEvent`, `VmPoweredOffEvent`   |
//! | power on                   | touched   | `VmStartingEvent`, `VmPoweredOnEvent`    |
//! | CPU, memory                | touched   | `VmReconfiguredEvent`                    |
//! | adapter, disk added        | touched   | `VmReconfiguredEvent`                    |
//! | guest address              | touched   | `VmReconfiguredEvent` (it is set by one) |
//! | rename                     | touched   | none                                     |
//! | move to a folder           | touched   | none                                     |
//! | snapshot made, removed     | touched   | none                                     |
//! | custom value               | nothing   | none                                     |
//! | marked as template         | nothing   | none                                     |
//! | new VM                     | touched   | `VmBeingCreatedEvent` … `VmClonedEvent`  |
//! | unregistered, destroyed    | left      | `VmRemovedEvent`                         |
//!
//! Reconfigurations are told by `config.changeVersion` alone: it tells nothing of the number of CPUs itself. When a VM is
//! made it enters every VM again, which is why a digest of what was announced is kept. The lab tells all that it serves
//! at once. What vCenter itself tells was not measured; its reference promises a change of every property in the filter.
//!
//! It deliberately does not keep values, retry a refused login or decide how often to ask.

mod holdings;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use holdings::Holdings;

use super::errors::VcenterError;
use super::properties::{GONE, Wanted, prop_set, view_objects};
use super::session::{Channel, Live, Shared};
use super::soap::{MoRef, Reply};
use super::xml::Element;

/// Properties that are cheap to send and change with nearly everything that is done to a VM. `config.changeVersion`
/// changes with every reconfiguration.
const ANNOUNCING: [&str; 15] = [
    "name",
    "parent",
    "config.changeVersion",
    "config.template",
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    "runtime.powerState",
    "runtime.host",
    "runtime.connectionState",
    "datastore",
    "network",
    "guest.ipAddress",
    "guest.hostName",
    "snapshot",
    "customValue",
];

/// More pages than this are not read for one answer: at 100 objects each that is 500,000 objects.
const UPDATE_PAGES_MAX: usize = 5_000;

/// What vCenter told since it was last asked. Hints: every id is to be looked at with
/// [`Vcenter::read_vms`](super::Vcenter::read_vms), which tells what is true.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The watch has begun anew. What happened before is unknown, so a full read is due; the sets are empty.
    pub restarted: bool,
    /// Managed object ids of VMs that are new or of which something changed.
    pub touched: BTreeSet<String>,
    /// Managed object ids of VMs that are no longer shown: destroyed, unregistered, or out of this user's sight. A VM
    /// that was moved may be in both sets.
    pub left: BTreeSet<String>,
}

impl Changes {
    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.restarted && self.touched.is_empty() && self.left.is_empty()
    }
}

/// Follows the changes of one vCenter, within the session of the client that made it. It has one collector and one view
/// in vCenter; [`Watcher::close`] takes both away, and so does dropping it inside a Tokio runtime.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
    /// `None` until begun, and whenever an answer may have been lost.
    following: Option<Following>,
    /// What was announced of each VM, as a digest; missing where only a part is known.
    known: BTreeMap<String, u64>,
    /// Without those that this vCenter refused.
    announcing: Vec<&'static str>,
    holdings: Holdings,
}

/// A collector and how far its answers were taken.
#[derive(Debug, Clone)]
struct Following {
    live: Arc<Live>,
    collector: MoRef,
    version: String,
}

/// What one answer, all its pages, brought.
#[derive(Debug)]
struct Step {
    restarted: bool,
    following: Following,
    announcing: Vec<&'static str>,
    updates: Vec<Update>,
}

/// One `ObjectUpdate`.
#[derive(Debug)]
struct Update {
    kind: String,
    moid: String,
    digest: u64,
}

impl Watcher {
    /// Sends nothing.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            following: None,
            known: BTreeMap::new(),
            announcing: ANNOUNCING.to_vec(),
            holdings: Holdings::default(),
        }
    }

    /// Waits until something changes, at most `wait_secs_max` seconds and never longer than two thirds of
    /// `call_deadline_secs`; 0 does not wait. Empty when nothing happened. The call that begins the watch does not wait.
    ///
    /// When it is dropped half way the next call begins anew.
    ///
    /// # Errors
    /// [`VcenterError`], after `read_attempts_max` tries when transient. After [`VcenterError::LoginRefused`] nothing
    /// is sent before its `next_try_at`, however often this is called.
    pub async fn next(&mut self, wait_secs_max: u64) -> Result<Changes, VcenterError> {
        let wait_secs = wait_secs_max.min(self.shared.transport.call_deadline_secs.saturating_mul(2) / 3);
        // Taken out, so that a call which fails or is dropped leaves nothing to go on with.
        let before = self.following.take();
        let is_first = AtomicBool::new(true);
        let (announcing, holdings) = (&self.announcing, &self.holdings);
        let step = self
            .shared
            .read(|channel| {
                // The answer to an attempt that failed may have been the one that told something.
                let is_first = is_first.swap(false, Ordering::Relaxed);
                let same = before.as_ref().filter(|f| is_first && Arc::ptr_eq(&f.live, &channel.live));
                follow(channel, same.cloned(), announcing.clone(), holdings.clone(), wait_secs)
            })
            .await?;
        self.announcing = step.announcing;
        self.following = Some(step.following);
        if step.restarted {
            self.known.clear();
        }
        let changes = absorb(&mut self.known, step.updates);
        Ok(if step.restarted { Changes { restarted: true, ..Changes::default() } } else { changes })
    }

    /// Takes away what the watcher made in vCenter. A failure to do so is only logged: it ends with the session.
    pub async fn close(self) {
        release(&self.shared, &self.holdings).await;
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if self.holdings.is_empty() {
            return;
        }
        // Without a runtime there is nobody to say it, and the session ends with its process.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (shared, holdings) = (Arc::clone(&self.shared), self.holdings.clone());
            runtime.spawn(async move { release(&shared, &holdings).await });
        }
    }
}

/// Takes the holdings away within the session that is open; with no session there are none. Logs nobody in.
async fn release(shared: &Arc<Shared>, holdings: &Holdings) {
    if let Some(live) = shared.open_session().await {
        holdings.release(&Channel { shared: Arc::clone(shared), live }).await;
    }
}

/// Goes on where `following` stands, or begins anew.
async fn follow(
    channel: Channel,
    following: Option<Following>,
    announcing: Vec<&'static str>,
    holdings: Holdings,
    wait_secs: u64,
) -> Result<Step, VcenterError> {
    if let Some(mut following) = following {
        match following.wait(&channel, wait_secs).await {
            Ok(updates) => return Ok(Step { restarted: false, following, announcing, updates }),
            Err(error) if error.is_fault("InvalidCollectorVersion") || error.is_fault(GONE) => {
                tracing::info!(vcenter = %channel.vcenter(), %error, "following changes anew");
            }
            Err(error) => return Err(error),
        }
    }
    holdings.release(&channel).await;
    let service = &channel.live.service;
    let collector = channel.make("CreatePropertyCollector", &service.property_collector, "").await?;
    holdings.add(&channel, &collector, "DestroyPropertyCollector");
    let view = channel.create_view(&["VirtualMachine"]).await?;
    holdings.add(&channel, &view, "DestroyView");
    let announcing = create_filter(&channel, &collector, &view, announcing).await?;
    let mut following = Following { live: Arc::clone(&channel.live), collector, version: String::new() };
    let updates = following.wait(&channel, 0).await?;
    Ok(Step { restarted: true, following, announcing, updates })
}

/// Makes the filter and returns the properties that it watches. A vCenter that does not know one of them refuses the
/// whole filter without a word that could be relied on about which it is, so then each is tried alone.
async fn create_filter(
    channel: &Channel,
    collector: &MoRef,
    view: &MoRef,
    announcing: Vec<&'static str>,
) -> Result<Vec<&'static str>, VcenterError> {
    match try_filter(channel, collector, view, &announcing).await {
        Ok(_) => return Ok(announcing),
        Err(error) if error.is_fault("InvalidProperty") => {}
        Err(error) => return Err(error),
    }
    let mut accepted = Vec::new();
    for property in announcing {
        match try_filter(channel, collector, view, &[property]).await {
            Ok(filter) => {
                channel.call("DestroyPropertyFilter", &filter, "").await?.open(|_| Ok(()))?;
                accepted.push(property);
            }
            Err(error) if error.is_fault("InvalidProperty") => {
                tracing::info!(vcenter = %channel.vcenter(), property, "changes of it are not told");
            }
            Err(error) => return Err(error),
        }
    }
    try_filter(channel, collector, view, &accepted).await?;
    Ok(accepted)
}

async fn try_filter(
    channel: &Channel,
    collector: &MoRef,
    view: &MoRef,
    paths: &[&str],
) -> Result<MoRef, VcenterError> {
    let properties = prop_set(&Wanted { kind: "VirtualMachine", paths });
    let arguments =
        format!("<spec>{properties}{}</spec><partialUpdates>false</partialUpdates>", view_objects(view));
    channel.make("CreateFilter", collector, &arguments).await
}

impl Following {
    /// One answer with all its pages. Whatever arrived is acknowledged by the version of the next call.
    async fn wait(&mut self, channel: &Channel, wait_secs: u64) -> Result<Vec<Update>, VcenterError> {
        let mut updates = Vec::new();
        let mut secs = wait_secs;
        for _ in 0..UPDATE_PAGES_MAX {
            let arguments = format!(
                "<version>{}</version><options><maxWaitSeconds>{secs}</maxWaitSeconds>\
                 <maxObjectUpdates>{}</maxObjectUpdates></options>",
                super::xml::escaped(&self.version),
                channel.shared.page_objects_max
            );
            let reply = channel.call("WaitForUpdatesEx", &self.collector, &arguments).await?;
            if !self.read_page(channel, &reply, &mut updates)? {
                return Ok(updates);
            }
            // The rest is there already.
            secs = 0;
        }
        Err(VcenterError::NotUnderstood {
            vcenter: channel.vcenter().to_owned(),
            method: "WaitForUpdatesEx".to_owned(),
            what: format!("more than {UPDATE_PAGES_MAX} pages"),
        })
    }

    /// Takes one page and returns whether there are more.
    fn read_page(
        &mut self,
        channel: &Channel,
        reply: &Reply,
        updates: &mut Vec<Update>,
    ) -> Result<bool, VcenterError> {
        reply.open(|answer| {
            // Nothing within the wait: no set at all.
            let Some(set) = answer.child("returnval") else { return Ok(false) };
            let version = set.text_of("version");
            let version = version.ok_or_else(|| reply.not_understood("a set without version".to_owned()))?;
            version.clone_into(&mut self.version);
            let objects = set.children_named("filterSet").flat_map(|f| f.children_named("objectSet"));
            for object in objects {
                if object.children_named("missingSet").any(is_not_authenticated) {
                    return Err(channel.not_authenticated());
                }
                updates.extend(read_update(object));
            }
            Ok(matches!(set.text_of("truncated"), Some("true" | "1")))
        })
    }
}

fn is_not_authenticated(missing: &Element<'_>) -> bool {
    super::properties::inner_fault(missing)
        .is_some_and(|fault| super::soap::fault_kind(fault) == "NotAuthenticated")
}

fn read_update(object: &Element<'_>) -> Option<Update> {
    let vm = object.child("obj").and_then(MoRef::read)?;
    Some(Update { kind: object.text_of("kind")?.to_owned(), moid: vm.id, digest: digest(object) })
}

/// Of the announced values, in whatever order they came.
fn digest(object: &Element<'_>) -> u64 {
    let mut values: Vec<(&str, &Element<'_>)> = (object.children_named("changeSet"))
        .filter_map(|change| Some((change.text_of("name")?, change.child("val")?)))
        .collect();
    values.sort_by_key(|(name, _)| *name);
    let mut hasher = DefaultHasher::new();
    for (name, value) in values {
        name.hash(&mut hasher);
        hash_element(value, &mut hasher);
    }
    hasher.finish()
}

fn hash_element(element: &Element<'_>, hasher: &mut DefaultHasher) {
    (element.name, element.text.as_ref(), element.children.len()).hash(hasher);
    element.children.iter().for_each(|child| hash_element(child, hasher));
}

/// What of `updates` is news beside what is `known`.
fn absorb(known: &mut BTreeMap<String, u64>, updates: Vec<Update>) -> Changes {
    let mut changes = Changes::default();
    for Update { kind, moid, digest } in updates {
        match kind.as_str() {
            "enter" => {
                if known.insert(moid.clone(), digest) != Some(digest) {
                    changes.touched.insert(moid);
                }
            }
            "leave" => {
                known.remove(&moid);
                changes.left.insert(moid);
            }
            // A modification tells a part of the values, so the digest of the whole is unknown after it.
            _ => {
                known.remove(&moid);
                changes.touched.insert(moid);
            }
        }
    }
    changes
}
