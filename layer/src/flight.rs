//! The watched invocations under way, by request id. Several may be under way at the same time.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Response;
use hyper::header::HeaderValue;
use hyper::http::response;
use inoculate_core::groups::trace_root;
use tokio::sync::Notify;

use crate::body::{Body, Held};
use crate::calls::Calls;
use crate::clock::Clock;
use crate::faults::FaultKind;
use crate::faults::pressure::Pressure;
use crate::intercept::{Decision, Delivered, Interceptor, Invocation, Outcome};

/// One watched invocation under way. However it ends, it is reported once: at the latest when it is dropped.
pub struct Flight {
    /// Which invocation.
    pub invocation: Invocation,
    /// What was decided about it.
    pub decision: Decision,
    /// What was injected so far.
    pub injected: Vec<FaultKind>,
    /// A fault was ended before it had had its effect.
    pub cut_short: bool,
    /// When the event went to the runtime.
    pub handed: Option<Instant>,
    /// When the runtime answered.
    pub answered: Option<Instant>,
    /// What is taken away from the handler.
    pub pressures: Vec<Pressure>,
    /// The event, if the handler has to see it again.
    pub again: Option<Event>,
    /// The calls that it makes to other services.
    pub calls: Calls,
    received: Instant,
    reported: bool,
    interceptor: Arc<dyn Interceptor>,
    clock: Arc<dyn Clock>,
}

impl Flight {
    /// An invocation whose event has just come. Its end will be told to `interceptor`.
    pub fn new(
        invocation: Invocation,
        decision: Decision,
        interceptor: Arc<dyn Interceptor>,
        clock: Arc<dyn Clock>,
    ) -> Flight {
        Flight {
            invocation,
            decision,
            injected: Vec::new(),
            cut_short: false,
            handed: None,
            answered: None,
            pressures: Vec::new(),
            again: None,
            calls: Calls::default(),
            received: Instant::now(),
            reported: false,
            interceptor,
            clock,
        }
    }

    /// The same invocation on its way to the handler again, after its end was reported.
    pub fn once_more(&self) -> Flight {
        let (interceptor, clock) = (Arc::clone(&self.interceptor), Arc::clone(&self.clock));
        let mut again = Flight::new(self.invocation.clone(), self.decision.clone(), interceptor, clock);
        again.reported = true;
        again
    }

    /// Whether the caller has its answer, so that another one leads nowhere.
    pub fn is_reported(&self) -> bool {
        self.reported
    }

    /// Whether the function has timed out.
    pub fn is_past_deadline(&self) -> bool {
        self.invocation
            .deadline_ms
            .is_some_and(|deadline| self.clock.until(deadline).is_zero())
    }

    /// How long it is until the function times out, if that is known.
    pub fn left(&self) -> Option<Duration> {
        self.invocation.deadline_ms.map(|deadline| self.clock.until(deadline))
    }

    /// Reports that the caller got `delivered`, with the beginning of the answer.
    pub fn report(&mut self, delivered: Delivered, answer: Bytes) {
        if self.reported {
            return;
        }
        self.reported = true;
        self.interceptor.finished(Outcome {
            duration: self.received.elapsed(),
            handler: self
                .handed
                .zip(self.answered)
                .map(|(handed, answered)| answered - handed),
            invocation: self.invocation.clone(),
            decision: self.decision.clone(),
            injected: std::mem::take(&mut self.injected),
            calls: self.calls.finish(),
            cut_short: self.cut_short,
            delivered,
            answer,
        });
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let delivered = if self.is_past_deadline() {
            Delivered::TimedOut
        } else {
            Delivered::Abandoned
        };
        self.report(delivered, Bytes::new());
    }
}

/// The invocation that makes a call.
pub struct Maker {
    /// Which invocation.
    pub invocation: Invocation,
    /// What was decided about it.
    pub decision: Decision,
    /// Where the call is counted.
    pub calls: Calls,
}

/// An event that can be handed to the runtime more than once.
#[derive(Debug, Clone)]
pub struct Event {
    head: response::Parts,
    body: Held,
}

impl Event {
    /// An event as it came.
    pub fn new(head: response::Parts, body: Held) -> Event {
        Event { head, body }
    }

    /// The answer to `next` that hands it to the runtime.
    pub fn response(self) -> Response<Body> {
        Response::from_parts(self.head, Body::Whole(self.body))
    }
}

/// All watched invocations under way.
#[derive(Default)]
pub struct Flights {
    /// How many there are, to be asked without a lock.
    count: AtomicUsize,
    flights: Mutex<Vessel>,
    /// Told whenever one may have ended.
    ended: Notify,
}

#[derive(Default)]
struct Vessel {
    by_request: HashMap<String, Flight>,
    /// Events that the next `next` gets, with the flights they belong to.
    again: VecDeque<(Flight, Event)>,
}

impl Flights {
    /// Whether there is anything to look for. Costs one atomic read.
    pub fn any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Begins to watch an invocation whose event goes to the runtime now. An earlier one with the same request id that
    /// has not ended yet never will.
    pub fn insert(&self, mut flight: Flight) {
        flight.handed = Some(Instant::now());
        let replaced = self.with(|vessel| vessel.by_request.insert(flight.invocation.request_id.clone(), flight));
        self.ended.notify_waiters();
        // Reported outside of the lock.
        drop(replaced);
    }

    /// Takes the invocation to which an answer belongs: the request id is the same, and so is the invocation id if
    /// both sides have one. A late answer to an earlier delivery belongs to none.
    pub fn take(&self, request_id: &str, invocation_id: Option<&HeaderValue>) -> Option<Flight> {
        let taken = self.with(|vessel| {
            let known = vessel.by_request.get(request_id)?.invocation.invocation_id.as_ref();
            let same = known.zip(invocation_id).is_none_or(|(known, given)| known == given);
            same.then(|| vessel.by_request.remove(request_id))?
        });
        self.ended.notify_waiters();
        taken
    }

    /// Whether an invocation is under way.
    pub fn is_under_way(&self, invocation: &Invocation) -> bool {
        self.with(|vessel| {
            let flight = vessel.by_request.get(&invocation.request_id);
            flight.is_some_and(|flight| flight.invocation == *invocation)
        })
    }

    /// Waits until an invocation is not under way.
    pub async fn over(&self, invocation: &Invocation) {
        loop {
            let mut ended = pin!(self.ended.notified());
            // What happens from here on is seen.
            ended.as_mut().enable();
            if !self.is_under_way(invocation) {
                return;
            }
            ended.await;
        }
    }

    /// The invocation that makes a call: the one with the same trace root, or the only one if the call has none. `None` if
    /// that is not certain.
    pub fn maker(&self, trace: Option<&str>) -> Option<Maker> {
        if !self.any() {
            return None;
        }
        let root = trace.and_then(trace_root);
        self.with(|vessel| {
            let root_of = |flight: &Flight| {
                flight
                    .invocation
                    .trace_id
                    .as_deref()
                    .and_then(trace_root)
                    .map(str::to_owned)
            };
            let mut makers = vessel
                .by_request
                .values()
                .filter(|flight| root.is_none() || root_of(flight).as_deref() == root);
            let only = makers.next().filter(|_| makers.next().is_none())?;
            Some(Maker {
                invocation: only.invocation.clone(),
                decision: only.decision.clone(),
                calls: only.calls.clone(),
            })
        })
    }

    /// Notes that a fault has begun in an invocation under way. One that acts on each call of it is noted once.
    pub fn note(&self, invocation: &Invocation, kind: FaultKind) {
        self.change(invocation, |flight| {
            if !flight.injected.contains(&kind) {
                flight.injected.push(kind);
            }
        });
    }

    /// Notes that a fault was ended before it had had its effect, in an invocation under way.
    pub fn cut_short(&self, invocation: &Invocation) {
        self.change(invocation, |flight| flight.cut_short = true);
    }

    fn change(&self, invocation: &Invocation, change: impl FnOnce(&mut Flight)) {
        self.with(|vessel| {
            let flight = vessel.by_request.get_mut(&invocation.request_id);
            flight.filter(|flight| flight.invocation == *invocation).map(change)
        });
    }

    /// Puts an event in line for the next `next`.
    pub fn again(&self, flight: Flight, event: Event) {
        self.with(|vessel| vessel.again.push_back((flight, event)));
    }

    /// The event that is first in line. Its invocation is under way again.
    pub fn next_again(&self) -> Option<Event> {
        let (flight, event) = self.with(|vessel| vessel.again.pop_front())?;
        self.insert(flight);
        Some(event)
    }

    /// Ends all invocations under way.
    pub fn clear(&self) {
        let ended = self.with(std::mem::take);
        self.ended.notify_waiters();
        drop(ended);
    }

    fn with<T>(&self, act: impl FnOnce(&mut Vessel) -> T) -> T {
        let mut vessel: MutexGuard<'_, Vessel> = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut vessel);
        self.count
            .store(vessel.by_request.len() + vessel.again.len(), Ordering::Relaxed);
        result
    }
}
