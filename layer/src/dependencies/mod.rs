//! The calls of the function to AWS and to other hosts, on their way through the layer.
//!
//! For each service that the owner names in `INOCULATE_DEPENDENCIES` there is a listener on this machine, and the
//! process of the function gets its address as `AWS_ENDPOINT_URL_<SERVICE>`. So SDKs send the calls here, without TLS.
//! They are signed again for the true endpoint and sent on; answers come back as they are. A listener for each service
//! says which service is meant also where a request does not, and leaves its path alone.
//!
//! Nothing of this is there unless it can be sound: see [`excuse`]. The layer's own calls never pass through it, since
//! only the process of the function has the variables.
//!
//! | look in | for |
//! |---|---|
//! | [`offer`] | what the process of the function is told |
//! | [`endpoint`] | where a service truly is |
//! | [`forward`], [`call`] | one call on its way |
//! | [`signature`], [`chunks`], [`keys`] | signing it again |
//! | [`pool`], [`body`], [`socket`] | connections and what is on them |
//! | [`counting`] | what is counted of a call |
//! | [`faults`], [`wire`], [`batch`] | calls that go wrong on purpose |
//! | [`hosts`] | calls to other hosts than those of AWS, and their faults |

pub mod batch;
pub mod body;
pub mod call;
pub mod chunks;
pub mod counting;
pub mod endpoint;
mod faults;
pub mod forward;
pub mod hosts;
pub mod keys;
pub mod offer;
pub mod pool;
pub mod signature;
pub mod socket;
pub mod wire;

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use inoculate_core::passing;
use inoculate_core::service::Service;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::dynamo::credentials::Provider;
use crate::proxy::Proxy;
use body::Passing;
use endpoint::Origin;
use faults::Caller;
use forward::{ForwardError, Forwarder, Signed, hold};
use hosts::Hosts;
use keys::Keys;
use offer::{Offer, Variable};
use pool::Pool;
use socket::{Breaker, Socket};

/// How long to wait before accepting again when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Listens for the calls to the services and hosts that the owner names. Returns what the process of the function has to
/// know to make them here. Those for which that is not sound, or fails, are left alone, and one log line says why.
/// The environment is read through `get`.
pub async fn start(
    proxy: &Arc<Proxy>,
    config: &Config,
    get: impl Fn(&str) -> Option<OsString> + Copy,
) -> Vec<Variable> {
    if config.dependencies.is_empty() && config.hosts.is_empty() {
        return Vec::new();
    }
    let mut offer = start_services(proxy, config, get).await;
    let mut variables = offer.variables().to_vec();
    if let Some(variable) = start_hosts(proxy, config, get).await {
        variables.extend(hosts::variables::all(&variable.1, get));
        offer = offer.with_proxy(variable, config.hosts.clone());
    }
    // The proxy is new, so there is none yet.
    let _ = proxy.offer.set(offer);
    variables
}

/// Listens for the calls to services.
async fn start_services(proxy: &Arc<Proxy>, config: &Config, get: impl Fn(&str) -> Option<OsString> + Copy) -> Offer {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let provider = Provider::read(get, Arc::clone(&clock));
    let key_id = provider.key_id().map(str::to_owned);
    let credentials = provider.reason();
    let forwarder = Arc::new(Forwarder {
        keys: Keys::new(provider, Arc::clone(&clock)),
        pool: Pool::new(clock),
    });
    let mut variables = Vec::new();
    for &service in &config.dependencies {
        let listening = match credentials {
            None => listen(service, config, get).await,
            Some(reason) => Err(reason.to_string()),
        };
        match listening {
            Ok((listener, origin, address)) => {
                let dependency = Arc::new(Dependency {
                    origin,
                    forwarder: Arc::clone(&forwarder),
                    proxy: Arc::clone(proxy),
                });
                tokio::spawn(serve(listener, move |stream| Arc::clone(&dependency).converse(stream)));
                variables.push((service.endpoint_variable(), format!("http://{address}")));
            }
            Err(reason) => proxy.log.error(
                "the calls to a service do not pass through the layer",
                json!({ "service": service.name(), "reason": reason }),
            ),
        }
    }
    Offer::new(variables, key_id)
}

/// Listens for the calls to hosts, if any are named. Returns the variable with the address.
async fn start_hosts(
    proxy: &Arc<Proxy>,
    config: &Config,
    get: impl Fn(&str) -> Option<OsString> + Copy,
) -> Option<Variable> {
    if config.hosts.is_empty() {
        return None;
    }
    let listening = match without_table(config).or_else(|| hosts::variables::excuse(get)) {
        Some(reason) => Err(reason),
        None => bind().await,
    };
    match listening {
        Ok((listener, address)) => {
            let named = config.hosts.clone();
            let hosts = Arc::new(Hosts {
                named,
                proxy: Arc::clone(proxy),
            });
            tokio::spawn(serve(listener, move |stream| Arc::clone(&hosts).converse(stream)));
            Some((hosts::variables::PROXY.to_owned(), format!("http://{address}")))
        }
        Err(reason) => {
            let message = "the calls to hosts do not pass through the layer";
            proxy.log.error(message, json!({ "reason": reason }));
            None
        }
    }
}

async fn listen(
    service: Service,
    config: &Config,
    get: impl Fn(&str) -> Option<OsString>,
) -> Result<(TcpListener, Origin, String), String> {
    if let Some(reason) = excuse(service, config, &get) {
        return Err(reason);
    }
    let origin = Origin::read(service, &get)?;
    let (listener, address) = bind().await?;
    Ok((listener, origin, address))
}

/// Listens on a free port of this machine.
async fn bind() -> Result<(TcpListener, String), String> {
    let cannot = |failure: std::io::Error| format!("cannot listen: {failure}");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?.to_string();
    Ok((listener, address))
}

/// Accepts connections, for ever, and serves each beside the others.
async fn serve<Conversation>(listener: TcpListener, converse: impl Fn(TcpStream) -> Conversation)
where
    Conversation: Future<Output = ()> + Send + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(converse(stream))),
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Why nothing should pass through the layer if there is no table.
fn without_table(config: &Config) -> Option<String> {
    config.table.is_none().then(|| passing::NO_TABLE.to_owned())
}

/// Why the SDK for JavaScript cannot call the service of this variable through the layer, if the function runs on Node. Only the
/// process of the function has the variable that tells.
pub fn foreign(variable: &str, get: impl Fn(&str) -> Option<OsString>) -> Option<&'static str> {
    let mut services = Service::ALL.into_iter();
    let found = services.find(|service| service.endpoint_variable() == variable);
    found.and_then(|service| passing::foreign(service, is_node(get)))
}

/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>
fn is_node(get: impl Fn(&str) -> Option<OsString>) -> bool {
    let runtime = get("AWS_EXECUTION_ENV").unwrap_or_default();
    runtime.to_string_lossy().starts_with("AWS_Lambda_nodejs")
}

/// Why the calls to a service should not pass through the layer; see [`passing::excuse`].
pub fn excuse(service: Service, config: &Config, get: impl Fn(&str) -> Option<OsString>) -> Option<String> {
    if let Some(reason) = without_table(config) {
        return Some(reason);
    }
    let text = |name: &str| get(name).map(|value| value.to_string_lossy().into_owned());
    passing::excuse(service, is_node(&get), text)
}

/// The calls to one service.
struct Dependency {
    origin: Origin,
    forwarder: Arc<Forwarder>,
    proxy: Arc<Proxy>,
}

impl Dependency {
    /// Serves one connection of the function.
    async fn converse(self: Arc<Self>, stream: TcpStream) {
        let breaker = Breaker::default();
        let socket = Socket::new(stream, breaker.clone());
        let service = service_fn(|request| self.answer(&breaker, request));
        let served = http1::Builder::new()
            .preserve_header_case(true)
            .auto_date_header(false)
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(socket), service)
            .await;
        if let Err(failure) = served {
            self.debug("a connection for a service has ended", &failure.to_string());
        }
    }

    /// Answers one call. An error ends the connection, as the service's has ended.
    async fn answer(&self, breaker: &Breaker, request: Request<Incoming>) -> Result<Response<Passing>, ForwardError> {
        let (head, body) = request.into_parts();
        let trace = head.headers.get("x-amzn-trace-id");
        let maker = self.proxy.flights.maker(trace.and_then(|trace| trace.to_str().ok()));
        let service = self.origin.service();
        let counted = maker
            .as_ref()
            .map(|maker| Arc::new(counting::begin(&maker.calls, service, &head)));
        let caller = maker
            .zip(counted.as_ref())
            .and_then(|(maker, counted)| Caller::of(service, maker, counted, &head));
        let request = Request::from_parts(head, Passing::Streamed(body));
        let answered = match caller {
            Some(caller) => Box::pin(self.meet(breaker, caller, request)).await,
            None => self
                .pass(request, None)
                .await
                .map(|(answer, _)| answer.map(Passing::Streamed)),
        };
        let answer = match answered {
            Err(ForwardError::TooLarge) => too_large(),
            Ok(answer) if service == Service::Sts => self.learn(answer).await?,
            answered => answered?,
        };
        Ok(match counted {
            Some(counted) => counting::watched(counted, answer),
            None => answer,
        })
    }

    /// Remembers the credentials in an answer of STS: calls that are signed with them can be signed again.
    async fn learn(&self, answer: Response<Passing>) -> Result<Response<Passing>, ForwardError> {
        let (head, body) = answer.into_parts();
        let body = hold(body).await?;
        keys::in_answer(&body)
            .into_iter()
            .for_each(|given| self.forwarder.keys.learn(given));
        Ok(Response::from_parts(head, Passing::whole(body)))
    }

    /// Sends a call on, perhaps with another body.
    async fn pass(
        &self,
        request: Request<Passing>,
        other: Option<Bytes>,
    ) -> Result<(Response<Incoming>, Signed), ForwardError> {
        let passed = self.forwarder.forward(&self.origin, request, other).await;
        match &passed {
            Ok((_, signed)) => self.tell(*signed),
            Err(failure) => self.debug("a call got no answer", &failure.to_string()),
        }
        passed
    }

    /// Tells of a call that its service will hardly accept because of the layer.
    fn tell(&self, signed: Signed) {
        let service = self.origin.service().name();
        let reason = match signed {
            Signed::Again | Signed::Never => return,
            Signed::UnknownKey => "it is signed with a key that the layer does not know",
            Signed::Wrong => "its signature is wrong",
        };
        let problem = format!("a call to {service} cannot be signed again: {reason}");
        self.proxy.interceptor.trouble(&problem);
    }

    fn debug(&self, message: &str, error: &str) {
        let service = self.origin.service().name();
        self.proxy
            .log
            .debug(message, json!({ "service": service, "error": error }));
    }
}

/// What services say to a body that is too large.
fn too_large() -> Response<Passing> {
    let mut answer = Response::new(Passing::Whole(None));
    *answer.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    answer
}
