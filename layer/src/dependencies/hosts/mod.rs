//! The calls of the function to other hosts than those of AWS, on their way through the layer: a forward proxy.
//!
//! If the owner names hosts in `INOCULATE_DEPENDENCIES`, there is one more listener on this machine, and the process of the
//! function gets it as its proxy for HTTP ([`variables`]). A variable cannot say which hosts a proxy is for, so all calls
//! come here whose client follows the variables; those to hosts that are not named go on as if the proxy were any other.
//!
//! Calls with TLS come as a tunnel, whose bytes are passed on as they are: nobody looks into them. Calls without it come
//! one by one. Either way what happens to the connection to the host happens to that of the caller: where nobody can be
//! reached, it is reset, as no client of HTTP would get an answer of a proxy from a host that is down.

mod faults;
mod plain;
mod tunnel;
pub mod variables;

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use inoculate_core::host::HostPattern;
use serde_json::json;
use tokio::net::TcpStream;

use super::body::Passing;
use super::forward::ForwardError;
use super::pool::Pool;
use super::socket::{Breaker, Socket};
use crate::clock::SystemClock;
use crate::dynamo::connection::Endpoint;
use crate::proxy::Proxy;

/// The port of URLs without one, and without TLS.
const HTTP_PORT: u16 = 80;

/// The forward proxy.
pub(super) struct Hosts {
    /// Those whose calls may meet faults.
    pub(super) named: Vec<HostPattern>,
    pub(super) proxy: Arc<Proxy>,
}

/// Where a call goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    /// Without a port. An address with colons is in brackets.
    host: String,
    port: u16,
}

impl Target {
    /// Reads the address of a request to a proxy. `usual_port` is that of an address without one.
    fn of(uri: &Uri, usual_port: Option<u16>) -> Option<Target> {
        Some(Target {
            host: uri.host().filter(|host| !host.is_empty())?.to_owned(),
            port: uri.port_u16().or(usual_port)?,
        })
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint {
            tls: false,
            authority: format!("{}:{}", self.host, self.port),
            prefix: String::new(),
        }
    }
}

impl Hosts {
    /// Serves one connection of the function.
    pub(super) async fn converse(self: Arc<Self>, stream: TcpStream) {
        let breaker = Breaker::default();
        let socket = Socket::new(stream, breaker.clone());
        // Connections to hosts are those of this connection, so that the end of one is the end of what it was for.
        let pool = Pool::new(Arc::new(SystemClock));
        let service = service_fn(|request| self.answer(&pool, &breaker, request));
        let served = http1::Builder::new()
            .preserve_header_case(true)
            .auto_date_header(false)
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(socket), service)
            .with_upgrades()
            .await;
        if let Err(failure) = served {
            self.debug("a connection for a host has ended", &failure.to_string());
        }
    }

    /// Answers one request to the proxy. An error ends the connection.
    async fn answer(
        self: &Arc<Self>,
        pool: &Pool,
        breaker: &Breaker,
        request: Request<Incoming>,
    ) -> Result<Response<Passing>, ForwardError> {
        let answered = match (
            Target::of(request.uri(), None),
            Target::of(request.uri(), Some(HTTP_PORT)),
        ) {
            (Some(target), _) if *request.method() == Method::CONNECT => {
                Box::pin(self.open(target, breaker, request)).await
            }
            (_, Some(target)) if request.uri().scheme_str() == Some("http") => {
                Box::pin(self.forward(target, pool, breaker, request)).await
            }
            _ => return Ok(not_for_a_proxy()),
        };
        if let Err(failure) = &answered {
            self.debug("a call to a host got no answer", &failure.to_string());
            // However the host has ended it, no answer of HTTP came from there.
            breaker.pull();
        }
        answered
    }

    fn debug(&self, message: &str, error: &str) {
        self.proxy.log.debug(message, json!({ "error": error }));
    }
}

/// The answer to a request that names no host.
fn not_for_a_proxy() -> Response<Passing> {
    let mut answer = Response::new(Passing::Whole(None));
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_request_is_read() {
        for (uri, usual, expected) in [
            ("api.example.com:443", None, Some(("api.example.com", 443))),
            ("[::1]:8080", None, Some(("[::1]", 8080))),
            ("api.example.com", None, None),
            ("http://api.example.com/a?b", Some(80), Some(("api.example.com", 80))),
            (
                "http://user@api.example.com:81/",
                Some(80),
                Some(("api.example.com", 81)),
            ),
            ("/path", Some(80), None),
        ] {
            let target = Target::of(&uri.parse().unwrap(), usual);
            let read = target.as_ref().map(|target| (target.host.as_str(), target.port));
            assert_eq!(read, expected, "{uri}");
        }
    }
}
