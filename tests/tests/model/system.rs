//! The system under test: the steps over the ports in memory, each stopped between two calls until it is its turn.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use inoculate_baseline::Input;
use inoculate_core::layer::{self, Caps, Material, Moment, ReadLease};
use inoculate_core::names::{FunctionName, RunId};
use inoculate_core::ports::Halt;
use inoculate_core::run::{Cause, Ending, Phase, Status};
use inoculate_core::undo::{UndoRecord, UndoState};
use inoculate_step::{RunInput, Step};
use inoculate_tests::World;
use inoculate_tests::build::{self, PAYMENTS};
use inoculate_tests::fail::Failing;
use inoculate_tests::machine::{self, Machine, Task, execution_ended, in_time};
use inoculate_tests::memory::{Answer, At, FunctionState, State, Traffic, deployment, execution_arn};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Counts;
use super::op::{Deploy, Faults, Op};
use super::reference::{Broken, Reference, allows_faults};
use super::scene::{ALARM, FUNCTIONS, SOURCE, experiment, set};

/// More than this many runs, or things under way at once, add nothing.
const MOST_RUNS: usize = 5;
const MOST_PROCESSES: usize = 8;

/// How old what a layer has read may be.
const MAX_STALE: SignedDuration = SignedDuration::from_secs(2);

/// After so long without a request nobody waits for the next.
const QUIET_AFTER: u32 = 300;

/// Something that is under way.
struct Process {
    /// The run, if it is an execution.
    execution_of: Option<RunId>,
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// A run, and what it was started with.
struct Started {
    id: RunId,
    experiment: Value,
}

/// What the layer of a function read last, and whether that allowed faults by the reference model.
struct Read {
    lease: ReadLease,
    at: Timestamp,
    until_ms: i64,
    allowed: bool,
}

/// The world, what is under way in it, and the reference model beside it.
pub(crate) struct System {
    world: Arc<World>,
    failing: Failing,
    processes: Vec<Process>,
    started: Vec<Started>,
    read: [Option<Read>; 2],
    attempts: u32,
    reference: Reference,
    pub(crate) counts: Counts,
}

impl System {
    /// A shop in which updates take two seconds, with a request each second.
    pub(crate) fn new(fragile: bool) -> System {
        let throttled = |at: &At<'_>| at.find(PAYMENTS).is_some_and(|it| it.concurrency == Some(0));
        let failed = move |at: &At<'_>| if fragile && throttled(at) { 10.0 } else { 0.0 };
        let world = build::shop_in_which(failed);
        let mut reference = Reference::default();
        for name in FUNCTIONS {
            world.add_function(name, FunctionState::new(name).with_source(SOURCE));
            reference.owner_sets(&build::name(name), |theirs| {
                *theirs = FunctionState::new(name).with_source(SOURCE);
            });
        }
        world.change(|state| state.updates_take = SignedDuration::from_secs(2));
        world.set_alarm(ALARM, false);
        let system = System {
            failing: Failing::over(world.ports()).by_hand(),
            world,
            processes: Vec::new(),
            started: Vec::new(),
            read: [None, None],
            attempts: 0,
            reference,
            counts: Counts::default(),
        };
        system.requests_each_second(1);
        system
    }

    /// Does something, and checks that everything is as it must be.
    pub(crate) fn apply(&mut self, op: &Op) -> Result<(), Broken> {
        self.counts.operations += 1;
        self.act(op)?;
        let Self { world, reference, .. } = self;
        world.look(|state| {
            reference.check_call(state)?;
            reference.check_records(state)
        })
    }

    fn act(&mut self, op: &Op) -> Result<(), Broken> {
        match op {
            Op::Start { faults, twice } => self.start(*faults, *twice),
            Op::Proceed { process, turns } => return self.proceed(*process, *turns),
            Op::Again { run, task } => self.again(*run, *task),
            Op::RollBack { run, message } => self.roll_back(*run, *message),
            Op::Ended { run } => self.ended(*run),
            Op::Sweep => self.call_rollback(machine::sweep()),
            Op::Stop { run } => self.stop(*run),
            Op::Die { process } => self.die(*process),
            Op::Forget { run } => self.forget(*run),
            Op::Fail { calls, how, code } => {
                let made = self.failing.made();
                (1..=*calls).for_each(|next| self.failing.fail_call(made + next, *how, *code));
            }
            Op::Break { method, how, code } => self.failing.fail_every(method, *how, *code),
            Op::Heal => self.failing.heal(),
            Op::Pass(ms) => self.pass(*ms),
            Op::Deploy { function, what } => self.deploy(*function, *what),
            Op::Alarm => {
                self.world.set_alarm(ALARM, true);
                let state = json!({ "value": "ALARM", "reason": "the model says so" });
                let detail = json!({ "alarmName": ALARM, "state": state });
                self.call_rollback(json!({ "detail-type": inoculate_rollback::ALARM_EVENT, "detail": detail }));
            }
            Op::Fine => self.world.set_alarm(ALARM, false),
            Op::Halt => self.halt(),
            Op::Resume => {
                self.world.change(|state| state.halt = None);
                self.reference.halted(None);
            }
            Op::Read { function } => self.read_lease(*function),
            Op::Request { function } => return self.request(*function),
        }
        Ok(())
    }

    fn start(&mut self, faults: Faults, twice: bool) {
        if self.started.len() >= MOST_RUNS {
            return;
        }
        let id: RunId = build::name(&format!("run-{}", self.started.len()));
        let experiment = experiment(faults);
        let mut machine = Machine::new(&self.world, self.failing.ports(), id.clone());
        machine.by_hand = true;
        machine.twice = twice;
        let written = experiment.clone();
        let execution = async move {
            machine.execute(&written).await;
        };
        self.begin(Some(id.clone()), execution);
        self.started.push(Started { id, experiment });
    }

    fn begin(&mut self, execution_of: Option<RunId>, future: impl Future<Output = ()> + Send + 'static) {
        if execution_of.is_some() || self.processes.len() < MOST_PROCESSES {
            let future = Box::pin(future);
            self.processes.push(Process { execution_of, future });
        }
    }

    fn step(&mut self) -> Step {
        self.attempts += 1;
        Step {
            ports: self.failing.ports(),
            attempt: format!("model-{}", self.attempts),
        }
    }

    fn call_rollback(&mut self, event: Value) {
        let (step, world) = (self.step(), self.world.clone());
        let longest = Task::Rollback.longest();
        self.begin(None, async move {
            drop(in_time(&world, longest, inoculate_rollback::handle(step, event)).await);
        });
    }

    fn run(&self, place: usize) -> Option<RunId> {
        let place = place.checked_rem(self.started.len())?;
        Some(self.started[place].id.clone())
    }

    /// Polls something that is under way, until it has made so many calls. While it waits, the clock moves.
    fn proceed(&mut self, process: usize, turns: u16) -> Result<(), Broken> {
        let Some(place) = process.checked_rem(self.processes.len()) else {
            return Ok(());
        };
        for _ in 0..turns {
            let made = self.failing.made();
            if self.poll(place)? {
                return Ok(());
            }
            if self.failing.made() == made {
                self.world.advance(1);
            }
        }
        Ok(())
    }

    /// Carries out one call of something that is under way. Returns whether it is over.
    fn poll(&mut self, place: usize) -> Result<bool, Broken> {
        let mut context = Context::from_waker(Waker::noop());
        let over = self.processes[place].future.as_mut().poll(&mut context).is_ready();
        if over {
            drop(self.processes.remove(place));
        }
        self.counts.calls += 1;
        let Self { world, reference, .. } = self;
        world.look(|state| reference.check_call(state))?;
        Ok(over)
    }

    fn again(&mut self, run: usize, task: Task) {
        let Some(id) = self.run(run) else { return };
        let (step, world) = (self.step(), self.world.clone());
        let experiment = self.started[run % self.started.len()].experiment.clone();
        self.begin(None, async move {
            let input = RunInput { run_id: id.clone() };
            let longest = task.longest();
            match task {
                Task::Open => {
                    let open = Input::Open {
                        execution_arn: Some(execution_arn(&id)),
                        run_id: id,
                        experiment,
                        schedule: Value::Null,
                    };
                    drop(in_time(&world, longest, inoculate_baseline::handle(step, &deployment(), open)).await);
                }
                Task::Baseline => {
                    let measure = Input::Measure { run_id: id };
                    drop(
                        in_time(
                            &world,
                            longest,
                            inoculate_baseline::handle(step, &deployment(), measure),
                        )
                        .await,
                    );
                }
                Task::Observe => drop(in_time(&world, longest, inoculate_observe::handle(step, input)).await),
                Task::Inject | Task::Rollback | Task::Evaluate => {
                    drop(in_time(&world, longest, inoculate_evaluate::handle(step, input)).await);
                }
            }
        });
    }

    fn roll_back(&mut self, run: usize, message: bool) {
        let Some(id) = self.run(run) else { return };
        let caller = if message { "message" } else { "command" };
        self.call_rollback(json!({ "run_id": id, "caller": caller }));
    }

    fn is_running(&self, id: &RunId) -> bool {
        self.world
            .look(|state| state.executions.get(id).is_some_and(|(execution, _)| execution.running))
    }

    fn ended(&mut self, run: usize) {
        let Some(id) = self.run(run).filter(|id| !self.is_running(id)) else {
            return;
        };
        self.call_rollback(execution_ended(&id, "ABORTED"));
    }

    fn stop(&mut self, run: usize) {
        if let Some(id) = self.run(run).filter(|id| self.is_running(id)) {
            self.world.set_execution(&id, "ABORTED");
        }
    }

    fn die(&mut self, process: usize) {
        let Some(place) = process.checked_rem(self.processes.len()) else {
            return;
        };
        if let Some(id) = self.processes.remove(place).execution_of {
            self.world.set_execution(&id, "TIMED_OUT");
        }
    }

    fn forget(&mut self, run: usize) {
        let Some(id) = self.run(run) else { return };
        let under_way = self.processes.iter().any(|it| it.execution_of.as_ref() == Some(&id));
        if !under_way {
            self.world.change(|state| drop(state.executions.remove(&id)));
        }
    }

    fn pass(&self, ms: u32) {
        let (secs, rest) = (ms / 1000, ms % 1000);
        self.world
            .change(|state| state.now += SignedDuration::from_millis(rest.into()));
        self.world.advance(secs.min(QUIET_AFTER));
        self.requests_each_second(0);
        self.world.advance(secs.saturating_sub(QUIET_AFTER));
        self.requests_each_second(1);
    }

    fn requests_each_second(&self, per_second: u32) {
        self.world.send(Traffic {
            per_second,
            functions: FUNCTIONS.map(build::name).to_vec(),
            answer: Arc::new(|_, _| Answer { error: false, ms: 20.0 }),
        });
    }

    fn deploy(&mut self, function: usize, what: Deploy) {
        let name: FunctionName = build::name(FUNCTIONS[function]);
        let made = FunctionState::new(FUNCTIONS[function]);
        let exists = self.world.look(|state| state.functions.contains_key(&name));
        let at_fault = |state: &State| {
            let mut runs = state.runs.values();
            runs.any(|run| matches!(run.run.phase, Phase::Injecting | Phase::Injected | Phase::RollingBack))
        };
        self.counts.deploys_during_faults += usize::from(self.world.look(at_fault));
        if matches!(what, Deploy::Delete | Deploy::MakeAnew) {
            self.world.change(|state| drop(state.functions.remove(&name)));
            self.reference.owner_deletes(&name);
        }
        if matches!(what, Deploy::MakeAnew) {
            self.world.add_function(FUNCTIONS[function], made.clone());
            self.reference.owner_sets(&name, |theirs| *theirs = made);
        } else if exists && !matches!(what, Deploy::Delete) {
            self.world.change(|state| {
                let done = state.now + state.updates_take;
                let found = state.functions.get_mut(&name).unwrap();
                set(found, what);
                found.updating_until = done;
            });
            self.reference.owner_sets(&name, |theirs| set(theirs, what));
        }
    }

    /// What `inoculate halt` does: the switch, then a rollback of every run.
    fn halt(&mut self) {
        let since = self.world.look(|state| state.now);
        let reason = "the model says so".to_owned();
        self.world.change(|state| {
            let halt = Halt { reason, since };
            state.halt.get_or_insert(halt).clone()
        });
        let since = self.world.look(|state| state.halt.as_ref().map(|halt| halt.since));
        self.reference.halted(since);
        let under_way = |state: &State| {
            let runs = state.runs.values().filter(|run| run.run.phase < Phase::RolledBack);
            runs.map(|run| run.run.id.clone()).collect::<Vec<_>>()
        };
        for id in self.world.look(under_way) {
            let ending = Ending {
                status: Status::Aborted,
                cause: Cause::Halted,
                detail: "halted: the model says so".to_owned(),
            };
            self.call_rollback(json!({ "run_id": id, "ending": ending }));
        }
    }

    fn read_lease(&mut self, function: usize) {
        let arn = FunctionState::new(FUNCTIONS[function]).arn;
        self.read[function] = self.world.look(|state| {
            let found = state.leases.get(&arn)?;
            let item = serde_json::to_value(found).unwrap();
            Some(Read {
                lease: layer::read(&item, &arn).unwrap()?,
                at: state.now,
                until_ms: found.expires_at_ms,
                allowed: allows_faults(found, state, state.now),
            })
        });
    }

    /// The layer's own code decides; with `percent: 100` it must be exactly as the reference model has it.
    fn request(&mut self, function: usize) -> Result<(), Broken> {
        let Some(read) = &self.read[function] else {
            return Ok(());
        };
        let now = self.world.look(|state| state.now);
        let ms = |at: Timestamp| u64::try_from(at.as_millisecond()).unwrap();
        let at = Moment {
            now_ms: ms(now),
            read_at_ms: ms(read.at),
            max_stale_ms: u64::try_from(MAX_STALE.as_millis()).unwrap(),
        };
        let caps = Caps {
            disabled: false,
            max_percent: 100.0,
        };
        let request = Material {
            event: None,
            trace: None,
            request_id: "any",
        };
        let decision = layer::decide(&read.lease, &at, &caps, &request);
        let met = decision.is_some_and(|decision| !decision.faults.faults().is_empty());
        let fresh = now.duration_since(read.at) <= MAX_STALE;
        let may = read.allowed && fresh && now.as_millisecond() < read.until_ms;
        self.counts.faults_met += usize::from(met);
        if met == may {
            return Ok(());
        }
        Err(format!(
            "(a) a request at {now} met a fault: {met}; it may: {may}; {:?}",
            read.lease
        ))
    }

    /// Lets everything come to rest: what is under way goes on or dies, and then the sweep comes every minute.
    pub(crate) fn come_to_rest(&mut self, all_dies: bool) -> Result<(), Broken> {
        self.failing.heal();
        if all_dies {
            while !self.processes.is_empty() {
                self.die(0);
            }
        }
        self.go_on_to_the_end()?;
        self.requests_each_second(0);
        for _ in 0..10 {
            self.world.advance(60);
            self.call_rollback(machine::sweep());
            self.go_on_to_the_end()?;
            let open = |state: &State| {
                let mut runs = state.runs.values();
                runs.any(|run| run.run.phase != Phase::Closed)
            };
            if !self.world.look(open) {
                break;
            }
        }
        // What a step left that died right after it had taken a lease.
        self.world.advance(180);
        self.count();
        let Self { world, reference, .. } = self;
        world.look(|state| {
            reference.check_call(state)?;
            reference.check_records(state)?;
            reference.check_rest(state)
        })
    }

    fn go_on_to_the_end(&mut self) -> Result<(), Broken> {
        for _ in 0..20_000 {
            if self.processes.is_empty() {
                return Ok(());
            }
            let made = self.failing.made();
            let mut place = 0;
            while place < self.processes.len() {
                place += usize::from(!self.poll(place)?);
            }
            if self.failing.made() == made {
                self.world.advance(1);
            }
        }
        Err("(e) something never ends".to_owned())
    }

    fn count(&mut self) {
        let counts = &mut self.counts;
        self.world.look(|state| {
            counts.runs += state.runs.len();
            counts.faults_met += state.faults_met.len();
            for run in state.runs.values() {
                counts.injected += usize::from(run.run.injected_at.is_some());
                let judged = run.evaluation.as_ref().is_some_and(|it| it.during.is_some());
                counts.judged += usize::from(judged);
                let foreign = |it: &&UndoRecord| matches!(it.state, UndoState::Foreign { .. });
                counts.foreign += run.undo.values().filter(foreign).count();
            }
        });
    }

    /// Everything that is known, for the message of a failed test.
    pub(crate) fn story(&self) -> String {
        self.world.look(|state| {
            let mut story = format!("at {}\n", state.now);
            for (id, recorded) in &state.runs {
                story.push_str(&format!("{id}: {:?}, {:?}\n", recorded.run.phase, recorded.run.status));
                for entry in &recorded.journal {
                    story.push_str(&format!("  {} {} {:?}\n", entry.at, entry.token, entry.event));
                }
            }
            story
        })
    }
}
