//! Organizations, inventories, groups, hosts, labels, projects. Recordings: `inventor*`, `host*`, `group*`,
//! `label*`, fixtures `organization` and `project`.

use serde_json::{Value, json};

use super::super::super::model::Id;
use super::super::super::model::access::Role;
use super::super::kind::Kind;
use super::super::roles::object_roles;
use super::{Show, time};

/// What hangs below an organization.
const ORGANIZATION_LISTS: [&str; 20] = [
    "execution_environments",
    "projects",
    "inventories",
    "job_templates",
    "workflow_job_templates",
    "users",
    "admins",
    "teams",
    "credentials",
    "applications",
    "activity_stream",
    "notification_templates",
    "notification_templates_started",
    "notification_templates_success",
    "notification_templates_error",
    "notification_templates_approvals",
    "object_roles",
    "access_list",
    "instance_groups",
    "galaxy_credentials",
];

impl Show<'_> {
    pub(super) fn organization(&self, id: Id) -> Option<Value> {
        let row = self.controller.rows.organizations.get(&id)?;
        let admin = self.link(Kind::User, 1);
        let elsewhere = [
            ("named_url", self.named_url(Kind::Organization, &[&row.name])),
            ("created_by", admin.clone()),
            ("modified_by", admin),
        ];
        let rows = &self.controller.rows;
        let editable = self.is_superuser();
        let hosts =
            rows.hosts.values().filter(|host| self.organization_of_inventory(host.inventory) == Some(id));
        let shown = json!({
            "related": self.related(Kind::Organization, id, &ORGANIZATION_LISTS, &elsewhere),
            "summary_fields": {
                "resource": {"ansible_id": lab_uuid(1, id), "resource_type": "shared.organization"},
                "created_by": self.user_summary(1), "modified_by": self.user_summary(1),
                "object_roles": object_roles(Kind::Organization, id),
                "user_capabilities": {"edit": editable, "delete": editable},
                "related_field_counts": {
                    "users": 0, "admins": 0, "teams": 0,
                    "inventories": rows.inventories.values().filter(|i| i.organization == id).count(),
                    "projects": rows.projects.values().filter(|p| p.organization == id).count(),
                    "job_templates": rows.job_templates.values().filter(|t| t.organization == id).count(),
                    "hosts": hosts.count(),
                },
            },
            "created": time(row.created), "modified": time(row.created), "name": row.name,
            "description": row.description, "max_hosts": 0, "custom_virtualenv": null,
            "default_environment": null,
        });
        Some(self.object(Kind::Organization, id, shown))
    }

    fn organization_of_inventory(&self, inventory: Id) -> Option<Id> {
        self.controller.rows.inventories.get(&inventory).map(|row| row.organization)
    }

    pub(super) fn inventory(&self, id: Id) -> Option<Value> {
        let row = self.controller.rows.inventories.get(&id)?;
        let below = [
            "hosts",
            "variable_data",
            "script",
            "activity_stream",
            "job_templates",
            "ad_hoc_commands",
            "access_list",
            "object_roles",
            "instance_groups",
            "copy",
            "labels",
            "groups",
            "root_groups",
            "update_inventory_sources",
            "inventory_sources",
            "tree",
        ];
        let admin = self.link(Kind::User, 1);
        let elsewhere = [
            (
                "named_url",
                self.named_url(Kind::Inventory, &[&row.name, self.organization_name(row.organization)]),
            ),
            ("created_by", admin.clone()),
            ("modified_by", admin),
            ("organization", self.link(Kind::Organization, row.organization)),
        ];
        let edit = self.controller.writes_inventory(self.caller.user, id);
        let counts = self.inventory_summary(id);
        let shown = json!({
            "related": self.related(Kind::Inventory, id, &below, &elsewhere),
            "summary_fields": {
                "organization": self.organization_summary(row.organization),
                "created_by": self.user_summary(1), "modified_by": self.user_summary(1),
                "object_roles": object_roles(Kind::Inventory, id),
                "user_capabilities": {"edit": edit, "delete": edit, "copy": edit, "adhoc": edit},
                "labels": {"count": 0, "results": []},
            },
            "created": time(row.created), "modified": time(row.modified), "name": row.name,
            "description": row.description, "organization": row.organization, "kind": "", "host_filter": null,
            "variables": row.variables, "has_active_failures": false, "total_hosts": counts["total_hosts"],
            "hosts_with_active_failures": 0, "total_groups": counts["total_groups"],
            "has_inventory_sources": false, "total_inventory_sources": 0,
            "inventory_sources_with_failures": 0, "pending_deletion": false,
            "prevent_instance_group_fallback": false,
        });
        Some(self.object(Kind::Inventory, id, shown))
    }

    pub(super) fn group(&self, id: Id) -> Option<Value> {
        let row = self.controller.rows.groups.get(&id)?;
        let below = [
            "variable_data",
            "hosts",
            "potential_children",
            "children",
            "all_hosts",
            "job_events",
            "job_host_summaries",
            "activity_stream",
            "inventory_sources",
            "ad_hoc_commands",
        ];
        let admin = self.link(Kind::User, 1);
        let inventory = self.controller.rows.inventories.get(&row.inventory);
        let organization = inventory.map_or("", |i| self.organization_name(i.organization));
        let named = [row.name.as_str(), inventory.map_or("", |i| i.name.as_str()), organization];
        let elsewhere = [
            ("named_url", self.named_url(Kind::Group, &named)),
            ("created_by", admin.clone()),
            ("modified_by", admin),
            ("inventory", self.link(Kind::Inventory, row.inventory)),
        ];
        let edit = self.controller.writes_inventory(self.caller.user, row.inventory);
        let shown = json!({
            "related": self.related(Kind::Group, id, &below, &elsewhere),
            "summary_fields": {
                "inventory": self.inventory_summary(row.inventory),
                "created_by": self.user_summary(1), "modified_by": self.user_summary(1),
                "user_capabilities": {"edit": edit, "delete": edit, "copy": edit},
            },
            "created": time(row.created), "modified": time(row.modified), "name": row.name,
            "description": row.description, "inventory": row.inventory, "variables": row.variables,
        });
        Some(self.object(Kind::Group, id, shown))
    }

    pub(super) fn host(&self, id: Id) -> Option<Value> {
        let row = self.controller.rows.hosts.get(&id)?;
        let below = [
            "variable_data",
            "groups",
            "all_groups",
            "job_events",
            "job_host_summaries",
            "activity_stream",
            "inventory_sources",
            "smart_inventories",
            "ad_hoc_commands",
            "ad_hoc_command_events",
            "ansible_facts",
        ];
        let inventory = self.controller.rows.inventories.get(&row.inventory);
        let organization = inventory.map_or("", |i| self.organization_name(i.organization));
        let named = [row.name.as_str(), inventory.map_or("", |i| i.name.as_str()), organization];
        let user = |id: Option<Id>| id.and_then(|id| self.link(Kind::User, id));
        let elsewhere = [
            ("named_url", self.named_url(Kind::Host, &named)),
            ("created_by", user(row.created_by)),
            ("modified_by", user(row.modified_by)),
            ("inventory", self.link(Kind::Inventory, row.inventory)),
        ];
        let groups = self.controller.rows.groups.values().filter(|group| group.hosts.contains(&id));
        let groups: Vec<Value> = groups.map(|group| json!({"id": group.id, "name": group.name})).collect();
        let edit = self.controller.holds(self.caller.user, &[Role::InventoryAdmin], row.inventory);
        let shown = json!({
            "related": self.related(Kind::Host, id, &below, &elsewhere),
            "summary_fields": {
                "inventory": self.inventory_summary(row.inventory),
                "created_by": row.created_by.map(|id| self.user_summary(id)),
                "modified_by": row.modified_by.map(|id| self.user_summary(id)),
                "user_capabilities": {"edit": edit, "delete": edit},
                "groups": {"count": groups.len(), "results": groups}, "recent_jobs": [],
            },
            "created": time(row.created), "modified": time(row.modified), "name": row.name,
            "description": row.description, "inventory": row.inventory, "enabled": row.enabled,
            "instance_id": row.instance_id, "variables": row.variables, "has_active_failures": false,
            "has_inventory_sources": false, "last_job": null, "last_job_host_summary": null,
            "ansible_facts_modified": null,
        });
        Some(self.object(Kind::Host, id, shown))
    }

    pub(super) fn label(&self, id: Id) -> Option<Value> {
        let row = self.controller.rows.labels.get(&id)?;
        let user = self.link(Kind::User, row.created_by);
        let elsewhere = [
            (
                "named_url",
                self.named_url(Kind::Label, &[&row.name, self.organization_name(row.organization)]),
            ),
            ("created_by", user.clone()),
            ("modified_by", user),
            ("organization", self.link(Kind::Organization, row.organization)),
        ];
        let shown = json!({
            "related": self.related(Kind::Label, id, &[], &elsewhere),
            "summary_fields": {
                "organization": self.organization_summary(row.organization),
                "created_by": self.user_summary(row.created_by),
                "modified_by": self.user_summary(row.created_by),
            },
            "created": time(row.created), "modified": time(row.created), "name": row.name,
            "organization": row.organization,
        });
        Some(self.object(Kind::Label, id, shown))
    }
}

/// A UUID that a kind and number always give.
fn lab_uuid(kind: u64, id: Id) -> String {
    format!("{kind:08x}-0000-4000-8000-{id:012x}")
}
