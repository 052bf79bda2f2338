//! Lists of requests, newest first, page by page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::batch::sql;
use super::error::ReadError;
use super::projection;
use crate::vm_request::{Phase, RequestId, Summary};

/// The most lines on a page.
pub const PAGE_MAX: usize = 200;

/// What to list. Filters are joined by *and*; all but `text` compare exactly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageQuery {
    pub phase: Option<Phase>,
    pub vm_name: Option<String>,
    pub environment: Option<String>,
    pub ticket: Option<String>,
    pub source: Option<String>,
    /// Part of the id, the VM's name or the ticket, without regard to ASCII case.
    pub text: Option<String>,
    /// [`Page::next_cursor`] of the page before.
    pub cursor: Option<String>,
    /// Lines wanted; 0 means [`PAGE_MAX`], more than that is cut.
    pub limit: usize,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Opaque. `None`: the list ends here.
    pub next_cursor: Option<String>,
}

/// Reads one page.
pub(super) fn read(connection: &Connection, query: &PageQuery) -> Result<Page<Summary>, ReadError> {
    let limit = if query.limit == 0 { PAGE_MAX } else { query.limit.min(PAGE_MAX) };
    let (statement, values) = select(query, limit)?;
    let mut statement = connection.prepare_cached(&statement)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut items = Vec::with_capacity(limit);
    while let Some(row) = rows.next()? {
        items.push(projection::read(row)?);
    }
    // One more than asked for was read, to know whether there is more.
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| has_more).map(|last| cursor_after(&last.id));
    Ok(Page { items, next_cursor })
}

fn select(query: &PageQuery, limit: usize) -> Result<(String, Vec<Value>), ReadError> {
    let mut conditions = vec!["1 = 1".to_owned()];
    let mut values: Vec<Value> = Vec::new();
    let mut add = |condition: &str, value: String| {
        values.push(Value::Text(value));
        conditions.push(condition.replace('?', &format!("?{}", values.len())));
    };
    let is_narrow = query.vm_name.is_some() || query.ticket.is_some();
    if let Some(phase) = query.phase {
        // A name or a ticket leaves far fewer rows than a phase; the plus keeps SQLite from the phase's index.
        add(if is_narrow { "+phase = ?" } else { "phase = ?" }, phase.name().to_owned());
    }
    let exact = [
        ("vm_name = ?", &query.vm_name),
        ("environment = ?", &query.environment),
        ("ticket = ?", &query.ticket),
        ("source = ?", &query.source),
    ];
    for (condition, value) in exact {
        if let Some(value) = value {
            add(condition, value.clone());
        }
    }
    if let Some(text) = &query.text {
        let condition = r"(id LIKE ? ESCAPE '\' OR vm_name LIKE ? ESCAPE '\' OR ticket LIKE ? ESCAPE '\')";
        add(condition, format!("%{}%", escape_like(text)));
    }
    if let Some(cursor) = &query.cursor {
        add("id < ?", read_cursor(cursor)?.as_str().to_owned());
    }
    values.push(Value::Integer(sql(limit as u64 + 1)));
    let statement = format!(
        "SELECT {} FROM requests WHERE {} ORDER BY id DESC LIMIT ?{}",
        projection::COLUMNS,
        conditions.join(" AND "),
        values.len(),
    );
    Ok((statement, values))
}

pub(super) fn escape_like(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}

fn cursor_after(id: &RequestId) -> String {
    URL_SAFE_NO_PAD.encode(id.as_str())
}

fn read_cursor(cursor: &str) -> Result<RequestId, ReadError> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| ReadError::BadCursor)?;
    let text = String::from_utf8(bytes).map_err(|_| ReadError::BadCursor)?;
    text.parse().map_err(|_| ReadError::BadCursor)
}
