//! Who asks for a rollback, and of what.

use inoculate_core::error::{Code, Error, Result};
use inoculate_core::names::RunId;
use inoculate_core::run::{Cause, Ending, Status};
use inoculate_core::undo::Injector;
use serde_json::Value;

/// What a call of the rollback function is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    /// One run: from the state machine, the command line, or a message on the abort topic.
    Run {
        /// The run.
        run_id: RunId,
        /// Why, unless the run is ending already.
        ending: Ending,
        /// Whether the injection may still be at work. Only the state machine knows that it is over.
        injector: Injector,
    },
    /// The execution of a run was stopped, timed out or failed outside of its steps.
    ExecutionEnded {
        /// The run.
        run_id: RunId,
        /// Why, unless the run is ending already.
        ending: Ending,
    },
    /// An alarm went to ALARM: every run that names it.
    Alarm {
        /// The name of the alarm.
        alarm: String,
        /// Why.
        ending: Ending,
    },
}

impl Trigger {
    /// Recognises the event by its shape.
    ///
    /// # Errors
    /// [`Code::Internal`] for an event of another shape; nothing is rolled back then.
    pub fn read(event: &Value) -> Result<Trigger> {
        if let Some(record) = event.pointer("/Records/0/Sns/Message").and_then(Value::as_str) {
            return from_topic(record);
        }
        if event.get("detail-type").and_then(Value::as_str) == Some("Step Functions Execution Status Change") {
            return from_execution(event);
        }
        from_call(event)
    }
}

fn unknown(what: &str) -> Error {
    Error::new(Code::Internal, format!("the rollback was called with {what}"))
        .help("call it with {\"run_id\": \"...\"}, an event of Step Functions, or through the abort topic")
}

fn run_id(event: &Value, pointer: &str) -> Result<RunId> {
    let text = event
        .pointer(pointer)
        .and_then(Value::as_str)
        .ok_or_else(|| unknown("no run id"))?;
    text.parse()
        .map_err(|error| unknown(&format!("a run id that is none: {error}")))
}

fn from_call(event: &Value) -> Result<Trigger> {
    let ending = match event.get("ending") {
        Some(ending) if !ending.is_null() => serde_json::from_value(ending.clone())
            .map_err(|error| unknown(&format!("an ending that cannot be read: {error}")))?,
        _ => Ending {
            status: Status::Aborted,
            cause: Cause::Operator,
            detail: "the rollback was asked for".to_owned(),
        },
    };
    let injector = match event.get("injector") {
        None => Injector::MayBeRunning,
        Some(injector) => serde_json::from_value(injector.clone())
            .map_err(|error| unknown(&format!("an injector that cannot be read: {error}")))?,
    };
    let run_id = run_id(event, "/run_id")?;
    Ok(Trigger::Run {
        run_id,
        ending,
        injector,
    })
}

/// Source: <https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html>
fn from_execution(event: &Value) -> Result<Trigger> {
    let text = |pointer| event.pointer(pointer).and_then(Value::as_str);
    let status = text("/detail/status").unwrap_or("UNKNOWN");
    let why = text("/detail/cause")
        .or(text("/detail/error"))
        .unwrap_or("no cause given");
    let ended = if status == "ABORTED" {
        Status::Aborted
    } else {
        Status::Failed
    };
    let detail = format!("the execution ended with {status}: {why}");
    let ending = Ending {
        status: ended,
        cause: Cause::ExecutionEnded,
        detail,
    };
    Ok(Trigger::ExecutionEnded {
        run_id: run_id(event, "/detail/name")?,
        ending,
    })
}

/// A message on the abort topic: `{"run_id": ...}` of a person or program, or the notice of a CloudWatch alarm.
fn from_topic(message: &str) -> Result<Trigger> {
    let message: Value =
        serde_json::from_str(message).map_err(|_| unknown("a message on the abort topic that is not JSON"))?;
    let Some(alarm) = message.get("AlarmName").and_then(Value::as_str) else {
        return from_call(&message);
    };
    if message.get("NewStateValue").and_then(Value::as_str) != Some("ALARM") {
        return Err(unknown("the notice of an alarm that is not in ALARM"));
    }
    let why = message
        .get("NewStateReason")
        .and_then(Value::as_str)
        .unwrap_or("no reason given");
    let detail = format!("alarm {alarm:?} went to ALARM: {why}");
    let ending = Ending {
        status: Status::Aborted,
        cause: Cause::Alarm,
        detail,
    };
    Ok(Trigger::Alarm {
        alarm: alarm.to_owned(),
        ending,
    })
}
