//! The proxy: a listener on this machine, and which request goes which way.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::body::Body;
use crate::child::RuntimeProcess;
use crate::clock::{Clock, SystemClock};
use crate::config::RuntimeApi;
use crate::dependencies::offer::{Offer, Variable};
use crate::faults::Fault;
use crate::flight::{Flight, Flights};
use crate::intercept::{Delivered, Interceptor};
use crate::log::Log;
use crate::route::Route;
use crate::upstream::{Link, Upstream, UpstreamError};
use crate::{answer, event};

/// How long to wait before accepting again when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What the answer to the health question ends with. Before that, each line is a variable for the function.
pub const HEALTHY: &str = concat!("inoculate-layer ", env!("CARGO_PKG_VERSION"), "\n");

/// Why an exchange ended without an answer. The runtime's connection is closed, as the Runtime API's was.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// On the side of the Runtime API.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// On the side of the runtime, or in the middle of a body.
    #[error("a body ended too early")]
    Body(#[from] hyper::Error),
    /// The runtime was killed on purpose.
    #[error("the runtime was killed by a fault")]
    Killed,
}

/// The proxy.
pub struct Proxy {
    /// The true Runtime API.
    pub(crate) upstream: Arc<Upstream>,
    /// Who decides about invocations.
    pub(crate) interceptor: Arc<dyn Interceptor>,
    /// The watched invocations under way.
    pub(crate) flights: Flights,
    /// What faults need.
    pub(crate) tools: Tools,
    /// What the process of the function has to know about its dependencies.
    pub(crate) offer: OnceLock<Offer>,
    /// Where log lines go.
    pub(crate) log: Log,
}

/// What faults need of the world.
pub struct Tools {
    /// Tells when a deadline is.
    pub clock: Arc<dyn Clock>,
    /// The directory that the handler uses for its files.
    pub tmp: PathBuf,
    /// The program that presses on memory and processor: this one.
    pub helper: PathBuf,
    /// The process that can be crashed.
    pub runtime: RuntimeProcess,
    /// Whether the exec wrapper may tell which process the runtime is.
    pub learn_runtime: bool,
}

impl Default for Tools {
    fn default() -> Tools {
        Tools {
            clock: Arc::new(SystemClock),
            tmp: PathBuf::from("/tmp"),
            helper: std::env::current_exe().unwrap_or_default(),
            runtime: RuntimeProcess::default(),
            learn_runtime: false,
        }
    }
}

impl Proxy {
    /// A proxy before the Runtime API at `api`.
    ///
    /// # Errors
    /// When the address of the API cannot be written in a header.
    pub fn new(
        api: &RuntimeApi,
        interceptor: Arc<dyn Interceptor>,
        tools: Tools,
        log: Log,
    ) -> Result<Proxy, hyper::header::InvalidHeaderValue> {
        let upstream = Arc::new(Upstream::new(api)?);
        Ok(Proxy {
            upstream,
            interceptor,
            flights: Flights::default(),
            tools,
            offer: OnceLock::new(),
            log,
        })
    }

    /// The process that can be crashed.
    pub fn runtime(&self) -> &RuntimeProcess {
        &self.tools.runtime
    }

    /// Accepts the connections of runtimes, for ever.
    pub async fn serve(self: Arc<Proxy>, listener: TcpListener) -> Infallible {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(Arc::clone(&self).converse(stream))),
                Err(failure) => {
                    self.log
                        .debug("cannot accept a connection", json!({ "error": failure.to_string() }));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Serves one connection of a runtime.
    async fn converse(self: Arc<Proxy>, stream: TcpStream) {
        let link = Link::new(Arc::clone(&self.upstream));
        // Without it everything works, a little later.
        let _ = stream.set_nodelay(true);
        let service = service_fn(|request| self.handle(&link, request));
        let served = http1::Builder::new()
            .preserve_header_case(true)
            .auto_date_header(false)
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(failure) = served {
            let cause = std::error::Error::source(&failure).map(ToString::to_string);
            self.log.debug(
                "a connection of the runtime has ended",
                json!({ "error": failure.to_string(), "cause": cause }),
            );
        }
    }

    /// Answers one request of a runtime.
    async fn handle(&self, link: &Link, request: Request<Incoming>) -> Result<Response<Body>, ProxyError> {
        match Route::of(request.method(), request.uri().path()) {
            Route::Next => event::next(self, link, request).await,
            Route::Response(_) | Route::Error(_) if self.flights.any() => {
                Box::pin(answer::answer(self, link, request)).await
            }
            Route::Health => Ok(self.health(&request)),
            _ => pass(link, request).await,
        }
    }

    /// Says that the proxy is there, and how to make calls through the layer. Learns the process id of the runtime that
    /// asks.
    fn health(&self, request: &Request<Incoming>) -> Response<Body> {
        let query = request.uri().query().unwrap_or_default();
        let field = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        if let Some(pid) = field("pid").and_then(|pid| pid.parse().ok())
            && self.tools.learn_runtime
        {
            self.tools.runtime.set(pid);
        }
        let proxy = self.offer.get().and_then(Offer::proxy);
        let mut answer: String = self
            .variables(field("key"))
            .iter()
            .chain(proxy)
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        answer.push_str(HEALTHY);
        Response::new(Bytes::from(answer).into())
    }

    /// What a function that signs with this key has to know to make its calls through the layer.
    fn variables(&self, key_id: Option<&str>) -> &[Variable] {
        let Some(offer) = self.offer.get() else { return &[] };
        offer.take(key_id).unwrap_or_else(|reason| {
            self.log
                .error("no calls pass through the layer", json!({ "reason": reason }));
            &[]
        })
    }

    /// A fault begins.
    pub(crate) fn injecting(&self, flight: &mut Flight, fault: &Fault) {
        flight.injected.push(fault.kind());
        self.interceptor.injecting(&flight.invocation, &flight.decision, fault);
    }

    /// Kills the runtime. Returns when that was not possible; otherwise the runtime's connection ends meanwhile.
    ///
    /// # Errors
    /// When the connection still stands long after its process was killed.
    pub(crate) async fn crash(&self, mut flight: Flight, fault: &Fault) -> Result<Flight, ProxyError> {
        if !self.tools.runtime.is_known() {
            let reason = "the process of the runtime is not known";
            self.interceptor.not_injected(&flight.invocation, fault.kind(), reason);
            return Ok(flight);
        }
        self.injecting(&mut flight, fault);
        flight.report(Delivered::Crashed, Bytes::new());
        // If this fails, the runtime has just ended by itself.
        let _ = self.tools.runtime.signal(rustix::process::Signal::KILL);
        tokio::time::sleep(Duration::from_secs(10)).await;
        Err(ProxyError::Killed)
    }

    /// Lambda has begun an invocation, and freezes the environment when it is over and this returns.
    pub async fn settle(&self, function_arn: Option<&str>, deadline_ms: u64) {
        self.interceptor.settle(function_arn, deadline_ms).await;
    }

    /// The environment shuts down: ends what is under way, and lets the interceptor finish within `left`.
    pub async fn shutdown(&self, left: Duration) {
        self.flights.clear();
        let _ = tokio::time::timeout(left, self.interceptor.shutdown(left)).await;
    }
}

/// Passes a request on as it is.
async fn pass(link: &Link, request: Request<Incoming>) -> Result<Response<Body>, ProxyError> {
    Ok(link.send(request.map(Body::Streamed)).await?.map(Body::Streamed))
}
