//! What follows from one comparison: facts for the journal, and what is to be mended now. Pure: what was seen before
//! is in [`Memory`], which this process keeps and may lose.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::compare::{Compared, Desired, DriftVerdict, FieldDrift};
use super::policy::{Response, WatchPolicy};
use super::remedy;
use super::{Blame, DriftFound, Finding, Handled, Watch};

/// How often the inventory is repaired for one finding; after that once in a flap window, so that it converges when whoever
/// writes against the bridge stops.
const REPAIRS_MAX: u32 = 3;
/// After coming back so often, a finding is cleared only when it was quiet for the whole flap window.
const FLAPS_UNTIL_RESTLESS: u32 = 3;

/// What was seen of one VM's differences before. Losing it (a restart) costs one more look before anything is mended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// Differences that are there: the difference, since when, and in how many sightings.
    there: BTreeMap<String, (FieldDrift, Timestamp, u32)>,
    /// Open findings whose difference is not there any more, and since when.
    quiet: BTreeMap<String, Timestamp>,
}

/// What mends findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mend {
    /// Set the host's variables for these fields to what vCenter shows.
    Inventory { fields: Vec<String> },
    /// Make a request that brings these fields back.
    Request { fields: Vec<String>, approval_required: bool },
    /// Nothing mends these by itself.
    Nothing { fields: Vec<String>, why: String },
}

/// What follows from a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judgement {
    pub found: Vec<DriftFound>,
    pub cleared: Vec<String>,
    pub mend: Vec<Mend>,
    /// The VM is to be looked at again by then, for the second sighting.
    pub look_again_at: Option<Timestamp>,
    /// What keeps findings from being mended that the policy would have mended now.
    pub kept_back: Option<&'static str>,
}

/// Under what circumstances it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'c> {
    pub policy: &'c WatchPolicy,
    pub now: Timestamp,
    /// Why nothing may be mended anywhere or in this vCenter: a mass change, the stop switch, a run on the VM.
    pub stopped: Option<&'static str>,
    /// Whether the hour's remediations are used up.
    pub is_budget_spent: bool,
}

/// Judges `compared`. `blame` finds the event that made a difference.
#[must_use]
pub fn judge(
    watch: &Watch,
    desired: &Desired,
    memory: &mut Memory,
    compared: Compared,
    around: &Circumstances<'_>,
    blame: &dyn Fn(&FieldDrift) -> Option<Blame>,
) -> Judgement {
    let environment = desired.environment.as_deref();
    let (known, now) = ((compared.vcenter_known, compared.inventory_known), around.now);
    let counts = |drift: &FieldDrift| {
        !watch.ignores(&drift.field, now) && around.policy.response(environment, drift) != Response::Ignore
    };
    let drifts: BTreeMap<String, FieldDrift> =
        compared.drifts.into_iter().filter(counts).map(|drift| (drift.field.clone(), drift)).collect();
    let mut judgement = Judgement::default();
    memory.see(&drifts, known, now);
    for (field, drift) in &drifts {
        let open = watch.open.get(field);
        if open.is_none_or(|open| open.drift != *drift) {
            let came_back = open.is_none() && recently_cleared(watch, field, around);
            judgement.found.push(DriftFound { drift: drift.clone(), blame: blame(drift), came_back });
        }
    }
    for (field, finding) in watch.open.iter().filter(|(field, _)| !drifts.contains_key(*field)) {
        if is_known(finding.drift.verdict, known) {
            judgement.quiet(field, finding, memory, around);
        }
    }
    judgement.mend(watch, desired, memory, &drifts, around);
    judgement
}

/// Whether the absence of a difference of this kind can be told.
const fn is_known(verdict: DriftVerdict, (vcenter, inventory): (bool, bool)) -> bool {
    vcenter && (inventory || !verdict.needs_inventory())
}

fn recently_cleared(watch: &Watch, field: &str, around: &Circumstances<'_>) -> bool {
    let cleared_at = watch.cleared.get(field).and_then(|finding| finding.cleared_at);
    cleared_at.is_some_and(|at| around.now < later(at, around.policy.flap_window_secs))
}

impl Memory {
    fn see(&mut self, drifts: &BTreeMap<String, FieldDrift>, known: (bool, bool), now: Timestamp) {
        self.there.retain(|field, (drift, ..)| drifts.contains_key(field) || !is_known(drift.verdict, known));
        self.quiet.retain(|field, _| !drifts.contains_key(field));
        for (field, drift) in drifts {
            match self.there.get_mut(field) {
                Some((before, _, sightings)) if before == drift => *sightings = sightings.saturating_add(1),
                _ => {
                    self.there.insert(field.clone(), (drift.clone(), now, 1));
                }
            }
        }
    }

    /// When the difference will have been there long enough to be mended; `None` when it was not seen.
    fn confirmed_at(&self, field: &str, policy: &WatchPolicy) -> Option<Timestamp> {
        let (_, since, _) = self.there.get(field)?;
        Some(later(*since, policy.confirm_secs))
    }

    fn is_confirmed(&self, field: &str, around: &Circumstances<'_>) -> bool {
        let twice = self.there.get(field).is_some_and(|(_, _, sightings)| *sightings >= 2);
        twice && self.confirmed_at(field, around.policy).is_some_and(|at| around.now >= at)
    }
}

impl Judgement {
    /// A difference is gone: cleared, once it was gone long enough.
    fn quiet(&mut self, field: &str, finding: &Finding, memory: &mut Memory, around: &Circumstances<'_>) {
        let since = *memory.quiet.entry(field.to_owned()).or_insert(around.now);
        let restless = finding.flaps >= FLAPS_UNTIL_RESTLESS;
        let secs = if restless { around.policy.flap_window_secs } else { around.policy.confirm_secs };
        let due = later(since, secs);
        if around.now >= due {
            memory.quiet.remove(field);
            self.cleared.push(field.to_owned());
        } else {
            self.look_again(due);
        }
    }

    fn mend(
        &mut self,
        watch: &Watch,
        desired: &Desired,
        memory: &Memory,
        drifts: &BTreeMap<String, FieldDrift>,
        around: &Circumstances<'_>,
    ) {
        let environment = desired.environment.as_deref();
        let (mut repairs, mut remedies) = (Vec::new(), Vec::new());
        let mut approval_required = false;
        for (field, drift) in drifts {
            let asked = watch.repair_asked.contains(field);
            let open = watch.open.get(field);
            let handled = open.and_then(|finding| finding.handled.as_ref());
            let handled_at = open.and_then(|finding| finding.handled_at);
            let response = match around.policy.response(environment, drift) {
                _ if asked && remedy::is_mended_by_inventory(drift) => Response::RepairInventory,
                // Who asks for it agrees to it.
                _ if asked && drift.verdict != DriftVerdict::Missing => Response::Remediate,
                _ if asked => Response::Propose,
                response => response,
            };
            let is_wanted = match (response, handled) {
                (Response::Ignore | Response::Report, _) => false,
                (_, _) if asked => true,
                (Response::RepairInventory, Some(Handled::InventoryWritten { times, .. })) => {
                    let again_at = handled_at.map(|at| later(at, around.policy.flap_window_secs));
                    *times < REPAIRS_MAX || again_at.is_some_and(|at| around.now >= at)
                }
                (_, handled) => handled.is_none(),
            };
            if !is_wanted {
                continue;
            }
            if !asked && !memory.is_confirmed(field, around) {
                let due = memory.confirmed_at(field, around.policy);
                due.into_iter().for_each(|due| self.look_again(due));
                continue;
            }
            let is_repair = response == Response::RepairInventory;
            if let Some(why) = held_back(watch, desired, around, asked, is_repair) {
                self.kept_back = Some(why);
                continue;
            }
            if is_repair {
                repairs.push(field.clone());
            } else {
                approval_required |= response == Response::Propose;
                remedies.push(field.clone());
            }
        }
        self.choose(repairs, remedies, approval_required, desired, drifts);
    }

    fn choose(
        &mut self,
        repairs: Vec<String>,
        remedies: Vec<String>,
        approval_required: bool,
        desired: &Desired,
        drifts: &BTreeMap<String, FieldDrift>,
    ) {
        let (able, unable): (Vec<String>, Vec<String>) =
            remedies.into_iter().partition(|field| is_remediable(desired, &drifts[field]));
        let (written, unwritable): (Vec<String>, Vec<String>) =
            repairs.into_iter().partition(|field| remedy::is_mended_by_inventory(&drifts[field]));
        let unable: Vec<String> = unable.into_iter().chain(unwritable).collect();
        if !unable.is_empty() {
            let why = "nothing brings it back by itself".to_owned();
            self.mend.push(Mend::Nothing { fields: unable, why });
        }
        if !written.is_empty() {
            self.mend.push(Mend::Inventory { fields: written });
        }
        if !able.is_empty() {
            self.mend.push(Mend::Request { fields: able, approval_required });
        }
    }

    fn look_again(&mut self, at: Timestamp) {
        self.look_again_at = Some(self.look_again_at.map_or(at, |before| before.min(at)));
    }
}

fn is_remediable(desired: &Desired, drift: &FieldDrift) -> bool {
    desired.spec.is_some() && remedy::stages(&[drift]).is_some()
}

/// Why nothing is mended now. What a person asks for waits for nothing but a run that is under way.
fn held_back(
    watch: &Watch,
    desired: &Desired,
    around: &Circumstances<'_>,
    asked: bool,
    is_repair: bool,
) -> Option<&'static str> {
    if asked {
        return around.stopped.filter(|why| *why == RUN_ACTIVE);
    }
    if let Some(why) = around.stopped {
        return Some(why);
    }
    if watch.is_paused(around.now) {
        return Some("the VM's watch is paused");
    }
    if is_repair {
        return None;
    }
    if around.is_budget_spent {
        return Some("the hour's remediations are used up");
    }
    let is_open = around.policy.is_window_open(desired.environment.as_deref(), around.now);
    (!is_open).then_some("no maintenance window is open")
}

/// The one reason that holds back what a person asked for, too.
pub const RUN_ACTIVE: &str = "a run on the VM is active";

fn later(at: Timestamp, secs: u64) -> Timestamp {
    let secs = i64::try_from(secs).unwrap_or(i64::MAX);
    at.checked_add(SignedDuration::from_secs(secs)).unwrap_or(Timestamp::MAX)
}
