//! Opening the file: one bridge only, never a file of another kind or of a later version, never a damaged one.
//!
//! A file that is refused stays as it is, its write-ahead log included: the look at it neither migrates nor writes
//! the log back.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

use super::batch::{Statements, Tip, sql, unsigned};
use super::chain::{self, Hash, OpenCheckpoint};
use super::error::OpenError;
use super::migrations::{self, APPLICATION_ID, LATEST};
use super::options::JournalOptions;
use super::rebuild;

/// SQLite's page size; it is set when a file is made.
pub(super) const PAGE_BYTES: u64 = 4_096;

/// How long SQLite waits for a lock of another connection. Only tools beside the bridge ever hold one for long.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Findings of a check that are named.
const FINDINGS_MAX: u32 = 5;

/// An open file, ready for the writer.
pub(super) struct Opened {
    pub connection: Connection,
    pub lock: Lock,
    pub tip: Tip,
}

/// Opens the journal, makes it where there is none, and brings an older one up to date.
pub(super) fn open(options: &JournalOptions) -> Result<Opened, OpenError> {
    check_options(options)?;
    let path = options.path.canonicalize().unwrap_or_else(|_| options.path.clone());
    let exists = path.exists();
    let lock = Lock::take(&path)?;
    if exists {
        let size = std::fs::metadata(&path).map_err(|error| storage(&path, &error))?.len();
        let is_small = size <= options.check_at_open_bytes_max;
        if !lock.was_clean && !is_small {
            tracing::warn!(
                size,
                "the journal was not closed properly and is too large to be checked now; verify it"
            );
        }
        look(&path, !lock.was_clean && is_small)?;
    }
    let of_sqlite = |error: rusqlite::Error| sqlite(&path, &error);
    let mut connection = Connection::open(&path).map_err(of_sqlite)?;
    configure(&connection, options).map_err(of_sqlite)?;
    bring_up_to_date(&path, &mut connection)?;
    Statements::prepare(&connection).map_err(of_sqlite)?;
    let tip = find_tip(&connection).map_err(of_sqlite)?;
    Ok(Opened { connection, lock, tip })
}

/// A connection that only reads.
pub(super) fn read_connection(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -8_192)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// The connection of the helper that writes the log back.
pub(super) fn write_back_connection(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // The writer closes last and empties the log.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

fn check_options(options: &JournalOptions) -> Result<(), OpenError> {
    let at_least_one = [
        ("intake_queue_max", options.intake_queue_max),
        ("reconciler_queue_max", options.reconciler_queue_max),
        ("batch_max", options.batch_max),
        ("batch_bytes_max", options.batch_bytes_max),
        ("readers_max", options.readers_max),
        ("checkpoint_every_events", usize::from(options.checkpoint_every_events > 0)),
    ];
    if let Some((option, _)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
        return Err(OpenError::Option { option, why: "must be at least 1" });
    }
    if options.reconciler_queue_max >= options.batch_max {
        let why = "must be below batch_max, so that intake has room in every batch";
        return Err(OpenError::Option { option: "reconciler_queue_max", why });
    }
    Ok(())
}

/// Looks at an existing file and refuses what must not be touched.
pub(super) fn look(path: &Path, checks_all: bool) -> Result<(), OpenError> {
    let of_sqlite = |error: rusqlite::Error| sqlite(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(of_sqlite)?;
    // Closing the last connection would write the log back. With nothing in it, it removes what this look made.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_log(path)).map_err(of_sqlite)?;
    let number = |statement: &str| -> Result<i64, OpenError> {
        connection.query_row(statement, [], |row| row.get(0)).map_err(of_sqlite)
    };
    let application_id = number("PRAGMA application_id")?;
    let found = number("PRAGMA user_version")?;
    let is_empty = number("SELECT count(*) FROM sqlite_schema")? == 0;
    let is_new = is_empty && application_id == 0 && found == 0;
    if !is_new && application_id != APPLICATION_ID {
        return Err(OpenError::Foreign { path: path.to_owned(), application_id });
    }
    if found > LATEST {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: LATEST });
    }
    if checks_all {
        let findings = check(&connection, "quick_check").map_err(of_sqlite)?;
        if !findings.is_empty() {
            return Err(OpenError::Damaged { path: path.to_owned(), detail: findings.join("; ") });
        }
    }
    Ok(())
}

fn has_log(path: &Path) -> bool {
    let mut log = OsString::from(path);
    log.push("-wal");
    std::fs::metadata(PathBuf::from(log)).is_ok_and(|log| log.len() > 0)
}

/// What SQLite's own check (`quick_check` or `integrity_check`) finds.
pub(super) fn check(connection: &Connection, pragma: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA {pragma}({FINDINGS_MAX})"))?;
    let findings: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let on_one_line = |finding: &String| finding.replace('\n', ": ");
    Ok(if findings == ["ok"] { Vec::new() } else { findings.iter().map(on_one_line).collect() })
}

fn configure(connection: &Connection, options: &JournalOptions) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "page_size", sql(PAGE_BYTES))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -i64::from(options.cache_kib))?;
    // The writer decides when the log is written back.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(
        None,
        "journal_size_limit",
        sql(options.wal_write_back_bytes.saturating_mul(2)),
    )?;
    if let Some(bytes) = options.file_bytes_max {
        connection.pragma_update(None, "max_page_count", sql(bytes / PAGE_BYTES))?;
    }
    Ok(())
}

/// Migrates, and makes the projection where it is missing; all of it or nothing.
fn bring_up_to_date(path: &Path, connection: &mut Connection) -> Result<(), OpenError> {
    let of_sqlite = |error: rusqlite::Error| sqlite(path, &error);
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(of_sqlite)?;
    migrations::apply(&transaction, LATEST).map_err(of_sqlite)?;
    let mut has_projection = true;
    for table in ["requests", "vms"] {
        has_projection &= transaction.table_exists(None, table).map_err(of_sqlite)?;
    }
    if !has_projection {
        // Both are filled by one replay.
        transaction
            .execute_batch("DROP TABLE IF EXISTS requests; DROP TABLE IF EXISTS vms")
            .map_err(of_sqlite)?;
    }
    transaction.execute_batch(migrations::PROJECTION).map_err(of_sqlite)?;
    if !has_projection {
        rebuild::fill(&transaction)
            .map_err(|error| OpenError::Damaged { path: path.to_owned(), detail: error.to_string() })?;
    }
    transaction.commit().map_err(of_sqlite)
}

fn find_tip(connection: &Connection) -> rusqlite::Result<Tip> {
    let position: i64 =
        connection.query_row("SELECT coalesce(max(position), 0) FROM events", [], |row| row.get(0))?;
    let sealed: Option<(i64, Hash)> = connection
        .query_row("SELECT position, hash FROM checkpoints ORDER BY position DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let (sealed_at, sealed_hash) = sealed.unwrap_or((0, chain::NOTHING_BEFORE));
    let mut checkpoint = OpenCheckpoint::after(&sealed_hash);
    let mut statement =
        connection.prepare("SELECT hash FROM events WHERE position > ?1 ORDER BY position")?;
    let mut rows = statement.query([sealed_at])?;
    while let Some(row) = rows.next()? {
        checkpoint.push(&row.get(0)?);
    }
    Ok(Tip { position: unsigned(position), checkpoint, purged_up_to: (String::new(), String::new()) })
}

/// The sidecar that keeps a second bridge out. It holds the process id while the journal is open and nothing after
/// a proper close. The operating system frees it with the process, however that ends.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    was_clean: bool,
}

impl Lock {
    fn take(journal: &Path) -> Result<Self, OpenError> {
        let of_io = |error: std::io::Error| storage(journal, &error);
        let path = lock_path(journal);
        let is_first = !path.exists();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(of_io)?;
        let mut holder = String::new();
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                file.read_to_string(&mut holder).map_err(of_io)?;
                return Err(OpenError::InUse { path: journal.to_owned(), pid: holder.trim().parse().ok() });
            }
            Err(TryLockError::Error(error)) => return Err(of_io(error)),
        }
        file.read_to_string(&mut holder).map_err(of_io)?;
        file.set_len(0).map_err(of_io)?;
        file.seek(SeekFrom::Start(0)).map_err(of_io)?;
        write!(file, "{}", std::process::id()).map_err(of_io)?;
        Ok(Self { file, was_clean: holder.is_empty() && !is_first })
    }

    /// Says that the journal was closed properly.
    pub fn release_clean(self) {
        if let Err(error) = self.file.set_len(0) {
            tracing::warn!(%error, "the journal's lock file keeps its process id; the next start checks the file");
        }
    }
}

fn lock_path(journal: &Path) -> PathBuf {
    let mut name = OsString::from(journal);
    name.push(".lock");
    PathBuf::from(name)
}

fn storage(path: &Path, error: &std::io::Error) -> OpenError {
    OpenError::Storage { path: path.to_owned(), detail: error.to_string() }
}

fn sqlite(path: &Path, error: &rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    let detail = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, detail },
        _ if detail.contains("no such table") || detail.contains("no such column") => {
            OpenError::Damaged { path, detail }
        }
        _ => OpenError::Storage { path, detail },
    }
}
