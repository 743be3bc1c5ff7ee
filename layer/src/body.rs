//! Bodies on their way through the proxy.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use crate::faults::corruption::Garbler;

/// The header, or trailer of a streamed answer, with which a runtime reports a failed invocation.
pub const ERROR_TYPE: &str = "lambda-runtime-function-error-type";

/// A body that is passed on.
#[derive(Debug)]
pub enum Body {
    /// Passed on as it comes.
    Streamed(Incoming),
    /// Passed on as it comes, perhaps corrupted, while its beginning is copied for whoever asked.
    Watched(Incoming, Option<Garbler>, Glimpse),
    /// A body that is there as a whole.
    Whole(Held),
}

/// A whole body.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// The bytes. `None` once they are on their way.
    data: Option<Bytes>,
    /// What comes after the bytes of a chunked body.
    trailers: Option<HeaderMap>,
}

impl Held {
    /// A body of these bytes.
    pub fn new(data: Bytes) -> Held {
        Held {
            data: Some(data),
            trailers: None,
        }
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    /// When the sender goes away before the end.
    pub async fn collect(body: Incoming) -> Result<Held, hyper::Error> {
        let collected = body.collect().await?;
        let trailers = collected.trailers().cloned();
        Ok(Held {
            data: Some(collected.to_bytes()),
            trailers,
        })
    }

    /// The bytes.
    pub fn bytes(&self) -> Bytes {
        self.data.clone().unwrap_or_default()
    }
}

/// What was seen of a body on its way. Clones share it.
#[derive(Debug, Clone)]
pub struct Glimpse(Arc<Mutex<Seen>>);

#[derive(Debug)]
struct Seen {
    bytes: BytesMut,
    limit: usize,
    error_type: Option<String>,
}

impl Glimpse {
    /// Sees up to `limit` bytes of a body, and its trailers.
    pub fn new(limit: usize) -> Glimpse {
        Glimpse(Arc::new(Mutex::new(Seen {
            bytes: BytesMut::new(),
            limit,
            error_type: None,
        })))
    }

    /// The bytes seen so far.
    pub fn bytes(&self) -> Bytes {
        self.seen().bytes.clone().freeze()
    }

    /// The error type in the trailers: a streamed answer that failed on the way.
    pub fn error_type(&self) -> Option<String> {
        self.seen().error_type.clone()
    }

    /// Sees a body that is there as a whole.
    pub fn see(&self, held: &Held) {
        let mut seen = self.seen();
        if let Some(data) = &held.data {
            seen.data(data);
        }
        if let Some(trailers) = &held.trailers {
            seen.trailers(trailers);
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn frame(&mut self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            self.data(data);
        }
        if let Some(trailers) = frame.trailers_ref() {
            self.trailers(trailers);
        }
    }

    fn data(&mut self, data: &Bytes) {
        let room = self.limit.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&data[..room.min(data.len())]);
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        let value = trailers
            .get(ERROR_TYPE)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        self.error_type = value.filter(|value| !value.is_empty());
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Body::Streamed(body) => Pin::new(body).poll_frame(cx),
            Body::Watched(body, garbler, glimpse) => {
                let mut frame = ready!(Pin::new(body).poll_frame(cx));
                if let Some(garbler) = garbler {
                    frame = frame.map(|frame| frame.map(|frame| garbler.frame(frame)));
                }
                if let Some(Ok(frame)) = &frame {
                    glimpse.seen().frame(frame);
                }
                Poll::Ready(frame)
            }
            Body::Whole(held) => {
                let data = held.data.take().filter(|data| !data.is_empty()).map(Frame::data);
                Poll::Ready(data.or_else(|| held.trailers.take().map(Frame::trailers)).map(Ok))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Streamed(body) | Body::Watched(body, _, _) => body.is_end_stream(),
            Body::Whole(held) => held.data.as_ref().is_none_or(Bytes::is_empty) && held.trailers.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Streamed(body) | Body::Watched(body, None, _) => body.size_hint(),
            // The length of a corrupted body is in its headers, or nowhere.
            Body::Watched(_, Some(_), _) => SizeHint::default(),
            Body::Whole(held) => SizeHint::with_exact(held.data.as_ref().map_or(0, |data| data.len() as u64)),
        }
    }
}

impl From<Bytes> for Body {
    fn from(data: Bytes) -> Body {
        Body::Whole(Held::new(data))
    }
}
