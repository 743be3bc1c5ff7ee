//! Connections to the true Runtime API.
//!
//! Each connection of a runtime has a connection of its own to the Runtime API, its [`Link`]. So whatever happens to
//! one side happens to the other: a runtime that goes away during its long poll ends that poll, and a Runtime API
//! that closes in the middle of an answer closes the runtime's connection in the middle of that answer. When a
//! runtime closes its connection properly, the one to the Runtime API is kept for the next.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue, InvalidHeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::body::Body;
use crate::config::RuntimeApi;

/// Connections that wait for their next use. A runtime has one connection, or one per concurrent invocation.
const MAX_IDLE: usize = 16;

type Connection = SendRequest<Body>;

/// Why a request got no answer from the Runtime API.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection.
    #[error("cannot connect to the Runtime API at {authority}")]
    Connect {
        /// Where it should be.
        authority: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The connection broke, or what came back is not HTTP.
    #[error("the Runtime API gave no answer")]
    Exchange(#[from] hyper::Error),
}

/// The true Runtime API.
#[derive(Debug)]
pub struct Upstream {
    authority: String,
    host: HeaderValue,
    idle: Mutex<Vec<Connection>>,
}

impl Upstream {
    /// The Runtime API at `api`. Connects when it is first needed.
    ///
    /// # Errors
    /// When the address cannot be written in a `Host` header.
    pub fn new(api: &RuntimeApi) -> Result<Upstream, InvalidHeaderValue> {
        Ok(Upstream {
            authority: api.authority.clone(),
            host: HeaderValue::from_str(&api.authority)?,
            idle: Mutex::default(),
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<Connection, UpstreamError> {
        let failed = |source| UpstreamError::Connect {
            authority: self.authority.clone(),
            source,
        };
        let stream = TcpStream::connect(&self.authority).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let (sender, connection) = http1::Builder::new()
            .preserve_header_case(true)
            .handshake(TokioIo::new(stream))
            .await?;
        // How a connection ends is seen by the request that uses it.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// The connection to the Runtime API that belongs to one connection of a runtime.
#[derive(Debug)]
pub struct Link {
    upstream: Arc<Upstream>,
    held: Mutex<Option<Connection>>,
}

impl Link {
    /// A link that connects when it is first used.
    pub fn new(upstream: Arc<Upstream>) -> Link {
        Link {
            upstream,
            held: Mutex::new(None),
        }
    }

    /// Sends a request and waits for the head of its answer, without a time limit. Dropping the future ends the
    /// exchange, as a runtime does when it closes its connection.
    ///
    /// # Errors
    /// When the Runtime API cannot be reached or gives no proper answer. A request that never left is sent again on
    /// a new connection first: connections that were kept may have been closed meanwhile.
    pub async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>, UpstreamError> {
        request.headers_mut().insert(HOST, self.upstream.host.clone());
        if let Some(mut kept) = self.kept().await {
            match kept.try_send_request(request).await {
                Ok(answer) => {
                    self.keep(kept);
                    return Ok(answer);
                }
                Err(mut failure) => match failure.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(failure.into_error().into()),
                },
            }
        }
        let mut fresh = self.upstream.connect().await?;
        let answer = fresh.send_request(request).await?;
        self.keep(fresh);
        Ok(answer)
    }

    /// A connection from earlier, if there is one that still stands.
    async fn kept(&self) -> Option<Connection> {
        let held = self.held().take();
        let mut kept = held.or_else(|| self.upstream.idle().pop())?;
        kept.ready().await.is_ok().then_some(kept)
    }

    fn keep(&self, connection: Connection) {
        *self.held() = Some(connection);
    }

    fn held(&self) -> MutexGuard<'_, Option<Connection>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut idle = self.upstream.idle();
        if let Some(connection) = self.held().take()
            && connection.is_ready()
            && idle.len() < MAX_IDLE
        {
            idle.push(connection);
        }
    }
}
