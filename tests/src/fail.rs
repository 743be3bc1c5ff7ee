//! Ports that fail when a test says so: before a call has its effect, or after it, with the answer lost.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::experiment::{Experiment, Measure};
use inoculate_core::judge::{Point, Window};
use inoculate_core::layer::Stage;
use inoculate_core::lease::Lease;
use inoculate_core::names::{ExperimentName, FunctionName, RunId};
use inoculate_core::notice::Notice;
use inoculate_core::permissions::{Deed, Simulated};
use inoculate_core::ports::{
    AlarmState, Alarms, Change, CommitError, ExecutionState, ExecutionStates, Function, Halt, LeaseRequest, Leases,
    Library, Mapping, Measured, Metrics, Notices, Permissions, Ports, Results, Runs, Sketches, Taken, Targets,
};
use inoculate_core::run::{JournalEntry, Run, RunFilter};
use inoculate_core::run_alarms::{MadeAlarm, NewAlarm};
use inoculate_core::seen::Written;
use inoculate_core::setting::{Reading, Setting, SettingValue};
use inoculate_core::undo::UndoRecord;
use jiff::SignedDuration;
use serde_json::Value;

/// How long a call may take, as the clients of AWS have it: `OPERATION` in `crates/aws/src/connect.rs`.
const LONGEST_CALL: SignedDuration = SignedDuration::from_secs(15);

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Nothing happens, and the caller gets an error.
    Before,
    /// It happens, and the caller gets an error all the same: the answer was lost.
    After,
}

impl How {
    /// Both ways.
    pub const BOTH: [How; 2] = [How::Before, How::After];
}

/// A call of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its number, from 1, among all calls of all ports.
    pub number: usize,
    /// Port and method: `targets.replace`.
    pub name: &'static str,
    /// What it was called with, as far as it tells one call from another.
    pub with: String,
}

impl Call {
    /// Whether the call changes something outside.
    pub fn is_write(&self) -> bool {
        let writes = [
            "runs.create",
            "runs.commit",
            "leases.take",
            "leases.renew",
            "leases.release",
            "library.save_experiment",
            "library.set_halt",
            "targets.replace",
            "alarms.make",
            "alarms.delete",
            "notices.publish",
        ];
        writes.contains(&self.name)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {}: {}({})", self.number, self.name, self.with)
    }
}

/// Which calls fail, and how.
#[derive(Debug, Clone)]
struct Rule {
    which: Which,
    how: How,
    code: Code,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Number(usize),
    From(usize),
    Every(&'static str),
}

/// A decorator over [`Ports`] that counts calls and fails some of them.
///
/// The clock is not counted: it cannot fail. Cheap to clone; clones share calls and rules.
#[derive(Clone)]
pub struct Failing {
    inner: Ports,
    record: Arc<Mutex<Record>>,
    by_hand: bool,
}

#[derive(Default)]
struct Record {
    calls: Vec<Call>,
    rules: Vec<Rule>,
    interruption: Option<(usize, Meanwhile)>,
}

/// What somebody else does in the middle of something.
type Meanwhile = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Failing {
    /// Ports over these, none of which fails yet.
    pub fn over(inner: Ports) -> Self {
        Failing {
            inner,
            record: Arc::default(),
            by_hand: false,
        }
    }

    /// The same, for futures that a test polls by hand: each poll carries out one call, and stops before the next one
    /// ([`crate::turn`]). A call that waits longer than its client would fails without effect.
    #[must_use]
    pub fn by_hand(mut self) -> Self {
        self.by_hand = true;
        self
    }

    /// The ports that count and fail.
    pub fn ports(&self) -> Ports {
        let this = Arc::new(self.clone());
        Ports {
            stack: self.inner.stack.clone(),
            runs: this.clone(),
            leases: this.clone(),
            library: this.clone(),
            targets: this.clone(),
            metrics: this.clone(),
            sketches: this.clone(),
            alarms: this.clone(),
            notices: this.clone(),
            clock: self.inner.clock.clone(),
            telemetry: self.inner.telemetry.clone(),
            permissions: Some(this.clone()),
            executions: Some(this),
        }
    }

    /// Makes the call of this number fail, once. When it is made again it has another number.
    pub fn fail_call(&self, number: usize, how: How, code: Code) {
        self.add(Which::Number(number), how, code);
    }

    /// Makes the call of this number fail and every one after it, as when the orchestrator dies.
    pub fn fail_from(&self, number: usize, how: How, code: Code) {
        self.add(Which::From(number), how, code);
    }

    /// Makes every call of one method fail: `targets.replace`.
    pub fn fail_every(&self, name: &'static str, how: How, code: Code) {
        self.add(Which::Every(name), how, code);
    }

    /// Lets somebody else do this just before the call of this number, which then goes on.
    pub fn interrupt(&self, number: usize, meanwhile: impl Future<Output = ()> + Send + 'static) {
        self.record().interruption = Some((number, Box::pin(meanwhile)));
    }

    /// Makes nothing fail any more.
    pub fn heal(&self) {
        self.record().rules.clear();
    }

    /// The calls made so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.record().calls.clone()
    }

    /// How many calls were made so far.
    pub fn made(&self) -> usize {
        self.record().calls.len()
    }

    fn add(&self, which: Which, how: How, code: Code) {
        self.record().rules.push(Rule { which, how, code });
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("no test panics while it holds the lock")
    }

    /// Counts a call, and fails it if a rule says so.
    async fn pass<T, E: From<Error>>(
        &self,
        name: &'static str,
        with: impl fmt::Display,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let rule = self.count(name, with.to_string());
        if self.by_hand {
            let begun = self.inner.clock.now();
            crate::turn().await;
            if self.inner.clock.now().duration_since(begun) > LONGEST_CALL {
                return Err(E::from(Error::new(Code::Unavailable, format!("{name} took too long"))));
            }
        }
        if let Some(meanwhile) = self.interruption() {
            meanwhile.await;
        }
        let error = |code: Code| E::from(Error::new(code, format!("{name} failed because a test said so")));
        match rule {
            None => call.await,
            Some(Rule {
                how: How::Before, code, ..
            }) => Err(error(code)),
            Some(Rule {
                how: How::After, code, ..
            }) => {
                // Whatever came of it, the caller does not learn it.
                drop(call.await);
                Err(error(code))
            }
        }
    }

    /// What is to happen before the call that was counted last.
    fn interruption(&self) -> Option<Meanwhile> {
        let mut record = self.record();
        let is_now = record
            .interruption
            .as_ref()
            .is_some_and(|(number, _)| *number == record.calls.len());
        if is_now {
            record.interruption.take().map(|(_, meanwhile)| meanwhile)
        } else {
            None
        }
    }

    fn count(&self, name: &'static str, with: String) -> Option<Rule> {
        let mut record = self.record();
        let number = record.calls.len() + 1;
        record.calls.push(Call { number, name, with });
        let applies = |rule: &&Rule| match rule.which {
            Which::Number(wanted) => wanted == number,
            Which::From(first) => number >= first,
            Which::Every(wanted) => wanted == name,
        };
        record.rules.iter().find(applies).cloned()
    }
}

#[async_trait]
impl Runs for Failing {
    async fn create(
        &self,
        run: &Run,
        entry: &JournalEntry,
        experiment: Option<&Experiment>,
    ) -> Result<(), CommitError> {
        self.pass("runs.create", &run.id, self.inner.runs.create(run, entry, experiment))
            .await
    }

    async fn load(&self, id: &RunId) -> Result<Option<Run>> {
        self.pass("runs.load", id, self.inner.runs.load(id)).await
    }

    async fn experiment(&self, id: &RunId) -> Result<Option<Experiment>> {
        self.pass("runs.experiment", id, self.inner.runs.experiment(id)).await
    }

    async fn commit(&self, change: &Change) -> Result<(), CommitError> {
        self.pass("runs.commit", change.entry.event.name(), self.inner.runs.commit(change))
            .await
    }

    async fn undo_records(&self, id: &RunId) -> Result<Vec<UndoRecord>> {
        self.pass("runs.undo_records", id, self.inner.runs.undo_records(id))
            .await
    }

    async fn journal(&self, id: &RunId) -> Result<Vec<JournalEntry>> {
        self.pass("runs.journal", id, self.inner.runs.journal(id)).await
    }

    async fn baseline(&self, id: &RunId) -> Result<Option<Measured>> {
        self.pass("runs.baseline", id, self.inner.runs.baseline(id)).await
    }

    async fn results(&self, id: &RunId) -> Result<Results> {
        self.pass("runs.results", id, self.inner.runs.results(id)).await
    }

    async fn find(&self, filter: &RunFilter, limit: u32) -> Result<Vec<Run>> {
        self.pass("runs.find", limit, self.inner.runs.find(filter, limit)).await
    }

    async fn open(&self) -> Result<Vec<RunId>> {
        self.pass("runs.open", "", self.inner.runs.open()).await
    }
}

#[async_trait]
impl Leases for Failing {
    async fn take(&self, request: &LeaseRequest) -> Result<Taken> {
        self.pass("leases.take", &request.function, self.inner.leases.take(request))
            .await
    }

    async fn renew(&self, found: &Lease, to: &Lease) -> Result<()> {
        self.pass("leases.renew", &to.function, self.inner.leases.renew(found, to))
            .await
    }

    async fn release(&self, function_arn: &str, run_id: &RunId) -> Result<()> {
        self.pass(
            "leases.release",
            function_arn,
            self.inner.leases.release(function_arn, run_id),
        )
        .await
    }

    async fn read(&self, function_arn: &str) -> Result<Option<Lease>> {
        self.pass("leases.read", function_arn, self.inner.leases.read(function_arn))
            .await
    }
}

#[async_trait]
impl Sketches for Failing {
    async fn written(&self, run_id: &RunId, stage: Stage) -> Result<Written> {
        self.pass("sketches.written", run_id, self.inner.sketches.written(run_id, stage))
            .await
    }
}

#[async_trait]
impl Library for Failing {
    async fn experiment(&self, name: &ExperimentName) -> Result<Option<Value>> {
        self.pass("library.experiment", name, self.inner.library.experiment(name))
            .await
    }

    async fn save_experiment(&self, experiment: &Experiment) -> Result<()> {
        self.pass(
            "library.save_experiment",
            &experiment.name,
            self.inner.library.save_experiment(experiment),
        )
        .await
    }

    async fn halt(&self) -> Result<Option<Halt>> {
        self.pass("library.halt", "", self.inner.library.halt()).await
    }

    async fn set_halt(&self, halt: Option<&Halt>) -> Result<()> {
        self.pass("library.set_halt", halt.is_some(), self.inner.library.set_halt(halt))
            .await
    }
}

#[async_trait]
impl Targets for Failing {
    async fn describe(&self, function: &FunctionName) -> Result<Option<Function>> {
        self.pass("targets.describe", function, self.inner.targets.describe(function))
            .await
    }

    async fn read(&self, function: &FunctionName, setting: &Setting) -> Result<Reading> {
        let with = format!("{function}, {setting}");
        self.pass("targets.read", with, self.inner.targets.read(function, setting))
            .await
    }

    async fn mapping(&self, function: &FunctionName, source: &str) -> Result<Mapping> {
        self.pass(
            "targets.mapping",
            format!("{function}, {source}"),
            self.inner.targets.mapping(function, source),
        )
        .await
    }

    async fn replace(
        &self,
        function: &FunctionName,
        setting: &Setting,
        from: SettingValue,
        to: SettingValue,
    ) -> Result<()> {
        let with = format!("{function}, {setting}, {from} -> {to}");
        let call = self.inner.targets.replace(function, setting, from, to);
        self.pass("targets.replace", with, call).await
    }
}

#[async_trait]
impl Metrics for Failing {
    async fn series(&self, measures: &[Measure], window: Window) -> Result<Vec<Vec<Point>>> {
        let with = format!("{} measures", measures.len());
        self.pass("metrics.series", with, self.inner.metrics.series(measures, window))
            .await
    }
}

#[async_trait]
impl Alarms for Failing {
    async fn states(&self, names: &[String]) -> Result<Vec<AlarmState>> {
        self.pass("alarms.states", names.join(", "), self.inner.alarms.states(names))
            .await
    }

    async fn make(&self, alarm: &NewAlarm) -> Result<()> {
        self.pass("alarms.make", &alarm.name, self.inner.alarms.make(alarm))
            .await
    }

    async fn delete(&self, names: &[String]) -> Result<()> {
        self.pass("alarms.delete", names.join(", "), self.inner.alarms.delete(names))
            .await
    }

    async fn made(&self, prefix: &str) -> Result<Vec<MadeAlarm>> {
        self.pass("alarms.made", prefix, self.inner.alarms.made(prefix)).await
    }
}

#[async_trait]
impl Notices for Failing {
    async fn publish(&self, notice: &Notice) -> Result<()> {
        self.pass(
            "notices.publish",
            notice.kind.name(),
            self.inner.notices.publish(notice),
        )
        .await
    }
}

#[async_trait]
impl ExecutionStates for Failing {
    async fn state_of(&self, execution_arn: &str) -> Result<Option<ExecutionState>> {
        let inner = self.inner.executions.as_ref().expect("a world has executions");
        self.pass("executions.state_of", execution_arn, inner.state_of(execution_arn))
            .await
    }
}

#[async_trait]
impl Permissions for Failing {
    async fn may(&self, role: &str, deed: &Deed) -> Result<Simulated> {
        let inner = self.inner.permissions.as_ref().expect("a world has permissions");
        let with = format!("{role}, {}", deed.resource);
        self.pass("permissions.may", with, inner.may(role, deed)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build;

    async fn throttle(ports: &Ports) -> Result<()> {
        let payments = build::name("shop-payments");
        let (from, to) = (SettingValue::Unreserved, SettingValue::Executions(0));
        ports
            .targets
            .replace(&payments, &Setting::ReservedConcurrency, from, to)
            .await
    }

    #[tokio::test]
    async fn a_call_fails_before_or_after_its_effect_and_only_once() {
        for (how, concurrency) in [(How::Before, None), (How::After, Some(0))] {
            let world = build::shop();
            let failing = Failing::over(world.ports());
            failing.fail_call(1, how, Code::Throttled);
            assert_eq!(throttle(&failing.ports()).await.unwrap_err().code, Code::Throttled);
            assert_eq!(world.function("shop-payments").concurrency, concurrency, "{how:?}");
            throttle(&failing.ports()).await.unwrap();
            assert_eq!(failing.calls().len(), 2);
        }
    }

    #[tokio::test]
    async fn a_conflict_is_reported_as_an_error_of_its_port() {
        let world = build::shop();
        let failing = Failing::over(world.ports());
        failing.fail_every("runs.create", How::After, Code::Unavailable);
        let (run, entry) = build::run("r");
        let error = failing.ports().runs.create(&run, &entry, None).await.unwrap_err();
        assert!(matches!(error, CommitError::Failed(error) if error.code == Code::Unavailable));
        assert_eq!(world.run(&run.id).run, run);
    }

    #[tokio::test]
    async fn calls_are_listed_and_a_dead_world_can_be_healed() {
        let failing = Failing::over(build::shop().ports());
        let ports = failing.ports();
        failing.fail_from(2, How::Before, Code::Unavailable);
        throttle(&ports).await.unwrap();
        for _ in 0..2 {
            ports.library.halt().await.unwrap_err();
        }
        failing.heal();
        ports.library.halt().await.unwrap();
        let calls = failing.calls();
        let names: Vec<_> = calls.iter().map(|call| call.name).collect();
        assert_eq!(
            names,
            ["targets.replace", "library.halt", "library.halt", "library.halt"]
        );
        assert_eq!(
            calls[0].to_string(),
            "call 1: targets.replace(shop-payments, reserved concurrency, unreserved -> 0)"
        );
        assert!(calls[0].is_write() && !calls[1].is_write());
    }
}
