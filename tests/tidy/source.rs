//! One Rust file as the rules see it: its text, its code without comments and literals, and which part is tests.

use std::ops::Range;

use super::scrub::scrub;

/// A Rust file.
#[derive(Debug, Clone)]
pub struct Source {
    pub path: String,
    pub text: String,
    /// The text without comments and the contents of literals, as long as before.
    pub code: String,
    /// The code without its tests, as long as before. Empty of words in a file that is tests only.
    pub production: String,
    /// Lines of the text that belong to no test.
    pub production_lines: usize,
}

impl Source {
    /// The files with their tests told apart; a module declared under `#[cfg(test)]` is tests in its own file too.
    pub fn all(files: Vec<(String, String)>) -> Vec<Self> {
        let mut sources: Vec<Self> = files.into_iter().map(|(path, text)| Self::new(path, text)).collect();
        let test_modules: Vec<String> = sources.iter().flatten_test_modules();
        for source in &mut sources {
            let is_below = |module: &String| {
                source.path == format!("{module}.rs") || source.path.starts_with(&format!("{module}/"))
            };
            if test_modules.iter().any(is_below) {
                source.production = blanked(&source.production, 0..source.production.len());
                source.production_lines = 0;
            }
        }
        sources
    }

    /// One file, alone.
    pub fn new(path: String, text: String) -> Self {
        let code = scrub(&text);
        let mut production = code.clone();
        let mut production_lines = text.lines().count();
        if path.starts_with("src/") {
            for range in test_items(&code) {
                production_lines -= code[range.clone()].lines().count().min(production_lines);
                production = blanked(&production, range);
            }
        } else {
            production = blanked(&production, 0..code.len());
            production_lines = 0;
        }
        Self { path, text, code, production, production_lines }
    }

    /// `path:line` of a place in the text.
    pub fn place(&self, offset: usize) -> String {
        format!("{}:{}", self.path, line_of(&self.text, offset))
    }

    /// The folder or file directly under `src/` that the file belongs to; none outside `src/`.
    pub fn top(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let first = inside.split('/').next()?;
        Some(first.strip_suffix(".rs").unwrap_or(first))
    }

    /// How many modules deep the file's own module is: 0 for `src/lib.rs`, 1 for `src/clock.rs` and `src/aap/mod.rs`.
    pub fn depth(&self) -> usize {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let is_root = matches!(inside, "lib.rs" | "main.rs");
        let is_mod = inside.ends_with("/mod.rs");
        inside.split('/').count() - usize::from(is_root || is_mod)
    }
}

trait TestModules {
    fn flatten_test_modules(self) -> Vec<String>;
}

impl<'a, I: Iterator<Item = &'a Source>> TestModules for I {
    /// The paths, without `.rs`, of the modules that are declared under `#[cfg(test)]` and live in files of their own.
    fn flatten_test_modules(self) -> Vec<String> {
        let mut found = Vec::new();
        for source in self {
            let folder = match source.path.rsplit_once('/') {
                Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder.to_owned(),
                _ => source.path.trim_end_matches(".rs").to_owned(),
            };
            for range in test_items(&source.code) {
                let item = source.code[range].trim_end();
                if let Some((_, name)) = item.rsplit_once("mod ")
                    && let Some(name) = name.strip_suffix(';')
                {
                    found.push(format!("{folder}/{}", name.trim()));
                }
            }
        }
        found
    }
}

/// The number of the line that `offset` is in, from 1.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The place behind the brace that closes the one at `open` (in scrubbed code).
pub fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (i, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return i + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// Where the body of the item that begins at `from` opens, or where the item ends without one.
pub fn body_or_end(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (i, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b'{' | b';' if depth == 0 => return Some(i),
            _ => {}
        }
    }
    None
}

/// The items under `#[cfg(test)]`, attribute included.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (start, attribute) in code.match_indices("#[cfg(test)]") {
        if found.last().is_some_and(|last| last.contains(&start)) {
            continue;
        }
        let behind = start + attribute.len();
        // A module's other attributes may hold parentheses, never a brace or a semicolon outside them.
        let end = match body_or_end(code, behind) {
            Some(open) if code[behind..open].contains("use ") => {
                code[open..].find(';').map_or(code.len(), |length| open + length + 1)
            }
            Some(open) if code.as_bytes()[open] == b'{' => closing(code, open),
            Some(semicolon) => semicolon + 1,
            None => code.len(),
        };
        found.push(start..end);
    }
    found
}

fn blanked(text: &str, range: Range<usize>) -> String {
    let blank = text[range.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' });
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..range.start]);
    out.extend(blank);
    out.push_str(&text[range.end..]);
    out
}

#[test]
fn tests_are_told_from_production() {
    let text =
        "fn a() {}\n#[cfg(test)]\nuse b::{c};\nfn d() {}\n#[cfg(test)]\nmod tests {\n fn e() { \"}\"; }\n}\n";
    let source = Source::new("src/x.rs".into(), text.into());
    assert!(
        source.production.contains("fn a") && source.production.contains("fn d"),
        "{}",
        source.production
    );
    assert!(
        !source.production.contains("use") && !source.production.contains("fn e"),
        "{}",
        source.production
    );
    assert_eq!(source.production_lines, 2);
}

#[test]
fn a_module_declared_as_tests_is_tests_in_its_own_file() {
    let files = [
        ("src/aap/mod.rs", "mod a;\n#[cfg(test)]\nmod faults;\n"),
        ("src/aap/faults.rs", "fn f() {}\n"),
        ("src/aap/faults/more.rs", "fn g() {}\n"),
        ("src/aap/a.rs", "fn h() {}\n"),
    ];
    let sources = Source::all(files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect());
    let left: Vec<&str> = sources
        .iter()
        .filter(|source| source.production.contains("fn"))
        .map(|source| source.path.as_str())
        .collect();
    assert_eq!(left, ["src/aap/a.rs"]);
}

#[test]
fn a_file_knows_how_deep_its_module_is() {
    let depth = |path: &str| Source::new(path.into(), String::new()).depth();
    let depths =
        ["src/lib.rs", "src/clock.rs", "src/aap/mod.rs", "src/aap/runs.rs", "src/lab/a/mod.rs"].map(depth);
    assert_eq!(depths, [0, 1, 1, 2, 2]);
}
