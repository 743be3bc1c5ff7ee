//! Who asks for a rollback, and of what.

use inoculate_core::error::{Code, Error, Result};
use inoculate_core::names::RunId;
use inoculate_core::run::{Cause, Ending, Status};
use inoculate_core::sweep::ended_with;
use inoculate_core::undo::Injector;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What EventBridge calls the news of an alarm. A test holds the template to it.
pub const ALARM_EVENT: &str = "CloudWatch Alarm State Change";

/// Who asks for the rollback of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Caller {
    /// The state machine: the injection is over, and it comes back while something is pending.
    StateMachine,
    /// A person or a program that waits for the answer, and comes back while something is pending.
    Command,
    /// A message: nobody waits for the answer.
    Message,
}

impl Caller {
    /// What this caller knows of the injection.
    pub fn injector(self) -> Injector {
        match self {
            Caller::StateMachine => Injector::Ended,
            Caller::Command | Caller::Message => Injector::MayBeRunning,
        }
    }
}

/// What a call of the rollback function is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    /// One run: from the state machine, the command line, or a message on the abort topic.
    Run {
        /// The run.
        run_id: RunId,
        /// Why, unless the run is ending already.
        ending: Ending,
        /// Who asks.
        caller: Caller,
    },
    /// The execution of a run was stopped, timed out or failed outside of its steps: an event of Step Functions says so,
    /// or the command line, which looked.
    ExecutionEnded {
        /// The run.
        run_id: RunId,
        /// Why, unless the run is ending already.
        ending: Ending,
    },
    /// A message that asks for nothing, like an alarm that went back to OK.
    Nothing {
        /// What it is, in words.
        what: String,
    },
    /// The minute is over: every run that nobody looks after any more, or that takes too long.
    Sweep,
    /// An alarm went to ALARM: every run that names it.
    Alarm {
        /// The name of the alarm.
        alarm: String,
        /// Why.
        ending: Ending,
    },
}

impl Trigger {
    /// The run that it is about; `None` when it is about none, or about every one that it finds.
    pub fn run_id(&self) -> Option<&RunId> {
        match self {
            Trigger::Run { run_id, .. } | Trigger::ExecutionEnded { run_id, .. } => Some(run_id),
            Trigger::Nothing { .. } | Trigger::Sweep | Trigger::Alarm { .. } => None,
        }
    }

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
        if event.get("detail-type").and_then(Value::as_str) == Some(ALARM_EVENT) {
            return from_alarm(event);
        }
        if event.get("sweep") == Some(&Value::Bool(true)) {
            return Ok(Trigger::Sweep);
        }
        from_call(event)
    }
}

fn unknown(what: &str) -> Error {
    Error::new(Code::Internal, format!("the rollback was called with {what}")).help(
        "call it with {\"run_id\": \"...\"}, an event of Step Functions or of an alarm, {\"sweep\": true}, or through the \
         abort topic",
    )
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
    let caller = match event.get("caller") {
        None => Caller::Command,
        Some(caller) => serde_json::from_value(caller.clone())
            .map_err(|error| unknown(&format!("a caller that cannot be read: {error}")))?,
    };
    let trigger = run_by(event, caller)?;
    match trigger {
        Trigger::Run { run_id, ending, .. } if event.get("execution_over") == Some(&Value::Bool(true)) => {
            Ok(Trigger::ExecutionEnded { run_id, ending })
        }
        trigger => Ok(trigger),
    }
}

fn run_by(event: &Value, caller: Caller) -> Result<Trigger> {
    let ending = match event.get("ending") {
        Some(ending) if !ending.is_null() => serde_json::from_value(ending.clone())
            .map_err(|error| unknown(&format!("an ending that cannot be read: {error}")))?,
        _ => asked_for(),
    };
    let run_id = run_id(event, "/run_id")?;
    Ok(Trigger::Run { run_id, ending, caller })
}

fn asked_for() -> Ending {
    Ending {
        status: Status::Aborted,
        cause: Cause::Operator,
        detail: "the rollback was asked for".to_owned(),
    }
}

/// Source: <https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html>
fn from_execution(event: &Value) -> Result<Trigger> {
    let text = |pointer| event.pointer(pointer).and_then(Value::as_str);
    let status = text("/detail/status").unwrap_or("UNKNOWN");
    let why = text("/detail/cause")
        .or(text("/detail/error"))
        .unwrap_or("no cause given");
    let detail = format!("the execution ended with {status}: {why}");
    let ending = Ending {
        status: ended_with(status),
        cause: Cause::ExecutionEnded,
        detail,
    };
    Ok(Trigger::ExecutionEnded {
        run_id: run_id(event, "/detail/name")?,
        ending,
    })
}

/// A message on the abort topic: `{"run_id": ...}` of a person or program, or the notice of a CloudWatch alarm. Whoever may
/// write to the topic can end a run, and not say how it ended.
fn from_topic(message: &str) -> Result<Trigger> {
    let message: Value =
        serde_json::from_str(message).map_err(|_| unknown("a message on the abort topic that is not JSON"))?;
    let Some(alarm) = message.get("AlarmName").and_then(Value::as_str) else {
        return Ok(Trigger::Run {
            run_id: run_id(&message, "/run_id")?,
            ending: asked_for(),
            caller: Caller::Message,
        });
    };
    let text = |name| message.get(name).and_then(Value::as_str);
    Ok(alarm_in(alarm, text("NewStateValue"), text("NewStateReason")))
}

/// An alarm of the account changed its state, whichever it is: metric alarms and composite ones say it in the same words.
///
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html>
fn from_alarm(event: &Value) -> Result<Trigger> {
    let text = |pointer| event.pointer(pointer).and_then(Value::as_str);
    let alarm = text("/detail/alarmName").ok_or_else(|| unknown("an event of an alarm without a name"))?;
    Ok(alarm_in(
        alarm,
        text("/detail/state/value"),
        text("/detail/state/reason"),
    ))
}

/// What the news of an alarm asks for: only that it went to ALARM asks for anything.
fn alarm_in(alarm: &str, state: Option<&str>, reason: Option<&str>) -> Trigger {
    if state != Some("ALARM") {
        let what = format!("alarm {alarm:?} is not in ALARM");
        return Trigger::Nothing { what };
    }
    let why = reason.unwrap_or("no reason given");
    let detail = format!("alarm {alarm:?} went to ALARM: {why}");
    let ending = Ending {
        status: Status::Aborted,
        cause: Cause::Alarm,
        detail,
    };
    Trigger::Alarm {
        alarm: alarm.to_owned(),
        ending,
    }
}
