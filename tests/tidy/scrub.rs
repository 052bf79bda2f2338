//! Rust without its comments and the contents of its literals, byte for byte as long as before, so that rules can
//! look for words and braces without being fooled by text.

/// Blanks comments and the contents of string and character literals; line breaks stay.
pub fn scrub(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => blank(&mut out, at, line_end(bytes, at)),
            b'/' if bytes.get(at + 1) == Some(&b'*') => blank(&mut out, at, comment_end(bytes, at)),
            b'"' => {
                let end = string_end(bytes, at + 1);
                blank(&mut out, at + 1, end.saturating_sub(1));
                end
            }
            b'r' if !follows_word(bytes, at) => match raw_string(bytes, at) {
                Some((start, end)) => {
                    blank(&mut out, start, end);
                    end
                }
                None => at + 1,
            },
            b'\'' => match char_end(text, at) {
                Some(end) => {
                    blank(&mut out, at + 1, end - 1);
                    end
                }
                None => at + 1,
            },
            _ => at + 1,
        };
        at = end;
    }
    String::from_utf8(out).expect("whole characters were replaced by spaces")
}

fn blank(out: &mut [u8], from: usize, to: usize) -> usize {
    let to = to.min(out.len());
    for byte in out.get_mut(from..to).into_iter().flatten().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
    to
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

fn comment_end(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut i) = (0, at);
    while i < bytes.len() {
        match &bytes[i..(i + 2).min(bytes.len())] {
            b"/*" => (depth, i) = (depth + 1, i + 2),
            b"*/" => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

/// The place behind the closing quote of a string whose contents begin at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Whether the byte before `at` (a string's `b` or `c` aside) belongs to a word.
fn follows_word(bytes: &[u8], at: usize) -> bool {
    let is_word = |i: usize| bytes[i].is_ascii_alphanumeric() || bytes[i] == b'_';
    match at {
        0 => false,
        1 => is_word(0) && !matches!(bytes[0], b'b' | b'c'),
        _ if matches!(bytes[at - 1], b'b' | b'c') => is_word(at - 2),
        _ => is_word(at - 1),
    }
}

/// The contents of the raw string that starts with the `r` at `at`: from behind its quote to the closing one.
fn raw_string(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    let start = at + 1 + hashes;
    if bytes.get(start) != Some(&b'"') {
        return None;
    }
    let mut closing = vec![b'"'];
    closing.resize(hashes + 1, b'#');
    let rest = &bytes[start + 1..];
    let length = rest.windows(closing.len()).position(|window| window == closing).unwrap_or(rest.len());
    // The closing quote is blanked too, so that it is not read as an opening one.
    Some((start, start + 1 + length + 1))
}

/// The place behind the closing quote of the character literal at `at`; none for a lifetime.
fn char_end(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at + 1..];
    let mut chars = rest.char_indices();
    let (_, first) = chars.next()?;
    if first == '\\' {
        let escaped = rest.char_indices().nth(1)?;
        let from = escaped.0 + escaped.1.len_utf8();
        return rest[from..].find('\'').map(|length| at + 1 + from + length + 1);
    }
    let (second, quote) = chars.next()?;
    (quote == '\'').then_some(at + 1 + second + 1)
}

#[test]
fn text_is_blanked_and_code_is_kept() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"f("x{\"y", 1)"#, r#"f("     ", 1)"#),
        ("g(r#\"{\"#, b)", "g(r#   #, b)"),
        ("h('{', '\\'', 'é', &'a str)", "h(' ', '  ', '  ', &'a str)"),
        ("br\"x\"; for_r\"y\"", "br   ; for_r\" \""),
    ];
    for (text, scrubbed) in cases {
        assert_eq!(scrub(text), scrubbed, "{text}");
    }
}
