//! What comes of a call that meets a fault.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::http::request::Parts;
use hyper::{Request, Response};
use inoculate_core::fault::{Call, CallEffect, Calls, known_status};
use inoculate_core::service::{Protocol, Service};

use super::Dependency;
use super::batch::{self, KeptBack};
use super::body::{Cut, Passing};
use super::call::{self, Form};
use super::forward::{ForwardError, Signed, hold};
use super::signature::Signature;
use super::socket::Breaker;
use super::wire::Failure;
use crate::calls::Counted;
use crate::faults::Fault;
use crate::faults::delay::sample;
use crate::flight::Maker;
use crate::intercept::{Decision, Invocation};
use crate::proxy::Proxy;

/// What an error says if the fault gives no message.
const MESSAGE: &str = "injected by Inoculate";

/// An invocation that makes a call which may meet a fault.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) counted: Arc<Counted>,
    pub(super) invocation: Invocation,
    pub(super) decision: Decision,
    /// The faults that may be about the call.
    pub(super) faults: Vec<Fault>,
}

/// What the faults have come to before the call goes to its service.
enum Before {
    /// The service does not see it.
    Answered(Response<Passing>),
    /// It goes on its way, and this fault is about its answer.
    Goes(Option<Fault>),
}

impl Caller {
    /// The invocation that makes a call with this head. `None` if no fault can be about the call.
    pub(super) fn of(service: Service, maker: Maker, counted: &Arc<Counted>, head: &Parts) -> Option<Caller> {
        let Maker {
            invocation, decision, ..
        } = maker;
        let signature = Signature::of(head);
        let region = signature.as_ref().map(Signature::region);
        let faults = decision.faults.faults();
        let may = |fault: &&Fault| parts(fault).is_some_and(|(calls, _)| calls.may_include(service, region));
        let faults: Vec<Fault> = faults.iter().filter(may).cloned().collect();
        (!faults.is_empty() && !decision.release.is_over()).then(|| Caller {
            counted: Arc::clone(counted),
            invocation,
            decision,
            faults,
        })
    }

    fn asks_for_body(&self, service: Service, form: Form) -> bool {
        let in_path = [Service::Lambda, Service::S3].contains(&service);
        let by_name = form == Form::Aws(Protocol::AwsQuery);
        self.faults.iter().filter_map(parts).any(|(calls, effect)| {
            let named = !calls.resources.is_empty() || by_name && !calls.operations.is_empty();
            named && !in_path || *effect == CallEffect::Unprocessed {}
        })
    }
}

impl Caller {
    /// Whether its faults may act now.
    pub(super) fn counts(&self, proxy: &Proxy) -> bool {
        !self.decision.release.is_over() && proxy.flights.is_under_way(&self.invocation)
    }

    /// A fault begins.
    pub(super) fn begins(&self, proxy: &Proxy, fault: &Fault) {
        self.counted.injected();
        proxy.flights.note(&self.invocation, fault.kind());
        proxy.interceptor.injecting(&self.invocation, &self.decision, fault);
    }

    /// Waits for so long, or for ever, but not longer than the faults may last or the invocation is under way.
    ///
    /// # Errors
    /// When the function has timed out, so that nobody waits any more.
    pub(super) async fn wait(&mut self, proxy: &Proxy, delay: Option<Duration>) -> Result<(), ForwardError> {
        let deadline = self
            .invocation
            .deadline_ms
            .map(|deadline| proxy.tools.clock.until(deadline));
        let ends = delay.into_iter().chain(deadline).min().unwrap_or_default();
        let in_time = delay.is_some_and(|delay| delay <= ends);
        tokio::select! {
            () = tokio::time::sleep(ends) => if in_time { Ok(()) } else { Err(ForwardError::Injected) },
            () = self.decision.release.over() => {
                proxy.flights.cut_short(&self.invocation);
                Ok(())
            }
            () = proxy.flights.over(&self.invocation) => Ok(()),
        }
    }
}

pub(super) fn parts(fault: &Fault) -> Option<(&Calls, &CallEffect)> {
    match fault {
        Fault::Dependency { calls, effect } => Some((calls, effect)),
        _ => None,
    }
}

impl Dependency {
    /// Makes a call with its faults.
    ///
    /// # Errors
    /// When the connection of the caller should end.
    pub(super) async fn meet(
        &self,
        breaker: &Breaker,
        mut caller: Caller,
        request: Request<Passing>,
    ) -> Result<Response<Passing>, ForwardError> {
        let (head, mut body) = request.into_parts();
        let service = self.origin.service();
        let form = Form::of(service, &head.headers);
        let mut held = None;
        if caller.asks_for_body(service, form) {
            let bytes = hold(body).await?;
            body = Passing::whole(bytes.clone());
            held = Some(bytes);
        }
        let call = call::of(service, &head, held.as_deref());
        let fault = match self.before(breaker, &mut caller, &call, &head, form).await? {
            Before::Answered(answer) => {
                // The caller may read the answer only when it has sent all.
                hold(body).await?;
                return Ok(answer);
            }
            Before::Goes(fault) => fault,
        };
        let request = Request::from_parts(head, body);
        let effect = fault.as_ref().and_then(parts).map(|(_, effect)| effect);
        match effect {
            Some(CallEffect::Unprocessed {}) => self.halve(&caller, fault.as_ref(), &call, request, held).await,
            Some(CallEffect::Truncate { keep_bytes }) => {
                let answer = self.pass(request, None).await?.0;
                Ok(answer.map(|body| Passing::Cut(Cut::new(body, *keep_bytes, None))))
            }
            Some(_) => reset(self.pass(request, None).await?.0, breaker),
            None => Ok(self.pass(request, None).await?.0.map(Passing::Streamed)),
        }
    }

    /// Lets the faults act that come before the service sees a call. Of those about its answer, the first counts.
    async fn before(
        &self,
        breaker: &Breaker,
        caller: &mut Caller,
        call: &Call,
        head: &Parts,
        form: Form,
    ) -> Result<Before, ForwardError> {
        for fault in std::mem::take(&mut caller.faults) {
            let Some((calls, effect)) = parts(&fault) else { continue };
            if caller.decision.release.is_over() {
                break;
            }
            if !calls.include(call) || fastrand::f64() * 100.0 >= calls.percent {
                continue;
            }
            match effect {
                CallEffect::Unprocessed {} => return Ok(Before::Goes(Some(fault))),
                _ => caller.begins(&self.proxy, &fault),
            }
            match effect {
                CallEffect::Latency { delay } => caller.wait(&self.proxy, Some(sample(delay, fastrand::f64))).await?,
                CallEffect::Hang {} => caller.wait(&self.proxy, None).await?,
                CallEffect::Refuse {} => {
                    breaker.pull();
                    return Err(ForwardError::Injected);
                }
                CallEffect::Error { .. } | CallEffect::Answer { .. } => {
                    return answer(effect, call.service, head, form).map(Before::Answered);
                }
                // No valid fault has less bandwidth for a service.
                CallEffect::Bandwidth { .. } => {}
                CallEffect::Reset {} | CallEffect::Truncate { .. } | CallEffect::Unprocessed {} => {
                    return Ok(Before::Goes(Some(fault)));
                }
            }
        }
        Ok(Before::Goes(None))
    }

    /// Makes the call with half of its batch, if it is one of more than one item.
    async fn halve(
        &self,
        caller: &Caller,
        fault: Option<&Fault>,
        call: &Call,
        request: Request<Passing>,
        held: Option<Bytes>,
    ) -> Result<Response<Passing>, ForwardError> {
        let halved = call
            .operation
            .as_deref()
            .zip(held)
            .and_then(|(name, body)| batch::halve(name, &body));
        let Some((half, rest)) = halved else {
            return Ok(self.pass(request, None).await?.0.map(Passing::Streamed));
        };
        let (answer, signed) = self.pass(request, Some(half)).await?;
        if signed != Signed::Again || !answer.status().is_success() {
            // All of it was sent, or none of it was done.
            return Ok(answer.map(Passing::Streamed));
        }
        fault.iter().for_each(|fault| caller.begins(&self.proxy, fault));
        with_rest(answer, rest).await
    }
}

/// The answer that a fault gives for a service.
fn answer(effect: &CallEffect, service: Service, head: &Parts, form: Form) -> Result<Response<Passing>, ForwardError> {
    let made = match effect {
        CallEffect::Error {
            code,
            message,
            status,
            reason,
        } => Failure {
            service,
            code,
            message: if message.is_empty() { MESSAGE } else { message },
            status: status.or_else(|| known_status(service, code)).unwrap_or(500),
            reason: reason.as_deref(),
        }
        .answer(form, &head.method),
        effect => return given(effect),
    };
    // Valid faults can be written.
    made.map(|made| made.map(Passing::whole)).ok_or(ForwardError::Injected)
}

/// The answer that a fault gives as it is.
pub(super) fn given(effect: &CallEffect) -> Result<Response<Passing>, ForwardError> {
    let CallEffect::Answer { status, headers, body } = effect else {
        return Err(ForwardError::Injected);
    };
    let begun = Response::builder().status(*status);
    let begun = headers
        .iter()
        .fold(begun, |begun, (name, value)| begun.header(name, value));
    // Valid faults can be written.
    begun
        .body(Passing::whole(body.clone().into()))
        .map_err(|_| ForwardError::Injected)
}

/// Sends half of an answer, and then a reset; a reset at once if there are not two halves.
pub(super) fn reset(answer: Response<Incoming>, breaker: &Breaker) -> Result<Response<Passing>, ForwardError> {
    if answer.body().is_end_stream() {
        breaker.pull();
        return Err(ForwardError::Injected);
    }
    let half = answer.body().size_hint().exact().map_or(1, |length| length / 2);
    Ok(answer.map(|body| Passing::Cut(Cut::new(body, half, Some(breaker.clone())))))
}

/// Adds what was kept back to the answer to a batch.
///
/// # Errors
/// When the answer is not understood. Then the caller must not take the batch for done.
async fn with_rest(answer: Response<Incoming>, rest: KeptBack) -> Result<Response<Passing>, ForwardError> {
    let (mut head, body) = answer.into_parts();
    let body = body.collect().await.map_err(|_| ForwardError::Batch)?.to_bytes();
    let body = rest.add_to(&body).ok_or(ForwardError::Batch)?;
    head.headers.insert(CONTENT_LENGTH, body.len().into());
    // That of the answer as it was.
    head.headers.remove("x-amz-crc32");
    Ok(Response::from_parts(head, Passing::whole(body)))
}
