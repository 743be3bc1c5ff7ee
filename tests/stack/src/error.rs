//! What can go wrong between an empty machine and a running stack.

use std::path::PathBuf;
use std::time::Duration;

/// A failure of the local stack. Each says what failed, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No Python that is new enough was found.
    #[error(
        "no Python 3.10 or newer found (tried {tried}); install one, or name it with the environment variable PYTHON"
    )]
    PythonMissing {
        /// The commands that were tried, each with what came of it.
        tried: String,
    },

    /// Python is there, but not its module that makes virtual environments work.
    #[error("{python} has no `{module}` module; install it (on Debian and Ubuntu: `apt-get install python3-venv`)")]
    PythonIncomplete {
        /// The interpreter.
        python: PathBuf,
        /// The missing module.
        module: &'static str,
    },

    /// A file or folder could not be read, written or made.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried, as a verb: `read`, `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },

    /// A program could not be started at all.
    #[error("cannot start `{program}`")]
    Start {
        /// The program.
        program: String,
        /// The cause.
        source: std::io::Error,
    },

    /// A program ran and reported failure.
    #[error("{what} failed ({status}):\n{output}")]
    Command {
        /// What it was to do.
        what: String,
        /// The exit status in words.
        status: String,
        /// What it printed.
        output: String,
    },

    /// A program ran, but what it printed is not what it should print.
    #[error("{what} printed something that is not the JSON expected: {output}")]
    Output {
        /// What it was to do.
        what: String,
        /// What it printed.
        output: String,
        /// The cause.
        source: serde_json::Error,
    },

    /// MiniStack ended while it was starting.
    #[error("the local stack ended while starting ({status}); the end of its log:\n{log}")]
    Ended {
        /// The exit status in words.
        status: String,
        /// The last lines of its log.
        log: String,
    },

    /// MiniStack did not become ready in time.
    #[error("the local stack was not ready after {} seconds; the end of its log:\n{log}", waited.as_secs())]
    NotReady {
        /// How long it was given.
        waited: Duration,
        /// The last lines of its log.
        log: String,
    },

    /// CloudFormation did not bring a template to where it should be.
    #[error("{what} failed:\n{reason}")]
    Deploy {
        /// What was tried, with the name of the stack.
        what: String,
        /// The reason, with the resources that failed.
        reason: String,
    },
}

impl Error {
    /// Wraps a file error with what was tried on which path; for `map_err`.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
