//! The seam between the proxy, which knows HTTP, and whatever knows about experiments.
//!
//! For each invocation the proxy asks an [`Interceptor`] what to do, and tells it what came of it. While
//! [`Interceptor::attention`] is [`Attention::Idle`], that one question is all that happens.

use async_trait::async_trait;
use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::HeaderValue;
use inoculate_core::calls::CallsByName;
use std::time::Duration;
use tokio::sync::watch;

use crate::faults::{Fault, FaultKind, FaultPlan};

/// How much of the next invocation has to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// Nothing: no experiment is active. Everything passes as it comes.
    Idle,
    /// Its headers.
    Headers,
    /// Its headers and the event: the proxy reads the whole event before it asks.
    Event,
}

/// One invocation, as the Runtime API announced it.
///
/// The headers: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-next>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// `Lambda-Runtime-Aws-Request-Id`. Retries, and callers who choose their own, may use one twice.
    pub request_id: String,
    /// `Lambda-Runtime-Invocation-Id`: unlike the request id never the same for two deliveries. Newer platforms send
    /// it, and the runtime gives it back with its answer.
    pub invocation_id: Option<HeaderValue>,
    /// `Lambda-Runtime-Deadline-Ms`: when the function times out, in milliseconds since 1970.
    pub deadline_ms: Option<u64>,
    /// `Lambda-Runtime-Trace-Id`: the X-Ray tracing header.
    pub trace_id: Option<String>,
    /// `Lambda-Runtime-Invoked-Function-Arn`.
    pub function_arn: Option<String>,
}

impl Invocation {
    /// The header that carries [`Invocation::invocation_id`].
    pub const INVOCATION_ID: &'static str = "lambda-runtime-invocation-id";

    /// Reads an invocation from the headers of a `next` answer. `None` if there is no request id.
    pub fn of(headers: &HeaderMap) -> Option<Invocation> {
        let text = |name: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        Some(Invocation {
            request_id: text("lambda-runtime-aws-request-id")?,
            invocation_id: headers.get(Invocation::INVOCATION_ID).cloned(),
            deadline_ms: text("lambda-runtime-deadline-ms").and_then(|value| value.parse().ok()),
            trace_id: text("lambda-runtime-trace-id"),
            function_arn: text("lambda-runtime-invoked-function-arn"),
        })
    }
}

/// What to do with one invocation. An invocation with a decision is watched: its outcome is reported.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The faults it meets. Empty for the control group.
    pub faults: FaultPlan,
    /// Ends the faults early.
    pub release: Release,
    /// How many bytes of the function's answer the outcome should hold, at most. They are copied on their way.
    pub see_answer_bytes: usize,
    /// Comes back with the outcome as it is: which run and group this was, for example.
    pub mark: u64,
}

/// Tells faults that their time is over: those that sleep wake up, those that have not begun do not begin.
#[derive(Debug, Clone)]
pub struct Release(watch::Receiver<bool>);

impl Release {
    /// A release that happens when `released` becomes true, or its sender is dropped.
    pub fn new(released: watch::Receiver<bool>) -> Release {
        Release(released)
    }

    /// Whether the faults have to end.
    pub fn is_over(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until the faults have to end.
    pub async fn over(&mut self) {
        // An error means that the sender is gone: whoever allowed the faults is not there any more.
        let _ = self.0.wait_for(|released| *released).await;
    }
}

/// What the caller of the function got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// An answer.
    Response,
    /// A failure with this error type.
    Error(String),
    /// Nothing before the deadline.
    TimedOut,
    /// The Runtime API refused the answer with this HTTP status: it was too large, for example.
    Refused(u16),
    /// Nothing: the runtime was killed.
    Crashed,
    /// Nothing that we know of: the runtime went away, or the connection broke, before the answer was taken.
    Abandoned,
}

/// What came of one watched invocation.
#[derive(Debug)]
pub struct Outcome {
    /// Which invocation.
    pub invocation: Invocation,
    /// What was decided about it.
    pub decision: Decision,
    /// What was injected, in the order of the plan. Shorter than the plan if the invocation ended before, or the
    /// faults were released.
    pub injected: Vec<FaultKind>,
    /// What came of the calls that it made to other services, as far as they passed through the layer.
    pub calls: CallsByName,
    /// A fault was ended by the release before it had had its whole effect: the caller met neither the fault nor none.
    pub cut_short: bool,
    /// What the caller got.
    pub delivered: Delivered,
    /// From the arrival of the event to the acceptance of the answer: what the caller waited for.
    pub duration: Duration,
    /// From handing the event to the runtime to its answer. `None` if the handler was skipped or never answered.
    pub handler: Option<Duration>,
    /// The beginning of the answer that went out, as far as it was asked for.
    pub answer: Bytes,
}

/// Decides about invocations. Everything here may be called for several invocations at the same time.
#[async_trait]
pub trait Interceptor: Send + Sync {
    /// How much of the next invocation has to be seen. Called for every event: must be cheap.
    fn attention(&self) -> Attention;

    /// What to do with an invocation. `None` lets it pass unwatched. `event` is there if [`Attention::Event`] was
    /// asked for. The event waits for this future, so it must be bounded in time.
    async fn decide(&self, invocation: &Invocation, event: Option<&Bytes>) -> Option<Decision>;

    /// A fault begins. Called before it takes effect, since the process may not live on after it.
    fn injecting(&self, invocation: &Invocation, decision: &Decision, fault: &Fault);

    /// A fault could not begin, and the invocation goes on without it.
    fn not_injected(&self, invocation: &Invocation, fault: FaultKind, reason: &str);

    /// Something that the layer could not do, in words that are the same for the same cause.
    fn trouble(&self, _problem: &str) {}

    /// A watched invocation has ended. Called once for each, however it ends. Must be quick.
    fn finished(&self, outcome: Outcome);

    /// Lambda has begun an invocation, and freezes the environment when it is over and this returns. For extensions:
    /// what was begun beside the handler can be finished here. `function_arn` and `deadline_ms` are those of the
    /// invocation.
    async fn settle(&self, _function_arn: Option<&str>, _deadline_ms: u64) {}

    /// The environment shuts down. Must return within `left`.
    async fn shutdown(&self, left: Duration);
}

/// Lets everything pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct Idle;

#[async_trait]
impl Interceptor for Idle {
    fn attention(&self) -> Attention {
        Attention::Idle
    }

    async fn decide(&self, _: &Invocation, _: Option<&Bytes>) -> Option<Decision> {
        None
    }

    fn injecting(&self, _: &Invocation, _: &Decision, _: &Fault) {}

    fn not_injected(&self, _: &Invocation, _: FaultKind, _: &str) {}

    fn finished(&self, _: Outcome) {}

    async fn shutdown(&self, _: Duration) {}
}
