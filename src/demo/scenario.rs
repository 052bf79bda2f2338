//! The scenarios: what goes wrong, what the operator does, and how it has to end.

use serde_json::{Value, json};

use crate::vm_request::hold::OperatorAction;
use crate::vm_request::state::Phase;

/// One scenario.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    /// What happens, in a sentence or two.
    pub story: &'static str,
    /// Faults of the lab, as [`crate::lab::faults::FaultPlan::parse`] reads them.
    pub faults: &'static str,
    pub ticket: TicketKind,
    /// What the operator does at each hold (or wait for approval), in order.
    pub at_hold: &'static [OperatorAction],
    /// What the operator does as soon as the run was accepted.
    pub at_accept: Option<OperatorAction>,
    /// Restart the bridge right after the launch was sent.
    pub restart_after_send: bool,
    pub expected: Expected,
}

/// What the ticket asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketKind {
    /// Several adapters and disks in `prod`.
    Usual,
    /// In an environment where a person has to approve.
    NeedsApproval,
    /// A name that a foreign VM has already.
    NameTaken,
    /// Wrong in four places.
    Invalid,
}

/// How a scenario has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    pub phase: Phase,
    /// VMs that were ever created for the request.
    pub vms: usize,
    /// Attempts that the bridge made.
    pub attempts: u32,
}

const DONE: Expected = Expected { phase: Phase::Done, vms: 1, attempts: 1 };

const fn usual(name: &'static str, story: &'static str, faults: &'static str) -> Scenario {
    Scenario {
        name,
        story,
        faults,
        ticket: TicketKind::Usual,
        at_hold: &[],
        at_accept: None,
        restart_after_send: false,
        expected: DONE,
    }
}

/// Every scenario; the first is the one that `causeway demo` plays by itself.
pub const SCENARIOS: &[Scenario] = &[
    usual("happy", "A signed ticket becomes a VM that vCenter shows as asked.", ""),
    usual(
        "answer_lost",
        "The controller takes the launch and its answer is lost. The bridge looks before it repeats, and finds the run.",
        "answer_lost_after_commit",
    ),
    usual(
        "bad_gateway",
        "A proxy answers 502 although the run was created. Scripts build the VM twice here; the bridge finds the run.",
        "bad_gateway_after_accept",
    ),
    Scenario {
        expected: Expected { attempts: 2, ..DONE },
        ..usual(
            "late_commit",
            "The launch goes unanswered and is committed long after the bridge gave it up and made another. The late run finds that the claim does not name it, and builds nothing.",
            "late_commit",
        )
    },
    usual(
        "double_run",
        "A proxy sends the launch twice. Only the run that the claim names may act.",
        "double_run",
    ),
    usual(
        "hand_relaunch",
        "Somebody relaunches the finished run by hand. It stops at the claim.",
        "hand_relaunch",
    ),
    usual("slow", "Every answer takes a while.", "slow:1000"),
    usual(
        "callback_lost",
        "Not one callback arrives. Reading is what counts; it only takes longer.",
        "callback_lost:1000",
    ),
    usual("callback_doubled", "Every callback arrives twice.", "callback_doubled:1000"),
    usual("callback_reordered", "Callbacks arrive out of order.", "callback_reordered:500"),
    usual(
        "callback_contradictory",
        "A second callback tells the opposite of the first. Neither is believed.",
        "callback_contradictory",
    ),
    usual(
        "unauthorized_mid_run",
        "The token is refused while the run is under way, and works again later.",
        "unauthorized_mid_run",
    ),
    Scenario {
        at_hold: &[OperatorAction::Retry],
        expected: Expected { attempts: 2, ..DONE },
        ..usual(
            "node_failed",
            "A stage fails and the workflow calls itself successful all the same. The bridge holds the request, the operator retries, and only the unfinished stages run again.",
            "node_failed_in_successful_workflow",
        )
    },
    usual(
        "artifacts_missing",
        "A stage succeeds and leaves no artifacts. vCenter and the inventory are the evidence.",
        "artifacts_missing",
    ),
    Scenario {
        at_hold: &[OperatorAction::Retry],
        expected: Expected { attempts: 2, ..DONE },
        ..usual(
            "vcenter_away",
            "vCenter goes away while the run is under way: a stage fails, the operator retries.",
            "vcenter_away",
        )
    },
    Scenario {
        at_hold: &[OperatorAction::Cancel],
        expected: Expected { phase: Phase::Cancelled, vms: 0, attempts: 2 },
        ..usual(
            "stuck_pending",
            "The run never starts. When it is overdue the operator cancels; nothing is left behind.",
            "run_stuck_pending",
        )
    },
    Scenario {
        at_accept: Some(OperatorAction::Cancel),
        expected: Expected { phase: Phase::Cancelled, vms: 0, attempts: 2 },
        ..usual("cancel", "The request is cancelled as soon as its run exists.", "")
    },
    Scenario {
        restart_after_send: true,
        ..usual("restart", "The bridge is restarted right after the launch was sent.", "slow:1000x3")
    },
    Scenario {
        ticket: TicketKind::NeedsApproval,
        at_hold: &[OperatorAction::Approve],
        ..usual("approval", "The environment wants a person's approval first.", "")
    },
    Scenario {
        ticket: TicketKind::NameTaken,
        at_hold: &[OperatorAction::GiveUp],
        expected: Expected { phase: Phase::Failed, vms: 0, attempts: 0 },
        ..usual(
            "name_taken",
            "A foreign VM has the name already: held before anything is changed, then given up.",
            "",
        )
    },
    Scenario {
        ticket: TicketKind::Invalid,
        expected: Expected { phase: Phase::Failed, vms: 0, attempts: 0 },
        ..usual(
            "invalid",
            "A signed ticket asks for what cannot be: refused with everything wrong with it, and journalled.",
            "",
        )
    },
];

impl Scenario {
    /// The scenario of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// The ticket's body.
    #[must_use]
    pub fn ticket(&self) -> Value {
        let lean = |name: &str, environment: &str| {
            json!({
                "vm_name": name, "environment": environment, "vm_os": "redhat", "vm_os_version": "9", "size": "small",
                "ticket": {"id": "RITM0010023", "item": "1"}, "requested_by": "j.doe",
            })
        };
        match self.ticket {
            TicketKind::Usual => {
                let mut ticket = lean("web01", "prod");
                ticket["vm_nic"] = json!([{"network_name": "prod-db"}]);
                ticket["vm_disk"] =
                    json!([{"disk_name": "data", "disk_size": 50}, {"disk_name": "log", "disk_size": 20}]);
                ticket
            }
            TicketKind::NeedsApproval => lean("core01", "critical"),
            TicketKind::NameTaken => lean("taken01", "prod"),
            TicketKind::Invalid => json!({
                "vm_name": "web_01", "environment": "prod", "vm_os": "redhat", "vm_os_version": 9, "vm_cpu": "4",
                "vm_network": "dev-lan",
            }),
        }
    }
}
