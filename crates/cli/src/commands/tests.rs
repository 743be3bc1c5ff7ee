//! Ending runs, over a world in memory: the order of the calls, and what they leave behind.

mod exporting;
mod planning;
mod reporting;
mod running;
mod saying;
mod scene;
mod scheduling;
mod suites;
mod telling;
mod terminal;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use clap::Parser;
use inoculate_core::deployment::Deployment;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::names::RunId;
use inoculate_core::ports::{ExecutionState, Executions, Ports};
use inoculate_core::run::{Cause, Ending, Event, Phase, Run, Status};
use inoculate_core::undo::UndoState;
use inoculate_step::Step;
use inoculate_tests::memory::{Account, deployment};
use inoculate_tests::{World, build};
use serde_json::{Value, json};

use super::abort::abort;
use super::halt::halt;
use super::resume::resume;
use super::settle::settle;
use super::{Cli, Context};
use crate::connection::{BaselineFunction, Connection, RollbackAnswer, RollbackFunction, rollback_event};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::heard::Heard;
use crate::render::style::Style;

/// A stack whose rollback function is the real one, unless a test says what it answers, and that keeps the calls.
struct Stack {
    world: Arc<World>,
    calls: Mutex<Vec<String>>,
    answers: Mutex<BTreeMap<RunId, VecDeque<Result<RollbackAnswer>>>>,
    executions_fail: bool,
    deployment: Result<Deployment>,
}

impl Stack {
    fn new() -> Stack {
        Stack {
            world: build::shop(),
            calls: Mutex::default(),
            answers: Mutex::default(),
            executions_fail: false,
            deployment: Ok(deployment()),
        }
    }

    /// What the rollback function answers for a run, call by call, before it does its work.
    fn answering<const N: usize>(self, run: &RunId, answers: [Result<RollbackAnswer>; N]) -> Stack {
        self.answers.lock().unwrap().insert(run.clone(), answers.into());
        self
    }

    /// A run with a fault in place and its execution, after these events.
    async fn add(&self, id: &str, events: Vec<Event>) -> RunId {
        let injected = [Event::BaselineHeld, Event::InjectionBegan, Event::Injected];
        let id = build::name(id);
        record(&self.world, &id, injected.into_iter().chain(events)).await;
        self.world.start(&id, &json!({})).await.unwrap();
        id
    }

    fn called(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    fn run(&self, id: &RunId) -> Run {
        self.world.run(id).run
    }

    fn is_running(&self, id: &RunId) -> bool {
        self.world.look(|state| state.executions[id].0.running)
    }

    fn note(&self, call: &str) {
        self.calls.lock().unwrap().push(call.to_owned());
    }

    fn execution_error(&self) -> Result<()> {
        if self.executions_fail {
            return Err(Error::new(Code::AccessDenied, "no Step Functions for you"));
        }
        Ok(())
    }
}

/// Records a run after these events, with its fault in place from [`Event::Injected`] on.
async fn record(world: &Arc<World>, id: &RunId, events: impl IntoIterator<Item = Event>) {
    let ports = world.ports();
    let (mut run, entry) = build::run_at(id.as_str(), world.look(|state| state.now));
    let experiment = build::experiment();
    ports.runs.create(&run, &entry, Some(&experiment)).await.unwrap();
    for event in events {
        let mut change = build::change(&run, event);
        if change.entry.event == Event::Injected {
            change.undo = vec![build::undo(0, UndoState::Applied)];
        }
        run = change.run.clone();
        ports.runs.commit(&change).await.unwrap();
    }
}

#[async_trait]
impl Executions for Stack {
    async fn start(&self, run_id: &RunId, input: &Value) -> Result<String> {
        self.world.start(run_id, input).await
    }

    async fn state(&self, run_id: &RunId) -> Result<Option<ExecutionState>> {
        self.note("state");
        self.execution_error()?;
        self.world.state(run_id).await
    }

    async fn stop(&self, run_id: &RunId, cause: &str) -> Result<()> {
        self.note("stop");
        self.execution_error()?;
        self.world.stop(run_id, cause).await
    }
}

#[async_trait]
impl BaselineFunction for Stack {
    async fn deployment(&self) -> Result<Deployment> {
        self.deployment.clone()
    }
}

#[async_trait]
impl RollbackFunction for Stack {
    async fn call(&self, run_id: &RunId, ending: &Ending) -> Result<RollbackAnswer> {
        self.note("rollback");
        let said = self
            .answers
            .lock()
            .unwrap()
            .get_mut(run_id)
            .and_then(VecDeque::pop_front);
        if let Some(answer) = said {
            return answer;
        }
        let step = Step {
            ports: self.world.ports(),
            attempt: format!("attempt {}", self.called().len()),
        };
        let event = rollback_event(run_id, ending, false);
        let output = inoculate_rollback::handle(step, event).await?;
        Ok(serde_json::from_value(serde_json::to_value(output).unwrap()).unwrap())
    }

    async fn close(&self, run_id: &RunId, ending: &Ending) -> Result<RollbackAnswer> {
        self.note("close");
        let step = Step {
            ports: self.world.ports(),
            attempt: "close".to_owned(),
        };
        let event = rollback_event(run_id, ending, true);
        let output = inoculate_rollback::handle(step, event).await?;
        Ok(serde_json::from_value(serde_json::to_value(output).unwrap()).unwrap())
    }
}

/// Does something with the stack as a command would.
async fn with<T>(stack: &Arc<Stack>, act: impl AsyncFnOnce(&Context<'_>) -> T) -> T {
    hear(stack, false, act).await.0
}

/// Does something with the stack as a command would, and keeps what it says; with `--json` if that is asked for.
async fn hear<T>(stack: &Arc<Stack>, json: bool, act: impl AsyncFnOnce(&Context<'_>) -> T) -> (T, Heard) {
    let ports: Ports = stack.world.ports();
    let aws = Connection {
        ports,
        executions: stack.clone(),
        rollback: stack.clone(),
        baseline: stack.clone(),
        schedules: stack.world.clone(),
        attachments: Account::new(),
    };
    let global = Cli::try_parse_from(["inoculate", "list"]).unwrap().global;
    let heard = Heard::default();
    let output = heard.of(Output::new(json, Style::PLAIN, Style::PLAIN));
    let context = Context {
        aws,
        global: &global,
        output: &output,
    };
    (act(&context).await, heard)
}

async fn aborted(stack: &Arc<Stack>, run: &RunId) -> Result<Exit, Failure> {
    let timeout = "5m".parse().unwrap();
    with(stack, async |context| {
        abort(context, run, "incident 4711", timeout).await
    })
    .await
}

async fn settled(stack: &Arc<Stack>, run: &RunId, timeout: &str) -> Result<RollbackAnswer> {
    let timeout = timeout.parse().unwrap();
    with(stack, async |context| {
        settle(context, run, &build::ending(), timeout).await
    })
    .await
}

async fn halted(stack: &Arc<Stack>) -> Exit {
    let timeout = "5m".parse().unwrap();
    let outcome = with(stack, async |context| halt(context, "incident 4711", timeout).await).await;
    outcome.unwrap()
}

fn pending() -> Result<RollbackAnswer> {
    Ok(RollbackAnswer {
        pending: vec!["timeout of shop-payments".into()],
        ..RollbackAnswer::default()
    })
}

fn error(code: Code) -> Result<RollbackAnswer> {
    Err(Error::new(code, "not today"))
}

fn error_of(outcome: Result<Exit, Failure>) -> Error {
    match outcome {
        Err(Failure::Error(error)) => error,
        other => panic!("no error: {other:?}"),
    }
}

fn rolling_back() -> Event {
    Event::RollbackBegan {
        ending: build::ending(),
    }
}

fn recovering() -> Vec<Event> {
    let state = UndoState::Restored;
    vec![rolling_back(), Event::UndoSettled { undo: 0, state }, Event::RolledBack]
}

#[tokio::test]
async fn abort_begins_the_rollback_then_stops_then_goes_on_until_everything_is_back() {
    let stack = Arc::new(Stack::new());
    let run = stack.add("r", vec![]).await;
    assert_eq!(aborted(&stack, &run).await.unwrap(), Exit::Upheld);
    let calls = stack.called();
    assert_eq!(calls[..3], ["rollback", "stop", "rollback"]);
    assert_eq!(calls.last().map(String::as_str), Some("close"), "{calls:?}");
    let record = stack.run(&run);
    assert_eq!((record.phase, record.status), (Phase::Closed, Status::Aborted));
    let ending = record.ending.unwrap();
    assert_eq!((ending.status, ending.cause), (Status::Aborted, Cause::Operator));
    assert_eq!(ending.detail, "aborted from the command line: incident 4711");
    assert!(!stack.is_running(&run));
}

#[tokio::test]
async fn a_refused_stop_does_not_keep_abort_from_rolling_back() {
    let stack = Stack {
        executions_fail: true,
        ..Stack::new()
    };
    let stack = Arc::new(stack);
    let run = stack.add("r", vec![]).await;
    let error = error_of(aborted(&stack, &run).await);
    assert_eq!(error.code, Code::AccessDenied);
    assert!(error.message.starts_with("everything is rolled back"), "{error}");
    assert_eq!(stack.called()[..3], ["rollback", "stop", "rollback"]);
    assert_eq!(stack.run(&run).phase, Phase::RolledBack);
}

#[tokio::test]
async fn abort_goes_on_when_its_first_call_fails() {
    let run: RunId = build::name("r");
    let stack = Arc::new(Stack::new().answering(&run, [error(Code::Unavailable)]));
    stack.add("r", vec![]).await;
    assert_eq!(aborted(&stack, &run).await.unwrap(), Exit::Upheld);
    assert_eq!(stack.called()[..3], ["rollback", "stop", "rollback"]);
    assert_eq!(stack.run(&run).phase, Phase::Closed);
}

#[tokio::test]
async fn abort_leaves_a_recovering_run_to_its_verdict() {
    let stack = Arc::new(Stack::new());
    let run = stack.add("r", recovering()).await;
    let before = stack.run(&run);
    assert_eq!(aborted(&stack, &run).await.unwrap(), Exit::Upheld);
    assert!(stack.called().is_empty(), "{:?}", stack.called());
    assert!(stack.is_running(&run));
    assert_eq!(stack.run(&run), before);
}

#[tokio::test]
async fn abort_helps_a_run_that_is_ending_already_and_leaves_it_to_its_verdict() {
    let stack = Arc::new(Stack::new());
    let run = stack.add("r", vec![rolling_back()]).await;
    assert_eq!(aborted(&stack, &run).await.unwrap(), Exit::Upheld);
    assert!(stack.called().iter().all(|call| call == "rollback"));
    assert!(stack.is_running(&run));
    let record = stack.run(&run);
    assert_eq!(
        (record.phase, record.ending),
        (Phase::RolledBack, Some(build::ending()))
    );
}

#[tokio::test]
async fn abort_of_a_closed_run_does_nothing() {
    let stack = Arc::new(Stack::new());
    let mut events = recovering();
    events.push(Event::Closed {
        status: Status::Completed,
        verdict: inoculate_core::judge::Verdict::Upheld,
    });
    let run = stack.add("r", events).await;
    assert_eq!(aborted(&stack, &run).await.unwrap(), Exit::Upheld);
    assert!(stack.called().is_empty());
}

#[tokio::test]
async fn abort_before_the_first_record_waits_for_a_late_one() {
    let stack = Arc::new(Stack::new());
    let run: RunId = build::name("r");
    assert_eq!(error_of(aborted(&stack, &run).await).code, Code::RunNotFound);

    stack.world.start(&run, &json!({})).await.unwrap();
    stack.calls.lock().unwrap().clear();
    let begin = stack.world.look(|state| state.now);
    assert_eq!(aborted(&stack, &run).await.unwrap(), Exit::Upheld);
    assert_eq!(
        stack.called(),
        ["state", "rollback", "stop", "rollback", "state", "close"]
    );
    assert!(stack.world.look(|state| state.now) > begin);
}

#[tokio::test]
async fn settle_asks_again_while_something_is_pending_or_passes_by_itself() {
    let run: RunId = build::name("r");
    let answers = [
        pending(),
        error(Code::Throttled),
        error(Code::Unavailable),
        error(Code::TargetBusy),
        pending(),
    ];
    let stack = Arc::new(Stack::new().answering(&run, answers));
    let begin = stack.world.look(|state| state.now);
    assert!(settled(&stack, &run, "5m").await.unwrap().settled);
    assert_eq!(stack.called().len(), 6);
    let took = stack.world.look(|state| state.now).duration_since(begin);
    assert_eq!(took.as_secs(), 10);
}

#[tokio::test]
async fn settle_gives_up_after_three_failures_in_a_row() {
    let run: RunId = build::name("r");
    let failed = || error(Code::RollbackFailed);
    let answers = [failed(), failed(), pending(), failed(), failed(), failed()];
    let stack = Arc::new(Stack::new().answering(&run, answers));
    let error = settled(&stack, &run, "5m").await.unwrap_err();
    assert_eq!(error, Error::new(Code::RollbackFailed, "not today"));
    assert_eq!(stack.called().len(), 6);
}

#[tokio::test]
async fn settle_gives_up_at_once_what_no_time_heals() {
    let run: RunId = build::name("r");
    let stack = Arc::new(Stack::new().answering(&run, [error(Code::AccessDenied)]));
    let error = settled(&stack, &run, "5m").await.unwrap_err();
    assert_eq!(error.code, Code::AccessDenied);
    assert_eq!(stack.called().len(), 1);
}

#[tokio::test]
async fn settle_gives_up_when_the_time_is_over_and_says_how_to_go_on() {
    let run: RunId = build::name("r");
    let stack = Arc::new(Stack::new().answering(&run, [pending(), pending(), pending(), pending()]));
    let error = settled(&stack, &run, "5s").await.unwrap_err();
    assert_eq!(error.code, Code::RollbackFailed);
    assert_eq!(
        error.message,
        "run r is not rolled back after 5s: run r: AWS is still putting back timeout of shop-payments"
    );
    assert_eq!(error.help.unwrap(), "try again with `inoculate rollback r`");
    assert_eq!(stack.called().len(), 4);
}

#[tokio::test]
async fn halt_ends_every_run_under_way_without_step_functions() {
    let stack = Stack {
        executions_fail: true,
        ..Stack::new()
    };
    let stack = Arc::new(stack);
    let under_way = [stack.add("a", vec![]).await, stack.add("b", vec![rolling_back()]).await];
    let recovering = stack.add("c", recovering()).await;
    let before = stack.run(&recovering);

    assert_eq!(halted(&stack).await, Exit::Upheld);
    let halt = stack.world.look(|state| state.halt.clone()).unwrap();
    assert_eq!(halt.reason, "incident 4711");
    for run in &under_way {
        assert_eq!(stack.run(run).phase, Phase::RolledBack, "{run}");
    }
    let ending = stack.run(&under_way[0]).ending.unwrap();
    assert_eq!((ending.status, ending.cause), (Status::Aborted, Cause::Halted));
    assert_eq!(ending.detail, "halted: incident 4711");
    assert_eq!(stack.run(&under_way[1]).ending, Some(build::ending()));
    assert_eq!(stack.run(&recovering), before);
    assert!(stack.called().iter().all(|call| call == "rollback"));
}

#[tokio::test]
async fn halt_goes_on_with_the_others_when_one_run_cannot_be_rolled_back() {
    let failing: RunId = build::name("a");
    let stack = Arc::new(Stack::new().answering(&failing, [error(Code::AccessDenied)]));
    stack.add("a", vec![]).await;
    let other = stack.add("b", vec![]).await;
    assert_eq!(halted(&stack).await, Exit::RollbackFailed);
    assert_eq!(stack.run(&failing).phase, Phase::Injected);
    assert_eq!(stack.run(&other).phase, Phase::RolledBack);
}

#[tokio::test]
async fn resume_lifts_a_halt_and_may_be_repeated() {
    let stack = Arc::new(Stack::new());
    assert_eq!(halted(&stack).await, Exit::Upheld);
    assert!(stack.world.look(|state| state.halt.is_some()));
    for _ in 0..2 {
        let exit = with(&stack, async |context| resume(context).await).await;
        assert_eq!(exit.unwrap(), Exit::Upheld);
        assert!(stack.world.look(|state| state.halt.is_none()));
    }
}
