//! Signatures of requests: reading them, checking them, and making the same for another host.
//!
//! A request was signed for the address of the layer, so it has to be signed again for the true one. Everything else
//! stays as the SDK chose it: the time, the scope, which headers are signed, how the body is counted. The signature of
//! the caller is checked first. One that is wrong stays wrong, as it would be without the layer.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

mod canonical;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use sha2::{Digest, Sha256};

pub use canonical::{Canonical, PathForm};
pub(super) use canonical::{decoded, pairs};

/// The header with the hash of the body, or the word that says why there is none.
pub const CONTENT_HASH: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// The word for a body that is not signed.
pub const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// How much is hashed before others go on: a fraction of a millisecond of work.
const SLICE: usize = 64 * 1024;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");

/// Where a signature stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the header `Authorization`.
    Header,
    /// In the query: a presigned URL.
    Query,
}

/// The signature of a request, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Where it stands.
    pub place: Place,
    /// The id of the key.
    pub key_id: String,
    /// The day, the region, the service, and `aws4_request`, with slashes between them.
    pub scope: String,
    /// When it was made, like `20260101T000000Z`.
    pub time: String,
    /// The headers that are signed, in lower case.
    pub headers: Vec<String>,
    /// The signature itself: 64 hexadecimal digits.
    pub value: String,
}

impl Signature {
    /// Reads the signature of a request. `None` if there is none, or none of this kind.
    pub fn of(head: &Parts) -> Option<Signature> {
        match head.headers.get(AUTHORIZATION) {
            Some(value) => Signature::of_header(value.to_str().ok()?, &head.headers),
            None => Signature::of_query(head.uri.query()?),
        }
    }

    fn of_header(value: &str, headers: &HeaderMap) -> Option<Signature> {
        let fields = value.strip_prefix(ALGORITHM)?;
        let field = |name: &str| {
            let mut fields = fields.split(',').map(str::trim);
            fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let time = headers.get(DATE)?.to_str().ok()?.to_owned();
        Signature::new(
            Place::Header,
            &field,
            ["Credential", "SignedHeaders", "Signature"],
            time,
        )
    }

    fn of_query(query: &str) -> Option<Signature> {
        let pairs = pairs(query);
        let field = |name: &str| {
            let found = pairs.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        };
        if field("X-Amz-Algorithm") != Some(ALGORITHM) {
            return None;
        }
        let names = ["X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Signature"];
        Signature::new(Place::Query, &field, names, field("X-Amz-Date")?.to_owned())
    }

    fn new<'a>(
        place: Place,
        field: &dyn Fn(&str) -> Option<&'a str>,
        [credential, headers, value]: [&str; 3],
        time: String,
    ) -> Option<Signature> {
        let (key_id, scope) = field(credential)?.split_once('/')?;
        let read = Signature {
            place,
            key_id: key_id.to_owned(),
            scope: scope.to_owned(),
            time,
            headers: field(headers)?.split(';').map(str::to_ascii_lowercase).collect(),
            value: field(value)?.to_owned(),
        };
        (read.scope.split('/').count() == 4 && read.headers.iter().any(|name| name == "host")).then_some(read)
    }

    /// The region that the request is for.
    pub fn region(&self) -> &str {
        self.scope.split('/').nth(1).unwrap_or_default()
    }

    /// The key of this signature, made of the secret. `None` if the scope names no day.
    pub fn signer(&self, secret: &str) -> Option<Signer> {
        let mut parts = self.scope.split('/');
        let (day, region, service) = (day(parts.next()?)?, parts.next()?, parts.next()?);
        Some(Signer {
            key: generate_signing_key(secret, day, region, service).as_ref().to_vec(),
            time: self.time.clone(),
            scope: self.scope.clone(),
        })
    }

    /// Writes another value into a request, in place of this one.
    pub fn replace(&self, head: &mut Parts, value: &str) {
        match self.place {
            Place::Header => {
                let old = head.headers.get(AUTHORIZATION).and_then(|old| old.to_str().ok());
                let new = old.map(|old| old.replace(&self.value, value));
                if let Some(Ok(new)) = new.as_deref().map(HeaderValue::from_str) {
                    head.headers.insert(AUTHORIZATION, new);
                }
            }
            Place::Query => {
                let new = head.uri.to_string().replace(&self.value, value);
                if let Ok(new) = new.parse() {
                    head.uri = new;
                }
            }
        }
    }
}

/// The beginning of a day like `20260101`.
fn day(text: &str) -> Option<SystemTime> {
    let (year, month, day) = (text.get(..4)?, text.get(4..6)?, text.get(6..)?);
    let begins: jiff::Timestamp = format!("{year}-{month}-{day}T00:00:00Z").parse().ok()?;
    Some(UNIX_EPOCH + Duration::from_secs(begins.as_second().try_into().ok()?))
}

/// Makes signatures of one scope and time.
#[derive(Debug, Clone)]
pub struct Signer {
    key: Vec<u8>,
    time: String,
    scope: String,
}

impl Signer {
    /// The signature of a request, given in its canonical form.
    pub fn request(&self, canonical: &str) -> String {
        self.sign(ALGORITHM, &[&sha256(canonical.as_bytes())])
    }

    /// The signature of a chunk of a body: the next after `previous`.
    ///
    /// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>
    pub fn chunk(&self, previous: &str, hash: &str) -> String {
        self.sign("AWS4-HMAC-SHA256-PAYLOAD", &[previous, &sha256(b""), hash])
    }

    /// The signature of the trailers of a body.
    ///
    /// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>
    pub fn trailer(&self, previous: &str, hash: &str) -> String {
        self.sign("AWS4-HMAC-SHA256-TRAILER", &[previous, hash])
    }

    fn sign(&self, algorithm: &str, rest: &[&str]) -> String {
        let text = format!("{algorithm}\n{}\n{}\n{}", self.time, self.scope, rest.join("\n"));
        calculate_signature(&self.key, text.as_bytes())
    }
}

/// A hash, as signatures have it.
pub fn sha256(bytes: &[u8]) -> String {
    written(Sha256::new_with_prefix(bytes))
}

/// The hash of a body, which may be large. This process has one thread, so all others go on between slices.
pub async fn sha256_in_slices(bytes: &[u8]) -> String {
    let mut hash = Sha256::new();
    for (place, slice) in bytes.chunks(SLICE).enumerate() {
        if place > 0 {
            tokio::task::yield_now().await;
        }
        hash.update(slice);
    }
    written(hash)
}

/// A hash of all that was put into it, as signatures have it.
pub(super) fn written(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
