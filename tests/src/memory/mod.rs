//! Every port in memory: a [`World`] that a test can look into and change.

mod attach;
mod leases;
mod maths;
mod metrics;
mod outside;
mod runs;
mod schedules;
mod sketches;
mod traffic;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use inoculate_core::deployment::{Deployment, Roles};
use inoculate_core::experiment::{Experiment, Metric};
use inoculate_core::lease::Lease;
use inoculate_core::names::{ExperimentName, FunctionName, RunId, ScheduleName};
use inoculate_core::notice::{Kind, Notice};
use inoculate_core::passing::Passing;
use inoculate_core::ports::{AlarmState, Clock, Evaluation, ExecutionState, Halt, Measured, Ports, Telemetry};
use inoculate_core::run::{JournalEntry, Run};
use inoculate_core::run_alarms::NewAlarm;
use inoculate_core::schedule::Schedule;
use inoculate_core::seen::Written;
use inoculate_core::undo::UndoRecord;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub use attach::{Account, AccountState, Meanwhile};
pub use traffic::{Answer, Traffic};

/// A small world in memory. [`World::ports`] is the way in for the code under test; [`World::look`] and
/// [`World::change`] are the way in for the test.
pub struct World {
    state: Mutex<State>,
    metrics: Mutex<Option<Source>>,
    traffic: Mutex<Option<Traffic>>,
}

/// Where the values of metrics come from: the value of a metric, in its statistic, at a time.
type Source = Arc<dyn Fn(&Metric, &At<'_>) -> Option<f64> + Send + Sync>;

/// Everything in a world. A test may read and change any of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// The time. Moves only when a test moves it.
    pub now: Timestamp,
    /// The functions.
    pub functions: BTreeMap<FunctionName, FunctionState>,
    /// How long Lambda takes to carry out an update of timeout, memory or event source. No time unless a test says so.
    pub updates_take: SignedDuration,
    /// The leases, by the ARN of the function.
    pub leases: BTreeMap<String, Lease>,
    /// The records of runs.
    pub runs: BTreeMap<RunId, RunState>,
    /// Saved experiments, as they were written.
    pub experiments: BTreeMap<ExperimentName, Value>,
    /// The kill switch.
    pub halt: Option<Halt>,
    /// The states of the alarms, by name.
    pub alarms: BTreeMap<String, AlarmState>,
    /// The alarms that runs made for themselves, by name, and when they were made last. Their states are in `alarms`.
    pub made_alarms: BTreeMap<String, (NewAlarm, Timestamp)>,
    /// What roles may not do, by the ARN of the role and the action. Every other action is permitted.
    pub denied: BTreeSet<(String, String)>,
    /// The condition key that the simulation of permissions would have to know; `None` when it knows enough.
    pub simulation_lacks: Option<String>,
    /// What people and programs were told, oldest first.
    pub notices: Vec<Notice>,
    /// The schedules, by name.
    pub schedules: BTreeMap<ScheduleName, Schedule>,
    /// The lines of metrics that were written, oldest first.
    pub telemetry: Vec<Value>,
    /// The executions of the state machine, with their input.
    pub executions: BTreeMap<RunId, (ExecutionState, Value)>,
    /// When which function's requests met a fault of the layer, oldest first.
    pub faults_met: Vec<(Timestamp, FunctionName)>,
    /// What the layers wrote, by run.
    pub written: BTreeMap<RunId, Written>,
    /// The samples that were published to metrics.
    pub samples: Vec<Sample>,
    /// What the functions were like from when on, oldest first.
    history: Vec<(Timestamp, BTreeMap<FunctionName, FunctionState>)>,
}

/// A Lambda function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionState {
    /// The ARN, without version or alias.
    pub arn: String,
    /// The tags. Experiments are allowed where `inoculate` is `allow`.
    pub tags: BTreeMap<String, String>,
    /// The reserved concurrency; `None` when nothing is reserved.
    pub concurrency: Option<u32>,
    /// The timeout in seconds.
    pub timeout_secs: u32,
    /// The memory size in megabytes.
    pub memory_mb: u32,
    /// The mappings from event sources, by the ARN of the source.
    pub sources: BTreeMap<String, Mapping>,
    /// Until when an update is being carried out.
    pub updating_until: Timestamp,
    /// Which calls pass through its layer; `None` when its configuration does not tell.
    pub calls: Option<Passing>,
}

/// The mapping from an event source to a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// Whether the function gets events.
    pub enabled: bool,
    /// Whether the mapping itself has the tag `inoculate=allow`.
    pub allowed: bool,
}

/// All that is recorded of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunState {
    /// The record.
    pub run: Run,
    /// The experiment, when it could be read.
    pub experiment: Option<Experiment>,
    /// The journal, oldest entry first.
    pub journal: Vec<JournalEntry>,
    /// The undo records, by number.
    pub undo: BTreeMap<u32, UndoRecord>,
    /// The baseline.
    pub baseline: Option<Measured>,
    /// The observations, by round.
    pub observations: BTreeMap<u32, Measured>,
    /// The verdict.
    pub evaluation: Option<Evaluation>,
}

/// One value that was published to a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric. Its statistic says nothing here.
    pub metric: Metric,
    /// When.
    pub at: Timestamp,
    /// The value.
    pub value: f64,
}

/// What the functions were like at a time.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// The time.
    pub time: Timestamp,
    functions: &'a BTreeMap<FunctionName, FunctionState>,
}

impl At<'_> {
    /// A function as it was. Fails the test when there was none.
    pub fn function(&self, name: &str) -> &FunctionState {
        self.find(name)
            .unwrap_or_else(|| panic!("there was no function {name}"))
    }

    /// A function as it was, if there was one.
    pub fn find(&self, name: &str) -> Option<&FunctionState> {
        let mut functions = self.functions.iter();
        functions.find_map(|(key, function)| (key.as_str() == name).then_some(function))
    }
}

impl FunctionState {
    /// A function that allows experiments: 3 seconds, 256 MB, nothing reserved, no event source, no variables.
    pub fn new(name: &str) -> Self {
        FunctionState {
            arn: format!("arn:aws:lambda:eu-west-1:123456789012:function:{name}"),
            tags: BTreeMap::from([("inoculate".to_owned(), "allow".to_owned())]),
            concurrency: None,
            timeout_secs: 3,
            memory_mb: 256,
            sources: BTreeMap::new(),
            updating_until: Timestamp::UNIX_EPOCH,
            calls: Some(Passing::default()),
        }
    }

    /// The same function with an event source that is on and allows experiments.
    #[must_use]
    pub fn with_source(mut self, arn: &str) -> Self {
        let mapping = Mapping {
            enabled: true,
            allowed: true,
        };
        self.sources.insert(arn.to_owned(), mapping);
        self
    }
}

/// The name of the stack of a world.
pub const STACK: &str = "inoculate";

/// What the deployment of a world says: the caps of the template, and two roles.
pub fn deployment() -> Deployment {
    let role = |step: &str| format!("arn:aws:iam::123456789012:role/{STACK}-{step}");
    let (inject, rollback) = (role("inject"), role("rollback"));
    Deployment {
        roles: Some(Roles { inject, rollback }),
        ..Deployment::default()
    }
}

/// The ARN of the execution of this name.
pub fn execution_arn(id: &RunId) -> String {
    format!("arn:aws:states:eu-west-1:123456789012:execution:inoculate-experiment:{id}")
}

impl World {
    /// An empty world, at noon of a day in 2026.
    pub fn new() -> Arc<World> {
        let now = "2026-03-14T12:00:00Z".parse().unwrap();
        let state = State {
            now,
            ..State::default()
        };
        Arc::new(World {
            state: Mutex::new(state),
            metrics: Mutex::new(None),
            traffic: Mutex::new(None),
        })
    }

    /// The ports into this world.
    pub fn ports(self: &Arc<Self>) -> Ports {
        Ports {
            stack: STACK.to_owned(),
            runs: self.clone(),
            leases: self.clone(),
            library: self.clone(),
            targets: self.clone(),
            metrics: self.clone(),
            sketches: self.clone(),
            alarms: self.clone(),
            notices: self.clone(),
            clock: self.clone(),
            telemetry: self.clone(),
            permissions: Some(self.clone()),
            executions: Some(self.clone()),
        }
    }

    /// Looks at the world.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// Changes the world, as its owner, a deploy or an accident would.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        state.remember();
        result
    }

    /// Moves the clock.
    pub fn advance(&self, secs: u32) {
        let until = self.look(|state| state.now) + SignedDuration::from_secs(secs.into());
        self.pass(until);
    }

    /// A function as it is now. Fails the test when there is none.
    pub fn function(&self, name: &str) -> FunctionState {
        self.look(|state| state.at(state.now).function(name).clone())
    }

    /// Adds a function.
    pub fn add_function(&self, name: &str, function: FunctionState) {
        self.change(|state| state.functions.insert(name.parse().unwrap(), function));
    }

    /// All that is recorded of a run. Fails the test when there is nothing.
    pub fn run(&self, id: &RunId) -> RunState {
        self.look(|state| state.runs.get(id).cloned())
            .unwrap_or_else(|| panic!("there is no run {id}"))
    }

    /// What kinds of things people and programs were told, oldest first.
    pub fn told(&self) -> Vec<Kind> {
        self.look(|state| state.notices.iter().map(|notice| notice.kind).collect())
    }

    /// Puts an alarm into ALARM or out of it; makes it if need be.
    pub fn set_alarm(&self, name: &str, in_alarm: bool) {
        let alarm = AlarmState {
            name: name.to_owned(),
            in_alarm,
            reason: "set by a test".to_owned(),
        };
        self.change(|state| state.alarms.insert(name.to_owned(), alarm));
    }

    /// Begins an execution, or ends it with this status.
    pub fn set_execution(&self, id: &RunId, status: &str) {
        let execution = ExecutionState {
            arn: execution_arn(id),
            running: status == "RUNNING",
            status: status.to_owned(),
            error: None,
            cause: None,
        };
        self.change(|state| match state.executions.get_mut(id) {
            Some((found, _)) => *found = execution,
            None => drop(state.executions.insert(id.clone(), (execution, Value::Null))),
        });
    }

    /// Says what metrics are, from what the functions are like. `None` is a period without data, for which the samples
    /// count that were published ([`State::samples`]).
    pub fn measure(&self, value: impl Fn(&Metric, &At<'_>) -> Option<f64> + Send + Sync + 'static) {
        *self.metrics.lock().expect("no test panics while it holds the lock") = Some(Arc::new(value));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds the lock")
    }

    fn source(&self) -> Option<Source> {
        self.metrics
            .lock()
            .expect("no test panics while it holds the lock")
            .clone()
    }
}

impl State {
    /// Writes the functions into the history if they changed.
    fn remember(&mut self) {
        if self
            .history
            .last()
            .is_none_or(|(_, functions)| functions != &self.functions)
        {
            self.history.push((self.now, self.functions.clone()));
        }
    }

    /// What the functions were like at a time; before the first change, as they were from then on.
    fn at(&self, time: Timestamp) -> At<'_> {
        let earlier = self
            .history
            .iter()
            .rev()
            .find(|(since, _)| *since <= time)
            .or(self.history.first());
        let functions = earlier.map_or(&self.functions, |(_, functions)| functions);
        At { time, functions }
    }
}

impl Telemetry for World {
    fn write(&self, line: &Value) {
        self.change(|state| state.telemetry.push(line.clone()));
    }
}

#[async_trait]
impl Clock for World {
    fn now(&self) -> Timestamp {
        self.look(|state| state.now)
    }

    async fn sleep(&self, time: Duration) {
        let until = self.look(|state| state.now) + time;
        self.pass(until);
    }
}
