//! Opening connections to an endpoint, with TLS or without.

use std::io;
use std::sync::{Arc, OnceLock};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::dynamo::connection::{Endpoint, ExchangeError};

/// An open connection.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Opens a connection to an endpoint.
///
/// # Errors
/// When nobody is there, or not who should be.
pub(crate) async fn dial(endpoint: &Endpoint) -> Result<TokioIo<Box<dyn Stream>>, ExchangeError> {
    let failed = |failure: io::Error| ExchangeError::Connect {
        authority: endpoint.authority.clone(),
        reason: failure.kind(),
    };
    let stream = TcpStream::connect(endpoint.address()).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    if !endpoint.tls {
        return Ok(TokioIo::new(Box::new(stream)));
    }
    let untrusted = || ExchangeError::Tls(endpoint.authority.clone());
    let name = endpoint.host().trim_matches('[').trim_matches(']').to_owned();
    let name = ServerName::try_from(name).map_err(|_| untrusted())?;
    let connector = tls().ok_or_else(untrusted)?;
    let stream = connector.connect(name, stream).await.map_err(|_| untrusted())?;
    Ok(TokioIo::new(Box::new(stream)))
}

/// Made when it is first needed: most functions never need it, and it takes memory.
fn tls() -> Option<&'static TlsConnector> {
    static TLS: OnceLock<Option<TlsConnector>> = OnceLock::new();
    let made = TLS.get_or_init(|| {
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .ok()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Some(TlsConnector::from(Arc::new(config)))
    });
    made.as_ref()
}
