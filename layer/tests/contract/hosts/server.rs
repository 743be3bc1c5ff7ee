//! Hosts that are called: servers of HTTP, with TLS or without, at an address that no client keeps away from a proxy.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// Of this machine, but not the address that never goes through a proxy.
pub(crate) const ADDRESS: &str = "127.0.0.2";

/// The same address as a name that every resolver knows. A JVM never uses a proxy for addresses that begin with 127.
pub(crate) const NAME: &str = "0x7f000002";

/// The certificate authority of the tests, and how its servers speak TLS.
pub(crate) struct Authority {
    /// Its certificate, as clients read it.
    pub(crate) pem: String,
    acceptor: TlsAcceptor,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let (own, server) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "the authority of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&own).unwrap();
        let issuer = Issuer::new(params, own);
        let params = CertificateParams::new(vec![ADDRESS.to_owned(), NAME.to_owned()]).unwrap();
        let chain = vec![params.signed_by(&server, &issuer).unwrap().der().clone()];
        let key = PrivatePkcs8KeyDer::from(server.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key.into())
            .unwrap();
        Authority {
            pem: certificate.pem(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }
}

/// A request that came.
pub(crate) struct Came {
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
}

/// A server. `/N` is answered with N bytes, and a request with a body with that body.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) requests: Arc<AtomicUsize>,
    /// Each request, when it has come.
    pub(crate) came: mpsc::UnboundedReceiver<Came>,
}

/// The bytes of an answer.
pub(crate) fn pattern(length: usize) -> Bytes {
    (0..length).map(|place| (place % 251) as u8).collect()
}

impl Server {
    /// Starts one, with TLS if there is an authority.
    pub(crate) async fn start(authority: Option<&Authority>) -> Server {
        let listener = TcpListener::bind((ADDRESS, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (tell, came) = mpsc::unbounded_channel();
        let acceptor = authority.map(|authority| authority.acceptor.clone());
        let (counted, asked) = (Arc::clone(&connections), Arc::clone(&requests));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                let (acceptor, asked, tell) = (acceptor.clone(), Arc::clone(&asked), tell.clone());
                tokio::spawn(async move {
                    stream.set_nodelay(true).unwrap();
                    match acceptor {
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, asked, tell).await;
                            }
                        }
                        None => serve(stream, asked, tell).await,
                    }
                });
            }
        });
        Server {
            address,
            connections,
            requests,
            came,
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    asked: Arc<AtomicUsize>,
    tell: mpsc::UnboundedSender<Came>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        asked.fetch_add(1, Ordering::Relaxed);
        let tell = tell.clone();
        async move {
            let (head, body) = request.into_parts();
            let _ = tell.send(Came {
                uri: head.uri.to_string(),
                headers: head.headers,
            });
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let asked = head.uri.path().trim_start_matches('/').parse().unwrap_or(0);
            let body = if body.is_empty() { pattern(asked) } else { body };
            Ok::<_, Infallible>(Response::new(Full::new(body)))
        }
    });
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
