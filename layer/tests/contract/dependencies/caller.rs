//! A function that makes calls, a service that records them, and the signatures of both, made by `aws-sigv4`.

use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::HeaderMap;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::support::api::Recorded;
use crate::support::process::{Process, exec};
use crate::support::{RuntimeApi, soon};

pub(crate) const KEY: &str = "AKID";
pub(crate) const SECRET: &str = "secret";

/// The layer as a process, around a command that says where it finds its services, and stays.
pub(crate) struct Function {
    pub(crate) process: Process,
    pub(crate) service: SocketAddr,
}

impl Function {
    /// A function whose `variable` leads through the layer to `upstream`.
    pub(crate) async fn start(name: &str, variable: &str, api: &RuntimeApi, upstream: SocketAddr) -> Function {
        let print = format!("echo ${variable}; exec sleep 600");
        let mut command = exec(Some(api.address), &["sh", "-c", &print]);
        command.env("INOCULATE_DEPENDENCIES", name);
        command.envs(crate::support::dynamo::environment(upstream));
        let mut process = Process::start(&mut command);
        let line = process.line().await;
        let service = line
            .strip_prefix("http://127.0.0.1:")
            .unwrap_or_else(|| panic!("{line}"));
        let service = SocketAddr::from(([127, 0, 0, 1], service.parse().unwrap()));
        Function { process, service }
    }
}

/// How a request is signed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum How {
    /// The hash of the body is in the signature only.
    Plain,
    /// As S3 wants it: this is in `x-amz-content-sha256`.
    S3(&'static str),
}

/// Signs a request as SDKs do, for the host in its headers.
pub(crate) fn signed(mut request: Request<Bytes>, secret: &str, how: How, at_secs: u64) -> Request<Bytes> {
    let headers = request.headers().clone();
    let uri = request.uri().to_string();
    let (method, body) = (request.method().to_string(), request.body().clone());
    let body = match how {
        How::S3(word) if !word.is_empty() => SignableBody::Precomputed(word.to_owned()),
        _ => SignableBody::Bytes(&body),
    };
    let names: Vec<&str> = headers.keys().map(|name| name.as_str()).collect();
    let instructions = instructions(&method, &uri, &headers, &names, body, secret, how, at_secs);
    instructions.apply_to_request_http1x(&mut request);
    request
}

#[expect(clippy::too_many_arguments, reason = "all of them are signed")]
fn instructions(
    method: &str,
    uri: &str,
    headers: &HeaderMap,
    names: &[&str],
    body: SignableBody<'_>,
    secret: &str,
    how: How,
    at_secs: u64,
) -> aws_sigv4::http_request::SigningInstructions {
    let mut settings = SigningSettings::default();
    if let How::S3(_) = how {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let identity = Credentials::new(KEY, secret, Some("token".to_owned()), None, "test").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-west-1")
        .name("service")
        .time(UNIX_EPOCH + Duration::from_secs(at_secs))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let host = headers["host"].to_str().unwrap();
    let headers = headers.iter().filter(|(name, _)| names.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let signable = SignableRequest::new(method, format!("http://{host}{uri}"), headers, body).unwrap();
    sign(signable, &parameters).unwrap().into_parts().0
}

/// When requests are signed, in seconds since 1970.
pub(crate) const AT_SECS: u64 = 1_700_000_000;

/// Whether a recorded request has the signature that its service would compute.
pub(crate) fn is_valid(recorded: &Recorded, method: &str, how: How) -> bool {
    let authorization = recorded.header("authorization").unwrap();
    let field = |name: &str| {
        let (_, after) = authorization.split_once(name).unwrap();
        after.split(',').next().unwrap().to_owned()
    };
    let names = field("SignedHeaders=");
    // `aws-sigv4` adds these by itself.
    let own = ["x-amz-date", "x-amz-security-token", "x-amz-content-sha256"];
    let names: Vec<&str> = names.split(';').filter(|name| !own.contains(name)).collect();
    let body = match how {
        How::S3(word) if !word.is_empty() => SignableBody::Precomputed(word.to_owned()),
        _ => SignableBody::Bytes(&recorded.body),
    };
    let again = instructions(
        method,
        &recorded.path,
        &recorded.headers,
        &names,
        body,
        SECRET,
        how,
        AT_SECS,
    );
    let mut request = Request::builder().body(()).unwrap();
    again.apply_to_request_http1x(&mut request);
    let expected = request.headers()["authorization"].to_str().unwrap().to_owned();
    expected.ends_with(&format!("Signature={}", field("Signature=")))
}

/// Sends a request on a connection of its own.
pub(crate) async fn call(address: SocketAddr, request: Request<Bytes>) -> Result<Response<Bytes>, hyper::Error> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (head, body) = soon("an answer", sender.send_request(request.map(Full::new)))
        .await?
        .into_parts();
    let body = soon("the body of an answer", body.collect()).await?.to_bytes();
    Ok(Response::from_parts(head, body))
}
