//! The shape of the file, as an ordered list of changes.
//!
//! Two rules: a released migration is never edited, and each has sample data in `tests/data/journal/` that stood in
//! files of its time. The number of the last one applied is the file's `user_version`. Only the truth (events,
//! checkpoints, keys) is migrated; the projection is made anew ([`PROJECTION`]).

use rusqlite::{Connection, Transaction};

/// One change of the file's shape.
#[derive(Debug)]
pub(super) struct Migration {
    /// The number that the file's name begins with.
    pub version: i64,
    pub sql: &'static str,
}

/// All of them, in order.
pub(super) const MIGRATIONS: [Migration; 2] = [
    Migration { version: 1, sql: include_str!("migrations/0001_first.sql") },
    Migration { version: 2, sql: include_str!("migrations/0002_vms.sql") },
];

/// The projection in its present shape; changes nothing where it stands already.
pub(super) const PROJECTION: &str = include_str!("migrations/projection.sql");

/// "CAUS": tells `file` and [`super::Journal::open`] whose file it is.
pub(super) const APPLICATION_ID: i64 = 0x4341_5553;

/// The version that this bridge writes.
pub(super) const LATEST: i64 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// The file's version; 0: nothing in it yet.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Applies what is missing, up to and with version `up_to`.
pub(super) fn apply(transaction: &Transaction<'_>, up_to: i64) -> rusqlite::Result<()> {
    let found = version(transaction)?;
    for migration in
        MIGRATIONS.iter().filter(|migration| migration.version > found && migration.version <= up_to)
    {
        transaction.execute_batch(migration.sql)?;
        transaction.pragma_update(None, "user_version", migration.version)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::PathBuf;

    use sha2::{Digest, Sha256};

    use super::*;

    /// SHA-256 of every migration that was ever released. Lines are only added.
    const RELEASED: [(i64, &str); 2] = [
        (1, "ae5218dfa4ef0bdf86d727ff288a8485c300ce8e7c02f349f9869a5c73799e01"),
        (2, "b6668278eb6b54d20747b9871ad2601f8457eaf4a1c5a52057192447911dc4e2"),
    ];

    fn sample(version: i64) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/journal/{version:04}_sample.sql"))
    }

    #[test]
    fn versions_rise_by_one_and_released_migrations_are_not_edited() {
        let found: Vec<(i64, String)> = MIGRATIONS
            .iter()
            .map(|migration| {
                let digest = Sha256::digest(migration.sql.as_bytes());
                (migration.version, digest.iter().map(|byte| format!("{byte:02x}")).collect())
            })
            .collect();
        let released: Vec<(i64, String)> =
            RELEASED.iter().map(|(version, sum)| (*version, (*sum).to_owned())).collect();
        assert_eq!(found, released, "write a new migration instead of editing a released one");
        assert!(found.iter().map(|(version, _)| *version).eq(1..=LATEST));
    }

    #[test]
    fn the_sample_of_each_time_survives_all_later_migrations() {
        let mut connection = Connection::open_in_memory().unwrap();
        let mut events = 0;
        for migration in &MIGRATIONS {
            let transaction = connection.transaction().unwrap();
            apply(&transaction, migration.version).unwrap();
            let path = sample(migration.version);
            let sql = std::fs::read_to_string(&path).unwrap_or_else(|_| {
                panic!("migration {} has no sample data at {}", migration.version, path.display())
            });
            transaction.execute_batch(&sql).unwrap();
            transaction.commit().unwrap();
            let now: i64 = connection.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).unwrap();
            assert!(now > events, "the sample of migration {} adds no events", migration.version);
            events = now;
        }
        let faults: i64 = connection
            .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(faults, 0);
    }
}
