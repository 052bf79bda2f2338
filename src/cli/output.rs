//! How commands speak: to people in colour where the terminal has it, to programs in JSON.

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

/// Speaks for one command.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// Speaks JSON when `json`.
    #[must_use]
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether programs read it.
    #[must_use]
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// One document for programs, or the text for people.
    pub fn tell(&self, document: &Value, text: impl FnOnce() -> String) {
        if self.json {
            println!("{document}");
        } else {
            anstream::println!("{}", text());
        }
    }

    /// A document that a program reads, however the command was asked to speak.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn document(&self, document: &Value) -> anyhow::Result<()> {
        println!(
            "{}",
            if self.json { document.to_string() } else { serde_json::to_string_pretty(document)? }
        );
        Ok(())
    }

    /// A line for people only.
    pub fn line(&self, text: impl AsRef<str>) {
        if !self.json {
            anstream::println!("{}", text.as_ref());
        }
    }

    /// What went wrong, with its causes.
    pub fn error(&self, error: &anyhow::Error) {
        if self.json {
            let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
            println!("{}", json!({"error": error.to_string(), "causes": causes}));
        } else {
            anstream::eprintln!("{} {error:#}", paint("error:", BAD));
        }
    }
}

pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const WARN: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const BOLD: Style = Style::new().bold();

/// `text` in `style`; anstream drops it where the terminal has no colour.
pub(super) fn paint(text: impl std::fmt::Display, style: Style) -> String {
    format!("{style}{text}{style:#}")
}
