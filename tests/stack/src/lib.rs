//! The local stack: MiniStack, an AWS emulator, in a Python virtual environment, on a free loopback port.
//!
//! ```no_run
//! use inoculate_stack::{Deployment, Stack, workspace_root};
//!
//! # fn main() -> Result<(), inoculate_stack::Error> {
//! let stack = Stack::start()?;
//! let outputs = stack.deploy(&Deployment::new("inoculate", workspace_root().join("infra/template.yaml")))?;
//! println!("{} at {}", outputs["StateMachineArn"], stack.endpoint_url());
//! # Ok(())
//! # }
//! ```
//!
//! When a [`Stack`] is dropped, every process behind it is killed, the Lambda functions included. The same happens
//! when the process that holds it is killed (see [`Guarded`]).
//!
//! The first use on a machine installs the packages of `requirements.txt`, with their hashes checked, into
//! `target/python/`; later uses find them there. Nothing outside `target/` and a temporary folder is written.

mod cache;
mod deploy;
mod error;
mod guard;
mod node;
pub mod package;
mod script;
mod server;
pub mod venv;

pub use deploy::{Deployment, Outputs};
pub use error::Error;
pub use guard::Guarded;
pub use node::NodePackages;
pub use server::{REGION, Request, Stack};
pub use venv::PythonEnv;

use std::path::{Path, PathBuf};

/// The folder of this crate, which holds the Python side and its requirements.
#[must_use]
pub fn crate_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The root of the workspace this crate was built in.
#[must_use]
pub fn workspace_root() -> PathBuf {
    crate_dir().ancestors().nth(2).unwrap_or(crate_dir()).to_path_buf()
}

/// Cargo's target folder: `CARGO_TARGET_DIR` if set, else `target` in the workspace.
#[must_use]
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => workspace_root().join(dir),
        None => workspace_root().join("target"),
    }
}

/// Where the dev profile puts the binaries that the local stack runs.
#[must_use]
pub fn dev_binaries() -> PathBuf {
    target_dir().join("debug")
}
