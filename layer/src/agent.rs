//! What decides about invocations: the lease of the function, and what was seen of it.
//!
//! Nothing here is on the way of an invocation but looking at what is known already. The lease is read, and what was
//! seen is written, by tasks beside the handler. There is one exception: when a run was active and the last reading
//! is too old, as in an environment that was frozen, the invocation waits for one reading, for a bounded time.
//!
//! While watched invocations are under way a task looks every [`TICK`] whether the lease still counts: faults that
//! sleep end when it does not.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use inoculate_core::layer::{self, Caps, Material, ReadLease};
use inoculate_core::names::RunId;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::dynamo::credentials::Provider;
use crate::dynamo::{CallError, Table, TableConfig};
use crate::faults::{Fault, FaultKind};
use crate::intercept::{Attention, Decision, Interceptor, Invocation, Outcome, Release};
use crate::known::{Known, Standing};
use crate::log::Log;
use crate::missing::Missing;
use crate::outbox::Outbox;
use crate::tally::{Mark, SEE_BYTES};

/// How often it is looked after the lease, and what was seen, while invocations are under way.
const TICK: Duration = Duration::from_millis(50);

/// How long a reading or a write beside the handler may take.
const CALL_LIMIT: Duration = Duration::from_secs(1);

/// How many different reasons are logged. More than there are, unless something is very wrong.
const MAX_REASONS: usize = 64;

/// How long an extension keeps the environment from being frozen for a reading, or for a write.
const SETTLE_LIMIT: Duration = Duration::from_millis(300);

/// How long an extension waits until the proxy sees an invocation that Lambda has told it of.
const SEEN_SOON: Duration = Duration::from_millis(50);

/// How the agent works.
pub struct Settings {
    /// What the owner of the function allows.
    pub caps: Caps,
    /// The longest that an invocation waits for the lease.
    pub read: Duration,
    /// How often the lease is read while no run is active.
    pub poll: Duration,
}

/// Decides by the lease in the table.
pub struct Agent(Arc<Inner>);

struct Inner {
    settings: Settings,
    table: Table,
    clock: Arc<dyn Clock>,
    log: Log,
    /// The function, as soon as an invocation has told.
    function_arn: OnceLock<String>,
    /// This environment, chosen when it is first needed: environments may be copies of one snapshot.
    environment: OnceLock<String>,
    state: Mutex<State>,
    work: watch::Sender<Work>,
    ticking: AtomicBool,
    /// One write after the other, so that no older one comes last.
    writes: tokio::sync::Mutex<()>,
}

struct State {
    known: Known,
    outbox: Outbox,
    /// The reasons that were logged.
    said: HashSet<String>,
}

/// What is under way.
#[derive(Default)]
struct Work {
    invocations: usize,
    reading: bool,
    writing: bool,
    /// How many readings have ended.
    readings: u64,
}

/// Who decides, by the environment of this process. If there is no table, everything passes.
pub fn interceptor(config: &Config, log: Log) -> Arc<dyn Interceptor> {
    let Some(table) = &config.table else {
        return Arc::new(Missing::new("INOCULATE_TABLE is not set".to_owned(), log));
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    match TableConfig::read(table, |name| std::env::var_os(name)) {
        Ok(table) => {
            let provider = Provider::read(|name| std::env::var_os(name), Arc::clone(&clock));
            let table = Table::new(table, provider, Arc::clone(&clock));
            Arc::new(Agent::new(Settings::from(config), table, clock, log))
        }
        Err(reason) => Arc::new(Missing::new(reason, log)),
    }
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Settings {
        Settings {
            caps: Caps {
                disabled: config.disabled,
                max_percent: config.max_percent,
            },
            read: config.read,
            poll: config.poll,
        }
    }
}

impl Agent {
    /// An agent that knows nothing yet.
    pub fn new(settings: Settings, table: Table, clock: Arc<dyn Clock>, log: Log) -> Agent {
        let state = State {
            known: Known::new(settings.poll),
            outbox: Outbox::default(),
            said: HashSet::new(),
        };
        Agent(Arc::new(Inner {
            settings,
            table,
            clock,
            log,
            function_arn: OnceLock::new(),
            environment: OnceLock::new(),
            state: Mutex::new(state),
            work: watch::Sender::default(),
            ticking: AtomicBool::new(false),
            writes: tokio::sync::Mutex::default(),
        }))
    }

    /// How many invocations that are watched are under way.
    pub fn watched(&self) -> usize {
        self.0.work.borrow().invocations
    }

    /// How many readings of the lease have ended.
    pub fn readings(&self) -> u64 {
        self.0.work.borrow().readings
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self) -> Standing {
        self.state().known.standing(self.clock.as_ref())
    }

    /// Logs a reason, the first time that it comes up, about this run or the latest one.
    fn say(&self, message: &str, reason: String, run: Option<&RunId>) {
        let mut state = self.state();
        let news = state.said.len() < MAX_REASONS && state.said.insert(format!("{message}: {reason}"));
        let run = run.or(state.outbox.tallies.latest_run()).cloned();
        drop(state);
        if news {
            self.log.error(message, json!({ "reason": reason, "run_id": run }));
        }
    }

    /// Starts to read the lease, if it is time for that.
    fn read_if_due(self: &Arc<Self>) {
        if self.state().known.is_due(self.clock.as_ref()) {
            self.read();
        }
    }

    /// Starts to read the lease, unless that is under way.
    fn read(self: &Arc<Self>) {
        let Some(function_arn) = self.function_arn.get() else {
            return;
        };
        let first = self
            .work
            .send_if_modified(|work| !std::mem::replace(&mut work.reading, true));
        if !first {
            return;
        }
        let (pk, sk) = layer::lease_key(function_arn);
        let begun = self.state().known.begin(self.clock.as_ref());
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            let found = inner.table.get(&pk, sk, CALL_LIMIT).await;
            inner.learn(begun, found);
            inner.work.send_modify(|work| {
                work.reading = false;
                work.readings += 1;
            });
        });
    }

    fn learn(self: &Arc<Self>, begun: (u64, Duration), found: Result<Option<Value>, CallError>) {
        let item = match found {
            Ok(item) => item.unwrap_or_default(),
            Err(failure) => {
                // What is known stays known, until it is too old.
                self.say("the lease cannot be read; everything passes", failure.to_string(), None);
                return;
            }
        };
        let lease = self.understand(&item);
        self.state().known.learn(begun, lease);
        self.write_problems();
    }

    /// Reads the item of the lease, which is null if there is none. Tells the run what is wrong with it.
    fn understand(&self, item: &Value) -> Option<ReadLease> {
        if item.is_null() {
            return None;
        }
        let run = layer::run_to_tell(item, self.clock.now_ms());
        let function_arn = self.function_arn.get().map_or("", String::as_str);
        match layer::read(item, function_arn) {
            Ok(lease) => {
                let capped = lease.as_ref().and_then(|lease| lease.capped_by(&self.settings.caps));
                if let Some((run, capped)) = run.zip(capped) {
                    self.say("fewer faults than the run asks for", capped.clone(), Some(&run));
                    self.tell(&run, &capped);
                }
                lease
            }
            Err(refused) => {
                self.say("the lease is ignored", refused.to_string(), run.as_ref());
                if let Some(run) = run {
                    self.tell(&run, &format!("the lease is refused: {refused}"));
                }
                None
            }
        }
    }

    /// Puts a problem in line for the table. A layer that is disabled writes nothing.
    fn tell(&self, run: &RunId, problem: &str) {
        if !self.settings.caps.disabled {
            self.state().outbox.problems.add(run, problem);
        }
    }

    /// Puts a problem in line for the run of an invocation. That is the latest, as runs of one function follow each other.
    /// The invocation may have ended meanwhile.
    fn tell_latest(&self, problem: &str) {
        let run = self.state().outbox.tallies.latest_run().cloned();
        if let Some(run) = run {
            self.tell(&run, problem);
        }
    }

    /// Sees to it that problems are written, although there may be no invocation to write beside of.
    fn write_problems(self: &Arc<Self>) {
        let mut state = self.state();
        let any = state.outbox.problems.is_unwritten();
        if any {
            state.outbox.may_try_again();
        }
        drop(state);
        if any {
            self.write_if_due();
            self.keep_ticking();
        }
    }

    /// The lease, if it counts. Waits for one reading if it is too old.
    async fn lease(self: &Arc<Self>) -> Option<Arc<ReadLease>> {
        if let Standing::Stale(_) = self.standing()
            && !self.settings.read.is_zero()
        {
            let mut work = self.work.subscribe();
            let before = work.borrow_and_update().readings;
            self.read();
            let read = work.wait_for(|work| work.readings > before);
            let _ = tokio::time::timeout(self.settings.read, read).await;
            if let Standing::Stale(_) = self.standing() {
                self.state().known.give_up();
            }
        }
        match self.standing() {
            Standing::Active(lease) => Some(lease),
            Standing::Stale(_) | Standing::Idle => None,
        }
    }

    /// Decides by a lease.
    fn decide(&self, lease: &ReadLease, invocation: &Invocation, event: Option<&Value>) -> Option<Decision> {
        let mut state = self.state();
        let request = Material {
            event,
            trace: invocation.trace_id.as_deref(),
            request_id: &invocation.request_id,
        };
        let at = state.known.moment(self.clock.as_ref());
        let decision = layer::decide(lease, &at, &self.settings.caps, &request)?;
        let mark = Mark {
            number: state.outbox.tallies.number(lease.lease(), self.clock.now_ms()),
            group: decision.group,
            key: decision.key,
        };
        Some(Decision {
            faults: decision.faults,
            release: Release::new(state.known.release()),
            see_answer_bytes: SEE_BYTES,
            mark: mark.into(),
        })
    }

    /// Starts to write what is to be written, if it is time for that.
    fn write_if_due(self: &Arc<Self>) {
        if !self.state().outbox.is_due(self.clock.steady()) {
            return;
        }
        let first = self
            .work
            .send_if_modified(|work| !std::mem::replace(&mut work.writing, true));
        if first {
            let inner = Arc::clone(self);
            tokio::spawn(async move {
                inner.write(CALL_LIMIT).await;
                inner.work.send_modify(|work| work.writing = false);
            });
        }
    }

    /// Writes one item. Returns whether there was one, and it is written.
    async fn write(&self, limit: Duration) -> bool {
        let _one_by_one = self.writes.lock().await;
        let environment = self.environment.get_or_init(new_environment);
        let function_arn = self.function_arn.get().map_or("", String::as_str);
        let (now_ms, steady) = (self.clock.now_ms(), self.clock.steady());
        let taken = self.state().outbox.take(function_arn, environment, now_ms, steady);
        let Some((what, item)) = taken else {
            return false;
        };
        let written = self.table.put(&item, limit).await;
        self.state().outbox.ended(&what, written.is_ok());
        if let Err(failure) = &written {
            self.say("what was seen cannot be written", failure.to_string(), None);
        }
        written.is_ok()
    }

    fn is_busy(&self) -> bool {
        let waits = self.state().outbox.waits();
        waits || self.work.borrow().invocations > 0
    }

    /// Looks after the lease, and what is to be written, for as long as invocations are under way, or it is to be written.
    fn keep_ticking(self: &Arc<Self>) {
        if self.ticking.swap(true, Ordering::Relaxed) {
            return;
        }
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            while inner.is_busy() {
                tokio::time::sleep(TICK).await;
                inner.tick();
            }
            inner.ticking.store(false, Ordering::Relaxed);
            // An invocation may have begun after the last look.
            if inner.is_busy() {
                inner.keep_ticking();
            }
        });
    }

    fn tick(self: &Arc<Self>) {
        self.state().known.expire(self.clock.as_ref());
        let under_way = self.work.borrow().invocations > 0;
        if under_way {
            self.read_if_due();
        }
        // Without an invocation, what was lost is not tried in a loop.
        if under_way || self.state().outbox.waits() {
            self.write_if_due();
        }
    }

    fn change_invocations(&self, change: impl FnOnce(usize) -> usize) {
        self.work
            .send_modify(|work| work.invocations = change(work.invocations));
    }

    /// Remembers which function this is. Returns whether that is news.
    fn is_first_to_know(&self, function_arn: &str) -> bool {
        self.function_arn
            .set(layer::unqualified(function_arn).to_owned())
            .is_ok()
    }
}

/// A name that no other environment has. From the kernel, since this process may be a copy of another one.
fn new_environment() -> String {
    let mut bytes = [0; 8];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    let number = read.map_or_else(|_| fastrand::u64(..), |()| u64::from_ne_bytes(bytes));
    format!("{number:016x}")
}

#[async_trait]
impl Interceptor for Agent {
    fn attention(&self) -> Attention {
        let inner = &self.0;
        if inner.function_arn.get().is_none() {
            return Attention::Headers;
        }
        inner.read_if_due();
        match inner.standing() {
            Standing::Idle => Attention::Idle,
            Standing::Stale(lease) | Standing::Active(lease) if lease.needs_event() => Attention::Event,
            Standing::Stale(_) | Standing::Active(_) => Attention::Headers,
        }
    }

    async fn decide(&self, invocation: &Invocation, event: Option<&Bytes>) -> Option<Decision> {
        let inner = &self.0;
        if inner.function_arn.get().is_none() {
            inner.is_first_to_know(invocation.function_arn.as_deref()?);
            inner.read_if_due();
        }
        let lease = inner.lease().await?;
        if lease.needs_event() && event.is_none() {
            // The lease has just come. Without the event, the group might be another one than elsewhere.
            return None;
        }
        let event: Option<Value> = event
            .filter(|_| lease.needs_event())
            .and_then(|event| serde_json::from_slice(event).ok());
        let decision = inner.decide(&lease, invocation, event.as_ref())?;
        inner.change_invocations(|count| count + 1);
        inner.keep_ticking();
        Some(decision)
    }

    fn injecting(&self, invocation: &Invocation, decision: &Decision, fault: &Fault) {
        let mark = Mark::from(decision.mark);
        let run = self.0.state().outbox.tallies.run(mark.number).cloned();
        self.0.log.info(
            "a fault begins",
            json!({ "request_id": invocation.request_id, "run_id": run, "fault": fault.kind(), "group": mark.group }),
        );
    }

    fn not_injected(&self, _: &Invocation, fault: FaultKind, reason: &str) {
        let kind = serde_json::to_value(fault).unwrap_or_default();
        let kind = kind.as_str().unwrap_or_default();
        self.0.say("a fault cannot begin", format!("{kind}: {reason}"), None);
        self.0.tell_latest(&format!("the fault {kind} cannot begin: {reason}"));
    }

    fn trouble(&self, problem: &str) {
        self.0.say("something does not work", problem.to_owned(), None);
        self.0.tell_latest(problem);
    }

    fn finished(&self, outcome: Outcome) {
        let mut state = self.0.state();
        state.outbox.tallies.add(&outcome);
        state.outbox.may_try_again();
        drop(state);
        self.0.change_invocations(|count| count.saturating_sub(1));
    }

    async fn settle(&self, function_arn: Option<&str>, deadline_ms: u64) {
        let inner = &self.0;
        if let Some(function_arn) = function_arn {
            inner.is_first_to_know(function_arn);
        }
        inner.read_if_due();
        let mut work = inner.work.subscribe();
        let _ = tokio::time::timeout(SETTLE_LIMIT, work.wait_for(|work| !work.reading)).await;
        if let Standing::Active(_) = inner.standing() {
            let seen = tokio::time::timeout(SEEN_SOON, work.wait_for(|work| work.invocations > 0))
                .await
                .is_ok();
            let left = inner.clock.until(deadline_ms);
            let over = work.wait_for(|work| work.invocations == 0);
            let _ = tokio::time::timeout(if seen { left } else { Duration::ZERO }, over).await;
        }
        inner.write_if_due();
        let _ = tokio::time::timeout(SETTLE_LIMIT, work.wait_for(|work| !work.writing)).await;
    }

    async fn shutdown(&self, left: Duration) {
        // A write that is lost does not keep the other kind of item from being tried.
        while self.0.write(left).await || self.0.write(left).await {}
    }
}
