//! The list engine's second half: pages (CONTRACT.md §2 "Pagination"; MEASURED 23).

use serde_json::{Value, json};

use super::message::{Reply, percent_encode};

const PAGE_SIZE_DEFAULT: usize = 25;
const PAGE_SIZE_MAX: usize = 200;

/// One page of `rows`, each shown by `show`. `path` is the list's own path, prefix included.
pub fn page<T: Copy>(path: &str, pairs: &[(String, String)], rows: &[T], show: impl Fn(T) -> Value) -> Reply {
    let last = |key: &str| pairs.iter().rev().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
    let size = match last("page_size").map(str::parse::<i64>) {
        None => PAGE_SIZE_DEFAULT,
        Some(Ok(size)) if size > 0 => usize::try_from(size).unwrap_or(PAGE_SIZE_MAX).min(PAGE_SIZE_MAX),
        Some(Ok(_)) => PAGE_SIZE_DEFAULT,
        // A size that is no number breaks the view once there is a next page.
        Some(Err(_)) if rows.len() > PAGE_SIZE_DEFAULT => return Reply::server_error(),
        Some(Err(_)) => PAGE_SIZE_DEFAULT,
    };
    let pages = rows.len().div_ceil(size).max(1);
    let number = match last("page") {
        None => 1,
        Some("last") => pages,
        Some(text) => match text.parse::<usize>() {
            Ok(number) if (1..=pages).contains(&number) => number,
            _ => return Reply::json(404, &json!({"detail": "Invalid page."})),
        },
    };
    let shown: Vec<Value> = rows.iter().skip((number - 1) * size).take(size).map(|row| show(*row)).collect();
    if last("count_disabled").is_some() {
        return Reply::json(200, &json!({ "results": shown }));
    }
    let link = |to: usize| json!(link(path, pairs, to, size));
    let next = if number < pages { link(number + 1) } else { Value::Null };
    let previous = if number > 1 { link(number - 1) } else { Value::Null };
    Reply::json(200, &json!({"count": rows.len(), "next": next, "previous": previous, "results": shown}))
}

/// Path only, parameters in order of their names, with the page size capped.
fn link(path: &str, pairs: &[(String, String)], page: usize, size: usize) -> String {
    let mut kept: Vec<(String, String)> = pairs.iter().filter(|(key, _)| key != "page").cloned().collect();
    for (key, value) in &mut kept {
        if key == "page_size" {
            *value = size.to_string();
        }
    }
    kept.push(("page".to_owned(), page.to_string()));
    kept.sort();
    let query: Vec<String> =
        kept.iter().map(|(key, value)| format!("{key}={}", percent_encode(value))).collect();
    format!("{path}?{}", query.join("&"))
}
