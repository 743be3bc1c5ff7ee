//! Requests to the Runtime API in the name of the runtime, which knows nothing of them.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use serde_json::json;

use crate::body::{Body, ERROR_TYPE, Held};
use crate::faults::payload::{Answer, ERROR_CONTENT_TYPE, HTTP_INTEGRATION};
use crate::intercept::Invocation;
use crate::proxy::{Proxy, ProxyError};
use crate::upstream::Link;

/// A runtime that asked for an event.
pub(crate) struct Asker {
    uri: Uri,
    user_agent: Option<HeaderValue>,
}

impl Asker {
    /// The runtime that sent this `next`.
    pub(crate) fn of<B>(next: &Request<B>) -> Asker {
        Asker {
            uri: next.uri().clone(),
            user_agent: next.headers().get(USER_AGENT).cloned(),
        }
    }

    /// Asks for the next event.
    pub(crate) fn next(&self) -> Request<Body> {
        self.request(Method::GET, self.uri.clone(), Bytes::new())
    }

    /// Answers an invocation, and reads what the Runtime API says to it.
    ///
    /// # Errors
    /// When the Runtime API cannot be reached. If it refuses the answer, that is only logged.
    pub(crate) async fn post(
        &self,
        proxy: &Proxy,
        link: &Link,
        invocation: &Invocation,
        answer: &Answer,
    ) -> Result<(), ProxyError> {
        let base = self.uri.path().strip_suffix("next").unwrap_or_default();
        // A request id that is no part of a path cannot come from a Runtime API that expects it in one.
        let uri = format!("{base}{}/{}", invocation.request_id, answer.route())
            .parse()
            .unwrap_or_default();
        let mut request = self.request(Method::POST, uri, answer.body.clone());
        set_answer_headers(request.headers_mut(), answer);
        if let Some(id) = &invocation.invocation_id {
            request.headers_mut().insert(Invocation::INVOCATION_ID, id.clone());
        }
        let (head, body) = link.send(request).await?.into_parts();
        Held::collect(body).await?;
        if !head.status.is_success() {
            proxy.log.error(
                "the Runtime API refused an injected answer",
                json!({ "request_id": invocation.request_id, "status": head.status.as_u16() }),
            );
        }
        Ok(())
    }

    fn request(&self, method: Method, uri: Uri, body: Bytes) -> Request<Body> {
        let mut request = Request::new(body.into());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        if let Some(user_agent) = &self.user_agent {
            request.headers_mut().insert(USER_AGENT, user_agent.clone());
        }
        request
    }
}

/// Gives a request the headers of an injected answer.
pub(crate) fn set_answer_headers(headers: &mut HeaderMap, answer: &Answer) {
    headers.remove(ERROR_TYPE);
    if let Some(error_type) = &answer.error_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(ERROR_CONTENT_TYPE));
        // A plan with an error type that cannot be in a header is not valid.
        headers.extend(HeaderValue::from_str(error_type).ok().map(|value| (ERROR_NAME, value)));
    } else if headers.get(CONTENT_TYPE).is_none_or(|kind| kind != HTTP_INTEGRATION) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
}

const ERROR_NAME: hyper::header::HeaderName = hyper::header::HeaderName::from_static(ERROR_TYPE);
