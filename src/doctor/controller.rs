//! A controller: reachable, token, account, template, prompts, nodes, roles, inventories, clock.

use super::{Report, callbacks};
use crate::aap::{Controller, ReadError, TemplateRef};
use crate::config::ControllerSection;
use crate::vm_request::extra_vars::unsent;
use crate::vm_request::stage::Stage;

/// Clocks may differ by this much before looking for lost runs becomes unreliable.
const CLOCK_SKEW_SECS_MAX: i64 = 120;

pub(super) async fn examine(
    report: &mut Report,
    section: &ControllerSection,
    client: &Controller,
    public_url: Option<&str>,
) {
    let subject = format!("controller {}", section.name);
    match client.discover().await {
        Ok(found) => {
            let ahead = found.clock_ahead_secs.unwrap_or(0);
            if ahead.abs() > CLOCK_SKEW_SECS_MAX {
                let detail = format!("its clock differs by {ahead} s");
                report.find("clock_skew", &subject, detail, "let both machines follow the same time servers");
            }
            report.well(format!("{subject} answers: version {}, API at {}", found.version, found.base_path));
        }
        Err(error) => {
            let remedy = "check base_url, the network, and ca_file where its certificate is not a public one";
            report.find("controller_unreachable", &subject, error.to_string(), remedy);
            return;
        }
    }
    match client.me().await {
        Ok(me) => {
            report.well(format!("{subject} knows the token as {}", me.username));
            if me.is_superuser {
                let remedy = "use an account with Execute on the workflow, Read on its job templates and Admin on the two inventories";
                report.warn("superuser", &subject, format!("{} may do everything", me.username), remedy);
            }
        }
        Err(ReadError::Unauthorized) => {
            let remedy = "make a new personal access token with scope write for the bridge's account";
            report.find("token_refused", &subject, "the token is wrong, expired or revoked (401)", remedy);
            return;
        }
        Err(error) => return unread(report, &subject, &error),
    }
    examine_writing(report, &subject, client).await;
    examine_template(report, section, client, public_url).await;
    for (name, code) in
        [(&section.claims_inventory, "claims_inventory"), (&section.state_inventory, "state_inventory")]
    {
        examine_inventory(report, section, client, name, code).await;
    }
}

async fn examine_writing(report: &mut Report, subject: &str, client: &Controller) {
    match client.may_write().await {
        Ok(true) => {}
        Ok(false) => report.find(
            "token_read_only",
            subject,
            "it refuses writes with this token",
            "make the token with scope write, and give the account Admin on the claims inventory",
        ),
        Err(error) => unread(report, subject, &error),
    }
}

async fn examine_template(
    report: &mut Report,
    section: &ControllerSection,
    client: &Controller,
    public_url: Option<&str>,
) {
    let subject = format!("workflow template {} on {}", section.workflow, section.name);
    let template =
        match client.workflow_job_template(&section.workflow, section.organization.as_deref()).await {
            Ok(Some(template)) => template,
            Ok(None) => {
                let remedy =
                    "check `workflow` and `organization`, or give the bridge's account Execute on it";
                return report.find("workflow_missing", subject, "the controller does not show it", remedy);
            }
            Err(error) => return unread(report, &subject, &error),
        };
    if template.may_start == Some(false) {
        let remedy = "give the bridge's account the role Execute on it";
        report.find("workflow_not_executable", &subject, "the account may not launch it", remedy);
    }
    if !template.allow_simultaneous {
        let remedy = "set allow_simultaneous: otherwise each run waits for the one before it";
        report.find("workflow_not_simultaneous", &subject, "only one run at a time", remedy);
    }
    examine_readiness(report, &subject, client, &template).await;
    examine_nodes(report, &subject, client, &template).await;
    callbacks::examine(report, section, client, &template, public_url).await;
}

async fn examine_readiness(report: &mut Report, subject: &str, client: &Controller, template: &TemplateRef) {
    let ready = match client.launch_readiness(template.id).await {
        Ok(ready) => ready,
        Err(error) => return unread(report, subject, &error),
    };
    if ready.asks_variables {
        report.well(format!("{subject} prompts for variables"));
    } else {
        let remedy = "set ask_variables_on_launch on the template";
        report.find(
            "workflow_does_not_prompt",
            subject,
            "it does not prompt for variables on launch",
            remedy,
        );
    }
    for variable in unsent(&ready.variables_needed_to_start) {
        let detail = format!("its survey requires `{variable}`, which the bridge does not send");
        report.find(
            "workflow_needs_variable",
            subject,
            detail,
            "make the question optional, or give it a default",
        );
    }
    for node in ready.node_templates_missing.iter().chain(&ready.node_prompts_rejected) {
        let detail = format!("node {node} has no usable template");
        report.find("workflow_node_broken", subject, detail, "repair the node's template and its prompts");
    }
}

async fn examine_nodes(report: &mut Report, subject: &str, client: &Controller, template: &TemplateRef) {
    let nodes = match client.template_nodes(template.id).await {
        Ok(nodes) => nodes,
        Err(error) => return unread(report, subject, &error),
    };
    for stage in Stage::DEPLOYMENT.into_iter().chain([Stage::ErrorHandling]) {
        if !nodes.iter().any(|node| node.identifier == stage.name()) {
            let detail = format!("no node has the identifier `{stage}`");
            let remedy = "give each node the identifier of its stage";
            report.find("workflow_stage_missing", subject, detail, remedy);
        }
    }
    for node in nodes.iter().filter(|node| node.readable == Some(false)) {
        let name = node.template_name.as_deref().unwrap_or(&node.identifier);
        let detail =
            format!("the account may not read job template {name}: no artifacts, no reasons of failures");
        report.find(
            "job_template_unreadable",
            subject,
            detail,
            "give the bridge's account the role Read on it",
        );
    }
}

async fn examine_inventory(
    report: &mut Report,
    section: &ControllerSection,
    client: &Controller,
    name: &str,
    code: &str,
) {
    let subject = format!("inventory {name} on {}", section.name);
    match client.inventory_ref(name, section.organization.as_deref()).await {
        Ok(None) => {
            let remedy = "create it, or give the bridge's account Admin on it";
            report.find(&format!("{code}_missing"), subject, "the controller does not show it", remedy);
        }
        Ok(Some(found)) if found.pending_deletion => {
            report.find(&format!("{code}_missing"), subject, "it is being deleted", "create it anew");
        }
        Ok(Some(found)) if found.may_edit == Some(false) => {
            let remedy = "give the bridge's account the role Admin on it";
            report.find(&format!("{code}_read_only"), subject, "the account may not write its hosts", remedy);
        }
        Ok(Some(_)) => report.well(format!("{subject} may be written")),
        Err(error) => unread(report, &subject, &error),
    }
}

pub(super) fn unread(report: &mut Report, subject: &str, error: &ReadError) {
    let remedy = "see what the controller's log says, and whether a proxy stands between";
    report.find("controller_unreadable", subject, error.to_string(), remedy);
}
