//! What makes a task fail.

use std::path::PathBuf;

/// A failed task. Each says what failed, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The local stack, or the Python environment under it.
    #[error(transparent)]
    Stack(#[from] inoculate_stack::Error),

    /// A program could not be started at all.
    #[error("cannot start `{command}`")]
    Start { command: String, source: std::io::Error },

    /// A program ran and reported failure; it has said why itself.
    #[error("`{command}` failed ({status})")]
    Failed { command: String, status: String },

    /// Packages are bigger than they may be.
    #[error("too big (more than {limit_bytes} bytes zipped): {names}")]
    TooBig { names: String, limit_bytes: u64 },

    /// A part of the Rust toolchain is missing.
    #[error("the Rust standard library for {target} is not installed; run `rustup target add {target}`")]
    TargetMissing { target: &'static str },

    /// There is nothing to measure yet.
    #[error("no packages in {}; make them with `cargo xtask package`", path.display())]
    NoPackages { path: PathBuf },

    /// A benchmark could not measure what it should.
    #[error("nothing was measured: {problem}")]
    Benchmark { problem: String },

    /// The demonstration ran, and what it showed is not what it should show.
    #[error("the demonstration did not go as it should:\n{}", problems.join("\n"))]
    Demo { problems: Vec<String> },
}
