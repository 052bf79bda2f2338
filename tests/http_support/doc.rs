//! `docs/HTTP.md` as a test: each `curl` in it, and the answer that stands below.

use serde_json::Value;

use super::{Answer, Request};

/// An example of the document.
#[derive(Debug)]
pub struct Example {
    pub heading: String,
    /// What has to be so before: the word of the comment above it.
    pub setup: String,
    pub curl: String,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Option<Value>,
}

pub fn examples(document: &str) -> Vec<Example> {
    let (mut heading, mut setup, mut curl) = (String::new(), String::new(), None);
    let mut found = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if let Some(text) = line.strip_prefix("### ") {
            heading = text.to_owned();
        } else if let Some(text) = line.strip_prefix("<!-- setup: ") {
            setup = text.trim_end_matches(" -->").to_owned();
        } else if line.starts_with("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            match line {
                "```sh" => curl = Some(block.join("\n").replace("\\\n", " ")),
                "```http" => {
                    let curl = curl.take().expect("an answer stands below its curl");
                    found.push(answer(heading.clone(), std::mem::take(&mut setup), curl, &block));
                }
                other => panic!("a block of {other}"),
            }
        }
    }
    found
}

fn answer(heading: String, setup: String, curl: String, block: &[&str]) -> Example {
    let status = block[0].parse().unwrap();
    let head = block[1..].iter().take_while(|line| !line.is_empty());
    let headers: Vec<(String, String)> = head
        .map(|line| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap())
        .collect();
    let rest = block[1 + headers.len()..].join("\n");
    let body = (!rest.trim().is_empty())
        .then(|| serde_json::from_str(&rest).unwrap_or_else(|error| panic!("{heading}: {error}\n{rest}")));
    Example { heading, setup, curl, status, headers, body }
}

/// What `curl` would send, with `variables` filled in. Understands what the document uses, and nothing else.
pub fn request(curl: &str, variables: &[(&str, String)]) -> Request {
    let words = words(curl, variables);
    let mut request = Request::new("GET", "");
    let mut rest = words.into_iter();
    assert_eq!(rest.next().as_deref(), Some("curl"));
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-X" => request.method = rest.next().unwrap(),
            "--limit-rate" => {
                request.is_half = true;
                rest.next();
            }
            "-H" => {
                let header = rest.next().unwrap();
                if header == "@70-headers.txt" {
                    request =
                        (0..70).fold(request, |request, index| request.header(&format!("X-{index}"), "x"));
                } else if let Some(name) = header.strip_suffix(';') {
                    request = request.header(name, "");
                } else {
                    let (name, value) = header.split_once(": ").unwrap();
                    request = request.header(name, value);
                }
            }
            "-d" => {
                request.body = Some(rest.next().unwrap().into_bytes());
                if !request.headers.iter().any(|(name, _)| name == "Content-Type") {
                    request = request.header("Content-Type", "application/x-www-form-urlencoded");
                }
            }
            "--data-binary" => {
                assert_eq!(rest.next().as_deref(), Some("@300-kib.json"));
                request.body = Some(vec![b' '; 300 * 1_024]);
            }
            address => {
                let target = address.strip_prefix("http://127.0.0.1:8080").unwrap();
                request.target = target.to_owned();
            }
        }
    }
    request
}

/// Words as a shell splits them: double quotes let variables in, single quotes do not.
fn words(line: &str, variables: &[(&str, String)]) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut is_open) = (String::new(), None, false);
    let mut rest = line.chars().peekable();
    while let Some(letter) = rest.next() {
        match (letter, quote) {
            ('\'' | '"', None) => {
                quote = Some(letter);
                is_open = true;
            }
            (letter, Some(open)) if letter == open => quote = None,
            (' ' | '\n', None) => {
                if is_open {
                    words.push(std::mem::take(&mut word));
                }
                is_open = false;
            }
            ('$', quote) if quote != Some('\'') => {
                let mut name = String::new();
                while let Some(letter) = rest.next_if(|letter| letter.is_ascii_uppercase() || *letter == '_')
                {
                    name.push(letter);
                }
                let value = variables.iter().find(|(known, _)| *known == name);
                word.push_str(&value.unwrap_or_else(|| panic!("${name} is not set")).1);
                is_open = true;
            }
            (letter, _) => {
                word.push(letter);
                is_open = true;
            }
        }
    }
    if is_open {
        words.push(word);
    }
    words
}

/// Panics unless `answer` is what the example says.
pub fn compare(example: &Example, answer: &Answer) {
    let place =
        format!("{}\n{}\nanswered {}: {}", example.heading, example.curl, answer.status, answer.text());
    assert_eq!(answer.status, example.status, "{place}");
    for (name, value) in &example.headers {
        let sent = answer.header(name).unwrap_or_else(|| panic!("no {name}: {place}"));
        assert!(text_fits(value, sent), "{name}: {sent}\n{place}");
    }
    if let Some(body) = &example.body {
        fits(body, &answer.json(), "").unwrap_or_else(|why| panic!("{why}\n{place}"));
    }
}

fn fits(said: &Value, sent: &Value, at: &str) -> Result<(), String> {
    match (said, sent) {
        (Value::String(text), _) if text == "…" => Ok(()),
        (Value::String(said), Value::String(sent)) if text_fits(said, sent) => Ok(()),
        (Value::Object(said), Value::Object(sent)) => {
            let is_open = said.contains_key("…");
            for (name, value) in said.iter().filter(|(name, _)| *name != "…") {
                let sent = sent.get(name).ok_or_else(|| format!("{at}/{name} is missing"))?;
                fits(value, sent, &format!("{at}/{name}"))?;
            }
            match sent.keys().find(|name| !is_open && !said.contains_key(*name)) {
                Some(name) => Err(format!("{at}/{name} is not documented")),
                None => Ok(()),
            }
        }
        (Value::Array(said), Value::Array(sent)) if said.len() == sent.len() => {
            said.iter().zip(sent).enumerate().try_for_each(|(i, (a, b))| fits(a, b, &format!("{at}/{i}")))
        }
        (said, sent) if said == sent => Ok(()),
        (said, sent) => Err(format!("{at} is {sent}, not {said}")),
    }
}

fn text_fits(said: &str, sent: &str) -> bool {
    match said.split_once('…') {
        Some((head, tail)) => sent.starts_with(head) && sent.ends_with(tail),
        None => said == sent,
    }
}
