//! The documents keep up with the code: links lead somewhere, dependencies have reasons, decisions have numbers,
//! and what is written into the journal is described.

use std::collections::BTreeSet;

use super::finding::Finding;
use super::source::line_of;
use super::tree::Tree;

const DEPENDENCIES: &str = "docs/decisions/0001-dependencies.md";
const DECISIONS: &str = "docs/decisions";
const DATA_MODEL: &str = "docs/DATA_MODEL.md";
const ARCHITECTURE: &str = "docs/ARCHITECTURE.md";
const EVENTS: &str = "src/vm_request/event.rs";
/// A path in backticks that begins with one of these is a promise that the file is there.
const OURS: [&str; 8] = ["src/", "tests/", "schemas/", "docs/", "deploy/", "rulebooks/", "benches/", ".ci/"];

/// Links and file names in the documents that lead nowhere.
pub fn links(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in
        tree.texts().filter(|(path, _)| path.ends_with(".md") && !path.starts_with("tests/data/"))
    {
        for (offset, target) in linked(text) {
            let place = format!("{path}:{}", line_of(text, offset));
            if let Some(what) = dead(tree, path, target) {
                found.push(Finding::new(place, what, "link to a file and a heading that are there"));
            }
        }
        for (offset, name) in in_backticks(text) {
            let is_ours = OURS.iter().any(|top| name.starts_with(top));
            let is_pattern = name.contains(['*', '{', '<', '…', ' ', '|']) || is_placeholder(name);
            let file = name.split(['#', ':']).next().unwrap_or(name);
            if is_ours && !is_pattern && !tree.has(file) {
                let place = format!("{path}:{}", line_of(text, offset));
                let instead = "name a file that is there, or say in plain words what is planned";
                found.push(Finding::new(place, format!("`{name}` is no file"), instead));
            }
        }
    }
    found
}

/// A name with a part in capitals stands for many: `benches/NAME.rs`.
fn is_placeholder(name: &str) -> bool {
    name.split(['/', '.']).any(|part| part == "NAME")
}

/// The targets of Markdown links outside code.
fn linked(text: &str) -> Vec<(usize, &str)> {
    let code: Vec<std::ops::Range<usize>> = fences(text);
    let targets = text.match_indices("](").filter_map(|(offset, _)| {
        let rest = &text[offset + 2..];
        let target = &rest[..rest.find([')', '\n'])?];
        Some((offset, target.split(' ').next().unwrap_or_default()))
    });
    targets.filter(|(offset, _)| !code.iter().any(|fence| fence.contains(offset))).collect()
}

fn in_backticks(text: &str) -> Vec<(usize, &str)> {
    let code = fences(text);
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if !code.iter().any(|fence| fence.contains(&start)) {
            let spans = line.match_indices('`').map(|(at, _)| at).collect::<Vec<_>>();
            found.extend(spans.chunks_exact(2).map(|pair| (start + pair[0], &line[pair[0] + 1..pair[1]])));
        }
        start += line.len();
    }
    found
}

/// The blocks between lines that begin with three backticks.
fn fences(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let (mut open, mut start) = (None, 0);
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("```") {
            match open.take() {
                Some(from) => found.push(from..start + line.len()),
                None => open = Some(start),
            }
        }
        start += line.len();
    }
    found
}

fn dead(tree: &Tree, from: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let path = if file.is_empty() { from.to_owned() } else { resolved(folder, file) };
    if !tree.has(&path) {
        return Some(format!("'{target}' leads to no file"));
    }
    let text = tree.text(&path).unwrap_or_default();
    let headings = || text.lines().filter(|line| line.starts_with('#')).map(anchor);
    (!heading.is_empty() && !headings().any(|anchor| anchor == heading))
        .then(|| format!("'{target}' leads to no heading"))
}

fn resolved(folder: &str, file: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Dependencies without a reason, and reasons without a dependency.
pub fn dependencies(tree: &Tree) -> Vec<Finding> {
    let manifest = tree.text("Cargo.toml").unwrap_or_default();
    let Ok(manifest) = manifest.parse::<toml::Table>() else {
        return vec![Finding::new("Cargo.toml", "is not TOML", "mend it")];
    };
    let mut named = BTreeSet::new();
    for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
        named.extend(
            manifest.get(table).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys),
        );
    }
    let document = tree.text(DEPENDENCIES).unwrap_or_default();
    let first_cell = |line: &'_ str| -> Option<String> {
        let cell = line.strip_prefix("| `")?;
        Some(cell[..cell.find('`')?].to_owned())
    };
    let explained: BTreeSet<String> = document.lines().filter_map(first_cell).collect();
    let unexplained = named.iter().filter(|name| !explained.contains(**name)).map(|name| {
        let instead = format!("a row `| \\`{name}\\` | why | instead of |` in {DEPENDENCIES}");
        Finding::new("Cargo.toml", format!("{name} has no reason"), instead)
    });
    let gone = explained
        .iter()
        .filter(|name| !named.contains(*name))
        .map(|name| Finding::new(DEPENDENCIES, format!("{name} is no dependency"), "take the row out"));
    unexplained.chain(gone).collect()
}

/// Decisions that are misnamed, or numbered with gaps or twice.
pub fn decisions(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut expected = 1;
    let names = tree.names_in(DECISIONS);
    if names.is_empty() {
        found.push(Finding::new(DECISIONS, "holds no decision", "begin with 0001"));
    }
    for name in names {
        let path = format!("{DECISIONS}/{name}");
        let number =
            name.split_once('-').and_then(|(number, _)| (number.len() == 4).then(|| number.parse().ok())?);
        if number != Some(expected) || !name.ends_with(".md") {
            let instead = format!("name it {expected:04}-what-was-decided.md");
            found.push(Finding::new(path.as_str(), "is not the next number", instead));
        }
        if !tree.text(&path).is_some_and(|text| text.starts_with("# ")) {
            found.push(Finding::new(
                path,
                "has no title",
                "begin with `# ` and the decision in one sentence",
            ));
        }
        expected = number.unwrap_or(expected) + 1;
    }
    found
}

/// Events, schemas and parts of the house that the documents do not describe, and events that they describe and nobody
/// writes.
pub fn described(tree: &Tree) -> Vec<Finding> {
    let (model, map) =
        (tree.text(DATA_MODEL).unwrap_or_default(), tree.text(ARCHITECTURE).unwrap_or_default());
    let written = kinds(tree.text(EVENTS).unwrap_or_default(), "=> \"");
    let told = kinds(model, "\n| `");
    let mut found = Vec::new();
    if written.is_empty() {
        found.push(Finding::new(
            EVENTS,
            "holds no kinds of events",
            "`=> \"subject.happened.vN\"` in Event::kind",
        ));
    }
    for kind in written.difference(&told) {
        found.push(Finding::new(
            DATA_MODEL,
            format!("does not describe {kind}"),
            "a row: kind, says, payload",
        ));
    }
    for kind in told.difference(&written) {
        found.push(Finding::new(
            DATA_MODEL,
            format!("describes {kind}, which nobody writes"),
            "take the row out",
        ));
    }
    for name in
        tree.names_in("schemas").into_iter().filter(|name| !model.contains(&format!("`schemas/{name}`")))
    {
        let instead = "a row: schema, who writes it, who reads it";
        found.push(Finding::new(DATA_MODEL, format!("does not name schemas/{name}"), instead));
    }
    for part in parts(tree).into_iter().filter(|part| !map.contains(&format!("| `src/{part}` |"))) {
        let instead = format!("a row `| \\`src/{part}\\` | what | may name |` in its map");
        found.push(Finding::new(ARCHITECTURE, format!("does not name src/{part}"), instead));
    }
    found
}

/// The kinds of events that stand behind `before`.
fn kinds(text: &str, before: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    let behind = text.match_indices(before).map(|(offset, _)| &text[offset + before.len()..]);
    let words = behind.map(|rest| &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())]);
    let is_kind = |word: &&str| {
        word.rsplit_once(".v")
            .is_some_and(|(name, version)| name.contains('.') && version.parse::<u32>().is_ok())
    };
    words.filter(is_kind).map(str::to_owned).collect()
}

/// The folders (with a slash) and files directly under `src/`.
fn parts(tree: &Tree) -> BTreeSet<String> {
    let inside = tree.texts().filter_map(|(path, _)| path.strip_prefix("src/"));
    let part = |path: &str| match path.split_once('/') {
        Some((folder, _)) => format!("{folder}/"),
        None => path.to_owned(),
    };
    inside.filter(|path| !matches!(*path, "lib.rs" | "main.rs")).map(part).collect()
}

/// Benchmarks that cargo would not run as programs of their own.
pub fn benches(tree: &Tree) -> Vec<Finding> {
    let manifest: toml::Table = tree.text("Cargo.toml").unwrap_or_default().parse().unwrap_or_default();
    let declared: Vec<&toml::Value> =
        manifest.get("bench").and_then(toml::Value::as_array).into_iter().flatten().collect();
    let is_program = |name: &str| {
        declared.iter().any(|bench| {
            bench.get("name").and_then(toml::Value::as_str) == Some(name)
                && bench.get("harness").and_then(toml::Value::as_bool) == Some(false)
        })
    };
    let names = tree.names_in("benches").into_iter().filter_map(|name| name.strip_suffix(".rs"));
    names
        .filter(|name| !is_program(name))
        .map(|name| {
            let instead = format!("[[bench]] name = \"{name}\", harness = false");
            Finding::new("Cargo.toml", format!("benches/{name}.rs is not declared as a program"), instead)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::{assert_none, assert_one};
    use super::*;

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let of = |text: &str| {
            links(&Tree::of(&[("docs/a.md", text), ("docs/b.md", "# The B, once\n"), ("src/x.rs", "")]))
        };
        assert_none(&of(
            "[b](b.md), [up](../src/x.rs), [b](b.md#the-b-once), [w](https://x.dev), `src/x.rs`, `src/*.rs`\n",
        ));
        assert_none(&of("```text\n[b](c.md) `src/y.rs`\n```\n"));
        assert_one(&of("\n[c](c.md)\n"), "docs/a.md:2: 'c.md' leads to no file");
        assert_one(&of("[b](b.md#other)"), "no heading");
        assert_one(&of("see `src/y.rs`"), "`src/y.rs` is no file");
    }

    #[test]
    fn a_dependency_without_a_reason_and_a_reason_without_a_dependency_are_found() {
        let of = |document: &str| {
            let manifest = "[dependencies]\nserde = \"1\"\n[dev-dependencies]\ninsta = \"1\"\n";
            dependencies(&Tree::of(&[("Cargo.toml", manifest), (DEPENDENCIES, document)]))
        };
        assert_none(&of("| `serde` | why |\n| `insta` | why |\n"));
        assert_one(&of("| `serde` | why |\n"), "insta has no reason");
        assert_one(&of("| `serde` | why |\n| `insta` | why |\n| `time` | why |\n"), "time is no dependency");
    }

    #[test]
    fn a_gap_between_decisions_is_found() {
        let of = |names: &[&str]| {
            let paths: Vec<String> = names.iter().map(|name| format!("{DECISIONS}/{name}")).collect();
            decisions(&Tree::of(&paths.iter().map(|path| (path.as_str(), "# T\n")).collect::<Vec<_>>()))
        };
        assert_none(&of(&["0001-a.md", "0002-b.md"]));
        assert_one(&of(&["0001-a.md", "0003-b.md"]), "0002-what");
        assert_one(&of(&["0001-a.md", "0001-b.md"]), "not the next number");
        assert_one(&of(&[]), "no decision");
    }

    #[test]
    fn what_the_documents_leave_out_is_found() {
        let of = |model: &str, map: &str| {
            let kinds = "match self { Self::A => \"vm.seen.v1\", Self::B => \"vm.gone.v2\" }";
            let files =
                [(EVENTS, kinds), (DATA_MODEL, model), (ARCHITECTURE, map), ("schemas/a.v1.schema.json", "")];
            described(&Tree::of(&files))
        };
        let (both, schema) = ("\n| `vm.seen.v1` | x |\n| `vm.gone.v2` | x |\n", "`schemas/a.v1.schema.json`");
        let map = "| `src/vm_request/` | x |";
        assert_none(&of(&format!("{both}{schema}"), map));
        assert_one(&of(&format!("\n| `vm.seen.v1` | x |\n{schema}"), map), "does not describe vm.gone.v2");
        assert_one(
            &of(&format!("{both}\n| `vm.old.v1` | x |\n{schema}"), map),
            "vm.old.v1, which nobody writes",
        );
        assert_one(&of(both, map), "does not name schemas/a.v1");
        assert_one(&of(&format!("{both}{schema}"), ""), "does not name src/vm_request/");
    }

    #[test]
    fn a_benchmark_that_is_not_declared_is_found() {
        let of = |manifest: &str| benches(&Tree::of(&[("Cargo.toml", manifest), ("benches/intake.rs", "")]));
        assert_none(&of("[[bench]]\nname = \"intake\"\nharness = false\n"));
        assert_one(&of("[[bench]]\nname = \"intake\"\n"), "not declared");
    }
}
