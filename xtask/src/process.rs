//! Running other programs.

use std::ffi::OsStr;
use std::process::Command;

use inoculate_stack::workspace_root;

use crate::error::Error;

/// Cargo itself, the one that runs this task, in the root of the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(workspace_root());
    // `cargo run` sets these for the program it runs. Inherited, they would make every build script that looks at
    // them run again.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end, its output on ours.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let shown = shown(command);
    let status = command.status().map_err(|source| Error::Start {
        command: shown.clone(),
        source,
    })?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Failed {
        command: shown,
        status: status.to_string(),
    })
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program())
        .file_name()
        .unwrap_or_else(|| command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
