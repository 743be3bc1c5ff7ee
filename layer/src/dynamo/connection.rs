//! One connection to an endpoint, kept while it is used.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode};

use crate::clock::Clock;
use crate::dial::dial;

/// The largest answer that is read. An item has at most 400 KB.
const MAX_ANSWER: usize = 1024 * 1024;

/// A connection that was not used for longer is not used again: the other side may have forgotten it while this
/// environment was frozen.
pub(crate) const MAX_UNUSED: Duration = Duration::from_secs(15);

type Connection = SendRequest<Full<Bytes>>;

/// Where an HTTP service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether it is reached over TLS.
    pub tls: bool,
    /// Host, and port unless it is the usual one.
    pub authority: String,
    /// Empty, or a path that starts with `/` and does not end with it.
    pub prefix: String,
}

impl Endpoint {
    /// Reads a URL.
    pub fn parse(url: &str) -> Option<Endpoint> {
        let (tls, rest) = match url.split_once("://")? {
            ("https", rest) => (true, rest),
            ("http", rest) => (false, rest),
            _ => return None,
        };
        let uri: hyper::Uri = url.parse().ok()?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let prefix = rest.strip_prefix(authority.as_str())?.trim_end_matches('/').to_owned();
        (!prefix.contains('?')).then(|| Endpoint {
            tls,
            authority: authority.to_string(),
            prefix,
        })
    }

    /// The scheme of its URL.
    pub fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// The host, without a port.
    pub fn host(&self) -> &str {
        let port = self
            .authority
            .rfind(':')
            .filter(|colon| !self.authority[*colon..].contains(']'));
        &self.authority[..port.unwrap_or(self.authority.len())]
    }

    /// Host and port, for a connection.
    pub(crate) fn address(&self) -> String {
        if self.host().len() < self.authority.len() {
            self.authority.clone()
        } else {
            format!("{}:{}", self.authority, if self.tls { 443 } else { 80 })
        }
    }
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// No connection.
    #[error("cannot connect to {authority}: {reason}")]
    Connect {
        /// Where.
        authority: String,
        /// Why not.
        reason: io::ErrorKind,
    },
    /// The other side is not who it should be, or does not speak TLS.
    #[error("cannot speak TLS with {0}")]
    Tls(String),
    /// The connection broke, or what came back is not HTTP.
    #[error("{0} gave no answer")]
    Broken(String),
}

/// Sends requests to one endpoint, one after the other.
pub struct Connector {
    endpoint: Endpoint,
    clock: Arc<dyn Clock>,
    kept: Mutex<Option<(Connection, u64)>>,
}

impl Connector {
    /// Connects when it is first needed.
    pub fn new(endpoint: Endpoint, clock: Arc<dyn Clock>) -> Connector {
        Connector {
            endpoint,
            clock,
            kept: Mutex::new(None),
        }
    }

    /// Sends a request, and reads the whole answer.
    ///
    /// # Errors
    /// When there is no answer. A request that never left is sent again on a new connection first.
    pub async fn exchange(&self, mut request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), ExchangeError> {
        let broken = || ExchangeError::Broken(self.endpoint.authority.clone());
        if let Some(mut kept) = self.kept().await {
            match kept.try_send_request(request).await {
                Ok(answer) => return self.read(kept, answer).await,
                Err(mut failure) => request = failure.take_message().ok_or_else(broken)?,
            }
        }
        let mut fresh = self.connect().await?;
        let answer = fresh.send_request(request).await.map_err(|_| broken())?;
        self.read(fresh, answer).await
    }

    async fn read(
        &self,
        connection: Connection,
        answer: hyper::Response<hyper::body::Incoming>,
    ) -> Result<(StatusCode, Bytes), ExchangeError> {
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body.map_err(|_| ExchangeError::Broken(self.endpoint.authority.clone()))?;
        *self.slot() = Some((connection, self.clock.now_ms()));
        Ok((head.status, body.to_bytes()))
    }

    /// The connection from before, if it still stands.
    async fn kept(&self) -> Option<Connection> {
        let (mut kept, used_ms) = self.slot().take()?;
        let unused = Duration::from_millis(self.clock.now_ms().abs_diff(used_ms));
        (unused < MAX_UNUSED && kept.ready().await.is_ok()).then_some(kept)
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<(Connection, u64)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<Connection, ExchangeError> {
        let stream = dial(&self.endpoint).await?;
        let shaken = http1::handshake(stream).await;
        let (sender, connection) = shaken.map_err(|_| ExchangeError::Broken(self.endpoint.authority.clone()))?;
        // How a connection ends is seen by the request that uses it.
        tokio::spawn(connection);
        Ok(sender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read() {
        for (url, expected) in [
            (
                "http://localhost:4566",
                Some((false, "localhost:4566", "", "localhost:4566")),
            ),
            (
                "https://dynamodb.eu-west-1.amazonaws.com/",
                Some((
                    true,
                    "dynamodb.eu-west-1.amazonaws.com",
                    "",
                    "dynamodb.eu-west-1.amazonaws.com:443",
                )),
            ),
            ("http://10.0.0.1/a/b/", Some((false, "10.0.0.1", "/a/b", "10.0.0.1:80"))),
            ("ftp://host", None),
            ("host:80", None),
            ("http://", None),
            ("http://a b", None),
        ] {
            let read = Endpoint::parse(url);
            let parts = read
                .as_ref()
                .map(|read| (read.tls, read.authority.as_str(), read.prefix.as_str()));
            assert_eq!(
                parts,
                expected.map(|(tls, authority, prefix, _)| (tls, authority, prefix)),
                "{url}"
            );
            assert_eq!(
                read.map(|read| read.address()).as_deref(),
                expected.map(|(_, _, _, address)| address)
            );
        }
    }

    #[tokio::test]
    async fn who_does_not_speak_tls_is_not_spoken_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let connector = Connector::new(Endpoint::parse(&url).unwrap(), Arc::new(crate::clock::SystemClock));
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut hello = [0; 3];
            tokio::io::AsyncReadExt::read_exact(&mut { stream }, &mut hello)
                .await
                .unwrap();
            hello
        };
        let request = Request::new(Full::new(Bytes::new()));
        let (hello, failed) = tokio::join!(serve, connector.exchange(request));
        // A handshake record of TLS.
        assert_eq!(hello[..2], [0x16, 0x03]);
        assert!(matches!(failed, Err(ExchangeError::Tls(_))));
    }
}
