//! Texts that belong to one machine, one workplace or one way of writing, and so to no file of the repository.
//!
//! The words themselves are put together from halves here, so that this file passes its own rule.

use super::finding::Finding;
use super::source::line_of;
use super::tree::Tree;

/// What a word is and what stands in its place.
struct Word {
    text: &'static str,
    /// Whether the word may stand in recordings of neighbours, which are kept as they were.
    is_fine_in_recordings: bool,
    instead: &'static str,
}

const MACHINE: &str = "use a path relative to the repository, a temporary folder (tempfile), or a setting";
const REGISTRY: &str = "name the package, not where it is fetched from";
const TOOL: &str = "say what the code does and why; who or what wrote it does not matter to its reader";

const WORDS: [Word; 24] = [
    machine(concat!("/wo", "rk/")),
    machine(concat!("/tm", "p/")),
    machine(concat!("/ro", "ot/")),
    machine(concat!("/ho", "me/")),
    registry(concat!("crates", ".io")),
    registry(concat!("py", "pi.org")),
    registry(concat!("python", "hosted.org")),
    registry(concat!("proxy.go", "lang.org")),
    registry(concat!("sum.go", "lang.org")),
    registry(concat!("registry.np", "mjs.org")),
    registry(concat!("maven", ".org")),
    registry(concat!("maven.apa", "che.org")),
    registry(concat!("deb.deb", "ian.org")),
    registry(concat!("galaxy.ans", "ible.com")),
    tool(concat!("cla", "ude")),
    tool(concat!("anth", "ropic")),
    tool(concat!("open", "ai")),
    tool(concat!("chat", "gpt")),
    tool(concat!("co", "pilot")),
    tool(concat!("language ", "model")),
    tool(concat!("ai ", "tool")),
    tool(concat!("ai ", "assistant")),
    tool(concat!("coding ", "session")),
    tool(concat!("the work", "place")),
];

const fn machine(text: &'static str) -> Word {
    Word { text, is_fine_in_recordings: true, instead: MACHINE }
}

const fn registry(text: &'static str) -> Word {
    Word { text, is_fine_in_recordings: false, instead: REGISTRY }
}

const fn tool(text: &'static str) -> Word {
    Word { text, is_fine_in_recordings: false, instead: TOOL }
}

/// Every such word in every text of the repository.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in tree.texts() {
        let is_recording = path.starts_with("tests/data/");
        let lower = text.to_ascii_lowercase();
        for word in WORDS.iter().filter(|word| !(is_recording && word.is_fine_in_recordings)) {
            for (offset, _) in lower.match_indices(word.text) {
                if stands_alone(&lower, offset, word.text) && !is_lock_source(path, &lower, offset) {
                    let place = format!("{path}:{}", line_of(text, offset));
                    found.push(Finding::new(place, format!("'{}' is written", word.text), word.instead));
                }
            }
        }
    }
    found
}

/// Whether the word is not the middle of a longer one (`framework/`, `src/work/`).
fn stands_alone(text: &str, offset: usize, word: &str) -> bool {
    let before = text[..offset].chars().next_back();
    let after = text[offset + word.len()..].chars().next();
    let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    if word.starts_with('/') {
        return !is_letter(before) && !matches!(before, Some('.' | '-' | '}' | '$' | ')'));
    }
    !is_letter(before) && !is_letter(after)
}

/// Cargo writes the name of its index into its lock file, and must.
fn is_lock_source(path: &str, text: &str, offset: usize) -> bool {
    let line = text[..offset].rsplit('\n').next().unwrap_or_default();
    path == "Cargo.lock" && line.starts_with("source = \"registry+")
}

#[cfg(test)]
mod tests {
    use super::super::finding::{assert_none, assert_one};
    use super::*;

    #[test]
    fn each_word_is_found() {
        for word in &WORDS {
            let text = format!("first\nsee {} there\n", word.text.to_uppercase());
            assert_one(&check(&Tree::of(&[("docs/a.md", &text)])), "docs/a.md:2");
        }
    }

    #[test]
    fn longer_words_recordings_and_the_lock_file_are_no_findings() {
        let path = concat!("x = \"", "/tm", "p/ansible_1\"\n");
        let lock = concat!("source = \"registry+https://github.com/rust-lang/crates", ".io-index\"\n");
        assert_none(&check(&Tree::of(&[
            ("docs/a.md", concat!("frame/wo", "rk/x, $HOME/wo", "rk/x, micro", "pilots\n")),
            ("tests/data/aap/job.json", path),
            ("Cargo.lock", lock),
        ])));
        assert_one(&check(&Tree::of(&[("src/a.rs", path)])), "tempfile");
        assert_one(&check(&Tree::of(&[("Cargo.toml", lock)])), "name the package");
    }
}
