//! What a call asks for: its operation, and what it is about.
//!
//! Where it stands depends on the protocol: a header, the path, or the body. What is not found here is not known, and a
//! fault that asks for it does not happen.

mod lambda;
mod resource;
mod s3;

use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderName};
use hyper::http::request::Parts;
use inoculate_core::fault::Call;
use inoculate_core::service::{Protocol, Service};

use super::signature::{Signature, pairs};

/// The header of the protocol with CBOR.
pub const SMITHY: HeaderName = HeaderName::from_static("smithy-protocol");

/// How a request wants its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As the protocol of AWS says.
    Aws(Protocol),
    /// CBOR.
    ///
    /// Source: <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>
    Cbor,
}

impl Form {
    /// The form of a request to a service.
    pub fn of(service: Service, headers: &HeaderMap) -> Form {
        if headers.get(SMITHY).is_some_and(|value| value == "rpc-v2-cbor") {
            return Form::Cbor;
        }
        let kind = headers
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        let by_kind = match kind.split(';').next().unwrap_or_default() {
            "application/x-amz-json-1.0" => Some(Protocol::AwsJson("1.0")),
            "application/x-amz-json-1.1" => Some(Protocol::AwsJson("1.1")),
            "application/x-www-form-urlencoded" => Some(Protocol::AwsQuery),
            _ => None,
        };
        Form::Aws(by_kind.unwrap_or(service.protocol()))
    }
}

/// The operation in the header of the JSON protocols: `DynamoDB_20120810.GetItem` without what comes before the dot.
pub fn target_operation(headers: &HeaderMap) -> Option<&str> {
    let target = headers.get("x-amz-target")?.to_str().ok()?;
    target.rsplit('.').next()
}

/// What a call asks for, with its body if that is known.
pub fn of(service: Service, head: &Parts, body: Option<&[u8]>) -> Call {
    let region = Signature::of(head).map(|signature| signature.region().to_owned());
    let form = Form::of(service, &head.headers);
    let text = body
        .and_then(|body| std::str::from_utf8(body).ok())
        .filter(|text| !text.is_empty());
    let fields = fields(form, text, head);
    Call {
        service,
        operation: operation(service, head, form, &fields),
        resources: resource::of(service, head, form, text, &fields),
        region,
    }
}

/// The operation of a call, if its head tells.
pub fn operation_in_head(service: Service, head: &Parts) -> Option<String> {
    let form = Form::of(service, &head.headers);
    operation(service, head, form, &fields(form, None, head))
}

/// The fields of a form. The query of a GET is one, too.
fn fields(form: Form, text: Option<&str>, head: &Parts) -> Vec<(String, String)> {
    match form {
        Form::Aws(Protocol::AwsQuery) => {
            pairs(&text.or_else(|| head.uri.query()).unwrap_or_default().replace('+', " "))
        }
        _ => Vec::new(),
    }
}

fn operation(service: Service, head: &Parts, form: Form, fields: &[(String, String)]) -> Option<String> {
    match (form, service) {
        (Form::Cbor, _) => {
            let (_, operation) = head.uri.path().split_once("/operation/")?;
            Some(operation.to_owned())
        }
        (Form::Aws(Protocol::AwsQuery), _) => field(fields, "Action"),
        (_, Service::Lambda) => lambda::operation(&head.method, head.uri.path()).map(str::to_owned),
        (_, Service::S3) => s3::operation(head).map(str::to_owned),
        _ => target_operation(&head.headers).map(str::to_owned),
    }
}

fn field(fields: &[(String, String)], name: &str) -> Option<String> {
    let found = fields.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.clone())
}

#[cfg(test)]
mod tests;
