//! The form of a request that is signed.

use hyper::header::{HOST, HeaderMap};
use hyper::http::request::Parts;

use super::{Place, Signature};

/// How the path of a request is written for its signature. Which one a service wants is known to the SDK; here it is
/// seen from the signature that comes out right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathForm {
    /// As it is on its way.
    Raw,
    /// Decoded and encoded again: S3.
    Once,
    /// Without superfluous parts, and encoded once more: all others.
    Twice,
    /// Encoded once more, with superfluous parts.
    TwiceRaw,
}

impl PathForm {
    /// All of them, the likeliest first.
    pub const ALL: [PathForm; 4] = [PathForm::Twice, PathForm::Once, PathForm::Raw, PathForm::TwiceRaw];

    fn of(self, path: &str) -> String {
        let path = if path.is_empty() { "/" } else { path };
        match self {
            PathForm::Raw => path.to_owned(),
            PathForm::Once => encode(&decode(path), true),
            PathForm::Twice => encode(normal(path).as_bytes(), true),
            PathForm::TwiceRaw => encode(path.as_bytes(), true),
        }
    }
}

/// What is signed of a request.
#[derive(Debug, Clone, Copy)]
pub struct Canonical<'a> {
    /// The request.
    pub head: &'a Parts,
    /// Its signature.
    pub signature: &'a Signature,
    /// The hash of its body, or a word for that.
    pub body_hash: &'a str,
}

impl Canonical<'_> {
    /// The text that is signed, with the path in this form.
    pub fn text(&self, form: PathForm) -> String {
        let (head, signature) = (self.head, self.signature);
        let headers: String = signature
            .headers
            .iter()
            .map(|name| format!("{name}:{}\n", header(&head.headers, name)))
            .collect();
        format!(
            "{}\n{}\n{}\n{headers}\n{}\n{}",
            head.method,
            form.of(head.uri.path()),
            query(head.uri.query().unwrap_or_default(), signature.place),
            signature.headers.join(";"),
            self.body_hash
        )
    }
}

/// The value of a header, without superfluous spaces.
fn header(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter();
    let values: Vec<String> = values
        .map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes());
            text.split(' ')
                .filter(|word| !word.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    if name == HOST.as_str() {
        return values.into_iter().next().unwrap_or_default();
    }
    values.join(",")
}

fn query(query: &str, place: Place) -> String {
    let pairs = pairs(query).into_iter();
    let signed = pairs.filter(|(name, _)| place == Place::Header || name != "X-Amz-Signature");
    let mut encoded: Vec<(String, String)> = signed
        .map(|(name, value)| (encode(name.as_bytes(), false), encode(value.as_bytes(), false)))
        .collect();
    encoded.sort_unstable();
    let joined: Vec<String> = encoded.iter().map(|(name, value)| format!("{name}={value}")).collect();
    joined.join("&")
}

/// The names and values of a query. What is not UTF-8 is not kept: its signature comes out wrong.
pub(in crate::dependencies) fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

/// A text without its percent signs.
pub(in crate::dependencies) fn decoded(raw: &str) -> String {
    String::from_utf8_lossy(&decode(raw)).into_owned()
}

fn decode(raw: &str) -> Vec<u8> {
    let bytes = raw.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = raw.get(at + 1..at + 3).filter(|_| byte == b'%');
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                decoded.push(code);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

fn encode(bytes: &[u8], keep_slashes: bool) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || (keep_slashes && byte == b'/') {
            encoded.push(byte.into());
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// A path without `.`, `..` and empty parts.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    let end = if path.ends_with('/') && !parts.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{end}", parts.join("/"))
}
