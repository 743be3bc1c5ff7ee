//! What goes wrong.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::dependency::DependencyEffect;
use crate::fault::{At, Calls, Corruption, Delay, Delivery, Handler, InvocationFault, Match, Pattern};
use crate::layer::LeaseFault;
use crate::names::FunctionName;
use crate::setting::{Setting, SettingValue};
use crate::span::{Millis, Span};

/// One injected failure.
///
/// `reserved_concurrency`, `timeout`, `memory` and `event_source_disabled` change a setting of the function: they meet
/// every request and are judged against the baseline. All others are faults of invocations: the layer injects them into
/// the experimental group, and they are judged against the control group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Caps the concurrent executions of a function; callers over the cap are throttled, all of them when it is 0.
    ReservedConcurrency {
        /// The function whose invocations are throttled.
        function: FunctionName,
        /// Executions that may run at the same time. 0 throttles every invocation.
        #[schemars(range(min = 0, max = 10_000))]
        executions: u32,
    },
    /// Shortens the time after which Lambda stops the function.
    Timeout {
        /// The function that times out.
        function: FunctionName,
        /// The new timeout, from 1s to 15m.
        timeout: Span,
    },
    /// Gives the function less memory, and with it less CPU.
    Memory {
        /// The function that runs short.
        function: FunctionName,
        /// The new memory size in megabytes.
        #[schemars(range(min = 128, max = 10_240))]
        memory_mb: u32,
    },
    /// Switches an event source mapping off: the function gets no more events from it. The mapping must carry the tag
    /// `inoculate` with the value `allow` itself; the tag of its function does not count for it.
    EventSourceDisabled {
        /// The function that gets no more events.
        function: FunctionName,
        /// The ARN of the queue, stream or topic that feeds the function, like
        /// `arn:aws:sqs:eu-west-1:123456789012:orders`.
        #[schemars(regex(pattern = r"^arn:[A-Za-z0-9:/._*-]{8,500}$"))]
        source: String,
    },
    /// Invocations take longer.
    Latency {
        /// The function that is slow.
        function: FunctionName,
        /// Only events for which all of these hold.
        #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 10))]
        matches: Vec<Condition>,
        /// How much longer: at most 15m.
        delay: Millis,
        /// How far the delay varies: at most as much as the delay itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        jitter: Option<Millis>,
        /// How it varies: `uniform` is any delay from `delay - jitter` to `delay + jitter`, `normal` has the standard
        /// deviation `jitter`.
        #[serde(default)]
        distribution: Distribution,
        /// Whether the event is late, or the answer.
        #[serde(default)]
        at: At,
    },
    /// Invocations fail.
    Error {
        /// The function that fails.
        function: FunctionName,
        /// Only events for which all of these hold.
        #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 10))]
        matches: Vec<Condition>,
        /// The error type, which callers and `Retry` rules see.
        #[schemars(length(min = 1, max = 256))]
        error_type: String,
        /// The error message.
        #[serde(default)]
        #[schemars(length(max = 1000))]
        message: String,
        /// Whether the work is done before it fails.
        #[serde(default)]
        handler: Handler,
    },
    /// Invocations answer with this HTTP response, in the form that API Gateway and function URLs understand.
    Response {
        /// The function that answers so.
        function: FunctionName,
        /// Only events for which all of these hold.
        #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 10))]
        matches: Vec<Condition>,
        /// The HTTP status.
        #[schemars(range(min = 100, max = 599))]
        status: u16,
        /// The HTTP headers.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
        /// The body.
        #[serde(default)]
        #[schemars(length(max = 10_000))]
        body: String,
        /// Whether the work is done before.
        #[serde(default)]
        handler: Handler,
    },
    /// Invocations hang until their deadline.
    Hang {
        /// The function that hangs.
        function: FunctionName,
        /// Only events for which all of these hold.
        #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 10))]
        matches: Vec<Condition>,
        /// Whether the work is done before.
        #[serde(default)]
        handler: Handler,
    },
    /// Some bytes of the answers are wrong.
    Corruption {
        /// The function whose answers are damaged.
        function: FunctionName,
        /// Only events for which all of these hold.
        #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 10))]
        matches: Vec<Condition>,
        /// The first byte is wrong, and then each one after this many.
        #[schemars(range(min = 1, max = 1_000_000))]
        every_bytes: u32,
    },
    /// The answers end too early.
    Truncation {
        /// The function whose answers are cut off.
        function: FunctionName,
        /// Only events for which all of these hold.
        #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 10))]
        matches: Vec<Condition>,
        /// How many bytes arrive.
        #[schemars(range(min = 0, max = 10_000_000))]
        keep_bytes: u32,
    },
    /// The handler sees each event twice, as at-least-once delivery does. The caller gets one answer.
    Duplicate {
        /// The function that sees events twice.
        function: FunctionName,
        /// Only events for which all of these hold.
        #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 10))]
        matches: Vec<Condition>,
        /// Which answer counts: with `first` the caller does not wait for the other.
        #[serde(default)]
        answer: Delivery,
    },
    /// There is less room in `/tmp` until the handler answers.
    FillTmp {
        /// The function that runs out of room.
        function: FunctionName,
        /// Only events for which all of these hold.
        #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 10))]
        matches: Vec<Condition>,
        /// How much is taken, or all that is free if that is less.
        #[schemars(range(min = 1, max = 10_240))]
        megabytes: u32,
    },
    /// Less memory is free until the handler answers.
    MemoryPressure {
        /// The function that runs short.
        function: FunctionName,
        /// Only events for which all of these hold.
        #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 10))]
        matches: Vec<Condition>,
        /// How much is taken. Lambda kills the runtime when all of it is gone.
        #[schemars(range(min = 1, max = 10_240))]
        megabytes: u32,
        /// The longest time, at most 15m.
        #[serde(default = "one_minute")]
        longest: Span,
    },
    /// Others use the processor until the handler answers.
    CpuPressure {
        /// The function that runs short.
        function: FunctionName,
        /// Only events for which all of these hold.
        #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 10))]
        matches: Vec<Condition>,
        /// How many threads compute without a pause.
        #[schemars(range(min = 1, max = 64))]
        threads: u32,
        /// The longest time, at most 15m.
        #[serde(default = "one_minute")]
        longest: Span,
    },
    /// The runtime process is killed.
    Crash {
        /// The function that crashes.
        function: FunctionName,
        /// Only events for which all of these hold.
        #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 10))]
        matches: Vec<Condition>,
        /// Before the handler sees the event, or after its work is done.
        #[serde(default)]
        at: At,
    },
    /// Calls that invocations make to AWS, or to any host over HTTP, go wrong. They have to pass through the layer: its variable
    /// `INOCULATE_DEPENDENCIES` names the services and hosts.
    Dependency {
        /// The function that makes the calls.
        function: FunctionName,
        /// Only events for which all of these hold.
        #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 10))]
        matches: Vec<Condition>,
        /// Which calls.
        calls: Calls,
        /// What comes of them.
        effect: DependencyEffect,
    },
}

fn one_minute() -> Span {
    Span::from_secs(60)
}

/// One condition on the event: exactly one of `equals`, `prefix`, `exists` and `regex`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The field of the event, as a JSON pointer like `/order/customer`.
    #[schemars(length(max = 256), regex(pattern = "^/"))]
    pub field: String,
    /// It has this value: a text, a number, or true or false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = ["string", "number", "boolean"]))]
    pub equals: Option<Value>,
    /// It is a text that begins like this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub prefix: Option<String>,
    /// It is there: `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// It is a text of at most 4 KB in which this pattern is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub regex: Option<String>,
}

impl Condition {
    /// The condition as the layer tests it.
    ///
    /// # Errors
    /// Why it cannot be tested, in words.
    pub fn as_match(&self) -> Result<Match, String> {
        let field = self.field.clone();
        let found = match (&self.equals, &self.prefix, self.exists, &self.regex) {
            (Some(value), None, None, None) => Match::Equals {
                field,
                value: value.clone(),
            },
            (None, Some(prefix), None, None) => Match::Prefix {
                field,
                value: prefix.clone(),
            },
            (None, None, Some(true), None) => Match::Exists { field },
            (None, None, Some(false), None) => return Err("`exists` can only be true".to_owned()),
            (None, None, None, Some(regex)) => {
                let pattern = Pattern::try_from(regex.clone()).map_err(|error| error.to_string())?;
                Match::Regex { field, pattern }
            }
            _ => return Err("a condition is exactly one of `equals`, `prefix`, `exists` and `regex`".to_owned()),
        };
        found.validate().map_err(|error| error.to_string())?;
        Ok(found)
    }
}

/// How a delay varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(description = "uniform or normal")]
pub enum Distribution {
    /// Every delay is as likely.
    #[default]
    Uniform,
    /// Around a mean.
    Normal,
}

/// What a fault does, apart from the function it does it to.
enum Effect {
    Setting(Setting, SettingValue),
    Invocation(InvocationFault),
}

impl Fault {
    /// The function that this fault touches.
    pub fn function(&self) -> &FunctionName {
        match self {
            Fault::ReservedConcurrency { function, .. }
            | Fault::Timeout { function, .. }
            | Fault::Memory { function, .. }
            | Fault::EventSourceDisabled { function, .. }
            | Fault::Latency { function, .. }
            | Fault::Error { function, .. }
            | Fault::Response { function, .. }
            | Fault::Hang { function, .. }
            | Fault::Corruption { function, .. }
            | Fault::Truncation { function, .. }
            | Fault::Duplicate { function, .. }
            | Fault::FillTmp { function, .. }
            | Fault::MemoryPressure { function, .. }
            | Fault::CpuPressure { function, .. }
            | Fault::Crash { function, .. }
            | Fault::Dependency { function, .. } => function,
        }
    }

    /// The kind as it is written in an experiment.
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::ReservedConcurrency { .. } => "reserved_concurrency",
            Fault::Timeout { .. } => "timeout",
            Fault::Memory { .. } => "memory",
            Fault::EventSourceDisabled { .. } => "event_source_disabled",
            Fault::Latency { .. } => "latency",
            Fault::Error { .. } => "error",
            Fault::Response { .. } => "response",
            Fault::Hang { .. } => "hang",
            Fault::Corruption { .. } => "corruption",
            Fault::Truncation { .. } => "truncation",
            Fault::Duplicate { .. } => "duplicate",
            Fault::FillTmp { .. } => "fill_tmp",
            Fault::MemoryPressure { .. } => "memory_pressure",
            Fault::CpuPressure { .. } => "cpu_pressure",
            Fault::Crash { .. } => "crash",
            Fault::Dependency { .. } => "dependency",
        }
    }

    /// The events that meet it; empty when it meets all, or cannot choose.
    pub fn conditions(&self) -> &[Condition] {
        match self {
            Fault::ReservedConcurrency { .. }
            | Fault::Timeout { .. }
            | Fault::Memory { .. }
            | Fault::EventSourceDisabled { .. } => &[],
            Fault::Latency { matches, .. }
            | Fault::Error { matches, .. }
            | Fault::Response { matches, .. }
            | Fault::Hang { matches, .. }
            | Fault::Corruption { matches, .. }
            | Fault::Truncation { matches, .. }
            | Fault::Duplicate { matches, .. }
            | Fault::FillTmp { matches, .. }
            | Fault::MemoryPressure { matches, .. }
            | Fault::CpuPressure { matches, .. }
            | Fault::Crash { matches, .. }
            | Fault::Dependency { matches, .. } => matches,
        }
    }

    /// Whether the layer injects it into invocations.
    pub fn is_of_invocations(&self) -> bool {
        matches!(self.effect(), Effect::Invocation(_))
    }

    /// The setting that it changes and the value it sets; `None` for a fault of invocations.
    pub fn setting(&self) -> Option<(Setting, SettingValue)> {
        match self.effect() {
            Effect::Setting(setting, value) => Some((setting, value)),
            Effect::Invocation(_) => None,
        }
    }

    /// What a lease says of it to the layer; `None` for a fault that changes a setting.
    ///
    /// # Errors
    /// When a condition cannot be tested, in words.
    pub fn for_lease(&self) -> Result<Option<LeaseFault>, String> {
        let Effect::Invocation(fault) = self.effect() else {
            return Ok(None);
        };
        let matches = self
            .conditions()
            .iter()
            .map(Condition::as_match)
            .collect::<Result<_, _>>()?;
        Ok(Some(LeaseFault { matches, fault }))
    }

    fn effect(&self) -> Effect {
        let setting = |setting, value| Effect::Setting(setting, value);
        match self.clone() {
            Fault::ReservedConcurrency { executions, .. } => {
                setting(Setting::ReservedConcurrency, SettingValue::Executions(executions))
            }
            Fault::Timeout { timeout, .. } => setting(Setting::Timeout, SettingValue::Seconds(timeout.secs())),
            Fault::Memory { memory_mb, .. } => setting(Setting::Memory, SettingValue::Megabytes(memory_mb)),
            Fault::EventSourceDisabled { source, .. } => {
                setting(Setting::EventSource { source }, SettingValue::Enabled(false))
            }
            Fault::Latency {
                delay,
                jitter,
                distribution,
                at,
                ..
            } => Effect::Invocation(InvocationFault::Latency {
                delay: varied(delay, jitter, distribution),
                at,
            }),
            Fault::Error {
                error_type,
                message,
                handler,
                ..
            } => Effect::Invocation(InvocationFault::Error {
                error_type,
                message,
                handler,
            }),
            Fault::Response {
                status,
                headers,
                body,
                handler,
                ..
            } => Effect::Invocation(InvocationFault::Response {
                status,
                headers,
                body,
                handler,
            }),
            Fault::Hang { handler, .. } => Effect::Invocation(InvocationFault::Hang { handler }),
            Fault::Corruption { every_bytes, .. } => Effect::Invocation(InvocationFault::Corruption {
                how: Corruption::Garble { every_bytes },
            }),
            Fault::Truncation { keep_bytes, .. } => Effect::Invocation(InvocationFault::Corruption {
                how: Corruption::Truncate {
                    keep_bytes: u64::from(keep_bytes),
                },
            }),
            Fault::Duplicate { answer, .. } => Effect::Invocation(InvocationFault::Duplicate { answer }),
            Fault::FillTmp { megabytes, .. } => Effect::Invocation(InvocationFault::FillTmp { megabytes }),
            Fault::MemoryPressure { megabytes, longest, .. } => Effect::Invocation(InvocationFault::MemoryPressure {
                megabytes,
                longest_secs: longest.secs(),
            }),
            Fault::CpuPressure { threads, longest, .. } => Effect::Invocation(InvocationFault::CpuPressure {
                threads,
                longest_secs: longest.secs(),
            }),
            Fault::Crash { at, .. } => Effect::Invocation(InvocationFault::Crash { at }),
            Fault::Dependency { calls, effect, .. } => Effect::Invocation(InvocationFault::Dependency {
                calls,
                effect: effect.for_lease(),
            }),
        }
    }

    /// What happens, in words.
    pub fn describe(&self) -> String {
        let some = if self.conditions().is_empty() {
            ""
        } else {
            " that match"
        };
        let name = self.function();
        let which = format!("invocations of {name}{some}");
        match self {
            Fault::ReservedConcurrency { executions: 0, .. } => format!("every invocation of {name} is throttled"),
            Fault::ReservedConcurrency { executions, .. } => {
                format!("invocations of {name} over {executions} at a time are throttled")
            }
            Fault::Timeout { timeout, .. } => format!("{name} is stopped after {timeout}"),
            Fault::Memory { memory_mb, .. } => format!("{name} runs with {memory_mb} MB of memory"),
            Fault::EventSourceDisabled { source, .. } => format!("{name} gets no events from {source}"),
            Fault::Latency {
                delay, jitter: None, ..
            } => format!("{which} take {delay} longer"),
            Fault::Latency {
                delay,
                jitter: Some(jitter),
                ..
            } => format!("{which} take {delay} longer, give or take {jitter}"),
            Fault::Error { error_type, .. } => format!("{which} fail with {error_type}"),
            Fault::Response { status, .. } => format!("{which} answer with HTTP status {status}"),
            Fault::Hang { .. } => format!("{which} hang until their deadline"),
            Fault::Corruption { .. } => format!("{which} give damaged answers"),
            Fault::Truncation { keep_bytes, .. } => format!("{which} give answers of at most {keep_bytes} bytes"),
            Fault::Duplicate { .. } => format!("{which} see their event twice"),
            Fault::FillTmp { megabytes, .. } => format!("{which} have {megabytes} MB less in /tmp"),
            Fault::MemoryPressure { megabytes, .. } => format!("{which} have {megabytes} MB less memory"),
            Fault::CpuPressure { threads, .. } => format!("{which} share the processor with {threads} busy threads"),
            Fault::Crash { .. } => format!("{which} crash"),
            Fault::Dependency { calls, effect, .. } => format!("in {which}, {}", effect.describe(calls)),
        }
    }
}

pub(super) fn varied(delay: Millis, jitter: Option<Millis>, distribution: Distribution) -> Delay {
    let ms = delay.millis();
    match (jitter.map(Millis::millis), distribution) {
        (None, _) => Delay::Fixed { ms },
        (Some(jitter), Distribution::Uniform) => Delay::Uniform {
            min_ms: ms.saturating_sub(jitter),
            max_ms: ms.saturating_add(jitter),
        },
        (Some(deviation_ms), Distribution::Normal) => Delay::Normal {
            mean_ms: ms,
            deviation_ms,
        },
    }
}
