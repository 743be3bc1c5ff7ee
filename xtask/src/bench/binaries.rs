//! Which builds of the functions are measured.

use std::fs;
use std::path::PathBuf;

use inoculate_stack::dev_binaries;

use crate::error::Error;
use crate::package;
use crate::process::{cargo, run};
use crate::report;

/// The builds that are there: release builds if all are packaged, else dev builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binaries {
    /// As `cargo xtask package` makes them for AWS.
    Release,
    /// As `cargo build` makes them: unoptimised, many times bigger.
    Dev,
}

impl Binaries {
    /// Finds the release builds, or makes dev builds. Says which.
    pub(super) fn find() -> Result<Self, Error> {
        if package::all_packaged() {
            println!("measuring release builds, {}", age());
            return Ok(Self::Release);
        }
        println!("measuring DEV builds, which are slower; `cargo xtask package` makes release builds");
        run(&mut cargo(&["build", "--workspace", "--bins"]))?;
        Ok(Self::Dev)
    }

    /// The file of a function, such as `observe`.
    pub(super) fn file(self, name: &str) -> PathBuf {
        match self {
            Self::Release => package::bootstrap(name),
            Self::Dev => dev_binaries().join(name),
        }
    }
}

/// How old the oldest release build is: they do not follow changes of the code.
fn age() -> String {
    let made = package::names().filter_map(|name| fs::metadata(package::bootstrap(name)).ok()?.modified().ok());
    match made.min().and_then(|time| time.elapsed().ok()) {
        Some(age) => format!("made {} ago by `cargo xtask package`", report::duration(age)),
        None => "made by `cargo xtask package`".to_owned(),
    }
}
