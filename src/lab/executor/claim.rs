//! Role `claim`: a run may change something only while the claim's number is its own and the claim names it
//! as holder (DESIGN.md, "The launch fence"). Reads only; unreadable counts as lost.

use serde_json::Value;

use super::super::controller::model::content::CLAIMS_INVENTORY;
use super::Scene;

/// What a look at the claim showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// This run holds it, or no claim is in force (content run by hand).
    Held,
    /// The numbers match, the bridge has not recorded a holder yet.
    NotYet,
    /// Another number, another holder, or nothing readable.
    Lost(String),
}

impl Scene<'_, '_> {
    pub(super) fn read_claim(&self) -> Claim {
        let Some(own_number) = self.variables.get("causeway_attempt_no") else { return Claim::Held };
        let host_name = self.variables.host_name();
        let controller = &self.hands.controller;
        let host =
            self.inventory(CLAIMS_INVENTORY).and_then(|inventory| controller.host_id(inventory, &host_name));
        let Some(claim) = host.and_then(|id| controller.host_variables(id)) else {
            return Claim::Lost(format!("there is no readable claim on {host_name}"));
        };
        let number = claim.get("attempt_no");
        if number.is_none() || number != Some(own_number) {
            let now = number.map_or_else(|| "nothing".to_owned(), Value::to_string);
            return Claim::Lost(format!("the claim is at attempt {now}, this run is attempt {own_number}"));
        }
        match claim.get("workflow_job") {
            None | Some(Value::Null) => Claim::NotYet,
            Some(holder) if holder.is_u64() && holder.as_u64() == self.job.workflow_job => Claim::Held,
            Some(holder) => Claim::Lost(format!("the claim is held by workflow job {holder}")),
        }
    }
}
