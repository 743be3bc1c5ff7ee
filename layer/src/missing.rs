//! What decides where there is no table: nothing ever happens.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;

use crate::faults::{Fault, FaultKind};
use crate::intercept::{Attention, Decision, Idle, Interceptor, Invocation, Outcome};
use crate::log::Log;

/// Lets everything pass, and says once why.
pub(crate) struct Missing {
    reason: String,
    log: Log,
    said: AtomicBool,
}

impl Missing {
    /// For this reason.
    pub(crate) fn new(reason: String, log: Log) -> Missing {
        Missing {
            reason,
            log,
            said: AtomicBool::new(false),
        }
    }
}

#[async_trait]
impl Interceptor for Missing {
    fn attention(&self) -> Attention {
        if !self.said.swap(true, Ordering::Relaxed) {
            self.log.info(
                "no experiment ever reaches this function",
                json!({ "reason": self.reason }),
            );
        }
        Attention::Idle
    }

    async fn decide(&self, invocation: &Invocation, event: Option<&Bytes>) -> Option<Decision> {
        Idle.decide(invocation, event).await
    }

    fn injecting(&self, _: &Invocation, _: &Decision, _: &Fault) {}

    fn not_injected(&self, _: &Invocation, _: FaultKind, _: &str) {}

    fn trouble(&self, problem: &str) {
        self.log.debug("something does not work", json!({ "reason": problem }));
    }

    fn finished(&self, _: Outcome) {}

    async fn shutdown(&self, _: Duration) {}
}
