//! Where output goes: results to stdout, progress and errors to stderr.
//!
//! Every output passes here, and nothing that acts on a terminal passes but line breaks and our own colours: records,
//! experiments and errors hold words of others.

#[cfg(test)]
pub(crate) mod heard;

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};

use crossterm::cursor::{MoveToColumn, MoveUp};
use crossterm::queue;
use crossterm::style::Print;
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use inoculate_core::error::{Code, Error};
use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;
use crate::github::Job;
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
    /// The job of GitHub Actions that this is a part of.
    pub job: Option<Job>,
    streams: RefCell<Streams>,
    /// The last lines of the terminal, as they are drawn now.
    drawn: RefCell<Vec<String>>,
}

/// Where the two streams of an output go.
struct Streams {
    stdout: Box<dyn Write>,
    stderr: Box<dyn Write>,
}

impl Output {
    /// The output of this process: colour on terminals only, and not with `NO_COLOR`; for GitHub Actions in one of its jobs.
    pub fn of_process(json: bool) -> Output {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let style = |terminal: bool| Style {
            terminal: terminal && !dumb,
            colour: terminal && !dumb && !no_color,
        };
        let output = Output::new(
            json,
            style(io::stdout().is_terminal()),
            style(io::stderr().is_terminal()),
        );
        Output {
            job: Job::of_process(),
            ..output
        }
    }

    /// An output that looks like this, to the streams of this process, for nobody but people.
    pub fn new(json: bool, stdout: Style, stderr: Style) -> Output {
        let streams = Streams {
            stdout: Box::new(io::stdout()),
            stderr: Box::new(io::stderr()),
        };
        Output {
            json,
            stdout,
            stderr,
            job: None,
            streams: RefCell::new(streams),
            drawn: RefCell::default(),
        }
    }

    /// The same output to other streams.
    pub fn sent_to(self, stdout: impl Write + 'static, stderr: impl Write + 'static) -> Output {
        self.streams.replace(Streams {
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
        });
        self
    }

    /// Prints a result: the text, or the data with `--json`.
    pub fn result(&self, data: &impl Serialize, text: impl FnOnce(Style) -> String) {
        if self.json {
            self.json(data);
        } else {
            self.text(&text(self.stdout));
        }
    }

    /// Prints text to stdout, where no JSON is asked for.
    pub fn text(&self, text: &str) {
        self.to_stdout(&harmless(text.trim_end(), self.stdout));
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
            self.to_stderr(text);
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
        let _ = redraw(&mut self.streams.borrow_mut().stderr, up, &text);
    }

    /// Prints why a command did not do what it was asked.
    pub fn failure(&self, failure: &Failure) {
        match (failure, self.json) {
            (Failure::Error(error), false) => self.to_stderr(&render::error::text(error, self.stderr)),
            (Failure::Error(error), true) => self.json(&json!({ "error": error_object(error) })),
            (Failure::Invalid(checked), false) => self.to_stderr(&render::problems::text(checked, self.stderr)),
            (Failure::Invalid(checked), true) => {
                let error = render::problems::as_error(checked);
                let mut object = error_object(&error);
                object["source"] = json!(checked.source);
                object["problems"] = json!(checked.problems);
                self.json(&json!({ "error": object }));
            }
        }
        self.annotate(failure);
    }

    /// Shows mistakes in experiments at their lines, in a job of GitHub Actions. The runner reads both streams of a step, and stdout
    /// may have to hold JSON.
    pub fn annotate(&self, failure: &Failure) {
        let Some(job) = &self.job else { return };
        let annotations = match failure {
            Failure::Invalid(checked) => {
                let file = checked.file().map(|file| job.path(file));
                render::github::mistakes(checked, file.as_deref())
            }
            Failure::Error(error) if error.code == Code::InvalidExperiment => vec![render::github::unreadable(error)],
            Failure::Error(_) => vec![],
        };
        for line in annotations {
            self.progress(&line);
        }
    }

    /// Prints what is wrong with the command line, as JSON.
    pub fn usage(&self, message: &str) {
        let message = message.trim().trim_start_matches("error: ");
        self.json(&json!({ "error": { "code": "Usage", "message": message } }));
    }

    fn json(&self, data: &impl Serialize) {
        match serde_json::to_string_pretty(data) {
            Ok(text) => self.to_stdout(&harmless_json(&text)),
            Err(error) => self.to_stderr(&format!("error[Internal]: the result is not JSON: {error}")),
        }
    }

    /// A reader that has gone (`| head`) is no error.
    fn to_stdout(&self, text: &str) {
        let _ = writeln!(self.streams.borrow_mut().stdout, "{text}");
    }

    fn to_stderr(&self, text: &str) {
        let text = harmless(&format!("{}\n", text.trim_end()), self.stderr);
        let text = text.replace('\n', terminal::line_end());
        let _ = write!(self.streams.borrow_mut().stderr, "{text}");
    }
}

/// An error as JSON.
pub fn error_object(error: &Error) -> serde_json::Value {
    json!({ "code": error.code, "message": error.message, "help": error.help })
}

/// Replaces the row of the cursor and so many above it by a text, at once for terminals that know how.
fn redraw(stderr: &mut impl Write, up: u16, text: &str) -> io::Result<()> {
    queue!(stderr, BeginSynchronizedUpdate)?;
    if up > 0 {
        queue!(stderr, MoveUp(up))?;
    }
    queue!(stderr, MoveToColumn(0), Clear(ClearType::FromCursorDown), Print(text))?;
    queue!(stderr, EndSynchronizedUpdate)?;
    stderr.flush()
}
