//! Calls in a tunnel: bytes that are passed on as they are, both ways, until both sides have ended.
//!
//! Nobody looks into a tunnel, so a call is what can be told from outside: the caller talks after the host has, or for the
//! first time. That the two agree on keys first can be told by the types of the records of TLS, which are not encrypted.
//! Each call belongs to the invocation that is under way when it begins, so a tunnel that outlives the invocation that
//! opened it meets the faults of the next.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::Instant;

use super::super::body::Passing;
use super::super::faults::Caller;
use super::super::forward::ForwardError;
use super::super::socket::Breaker;
use super::faults::{End, Met};
use super::{Hosts, Target};
use crate::calls::Counted;
use crate::dial::{Stream, dial};
use crate::intercept::Invocation;

/// How many bytes are on their way in each direction.
const ROOM: usize = 16 * 1024;

/// How finely bytes are dealt out when they are few: parts of a second.
const PARTS: u64 = 20;

/// Shorter waits than this are put together: the timer is not finer.
const SHORTEST_WAIT: Duration = Duration::from_millis(2);

/// One tunnel.
struct Tunnel {
    hosts: Arc<Hosts>,
    target: Target,
    breaker: Breaker,
    talk: Mutex<Talk>,
}

/// A call that begins.
struct Begun {
    counted: Arc<Counted>,
    invocation: Invocation,
    /// Who meets faults by it.
    caller: Option<Caller>,
}

/// Where a tunnel stands.
struct Talk {
    /// Whether what the caller says next may begin a call.
    heard: bool,
    records: Records,
    /// The first call, if it comes in the invocation that opened the tunnel.
    first: Option<Begun>,
    /// What the call under way has met.
    met: Option<Met>,
    /// The call under way.
    counted: Option<Arc<Counted>>,
}

impl Hosts {
    /// Opens a tunnel.
    ///
    /// # Errors
    /// When nobody can be reached, or a fault says so.
    pub(super) async fn open(
        self: &Arc<Self>,
        target: Target,
        breaker: &Breaker,
        request: Request<Incoming>,
    ) -> Result<Response<Passing>, ForwardError> {
        let mut first = self.begin(&target);
        if let Some(begun) = &mut first
            && let Some(caller) = begun.caller.take_if(|caller| caller.finds_nobody())
        {
            let met = caller.meets(&self.proxy).await?;
            if let Some(End::Refused) = met.end {
                return Err(ForwardError::Injected);
            }
        }
        let host = dial(&target.endpoint()).await?.into_inner();
        let tunnel = Tunnel {
            hosts: Arc::clone(self),
            target,
            breaker: breaker.clone(),
            talk: Mutex::new(Talk {
                heard: true,
                records: Records::default(),
                first,
                met: None,
                counted: None,
            }),
        };
        tokio::spawn(tunnel.connect(hyper::upgrade::on(request), host));
        Ok(Response::new(Passing::Whole(None)))
    }

    /// Joins two connections that speak another protocol from now on.
    pub(super) fn join(
        self: &Arc<Self>,
        target: Target,
        breaker: &Breaker,
        request: hyper::upgrade::OnUpgrade,
        answer: hyper::upgrade::OnUpgrade,
    ) {
        let tunnel = Tunnel {
            hosts: Arc::clone(self),
            target,
            breaker: breaker.clone(),
            talk: Mutex::new(Talk {
                heard: true,
                records: Records::default(),
                first: None,
                met: None,
                counted: None,
            }),
        };
        tokio::spawn(async move {
            if let Ok(host) = answer.await {
                tunnel.connect(request, Box::new(TokioIo::new(host))).await;
            }
        });
    }

    fn begin(&self, target: &Target) -> Option<Begun> {
        let (maker, counted) = self.count(target, None)?;
        let invocation = maker.invocation.clone();
        let caller = self.caller(target, maker, &counted);
        Some(Begun {
            counted,
            invocation,
            caller: caller.map(|caller| caller.without_answers(&self.proxy, target)),
        })
    }
}

impl Tunnel {
    /// Passes bytes on, as soon as the caller knows that the tunnel is open.
    async fn connect(self, caller: hyper::upgrade::OnUpgrade, host: Box<dyn Stream>) {
        let Ok(caller) = caller.await else { return };
        let (mut from_caller, mut to_caller) = split(TokioIo::new(caller));
        let (mut from_host, mut to_host) = split(host);
        let ended = tokio::try_join!(
            self.ask(&mut from_caller, &mut to_host),
            self.answer(&mut from_host, &mut to_caller),
        );
        if let Err(failure) = ended {
            self.hosts.debug("a tunnel has broken", &failure.to_string());
            self.breaker.pull();
        }
    }

    /// Passes on what the caller says.
    async fn ask(
        &self,
        caller: &mut (impl AsyncRead + Unpin),
        host: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), ForwardError> {
        let (mut buffer, mut pace) = (vec![0; ROOM], Pace::default());
        loop {
            let room = self.room();
            let mut count = read(caller, &mut buffer[..room]).await?;
            if count == 0 {
                return host.shutdown().await.map_err(broken);
            }
            if self.is_call(&buffer[..count]) {
                count += self.meet(caller, &mut buffer[count..]).await?;
            }
            host.write_all(&buffer[..count]).await.map_err(broken)?;
            host.flush().await.map_err(broken)?;
            self.keep(&mut pace, count).await?;
        }
    }

    /// Passes on what the host says.
    async fn answer(
        &self,
        host: &mut (impl AsyncRead + Unpin),
        caller: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), ForwardError> {
        let (mut buffer, mut pace) = (vec![0; ROOM], Pace::default());
        loop {
            let room = self.room();
            let count = read(host, &mut buffer[..room]).await?;
            if count == 0 {
                return caller.shutdown().await.map_err(broken);
            }
            let breaks_off = self.hears();
            let count = if breaks_off { count.div_ceil(2) } else { count };
            caller.write_all(&buffer[..count]).await.map_err(broken)?;
            caller.flush().await.map_err(broken)?;
            if breaks_off {
                return Err(ForwardError::Injected);
            }
            self.keep(&mut pace, count).await?;
        }
    }

    /// Whether the caller begins a call with these bytes.
    fn is_call(&self, bytes: &[u8]) -> bool {
        let mut talk = self.talk();
        let begins = talk.heard && talk.records.begin_call(bytes);
        talk.heard &= !begins;
        begins
    }

    /// Notes that the host has said something. Returns whether its answer breaks off. Where an answer ends cannot be told, so a
    /// call counts as over when its answer begins.
    fn hears(&self) -> bool {
        let mut talk = self.talk();
        talk.heard = true;
        let met = talk.met.as_ref();
        let breaks_off =
            met.is_some_and(|met| matches!(met.end, Some(End::BreaksOff)) && met.caller.counts(&self.hosts.proxy));
        if let Some(counted) = talk.counted.take() {
            counted.answered(breaks_off);
            counted.end();
        }
        breaks_off
    }

    /// Lets a call meet its faults. What the caller says meanwhile comes into `more`; returns how much that is.
    ///
    /// # Errors
    /// When the caller has given up, so that the host should not see the call, or the call should break the tunnel.
    async fn meet(&self, caller: &mut (impl AsyncRead + Unpin), more: &mut [u8]) -> Result<usize, ForwardError> {
        let first = {
            let mut talk = self.talk();
            talk.met = None;
            talk.first.take()
        };
        let first = first.filter(|first| self.hosts.proxy.flights.is_under_way(&first.invocation));
        let Some(begun) = first.or_else(|| self.hosts.begin(&self.target)) else {
            return Ok(0);
        };
        self.talk().counted = Some(begun.counted);
        let Some(makes) = begun.caller.filter(|caller| caller.counts(&self.hosts.proxy)) else {
            return Ok(0);
        };
        let (met, count) = while_listening(makes.meets(&self.hosts.proxy), caller, more).await?;
        if let Some(End::Refused) = met.end {
            return Err(ForwardError::Injected);
        }
        self.talk().met = Some(met);
        Ok(count)
    }

    /// How many bytes to read at once.
    fn room(&self) -> usize {
        let most = self.talk().met.as_ref().and_then(|met| met.bytes_per_second);
        let part = most.map(|most| usize::try_from((most / PARTS).max(1)).unwrap_or(ROOM));
        part.map_or(ROOM, |part| part.min(ROOM))
    }

    /// Waits until the next bytes may go, if the call under way has little bandwidth.
    async fn keep(&self, pace: &mut Pace, count: usize) -> Result<(), ForwardError> {
        let limited = {
            let talk = self.talk();
            let limited = talk.met.as_ref().and_then(|met| Some((met, met.bytes_per_second?)));
            limited.map(|(met, most)| (met.caller.clone(), most))
        };
        match limited {
            Some((mut caller, most)) if caller.counts(&self.hosts.proxy) => {
                match pace.after(Instant::now(), count, most) {
                    Some(wait) => caller.wait(&self.hosts.proxy, Some(wait)).await,
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the next bytes may go.
#[derive(Debug, Default)]
pub(super) struct Pace(Option<Instant>);

impl Pace {
    /// How long to wait after so many bytes at `now`. `None` if it is not worth a timer yet.
    pub(super) fn after(&mut self, now: Instant, count: usize, bytes_per_second: u64) -> Option<Duration> {
        let due = self.0.map_or(now, |due| due.max(now));
        let due = due + Duration::from_secs_f64(count as f64 / bytes_per_second as f64);
        self.0 = Some(due);
        Some(due - now).filter(|wait| *wait >= SHORTEST_WAIT)
    }
}

/// Waits for `met`. What the caller says meanwhile comes into `more`.
///
/// # Errors
/// When the caller ends the connection meanwhile: it has given up. Callers of HTTP do not end one half of it.
async fn while_listening<T>(
    met: impl Future<Output = Result<T, ForwardError>>,
    caller: &mut (impl AsyncRead + Unpin),
    more: &mut [u8],
) -> Result<(T, usize), ForwardError> {
    let mut met = pin!(met);
    if more.is_empty() {
        return Ok((met.await?, 0));
    }
    tokio::select! {
        biased;
        done = &mut met => Ok((done?, 0)),
        count = read(caller, more) => match count? {
            0 => Err(ForwardError::Request),
            count => Ok((met.await?, count)),
        }
    }
}

async fn read(from: &mut (impl AsyncRead + Unpin), into: &mut [u8]) -> Result<usize, ForwardError> {
    from.read(into).await.map_err(broken)
}

fn broken(failure: std::io::Error) -> ForwardError {
    ForwardError::Tunnel(failure.kind())
}

/// Tells calls from what TLS needs, by the records in which a caller begins to talk. Each says in its first byte what it is,
/// and in the fourth and fifth how long. Callers are on this machine, so their records come as they were written.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc8446#section-5.1>
#[derive(Debug, Default)]
struct Records {
    /// The record that comes next is encrypted, and ends the agreement on keys.
    finishing: bool,
}

impl Records {
    /// Whether these bytes begin a call.
    fn begin_call(&mut self, bytes: &[u8]) -> bool {
        const CHANGE_CIPHER_SPEC: u8 = 20;
        const ALERT: u8 = 21;
        const HANDSHAKE: u8 = 22;
        const DATA: u8 = 23;
        /// An encrypted alert, with which a caller says that it ends the connection.
        const ALERT_BYTES: usize = 19;
        /// What ends the agreement in TLS 1.2 is shorter, and a hello is longer.
        const HELLO_BYTES: usize = 100;
        let mut rest = bytes;
        while let Some(kind) = rest.first() {
            let length = rest
                .get(3..5)
                .map_or(0, |length| usize::from(length[0]) << 8 | usize::from(length[1]));
            match *kind {
                CHANGE_CIPHER_SPEC => self.finishing = true,
                HANDSHAKE if length < HELLO_BYTES => self.finishing = false,
                DATA if self.finishing => self.finishing = false,
                DATA if length > ALERT_BYTES => return true,
                HANDSHAKE | ALERT | DATA => {}
                _ => return true,
            }
            rest = rest.get(5 + length..).unwrap_or_default();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, length: u8) -> Vec<u8> {
        [vec![kind, 3, 3, 0, length], vec![7; usize::from(length)]].concat()
    }

    #[test]
    fn a_call_is_told_from_what_tls_needs() {
        let (hello, key, change) = (record(22, 200), record(22, 70), record(20, 1));
        let (finished_12, finished_13, call) = (record(22, 40), record(23, 53), record(23, 90));
        let alert = record(23, 19);
        for (name, said) in [
            (
                "TLS 1.2",
                vec![
                    (hello.clone(), false),
                    ([key, change.clone(), finished_12].concat(), false),
                    (call.clone(), true),
                ],
            ),
            (
                "TLS 1.3",
                vec![
                    (hello.clone(), false),
                    ([change.clone(), finished_13.clone()].concat(), false),
                    (call.clone(), true),
                    (alert, false),
                ],
            ),
            (
                "TLS 1.3 with the call at once",
                vec![
                    (hello.clone(), false),
                    ([change.clone(), finished_13.clone(), call.clone()].concat(), true),
                ],
            ),
            (
                "TLS 1.3 bit by bit",
                vec![
                    (hello.clone(), false),
                    (change.clone(), false),
                    (finished_13.clone(), false),
                    (call.clone(), true),
                ],
            ),
            (
                "TLS 1.3 with a second hello",
                vec![
                    (hello.clone(), false),
                    ([change, hello].concat(), false),
                    (finished_13, false),
                    (call, true),
                ],
            ),
            ("no TLS", vec![(b"GET / HTTP/1.1\r\n".to_vec(), true)]),
            ("an alert", vec![(record(21, 2), false)]),
            ("too little", vec![(vec![23], false)]),
        ] {
            let mut records = Records::default();
            for (bytes, is_call) in said {
                assert_eq!(records.begin_call(&bytes), is_call, "{name}: {bytes:?}");
            }
        }
    }

    #[test]
    fn bytes_are_dealt_out_evenly() {
        let (mut pace, begun) = (Pace::default(), Instant::now());
        let mut now = begun;
        for _ in 0..1000 {
            if let Some(wait) = pace.after(now, 100, 1_000_000) {
                assert!(wait >= SHORTEST_WAIT);
                now += wait;
            }
        }
        let took = (now - begun).as_secs_f64();
        assert!((0.098..=0.1).contains(&took), "{took}");
    }
}
