//! Reading a list to its end. Pages by number shift while rows come and go (CONTRACT.md §2), so a list is read by
//! windows: ordered by id, each page begins after the last id of the one before. `next` is only asked whether it is
//! there, because the controller shortens a page size that it finds too large without saying so (MEASURED 23).

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::client::{Controller, Deadline};
use super::errors::ReadError;
use super::wire;

/// The largest page that the controller gives (`MAX_PAGE_SIZE`), and the most ids in one request: a URL of 200
/// ids stays far below the 8 kB that a usual proxy takes (CONTRACT.md §12).
pub(super) const PAGE_SIZE_MAX: usize = 200;
/// No list is read further than this.
pub(super) const PAGES_MAX: usize = 100;

/// A row with the id that windows are made of.
pub(super) trait Row: DeserializeOwned {
    fn id(&self) -> i64;
}

/// Rows of a list in order of their ids.
#[derive(Debug)]
pub(super) struct Rows<T> {
    pub(super) rows: Vec<T>,
    /// False when there were more than [`PAGES_MAX`] pages.
    pub(super) complete: bool,
    /// How many rows there were when the first page was read, as the controller counted them; `None` when it did not.
    pub(super) count: Option<u64>,
    /// When the first page was answered, by the controller's clock.
    pub(super) date: Option<Timestamp>,
}

impl Controller {
    /// Reads the list at `path` under `filters` to its end.
    pub(super) async fn rows<T: Row>(
        &self,
        path: &str,
        filters: &[(&str, String)],
        page_size: usize,
        deadline: Deadline,
    ) -> Result<Rows<T>, ReadError> {
        let mut rows: Vec<T> = Vec::new();
        let (mut count, mut date) = (None, None);
        for _ in 0..PAGES_MAX {
            let mut query = filters.to_vec();
            query.push(("order_by", "id".to_owned()));
            query.push(("page_size", page_size.to_string()));
            let after = rows.last().map(Row::id);
            if let Some(id) = after {
                query.push(("id__gt", id.to_string()));
            }
            let (page, answer): (wire::Page<T>, _) = self.get_answered(path, &query, deadline).await?;
            if after.is_none() {
                (count, date) = (page.count, answer.date);
            }
            check_order(path, after, &page.results)?;
            let is_last = page.next.is_none() || page.results.is_empty();
            rows.extend(page.results);
            if is_last {
                return Ok(Rows { rows, complete: true, count, date });
            }
        }
        Ok(Rows { rows, complete: false, count, date })
    }

    /// Reads the rows that belong to any of `ids` by `filter` (`…__in`), at most [`PAGE_SIZE_MAX`] ids a request.
    /// No ids, no request: an empty `__in` is a 400.
    pub(super) async fn rows_of<T: Row>(
        &self,
        path: &str,
        filter: &str,
        ids: &[i64],
        page_size: usize,
    ) -> Result<Vec<T>, ReadError> {
        let deadline = self.deadline();
        let ids: Vec<i64> = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let mut all = Vec::new();
        for chunk in ids.chunks(PAGE_SIZE_MAX) {
            let list = chunk.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
            let read = self.rows(path, &[(filter, list)], page_size, deadline).await?;
            if !read.complete {
                let why = format!("more than {PAGES_MAX} pages of {page_size}");
                return Err(ReadError::Contract { path: path.to_owned(), why });
            }
            all.extend(read.rows);
        }
        Ok(all)
    }

    /// The one row at `path` whose name is exactly `name`, under further `filters`.
    pub(super) async fn one_named<T: Row>(
        &self,
        path: &str,
        name: &str,
        filters: &[(&str, String)],
        name_of: impl Fn(&T) -> &str,
    ) -> Result<Option<T>, ReadError> {
        let mut query = vec![("name", name.to_owned())];
        query.extend_from_slice(filters);
        let mut rows = self.rows::<T>(path, &query, PAGE_SIZE_MAX, self.deadline()).await?.rows;
        if rows.iter().any(|row| name_of(row) != name) {
            return Err(ignored_filter(path, "name"));
        }
        match rows.len() {
            0 | 1 => Ok(rows.pop()),
            count => Err(ReadError::Ambiguous { path: path.to_owned(), name: name.to_owned(), count }),
        }
    }
}

/// The controller answered with rows that were not asked for.
pub(super) fn ignored_filter(path: &str, filter: &str) -> ReadError {
    let why = format!("rows that do not match {filter}: the filter was ignored");
    ReadError::Contract { path: path.to_owned(), why }
}

fn check_order<T: Row>(path: &str, after: Option<i64>, rows: &[T]) -> Result<(), ReadError> {
    let mut last = after;
    for row in rows {
        if last.is_some_and(|last| row.id() <= last) {
            let why = "rows are not in the order of their ids".to_owned();
            return Err(ReadError::Contract { path: path.to_owned(), why });
        }
        last = Some(row.id());
    }
    Ok(())
}
