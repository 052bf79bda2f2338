//! The claim's part of [`super::hands`]: read, compare, write, as the real shell does; and what the simulation notes
//! of every write, because a claim may only ever rise.

use serde_json::{Map, Value, json};

use super::hands::{Hands, unavailable, unsigned};
use crate::lab::controller::model::Id;
use crate::lab::controller::model::hosts::HostFields;
use crate::vm_request::action::Outcome;

/// What came of writing a claim over nothing or over a lower number.
pub(super) enum Put {
    Done(Id),
    /// A claim with this number stands there already.
    Ahead(u32),
}

impl Hands<'_> {
    pub(super) fn put_claim(&mut self, attempt_no: u32) -> Result<Put, Outcome> {
        let caller = self.caller()?;
        let claim = self.claim(attempt_no, None);
        let inventory = self.world.content.claims_inventory;
        let name = self.received.spec.host_name();
        let Some(host) = self.world.controller.host_id(inventory, &name) else {
            let fields = HostFields {
                name: Some(name),
                instance_id: Some(self.vm_uid.to_owned()),
                variables: Some(Value::Object(claim).to_string()),
                ..HostFields::default()
            };
            let created = self.world.controller.create_host(caller, inventory, fields, self.now);
            return created.map(Put::Done).map_err(|refusal| unavailable("controller", refusal.to_string()));
        };
        let held = self.world.controller.host_variables(host).unwrap_or_default();
        if held == claim {
            return Ok(Put::Done(host));
        }
        match number(&held) {
            Some(found) if found >= attempt_no => Ok(Put::Ahead(found)),
            _ => self.replace_claim(host, &claim).map(|()| Put::Done(host)),
        }
    }

    pub(super) fn record_holder(&mut self, attempt_no: u32, workflow_job: i64) -> Result<Outcome, Outcome> {
        self.caller()?;
        let Some(host) = self.state.claim_host else {
            return Err(unavailable("journal", "the request has no claim"));
        };
        let claim = self.claim(attempt_no, Some(workflow_job));
        self.replace_claim(unsigned(host), &claim)?;
        self.traces.holders.insert(unsigned(workflow_job));
        Ok(Outcome::HolderRecorded)
    }

    fn replace_claim(&mut self, host: Id, claim: &Map<String, Value>) -> Result<(), Outcome> {
        let caller = self.caller()?;
        let before = self.world.controller.host_variables(host).unwrap_or_default();
        let written = self.world.controller.replace_variables(caller, host, claim, self.now);
        written.map_err(|refusal| unavailable("controller", refusal.to_string()))?;
        let holder = |claim: &Map<String, Value>| claim.get("workflow_job").and_then(Value::as_u64);
        let went_back = number(claim) < number(&before);
        let changed_hands =
            number(claim) == number(&before) && holder(&before).is_some() && holder(claim) != holder(&before);
        if went_back || changed_hands {
            let told = format!("{} was written over {}", json!(claim), json!(before));
            self.traces.claim_went_back.get_or_insert(told);
        }
        Ok(())
    }

    fn claim(&self, attempt_no: u32, workflow_job: Option<i64>) -> Map<String, Value> {
        let fields = [
            ("vm_uid", json!(self.vm_uid)),
            ("attempt_no", json!(attempt_no)),
            ("execution_id", json!(self.state.id)),
            ("workflow_job", json!(workflow_job)),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn number(claim: &Map<String, Value>) -> Option<u32> {
    claim.get("attempt_no").and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok())
}
