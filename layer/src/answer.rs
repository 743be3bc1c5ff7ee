//! Answers on their way from the runtime, and the faults that act after the handler.

use std::time::Instant;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, TRAILER, TRANSFER_ENCODING};
use hyper::{Request, Response, StatusCode, Uri};

use crate::asker::set_answer_headers;
use crate::body::{Body, ERROR_TYPE, Glimpse, Held};
use crate::faults::corruption::Garbler;
use crate::faults::payload::{self, Answer};
use crate::faults::{At, Delivery, Fault, Handler};
use crate::flight::Flight;
use crate::intercept::{Delivered, Invocation};
use crate::proxy::{Proxy, ProxyError};
use crate::route::Route;
use crate::upstream::Link;
use crate::wait::wait_until_late;

/// Passes an answer of the runtime on, if it belongs to a watched invocation with its faults.
///
/// # Errors
/// When the Runtime API does not take it, or a fault ended the runtime.
pub(crate) async fn answer(
    proxy: &Proxy,
    link: &Link,
    request: Request<Incoming>,
) -> Result<Response<Body>, ProxyError> {
    let Some(mut flight) = flight_of(proxy, &request) else {
        return Ok(link.send(request.map(Body::Streamed)).await?.map(Body::Streamed));
    };
    flight.answered = Some(Instant::now());
    flight.pressures.clear();
    if flight.is_reported() {
        return swallow(request).await;
    }
    let once_more = flight.again.take().filter(|_| !flight.decision.release.is_over());
    if let Some(event) = once_more {
        if flight.decision.faults.duplicate() == Some(Delivery::Second) {
            proxy.flights.again(flight, event);
            return swallow(request).await;
        }
        let second = flight.once_more();
        let accepted = after_handler(proxy, link, request, flight).await?;
        proxy.flights.again(second, event);
        return Ok(accepted);
    }
    after_handler(proxy, link, request, flight).await
}

/// The watched invocation to which an answer belongs.
fn flight_of(proxy: &Proxy, request: &Request<Incoming>) -> Option<Flight> {
    match Route::of(request.method(), request.uri().path()) {
        Route::Response(id) | Route::Error(id) => {
            proxy.flights.take(id, request.headers().get(Invocation::INVOCATION_ID))
        }
        _ => None,
    }
}

/// Takes an answer that nobody is to get, and says to the runtime what the Runtime API would say.
async fn swallow(request: Request<Incoming>) -> Result<Response<Body>, ProxyError> {
    drain(request.into_body()).await?;
    let mut accepted = Response::new(Body::from(Bytes::from_static(b"{\"status\":\"OK\"}\n")));
    *accepted.status_mut() = StatusCode::ACCEPTED;
    accepted
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(accepted)
}

/// Reads a body to its end and forgets it.
async fn drain(mut body: Incoming) -> Result<(), ProxyError> {
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}

/// Lets the faults act that come after the handler, and sends what is then the answer.
async fn after_handler(
    proxy: &Proxy,
    link: &Link,
    request: Request<Incoming>,
    mut flight: Flight,
) -> Result<Response<Body>, ProxyError> {
    let is_response = matches!(Route::of(request.method(), request.uri().path()), Route::Response(_));
    let mut change = None;
    for fault in flight.decision.faults.clone().faults() {
        if flight.decision.release.is_over() {
            change = None;
            break;
        }
        match fault {
            Fault::Latency { at: At::After, .. } | Fault::Hang { handler: Handler::Run } => {
                proxy.injecting(&mut flight, fault);
                wait_until_late(&mut flight, fault).await;
            }
            Fault::Crash { at: At::After } => flight = proxy.crash(flight, fault).await?,
            Fault::Error {
                handler: Handler::Run, ..
            }
            | Fault::Response {
                handler: Handler::Run, ..
            } => {
                change = Some(fault.clone());
            }
            Fault::Corruption { .. } if is_response => change = Some(fault.clone()),
            // These acted before the handler.
            _ => {}
        }
    }
    if let Some(fault) = &change {
        proxy.injecting(&mut flight, fault);
    }
    deliver(link, request, flight, change).await
}

/// Sends an answer, with what has to be changed about it, and reports the outcome.
async fn deliver(
    link: &Link,
    request: Request<Incoming>,
    mut flight: Flight,
    change: Option<Fault>,
) -> Result<Response<Body>, ProxyError> {
    let glimpse = Glimpse::new(flight.decision.see_answer_bytes);
    let request = changed(request, change, &glimpse).await?;
    let failed = matches!(Route::of(request.method(), request.uri().path()), Route::Error(_))
        .then(|| error_type(request.headers()).unwrap_or_else(|| "Unknown".to_owned()));
    let accepted = link.send(request).await?;
    let delivered = if accepted.status().is_success() {
        failed
            .or_else(|| glimpse.error_type())
            .map_or(Delivered::Response, Delivered::Error)
    } else if flight.is_past_deadline() {
        Delivered::TimedOut
    } else {
        Delivered::Refused(accepted.status().as_u16())
    };
    flight.report(delivered, glimpse.bytes());
    Ok(accepted.map(Body::Streamed))
}

fn error_type(headers: &HeaderMap) -> Option<String> {
    headers
        .get(ERROR_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// The request that goes out instead of the one of the runtime.
async fn changed(
    request: Request<Incoming>,
    change: Option<Fault>,
    glimpse: &Glimpse,
) -> Result<Request<Body>, ProxyError> {
    let streamed = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind == payload::HTTP_INTEGRATION);
    if let Some(answer) = change.as_ref().and_then(|fault| Answer::of(fault, streamed)) {
        return replaced(request, &answer, glimpse).await;
    }
    let (mut head, body) = request.into_parts();
    let garbler = match change {
        Some(Fault::Corruption { how }) => Some(Garbler::new(how)),
        _ => None,
    };
    let length = head
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if let Some((garbler, length)) = garbler.as_ref().zip(length) {
        head.headers.insert(CONTENT_LENGTH, garbler.length(length).into());
    }
    Ok(Request::from_parts(head, Body::Watched(body, garbler, glimpse.clone())))
}

/// The same request with another answer. The body of the runtime is read to its end first: its work is done.
async fn replaced(request: Request<Incoming>, answer: &Answer, glimpse: &Glimpse) -> Result<Request<Body>, ProxyError> {
    let (mut head, old) = request.into_parts();
    drain(old).await?;
    let headers = &mut head.headers;
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRAILER);
    if answer.error_type.is_some() {
        // A failure is not streamed.
        headers.remove(TRANSFER_ENCODING);
        headers.remove("lambda-runtime-function-response-mode");
    }
    set_answer_headers(headers, answer);
    let body = Held::new(answer.body.clone());
    glimpse.see(&body);
    Ok(to_route(Request::from_parts(head, Body::Whole(body)), answer.route()))
}

/// The same request to another route of the same invocation: `response` or `error`.
fn to_route(mut request: Request<Body>, route: &str) -> Request<Body> {
    let base = request.uri().path().rsplit_once('/').map_or("", |(base, _)| base);
    if let Ok(uri) = format!("{base}/{route}").parse::<Uri>() {
        *request.uri_mut() = uri;
    }
    request
}
