//! What is done about which drift, when, and how much of it. Part of the configuration (`[watch]`).

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::compare::{DriftVerdict, FieldDrift};

/// How VMs are watched and what is mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WatchPolicy {
    /// Whether VMs are watched at all.
    pub enabled: bool,
    /// How often all VMs of a vCenter are read, whatever its updates say: they do not tell everything.
    pub sweep_secs: u64,
    /// How often the hosts of a state inventory that changed are read.
    pub inventory_poll_secs: u64,
    /// How often all hosts are read.
    pub inventory_sweep_secs: u64,
    /// A difference has to be seen twice, so far apart, before anything is mended; and be gone as long before the
    /// finding is cleared.
    pub confirm_secs: u64,
    /// A VM that vCenter does not know any more, and no event tells why, has to be looked for twice, so far apart.
    pub missing_confirm_secs: u64,
    /// A finding that comes back within this time is the same one.
    pub flap_window_secs: u64,
    /// So many VMs with a grave finding within `mass_window_secs` stop every repair and remediation…
    pub mass_vms_min: u32,
    /// …if they are also this part of all watched VMs.
    pub mass_percent: u32,
    pub mass_window_secs: u64,
    /// Remediations that are begun within an hour, over all VMs.
    pub remediations_per_hour_max: u32,
    /// The stop switch: nothing is repaired or remediated by itself.
    pub stop: bool,
    /// The same for single vCenters, by name.
    pub stopped_vcenters: Vec<String>,
    /// The first rule that fits says what is done; where none fits, a move is ignored and all else reported.
    pub rules: Vec<Rule>,
    /// When remediations may begin; with none for an environment, always.
    pub windows: Vec<Window>,
}

impl Default for WatchPolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            sweep_secs: 600,
            inventory_poll_secs: 30,
            inventory_sweep_secs: 900,
            confirm_secs: 30,
            missing_confirm_secs: 120,
            flap_window_secs: 3_600,
            mass_vms_min: 10,
            mass_percent: 20,
            mass_window_secs: 300,
            remediations_per_hour_max: 10,
            stop: false,
            stopped_vcenters: Vec::new(),
            rules: Vec::new(),
            windows: Vec::new(),
        }
    }
}

/// What is done about a drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// It is no finding.
    Ignore,
    /// It is a finding, for people.
    Report,
    /// The host's variables are set to what vCenter shows. Only for `inventory_stale`; else the same as `report`.
    RepairInventory,
    /// A request is made that waits for approval.
    Propose,
    /// A request is made that runs.
    Remediate,
}

/// Which drifts get which response. An empty list fits everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
    /// Names of fields; one that ends in `*` fits all that begin so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<DriftVerdict>,
    #[serde(rename = "do")]
    pub response: Response,
}

/// A maintenance window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
    /// `mon` to `sun`, the day on which it begins; empty: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
    /// `22:00`.
    pub from: Time,
    /// `04:00`: on the next day when it is not after `from`.
    pub until: Time,
    /// An IANA name such as `Europe/Berlin`.
    #[serde(default)]
    pub time_zone: Zone,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    const fn weekday(self) -> Weekday {
        match self {
            Self::Mon => Weekday::Monday,
            Self::Tue => Weekday::Tuesday,
            Self::Wed => Weekday::Wednesday,
            Self::Thu => Weekday::Thursday,
            Self::Fri => Weekday::Friday,
            Self::Sat => Weekday::Saturday,
            Self::Sun => Weekday::Sunday,
        }
    }
}

/// A time zone that was found by its name when the configuration was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let unknown = |_| serde::de::Error::custom(format!("no time zone is called `{name}`"));
        TimeZone::get(&name).map(Self).map_err(unknown)
    }
}

impl Response {
    /// The response's one name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ignore => "ignore",
            Self::Report => "report",
            Self::RepairInventory => "repair_inventory",
            Self::Propose => "propose",
            Self::Remediate => "remediate",
        }
    }
}

impl WatchPolicy {
    /// What is done about `drift`.
    #[must_use]
    pub fn response(&self, environment: Option<&str>, drift: &FieldDrift) -> Response {
        let rule = self.rules.iter().find(|rule| rule.fits(environment, drift));
        let asked = rule.map_or_else(
            || match drift.verdict {
                DriftVerdict::BenignMove => Response::Ignore,
                _ => Response::Report,
            },
            |rule| rule.response,
        );
        match (asked, drift.verdict) {
            (Response::RepairInventory, verdict) if verdict != DriftVerdict::InventoryStale => {
                Response::Report
            }
            // Nothing is built or taken away on doubt: what is gone is built again only if a person agrees.
            (Response::Remediate, DriftVerdict::Missing) => Response::Propose,
            (Response::Remediate | Response::Propose, DriftVerdict::Unknown | DriftVerdict::BenignMove) => {
                Response::Report
            }
            (asked, _) => asked,
        }
    }

    /// Whether a remediation in `environment` may begin at `now`.
    #[must_use]
    pub fn is_window_open(&self, environment: Option<&str>, now: Timestamp) -> bool {
        let mut own =
            self.windows.iter().filter(|window| names(&window.environments, environment)).peekable();
        own.peek().is_none() || own.any(|window| window.is_open(now))
    }

    /// Whether nothing is mended by itself in that vCenter.
    #[must_use]
    pub fn is_stopped(&self, vcenter: &str) -> bool {
        self.stop || self.stopped_vcenters.iter().any(|name| name == vcenter)
    }
}

impl Rule {
    fn fits(&self, environment: Option<&str>, drift: &FieldDrift) -> bool {
        let is_named = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => drift.field.starts_with(start),
            None => drift.field == *pattern,
        };
        names(&self.environments, environment)
            && (self.fields.is_empty() || self.fields.iter().any(is_named))
            && (self.verdicts.is_empty() || self.verdicts.contains(&drift.verdict))
    }
}

impl Window {
    fn is_open(&self, now: Timestamp) -> bool {
        let local = now.to_zoned(self.time_zone.0.clone()).datetime();
        let begins_on =
            |weekday: Weekday| self.days.is_empty() || self.days.iter().any(|day| day.weekday() == weekday);
        let (time, today) = (local.time(), local.date().weekday());
        if self.from < self.until {
            return begins_on(today) && (self.from..self.until).contains(&time);
        }
        (time >= self.from && begins_on(today)) || (time < self.until && begins_on(today.previous()))
    }
}

fn names(list: &[String], name: Option<&str>) -> bool {
    list.is_empty() || name.is_some_and(|name| list.iter().any(|one| one == name))
}
