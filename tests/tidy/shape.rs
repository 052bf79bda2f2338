//! Sizes: files fit a sitting, functions fit a screen, and each file says what it is for.

use super::finding::Finding;
use super::source::{Source, body_or_end, closing, line_of};

/// Lines of a file without its tests.
pub const FILE_LINES_MAX: usize = 400;
/// Lines of a function, from `fn` to its closing brace.
pub const FUNCTION_LINES_MAX: usize = 70;

pub fn files(sources: &[Source]) -> Vec<Finding> {
    let long = sources.iter().filter(|source| source.production_lines > FILE_LINES_MAX);
    let finding = |source: &Source| {
        let what = format!("{} lines before its tests (at most {FILE_LINES_MAX})", source.production_lines);
        Finding::new(&source.path, what, "split it by meaning into a folder of the same name")
    };
    long.map(finding).collect()
}

pub fn functions(sources: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in sources {
        for (name, offset, lines) in measured(&source.code) {
            if lines > FUNCTION_LINES_MAX {
                let what = format!("fn {name} has {lines} lines (at most {FUNCTION_LINES_MAX})");
                let instead = "keep the flow here and move the leaves into functions of their own";
                found.push(Finding::new(source.place(offset), what, instead));
            }
        }
    }
    found
}

pub fn headers(sources: &[Source]) -> Vec<Finding> {
    let silent = sources.iter().filter(|source| !source.text.starts_with("//! "));
    let instead = "begin with `//! `: what the file is for, and what it deliberately does not do";
    silent.map(|source| Finding::new(&source.path, "does not begin with a module doc", instead)).collect()
}

/// Each function with a body: its name, its place, and its lines.
fn measured(code: &str) -> Vec<(&str, usize, usize)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (offset, _) in code.match_indices("fn ") {
        if code[..offset].ends_with(is_part) {
            continue;
        }
        let rest = code[offset + 3..].trim_start();
        let name = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        let Some(open) = body_or_end(code, offset) else { continue };
        if name.is_empty() || code.as_bytes()[open] != b'{' {
            continue;
        }
        let end = closing(code, open);
        found.push((name, offset, line_of(code, end - 1) - line_of(code, offset) + 1));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::finding::{assert_none, assert_one};
    use super::*;

    fn function(name: &str, lines: usize) -> String {
        format!("fn {name}(a: [u8; 3]) -> u8 {{\n{}}}\n", "    // {\n".repeat(lines - 2))
    }

    fn one(text: String) -> Vec<Source> {
        vec![Source::new("src/x.rs".into(), text)]
    }

    #[test]
    fn a_function_of_more_than_a_screen_is_found() {
        assert_none(&functions(&one(function("fits", FUNCTION_LINES_MAX))));
        let text = format!("{}{}", function("first", 5), function("long", FUNCTION_LINES_MAX + 1));
        assert_one(&functions(&one(text)), "src/x.rs:6: fn long has 71 lines");
    }

    #[test]
    fn a_file_of_more_than_a_sitting_is_found_and_its_tests_do_not_count() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "//\n".repeat(500));
        assert_none(&files(&one(format!("{}{tests}", "//\n".repeat(FILE_LINES_MAX)))));
        assert_one(&files(&one(format!("{}{tests}", "//\n".repeat(FILE_LINES_MAX + 1)))), "401 lines");
    }

    #[test]
    fn a_file_without_a_module_doc_is_found() {
        assert_one(&headers(&one("use a::b;\n".into())), "module doc");
        assert_none(&headers(&one("//! What it is for.\n".into())));
    }
}
