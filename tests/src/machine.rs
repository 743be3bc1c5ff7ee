//! The state machine without Step Functions: runs the five steps over any ports, in the order of the file.
//!
//! It does what `statemachine/experiment.asl.json` says: the same retries, the same way to the rollback, the same loops.
//! Waiting moves the clock of the [`World`], which also shows the execution: running, and how it ended.
//! `tests/tests/statemachine.rs` checks the file itself.

use std::sync::Arc;
use std::task::Poll;

use inoculate_core::deployment::Deployment;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::names::RunId;
use inoculate_core::ports::{ExecutionState, Ports};
use inoculate_core::run::{Ending, Status};
use inoculate_step::{Next, RunInput, Step};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::memory::{World, deployment, execution_arn};

/// How often a task is tried before its failure counts: once, and four retries.
const TRIES: u32 = 5;
/// How often the rollback is tried.
const ROLLBACK_TRIES: u32 = 7;
/// How often a step that settles is run again.
const ROUNDS_OF_SETTLING: u32 = 60;

/// The tasks of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Validate, guard, record, lease.
    Open,
    /// Measure the baseline.
    Baseline,
    /// Put the faults in place.
    Inject,
    /// Look.
    Observe,
    /// Put everything back.
    Rollback,
    /// Give the verdict.
    Evaluate,
}

impl Task {
    /// How long its function may run: the timeout of the template.
    pub fn longest(self) -> SignedDuration {
        SignedDuration::from_secs(if self == Task::Rollback { 120 } else { 60 })
    }
}

/// A step that Lambda ends when it takes too long, as the clock of the world has it. For futures that are polled by hand.
pub async fn in_time<T>(world: &World, longest: SignedDuration, step: impl Future<Output = Result<T>>) -> Result<T> {
    let until = world.look(|state| state.now) + longest;
    let mut step = std::pin::pin!(step);
    std::future::poll_fn(|context| {
        if world.look(|state| state.now) > until {
            let message = "the function ran into its timeout";
            return Poll::Ready(Err(Error::new(Code::Unavailable, message)));
        }
        step.as_mut().poll(context)
    })
    .await
}

/// An execution: the steps over some ports, with the clock of a world.
pub struct Machine {
    world: Arc<World>,
    ports: Ports,
    run_id: RunId,
    /// Every task is carried out twice, as when its answer is lost.
    pub twice: bool,
    /// The execution is stopped before its task of this number, from 0.
    pub stop_before: Option<usize>,
    /// A test polls the execution by hand: it waits until somebody else has moved the clock, ends before its next task when
    /// the world shows it as stopped, and a step that takes longer than its function may is ended there.
    pub by_hand: bool,
    /// What the deployment says of every run.
    pub deployment: Deployment,
    tasks: usize,
    attempts: u32,
}

/// The execution was stopped: no further task runs, and no catch.
#[derive(Debug)]
struct Stopped;

/// How a task came out: its answer, a failure after all retries, or the execution was stopped.
type Outcome<T> = std::result::Result<Result<T>, Stopped>;

impl Machine {
    /// An execution of this name.
    pub fn new(world: &Arc<World>, ports: Ports, run_id: RunId) -> Self {
        Machine {
            world: world.clone(),
            ports,
            run_id,
            twice: false,
            stop_before: None,
            by_hand: false,
            deployment: deployment(),
            tasks: 0,
            attempts: 0,
        }
    }

    /// How many tasks ran.
    pub fn tasks(&self) -> usize {
        self.tasks
    }

    /// Runs the execution to its end. `None` when it was stopped.
    pub async fn execute(&mut self, experiment: &Value) -> Option<Status> {
        self.world.set_execution(&self.run_id, "RUNNING");
        let status = self.run(experiment).await.ok();
        let ended = match status {
            None => "ABORTED",
            Some(Status::Completed) => "SUCCEEDED",
            Some(_) => "FAILED",
        };
        self.world.set_execution(&self.run_id, ended);
        status
    }

    async fn run(&mut self, experiment: &Value) -> std::result::Result<Status, Stopped> {
        let (ending, injecting) = self.until_rollback(experiment).await?;
        let mut rounds = 0;
        let rolled_back = loop {
            let input = json!({ "run_id": self.run_id, "ending": ending, "caller": "state_machine" });
            match self
                .task(Task::Rollback, |step| inoculate_rollback::handle(step, input.clone()))
                .await?
            {
                Err(_) if injecting => return Ok(Status::RollbackFailed),
                Err(_) => return Ok(Status::Failed),
                Ok(output) if output.next == Next::Settle && rounds < 2 * ROUNDS_OF_SETTLING => self.wait(1).await,
                Ok(output) if output.next == Next::Settle => return Ok(Status::RollbackFailed),
                Ok(output) => break output,
            }
            rounds += 1;
        };
        if rolled_back.next == Next::End {
            return Ok(rolled_back.status);
        }
        self.wait(rolled_back.recovery_secs).await;
        let input = RunInput {
            run_id: self.run_id.clone(),
        };
        let evaluated = self
            .task(Task::Evaluate, |step| inoculate_evaluate::handle(step, input.clone()))
            .await?;
        Ok(evaluated.map_or(Status::Failed, |output| output.status))
    }

    /// Everything before the rollback: why it is rolled back, and whether a fault may be there.
    async fn until_rollback(&mut self, experiment: &Value) -> std::result::Result<(Option<Ending>, bool), Stopped> {
        let run_id = self.run_id.clone();
        let arn = execution_arn(&run_id);
        let open = json!({ "step": "open", "run_id": run_id, "execution_arn": arn, "experiment": experiment });
        let opened = match self.baseline(Task::Open, &open).await? {
            Ok(output) if output.next == Next::Measure => output,
            Ok(output) => return Ok((output.ending, false)),
            Err(error) => return Ok((failed(&error), false)),
        };
        self.wait(opened.baseline_secs).await;
        let measure = json!({ "step": "measure", "run_id": run_id });
        match self.baseline(Task::Baseline, &measure).await? {
            Ok(output) if output.next == Next::Inject => {}
            Ok(output) => return Ok((output.ending, false)),
            Err(error) => return Ok((failed(&error), false)),
        }
        let input = RunInput { run_id };
        let mut wait_secs = 0;
        for round in 0.. {
            match self
                .task(Task::Inject, |step| inoculate_inject::handle(step, input.clone()))
                .await?
            {
                Ok(output) if output.next == Next::Observe => {
                    wait_secs = output.wait_secs;
                    break;
                }
                Ok(output) if output.next == Next::Settle && round < ROUNDS_OF_SETTLING => self.wait(1).await,
                Ok(output) if output.next == Next::Settle => return Ok((gave_up(), true)),
                Ok(output) => return Ok((output.ending, true)),
                Err(error) => return Ok((failed(&error), true)),
            }
        }
        loop {
            self.wait(wait_secs).await;
            match self
                .task(Task::Observe, |step| inoculate_observe::handle(step, input.clone()))
                .await?
            {
                Ok(output) if output.next == Next::Observe => wait_secs = output.wait_secs,
                Ok(output) => return Ok((output.ending, true)),
                Err(error) => return Ok((failed(&error), true)),
            }
        }
    }

    async fn baseline(&mut self, task: Task, input: &Value) -> Outcome<inoculate_baseline::Output> {
        let input: inoculate_baseline::Input = serde_json::from_value(input.clone()).unwrap();
        let deployment = self.deployment.clone();
        self.task(task, |step| {
            inoculate_baseline::handle(step, &deployment, input.clone())
        })
        .await
    }

    /// One task with its retries.
    async fn task<T, F: Future<Output = Result<T>>>(&mut self, task: Task, call: impl Fn(Step) -> F) -> Outcome<T> {
        if self.stop_before == Some(self.tasks) || self.by_hand && !self.is_running() {
            return Err(Stopped);
        }
        self.tasks += 1;
        let tries = if task == Task::Rollback { ROLLBACK_TRIES } else { TRIES };
        let mut outcome = self.attempt(task, &call).await;
        for _ in 1..tries {
            match &outcome {
                Err(error) if task == Task::Rollback || error.code.is_transient() => self.wait(1).await,
                _ => break,
            }
            outcome = self.attempt(task, &call).await;
        }
        Ok(outcome)
    }

    async fn attempt<T, F: Future<Output = Result<T>>>(&mut self, task: Task, call: &impl Fn(Step) -> F) -> Result<T> {
        if self.twice {
            let first = call(self.step());
            drop(self.in_time(task, first).await);
        }
        let step = call(self.step());
        self.in_time(task, step).await
    }

    async fn in_time<T>(&self, task: Task, step: impl Future<Output = Result<T>>) -> Result<T> {
        if self.by_hand {
            in_time(&self.world, task.longest(), step).await
        } else {
            step.await
        }
    }

    /// A state that waits.
    async fn wait(&self, secs: u32) {
        if !self.by_hand {
            return self.world.advance(secs);
        }
        let until = self.now() + SignedDuration::from_secs(secs.into());
        while self.now() < until && self.is_running() {
            crate::turn().await;
        }
    }

    fn now(&self) -> Timestamp {
        self.world.look(|state| state.now)
    }

    fn is_running(&self) -> bool {
        let running = |(execution, _): &(ExecutionState, Value)| execution.running;
        self.world
            .look(|state| state.executions.get(&self.run_id).is_some_and(running))
    }

    fn step(&mut self) -> Step {
        self.attempts += 1;
        Step {
            ports: self.ports.clone(),
            attempt: format!("attempt-{}", self.attempts),
        }
    }
}

fn failed(error: &Error) -> Option<Ending> {
    inoculate_step::ending(
        Status::Failed,
        inoculate_core::run::Cause::StepFailed,
        error.to_string(),
    )
}

fn gave_up() -> Option<Ending> {
    let detail = "the faults were not in place after a minute of trying";
    inoculate_step::ending(Status::Failed, inoculate_core::run::Cause::StepFailed, detail)
}

/// What the schedule calls the rollback with, every minute. A test holds the template to it.
pub fn sweep() -> Value {
    json!({ "sweep": true })
}

/// What EventBridge tells the rollback when an execution was stopped, timed out or failed.
pub fn execution_ended(run_id: &RunId, status: &str) -> Value {
    json!({
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": { "name": run_id, "status": status, "error": null, "cause": null }
    })
}
