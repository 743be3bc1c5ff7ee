//! An interceptor that decides as the test says, and keeps what it is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use inoculate_layer::clock::{Clock, SystemClock};
use inoculate_layer::faults::{Fault, FaultKind, FaultPlan};
use inoculate_layer::intercept::{Attention, Decision, Interceptor, Invocation, Outcome, Release};
use tokio::sync::watch;

use super::soon;

/// The time now, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemClock.now_ms()
}

/// Decides by request id.
pub(crate) struct Scripted {
    pub(crate) attention: Attention,
    plans: HashMap<String, FaultPlan>,
    release: watch::Sender<bool>,
    pub(crate) told: watch::Sender<Told>,
}

/// All that an interceptor was told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) events: Vec<Option<Bytes>>,
    pub(crate) invocations: Vec<Invocation>,
    pub(crate) injecting: Vec<(String, FaultKind)>,
    pub(crate) not_injected: Vec<(FaultKind, String)>,
    pub(crate) outcomes: Vec<Arc<Outcome>>,
    pub(crate) shutdowns: usize,
}

impl Scripted {
    /// Gives each of these request ids its faults, written as JSON. Others are let pass.
    pub(crate) fn new<'a>(plans: impl IntoIterator<Item = (&'a str, &'a str)>) -> Arc<Scripted> {
        Scripted::with_attention(Attention::Headers, plans)
    }

    pub(crate) fn with_attention<'a>(
        attention: Attention,
        plans: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Arc<Scripted> {
        let plan = |(id, json): (&str, &str)| (id.to_owned(), serde_json::from_str(json).unwrap());
        Arc::new(Scripted {
            attention,
            plans: plans.into_iter().map(plan).collect(),
            release: watch::Sender::new(false),
            told: watch::Sender::default(),
        })
    }

    /// Ends all faults.
    pub(crate) fn release(&self) {
        self.release.send_replace(true);
    }

    /// Waits until something was told.
    pub(crate) async fn told<T>(&self, what: &str, mut look: impl FnMut(&Told) -> Option<T>) -> T {
        let mut changes = self.told.subscribe();
        soon(what, async {
            loop {
                if let Some(value) = look(&changes.borrow_and_update()) {
                    return value;
                }
                changes.changed().await.unwrap();
            }
        })
        .await
    }

    /// Waits until a fault of this kind begins.
    pub(crate) async fn injecting(&self, kind: FaultKind) {
        self.told(&format!("{kind:?} begins"), |told| {
            told.injecting.iter().any(|(_, begun)| *begun == kind).then_some(())
        })
        .await;
    }

    /// Waits for the outcome of an invocation.
    pub(crate) async fn outcome(&self, request_id: &str) -> Arc<Outcome> {
        self.told(&format!("the outcome of {request_id}"), |told| {
            told.outcomes
                .iter()
                .find(|outcome| outcome.invocation.request_id == request_id)
                .cloned()
        })
        .await
    }
}

#[async_trait]
impl Interceptor for Scripted {
    fn attention(&self) -> Attention {
        self.attention
    }

    async fn decide(&self, invocation: &Invocation, event: Option<&Bytes>) -> Option<Decision> {
        self.told.send_modify(|told| {
            told.invocations.push(invocation.clone());
            told.events.push(event.cloned());
        });
        if invocation.request_id == "undecided" {
            std::future::pending::<()>().await;
        }
        Some(Decision {
            faults: self.plans.get(&invocation.request_id)?.clone(),
            release: Release::new(self.release.subscribe()),
            see_answer_bytes: 1024,
            mark: 42,
        })
    }

    fn injecting(&self, invocation: &Invocation, decision: &Decision, fault: &Fault) {
        assert_eq!(decision.mark, 42);
        self.told
            .send_modify(|told| told.injecting.push((invocation.request_id.clone(), fault.kind())));
    }

    fn not_injected(&self, _: &Invocation, fault: FaultKind, reason: &str) {
        self.told
            .send_modify(|told| told.not_injected.push((fault, reason.to_owned())));
    }

    fn finished(&self, outcome: Outcome) {
        self.told.send_modify(|told| told.outcomes.push(Arc::new(outcome)));
    }

    async fn shutdown(&self, _: Duration) {
        self.told.send_modify(|told| told.shutdowns += 1);
    }
}
