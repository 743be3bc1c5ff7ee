//! `inoculate completion`

use clap_complete::{Shell, generate};

use crate::exit::Exit;
use crate::help;
use crate::output::Output;

/// Prints what makes a shell complete the command.
pub(super) fn completion(shell: Shell, output: &Output) -> Exit {
    let mut script = Vec::new();
    generate(shell, &mut help::command(), "inoculate", &mut script);
    output.text(&String::from_utf8_lossy(&script));
    Exit::Upheld
}
