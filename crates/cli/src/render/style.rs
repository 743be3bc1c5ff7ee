//! Colour, where it is wanted.

use inoculate_core::judge::Verdict;
use inoculate_core::run::Status;

/// How text looks where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Whether a person sees it at once, so that a line may be rewritten.
    pub terminal: bool,
    /// Whether it may have colour.
    pub colour: bool,
}

impl Style {
    /// No colour, not a terminal.
    pub const PLAIN: Style = Style {
        terminal: false,
        colour: false,
    };

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// For headings and names.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// For what matters less.
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// For what is as it should be.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// For what a person should look at.
    pub fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// For what is neither.
    pub fn unsure(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// A text in the colour of a verdict.
    pub fn verdict(self, verdict: Verdict, text: &str) -> String {
        match verdict {
            Verdict::Upheld => self.good(text),
            Verdict::Inconclusive => self.unsure(text),
            Verdict::Deviated => self.bad(text),
        }
    }

    /// A text in the colour of a status.
    pub fn status(self, status: Status, text: &str) -> String {
        match status {
            Status::Running | Status::Completed => self.bold(text),
            Status::Refused | Status::Aborted => self.unsure(text),
            Status::Failed | Status::RollbackFailed => self.bad(text),
        }
    }
}
