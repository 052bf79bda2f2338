//! The life of a finding, sighting by sighting.

use proptest::prelude::*;

use super::*;
use crate::vm_request::Event;
use crate::vm_request::watch::compare::Compared;
use crate::vm_request::watch::judge::{Circumstances, Judgement, Memory, Mend, judge};
use crate::vm_request::watch::mass::Mass;
use crate::vm_request::watch::policy::{Response, Rule, WatchPolicy};
use crate::vm_request::watch::{Handled, Pause};

/// A VM under watch, its memory, and what was decided of it.
struct Life {
    state: State,
    memory: Memory,
    policy: WatchPolicy,
    stopped: Option<&'static str>,
    requests: usize,
    repairs: usize,
}

impl Life {
    fn new(response: Response) -> Self {
        let rule = Rule { environments: vec![], fields: vec![], verdicts: vec![], response };
        let policy = WatchPolicy { rules: vec![rule], ..WatchPolicy::default() };
        Self { state: done(), memory: Memory::default(), policy, stopped: None, requests: 0, repairs: 0 }
    }

    /// Sees `drifts` at `at` with both sides known, and applies what follows as the actor does.
    fn sees(&mut self, at: i64, drifts: &[FieldDrift]) -> Judgement {
        let compared = Compared { drifts: drifts.to_vec(), vcenter_known: true, inventory_known: true };
        self.judged(at, compared)
    }

    fn judged(&mut self, at: i64, compared: Compared) -> Judgement {
        let desired = Desired::of(&self.state).unwrap();
        let around = Circumstances {
            policy: &self.policy,
            now: after(at),
            stopped: self.stopped,
            is_budget_spent: false,
        };
        let judgement = judge(&self.state.watch, &desired, &mut self.memory, compared, &around, &|_| None);
        let mut events: Vec<Event> = judgement.found.iter().cloned().map(Event::DriftFound).collect();
        if !judgement.cleared.is_empty() {
            events.push(Event::DriftCleared { fields: judgement.cleared.clone() });
        }
        for mend in &judgement.mend {
            let (fields, how) = match mend {
                Mend::Inventory { fields } => {
                    self.repairs += 1;
                    (
                        fields,
                        Handled::InventoryWritten { host: 31, times: u32::try_from(self.repairs).unwrap() },
                    )
                }
                Mend::Request { fields, approval_required } => {
                    self.requests += 1;
                    let id = crate::vm_request::RequestId::from_parts(after(at), 9);
                    (fields, Handled::Request { id, approval_required: *approval_required })
                }
                Mend::Nothing { fields, why } => (fields, Handled::Refused { why: why.clone() }),
            };
            events.push(Event::DriftHandled { fields: fields.clone(), how });
        }
        for event in &events {
            self.state.apply(after(at), event).unwrap();
        }
        judgement
    }
}

fn cpu() -> FieldDrift {
    drift("cpu", DriftVerdict::VcenterChanged)
}

#[test]
fn a_finding_opens_at_once_and_is_mended_after_a_second_sighting_once() {
    let mut life = Life::new(Response::Remediate);
    let first = life.sees(0, &[cpu()]);
    assert_eq!((first.found.len(), first.mend.len(), first.look_again_at), (1, 0, Some(after(30))));
    assert_eq!(life.sees(10, &[cpu()]), Judgement { look_again_at: Some(after(30)), ..Judgement::default() });
    let third = life.sees(30, &[cpu()]);
    assert_eq!(third.mend, [Mend::Request { fields: vec!["cpu".into()], approval_required: false }]);
    for at in [31, 60, 600, 6_000] {
        assert_eq!(life.sees(at, &[cpu()]), Judgement::default(), "at {at}");
    }
}

#[test]
fn it_is_cleared_when_it_was_gone_for_a_while_and_is_the_same_when_it_comes_back_soon() {
    let mut life = Life::new(Response::Remediate);
    life.sees(0, &[cpu()]);
    life.sees(30, &[cpu()]);
    assert!(life.sees(40, &[]).cleared.is_empty());
    assert_eq!(life.sees(70, &[]).cleared, ["cpu"]);
    let back = life.sees(100, &[cpu()]);
    assert!(back.found[0].came_back);
    assert_eq!(life.state.watch.open["cpu"].flaps, 1);
    life.sees(140, &[cpu()]);
    assert_eq!(life.requests, 1, "the same finding is not remediated again");
    life.sees(200, &[]);
    life.sees(300, &[]);
    life.sees(300 + 3_601, &[cpu()]);
    life.sees(300 + 3_700, &[cpu()]);
    assert_eq!(life.requests, 2, "one that was gone for longer than the flap window is another");
}

#[test]
fn a_side_that_is_not_known_clears_nothing() {
    let mut life = Life::new(Response::Report);
    let stale = drift("ip_address", DriftVerdict::InventoryStale);
    life.sees(0, &[cpu(), stale]);
    for at in [100, 200] {
        let blind = Compared { vcenter_known: true, ..Compared::default() };
        let cleared = life.judged(at, blind).cleared;
        assert!(!cleared.contains(&"ip_address".to_owned()), "{cleared:?}");
        life.judged(at + 50, Compared::default());
    }
    assert_eq!(life.state.watch.open.keys().collect::<Vec<_>>(), ["ip_address"]);
}

#[test]
fn the_inventory_is_repaired_three_times_and_then_once_in_a_flap_window() {
    let mut life = Life::new(Response::RepairInventory);
    let stale = drift("ip_address", DriftVerdict::InventoryStale);
    for at in (0..1_000).step_by(10) {
        life.sees(at, std::slice::from_ref(&stale));
    }
    assert_eq!(life.repairs, 3);
    for at in (1_000..4_000).step_by(10) {
        life.sees(at, std::slice::from_ref(&stale));
    }
    assert_eq!(life.repairs, 4);
}

#[test]
fn pause_stop_and_what_nothing_brings_back_keep_it_from_being_mended() {
    let mut life = Life::new(Response::Remediate);
    life.state.watch.paused =
        Some(Pause { by: "jo".into(), until: Some(after(100)), comment: String::new() });
    life.sees(0, &[cpu()]);
    assert_eq!(life.sees(40, &[cpu()]).kept_back, Some("the VM's watch is paused"));
    life.stopped = Some("many VMs changed at once");
    assert_eq!(life.sees(200, &[cpu()]).kept_back, life.stopped);
    life.stopped = None;
    assert_eq!(life.sees(210, &[cpu()]).mend.len(), 1);
    let renamed = drift("name", DriftVerdict::VcenterChanged);
    life.sees(300, std::slice::from_ref(&renamed));
    let judged = life.sees(340, std::slice::from_ref(&renamed));
    assert!(matches!(judged.mend.as_slice(), [Mend::Nothing { .. }]), "{:?}", judged.mend);
}

#[test]
fn many_at_once_begin_a_mass_change_that_lasts_until_they_are_back_or_a_person_goes_on() {
    let policy = WatchPolicy { mass_vms_min: 3, mass_percent: 50, ..WatchPolicy::default() };
    let ids: Vec<_> = (1..=4).map(|n| crate::vm_request::RequestId::from_parts(after(0), n)).collect();
    let mut mass = Mass::default();
    ids[..2].iter().for_each(|id| mass.note(id, after(0)));
    assert_eq!(mass.since(6, &policy, after(1)), None);
    mass.note(&ids[2], after(2));
    assert_eq!(mass.since(7, &policy, after(2)), None, "three of seven are less than half");
    assert_eq!(mass.since(6, &policy, after(3)), Some(after(3)));
    assert_eq!(mass.since(6, &policy, after(10_000)), Some(after(3)), "it does not pass by itself");
    let mut woken = mass.clone();
    woken.end();
    ids[..3].iter().for_each(|id| woken.note(id, after(0)));
    woken.wake(6, &policy, after(9_000));
    assert!(woken.since(6, &policy, after(9_000)).is_some(), "nor by a restart");
    mass.forget(&ids[0]);
    assert_eq!(mass.since(6, &policy, after(10_001)), None, "two are no mass change");
}

proptest! {
    /// Whatever is seen and when: facts follow each other, nothing is mended on one sighting, nothing is written twice.
    #[test]
    fn any_life_keeps_the_rules(steps in proptest::collection::vec((0_i64..120, 0_u8..4), 1..60)) {
        let mut life = Life::new(Response::Remediate);
        let (mut at, mut opened) = (0, 0);
        for (gap, kind) in steps {
            at += gap;
            let value = |text: &str| FieldDrift { vcenter: Some(text.into()), ..cpu() };
            let drifts = match kind { 0 | 1 => vec![], 2 => vec![value("8")], _ => vec![value("9")] };
            let before = life.state.watch.open.get("cpu").map(|finding| finding.drift.clone());
            let judgement = life.sees(at, &drifts);
            let same = before.as_ref() == drifts.first();
            prop_assert!(judgement.found.is_empty() == (drifts.is_empty() || same));
            prop_assert!(judgement.mend.is_empty() || same, "mended at the first sighting");
            opened += usize::from(judgement.found.iter().any(|found| !found.came_back) && before.is_none());
            prop_assert!(life.requests <= opened, "{} remediations of {opened} findings", life.requests);
        }
    }
}
