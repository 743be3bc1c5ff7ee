//! Calls without TLS: requests to a proxy, one by one.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{HOST, HeaderValue, UPGRADE};
use hyper::{Request, Response, StatusCode, Uri};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::body::Passing;
use super::super::counting::watched;
use super::super::faults::{Caller, given, reset};
use super::super::forward::{ForwardError, hold};
use super::super::pool::Pool;
use super::super::socket::Breaker;
use super::faults::{End, Met};
use super::tunnel::Pace;
use super::{Hosts, Target};
use crate::proxy::Proxy;

/// What a caller says to its proxy only.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc9110#name-proxy-authorization>
const FOR_PROXIES: [&str; 2] = ["proxy-authorization", "proxy-connection"];

/// The largest piece that a body with little bandwidth goes in.
const PIECE: usize = 1024;

impl Hosts {
    /// Sends a request on to its host, with its faults.
    ///
    /// # Errors
    /// When there is no answer, or a fault says so.
    pub(super) async fn forward(
        self: &Arc<Self>,
        target: Target,
        pool: &Pool,
        breaker: &Breaker,
        request: Request<Incoming>,
    ) -> Result<Response<Passing>, ForwardError> {
        let trace = request.headers().get("x-amzn-trace-id");
        let Some((maker, counted)) = self.count(&target, trace.and_then(|trace| trace.to_str().ok())) else {
            return self.pass(target, pool, breaker, request.map(Passing::Streamed)).await;
        };
        let answer = match self.caller(&target, maker, &counted) {
            Some(caller) => self.meet(caller, target, pool, breaker, request).await?,
            None => self.pass(target, pool, breaker, request.map(Passing::Streamed)).await?,
        };
        Ok(watched(counted, answer))
    }

    /// Sends a request on with the faults of its caller.
    async fn meet(
        self: &Arc<Self>,
        caller: Caller,
        target: Target,
        pool: &Pool,
        breaker: &Breaker,
        request: Request<Incoming>,
    ) -> Result<Response<Passing>, ForwardError> {
        let Met {
            caller,
            bytes_per_second,
            end,
        } = caller.meets(&self.proxy).await?;
        let slow = |body| match bytes_per_second {
            Some(most) => slowed(body, Arc::clone(&self.proxy), caller.clone(), most),
            None => body,
        };
        let request = request.map(|body| slow(Passing::Streamed(body)));
        match end {
            None => Ok(self.pass(target, pool, breaker, request).await?.map(slow)),
            Some(End::Refused) => Err(ForwardError::Injected),
            Some(End::Answered(effect)) => {
                // The caller may read the answer only when it has sent all.
                hold(request.into_body()).await?;
                given(&effect)
            }
            Some(End::BreaksOff) => reset(
                pool.send(&target.endpoint(), addressed(request, &target)?).await?,
                breaker,
            ),
        }
    }

    /// Sends a request on, and its connection if both sides agree to speak something else on it.
    async fn pass(
        self: &Arc<Self>,
        target: Target,
        pool: &Pool,
        breaker: &Breaker,
        mut request: Request<Passing>,
    ) -> Result<Response<Passing>, ForwardError> {
        let upgrade = request.headers().contains_key(UPGRADE);
        let ours = upgrade.then(|| hyper::upgrade::on(&mut request));
        let mut answer = pool.send(&target.endpoint(), addressed(request, &target)?).await?;
        if let (Some(ours), StatusCode::SWITCHING_PROTOCOLS) = (ours, answer.status()) {
            let theirs = hyper::upgrade::on(&mut answer);
            self.join(target, breaker, ours, theirs);
        }
        Ok(answer.map(Passing::Streamed))
    }
}

/// A request to a proxy as its host wants it.
fn addressed(mut request: Request<Passing>, target: &Target) -> Result<Request<Passing>, ForwardError> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let uri = path.parse::<Uri>().map_err(|_| ForwardError::Address)?;
    *request.uri_mut() = uri;
    for name in FOR_PROXIES {
        request.headers_mut().remove(name);
    }
    if !request.headers().contains_key(HOST) {
        let host = HeaderValue::from_str(&target.endpoint().authority).map_err(|_| ForwardError::Address)?;
        request.headers_mut().insert(HOST, host);
    }
    Ok(request)
}

/// A body that comes at so many bytes a second, for as long as the faults of its caller count.
fn slowed(body: Passing, proxy: Arc<Proxy>, caller: Caller, bytes_per_second: u64) -> Passing {
    if body.is_end_stream() {
        return body;
    }
    let size = body.size_hint();
    let (frames, slow) = mpsc::channel(1);
    tokio::spawn(async move {
        let (mut body, mut caller, mut pace) = (body, caller, Pace::default());
        while let Some(frame) = body.frame().await {
            let pieces = match frame {
                Ok(frame) => pieces(frame),
                Err(failure) => {
                    let _ = frames.send(Err(failure)).await;
                    return;
                }
            };
            for (piece, count) in pieces {
                if frames.send(Ok(piece)).await.is_err() {
                    return;
                }
                if caller.counts(&proxy)
                    && let Some(wait) = pace.after(Instant::now(), count, bytes_per_second)
                    && caller.wait(&proxy, Some(wait)).await.is_err()
                {
                    return;
                }
            }
        }
    });
    Passing::Slowed(slow, size)
}

/// A part of a body in small pieces, each with its length.
fn pieces(frame: Frame<Bytes>) -> Vec<(Frame<Bytes>, usize)> {
    match frame.into_data() {
        Ok(mut data) => {
            let mut pieces = Vec::new();
            while !data.is_empty() {
                let piece = data.split_to(data.len().min(PIECE));
                let count = piece.len();
                pieces.push((Frame::data(piece), count));
            }
            pieces
        }
        Err(frame) => vec![(frame, 0)],
    }
}
