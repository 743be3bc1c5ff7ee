//! The invocation faults: what can go wrong on purpose.
//!
//! A [`FaultPlan`] is plain data. How its faults act on the exchange between runtime and Runtime API is in
//! [`crate::event`] and [`crate::answer`]; the parts that need no exchange are here, one file each.

pub mod corruption;
pub mod delay;
pub mod payload;
pub mod pressure;
mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use corruption::Corruption;
pub use delay::Delay;
pub use validate::PlanError;

/// The faults that one invocation meets, in the order in which they act.
///
/// Reading one validates it: a plan with any mistake is no plan.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<Fault>", into = "Vec<Fault>")]
pub struct FaultPlan(Arc<[Fault]>);

impl FaultPlan {
    /// A plan of these faults.
    ///
    /// # Errors
    /// All reasons why they cannot be injected, or not together.
    pub fn new(faults: Vec<Fault>) -> Result<FaultPlan, PlanError> {
        validate::validate(&faults)?;
        Ok(FaultPlan(faults.into()))
    }

    /// The faults.
    pub fn faults(&self) -> &[Fault] {
        &self.0
    }

    /// If the handler has to see the event twice: which of its answers counts.
    pub(crate) fn duplicate(&self) -> Option<Delivery> {
        self.0.iter().find_map(|fault| match fault {
            Fault::Duplicate { answer } => Some(*answer),
            _ => None,
        })
    }
}

impl TryFrom<Vec<Fault>> for FaultPlan {
    type Error = PlanError;

    fn try_from(faults: Vec<Fault>) -> Result<FaultPlan, PlanError> {
        FaultPlan::new(faults)
    }
}

impl From<FaultPlan> for Vec<Fault> {
    fn from(plan: FaultPlan) -> Vec<Fault> {
        plan.0.to_vec()
    }
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
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
    Timeout {
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
    Memory {
        /// How much is taken, in megabytes (1,048,576 bytes). Lambda kills the runtime when all of it is gone.
        megabytes: u32,
        /// The longest time, in seconds.
        longest_secs: u32,
    },
    /// Others use the processor until the handler answers.
    Cpu {
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
}

/// On which side of the handler a fault acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// On the way of the event to the handler.
    Before,
    /// On the way of the answer from the handler.
    After,
}

/// Whether the handler runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handler {
    /// The handler does its work, and its answer is replaced.
    Run,
    /// The handler never sees the event.
    Skip,
}

/// One of the two deliveries of a duplicated event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// The first: the caller has its answer before the handler sees the event again.
    First,
    /// The second: the caller waits for both.
    Second,
}

/// The kind of a fault, as logs and records name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "see the variants of Fault")]
pub enum FaultKind {
    Latency,
    Error,
    Response,
    Timeout,
    Corruption,
    Duplicate,
    FillTmp,
    Memory,
    Cpu,
    Crash,
}

impl Fault {
    /// The kind of this fault.
    pub fn kind(&self) -> FaultKind {
        match self {
            Fault::Latency { .. } => FaultKind::Latency,
            Fault::Error { .. } => FaultKind::Error,
            Fault::Response { .. } => FaultKind::Response,
            Fault::Timeout { .. } => FaultKind::Timeout,
            Fault::Corruption { .. } => FaultKind::Corruption,
            Fault::Duplicate { .. } => FaultKind::Duplicate,
            Fault::FillTmp { .. } => FaultKind::FillTmp,
            Fault::Memory { .. } => FaultKind::Memory,
            Fault::Cpu { .. } => FaultKind::Cpu,
            Fault::Crash { .. } => FaultKind::Crash,
        }
    }

    /// Whether the caller gets something else than the answer of the handler.
    fn replaces_the_answer(&self) -> bool {
        matches!(
            self,
            Fault::Error { .. } | Fault::Response { .. } | Fault::Timeout { .. } | Fault::Crash { .. }
        )
    }

    /// Whether the handler never sees the event.
    fn skips_the_handler(&self) -> bool {
        matches!(
            self,
            Fault::Error {
                handler: Handler::Skip,
                ..
            } | Fault::Response {
                handler: Handler::Skip,
                ..
            } | Fault::Timeout { handler: Handler::Skip }
                | Fault::Crash { at: At::Before }
        )
    }

    /// This fault as a JSON object, for logs.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
