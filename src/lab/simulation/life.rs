//! One life: virtual time, the bridge's deaths, callbacks on their way in, and the end.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::Sabotage;
use super::dice::Dice;
use super::hands::{Memory, Traces};
use super::invariants::{Invariant, forged_end};
use super::plan::{Callbacks, Plan, RequestPlan};
use super::record::{Doing, Loss, Record};
use crate::lab::controller::model::content::Callback;
use crate::lab::controller::model::{Id, Notice, NoticeEvent};
use crate::lab::faults::Fault;
use crate::lab::vsphere::Fault as VsphereFault;
use crate::lab::world::{FaultSpans, World, WorldOptions};
use crate::vm_request::event::{CallbackKind, CallbackSeen, Event, RunStatus};
use crate::vm_request::{Phase, RequestId, Summary};

/// A life that takes more steps than this hangs.
const STEPS_MAX: u64 = 60_000;
/// So does one that lasts longer, in virtual seconds.
const LASTS_SECS_MAX: i64 = 5 * 86_400;

/// Worlds to be copied: to make one anew for each life would take longer than the life.
#[derive(Debug)]
pub(super) struct Stage {
    fast: Result<World, VsphereFault>,
    measured: Result<World, VsphereFault>,
    opens_at: Timestamp,
}

impl Stage {
    pub fn set() -> Self {
        let opens_at = Timestamp::constant(1_795_248_000, 0);
        let callback = Some(Callback { url: "http://sim".to_owned(), headers: Vec::new() });
        let fast = WorldOptions { callback, ..WorldOptions::fast(1) };
        let tempo = crate::lab::controller::model::Tempo::measured();
        let measured = WorldOptions { tempo, spans: FaultSpans::measured(), ..fast.clone() };
        Self { fast: World::new(fast, opens_at), measured: World::new(measured, opens_at), opens_at }
    }
}

/// A life that is being played.
pub(super) struct Life {
    pub(super) world: World,
    pub(super) plan: Plan,
    pub(super) dice: Dice,
    pub(super) now: Timestamp,
    began_at: Timestamp,
    pub(super) is_up: bool,
    back_at: Option<Timestamp>,
    pub(super) crashes: u32,
    pub(super) memory: Memory,
    pub(super) traces: Traces,
    pub(super) records: Vec<Record>,
    arrivals: BTreeMap<(Timestamp, usize), RequestPlan>,
    /// Requests that wait for the end of the one before them.
    successors: BTreeMap<usize, RequestPlan>,
    /// When each run was first seen.
    pub(super) appeared: BTreeMap<Id, Timestamp>,
    pub(super) sabotage: Option<Sabotage>,
    pub(super) steps: u64,
    pub(super) actions: u64,
    pub(super) broken: Option<(Invariant, String)>,
    pub(super) telling: bool,
    story: Vec<String>,
}

/// What became of a life.
pub(super) struct Ended {
    pub phases: Vec<Phase>,
    pub struck: BTreeMap<Fault, u32>,
    pub crashes: u32,
    pub actions: u64,
    pub lasted_secs: i64,
    pub broken: Option<(Invariant, String)>,
    pub story: Vec<String>,
}

impl Life {
    pub fn begin(stage: &Stage, seed: u64, sabotage: Option<Sabotage>, telling: bool) -> Self {
        let mut dice = Dice::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x6361_7573);
        let plan = Plan::draw(&mut dice);
        let made = if plan.is_fast { &stage.fast } else { &stage.measured };
        let mut world = made.clone().expect("the default layout holds together: the lab's tests open it");
        world.faults = plan.fault_plan(dice.roll());
        detach(&mut world, plan.callbacks);
        let mut life = Self {
            world,
            dice,
            now: stage.opens_at,
            began_at: stage.opens_at,
            is_up: true,
            back_at: None,
            crashes: 0,
            memory: Memory::default(),
            traces: Traces::default(),
            records: Vec::new(),
            arrivals: BTreeMap::new(),
            successors: BTreeMap::new(),
            appeared: BTreeMap::new(),
            sabotage,
            steps: 0,
            actions: 0,
            broken: None,
            telling,
            story: Vec::new(),
            plan,
        };
        life.expect_requests();
        life
    }

    fn expect_requests(&mut self) {
        for (number, request) in self.plan.requests.clone().into_iter().enumerate() {
            if request.is_successor {
                self.successors.insert(number, request);
            } else {
                self.arrivals.insert((self.after(request.arrives_ms), number), request);
            }
        }
        let plan = &self.plan;
        let told = format!(
            "{} tempo, callbacks {:?}, faults {:?}, losses {}‰, crashes {}‰ up to {}",
            if plan.is_fast { "fast" } else { "measured" },
            plan.callbacks,
            plan.faults,
            plan.loss_per_mille,
            plan.crash_per_mille,
            plan.crashes_max
        );
        self.tell(|| told);
    }

    pub fn play(mut self) -> Ended {
        while self.broken.is_none() && !self.is_settled() {
            let Some(at) = self.next_time() else {
                self.broke(Invariant::Hung, || "nothing is due and requests are open".to_owned());
                break;
            };
            self.pass_time(at);
            self.happen();
            if self.steps > STEPS_MAX || self.now.duration_since(self.began_at).as_secs() > LASTS_SECS_MAX {
                let steps = self.steps;
                self.broke(Invariant::Hung, || format!("not over after {steps} steps"));
            }
        }
        if self.broken.is_none() {
            self.check_end();
        }
        Ended {
            phases: self.records.iter().map(|record| record.durable.phase).collect(),
            struck: self.world.faults.struck().clone(),
            crashes: self.crashes,
            actions: self.actions,
            lasted_secs: self.now.duration_since(self.began_at).as_secs(),
            broken: self.broken,
            story: self.story,
        }
    }

    /// Over when nothing is due by itself and every request rests, or is held and only watched.
    fn is_settled(&self) -> bool {
        let settled = |record: &Record| {
            let watched = record.durable.phase == Phase::Held;
            record.operator_at.is_none() && (watched || record.turn.is_none())
        };
        self.is_up
            && self.arrivals.is_empty()
            && self.records.iter().all(settled)
            && self.world.next_due().is_none()
    }

    fn next_time(&self) -> Option<Timestamp> {
        let arrival = self.arrivals.keys().next().map(|(at, _)| *at);
        let records = self.records.iter().flat_map(|record| {
            let turn = record.turn.as_ref().filter(|_| self.is_up).map(|turn| turn.at);
            [turn, record.operator_at, record.cancel_at, record.relaunch_at].into_iter().flatten()
        });
        let all = [arrival, self.back_at, self.world.next_due()];
        all.into_iter().flatten().chain(records).min().map(|at| at.max(self.now))
    }

    /// Lets the world go on to `at`, one instant after the other, and looks at each.
    fn pass_time(&mut self, at: Timestamp) {
        self.now = at;
        self.world.tick(at);
        self.look_at_runs();
        for notice in self.world.take_callbacks(at) {
            self.called_back(&notice);
        }
    }

    fn happen(&mut self) {
        if self.back_at.is_some_and(|back| back <= self.now) {
            self.restart();
        }
        while let Some(entry) = self.arrivals.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let plan = entry.remove();
            self.admit(plan);
        }
        for at in 0..self.records.len() {
            self.operate(at);
            let due = |record: &Record| record.turn.as_ref().is_some_and(|turn| turn.at <= self.now);
            if self.is_up && self.broken.is_none() && self.records.get(at).is_some_and(due) {
                self.step(at);
            }
        }
    }

    fn admit(&mut self, plan: RequestPlan) {
        if !self.is_up {
            // Whoever sends it tries again.
            let later = self.after(1_000);
            self.arrivals.insert((later, self.records.len()), plan);
            return;
        }
        let id = RequestId::from_parts(self.now, u128::from(self.dice.roll()));
        self.tell(|| format!("{id} arrives for {}", plan.spec.vm_name));
        match Record::admit(id, plan, self.now) {
            Ok(record) => self.records.push(record),
            Err(illegal) => return self.broke(Invariant::Illegal, || illegal.to_string()),
        }
        let at = self.records.len() - 1;
        self.minded(at, Phase::Received);
        self.ring(at);
    }

    /// A successor comes once the name is free.
    pub(super) fn make_room(&mut self, at: usize) {
        let freed = Summary::of(&self.records[at].durable).place_key.is_none();
        let name = &self.records[at].plan.spec.vm_name;
        let waits = self.successors.iter().find(|(_, plan)| plan.spec.vm_name == *name);
        if let Some(number) = waits.map(|(number, _)| *number).filter(|_| freed)
            && let Some(plan) = self.successors.remove(&number)
        {
            self.arrivals.insert((self.after(plan.arrives_ms), number), plan);
        }
    }

    /// The bridge dies: what is not in the journal is gone. Calls on their way arrive, or not.
    pub(super) fn crash(&mut self, told: &str) {
        self.crashes += 1;
        self.tell(|| format!("the bridge dies {told}"));
        for at in 0..self.records.len() {
            let sending = match self.records[at].turn.as_ref().map(|turn| &turn.doing) {
                Some(Doing::Send { action, .. }) => Some(action.clone()),
                _ => None,
            };
            if let Some(action) = sending.filter(|_| self.dice.chance(500)) {
                self.tell(|| format!("#{at} {} arrives all the same", action.name()));
                self.call(at, &action, Loss::Answer);
            }
        }
        for record in &mut self.records {
            record.turn = None;
            record.rung = false;
        }
        self.is_up = false;
        self.memory = Memory::default();
        let down = self.dice.ms_or_so(self.plan.down_ms.0, self.plan.down_ms.1);
        self.back_at = Some(self.after(down));
    }

    fn restart(&mut self) {
        self.back_at = None;
        self.is_up = true;
        self.tell(|| "the bridge starts again".to_owned());
        for at in 0..self.records.len() {
            self.check_replay(at);
            let now = self.now;
            let record = &mut self.records[at];
            if record.durable.is_active() {
                record.start(now);
            } else {
                self.check_rest(at);
            }
        }
    }

    /// A callback makes a read due, if it names a request; while the bridge is down it is lost.
    fn called_back(&mut self, notice: &Notice) {
        let text = |key: &str| notice.body.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
        let named = text("extra_vars")
            .split_once("\"execution_id\": \"")
            .and_then(|(_, rest)| rest.split('"').next());
        let named = named.and_then(|id| self.records.iter().position(|record| record.id.as_str() == id));
        let Some(at) = named.filter(|_| self.is_up) else { return };
        let is_workflow = text("url").contains("/jobs/workflow/");
        let status = RunStatus::from_name(text("status"));
        let job = notice.body.get("id").and_then(serde_json::Value::as_i64).unwrap_or_default();
        let kind = if is_workflow { CallbackKind::WorkflowJob } else { CallbackKind::Job };
        let template = text("name").to_owned();
        self.tell(|| format!("#{at} callback: {template} {job} is {}", status.name()));
        let seen = CallbackSeen { controller: "sim".to_owned(), job, kind, status, template };
        self.append(at, Event::CallbackSeen(seen), false);
        let believes =
            self.sabotage == Some(Sabotage::BelieveCallback) && is_workflow && status.is_terminal();
        if believes {
            for event in forged_end(&self.records[at].durable, status, self.now) {
                self.append(at, event, false);
            }
        }
        self.ring(at);
    }

    pub(super) fn append(&mut self, at: usize, event: Event, by_task: bool) {
        let before = self.records[at].durable.phase;
        self.tell(|| format!("#{at}   {}", short(&event)));
        if let Err(illegal) = self.records[at].append(self.now, event, by_task) {
            return self.broke(Invariant::Illegal, || illegal.to_string());
        }
        let after = self.records[at].durable.phase;
        if before != after {
            self.tell(|| format!("#{at} is {}", after.name()));
        }
        self.minded(at, before);
    }

    pub(super) fn schedule(&mut self, at: usize, doing: Doing, ms: i64) {
        let due = self.after(ms);
        if let Some(turn) = self.records.get_mut(at).and_then(|record| record.turn.as_mut()) {
            turn.doing = doing;
            turn.at = due;
        }
    }

    pub(super) fn turn_at(&mut self, at: usize, due: Timestamp) {
        if let Some(turn) = self.records.get_mut(at).and_then(|record| record.turn.as_mut()) {
            turn.at = due;
        }
    }

    pub(super) fn after(&self, ms: i64) -> Timestamp {
        self.now.checked_add(SignedDuration::from_millis(ms)).unwrap_or(self.now)
    }

    pub(super) fn broke(&mut self, invariant: Invariant, detail: impl FnOnce() -> String) {
        if self.broken.is_none() {
            self.broken = Some((invariant, detail()));
        }
    }

    pub(super) fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.telling {
            let at = self.now.duration_since(self.began_at).as_millis();
            self.story.push(format!("{:>9}.{:03} {}", at / 1_000, at % 1_000, line()));
        }
    }
}

/// Takes the notification template off the templates that are to be silent.
fn detach(world: &mut World, callbacks: Callbacks) {
    let content = world.content;
    let Some(notification) = content.notification_template else { return };
    let silent = match callbacks {
        Callbacks::All => Vec::new(),
        Callbacks::Workflow => content.job_templates.to_vec(),
        Callbacks::None => content.job_templates.into_iter().chain([content.workflow]).collect(),
    };
    for template in silent {
        for event in NoticeEvent::ALL {
            world.controller.detach_notification(template, event, notification);
        }
    }
}

/// An event in one line, without the long parts.
fn short(event: &Event) -> String {
    let text = format!("{event:?}");
    let cut = text.char_indices().nth(260).map_or(text.len(), |(end, _)| end);
    text[..cut].to_owned()
}
