//! The paths that a file names: each leaf of each `use`, and each path written out in the code.

/// A path and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPath {
    pub offset: usize,
    pub segments: Vec<String>,
    /// Whether it stands in a `pub use` of any reach.
    pub is_reexport: bool,
}

impl NamedPath {
    /// Whether the path begins with `head`, segment by segment.
    pub fn starts_with(&self, head: &str) -> bool {
        let mut segments = self.segments.iter();
        head.split("::").all(|wanted| segments.next().is_some_and(|segment| segment == wanted))
    }

    /// Whether the path ends with `tail`, segment by segment.
    pub fn ends_with(&self, tail: &str) -> bool {
        let mut segments = self.segments.iter().rev();
        tail.rsplit("::").all(|wanted| segments.next().is_some_and(|segment| segment == wanted))
    }

    pub fn shown(&self) -> String {
        self.segments.join("::")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token<'a> {
    offset: usize,
    text: &'a str,
}

impl Token<'_> {
    fn is_word(self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// Every path in scrubbed code. A path that only consists of one word is not listed, unless it is used.
pub fn named(code: &str) -> Vec<NamedPath> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let token = tokens[i];
        let next = tokens.get(i + 1).map_or("", |next| next.text);
        if token.text == "use" && next != "<" {
            let is_reexport = follows_visibility(&tokens[..i]);
            i = use_tree(&tokens, i + 1, &[], is_reexport, &mut found);
        } else if token.is_word() && next == "::" {
            let (path, end) = written_out(&tokens, i);
            found.push(path);
            i = end;
        } else {
            i += 1;
        }
    }
    found
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let offset = code.len() - rest.len();
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = match first {
            _ if first.is_whitespace() => {
                rest = &rest[first.len_utf8()..];
                continue;
            }
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        found.push(Token { offset, text: &rest[..length] });
        rest = &rest[length..];
    }
    found
}

/// Whether the tokens end with `pub` or `pub(…)`.
fn follows_visibility(tokens: &[Token<'_>]) -> bool {
    let last = |back: usize| tokens.len().checked_sub(back).map_or("", |i| tokens[i].text);
    if last(1) != ")" {
        return last(1) == "pub";
    }
    let open = tokens.iter().rposition(|token| token.text == "(");
    open.and_then(|open| open.checked_sub(1)).is_some_and(|i| tokens[i].text == "pub")
}

/// Reads one branch of a `use` that begins at token `i`; returns the token behind it.
fn use_tree(
    tokens: &[Token<'_>],
    mut i: usize,
    prefix: &[String],
    is_reexport: bool,
    found: &mut Vec<NamedPath>,
) -> usize {
    let offset = tokens.get(i).map_or(0, |token| token.offset);
    let mut segments = prefix.to_vec();
    while let Some(token) = tokens.get(i) {
        match token.text {
            "{" => {
                i += 1;
                while tokens.get(i).is_some_and(|token| token.text != "}") {
                    i = use_tree(tokens, i, &segments, is_reexport, found);
                    i += usize::from(tokens.get(i).is_some_and(|token| token.text == ","));
                }
                return i + 1;
            }
            "as" => {
                i += 2;
                break;
            }
            "::" => i += 1,
            "*" => {
                segments.push("*".to_owned());
                i += 1;
            }
            _ if token.is_word() => {
                segments.push(token.text.to_owned());
                i += 1;
            }
            _ => break,
        }
    }
    if segments.len() == prefix.len() {
        // Nothing that a path could begin with: step over it, so that reading goes on.
        return i + 1;
    }
    found.push(NamedPath { offset, segments, is_reexport });
    i
}

/// Reads a path in the code that begins at token `i`; returns the token behind it.
fn written_out(tokens: &[Token<'_>], mut i: usize) -> (NamedPath, usize) {
    let offset = tokens[i].offset;
    let mut segments = vec![tokens[i].text.to_owned()];
    i += 1;
    while tokens.get(i).is_some_and(|token| token.text == "::") {
        match tokens.get(i + 1) {
            Some(token) if token.is_word() => segments.push(token.text.to_owned()),
            _ => break,
        }
        i += 2;
    }
    (NamedPath { offset, segments, is_reexport: false }, i.max(1))
}

/// The bodies of the modules written inline: where each begins and ends.
pub fn inline_modules(code: &str) -> Vec<std::ops::Range<usize>> {
    let tokens = tokens(code);
    let declared = tokens.windows(3).filter(|three| three[0].text == "mod" && three[2].text == "{");
    declared.map(|three| three[2].offset..super::source::closing(code, three[2].offset)).collect()
}

#[test]
fn every_leaf_of_a_use_is_a_path() {
    let code =
        "use a::{b, c::{self, D as E}, f::*};\npub(crate) use crate::wire::X; fn g() { h::i::<T>(j::k) }";
    let shown: Vec<String> = named(code).iter().map(NamedPath::shown).collect();
    assert_eq!(shown, ["a::b", "a::c::self", "a::c::D", "a::f::*", "crate::wire::X", "h::i", "j::k"]);
    let reexported: Vec<String> =
        named(code).iter().filter(|path| path.is_reexport).map(NamedPath::shown).collect();
    assert_eq!(reexported, ["crate::wire::X"]);
}

#[test]
fn heads_and_tails_are_compared_by_segment() {
    let path = &named("tokio::time::sleep(x)")[0];
    assert!(path.starts_with("tokio::time") && path.ends_with("time::sleep"));
    assert!(!path.starts_with("tok") && !path.ends_with("eep"));
}
