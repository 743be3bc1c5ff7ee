//! Which faults a call to a host meets, and what they come to.

use std::sync::Arc;

use inoculate_core::fault::CallEffect;

use super::super::faults::{Caller, parts};
use super::super::forward::ForwardError;
use super::{Hosts, Target};
use crate::calls::Counted;
use crate::faults::Fault;
use crate::faults::delay::sample;
use crate::flight::Maker;
use crate::proxy::Proxy;

/// What the faults of a call have come to before it is made.
pub(super) struct Met {
    pub(super) caller: Caller,
    /// How many bytes a second it may have.
    pub(super) bytes_per_second: Option<u64>,
    /// What comes of it. None: what would without the faults.
    pub(super) end: Option<End>,
}

/// What comes of a call.
pub(super) enum End {
    /// Nobody is there.
    Refused,
    /// Its answer breaks off.
    BreaksOff,
    /// This answer, of a fault.
    Answered(CallEffect),
}

impl Hosts {
    /// The invocation that makes a call to a host, and that call, which is counted from now on by what the owner names. `None` if
    /// the host is not named, or the invocation is not watched.
    pub(super) fn count(&self, target: &Target, trace: Option<&str>) -> Option<(Maker, Arc<Counted>)> {
        let mut named = self.named.iter();
        let named = named.find(|named| named.includes(&target.host, target.port))?;
        let maker = self.proxy.flights.maker(trace)?;
        let counted = Arc::new(maker.calls.begin(named.to_string(), false));
        Some((maker, counted))
    }

    /// The invocation that makes a call, with the faults that the call meets: each draws its percent. `None` if no fault can be
    /// about the call.
    pub(super) fn caller(&self, target: &Target, maker: Maker, counted: &Arc<Counted>) -> Option<Caller> {
        let Maker {
            invocation, decision, ..
        } = maker;
        let is_about =
            |fault: &&Fault| parts(fault).is_some_and(|(calls, _)| calls.include_host(&target.host, target.port));
        let mut faults: Vec<Fault> = decision.faults.faults().iter().filter(is_about).cloned().collect();
        if faults.is_empty() || decision.release.is_over() {
            return None;
        }
        faults.retain(|fault| parts(fault).is_some_and(|(calls, _)| fastrand::f64() * 100.0 < calls.percent));
        Some(Caller {
            counted: Arc::clone(counted),
            invocation,
            decision,
            faults,
        })
    }
}

impl Caller {
    /// Whether nobody would be there for a connection that is opened now.
    pub(super) fn finds_nobody(&self) -> bool {
        let mut effects = self.faults.iter().filter_map(parts).map(|(_, effect)| effect);
        effects.any(|effect| matches!(effect, CallEffect::Refuse {} | CallEffect::Hang {}))
    }

    /// Takes away the faults that give an answer, for a call into which none can be put. The run is told.
    pub(super) fn without_answers(mut self, proxy: &Proxy, target: &Target) -> Caller {
        self.faults.retain(|fault| {
            let answers = parts(fault).is_some_and(|(_, effect)| matches!(effect, CallEffect::Answer { .. }));
            if answers {
                let host = &target.host;
                let reason = format!("calls to {host} come as a tunnel, into which no answer can be put");
                proxy.interceptor.not_injected(&self.invocation, fault.kind(), &reason);
            }
            !answers
        });
        self
    }

    /// Lets the faults act that come before the call is made. Of those that end it, the first counts.
    ///
    /// # Errors
    /// When the function has timed out, so that nobody waits any more.
    pub(super) async fn meets(mut self, proxy: &Proxy) -> Result<Met, ForwardError> {
        let (mut bytes_per_second, mut end) = (None, None);
        for fault in std::mem::take(&mut self.faults) {
            let Some((_, effect)) = parts(&fault) else { continue };
            if end.is_some() || !self.counts(proxy) {
                break;
            }
            self.begins(proxy, &fault);
            match effect {
                CallEffect::Latency { delay } => self.wait(proxy, Some(sample(delay, fastrand::f64))).await?,
                CallEffect::Hang {} => self.wait(proxy, None).await?,
                CallEffect::Bandwidth { bytes_per_second: most } => bytes_per_second = Some(*most),
                CallEffect::Refuse {} => end = Some(End::Refused),
                CallEffect::Reset {} => end = Some(End::BreaksOff),
                CallEffect::Answer { .. } => end = Some(End::Answered(effect.clone())),
                // No valid fault has these for a host.
                CallEffect::Error { .. } | CallEffect::Truncate { .. } | CallEffect::Unprocessed {} => {}
            }
        }
        Ok(Met {
            caller: self,
            bytes_per_second,
            end,
        })
    }
}
