//! The controller's REST face: [`handle`] takes a request and a time and gives the answer, without a socket;
//! [`server`] puts it behind one.
//!
//! Each route and the recording that proves its shape (the test `lab_controller` compares them):
//!
//! | route | recording |
//! |---|---|
//! | `/api/`, `/api/v2/` | root_api, root_api_v2 |
//! | `ping/`, `config/`, `me/` | ping, config, me, me_alice |
//! | `organizations/[N/]`, `projects/N/`, `credential_types/N/` | fixtures organization, project, credential_type |
//! | `workflow_job_templates/[N/]`, `…/launch/`, `…/survey_spec/` (a job template's is the same), `…/workflow_nodes/`, `…/workflow_jobs/`, `…/notification_templates_*/` | wfjt_*, launch_* |
//! | `job_templates/[N/]`, `…/launch/` | fixture jt_detail, launch_jt_get, launch_jt_ignored_fields_201 |
//! | `workflow_job_template_nodes/[N/]` | fixture wfjt_nodes |
//! | `workflow_jobs/[N/]`, `…/cancel/`, `…/relaunch/`, `…/workflow_nodes/`, `…/notifications/`, `…/labels/` | workflow_job_*, workflow_nodes_*, cancel_*, relaunch_wf_* |
//! | `jobs/[N/]`, `…/cancel/`, `…/job_events/`, `…/stdout/`, `…/notifications/` | job_*, jobs_of_workflow |
//! | `unified_jobs/` | unified_jobs_* |
//! | `workflow_approvals/[N/]`, `…/approve/`, `…/deny/` | workflow_approval_*, approve_*, deny_* |
//! | `labels/`, `inventories/[N/]`, `…/hosts/`, `groups/[N/]`, `…/hosts/`, `hosts/[N/]`, `…/variable_data/`, `…/groups/`, `…/all_groups/` | label_*, inventor*, group*, host* |
//! | `notification_templates/[N/]`, `…/test/`, `notifications/[N/]` | notification_* |
//! | `tokens/[N/]`, `users/N/personal_tokens/` | token_* |
//! | errors, redirects, HTML pages, filters, pages | auth_*, *_400, *_403, *_404, *_405, *_413, *_415, page_*, wfjob_* |
//!
//! Unproven (served because a client walks there, or by reading only): `unified_job_templates/`,
//! `workflow_job_nodes/` as a list of its own, `jobs/N/relaunch/` (405 here), `projects/` as a list, `labels/N/`,
//! `users/[N/]`, `instances/` (empty), `OPTIONS` beyond `launch/`, `/api/` in the gateway's mode, the pages 414, 503 and
//! 504; and what content as code walks through, by CONTRACT.md §11 and by what `awx.awx` 23.9 sends and expects:
//! `credentials/`, `execution_environments/`, `workflow_approval_templates/N/`, `roles/N/users/`, `users/N/roles/`,
//! `…/credentials/`, `…/labels/`, `…/create_approval_template/`, POST and PATCH of all of them and of organizations,
//! projects, inventories, groups, users, templates, nodes and edges.
//! Not served: sessions, bulk, schedules, webhook receivers, activity stream, settings, teams, role definitions.

pub mod fields;
pub mod filter;
pub mod kind;
pub mod lists;
pub mod message;
mod notifications;
pub mod options;
pub mod page;
pub mod render;
mod roles;
pub mod roots;
pub mod router;
pub mod server;
mod setup;
mod writes;

pub use message::{Reply, Request};
pub use router::{ApiMode, handle};
