//! The binary of the layer. See the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    inoculate_layer::command::run(&arguments)
}
