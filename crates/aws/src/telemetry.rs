//! The metrics about runs, on standard output: CloudWatch makes them of the lines in the log of a function.

use std::io::Write;

use inoculate_core::ports::Telemetry;
use serde_json::Value;

/// Standard output.
pub(crate) struct Stdout;

impl Telemetry for Stdout {
    fn write(&self, line: &Value) {
        // One write for the whole line, so that it does not mix with one of the log.
        let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
    }
}
