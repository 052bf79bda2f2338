//! One request of a life: what is durable of it, and what the process holds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::plan::RequestPlan;
use crate::vm_request::action::{Action, Outcome};
use crate::vm_request::event::{ByPerson, Event, Received};
use crate::vm_request::next::Attention;
use crate::vm_request::state::IllegalEvent;
use crate::vm_request::{Phase, RequestId, State};

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub id: RequestId,
    pub vm_uid: String,
    pub plan: RequestPlan,
    /// The journal.
    pub events: Vec<(Timestamp, Event)>,
    /// The fold of `events`.
    pub durable: State,
    /// What its task holds; `None` at rest and while the bridge is down.
    pub turn: Option<Turn>,
    /// Something woke it since its task last waited.
    pub rung: bool,
    pub operator_at: Option<Timestamp>,
    pub cancel_at: Option<Timestamp>,
    pub relaunch_at: Option<Timestamp>,
    pub tries: u32,
    /// When the run of each attempt was last looked for.
    pub looked_at: BTreeMap<u32, Timestamp>,
    /// Phase and VMs at its end.
    pub ended: Option<(Phase, BTreeSet<String>)>,
}

/// What the task of a request holds.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    /// The task's own copy: others may have appended since.
    pub state: State,
    pub attention: Attention,
    pub misses: u32,
    pub doing: Doing,
    pub at: Timestamp,
}

/// What a task does at [`Turn::at`].
#[derive(Debug, Clone)]
pub(super) enum Doing {
    Decide,
    Wait,
    /// It backs off; the phase is that in which it began to.
    Pause(Phase),
    /// The call reaches its neighbour.
    Send {
        action: Action,
        answer_at: Timestamp,
        loss: Loss,
        dies: bool,
    },
    /// The answer is there.
    Answer {
        action: Action,
        outcome: Outcome,
        dies: bool,
    },
}

/// What is lost of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    Nothing,
    Request,
    Answer,
}

impl Record {
    pub fn admit(id: RequestId, plan: RequestPlan, now: Timestamp) -> Result<Self, IllegalEvent> {
        let vm_uid = id.vm_uid();
        let received = Event::Received(Box::new(Received {
            source: "sim".to_owned(),
            ticket: None,
            requested_by: "sim".to_owned(),
            asked: serde_json::Value::Null,
            spec: plan.spec.clone(),
            vm_uid,
            approval_required: plan.approval_required,
            traceparent: None,
            remedies: None,
        }));
        let durable = State::begin(id.clone(), now, &received)?;
        let after =
            |ms: Option<i64>| ms.and_then(|ms| now.checked_add(jiff::SignedDuration::from_millis(ms)).ok());
        let operator = plan.operator;
        Ok(Self {
            id,
            vm_uid: vm_uid.to_string(),
            plan,
            events: vec![(now, received)],
            durable,
            turn: None,
            rung: false,
            operator_at: None,
            cancel_at: after(operator.cancel_ms),
            relaunch_at: after(operator.relaunch_ms),
            tries: 0,
            looked_at: BTreeMap::new(),
            ended: None,
        })
    }

    /// A task for it, which knows nothing but the journal.
    pub fn start(&mut self, now: Timestamp) {
        self.rung = false;
        self.turn = Some(Turn {
            state: self.durable.clone(),
            attention: Attention::default(),
            misses: 0,
            doing: Doing::Decide,
            at: now,
        });
    }

    /// Reads the journal again; true when there was news.
    pub fn reload(&mut self) -> bool {
        let Some(turn) = &mut self.turn else { return false };
        if turn.state.seq == self.durable.seq {
            return false;
        }
        if turn.state.phase != self.durable.phase {
            turn.misses = 0;
        }
        turn.state.clone_from(&self.durable);
        true
    }

    /// Appends to the journal, and to the task's copy where the task appends.
    pub fn append(&mut self, at: Timestamp, event: Event, by_task: bool) -> Result<(), IllegalEvent> {
        self.durable.apply(at, &event)?;
        if let Some(turn) = self.turn.as_mut().filter(|_| by_task) {
            turn.state.apply(at, &event)?;
        }
        self.events.push((at, event));
        Ok(())
    }

    pub fn replayed(&self) -> Result<State, IllegalEvent> {
        State::replay(&self.id, self.events.iter().map(|(at, event)| (*at, event)))
    }
}

/// An operator's signature.
pub(super) fn operator() -> ByPerson {
    ByPerson { by: "operator".to_owned(), comment: String::new() }
}
