//! A runtime that does as it is told, over one connection that is kept.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HeaderMap;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::soon;

pub(crate) type AnyBody = BoxBody<Bytes, Infallible>;

/// A body in one piece.
pub(crate) fn whole(body: impl Into<Bytes>) -> AnyBody {
    Full::new(body.into()).boxed()
}

/// A body whose frames come one by one.
pub(crate) struct Chunks(pub(crate) mpsc::UnboundedReceiver<Frame<Bytes>>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

/// The runtime's side of one connection.
pub(crate) struct Runtime {
    sender: SendRequest<AnyBody>,
}

/// An event as the runtime got it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Got {
    pub(crate) request_id: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Runtime {
    pub(crate) async fn connect(address: SocketAddr) -> Runtime {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Runtime { sender }
    }

    /// Sends any request and reads the whole answer.
    pub(crate) async fn send(&mut self, request: Request<AnyBody>) -> Result<Response<Bytes>, hyper::Error> {
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    }

    /// Asks for an event, which must come.
    pub(crate) async fn next(&mut self) -> Got {
        soon("an event", self.try_next()).await.unwrap()
    }

    /// Asks for an event.
    pub(crate) async fn try_next(&mut self) -> Result<Got, hyper::Error> {
        let request = Request::get("/2018-06-01/runtime/invocation/next").header("user-agent", "test-runtime");
        let (head, body) = self.send(request.body(whole("")).unwrap()).await?.into_parts();
        let request_id = head.headers["lambda-runtime-aws-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        Ok(Got {
            request_id,
            headers: head.headers,
            body,
        })
    }

    /// Answers an event, and returns the status and body with which that was taken.
    pub(crate) async fn respond(&mut self, request_id: &str, body: impl Into<Bytes>) -> (u16, Bytes) {
        self.post(request_id, "response", &[], body).await
    }

    /// Fails an event.
    pub(crate) async fn fail(&mut self, request_id: &str, error_type: &str, body: impl Into<Bytes>) -> (u16, Bytes) {
        self.post(
            request_id,
            "error",
            &[("lambda-runtime-function-error-type", error_type)],
            body,
        )
        .await
    }

    pub(crate) async fn post(
        &mut self,
        request_id: &str,
        route: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> (u16, Bytes) {
        let mut request = Request::post(format!("/2018-06-01/runtime/invocation/{request_id}/{route}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = soon("an answer to an answer", self.send(request.body(whole(body)).unwrap()))
            .await
            .unwrap();
        (answer.status().as_u16(), answer.into_body())
    }
}
