//! What must not be named where: SQLite outside the journal, the world inside the core, the time outside the clock.

use super::finding::Finding;
use super::paths::named;
use super::source::Source;

/// Crates and corners of the standard library that would make the core impure, or its replay differ from its first run.
const NOT_IN_THE_CORE: [&str; 19] = [
    "tokio",
    "futures_util",
    "reqwest",
    "actix_web",
    "rusqlite",
    "rand",
    "tracing",
    "tempfile",
    "std::fs",
    "std::io",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::sync::mpsc",
];

/// Words that mean the same, whatever path they were imported by.
const NOT_EVEN_AS_A_WORD: [&str; 6] = ["Instant", "SystemTime", "HashMap", "HashSet", "new_v4", "now_v7"];

/// Calls that read the time.
const READS_TIME: [&str; 3] = ["Timestamp::now", "SystemTime::now", "Zoned::now"];

/// The core's production code that names the world.
pub fn core(sources: &[Source]) -> Vec<Finding> {
    const INSTEAD: &str =
        "take it as an argument, or let the reconciler do it and hand in the outcome as data";
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| source.top() == Some("vm_request")) {
        for path in named(&source.production) {
            if NOT_IN_THE_CORE.iter().any(|head| path.starts_with(head)) {
                found.push(Finding::new(
                    source.place(path.offset),
                    format!("the core names {}", path.shown()),
                    INSTEAD,
                ));
            }
        }
        for word in NOT_EVEN_AS_A_WORD {
            for offset in words(&source.production, word) {
                let what = format!("the core names {word}");
                let instead = if word.starts_with("Hash") {
                    "use the BTree kind: its order is always the same"
                } else {
                    INSTEAD
                };
                found.push(Finding::new(source.place(offset), what, instead));
            }
        }
    }
    found.sort_by(|a, b| a.place.cmp(&b.place));
    found
}

/// `rusqlite` named outside `src/journal`.
pub fn rusqlite_outside_the_journal(sources: &[Source]) -> Vec<Finding> {
    let outside = sources.iter().filter(|source| source.top().is_some_and(|top| top != "journal"));
    let instead = "ask crate::journal: nothing above it may assume SQLite";
    outside
        .flat_map(|source| {
            words(&source.code, "rusqlite")
                .into_iter()
                .map(|offset| Finding::new(source.place(offset), "rusqlite is named", instead))
        })
        .collect()
}

/// The time read anywhere but in the clock, tests included.
pub fn time(sources: &[Source]) -> Vec<Finding> {
    let instead = "take `now: Timestamp` or a `&dyn Clock`; a test says what time it is, or uses SystemClock";
    let elsewhere = sources.iter().filter(|source| source.path != "src/clock.rs");
    elsewhere
        .flat_map(|source| {
            let reads = named(&source.code)
                .into_iter()
                .filter(|path| READS_TIME.iter().any(|tail| path.ends_with(tail)));
            reads.map(|path| {
                Finding::new(source.place(path.offset), format!("{} reads the time", path.shown()), instead)
            })
        })
        .collect()
}

/// The places of `word` as a whole word.
pub fn words(code: &str, word: &str) -> Vec<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let whole = |(offset, _): &(usize, &str)| {
        !code[..*offset].ends_with(is_part) && !code[offset + word.len()..].starts_with(is_part)
    };
    code.match_indices(word).filter(whole).map(|(offset, _)| offset).collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::{assert_none, assert_one};
    use super::*;

    fn one(path: &str, text: &str) -> Vec<Source> {
        vec![Source::new(path.into(), text.into())]
    }

    #[test]
    fn the_world_is_found_in_the_core_and_nowhere_else() {
        let core_of = |text: &str| core(&one("src/vm_request/next.rs", text));
        assert_one(&core_of("use tokio::time::timeout;"), "tokio::time::timeout");
        assert_one(&core_of("use std::{collections::BTreeMap, fs};"), "std::fs");
        assert_one(&core_of("fn f(s: std::net::TcpStream) {}"), "TcpStream");
        assert_one(&core_of("fn f() { let t = Instant::now(); }"), "Instant");
        assert_one(&core_of("fn f(m: &HashMap<u8, u8>) {}"), "BTree");
        assert_one(&core_of("fn f() { Uuid::new_v4() }"), "new_v4");
        assert_none(&core_of(
            "use std::net::Ipv4Addr; // tokio::spawn\n#[cfg(test)]\nmod tests { use std::fs; }",
        ));
        assert_none(&core(&one("src/journal/writer.rs", "use std::fs;")));
    }

    #[test]
    fn sqlite_is_found_outside_the_journal() {
        assert_one(
            &rusqlite_outside_the_journal(&one("src/http/list.rs", "use rusqlite::Connection;")),
            "list.rs:1",
        );
        assert_none(&rusqlite_outside_the_journal(&one("src/journal/read.rs", "use rusqlite::Connection;")));
        assert_none(&rusqlite_outside_the_journal(&one("src/http/list.rs", "//! Not rusqlite.")));
    }

    #[test]
    fn reading_the_time_is_found_in_tests_too() {
        assert_one(&time(&one("src/aap/runs.rs", "fn f() { jiff::Timestamp::now(); }")), "reads the time");
        assert_one(&time(&one("tests/a.rs", "fn f() { SystemTime::now(); }")), "SystemTime");
        assert_none(&time(&one("src/clock.rs", "fn f() { Timestamp::now(); }")));
        assert_none(&time(&one("src/aap/runs.rs", "fn f(c: &dyn Clock) { c.now(); }")));
    }
}
