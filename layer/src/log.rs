//! Logs: one JSON object per line on standard error, which Lambda sends to CloudWatch Logs as it is.

use std::io::Write;

use serde_json::{Map, Value, json};

/// How much is logged. Each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    Off,
    /// What keeps the layer from doing its work.
    Error,
    /// What a reader of the function's log should know: each injection, and why the layer stays out of the way.
    Info,
    /// What helps to find a mistake in the layer.
    Debug,
}

impl Level {
    /// Reads a level as `INOCULATE_LOG` has it.
    pub fn parse(text: &str) -> Option<Level> {
        match text {
            "off" => Some(Level::Off),
            "error" => Some(Level::Error),
            "info" => Some(Level::Info),
            "debug" => Some(Level::Debug),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::Error => "error",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

/// Writes log lines up to a level.
#[derive(Debug, Clone, Copy)]
pub struct Log {
    level: Level,
}

impl Log {
    /// A log that writes lines up to `level`.
    pub fn new(level: Level) -> Log {
        Log { level }
    }

    /// Logs what keeps the layer from doing its work. `fields` is a JSON object that is added to the line.
    pub fn error(&self, message: &str, fields: Value) {
        self.write(Level::Error, message, fields);
    }

    /// Logs what a reader of the function's log should know.
    pub fn info(&self, message: &str, fields: Value) {
        self.write(Level::Info, message, fields);
    }

    /// Logs what helps to find a mistake in the layer.
    pub fn debug(&self, message: &str, fields: Value) {
        self.write(Level::Debug, message, fields);
    }

    fn write(&self, level: Level, message: &str, fields: Value) {
        if level > self.level {
            return;
        }
        // One write for the whole line, so that lines of several processes do not mix. A log that cannot be written
        // is no reason to stop.
        let _ = std::io::stderr().write_all(line(level, message, fields).as_bytes());
    }
}

fn line(level: Level, message: &str, fields: Value) -> String {
    let mut line = Map::new();
    line.insert("level".into(), json!(level.name()));
    line.insert("source".into(), json!("inoculate-layer"));
    line.insert("message".into(), json!(message));
    if let Value::Object(fields) = fields {
        line.extend(fields);
    }
    format!("{}\n", Value::Object(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object() {
        assert_eq!(
            line(Level::Info, "a \"b\"\nc", json!({ "request_id": "r" })),
            "{\"level\":\"info\",\"source\":\"inoculate-layer\",\"message\":\"a \\\"b\\\"\\nc\",\"request_id\":\"r\"}\n"
        );
    }
}
