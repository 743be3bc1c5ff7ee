//! Events on their way to the runtime: the answers to `next`, and the faults that act before the handler.
//!
//! The runtime always gets one answer to each `next`, and it is always an event. When a fault leaves nothing for the
//! handler to do, the proxy answers the Runtime API itself, asks for the next event and hands that one over.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde_json::json;

use crate::asker::Asker;
use crate::body::{Body, Held};
use crate::dependencies::offer::Offer;
use crate::faults::payload::Answer;
use crate::faults::pressure::{self, Helper, Pressure, PressureError};
use crate::faults::{At, Fault, Handler};
use crate::flight::{Event, Flight};
use crate::intercept::{Attention, Decision, Delivered, Invocation};
use crate::proxy::{Proxy, ProxyError};
use crate::upstream::Link;
use crate::wait::{self, Wait};

/// How long an event waits for a decision, at most: a function never waits longer for the layer.
const DECISION_LIMIT: Duration = Duration::from_secs(1);

/// Answers a `next` of the runtime.
///
/// # Errors
/// When the Runtime API gives no event, or a fault ended the runtime.
pub(crate) async fn next(proxy: &Proxy, link: &Link, request: Request<Incoming>) -> Result<Response<Body>, ProxyError> {
    if proxy.flights.any()
        && let Some(event) = proxy.flights.next_again()
    {
        return Ok(event.response());
    }
    let asker = Asker::of(&request);
    let mut event = link.send(request.map(Body::Streamed)).await?;
    // The long poll may have lasted for hours, so only now does it matter whether anybody wants to know.
    while proxy.interceptor.attention() != Attention::Idle && event.status() == StatusCode::OK {
        match Box::pin(consider(proxy, link, &asker, event)).await? {
            Some(response) => return Ok(response),
            None => event = link.send(asker.next()).await?,
        }
    }
    Ok(event.map(Body::Streamed))
}

/// Asks what to do with an event, and does what comes before the handler. Returns what the runtime gets, or nothing
/// if the invocation is over.
async fn consider(
    proxy: &Proxy,
    link: &Link,
    asker: &Asker,
    event: Response<Incoming>,
) -> Result<Option<Response<Body>>, ProxyError> {
    let Some(invocation) = Invocation::of(event.headers()) else {
        return Ok(Some(event.map(Body::Streamed)));
    };
    let (head, body) = event.into_parts();
    let mut body = Body::Streamed(body);
    let mut seen = None;
    if proxy.interceptor.attention() == Attention::Event {
        seen = Some(hold(&mut body).await?.bytes());
    }
    let Some(decision) = decide(proxy, &invocation, seen.as_ref()).await else {
        return Ok(Some(Response::from_parts(head, body)));
    };
    let (interceptor, clock) = (Arc::clone(&proxy.interceptor), Arc::clone(&proxy.tools.clock));
    let mut flight = Flight::new(invocation, decision, interceptor, clock);
    if flight.decision.faults.duplicate().is_some() {
        flight.again = Some(Event::new(head.clone(), hold(&mut body).await?));
    }
    if flight.decision.faults.faults().iter().any(answers_itself) {
        // The answer goes out on the connection that the event comes on, which has to be free for it.
        hold(&mut body).await?;
    }
    let Some(flight) = before_handler(proxy, link, asker, flight).await? else {
        return Ok(None);
    };
    proxy.flights.insert(flight);
    Ok(Some(Response::from_parts(head, body)))
}

/// Asks the interceptor, but not for longer than [`DECISION_LIMIT`].
async fn decide(proxy: &Proxy, invocation: &Invocation, event: Option<&Bytes>) -> Option<Decision> {
    let decision = tokio::time::timeout(DECISION_LIMIT, proxy.interceptor.decide(invocation, event)).await;
    decision.unwrap_or_else(|_| {
        proxy.log.error(
            "deciding took too long; the event passes",
            json!({ "request_id": invocation.request_id }),
        );
        None
    })
}

/// Reads a body to its end, and leaves it there to be passed on.
async fn hold(body: &mut Body) -> Result<Held, ProxyError> {
    let whole = match std::mem::replace(body, Body::Whole(Held::default())) {
        Body::Streamed(streamed) | Body::Watched(streamed, ..) => Held::collect(streamed).await?,
        Body::Whole(held) => held,
    };
    *body = Body::Whole(whole.clone());
    Ok(whole)
}

/// Lets the faults act that come before the handler. Returns the invocation if the handler is to see the event.
async fn before_handler(
    proxy: &Proxy,
    link: &Link,
    asker: &Asker,
    mut flight: Flight,
) -> Result<Option<Flight>, ProxyError> {
    for fault in flight.decision.faults.clone().faults() {
        if flight.decision.release.is_over() {
            break;
        }
        match fault {
            Fault::Latency { at: At::Before, .. } | Fault::Hang { handler: Handler::Skip } => {
                proxy.injecting(&mut flight, fault);
                if wait::wait(&mut flight, fault).await == Wait::Deadline {
                    flight.report(Delivered::TimedOut, Bytes::new());
                    return Ok(None);
                }
            }
            Fault::Error {
                handler: Handler::Skip, ..
            }
            | Fault::Response {
                handler: Handler::Skip, ..
            } => {
                proxy.injecting(&mut flight, fault);
                if let Some(answer) = Answer::of(fault, false) {
                    asker.post(proxy, link, &flight.invocation, &answer).await?;
                    flight.report(answer.delivered(), answer.body);
                }
                return Ok(None);
            }
            Fault::Crash { at: At::Before } => flight = proxy.crash(flight, fault).await?,
            Fault::Duplicate { .. } => proxy.injecting(&mut flight, fault),
            Fault::FillTmp { .. } | Fault::MemoryPressure { .. } | Fault::CpuPressure { .. } => {
                press(proxy, &mut flight, fault).await
            }
            // These act on the answer.
            Fault::Latency { .. }
            | Fault::Hang { .. }
            | Fault::Error { .. }
            | Fault::Response { .. }
            | Fault::Corruption { .. }
            | Fault::Crash { .. } => {}
            // This acts on calls that the handler makes.
            Fault::Dependency { calls, .. } => {
                let none = Offer::default();
                if let Some(reason) = proxy.offer.get().unwrap_or(&none).obstacle(calls) {
                    proxy
                        .interceptor
                        .not_injected(&flight.invocation, fault.kind(), &reason);
                }
            }
        }
    }
    Ok(Some(flight))
}

/// Takes something away from the handler until it answers.
async fn press(proxy: &Proxy, flight: &mut Flight, fault: &Fault) {
    proxy.injecting(flight, fault);
    match begin_pressure(proxy, fault).await {
        Ok(pressure) => flight.pressures.extend(pressure),
        Err(failure) => {
            flight.injected.pop();
            proxy
                .interceptor
                .not_injected(&flight.invocation, fault.kind(), &failure.to_string());
        }
    }
}

async fn begin_pressure(proxy: &Proxy, fault: &Fault) -> Result<Option<Pressure>, PressureError> {
    let tools = &proxy.tools;
    let pressure = match *fault {
        Fault::FillTmp { megabytes } => pressure::fill(&tools.tmp, megabytes).await?,
        Fault::MemoryPressure {
            megabytes,
            longest_secs,
        } => pressure::start(&tools.helper, Helper::Memory(megabytes), longest_secs).await?,
        Fault::CpuPressure { threads, longest_secs } => {
            pressure::start(&tools.helper, Helper::Cpu(threads), longest_secs).await?
        }
        _ => return Ok(None),
    };
    Ok(Some(pressure))
}

/// Whether a fault answers for a handler that never sees the event.
fn answers_itself(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Error {
            handler: Handler::Skip,
            ..
        } | Fault::Response {
            handler: Handler::Skip,
            ..
        }
    )
}
