//! The layer as an external extension of Lambda.
//!
//! Lambda starts every program in `/opt/extensions` before the runtime, waits until each has registered, and counts
//! one that ends as a failure of the function. So this one listens first, registers then, and never ends by itself.
//! Whatever goes wrong, the exec wrapper either finds a proxy that passes everything on, or none and leaves the
//! runtime alone.
//!
//! The contract: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html>

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, InvalidHeaderValue};
use hyper::{Method, Request, Uri};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;

use crate::agent;
use crate::body::{Body, Held};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, RuntimeApi};
use crate::dependencies;
use crate::log::Log;
use crate::proxy::{Proxy, Tools};
use crate::upstream::{Link, Upstream, UpstreamError};

const REGISTER: &str = "/2020-01-01/extension/register";
const NEXT: &str = "/2020-01-01/extension/event/next";
const ALL_EVENTS: &[&str] = &["INVOKE", "SHUTDOWN"];
const SHUTDOWN_ONLY: &[&str] = &["SHUTDOWN"];
const NAME_HEADER: &str = "lambda-extension-name";
const ID_HEADER: &str = "lambda-extension-identifier";

/// How long to wait before asking the Extensions API again when it fails.
const PAUSE: Duration = Duration::from_millis(100);

/// How often registering is tried. Lambda gives up on the function after ten seconds.
const TRIES: u32 = 20;

/// Kept back from the time that Lambda gives for the shutdown.
const RESERVE: Duration = Duration::from_millis(100);

/// What the Extensions API says.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html#extensions-api-next>
#[derive(Debug, Deserialize)]
#[serde(tag = "eventType")]
enum Event {
    #[serde(rename = "SHUTDOWN", rename_all = "camelCase")]
    Shutdown {
        shutdown_reason: Option<String>,
        deadline_ms: u64,
    },
    #[serde(rename = "INVOKE", rename_all = "camelCase")]
    Invoke {
        deadline_ms: u64,
        invoked_function_arn: Option<String>,
    },
    #[serde(other)]
    Other,
}

/// Why the Extensions API could not be used.
#[derive(Debug, thiserror::Error)]
enum ExtensionError {
    #[error("{0}")]
    Upstream(#[from] UpstreamError),
    #[error("the Extensions API broke off: {0}")]
    Body(#[from] hyper::Error),
    #[error("the Extensions API answered with status {status}: {body}")]
    Refused { status: u16, body: String },
    #[error("the Extensions API gave no identifier")]
    NoIdentifier,
    #[error("the Extensions API sent an event that is not understood: {0}")]
    Event(#[from] serde_json::Error),
    #[error("{0}")]
    System(io::Error),
    #[error("not a header value: {0}")]
    Header(#[from] InvalidHeaderValue),
}

/// Runs as an extension until Lambda shuts the environment down.
pub fn run(config: &Config, log: Log) -> ExitCode {
    let Some(api) = &config.runtime_api else {
        log.error("not started by Lambda: AWS_LAMBDA_RUNTIME_API is not set", json!({}));
        return ExitCode::from(2);
    };
    let ran = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let ran = runtime.block_on(live(api, config, log));
            // Not by dropping it, which waits for a name server that does not answer.
            runtime.shutdown_background();
            ran
        }
        Err(failure) => Err(ExtensionError::System(failure)),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            log.error("the extension cannot run", json!({ "error": failure.to_string() }));
            ExitCode::FAILURE
        }
    }
}

async fn live(api: &RuntimeApi, config: &Config, log: Log) -> Result<(), ExtensionError> {
    let proxy = start_proxy(api, config, log).await;
    let extensions = Extensions::new(api)?;
    // Without a table there is nothing to do beside an invocation.
    let wants_invocations = proxy.is_some() && config.table.is_some();
    let Some(id) = extensions.register_or_give_up(wants_invocations, log).await else {
        // The environment goes down if this process ends, and may live if it stays.
        return pending().await;
    };
    let left = extensions.wait_for_shutdown(&id, proxy.as_deref(), log).await;
    if let Some(proxy) = proxy {
        proxy.shutdown(left.saturating_sub(RESERVE)).await;
    }
    Ok(())
}

/// Starts the proxy. Without one the exec wrapper leaves the runtime alone.
async fn start_proxy(api: &RuntimeApi, config: &Config, log: Log) -> Option<Arc<Proxy>> {
    if config.disabled {
        log.debug(
            "the function runs without the layer",
            json!({ "reason": "INOCULATE_DISABLED is set" }),
        );
        return None;
    }
    let tools = Tools {
        learn_runtime: true,
        ..Tools::default()
    };
    let started = serve(api, config, tools, log).await;
    started
        .map_err(|reason| log.error("the function runs without the layer", json!({ "reason": reason })))
        .ok()
}

async fn serve(api: &RuntimeApi, config: &Config, tools: Tools, log: Log) -> Result<Arc<Proxy>, String> {
    let port = config.port;
    let listener = listen(port).await;
    let listener = listener.map_err(|failure| format!("cannot listen on port {port}: {failure}"))?;
    let proxy = Proxy::new(api, agent::interceptor(config, log), tools, log);
    let proxy = Arc::new(proxy.map_err(|failure| failure.to_string())?);
    // Before anybody asks for them.
    dependencies::start(&proxy, config, |name| std::env::var_os(name)).await;
    tokio::spawn(Arc::clone(&proxy).serve(listener));
    Ok(proxy)
}

async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
}

/// The Extensions API, which is where the Runtime API is.
struct Extensions {
    link: Link,
    name: HeaderValue,
}

impl Extensions {
    fn new(api: &RuntimeApi) -> Result<Extensions, ExtensionError> {
        // Lambda knows an extension by the name of its file.
        let file = std::env::current_exe()
            .ok()
            .and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        let name = HeaderValue::from_str(file.as_deref().unwrap_or("inoculate-layer"))?;
        Ok(Extensions {
            link: Link::new(Arc::new(Upstream::new(api)?)),
            name,
        })
    }

    /// Registers, and tries again for as long as that may help. Returns the identifier of this extension. Not every
    /// platform tells extensions of invocations, so every other try does without.
    async fn register_or_give_up(&self, wants_invocations: bool, log: Log) -> Option<HeaderValue> {
        for number in 1..TRIES {
            let events = if wants_invocations && number % 2 == 1 {
                ALL_EVENTS
            } else {
                SHUTDOWN_ONLY
            };
            match self.register(events).await {
                Ok(id) => return Some(id),
                Err(failure) => {
                    log.debug(
                        "cannot register as an extension",
                        json!({ "error": failure.to_string() }),
                    );
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        let failure = match self.register(SHUTDOWN_ONLY).await {
            Ok(id) => return Some(id),
            Err(failure) => failure.to_string(),
        };
        log.error(
            "cannot register as an extension; everything passes",
            json!({ "error": failure }),
        );
        None
    }

    async fn register(&self, events: &[&str]) -> Result<HeaderValue, ExtensionError> {
        let mut request = Request::new(Body::from(Bytes::from(json!({ "events": events }).to_string())));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static(REGISTER);
        request.headers_mut().insert(NAME_HEADER, self.name.clone());
        request
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let (id, _) = self.exchange(request).await?;
        id.ok_or(ExtensionError::NoIdentifier)
    }

    /// Waits until the environment shuts down. Returns how long that may take.
    async fn wait_for_shutdown(&self, id: &HeaderValue, proxy: Option<&Proxy>, log: Log) -> Duration {
        loop {
            match self.next(id).await {
                Ok(Event::Shutdown {
                    shutdown_reason,
                    deadline_ms,
                }) => {
                    log.debug("the environment shuts down", json!({ "reason": shutdown_reason }));
                    return SystemClock.until(deadline_ms);
                }
                Ok(Event::Invoke {
                    deadline_ms,
                    invoked_function_arn,
                }) => {
                    if let Some(proxy) = proxy {
                        proxy.settle(invoked_function_arn.as_deref(), deadline_ms).await;
                    }
                }
                Ok(Event::Other) => {}
                Err(failure) => {
                    log.debug("cannot ask for the next event", json!({ "error": failure.to_string() }));
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn next(&self, id: &HeaderValue) -> Result<Event, ExtensionError> {
        let mut request = Request::new(Body::from(Bytes::new()));
        *request.uri_mut() = Uri::from_static(NEXT);
        request.headers_mut().insert(ID_HEADER, id.clone());
        let (_, body) = self.exchange(request).await?;
        Ok(serde_json::from_slice(&body)?)
    }

    /// Sends a request. Returns the identifier in the answer, and its body.
    async fn exchange(&self, request: Request<Body>) -> Result<(Option<HeaderValue>, Bytes), ExtensionError> {
        let (head, body) = self.link.send(request).await?.into_parts();
        let body = Held::collect(body).await?.bytes();
        if head.status.is_success() {
            return Ok((head.headers.get(ID_HEADER).cloned(), body));
        }
        let body = String::from_utf8_lossy(&body[..body.len().min(1024)]).into_owned();
        Err(ExtensionError::Refused {
            status: head.status.as_u16(),
            body,
        })
    }
}
