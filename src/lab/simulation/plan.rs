//! What a life is to be, drawn from its seed before it begins: who asks for what and when, what goes wrong, how
//! fast the neighbours are and what the operator is like.

use super::dice::Dice;
use crate::lab::faults::{Fault, FaultPlan, Rule};
use crate::vm_request::Policy;
use crate::vm_request::spec::{Address, DiskSpec, DiskType, NicSpec, NicType, OsFamily, VmSpec};

/// A drawn life.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The neighbours' tempo is [`crate::lab::controller::model::Tempo::fast`], else as measured.
    pub is_fast: bool,
    pub policy: Policy,
    pub callbacks: Callbacks,
    pub faults: Vec<(Fault, Rule)>,
    /// Chance that a call or its answer is lost on the way, in thousandths.
    pub loss_per_mille: u64,
    /// Chance that the bridge dies at an action, in thousandths.
    pub crash_per_mille: u64,
    pub crashes_max: u32,
    /// How long it stays down.
    pub down_ms: (i64, i64),
    /// What one action's calls take.
    pub latency_ms: (i64, i64),
    /// After this the client gives a call up.
    pub call_deadline_ms: i64,
    pub requests: Vec<RequestPlan>,
}

/// Which templates have the bridge's notification template attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Callbacks {
    None,
    Workflow,
    All,
}

/// One request of a life.
#[derive(Debug, Clone)]
pub(super) struct RequestPlan {
    pub spec: VmSpec,
    pub approval_required: bool,
    /// From the beginning of the life, or from the end of the request before it.
    pub arrives_ms: i64,
    /// It asks for the name of the request before it, and comes when that one is over.
    pub is_successor: bool,
    pub operator: OperatorPlan,
}

/// What the operator does with one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct OperatorPlan {
    /// From the arrival.
    pub cancel_ms: Option<i64>,
    /// From the arrival: a finished run is relaunched by hand.
    pub relaunch_ms: Option<i64>,
    /// How long it takes to react to a held request.
    pub reaction_ms: (i64, i64),
    /// How often a held request is retried or looked at again.
    pub tries_max: u32,
    /// What is done when the tries are used up.
    pub at_last: AtLast,
}

/// How an operator leaves a held request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtLast {
    Leave,
    GiveUp,
    Cancel,
}

impl Plan {
    pub fn draw(dice: &mut Dice) -> Self {
        let is_fast = dice.chance(850);
        let faults = draw_faults(dice);
        let crash_per_mille = dice.pick(&[0, 0, 15, 60, 200]).unwrap_or_default();
        Self {
            is_fast,
            policy: if is_fast { fast_policy() } else { Policy::default() },
            callbacks: dice
                .pick(&[Callbacks::None, Callbacks::Workflow, Callbacks::Workflow, Callbacks::All])
                .unwrap_or(Callbacks::Workflow),
            loss_per_mille: dice.pick(&[0, 0, 0, 20, 100]).unwrap_or_default(),
            crashes_max: 1 + u32::try_from(dice.below(6)).unwrap_or_default(),
            crash_per_mille,
            down_ms: if is_fast { (5, 9_000) } else { (2_000, 400_000) },
            latency_ms: if is_fast { (1, 25) } else { (40, 900) },
            call_deadline_ms: if is_fast { 1_000 } else { 30_000 },
            requests: draw_requests(dice, is_fast),
            faults,
        }
    }

    pub fn fault_plan(&self, seed: u64) -> FaultPlan {
        self.faults.iter().fold(FaultPlan::none(seed), |plan, (fault, rule)| plan.with(*fault, *rule))
    }

    /// Whether nothing at all is to go wrong.
    pub fn is_calm(&self) -> bool {
        let quiet = |request: &RequestPlan| {
            request.operator.cancel_ms.is_none()
                && request.operator.relaunch_ms.is_none()
                && !request.is_successor
                && !request.approval_required
        };
        self.faults.is_empty()
            && self.loss_per_mille == 0
            && self.crash_per_mille == 0
            && self.requests.iter().all(quiet)
    }
}

fn fast_policy() -> Policy {
    Policy {
        overall_deadline_secs: 90,
        poll_interval_secs: 1,
        settle_secs: 2,
        relist_gap_secs: 1,
        look_interval_secs: 1,
        put_off_first_secs: 1,
        put_off_longest_secs: 8,
        verify_deadline_secs: 5,
        verify_interval_secs: 1,
        watch_interval_secs: 2,
        cancel_resend_secs: 5,
    }
}

fn draw_faults(dice: &mut Dice) -> Vec<(Fault, Rule)> {
    let mut faults: Vec<(Fault, Rule)> = Vec::new();
    for _ in 0..dice.below(6) {
        let at = usize::try_from(dice.below(Fault::ALL.len() as u64)).unwrap_or_default();
        let Some((fault, _, _)) = Fault::ALL.get(at) else { continue };
        if faults.iter().any(|(drawn, _)| drawn == fault) {
            continue;
        }
        let rule = match dice.below(3) {
            0 => Rule::ONCE,
            1 => Rule { per_mille: 300, times_max: 3 },
            _ => Rule { per_mille: 700, times_max: 4 },
        };
        faults.push((*fault, rule));
    }
    faults
}

fn draw_requests(dice: &mut Dice, is_fast: bool) -> Vec<RequestPlan> {
    let count = dice.pick(&[1, 1, 2, 3]).unwrap_or(1);
    let scale = if is_fast { 1 } else { 40 };
    let mut requests: Vec<RequestPlan> = Vec::new();
    for number in 0..count {
        let before = requests.last().map(|request| request.spec.clone());
        let successor = before.filter(|_| dice.chance(300));
        let is_successor = successor.is_some();
        if let Some(last) = requests.last_mut().filter(|_| is_successor) {
            // The name is free only once the request before it failed or was cancelled.
            last.operator.at_last = if dice.chance(500) { AtLast::GiveUp } else { AtLast::Cancel };
            if dice.chance(700) {
                last.operator.cancel_ms = Some(scale * dice.ms_or_so(0, 4_000));
            }
        }
        let spec = draw_spec(dice, number);
        let place = successor.map(|before| (before.vm_name, before.domain, before.folder));
        let spec = match place {
            Some((vm_name, domain, folder)) => VmSpec { vm_name, domain, folder, ..spec },
            None => spec,
        };
        requests.push(RequestPlan {
            spec,
            approval_required: dice.chance(80),
            arrives_ms: scale * dice.ms((0, 1_500)),
            is_successor,
            operator: draw_operator(dice, scale),
        });
    }
    requests
}

fn draw_operator(dice: &mut Dice, scale: i64) -> OperatorPlan {
    OperatorPlan {
        cancel_ms: dice.chance(150).then(|| scale * dice.ms_or_so(0, 8_000)),
        relaunch_ms: dice.chance(100).then(|| scale * dice.ms((200, 12_000))),
        reaction_ms: if dice.chance(200) { (0, 30) } else { (scale * 50, scale * 6_000) },
        tries_max: u32::try_from(dice.below(4)).unwrap_or_default(),
        at_last: dice.pick(&[AtLast::Leave, AtLast::GiveUp, AtLast::Cancel]).unwrap_or(AtLast::Leave),
    }
}

fn draw_spec(dice: &mut Dice, number: u32) -> VmSpec {
    const IMAGES: [(&str, OsFamily, &str); 5] = [
        ("win2019", OsFamily::Windows, "2019"),
        ("win2022", OsFamily::Windows, "2022"),
        ("suse15", OsFamily::Suse, "15"),
        ("rhel8", OsFamily::Redhat, "8"),
        ("rhel9", OsFamily::Redhat, "9"),
    ];
    let (template, os, version) = dice.pick(&IMAGES).unwrap_or(IMAGES[4]);
    let nics: Vec<NicSpec> = (0..=dice.below(3)).map(|at| draw_nic(dice, number, at)).collect();
    let disk = |dice: &mut Dice, at: u64| DiskSpec {
        name: format!("data{at}"),
        size_gib: 10 * (1 + dice.below(8)),
        disk_type: DiskType::Thin,
    };
    let disks = (0..dice.below(3)).map(|at| disk(dice, at)).collect();
    VmSpec {
        vm_name: format!("app-{number}"),
        environment: "sim".to_owned(),
        controller: "sim".to_owned(),
        vcenter: "sim".to_owned(),
        os,
        os_version: version.to_owned(),
        template: template.to_owned(),
        size: None,
        cpu: 1 + u32::try_from(dice.below(8)).unwrap_or_default(),
        memory_mib: 1_024 * (1 + dice.below(16)),
        datacenter: "DC0".to_owned(),
        cluster: "C0".to_owned(),
        folder: dice.pick(&["prod", "dev"]).unwrap_or("prod").to_owned(),
        datastore: dice.pick(&["prod-ds", "dev-ds"]).unwrap_or("prod-ds").to_owned(),
        nics,
        disks,
        dns: Vec::new(),
        domain: dice.chance(300).then(|| "sim.example".to_owned()),
        expects_address: dice.chance(500),
        description: None,
    }
}

fn draw_nic(dice: &mut Dice, number: u32, at: u64) -> NicSpec {
    let network = dice.pick(&["VM Network", "prod-app", "prod-db", "dev-lan"]).unwrap_or("VM Network");
    let host = u8::try_from(10 + at + u64::from(number) * 10).unwrap_or(10);
    let fixed =
        Address::Static { ip: std::net::Ipv4Addr::new(10, 1, 0, host).into(), prefix: 24, gateway: None };
    NicSpec {
        network: network.to_owned(),
        nic_type: NicType::Vmxnet3,
        address: if dice.chance(500) { fixed } else { Address::Dhcp },
    }
}
