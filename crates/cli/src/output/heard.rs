//! What an output said, kept for tests.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use super::Output;

/// One stream, kept.
#[derive(Debug, Clone, Default)]
struct Kept(Rc<RefCell<Vec<u8>>>);

impl Kept {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What was said to both streams.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    stdout: Kept,
    stderr: Kept,
}

impl Heard {
    /// The same output, but what it says is kept here and goes nowhere else.
    pub(crate) fn of(&self, output: Output) -> Output {
        output.sent_to(self.stdout.clone(), self.stderr.clone())
    }

    /// What went to stdout.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What went to stderr.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Both, for people to compare: progress, then the result.
    pub(crate) fn all(&self) -> String {
        format!("stderr:\n{}\nstdout:\n{}", self.stderr(), self.stdout())
    }
}
