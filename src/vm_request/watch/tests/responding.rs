//! The policy, row by row.

use super::*;
use crate::vm_request::watch::policy::{Response, WatchPolicy};

fn policy(toml: &str) -> WatchPolicy {
    toml::from_str(toml).unwrap()
}

#[test]
fn the_first_rule_that_fits_says_what_is_done_and_doubt_is_never_acted_on() {
    use DriftVerdict::{BenignMove, InventoryStale, Missing, Superseded, Unknown, VcenterChanged};
    use Response::{Ignore, Propose, Remediate, RepairInventory, Report};
    let policy = policy(
        r#"
        rules = [
          { environments = ["dev"], fields = ["cpu", "nics*"], do = "remediate" },
          { verdicts = ["inventory_stale"], do = "repair_inventory" },
          { fields = ["snapshots"], do = "ignore" },
          { environments = ["prod"], verdicts = ["vcenter_changed", "missing", "unknown"], do = "remediate" },
        ]"#,
    );
    let table = [
        (Some("dev"), "cpu", VcenterChanged, Remediate),
        (Some("dev"), "nics[4000]", VcenterChanged, Remediate),
        (Some("dev"), "memory_mib", VcenterChanged, Report),
        (None, "cpu", VcenterChanged, Report),
        (Some("prod"), "cpu", VcenterChanged, Remediate),
        (Some("prod"), "vm", Missing, Propose),
        (Some("prod"), "identity", Unknown, Report),
        (Some("prod"), "snapshots", VcenterChanged, Ignore),
        (Some("test"), "ip_address", InventoryStale, RepairInventory),
        (Some("test"), "cluster", BenignMove, Ignore),
        (Some("test"), "power", Superseded, Report),
        (Some("dev"), "cpu", BenignMove, Report),
    ];
    for (environment, field, verdict, response) in table {
        assert_eq!(
            policy.response(environment, &drift(field, verdict)),
            response,
            "{environment:?} {field} {verdict:?}"
        );
    }
    let only_inventory = self::policy(r#"rules = [{ do = "repair_inventory" }]"#);
    assert_eq!(
        only_inventory.response(None, &drift("cpu", VcenterChanged)),
        Report,
        "it mends the inventory alone"
    );
}

#[test]
fn a_window_knows_days_midnight_and_its_time_zone() {
    let policy = policy(
        r#"
        windows = [{ environments = ["prod"], days = ["fri"], from = "22:00:00", until = "04:00:00", time_zone = "Europe/Berlin" }]"#,
    );
    let is_open = |environment: &str, at: &str| policy.is_window_open(Some(environment), at.parse().unwrap());
    // Berlin is two hours ahead in summer and one in winter.
    for (at, open) in [
        ("2026-07-03T19:59:00Z", false),
        ("2026-07-03T20:00:00Z", true),
        ("2026-07-04T01:59:00Z", true),
        ("2026-07-04T02:00:00Z", false),
        ("2026-07-04T20:30:00Z", false),
        ("2026-12-04T20:30:00Z", false),
        ("2026-12-04T21:00:00Z", true),
        ("2026-12-05T02:59:00Z", true),
        ("2026-12-05T03:00:00Z", false),
    ] {
        assert_eq!(is_open("prod", at), open, "{at}");
    }
    assert!(is_open("dev", "2026-07-03T12:00:00Z"), "an environment without a window has no closed time");
    assert!(
        toml::from_str::<WatchPolicy>(
            r#"windows = [{ from = "1:00", until = "2:00", time_zone = "Mars/Base" }]"#
        )
        .is_err()
    );
}

#[test]
fn a_stop_switch_holds_for_all_or_for_one_vcenter() {
    assert!(policy("stop = true").is_stopped("vc1"));
    let one = policy(r#"stopped_vcenters = ["vc1"]"#);
    assert!(one.is_stopped("vc1") && !one.is_stopped("vc2"));
}
