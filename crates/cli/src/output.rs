//! Where output goes: results to stdout, progress and errors to stderr.
//!
//! Every output passes here, and nothing that acts on a terminal passes but line breaks and our own colours: records,
//! experiments and errors hold words of others.

use std::io::{IsTerminal, Write};

use inoculate_core::error::Error;
use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;
use crate::render;
use crate::render::style::Style;
use crate::render::text::{harmless, harmless_json};

/// Where output goes, and how it looks there.
pub struct Output {
    /// Whether stdout holds JSON.
    pub json: bool,
    /// How text on stdout looks.
    pub stdout: Style,
    /// How text on stderr looks.
    pub stderr: Style,
}

impl Output {
    /// The output of this process: colour on terminals only, and not with `NO_COLOR`.
    pub fn of_process(json: bool) -> Output {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let style = |terminal: bool| Style {
            terminal: terminal && !dumb,
            colour: terminal && !dumb && !no_color,
        };
        Output {
            json,
            stdout: style(std::io::stdout().is_terminal()),
            stderr: style(std::io::stderr().is_terminal()),
        }
    }

    /// Prints a result: the text, or the data with `--json`.
    pub fn result(&self, data: &impl Serialize, text: impl FnOnce(Style) -> String) {
        if self.json {
            self.json(data);
        } else {
            to_stdout(&text(self.stdout), self.stdout);
        }
    }

    /// Prints text to stdout, where no JSON is asked for.
    pub fn text(&self, text: &str) {
        to_stdout(text, self.stdout);
    }

    /// Prints a line of progress, over the status line if there is one.
    pub fn progress(&self, text: &str) {
        self.status_line("");
        to_stderr(text, self.stderr);
    }

    /// Rewrites the last line of a terminal; nothing elsewhere.
    pub fn status_line(&self, text: &str) {
        if self.stderr.terminal {
            let text = harmless(text, self.stderr);
            let _ = write!(std::io::stderr().lock(), "\r\x1b[2K{text}");
        }
    }

    /// Prints why a command did not do what it was asked.
    pub fn failure(&self, failure: &Failure) {
        match (failure, self.json) {
            (Failure::Error(error), false) => to_stderr(&render::error::text(error, self.stderr), self.stderr),
            (Failure::Error(error), true) => self.json(&json!({ "error": error_object(error) })),
            (Failure::Invalid(checked), false) => to_stderr(&render::problems::text(checked, self.stderr), self.stderr),
            (Failure::Invalid(checked), true) => {
                let error = render::problems::as_error(checked);
                let mut object = error_object(&error);
                object["source"] = json!(checked.source);
                object["problems"] = json!(checked.problems);
                self.json(&json!({ "error": object }));
            }
        }
    }

    /// Prints what is wrong with the command line, as JSON.
    pub fn usage(&self, message: &str) {
        let message = message.trim().trim_start_matches("error: ");
        self.json(&json!({ "error": { "code": "Usage", "message": message } }));
    }

    fn json(&self, data: &impl Serialize) {
        match serde_json::to_string_pretty(data) {
            Ok(text) => to_stdout(&harmless_json(&text), Style::PLAIN),
            Err(error) => to_stderr(
                &format!("error[Internal]: the result is not JSON: {error}"),
                self.stderr,
            ),
        }
    }
}

/// An error as JSON.
pub fn error_object(error: &Error) -> serde_json::Value {
    json!({ "code": error.code, "message": error.message, "help": error.help })
}

/// A reader that has gone (`| head`) is no error.
fn to_stdout(text: &str, style: Style) {
    let _ = writeln!(std::io::stdout().lock(), "{}", harmless(text.trim_end(), style));
}

fn to_stderr(text: &str, style: Style) {
    let _ = writeln!(std::io::stderr().lock(), "{}", harmless(text.trim_end(), style));
}
