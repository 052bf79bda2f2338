//! What was last seen of VMs and hosts: no facts, replaced in place. They share the file because lists show them beside
//! what was asked, and because they then survive a restart.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Statement, params};
use serde_json::{Map, Value};

use super::batch::sql;
use super::error::ReadError;
use super::vms;
use crate::vm_request::RequestId;
use crate::vm_request::sighting::{PowerState, VmSighting};
use crate::vm_request::watch::line::VmLine;

/// The most that one write takes, in rows.
pub const SIGHTINGS_MAX: usize = 500;

/// A VM as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenVm {
    /// Under which the register lists it: its `vm_uid`, else its instance UUID, else vCenter and managed object id.
    pub id: String,
    pub vcenter: String,
    /// The request that made or adopted it.
    pub request: Option<RequestId>,
    pub vm: VmSighting,
    /// Since when vCenter does not have it any more.
    pub gone_at: Option<Timestamp>,
}

/// A host as it was last seen in a state inventory.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenHost {
    pub controller: String,
    pub name: String,
    pub host_id: i64,
    /// The request whose VM it is.
    pub request: Option<RequestId>,
    pub seen_at: Timestamp,
    pub variables: Map<String, Value>,
}

/// What is new about sightings. All of it is written, or nothing.
#[derive(Debug, Clone, Default)]
pub struct Sightings {
    pub vms: Vec<SeenVm>,
    /// Ids in the register that are not used any more.
    pub vms_dropped: Vec<String>,
    pub hosts: Vec<SeenHost>,
    /// Controller and name.
    pub hosts_dropped: Vec<(String, String)>,
}

impl Sightings {
    /// Rows that it writes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.vms.len() + self.vms_dropped.len() + self.hosts.len() + self.hosts_dropped.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A VM of the register: what was seen of it, and the line about it if it is under watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterRow {
    pub seen: SeenVm,
    pub line: Option<VmLine>,
}

/// Which VMs of the register to list. Filters are joined by *and*.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegisterQuery {
    pub vcenter: Option<String>,
    pub environment: Option<String>,
    /// Whether a request made or adopted it.
    pub managed: Option<bool>,
    /// Whether vCenter does not have it any more.
    pub gone: Option<bool>,
    /// Part of the name or the id, without regard to ASCII case.
    pub text: Option<String>,
    /// The last id of the page before.
    pub after: Option<String>,
    pub limit: usize,
}

/// Sightings ready for the writer.
#[derive(Debug)]
pub(super) struct SightingRows {
    sightings: Sightings,
    vm_bodies: Vec<String>,
    host_bodies: Vec<String>,
}

impl SightingRows {
    pub fn prepare(sightings: Sightings) -> Result<Self, serde_json::Error> {
        let vm_bodies =
            sightings.vms.iter().map(|seen| serde_json::to_string(&seen.vm)).collect::<Result<_, _>>()?;
        let host_bodies = sightings
            .hosts
            .iter()
            .map(|seen| serde_json::to_string(&seen.variables))
            .collect::<Result<_, _>>()?;
        Ok(Self { sightings, vm_bodies, host_bodies })
    }

    pub fn bytes(&self) -> usize {
        self.vm_bodies.iter().chain(&self.host_bodies).map(String::len).sum()
    }
}

/// The writer's statements about sightings.
pub(super) struct Statements<'c> {
    put_vm: Statement<'c>,
    drop_vm: Statement<'c>,
    put_host: Statement<'c>,
    drop_host: Statement<'c>,
}

impl<'c> Statements<'c> {
    pub fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            put_vm: connection.prepare(
                "INSERT OR REPLACE INTO vm_sightings (id, vcenter, moid, request_id, name, power, is_template, seen_at, \
                 gone_at, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?,
            drop_vm: connection.prepare("DELETE FROM vm_sightings WHERE id = ?1")?,
            put_host: connection.prepare(
                "INSERT OR REPLACE INTO host_sightings (controller, name, host_id, request_id, seen_at, body) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?,
            drop_host: connection.prepare("DELETE FROM host_sightings WHERE controller = ?1 AND name = ?2")?,
        })
    }

    pub fn write(&mut self, rows: &SightingRows) -> rusqlite::Result<()> {
        for id in &rows.sightings.vms_dropped {
            self.drop_vm.execute([id])?;
        }
        for (seen, body) in rows.sightings.vms.iter().zip(&rows.vm_bodies) {
            self.put_vm.execute(params![
                seen.id,
                seen.vcenter,
                seen.vm.moid,
                seen.request.as_ref().map(RequestId::as_str),
                seen.vm.name,
                seen.vm.power.map(PowerState::name),
                seen.vm.is_template,
                seen.vm.seen_at.as_microsecond(),
                seen.gone_at.map(Timestamp::as_microsecond),
                body,
            ])?;
        }
        for (controller, name) in &rows.sightings.hosts_dropped {
            self.drop_host.execute([controller, name])?;
        }
        for (seen, body) in rows.sightings.hosts.iter().zip(&rows.host_bodies) {
            self.put_host.execute(params![
                seen.controller,
                seen.name,
                seen.host_id,
                seen.request.as_ref().map(RequestId::as_str),
                seen.seen_at.as_microsecond(),
                body,
            ])?;
        }
        Ok(())
    }
}

const REGISTER: &str = "SELECT s.id, s.vcenter, s.request_id, s.gone_at, s.body, v.body FROM vm_sightings s \
     LEFT JOIN vms v ON v.request_id = s.request_id";

/// A part of the register, in the order of ids.
pub(super) fn register(
    connection: &Connection,
    query: &RegisterQuery,
) -> Result<Vec<RegisterRow>, ReadError> {
    let flag = |wanted: Option<bool>| wanted.map(i64::from);
    let text = query.text.as_ref().map(|text| format!("%{}%", super::page::escape_like(text)));
    let mut statement = connection.prepare_cached(&format!(
        "{REGISTER} WHERE s.id > ?1 AND (?2 IS NULL OR s.vcenter = ?2) AND (?3 IS NULL OR v.environment = ?3) \
         AND (?4 IS NULL OR (v.request_id IS NOT NULL) = ?4) AND (?5 IS NULL OR (s.gone_at IS NOT NULL) = ?5) \
         AND (?6 IS NULL OR s.name LIKE ?6 ESCAPE '\\' OR s.id LIKE ?6 ESCAPE '\\') ORDER BY s.id LIMIT ?7"
    ))?;
    let mut rows = statement.query(params![
        query.after.as_deref().unwrap_or_default(),
        query.vcenter,
        query.environment,
        flag(query.managed),
        flag(query.gone),
        text,
        sql(query.limit as u64),
    ])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(row_of(row)?);
    }
    Ok(found)
}

/// The VM of that id in the register.
pub(super) fn register_one(connection: &Connection, id: &str) -> Result<Option<RegisterRow>, ReadError> {
    let mut statement =
        connection.prepare_cached(&format!("{REGISTER} WHERE s.id = ?1 OR s.request_id = ?1"))?;
    let mut rows = statement.query([id])?;
    rows.next()?.map(row_of).transpose()
}

/// The host of a request's VM.
pub(super) fn host_of(connection: &Connection, id: &RequestId) -> Result<Option<SeenHost>, ReadError> {
    let mut statement = connection.prepare_cached(
        "SELECT controller, name, host_id, request_id, seen_at, body FROM host_sightings WHERE request_id = ?1",
    )?;
    let mut rows = statement.query([id.as_str()])?;
    rows.next()?.map(host_row).transpose()
}

/// Hosts after a controller and name, in order; those that belong to no VM under watch, or all.
pub(super) fn hosts(
    connection: &Connection,
    after: Option<&(String, String)>,
    strays_only: bool,
    limit: usize,
) -> Result<Vec<SeenHost>, ReadError> {
    let strays = if strays_only { "AND request_id IS NULL" } else { "" };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT controller, name, host_id, request_id, seen_at, body FROM host_sightings \
         WHERE (controller, name) > (?1, ?2) {strays} ORDER BY controller, name LIMIT ?3"
    ))?;
    let (controller, name) =
        after.map_or(("", ""), |(controller, name)| (controller.as_str(), name.as_str()));
    let mut rows = statement.query(params![controller, name, sql(limit as u64)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(host_row(row)?);
    }
    Ok(found)
}

/// How many VMs were last seen, of which a request has so many, and how many are gone.
pub(super) fn count(connection: &Connection) -> Result<(u64, u64, u64), ReadError> {
    let counted: Option<(i64, i64, i64)> = connection
        .query_row("SELECT count(*), count(request_id), count(gone_at) FROM vm_sightings", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let (all, managed, gone) = counted.unwrap_or_default();
    Ok((super::batch::unsigned(all), super::batch::unsigned(managed), super::batch::unsigned(gone)))
}

fn row_of(row: &Row<'_>) -> Result<RegisterRow, ReadError> {
    let body: String = row.get(4)?;
    let line: Option<String> = row.get(5)?;
    let seen = SeenVm {
        id: row.get(0)?,
        vcenter: row.get(1)?,
        request: request(row.get(2)?)?,
        gone_at: row.get::<_, Option<i64>>(3)?.map(time).transpose()?,
        vm: serde_json::from_str(&body).map_err(|error| unreadable(&error.to_string()))?,
    };
    Ok(RegisterRow { seen, line: line.map(|line| vms::read(&line)).transpose()? })
}

fn host_row(row: &Row<'_>) -> Result<SeenHost, ReadError> {
    let body: String = row.get(5)?;
    Ok(SeenHost {
        controller: row.get(0)?,
        name: row.get(1)?,
        host_id: row.get(2)?,
        request: request(row.get(3)?)?,
        seen_at: time(row.get(4)?)?,
        variables: serde_json::from_str(&body).map_err(|error| unreadable(&error.to_string()))?,
    })
}

fn request(id: Option<String>) -> Result<Option<RequestId>, ReadError> {
    id.map(|id| id.parse().map_err(|_| unreadable("not a request id"))).transpose()
}

fn time(micros: i64) -> Result<Timestamp, ReadError> {
    Timestamp::from_microsecond(micros).map_err(|_| unreadable("a time out of range"))
}

fn unreadable(why: &str) -> ReadError {
    ReadError::Unreadable { position: 0, why: Arc::from(format!("a sighting: {why}")) }
}
