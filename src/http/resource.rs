//! A request as the API shows it, made of its [`State`] alone.

use serde_json::{Value, json};

use super::routes::{action_href, request_href};
use crate::vm_request::hold::OperatorAction;
use crate::vm_request::stage::Stage;
use crate::vm_request::state::{Intent, Origin, Run};
use crate::vm_request::{Phase, State};

/// The whole resource.
pub(super) fn of(state: &State) -> Value {
    let href = request_href(&state.id);
    let received = state.received();
    let (source, ticket) = state.came_from();
    let violations = match &state.origin {
        Origin::Received(_) | Origin::Adopted(_) => None,
        Origin::Rejected(rejected) => Some(&rejected.violations),
    };
    json!({
        "id": state.id,
        "href": href,
        "phase": state.phase,
        "waiting": waiting(state),
        "hold": state.hold,
        "violations": violations,
        "source": source,
        "ticket": ticket,
        "requested_by": received.map(|received| &received.requested_by),
        "vm": received.map(|received| &received.spec),
        "vm_uid": received.map(|received| received.vm_uid),
        "attempt_no": state.attempt_no,
        "intent": state.intent.as_ref().map(intent),
        "run": state.run.as_ref().map(run),
        "stages": stages(state),
        "callbacks": state.callbacks,
        "actions": actions(state),
        "left_behind": state.left_behind,
        "created_at": state.created_at,
        "updated_at": state.updated_at,
        "links": {
            "self": href,
            "events": format!("{href}/events"),
            "journal": format!("{href}/journal"),
            "evidence": format!("{href}/evidence"),
            "actions": format!("{href}/actions"),
        },
    })
}

/// The actions that are possible now, each with its address and what it takes.
pub(super) fn actions(state: &State) -> Value {
    let action = |action: OperatorAction| {
        json!({
            "name": action.name(),
            "method": "POST",
            "href": action_href(&state.id, action),
            "input": {
                "type": "object",
                "additionalProperties": false,
                "properties": { "comment": { "type": "string", "maxLength": super::actions::COMMENT_CHARS_MAX } },
            },
        })
    };
    state.operator_actions().into_iter().map(action).collect()
}

/// What can be said of each stage: its verdict, and what the run under way shows of it.
pub(super) fn stages(state: &State) -> Value {
    let mut named: Vec<Stage> = Stage::DEPLOYMENT.to_vec();
    named.extend(state.stages.keys().filter(|stage| !Stage::DEPLOYMENT.contains(stage)));
    let one = |stage: Stage| {
        let record = state.stages.get(&stage);
        // Once the run is judged the verdicts tell; what was seen on the way may be older than them.
        let under_way = state.run.as_ref().filter(|run| !run.judged);
        let seen = under_way.and_then(|run| run.stages.get(&stage));
        json!({
            "stage": stage,
            "verdict": record.map(|record| record.verdict),
            "reason": record.and_then(|record| record.reason),
            "note": record.map(|record| record.note.as_str()).filter(|note| !note.is_empty()),
            "job": record.and_then(|record| record.job),
            "attempt_no": record.map(|record| record.attempt_no),
            "job_status": seen,
        })
    };
    named.into_iter().map(one).collect()
}

fn intent(intent: &Intent) -> Value {
    json!({
        "attempt_no": intent.attempt_no,
        "attempt": intent.attempt,
        "stages": intent.stages,
        "intended_at": intent.intended_at,
        "launch_sent": intent.progress.is_sent(),
    })
}

/// The run as the controller was last seen to show it.
pub(super) fn run(run: &Run) -> Value {
    json!({
        "workflow_job": run.workflow_job,
        "attempt_no": run.attempt_no,
        "status": run.status,
        "explanation": run.explanation,
        "wanted": run.wanted,
        "accepted_at": run.accepted_at,
        "holder_recorded": run.holder_recorded,
        "judged": run.judged,
        "vanished": run.vanished,
        "surplus": run.surplus,
    })
}

/// One sentence on what the request waits for; `null` when it is over.
fn waiting(state: &State) -> Option<String> {
    let text = match state.phase {
        Phase::Received => "for the look at controller and vCenter before the launch",
        Phase::AwaitingApproval => "for a person to approve or deny it",
        Phase::Launching => "for the workflow to be launched",
        Phase::Running => "for the workflow to end",
        Phase::Verifying => "for vCenter and the inventory to show what was asked",
        Phase::Held => return Some(held(state)),
        Phase::Cancelling => "for the run to end and for what it left to be known",
        Phase::Done | Phase::Cancelled | Phase::Failed => return None,
    };
    Some(text.to_owned())
}

fn held(state: &State) -> String {
    let cause = state.hold.as_ref().map_or("nothing known", |hold| hold.name());
    let names: Vec<&str> = state.operator_actions().into_iter().map(OperatorAction::name).collect();
    format!("for a person: {cause}; possible now: {}", names.join(", "))
}
