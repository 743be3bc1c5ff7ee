//! The fourth step: put everything back. Idempotent; callable by anyone, at any time.
//!
//! Called by the state machine, by the event of a stopped execution, by the abort topic and by a person. Whoever
//! comes first begins the rollback; everybody goes on with it until nothing is left. Every minute a schedule lets it
//! [`sweep`] up what all of them have missed.

mod strays;
mod sweep;
mod tell;
mod trigger;

use std::time::Duration;

use futures_util::future::join_all;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::experiment::Experiment;
use inoculate_core::names::RunId;
use inoculate_core::notice::{Failure, News};
use inoculate_core::ports::{Evaluation, Grounds, RunResult};
use inoculate_core::run::{Cause, Ending, Event, Phase, Run, Status};
use inoculate_core::run_alarms::run_of;
use inoculate_core::undo::{Injector, UndoRecord, UndoState};
use inoculate_step::leases::SLACK;
use inoculate_step::record::With;
use inoculate_step::restore::{Look, Restored};
use inoculate_step::{Next, Step, log};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::Instrument;

use tell::ToTell;

pub use sweep::SWEEP_FAILED;
pub use trigger::{ALARM_EVENT, Caller, Trigger};

/// How often a rollback starts over because somebody else wrote to the record at the same time.
const TRIES: u32 = 8;

/// How long a rollback without a state machine waits: longer than [`IN_FLIGHT`](inoculate_core::undo::IN_FLIGHT), and
/// shorter than its function may run.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(100);
/// How long it waits between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// What the caller does with the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The run; `-` when the call was not about one run.
    pub run_id: String,
    /// What comes next.
    pub next: Next,
    /// Whether nothing of the run is left in any target; of a sweep, whether it left nothing undone.
    pub settled: bool,
    /// How the run ends.
    pub status: Status,
    /// What is not settled yet, in words.
    pub pending: Vec<String>,
    /// Why the run ends, in words.
    pub detail: String,
    /// How long the system has to recover before the verdict; 0 when nothing was injected.
    pub recovery_secs: u32,
}

/// Rolls back what the event is about.
///
/// # Errors
/// [`Code::RollbackFailed`] when a setting could not be put back (the others are), [`Code::TargetBusy`] when AWS is still
/// carrying out a change and nobody would come back, or what the table answers.
pub async fn handle(step: Step, event: Value) -> Result<Output> {
    let trigger = Trigger::read(&event)?;
    let about = log::about(trigger.run_id().map_or("-", RunId::as_str));
    act(step, trigger).instrument(about).await
}

async fn act(step: Step, trigger: Trigger) -> Result<Output> {
    match trigger {
        Trigger::Run {
            run_id,
            ending,
            caller: Caller::Message,
        } => roll_back_and_wait(&step, &run_id, &ending).await,
        Trigger::Run { run_id, ending, caller } => roll_back(&step, &run_id, &ending, caller.injector()).await,
        Trigger::ExecutionEnded { run_id, ending } => {
            let output = roll_back_and_wait(&step, &run_id, &ending).await?;
            close_without_verdict(&step, &run_id, output).await
        }
        Trigger::Alarm { alarm, ending } => roll_back_guarded(&step, &alarm, &ending).await,
        Trigger::Sweep => Ok(sweep::sweep(&step).await),
        Trigger::Nothing { what } => {
            tracing::info!(what, "nothing to do");
            let detail = what;
            let (status, cause) = (Status::Running, Cause::Alarm);
            Ok(nothing("-", &Ending { status, cause, detail }))
        }
    }
}

/// Rolls back every run that names the alarm, or the one that made it for itself. One that fails or waits does not keep the
/// others from being rolled back; an error makes Lambda deliver the message again.
async fn roll_back_guarded(step: &Step, alarm: &str, ending: &Ending) -> Result<Output> {
    if let Some(run_id) = run_of(&step.ports.stack, alarm) {
        // No experiment names it: it was not there before its run.
        return roll_back_and_wait(step, &run_id, ending)
            .instrument(log::about(&run_id))
            .await;
    }
    let mut last = nothing("-", ending);
    let mut first_error = None;
    let open = step.ports.runs.open().await?;
    // All at once: a run may wait long for AWS, and faults of the others must not last that much longer.
    let outcomes = join_all(
        open.iter()
            .map(|run_id| roll_back_if_guarded(step, run_id, alarm, ending).instrument(log::about(run_id))),
    )
    .await;
    for (run_id, outcome) in open.iter().zip(outcomes) {
        match outcome {
            Ok(Some(output)) => last = output,
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%run_id, %error, "this run could not be rolled back");
                first_error = first_error.or(Some(error));
            }
        }
    }
    first_error.map_or(Ok(last), Err)
}

async fn roll_back_if_guarded(step: &Step, run_id: &RunId, alarm: &str, ending: &Ending) -> Result<Option<Output>> {
    if !names_alarm(step, run_id, alarm).await? {
        return Ok(None);
    }
    roll_back_and_wait(step, run_id, ending).await.map(Some)
}

async fn names_alarm(step: &Step, run_id: &RunId, alarm: &str) -> Result<bool> {
    let experiment = step.ports.runs.experiment(run_id).await?;
    Ok(experiment.is_some_and(|experiment| experiment.guards.alarms.iter().any(|name| name == alarm)))
}

/// Where nobody would come back while AWS is still carrying out a change, this waits itself. What takes even longer is
/// left to Lambda's retries of the event.
async fn roll_back_and_wait(step: &Step, run_id: &RunId, ending: &Ending) -> Result<Output> {
    let until = step.ports.clock.now() + PATIENCE;
    loop {
        let output = roll_back(step, run_id, ending, Injector::MayBeRunning).await?;
        if output.settled {
            return Ok(output);
        }
        if step.ports.clock.now() >= until {
            let message = format!("run {run_id} is not settled yet: {}", output.pending.join(", "));
            return Err(Error::new(Code::TargetBusy, message));
        }
        step.ports.clock.sleep(PAUSE).await;
    }
}

/// Rolls a run back as far as it goes now, then tells people: they never wait in the way of what ends a fault.
async fn roll_back(step: &Step, run_id: &RunId, ending: &Ending, injector: Injector) -> Result<Output> {
    let mut to_tell = ToTell::default();
    let outcome = attempts(step, run_id, ending, injector, &mut to_tell).await;
    let settled = outcome.as_ref().is_ok_and(|output| output.settled);
    to_tell.tell(step, settled).await;
    outcome
}

async fn attempts(
    step: &Step,
    run_id: &RunId,
    ending: &Ending,
    injector: Injector,
    to_tell: &mut ToTell,
) -> Result<Output> {
    for _ in 0..TRIES {
        match attempt(step, run_id, ending, injector, to_tell).await {
            Err(error) if error.code == Code::Conflict => {
                tracing::info!(%run_id, %error, "somebody else is at this run too; looking again");
            }
            outcome => return outcome,
        }
    }
    let message = format!("run {run_id} kept changing during the rollback");
    Err(Error::new(Code::Conflict, message))
}

async fn attempt(
    step: &Step,
    run_id: &RunId,
    ending: &Ending,
    injector: Injector,
    to_tell: &mut ToTell,
) -> Result<Output> {
    let Some(run) = step.ports.runs.load(run_id).await? else {
        return Ok(nothing(run_id.as_str(), ending));
    };
    match run.phase {
        Phase::Closed => Ok(output(&run, Next::End, vec![], 0)),
        Phase::RolledBack => {
            let experiment = experiment_with_faults(step, &run).await?;
            Ok(output(&run, Next::Evaluate, vec![], recovery_secs(experiment.as_ref())))
        }
        Phase::RollingBack => settle(step, run, injector, to_tell).await,
        Phase::Opened | Phase::Steady | Phase::Injecting | Phase::Injected => {
            let began = Event::RollbackBegan { ending: ending.clone() };
            let run = step.add(&run, began, With::default()).await?;
            to_tell.began(&run);
            settle(step, run, injector, to_tell).await
        }
    }
}

/// Settles every undo record, gives the leases back, deletes the alarms, and records that nothing is left.
async fn settle(step: &Step, mut run: Run, injector: Injector, to_tell: &mut ToTell) -> Result<Output> {
    // First of all: faults of the layer end within seconds of this, whatever becomes of the settings. A rollback that failed
    // has done it; the leases need not last until it succeeds.
    if run.injecting_at.is_some() && run.status != Status::RollbackFailed {
        end_faults(step, &run, SLACK).await?;
    }
    let mut pending = Vec::new();
    let mut failed = Vec::new();
    for record in step.ports.runs.undo_records(&run.id).await? {
        if record.state.is_settled() {
            continue;
        }
        match settle_one(step, &mut run, &record, injector).await {
            Ok(true) => {}
            Ok(false) => pending.push(format!("{} of {}", record.setting, record.function)),
            Err(error) if error.code == Code::Conflict => return Err(error),
            Err(error) => failed.push((record, error)),
        }
    }
    if !failed.is_empty() {
        return Err(report_failure(step, run, &failed, to_tell).await?);
    }
    if !pending.is_empty() {
        return Ok(output(&run, Next::Settle, pending, 0));
    }
    let experiment = experiment_with_faults(step, &run).await?;
    let recovery_secs = recovery_secs(experiment.as_ref());
    if experiment.as_ref().is_some_and(Experiment::uses_layer) {
        // The layer goes on counting, until the verdict or the end of the leases.
        let window = SignedDuration::from_secs(i64::from(recovery_secs));
        end_faults(step, &run, window + SLACK).await?;
    } else {
        step.release_leases(&run).await?;
    }
    if let Some(experiment) = &experiment {
        delete_alarms(step, &run, experiment).await;
    }
    let failed_before = run.status == Status::RollbackFailed;
    let run = step.add(&run, Event::RolledBack, With::default()).await?;
    if failed_before {
        to_tell.then(&run, News::RolledBackAfterAll);
    }
    Ok(output(&run, Next::Evaluate, vec![], recovery_secs))
}

/// Deletes the alarms that the run made for itself. No reason to go on with a rollback that has put everything back: an alarm
/// that is left can only ask for this rollback again, and the sweep deletes it.
async fn delete_alarms(step: &Step, run: &Run, experiment: &Experiment) {
    if let Err(error) = step.delete_alarms(run, experiment).await {
        tracing::warn!(run_id = %run.id, %error, "the alarms of the run are left to the sweep");
    }
}

/// Makes the leases of a run say that there are no faults any more.
async fn end_faults(step: &Step, run: &Run, lasts: SignedDuration) -> Result<()> {
    let expires = step.ports.clock.now() + lasts;
    for function in &run.functions {
        step.end_faults(run, function, expires).await?;
    }
    Ok(())
}

/// Settles one undo record; false while it cannot be.
async fn settle_one(step: &Step, run: &mut Run, record: &UndoRecord, injector: Injector) -> Result<bool> {
    let settled = match step.look(record, injector).await? {
        Look::Settled(state) => state,
        Look::Pending => return Ok(false),
        Look::Changed => {
            if record.state != UndoState::Restoring {
                let event = Event::UndoBegan { undo: record.number };
                *run = write_undo(step, run, event, record, UndoState::Restoring).await?;
            }
            match step.put_back(record).await? {
                Restored::Settled(state) => state,
                Restored::Pending => return Ok(false),
            }
        }
    };
    let event = Event::UndoSettled {
        undo: record.number,
        state: settled,
    };
    *run = write_undo(step, run, event, record, settled).await?;
    Ok(true)
}

async fn write_undo(step: &Step, run: &Run, event: Event, record: &UndoRecord, state: UndoState) -> Result<Run> {
    let at = step.ports.clock.now();
    let undo = vec![UndoRecord {
        state,
        at,
        ..record.clone()
    }];
    step.add(run, event, With { undo, result: None }).await
}

/// Records that a setting could not be put back, with the commands to do it by hand. People are told once.
async fn report_failure(step: &Step, run: Run, failed: &[(UndoRecord, Error)], to_tell: &mut ToTell) -> Result<Error> {
    let lines = failed.iter().map(|(record, error)| {
        format!(
            "the {} of {} could not be put back to {}: {error}",
            record.setting, record.function, record.before
        )
    });
    let detail = lines.collect::<Vec<_>>().join("; ");
    let by_hand: Vec<String> = failed.iter().map(|(record, _)| record.by_hand()).collect();
    let commands = by_hand.join("\n");
    tracing::error!(run_id = %run.id, detail, "rollback_failed");
    if run.status != Status::RollbackFailed {
        let event = Event::RollbackFailed { detail: detail.clone() };
        let run = step.add(&run, event, With::default()).await?;
        let detail = detail.clone();
        to_tell.then(&run, News::RollbackFailed(Failure { detail, by_hand }));
    }
    Ok(Error::new(Code::RollbackFailed, detail).help(format!("put it back by hand: {commands}")))
}

/// When the execution is over, nobody will evaluate the run any more: what is known is that it ended early.
async fn close_without_verdict(step: &Step, run_id: &RunId, rolled_back: Output) -> Result<Output> {
    let Some(run) = step.ports.runs.load(run_id).await? else {
        return Ok(rolled_back);
    };
    if run.phase != Phase::RolledBack {
        return Ok(rolled_back);
    }
    step.release_leases(&run).await?;
    let because = "the execution ended before the verdict".to_owned();
    let evaluation = Evaluation::without_evidence(step.ports.clock.now(), Grounds::NotJudged, because);
    let verdict = evaluation.verdict;
    let with = With {
        undo: vec![],
        result: Some(RunResult::Verdict(evaluation.clone())),
    };
    // A run that was completed but never judged is not complete.
    let ending = run.ending.as_ref().map_or(Status::Failed, |ending| ending.status);
    let status = if ending == Status::Completed {
        Status::Failed
    } else {
        ending
    };
    let run = step.add(&run, Event::Closed { status, verdict }, with).await?;
    step.tell(&run, &News::closed(&evaluation)).await;
    Ok(output(&run, Next::End, vec![], 0))
}

/// The experiment of a run in which faults may have been; `None` when none ever was.
async fn experiment_with_faults(step: &Step, run: &Run) -> Result<Option<Experiment>> {
    match run.injecting_at {
        Some(_) => step.experiment(&run.id).await.map(Some),
        None => Ok(None),
    }
}

/// There is nothing to recover from when no fault was ever there.
fn recovery_secs(experiment: Option<&Experiment>) -> u32 {
    experiment.map_or(0, |experiment| {
        experiment.windows.recovery.secs() + experiment.windows.delay_secs()
    })
}

fn output(run: &Run, next: Next, pending: Vec<String>, recovery_secs: u32) -> Output {
    let ending = run.ending.as_ref();
    Output {
        run_id: run.id.to_string(),
        next,
        settled: run.phase >= Phase::RolledBack,
        status: ending.map_or(run.status, |ending| ending.status),
        pending,
        detail: ending.map(|ending| ending.detail.clone()).unwrap_or_default(),
        recovery_secs,
    }
}

/// There is no record, and without a record nothing was ever injected.
fn nothing(run_id: &str, ending: &Ending) -> Output {
    Output {
        run_id: run_id.to_owned(),
        next: Next::End,
        settled: true,
        status: ending.status,
        pending: vec![],
        detail: ending.detail.clone(),
        recovery_secs: 0,
    }
}
