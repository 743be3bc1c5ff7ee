//! The `inoculate` command. Everything is in the library, so that tests can call it.

use std::process::ExitCode;

fn main() -> ExitCode {
    inoculate_cli::main(std::env::args_os()).into()
}
