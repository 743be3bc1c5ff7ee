//! One call on its way to its service.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HOST, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, Uri};
use inoculate_core::service::Service;

use super::body::Passing;
use super::call;
use super::chunks::Resigner;
use super::endpoint::Origin;
use super::keys::Keys;
use super::pool::Pool;
use super::signature::{
    CONTENT_HASH, Canonical, PathForm, Place, Signature, Signer, UNSIGNED, sha256, sha256_in_slices,
};
use crate::dynamo::connection::{Endpoint, ExchangeError};

/// The largest body that is held in memory, because only its hash says whether its signature is right. The largest
/// that a service takes is the code of a function.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const MAX_HELD: usize = 80 * 1024 * 1024;

/// The word for a body with signed chunks.
const SIGNED_CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";

/// Why a call got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// It is not known where the service is.
    #[error("it is not known where the service is: the request names no region")]
    Nowhere,
    /// The body is too large for any service.
    #[error("the body of the request is too large")]
    TooLarge,
    /// The body of the request broke off.
    #[error("the request ended too early")]
    Request,
    /// The service gave no answer.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The request cannot be written.
    #[error("the address of the request is not valid")]
    Address,
    /// One of two connections that are joined broke.
    #[error("a connection broke: {0}")]
    Tunnel(std::io::ErrorKind),
    /// A fault.
    #[error("a fault ended the connection")]
    Injected,
    /// The answer to a batch, of which a part was kept back, is not understood.
    #[error("the answer to a batch is not understood")]
    Batch,
}

/// What came of signing a request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// It is signed for the service.
    Again,
    /// It was not signed, and is not.
    Never,
    /// It has the signature of the caller, which is for the address of the layer: the key is not known.
    UnknownKey,
    /// It has the signature of the caller, which is wrong.
    Wrong,
}

/// Sends calls on to their services.
pub struct Forwarder {
    /// The secrets of the function.
    pub keys: Keys,
    /// The connections.
    pub pool: Pool,
}

impl Forwarder {
    /// Sends a call to its service, with `other` as its body if there is one and the signature is right. The answer comes
    /// back as it is, with what came of the signature.
    ///
    /// # Errors
    /// When there is no answer. Then the connection of the caller should end, as that to the service has.
    pub async fn forward(
        &self,
        origin: &Origin,
        request: Request<Passing>,
        other: Option<Bytes>,
    ) -> Result<(Response<Incoming>, Signed), ForwardError> {
        let (mut head, body) = request.into_parts();
        let signature = Signature::of(&head);
        let region = signature.as_ref().map(Signature::region);
        let endpoint = origin.endpoint(region, call::target_operation(&head.headers));
        let endpoint = endpoint.ok_or(ForwardError::Nowhere)?;
        let (body, signed) = match signature {
            Some(signature) => {
                self.signed(&mut head, &signature, body, other, origin.service(), &endpoint)
                    .await?
            }
            None => {
                address(&mut head, &endpoint, true)?;
                (body, Signed::Never)
            }
        };
        let answer = self.pool.send(&endpoint, Request::from_parts(head, body)).await?;
        Ok((answer, signed))
    }

    /// Addresses a request that is signed, and signs it again if it is signed right. Returns its body.
    async fn signed(
        &self,
        head: &mut Parts,
        signature: &Signature,
        body: Passing,
        other: Option<Bytes>,
        service: Service,
        endpoint: &Endpoint,
    ) -> Result<(Passing, Signed), ForwardError> {
        let (body, hash) = match declared_hash(head, signature, service) {
            Some(hash) => (body, hash),
            None => {
                let held = hold(body).await?;
                let hash = sha256_in_slices(&held).await;
                (Passing::whole(held), hash)
            }
        };
        let Some(secret) = self.keys.secret(&signature.key_id).await else {
            address(head, endpoint, false)?;
            return Ok((body, Signed::UnknownKey));
        };
        let signer = signature.signer(&secret);
        let Some((form, signer)) = signer.and_then(|signer| Some((checked(head, signature, &hash, &signer)?, signer)))
        else {
            address(head, endpoint, false)?;
            return Ok((body, Signed::Wrong));
        };
        address(head, endpoint, true)?;
        let (body, hash) = match other {
            Some(other) => {
                let hash = describe(head, &other);
                (Passing::whole(other), hash)
            }
            None => (body, hash),
        };
        let value = signer.request(
            &Canonical {
                head,
                signature,
                body_hash: &hash,
            }
            .text(form),
        );
        signature.replace(head, &value);
        let body = match body {
            Passing::Streamed(body) if hash.starts_with(SIGNED_CHUNKS) => {
                let resigner = Resigner::new(signer, signature.value.clone(), value);
                Passing::Resigned(body, Some(Box::new(resigner)))
            }
            body => body,
        };
        Ok((body, Signed::Again))
    }
}

/// The form of the path with which a signature is right. `None` if it is wrong.
fn checked(head: &Parts, signature: &Signature, body_hash: &str, signer: &Signer) -> Option<PathForm> {
    let canonical = Canonical {
        head,
        signature,
        body_hash,
    };
    let right = |form: &PathForm| signer.request(&canonical.text(*form)) == signature.value;
    PathForm::ALL.into_iter().find(right)
}

/// How the body is counted, if the request says that. Presigned URLs of S3 do without saying it.
fn declared_hash(head: &Parts, signature: &Signature, service: Service) -> Option<String> {
    match head.headers.get(CONTENT_HASH) {
        Some(value) => value.to_str().ok().map(str::to_owned),
        None => (signature.place == Place::Query && service == Service::S3).then(|| UNSIGNED.to_owned()),
    }
}

/// Gives a request the headers of another body, whose answer should be readable. Returns the hash of that body.
fn describe(head: &mut Parts, other: &Bytes) -> String {
    let hash = sha256(other);
    head.headers.insert(CONTENT_LENGTH, other.len().into());
    if head.headers.contains_key(ACCEPT_ENCODING) {
        head.headers
            .insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    if let (true, Ok(value)) = (head.headers.contains_key(CONTENT_HASH), HeaderValue::from_str(&hash)) {
        head.headers.insert(CONTENT_HASH, value);
    }
    hash
}

/// Reads a body to its end.
///
/// # Errors
/// When it breaks off, or is too large for any service.
pub async fn hold(mut body: Passing) -> Result<Bytes, ForwardError> {
    let length = usize::try_from(body.size_hint().lower()).unwrap_or(MAX_HELD);
    let (mut first, mut held) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| ForwardError::Request)?.into_data() else {
            continue;
        };
        if first.len() + held.len() + data.len() > MAX_HELD {
            return Err(ForwardError::TooLarge);
        }
        if first.is_empty() && held.is_empty() {
            // Mostly this is all.
            first = data;
            continue;
        }
        // Put together as it comes: in the end there would be too much to copy at once.
        if held.is_empty() {
            held.reserve(length.min(MAX_HELD));
            held.extend_from_slice(&std::mem::take(&mut first));
        }
        held.extend_from_slice(&data);
    }
    Ok(if held.is_empty() { first } else { held.freeze() })
}

/// Sends a request to an endpoint: its path, and its host unless the signature would not be right any more.
fn address(head: &mut Parts, endpoint: &Endpoint, name_host: bool) -> Result<(), ForwardError> {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let uri = format!("{}{path}", endpoint.prefix).parse::<Uri>();
    head.uri = uri.map_err(|_| ForwardError::Address)?;
    if name_host {
        let host = HeaderValue::from_str(&endpoint.authority).map_err(|_| ForwardError::Address)?;
        head.headers.insert(HOST, host);
    }
    Ok(())
}
