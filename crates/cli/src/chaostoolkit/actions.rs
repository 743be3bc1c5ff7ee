//! The actions of `chaosaws.awslambda.actions` that become faults.
//!
//! Source: `chaosaws/awslambda/actions.py` of chaostoolkit-aws 0.35; a test compares the functions and their arguments.

use std::collections::BTreeMap;

use inoculate_core::names::FunctionName;
use serde_json::{Map, Value, json};

use super::activity::{Arguments, Known, provided};
use super::variables::Variables;

/// Where the actions are.
pub(super) const MODULE: &str = "chaosaws.awslambda.actions";

/// What an event source mapping connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The function that gets the events.
    pub function: FunctionName,
    /// The ARN of the queue, stream or topic that they come from.
    pub arn: String,
}

/// Event source mappings by their UUID, which says nothing to Inoculate.
pub(super) type Sources = BTreeMap<String, Source>;

/// What an action does.
#[derive(Debug)]
pub(super) enum Meant {
    /// It puts a fault in place.
    Fault(Made),
    /// It takes a fault of this kind away from this function.
    Undoes { kind: &'static str, function: FunctionName },
}

/// A fault that was made of an action.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) kind: &'static str,
    pub(super) function: FunctionName,
    pub(super) fault: Value,
    /// The percent of invocations that meet it; `None` for a setting, which all of them meet.
    pub(super) percent: Option<f64>,
    pub(super) notes: Vec<String>,
}

/// What becomes of an action.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    Makes(fn(&Arguments, &Sources) -> Result<Meant, String>),
    Undoes(&'static str),
    Nothing(&'static str),
}

use Meaning::{Makes, Nothing, Undoes};

/// Every action there is.
#[rustfmt::skip]
pub(super) const ACTIONS: &[Known<Meaning>] = &[
    Known { func: "put_function_concurrency", arguments: &["function_name", "concurrent_executions"], meaning: Makes(concurrency) },
    Known { func: "delete_function_concurrency", arguments: &["function_name"], meaning: Undoes("reserved_concurrency") },
    Known { func: "put_function_timeout", arguments: &["function_name", "timeout"], meaning: Makes(timeout) },
    Known { func: "put_function_memory_size", arguments: &["function_name", "memory_size"], meaning: Makes(memory) },
    Known { func: "toggle_event_source_mapping_state", arguments: &["event_uuid", "enabled"], meaning: Makes(event_source) },
    Known { func: "delete_event_source_mapping", arguments: &["event_uuid"], meaning: Nothing("a mapping that was deleted cannot be put back as it was; `kind: event_source_disabled` switches it off instead") },
    Known { func: "add_latency", arguments: &["function_name", "latency", "probability", "layer"], meaning: Makes(latency) },
    Known { func: "remove_latency", arguments: &["function_name", "layer"], meaning: Undoes("latency") },
    Known { func: "add_error", arguments: &["function_name", "body", "probability", "layer"], meaning: Makes(answer) },
    Known { func: "remove_error", arguments: &["function_name", "layer"], meaning: Undoes("response") },
    Known { func: "add_layer", arguments: &["function_name", "layer"], meaning: Nothing("a run adds no layers; `inoculate attach` adds the one of Inoculate") },
    Known { func: "remove_layer", arguments: &["function_name", "layer"], meaning: Nothing("a run takes no layers away; `inoculate detach` takes away the one of Inoculate") },
    Known { func: "invoke_function", arguments: &["function_name", "function_arguments", "invocation_type", "client_context", "qualifier"], meaning: Nothing("Inoculate sends no requests of its own: let your traffic, or a load test, run beside it") },
];

/// What an action does.
///
/// # Errors
/// Why Inoculate cannot do it.
pub(super) fn meant(activity: &Value, variables: &Variables, sources: &Sources) -> Result<Meant, String> {
    let known = provided(activity, MODULE, ACTIONS)?;
    if let Nothing(why) = known.meaning {
        return Err(why.to_owned());
    }
    let arguments = Arguments::of(activity, known.arguments, variables)?;
    match known.meaning {
        Makes(make) => make(&arguments, sources),
        Undoes(kind) => Ok(Meant::Undoes {
            kind,
            function: arguments.function("function_name")?,
        }),
        Nothing(why) => Err(why.to_owned()),
    }
}

/// A fault that changes a setting.
fn setting(kind: &'static str, function: FunctionName, field: &str, value: impl Into<Value>) -> Meant {
    Meant::Fault(Made {
        fault: json!({ "kind": kind, "function": function, field: value.into() }),
        kind,
        function,
        percent: None,
        notes: Vec::new(),
    })
}

fn concurrency(arguments: &Arguments, _: &Sources) -> Result<Meant, String> {
    let executions = arguments.whole("concurrent_executions", None)?;
    let function = arguments.function("function_name")?;
    Ok(setting("reserved_concurrency", function, "executions", executions))
}

fn timeout(arguments: &Arguments, _: &Sources) -> Result<Meant, String> {
    let secs = arguments.whole("timeout", None)?;
    let function = arguments.function("function_name")?;
    Ok(setting("timeout", function, "timeout", format!("{secs}s")))
}

fn memory(arguments: &Arguments, _: &Sources) -> Result<Meant, String> {
    let megabytes = arguments.whole("memory_size", None)?;
    let function = arguments.function("function_name")?;
    Ok(setting("memory", function, "memory_mb", megabytes))
}

fn event_source(arguments: &Arguments, sources: &Sources) -> Result<Meant, String> {
    const KIND: &str = "event_source_disabled";
    let uuid = arguments.text("event_uuid")?;
    let Some(source) = sources.get(uuid) else {
        return Err(format!(
            "Inoculate names an event source mapping by its function and its source: add `--event-source \
             {uuid}=FUNCTION,ARN`; `aws lambda get-event-source-mapping --uuid {uuid}` shows both"
        ));
    };
    let function = source.function.clone();
    match arguments.get("enabled").and_then(Value::as_bool) {
        Some(false) => Ok(setting(KIND, function, "source", source.arn.as_str())),
        Some(true) => Ok(Meant::Undoes { kind: KIND, function }),
        None => Err("`enabled` is neither true nor false".to_owned()),
    }
}

/// The share of invocations, 0.9 when it is left out, as a percent.
fn percent(arguments: &Arguments) -> Result<f64, String> {
    let probability = arguments.number("probability", Some(0.9))?;
    if probability <= 0.0 || probability > 1.0 {
        return Err(format!("a probability of {probability} is not above 0 and at most 1"));
    }
    // Without the digits that a float adds: 0.07 are 7 percent.
    Ok((probability * 1e8).round() / 1e6)
}

fn of_invocations(kind: &'static str, arguments: &Arguments, fields: Map<String, Value>) -> Result<Meant, String> {
    let function = arguments.function("function_name")?;
    let mut fault = json!({ "kind": kind, "function": function });
    for (name, value) in fields {
        fault[name] = value;
    }
    let note = format!("the layer of Inoculate does it, not the one of the action: `inoculate attach {function}`");
    Ok(Meant::Fault(Made {
        fault,
        kind,
        percent: Some(percent(arguments)?),
        notes: vec![note],
        function,
    }))
}

fn latency(arguments: &Arguments, _: &Sources) -> Result<Meant, String> {
    let secs = arguments.whole("latency", Some(1.0))?;
    let fields = [("delay".to_owned(), json!(format!("{secs}s")))];
    of_invocations("latency", arguments, fields.into_iter().collect())
}

/// What a function answers with when `add_error` has no body.
pub(super) const DEFAULT_ANSWER: &str = r#"{"statusCode": 500, "body": "Greeting from Chaos Toolkit"}"#;

fn answer(arguments: &Arguments, _: &Sources) -> Result<Meant, String> {
    let written = match arguments.get("body") {
        Some(_) => arguments.text("body")?,
        None => DEFAULT_ANSWER,
    };
    let answer: Value = serde_json::from_str(written).unwrap_or_default();
    let (Some(status), body) = (answer.get("statusCode").and_then(Value::as_u64), answer.get("body")) else {
        return Err("only an answer with `statusCode` and `body` has a fault like it, `kind: response`".to_owned());
    };
    let mut fields = Map::from_iter([("status".to_owned(), status.into())]);
    if let Some(headers) = answer.get("headers") {
        fields.insert("headers".to_owned(), headers.clone());
    }
    match body {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => drop(fields.insert("body".to_owned(), text.as_str().into())),
        Some(other) => drop(fields.insert("body".to_owned(), other.to_string().into())),
    }
    of_invocations("response", arguments, fields)
}
