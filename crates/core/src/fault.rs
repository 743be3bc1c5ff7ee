//! The invocation faults: what can go wrong on purpose in one invocation of a function, or in the calls that it makes,
//! as plain data.
//!
//! How they act is in the layer. A [`FaultPlan`] is always valid: reading one validates it. A [`Match`] says which
//! events meet a fault.

mod dependency;
mod matching;
mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use dependency::{Call, CallEffect, Calls, known_status};
pub(crate) use matching::check_pointer;
pub use matching::{Match, MatchError, Pattern};
pub use validate::{MAX_SECS, PlanError};

/// The faults that one invocation meets, in the order in which they act.
///
/// Reading one validates it: a plan with any mistake is no plan.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<InvocationFault>", into = "Vec<InvocationFault>")]
pub struct FaultPlan(Arc<[InvocationFault]>);

impl FaultPlan {
    /// A plan of these faults.
    ///
    /// # Errors
    /// All reasons why they cannot be injected, or not together.
    pub fn new(faults: Vec<InvocationFault>) -> Result<FaultPlan, PlanError> {
        validate::validate(&faults)?;
        Ok(FaultPlan(faults.into()))
    }

    /// The faults.
    pub fn faults(&self) -> &[InvocationFault] {
        &self.0
    }

    /// The faults for which `keep` says yes, by their place in the plan. Always valid, since no fault needs another.
    #[must_use]
    pub fn filtered(&self, mut keep: impl FnMut(usize) -> bool) -> FaultPlan {
        let kept = self.0.iter().enumerate().filter(|(place, _)| keep(*place));
        FaultPlan(kept.map(|(_, fault)| fault.clone()).collect())
    }

    /// If the handler has to see the event twice: which of its answers counts.
    pub fn duplicate(&self) -> Option<Delivery> {
        self.0.iter().find_map(|fault| match fault {
            InvocationFault::Duplicate { answer } => Some(*answer),
            _ => None,
        })
    }
}

impl TryFrom<Vec<InvocationFault>> for FaultPlan {
    type Error = PlanError;

    fn try_from(faults: Vec<InvocationFault>) -> Result<FaultPlan, PlanError> {
        FaultPlan::new(faults)
    }
}

impl From<FaultPlan> for Vec<InvocationFault> {
    fn from(plan: FaultPlan) -> Vec<InvocationFault> {
        plan.0.to_vec()
    }
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum InvocationFault {
    /// The invocation takes longer.
    Latency {
        /// How much longer.
        delay: Delay,
        /// Whether the event or the answer is late.
        at: At,
    },
    /// The invocation fails.
    Error {
        /// The error type, which callers and `Retry` rules see.
        error_type: String,
        /// The error message.
        message: String,
        /// Whether the work is done before it fails.
        handler: Handler,
    },
    /// The function answers with this HTTP response, in the form that API Gateway and function URLs understand.
    ///
    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
    Response {
        /// The status: 100 to 599.
        status: u16,
        /// The headers.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body.
        #[serde(default)]
        body: String,
        /// Whether the work is done before.
        handler: Handler,
    },
    /// The function hangs until its deadline.
    Hang {
        /// Whether the work is done before.
        handler: Handler,
    },
    /// The answer arrives damaged.
    Corruption {
        /// What happens to its bytes.
        how: Corruption,
    },
    /// The handler sees the event twice, as at-least-once delivery does. The caller gets one answer.
    Duplicate {
        /// The answer to which delivery is the one that counts.
        answer: Delivery,
    },
    /// There is less room in `/tmp` until the handler answers.
    FillTmp {
        /// How much is taken, in megabytes (1,048,576 bytes), or all that is free if that is less.
        megabytes: u32,
    },
    /// Less memory is free until the handler answers.
    MemoryPressure {
        /// How much is taken, in megabytes (1,048,576 bytes). Lambda kills the runtime when all of it is gone.
        megabytes: u32,
        /// The longest time, in seconds.
        longest_secs: u32,
    },
    /// Others use the processor until the handler answers.
    CpuPressure {
        /// How many threads compute without a pause.
        threads: u32,
        /// The longest time, in seconds.
        longest_secs: u32,
    },
    /// The runtime process is killed.
    Crash {
        /// Before the handler sees the event, or after its work is done.
        at: At,
    },
    /// Calls that the invocation makes to AWS or to other hosts go wrong. The calls have to pass through the layer.
    Dependency {
        /// Which calls.
        calls: Calls,
        /// What comes of them.
        effect: CallEffect,
    },
}

/// On which side of the handler a fault acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(description = "before or after")]
pub enum At {
    /// On the way of the event to the handler.
    #[default]
    Before,
    /// On the way of the answer from the handler.
    After,
}

/// Whether the handler runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(description = "run or skip")]
pub enum Handler {
    /// The handler does its work, and its answer is replaced.
    Run,
    /// The handler never sees the event.
    #[default]
    Skip,
}

/// One of the two deliveries of a duplicated event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(description = "first or second")]
pub enum Delivery {
    /// The first: the caller has its answer before the handler sees the event again.
    #[default]
    First,
    /// The second: the caller waits for both.
    Second,
}

/// A length of time, or a distribution of them. All numbers are milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "distribution", rename_all = "snake_case", deny_unknown_fields)]
pub enum Delay {
    /// Always the same.
    Fixed {
        /// The delay.
        ms: u64,
    },
    /// Any delay between two, each as likely.
    Uniform {
        /// The shortest.
        min_ms: u64,
        /// The longest.
        max_ms: u64,
    },
    /// Around a mean. Never negative: what would be is zero.
    Normal {
        /// The mean.
        mean_ms: u64,
        /// The standard deviation.
        deviation_ms: u64,
    },
}

/// What happens to the bytes of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum Corruption {
    /// The answer ends too early.
    Truncate {
        /// How many bytes arrive.
        keep_bytes: u64,
    },
    /// Some bytes are wrong.
    Garble {
        /// The first byte is wrong, and then each one after this many.
        every_bytes: u32,
    },
}

/// The kind of a fault, as logs and records name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "see the variants of InvocationFault")]
pub enum FaultKind {
    Latency,
    Error,
    Response,
    Hang,
    Corruption,
    Duplicate,
    FillTmp,
    MemoryPressure,
    CpuPressure,
    Crash,
    Dependency,
}

impl InvocationFault {
    /// The kind of this fault.
    pub fn kind(&self) -> FaultKind {
        match self {
            InvocationFault::Latency { .. } => FaultKind::Latency,
            InvocationFault::Error { .. } => FaultKind::Error,
            InvocationFault::Response { .. } => FaultKind::Response,
            InvocationFault::Hang { .. } => FaultKind::Hang,
            InvocationFault::Corruption { .. } => FaultKind::Corruption,
            InvocationFault::Duplicate { .. } => FaultKind::Duplicate,
            InvocationFault::FillTmp { .. } => FaultKind::FillTmp,
            InvocationFault::MemoryPressure { .. } => FaultKind::MemoryPressure,
            InvocationFault::CpuPressure { .. } => FaultKind::CpuPressure,
            InvocationFault::Crash { .. } => FaultKind::Crash,
            InvocationFault::Dependency { .. } => FaultKind::Dependency,
        }
    }

    /// Whether the caller gets something else than the answer of the handler.
    pub(crate) fn replaces_the_answer(&self) -> bool {
        matches!(
            self,
            InvocationFault::Error { .. }
                | InvocationFault::Response { .. }
                | InvocationFault::Hang { .. }
                | InvocationFault::Crash { .. }
        )
    }

    /// Whether the handler never sees the event.
    pub(crate) fn skips_the_handler(&self) -> bool {
        matches!(
            self,
            InvocationFault::Error {
                handler: Handler::Skip,
                ..
            } | InvocationFault::Response {
                handler: Handler::Skip,
                ..
            } | InvocationFault::Hang { handler: Handler::Skip }
                | InvocationFault::Crash { at: At::Before }
        )
    }

    /// This fault as a JSON object, for logs.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
