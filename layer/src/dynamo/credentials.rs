//! The credentials of the function: from its environment, or from the address in it (SnapStart).
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>

use std::ffi::OsString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{AUTHORIZATION, HOST};
use serde::Deserialize;

use super::connection::{Connector, Endpoint};
use crate::clock::Clock;

/// Credentials are fetched again this long before they end.
const RESERVE_MS: u64 = 60_000;

/// What requests are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The id of the access key.
    pub key_id: String,
    /// Its secret.
    pub secret: String,
    /// The token of a session.
    pub session_token: Option<String>,
}

/// Why there are no credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// Neither keys nor an address.
    #[error("there are no credentials in the environment")]
    None,
    /// The address is not one to send a token to.
    #[error("AWS_CONTAINER_CREDENTIALS_FULL_URI does not lead to this machine")]
    Address,
    /// Nobody gave any.
    #[error("AWS_CONTAINER_CREDENTIALS_FULL_URI gives no credentials")]
    NotGiven,
}

/// Gives credentials.
pub enum Provider {
    /// Always the same.
    Fixed(Credentials),
    /// Asks for them when they are needed.
    Container(Box<Container>),
    /// There are none.
    None(CredentialsError),
}

/// Gives credentials that end.
pub struct Container {
    connector: Connector,
    endpoint: Endpoint,
    token: Option<String>,
    token_file: Option<OsString>,
    given: Mutex<Option<(Credentials, u64)>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<jiff::Timestamp>,
}

impl Provider {
    /// Reads variables through `get`.
    pub fn read(get: impl Fn(&str) -> Option<OsString>, clock: Arc<dyn Clock>) -> Provider {
        let text = |name: &str| {
            get(name)
                .and_then(|value| value.into_string().ok())
                .filter(|value| !value.is_empty())
        };
        if let (Some(key_id), Some(secret)) = (text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY")) {
            return Provider::Fixed(Credentials {
                key_id,
                secret,
                session_token: text("AWS_SESSION_TOKEN"),
            });
        }
        let Some(url) = text("AWS_CONTAINER_CREDENTIALS_FULL_URI") else {
            return Provider::None(CredentialsError::None);
        };
        let Some(endpoint) = Endpoint::parse(&url).filter(|endpoint| endpoint.tls || is_near(endpoint.host())) else {
            return Provider::None(CredentialsError::Address);
        };
        Provider::Container(Box::new(Container {
            connector: Connector::new(endpoint.clone(), clock),
            endpoint,
            token: text("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
            token_file: get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
            given: Mutex::new(None),
        }))
    }

    /// The id of the key, if it is always the same.
    pub fn key_id(&self) -> Option<&str> {
        match self {
            Provider::Fixed(credentials) => Some(&credentials.key_id),
            Provider::Container(_) | Provider::None(_) => None,
        }
    }

    /// Why there will never be credentials, if that is certain.
    pub fn reason(&self) -> Option<CredentialsError> {
        match self {
            Provider::None(reason) => Some(*reason),
            Provider::Fixed(_) | Provider::Container(_) => None,
        }
    }

    /// Credentials that are good at `now_ms`.
    ///
    /// # Errors
    /// When there are none.
    pub async fn credentials(&self, now_ms: u64) -> Result<Credentials, CredentialsError> {
        match self {
            Provider::Fixed(credentials) => Ok(credentials.clone()),
            Provider::Container(container) => container.credentials(now_ms).await,
            Provider::None(reason) => Err(*reason),
        }
    }

    /// Credentials as they are given now, however long those from before are good.
    ///
    /// # Errors
    /// When there are none.
    pub async fn fresh(&self) -> Result<Credentials, CredentialsError> {
        match self {
            Provider::Fixed(credentials) => Ok(credentials.clone()),
            Provider::Container(container) => container.fresh().await,
            Provider::None(reason) => Err(*reason),
        }
    }
}

impl Container {
    async fn credentials(&self, now_ms: u64) -> Result<Credentials, CredentialsError> {
        let known = self.slot().clone();
        if let Some((credentials, until_ms)) = known
            && now_ms < until_ms
        {
            return Ok(credentials);
        }
        self.fresh().await
    }

    async fn fresh(&self) -> Result<Credentials, CredentialsError> {
        let given = self.ask().await.ok_or(CredentialsError::NotGiven)?;
        let end_ms = given
            .expiration
            .and_then(|end| u64::try_from(end.as_millisecond()).ok());
        let credentials = Credentials {
            key_id: given.access_key_id,
            secret: given.secret_access_key,
            session_token: given.token,
        };
        let until_ms = end_ms.unwrap_or(u64::MAX).saturating_sub(RESERVE_MS);
        *self.slot() = Some((credentials.clone(), until_ms));
        Ok(credentials)
    }

    fn slot(&self) -> MutexGuard<'_, Option<(Credentials, u64)>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self) -> Option<Given> {
        let path = if self.endpoint.prefix.is_empty() {
            "/"
        } else {
            &self.endpoint.prefix
        };
        let mut request = Request::get(path).header(HOST, &self.endpoint.authority);
        // The file comes first: what is in it changes.
        let from_file = self
            .token_file
            .as_ref()
            .and_then(|file| std::fs::read_to_string(file).ok());
        if let Some(token) = from_file.or_else(|| self.token.clone()) {
            request = request.header(AUTHORIZATION, token.trim());
        }
        let request = request.body(Full::new(Bytes::new())).ok()?;
        let (status, body) = self.connector.exchange(request).await.ok()?;
        status.is_success().then(|| serde_json::from_slice(&body).ok())?
    }
}

/// Whether a host may get the token without TLS: this machine, or what containers have for it.
fn is_near(host: &str) -> bool {
    [
        "localhost",
        "[::1]",
        "169.254.170.2",
        "169.254.170.23",
        "[fd00:ec2::23]",
    ]
    .contains(&host)
        || host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn provider(pairs: &[(&str, &str)]) -> Provider {
        let get = |name: &str| {
            pairs
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.into())
        };
        Provider::read(get, Arc::new(SystemClock))
    }

    async fn failure(pairs: &[(&str, &str)]) -> CredentialsError {
        provider(pairs).credentials(0).await.err().unwrap()
    }

    #[tokio::test]
    async fn keys_come_first() {
        let keys = [
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "b"),
            ("AWS_SESSION_TOKEN", ""),
        ];
        let credentials = provider(&keys)
            .credentials(0)
            .await
            .unwrap_or_else(|_| panic!("there are keys"));
        assert_eq!((credentials.key_id.as_str(), credentials.session_token), ("a", None));
        assert_eq!(failure(&keys[..1]).await, CredentialsError::None);
    }

    #[tokio::test]
    async fn a_token_is_sent_to_near_addresses_only() {
        for url in ["http://example.com/x", "http://10.0.0.1/", "ftp://localhost/", "x"] {
            assert_eq!(
                failure(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)]).await,
                CredentialsError::Address,
                "{url}"
            );
        }
    }

    #[tokio::test]
    async fn credentials_from_an_address_are_kept_until_they_end() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/creds", listener.local_addr().unwrap());
        let provider = provider(&[
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret token"),
        ]);
        let body = r#"{"AccessKeyId":"k","SecretAccessKey":"s","Token":"t","Expiration":"1970-01-01T01:00:00Z"}"#;
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let count = stream.read(&mut request).await.unwrap();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..count]).to_lowercase()
        };
        let (request, given) = tokio::join!(serve, provider.credentials(0));
        assert!(request.starts_with("get /creds http/1.1") && request.contains("authorization: secret token"));
        assert!(given.is_ok_and(|given| given.session_token.as_deref() == Some("t")));
        assert!(provider.credentials(3_539_999).await.is_ok());
        drop(listener);
        assert_eq!(
            provider.credentials(3_540_000).await.err(),
            Some(CredentialsError::NotGiven)
        );
    }
}
