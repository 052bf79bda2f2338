//! Who may import whom ("The house" in the design; docs/ARCHITECTURE.md shows it as a picture).

use super::finding::Finding;
use super::paths::{NamedPath, inline_modules, named};
use super::source::Source;

/// What every part but the core may lean on; `+` in a row. Of the configuration only the wrapper of secrets: parts have
/// settings of their own, and whoever composes them translates.
const GROUND: [&str; 3] = ["clock", "telemetry", "config::Secret"];

/// Each part of the house, and what it may import besides itself.
const HOUSE: &[(&str, &[&str])] = &[
    ("vm_request", &[]),
    ("clock", &[]),
    ("telemetry", &[]),
    // It reads the settings that the parts have named in their own words, and nothing else of the parts.
    (
        "config",
        &[
            "vm_request",
            "clock",
            "intake::source",
            "intake::signature::Scheme",
            "http::access",
            "http::Limits",
        ],
    ),
    ("intake", &["+", "vm_request"]),
    ("journal", &["+", "vm_request"]),
    ("aap", &["+", "vm_request"]),
    ("vcenter", &["+", "vm_request"]),
    ("outbox", &["+", "vm_request"]),
    ("reconciler", &["+", "vm_request", "journal", "aap", "vcenter", "outbox"]),
    ("http", &["+", "vm_request", "journal", "intake", "reconciler::Waker"]),
    ("console", &["+", "vm_request", "journal"]),
    // The neighbours' model knows the core's nouns and never the clients: a misunderstanding of the contract must not
    // be able to agree with itself.
    ("lab", &["+", "vm_request"]),
    // The composition root knows every part of the bridge, and none of the models of the neighbours.
    (
        "bridge",
        &[
            "+",
            "config",
            "vm_request",
            "intake",
            "journal",
            "aap",
            "vcenter",
            "outbox",
            "reconciler",
            "http",
            "console",
        ],
    ),
    ("doctor", &["+", "config", "vm_request", "aap", "vcenter", "bridge"]),
    // Bridge and lab on one machine: the only part, beside the command line, that knows both.
    ("demo", &["+", "config", "vm_request", "intake", "journal", "bridge", "lab"]),
    (
        "cli",
        &[
            "+",
            "config",
            "vm_request",
            "intake",
            "journal",
            "reconciler::Waker",
            "bridge",
            "doctor",
            "demo",
            "lab",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Imports that run against the directions of the house.
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in sources {
        let Some(top) = source.top() else { continue };
        let Some((_, allowed)) = HOUSE.iter().find(|(name, _)| *name == top) else {
            let instead = "give it a row in HOUSE (tests/tidy/imports.rs) and in docs/ARCHITECTURE.md";
            found.push(Finding::new(&source.path, format!("src/{top} has no place in the house"), instead));
            continue;
        };
        for path in of_the_crate(source) {
            if !is_allowed(top, allowed, &path.segments) {
                let what = format!("src/{top} names {}", path.segments.join("::"));
                let names =
                    if allowed.is_empty() { "nothing of ours".to_owned() } else { allowed.join(", ") };
                let names = names.replace('+', &GROUND.join(", "));
                let instead = format!("src/{top} may name {names}; hand in what it needs, or move it");
                found.push(Finding::new(source.place(path.offset), what, instead));
            }
        }
    }
    found
}

/// The paths that lead to another part of the crate, written from the crate's root.
fn of_the_crate(source: &Source) -> Vec<NamedPath> {
    let modules = inline_modules(&source.code);
    let absolute = |mut path: NamedPath| {
        let inline = modules.iter().filter(|body| body.contains(&path.offset)).count();
        let supers = path.segments.iter().take_while(|segment| *segment == "super").count();
        let head = path.segments[0].as_str();
        let drop = match head {
            "crate" | "causeway" => 1,
            // A path of exactly as many `super` as the module is deep begins at the root.
            "super" if supers == source.depth() + inline => supers,
            _ => return None,
        };
        path.segments.drain(..drop);
        (!path.segments.is_empty()).then_some(path)
    };
    named(&source.code).into_iter().filter_map(absolute).collect()
}

fn is_allowed(top: &str, allowed: &[&str], segments: &[String]) -> bool {
    let begins = |head: &str| {
        let mut segments = segments.iter();
        head.split("::").all(|wanted| segments.next().is_some_and(|segment| segment == wanted))
    };
    begins(top)
        || allowed.iter().any(|name| begins(name))
        || (allowed.contains(&"+") && GROUND.iter().any(|name| begins(name)))
}

/// Wire types that leave their folder: a public `wire` module, a path into another folder's, or a re-export.
pub fn wire(sources: &[Source]) -> Vec<Finding> {
    const INSTEAD: &str =
        "wire types stay private to their folder: convert them by hand into types of its own";
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| source.top().is_some()) {
        for (offset, _) in source.code.match_indices("mod wire") {
            let line = source.code[..offset].rsplit('\n').next().unwrap_or_default();
            if line.trim_start().starts_with("pub") {
                found.push(Finding::new(source.place(offset), "the module wire is public", INSTEAD));
            }
        }
        for path in named(&source.code) {
            let Some(at) = path.segments.iter().position(|segment| segment == "wire") else { continue };
            let is_foreign = matches!(path.segments[0].as_str(), "crate" | "causeway")
                && path.segments.get(1).map(String::as_str) != source.top();
            if is_foreign || (path.is_reexport && at + 1 < path.segments.len()) {
                let what = format!("{} leaves its folder", path.shown());
                found.push(Finding::new(source.place(path.offset), what, INSTEAD));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::finding::{assert_none, assert_one};
    use super::*;

    fn one(path: &str, text: &str) -> Vec<Source> {
        vec![Source::new(path.into(), text.into())]
    }

    #[test]
    fn an_import_against_the_direction_is_found_however_it_is_written() {
        let bad = [
            ("src/vm_request/next.rs", "use crate::journal::Journal;"),
            ("src/vm_request/next.rs", "use super::super::clock::Clock;"),
            ("src/vm_request/next.rs", "use crate::{vm_request::State, clock};"),
            ("src/lab/controller/mod.rs", "fn f() -> crate::aap::Run { todo() }"),
            ("src/aap/mod.rs", "#[cfg(test)]\nmod tests {\n use super::super::lab::World;\n}"),
            ("src/vcenter/mod.rs", "use crate::lab;"),
            ("src/http/hooks.rs", "use crate::reconciler::Driver;"),
            ("src/http/hooks.rs", "use crate::aap::Controller;"),
            ("src/main.rs", "use causeway::bridge;"),
            ("src/aap/client.rs", "use crate::config::Config;"),
            ("src/bridge.rs", "fn f() { crate::lab::World::new() }"),
            ("src/odds/mod.rs", "fn f() {}"),
        ];
        for (path, text) in bad {
            let found = check(&one(path, text));
            assert_eq!(found.len(), 1, "{path}: {text}: {found:?}");
        }
    }

    #[test]
    fn an_import_in_the_direction_is_no_finding() {
        let good = [
            ("src/vm_request/state/apply.rs", "use super::super::event::Event; use super::Phase;"),
            (
                "src/aap/mod.rs",
                "use crate::config::Secret; use super::clock::Clock; // use crate::lab::World",
            ),
            ("src/http/hooks.rs", "use crate::reconciler::Waker;"),
            ("src/lab/mod.rs", "use crate::config::Secret; const X: &str = \"crate::aap\";"),
            ("src/main.rs", "fn main() { causeway::cli::run() }"),
            ("tests/any.rs", "use causeway::aap::Run; use causeway::lab::World;"),
        ];
        for (path, text) in good {
            assert_none(&check(&one(path, text)));
        }
    }

    #[test]
    fn wire_types_that_leave_their_folder_are_found() {
        assert_one(&wire(&one("src/aap/mod.rs", "pub(crate) mod wire;")), "public");
        assert_one(&wire(&one("src/aap/mod.rs", "mod wire;\npub use wire::Run;")), "src/aap/mod.rs:2");
        assert_one(&wire(&one("src/reconciler/turn.rs", "use crate::aap::wire::Run;")), "leaves");
        assert_none(&wire(&one("src/aap/runs.rs", "use super::wire; use super::wire::Run;")));
    }
}
