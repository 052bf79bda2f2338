//! The launch: sent once, after its intent is durable.

use super::{Outcome, Scene, unread, unwritten};
use crate::aap::{LaunchAnswer, LaunchBody};
use crate::vm_request::action::LaunchOutcome;
use crate::vm_request::extra_vars::extra_vars;
use crate::vm_request::violation::Violation;

/// What a launch needs, read before its intent is written: after that nothing may fail but the launch itself.
#[derive(Debug, Default)]
pub struct Prepared {
    template: Option<i64>,
    body: LaunchBody,
}

pub(super) async fn prepare(scene: &Scene<'_>) -> Result<Prepared, Outcome> {
    let template = match scene.controller.workflow().await {
        Ok(Some(template)) => template,
        Ok(None) => return Err(unwritten("the controller does not show the workflow template")),
        Err(error) => return Err(unread(&error)),
    };
    let intent = scene.state.intent.as_ref();
    let vars = intent.and_then(|intent| extra_vars(scene.state, intent, &scene.neighbours.instance));
    let Some(extra_vars) = vars else { return Err(unwritten("there is no attempt to launch")) };
    if let Err((until, why)) = scene.controller.breaker.admit(scene.neighbours.clock.now()) {
        return Err(unwritten(format!("launches wait until {until}: {why}")));
    }
    let body = LaunchBody { extra_vars, ..LaunchBody::default() };
    Ok(Prepared { template: Some(template.id), body })
}

pub(super) async fn launch(scene: &Scene<'_>, prepared: Prepared) -> Outcome {
    let (Some(template), Some(intent)) = (prepared.template, &scene.state.intent) else {
        return unwritten("the launch was not prepared");
    };
    let answer = scene.controller.client.launch(template, &prepared.body, intent.attempt).await;
    Outcome::Launched(match answer {
        LaunchAnswer::Accepted { workflow_job, ignored_fields } => {
            scene.controller.breaker.close();
            if !ignored_fields.is_empty() {
                tracing::error!(workflow_job, ?ignored_fields, "the controller ignored fields of the launch");
            }
            LaunchOutcome::Accepted { workflow_job }
        }
        LaunchAnswer::Refused { violations } => {
            // It reads launches: what keeps others back is over.
            scene.controller.breaker.close();
            scene.controller.forget();
            LaunchOutcome::Refused { violations: violations.into_iter().map(violation).collect() }
        }
        LaunchAnswer::NotNow { status, detail, .. } => {
            scene.controller.breaker.open(scene.neighbours.clock.now(), &format!("{status}: {detail}"));
            scene.controller.forget();
            LaunchOutcome::PutOff { status, detail }
        }
        LaunchAnswer::Unknown { why } => LaunchOutcome::Unknown { why },
    })
}

fn violation(of: crate::aap::Violation) -> Violation {
    let pointer = match of.variable {
        Some(variable) => format!("/{}/{variable}", of.field),
        None => format!("/{}", of.field),
    };
    Violation::new(pointer, of.message, "")
}
