//! Where output goes: results to stdout, progress and errors to stderr.
//!
//! Every output passes here, and nothing that acts on a terminal passes but line breaks and our own colours: records,
//! experiments and errors hold words of others.

use std::cell::RefCell;
use std::io::{IsTerminal, Write};

use crossterm::cursor::{MoveToColumn, MoveUp};
use crossterm::queue;
use crossterm::style::Print;
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use inoculate_core::error::Error;
use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;
use crate::render;
use crate::render::style::Style;
use crate::render::text::{harmless, harmless_json, width};
use crate::terminal;

/// Where output goes, and how it looks there.
pub struct Output {
    /// Whether stdout holds JSON.
    pub json: bool,
    /// How text on stdout looks.
    pub stdout: Style,
    /// How text on stderr looks.
    pub stderr: Style,
    /// The last lines of the terminal, as they are drawn now.
    drawn: RefCell<Vec<String>>,
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
        Output::new(
            json,
            style(std::io::stdout().is_terminal()),
            style(std::io::stderr().is_terminal()),
        )
    }

    /// An output that looks like this.
    pub fn new(json: bool, stdout: Style, stderr: Style) -> Output {
        Output {
            json,
            stdout,
            stderr,
            drawn: RefCell::default(),
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

    /// Prints lines of progress, above the status if there is one.
    pub fn progress(&self, text: &str) {
        let status = self.drawn.take();
        let is_drawn = !status.is_empty();
        if is_drawn {
            self.draw(&status, &[], &format!("{}\n", text.trim_end()));
            self.draw(&[], &status, "");
            self.drawn.replace(status);
        } else {
            to_stderr(text, self.stderr);
        }
    }

    /// Rewrites the last lines of a terminal, none to take them away; does nothing elsewhere. Each must fit in a row.
    pub fn status(&self, lines: &[String]) {
        if self.stderr.terminal {
            let before = self.drawn.replace(lines.to_vec());
            self.draw(&before, lines, "");
        }
    }

    /// Takes lines away that are the last ones of the terminal, prints a text, and draws lines below it.
    fn draw(&self, before: &[String], after: &[String], text: &str) {
        let columns = terminal::size().columns;
        // A terminal that became narrower has broken the lines into more rows.
        let rows: usize = before.iter().map(|line| width(line).div_ceil(columns).max(1)).sum();
        let up = u16::try_from(rows.saturating_sub(1)).unwrap_or(u16::MAX);
        let text = harmless(&format!("{text}{}", after.join("\n")), self.stderr);
        let text = text.replace('\n', terminal::line_end());
        // Nobody is left to tell when the terminal is gone.
        let _ = redraw(up, &text);
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

/// Replaces the row of the cursor and so many above it by a text, at once for terminals that know how.
fn redraw(up: u16, text: &str) -> std::io::Result<()> {
    let mut stderr = std::io::stderr().lock();
    queue!(stderr, BeginSynchronizedUpdate)?;
    if up > 0 {
        queue!(stderr, MoveUp(up))?;
    }
    queue!(stderr, MoveToColumn(0), Clear(ClearType::FromCursorDown), Print(text))?;
    queue!(stderr, EndSynchronizedUpdate)?;
    stderr.flush()
}

/// A reader that has gone (`| head`) is no error.
fn to_stdout(text: &str, style: Style) {
    let _ = writeln!(std::io::stdout().lock(), "{}", harmless(text.trim_end(), style));
}

fn to_stderr(text: &str, style: Style) {
    let text = harmless(&format!("{}\n", text.trim_end()), style);
    let _ = write!(std::io::stderr().lock(), "{}", text.replace('\n', terminal::line_end()));
}
