//! Words that mean unfinished work, a deliberate panic, a print, or a sleep.

use super::finding::Finding;
use super::paths::named;
use super::purity::words;
use super::source::Source;

/// Files whose tests may sleep, each with the reason a reviewer accepted. Waiting for a condition with a deadline
/// belongs into one helper, and that helper is what may stand here.
pub const REVIEWED_SLEEPS: &[(&str, &str)] = &[];

/// Unfinished work and switched-off checks, in tests as well.
pub fn half_done(sources: &[Source]) -> Vec<Finding> {
    const BANNED: [(&str, &str); 6] = [
        ("todo!", "write it, or leave it out and say so in CHANGELOG.md"),
        ("unimplemented!", "write it, or leave it out and say so in CHANGELOG.md"),
        ("dbg!", "use tracing, or take it out"),
        ("#[ignore", "mend the test or delete it: one that is not run proves nothing"),
        ("allow(dead_code", "delete what nobody calls"),
        ("allow(unused", "delete what nobody uses"),
    ];
    sources.iter().flat_map(|source| matches(source, &source.code, &BANNED)).collect()
}

/// Deliberate panics in production code.
pub fn panics(sources: &[Source]) -> Vec<Finding> {
    const BANNED: [(&str, &str); 4] = [
        (".unwrap()", "return the error, or `expect(\"why it cannot happen\")` where it truly cannot"),
        ("panic!", "return an error that the caller can act on"),
        ("unreachable!", "make the case impossible in the types, or return an error"),
        (".expect(\"\")", "say why it cannot happen"),
    ];
    sources.iter().flat_map(|source| matches(source, &source.production, &BANNED)).collect()
}

/// Prints in production code outside the command line.
pub fn prints(sources: &[Source]) -> Vec<Finding> {
    const INSTEAD: &str = "only src/cli talks to a terminal: return the text, or use tracing";
    const BANNED: [(&str, &str); 4] =
        [("println!", INSTEAD), ("eprintln!", INSTEAD), ("print!", INSTEAD), ("eprint!", INSTEAD)];
    let silent = sources.iter().filter(|source| source.top() != Some("cli"));
    silent.flat_map(|source| matches(source, &source.production, &BANNED)).collect()
}

/// Sleeps in tests, and reviewed files that sleep no more.
pub fn sleeps(sources: &[Source], reviewed: &[(&str, &str)]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut sleeping = Vec::new();
    for source in sources {
        let in_tests = |offset: usize| source.production.as_bytes()[offset] == b' ';
        let naps = named(&source.code)
            .into_iter()
            .filter(|path| path.ends_with("thread::sleep") || path.ends_with("time::sleep"))
            .filter(|path| in_tests(path.offset));
        for nap in naps {
            sleeping.push(source.path.as_str());
            if !reviewed.iter().any(|(path, _)| *path == source.path) {
                let what = format!("a test names {}", nap.shown());
                let instead = "wait for the condition itself, with a deadline, or move a ManualClock";
                found.push(Finding::new(source.place(nap.offset), what, instead));
            }
        }
    }
    for (path, _) in reviewed.iter().filter(|(path, _)| !sleeping.contains(path)) {
        found.push(Finding::new(*path, "sleeps no more", "take it off REVIEWED_SLEEPS"));
    }
    found
}

fn matches(source: &Source, code: &str, banned: &[(&str, &str)]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (text, instead) in banned {
        let offsets = match text.strip_suffix('!') {
            Some(name) => {
                let calls = |offset: &usize| code[offset + name.len()..].starts_with('!');
                words(code, name).into_iter().filter(calls).collect()
            }
            None => code.match_indices(text).map(|(offset, _)| offset).collect::<Vec<_>>(),
        };
        found.extend(
            offsets
                .into_iter()
                .map(|offset| Finding::new(source.place(offset), format!("{text} is written"), *instead)),
        );
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
    fn unfinished_work_is_found() {
        for text in ["todo!()", "unimplemented!()", "dbg!(x)", "#[ignore = \"\"]", "#![allow(dead_code)]"] {
            assert_eq!(half_done(&one("tests/a.rs", text)).len(), 1, "{text}");
        }
        assert_none(&half_done(&one("src/a.rs", "// todo!() stands here\nlet x = \"dbg!\"; my_todo!();")));
    }

    #[test]
    fn a_panic_is_found_outside_tests_only() {
        assert_one(&panics(&one("src/a.rs", "fn f() { x.unwrap() }")), "unwrap");
        assert_one(&panics(&one("src/a.rs", "fn f() { panic!(\"x\") }")), "panic!");
        assert_one(&panics(&one("src/a.rs", "fn f() { x.expect(\"\") }")), "say why");
        assert_none(&panics(&one("src/a.rs", "fn f() { x.unwrap_or(1); x.expect(\"it is there\") }")));
        assert_none(&panics(&one("src/a.rs", "#[cfg(test)]\nmod tests { fn f() { x.unwrap() } }")));
        assert_none(&panics(&one("tests/a.rs", "fn f() { x.unwrap() }")));
    }

    #[test]
    fn a_print_is_found_outside_the_command_line() {
        assert_one(&prints(&one("src/bridge.rs", "fn f() { println!(\"x\") }")), "println!");
        assert_none(&prints(&one("src/cli/demo.rs", "fn f() { println!(\"x\") }")));
    }

    #[test]
    fn a_sleep_is_found_in_tests_only_and_a_stale_review_too() {
        let test = one("tests/a.rs", "use tokio::time::{sleep, Duration};");
        assert_one(&sleeps(&test, &[]), "tokio::time::sleep");
        assert_none(&sleeps(&test, &[("tests/a.rs", "reviewed")]));
        assert_one(&sleeps(&one("tests/a.rs", "fn f() {}"), &[("tests/a.rs", "reviewed")]), "sleeps no more");
        assert_none(&sleeps(&one("src/a.rs", "fn f() { tokio::time::sleep(x) }"), &[]));
        let unit = "#[cfg(test)]\nmod tests { fn f() { std::thread::sleep(x) } }";
        assert_one(&sleeps(&one("src/a.rs", unit), &[]), "src/a.rs:2");
    }
}
