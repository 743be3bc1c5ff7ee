//! Bodies on their way to a service and back.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::mpsc::Receiver;

use super::chunks::{BadChunk, Resigner};
use super::counting::Watch;
use super::socket::Breaker;

/// Why a body ended too early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The sender went away.
    #[error("a body ended too early")]
    Broken(#[from] hyper::Error),
    /// A body with signed chunks is not one.
    #[error(transparent)]
    Chunk(#[from] BadChunk),
    /// A fault.
    #[error("a fault ended a body")]
    Injected,
}

/// A body that is passed on.
#[derive(Debug)]
pub enum Passing {
    /// Passed on as it comes.
    Streamed(Incoming),
    /// Bytes that are there as a whole.
    Whole(Option<Bytes>),
    /// Its chunks are signed again.
    Resigned(Incoming, Option<Box<Resigner>>),
    /// Ends too early.
    Cut(Cut),
    /// Its end is counted.
    Watched(Box<Passing>, Watch),
    /// Comes slowly, and is as long as it was.
    Slowed(Receiver<Result<Frame<Bytes>, BodyError>>, SizeHint),
}

/// A body that a fault ends too early.
#[derive(Debug)]
pub struct Cut {
    body: Incoming,
    left: u64,
    /// Ends the connection with a reset.
    breaker: Option<Breaker>,
    sent: bool,
}

impl Cut {
    /// The first `keep_bytes` of a body. Then the connection ends: with a reset, if there is a `breaker`.
    pub fn new(body: Incoming, keep_bytes: u64, breaker: Option<Breaker>) -> Cut {
        Cut {
            body,
            left: keep_bytes,
            breaker,
            sent: false,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left > 0 {
            let mut frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
            if let Some(Ok(data)) = frame.as_mut().map(|frame| frame.as_mut().map(|frame| frame.data_mut()))
                && let Some(data) = data
            {
                data.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= data.len() as u64;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)));
        }
        if !std::mem::replace(&mut self.sent, true) {
            // What was passed on goes out first.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.breaker.iter().for_each(Breaker::pull);
        Poll::Ready(Some(Err(BodyError::Injected)))
    }
}

impl Passing {
    /// These bytes.
    pub fn whole(bytes: Bytes) -> Passing {
        Passing::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Passing::Streamed(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::from),
            Passing::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Passing::Resigned(body, resigner) => poll_resigned(body, resigner, cx),
            Passing::Cut(cut) => cut.poll(cx),
            Passing::Watched(body, watch) => {
                let frame = ready!(Pin::new(&mut **body).poll_frame(cx));
                watch.passes(frame.as_ref(), body);
                Poll::Ready(frame)
            }
            Passing::Slowed(frames, _) => frames.poll_recv(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Passing::Streamed(body) => body.is_end_stream(),
            Passing::Whole(bytes) => bytes.is_none(),
            Passing::Resigned(..) | Passing::Cut(_) | Passing::Slowed(..) => false,
            Passing::Watched(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            // Signatures have one length, so chunks that are signed again have the same.
            Passing::Streamed(body) | Passing::Resigned(body, _) => body.size_hint(),
            Passing::Cut(cut) => cut.body.size_hint(),
            Passing::Watched(body, _) => body.size_hint(),
            Passing::Slowed(_, size) => *size,
            Passing::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
        }
    }
}

/// The next part of a body whose chunks are signed again. Without a signer everything was passed on.
fn poll_resigned(
    body: &mut Incoming,
    signer: &mut Option<Box<Resigner>>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    while let Some(resigner) = signer {
        let out = match ready!(Pin::new(&mut *body).poll_frame(cx)?) {
            Some(frame) => match frame.data_ref() {
                Some(data) => resigner.take(data)?,
                None => return Poll::Ready(Some(Ok(frame))),
            },
            None => {
                let rest = resigner.end()?;
                *signer = None;
                rest
            }
        };
        if !out.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(out))));
        }
    }
    Poll::Ready(None)
}
