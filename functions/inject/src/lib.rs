//! The second step: put the faults in place.
//!
//! The alarms of the run are made before any fault. What the layer injects begins when the leases say so. For each fault
//! that changes a setting: write down what to put back, change the setting, read it back. The undo record and the check that
//! the run may still inject are one transaction, so nothing is changed after a rollback began; and because a rollback
//! can begin while AWS carries out a change, every change is followed by another look at the run.

use std::time::Duration;

use inoculate_core::error::{Code, Error, Result};
use inoculate_core::experiment::Experiment;
use inoculate_core::layer::Stage;
use inoculate_core::lease::Lease;
use inoculate_core::names::{FunctionName, RunId};
use inoculate_core::run::{Cause, Ending, Event, Phase, Run, Status};
use inoculate_core::setting::{Reading, Setting, SettingValue};
use inoculate_core::undo::{Injector, UndoRecord, UndoState};
use inoculate_step::leases::{fault_expiry, injecting_role, terms};
use inoculate_step::record::With;
use inoculate_step::restore::{Look, Restored};
use inoculate_step::{Next, RunInput, Step, ending, wait_secs, window_closed};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// What the state machine does with the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The run.
    pub run_id: RunId,
    /// What comes next.
    pub next: Next,
    /// Why the run ends, when it does.
    pub ending: Option<Ending>,
    /// How long the faults are left alone before the first look.
    pub wait_secs: u32,
}

/// A record that was written longer ago is written again before its change is made, so that a rollback which finds the
/// setting unchanged can tell from the age of the record whether the change may still come.
const REAFFIRM_AFTER: SignedDuration = SignedDuration::from_secs(20);

/// How often an overtaken injection looks whether its change is back, a second apart.
const LOOKS: u32 = 40;

/// How far one fault is.
enum Placed {
    InPlace,
    /// AWS is still carrying out the change.
    Pending,
    /// The run cannot go on.
    Not(Ending),
}

/// When the undo record of a fault was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// By this call.
    Now,
    /// By an earlier one. A setting that is unchanged may be one that a rollback has put back since, so the record is written
    /// again before the change is made: after the rollback began, that fails.
    Before,
}

/// Puts the faults in place, as far as AWS lets it. Idempotent: run again, it goes on where it was.
///
/// # Errors
/// What the table or Lambda answer.
pub async fn handle(step: Step, input: RunInput) -> Result<Output> {
    let run_id = input.run_id;
    let run = step.run(&run_id).await?;
    let experiment = step.experiment(&run_id).await?;
    let answer = |next, ending| {
        Ok(Output {
            run_id: run_id.clone(),
            next,
            ending,
            wait_secs: wait_secs(&experiment, &run, step.ports.clock.now()),
        })
    };
    match run.phase {
        Phase::Steady | Phase::Injecting => {}
        Phase::Injected => return answer(Next::Observe, None),
        _ => return answer(Next::Rollback, run.ending.clone()),
    }
    if let Some(halt) = step.ports.library.halt().await? {
        let halted = format!("halted: {}", halt.reason);
        return answer(Next::Rollback, ending(Status::Aborted, Cause::Halted, halted));
    }
    if let Some(closed) = window_closed(&run, step.ports.clock.now()) {
        return answer(Next::Rollback, Some(closed));
    }
    match place_all(&step, run.clone(), &experiment).await? {
        Placed::InPlace => answer(Next::Observe, None),
        Placed::Pending => answer(Next::Settle, None),
        Placed::Not(ending) => answer(Next::Rollback, Some(ending)),
    }
}

async fn place_all(step: &Step, mut run: Run, experiment: &Experiment) -> Result<Placed> {
    if run.phase == Phase::Steady {
        run = step.add(&run, Event::InjectionBegan, With::default()).await?;
    }
    if let Some(ending) = make_alarms(step, &run, experiment).await? {
        return Ok(Placed::Not(ending));
    }
    if let Some(ending) = turn_leases(step, &run, experiment).await? {
        return Ok(Placed::Not(ending));
    }
    let records = step.ports.runs.undo_records(&run.id).await?;
    let mut pending = false;
    for (index, fault) in experiment.faults.iter().enumerate() {
        let number = u32::try_from(index).map_err(|_| Error::internal("too many faults"))?;
        let Some(change) = fault.setting() else { continue };
        let (record, written) = match records.iter().find(|record| record.number == number) {
            Some(record) => (record.clone(), Written::Before),
            None => match intend(step, &mut run, number, fault.function().clone(), change).await? {
                Ok(record) => (record, Written::Now),
                Err(Placed::Pending) => {
                    pending = true;
                    continue;
                }
                Err(not) => return Ok(not),
            },
        };
        match place(step, &mut run, record, written).await? {
            Placed::InPlace => {}
            Placed::Pending => pending = true,
            not @ Placed::Not(_) => return Ok(not),
        }
    }
    if pending {
        return Ok(Placed::Pending);
    }
    step.add(&run, Event::Injected, With::default()).await?;
    Ok(Placed::InPlace)
}

/// Makes the alarms of the run, so that there is no fault without them.
///
/// A rollback may have deleted what there was before one was made. Who made it then deletes it; a rollback that begins after
/// this look finds it.
async fn make_alarms(step: &Step, run: &Run, experiment: &Experiment) -> Result<Option<Ending>> {
    // Undo records come after the alarms, so where there is one, the alarms are made: AWS may need many looks for a change, and
    // CloudWatch takes only a few alarms a second.
    let is_none = experiment.guards.abort_when.is_empty();
    if is_none || !step.ports.runs.undo_records(&run.id).await?.is_empty() {
        return Ok(None);
    }
    step.make_alarms(run, experiment).await?;
    let now = step.run(&run.id).await?;
    if now.may_inject() {
        return Ok(None);
    }
    tracing::warn!(run_id = %run.id, "a rollback began before the injection; deleting the alarms");
    step.delete_alarms(run, experiment).await?;
    Ok(Some(overtaken(&now)))
}

/// Turns the leases of the run to what they say while there are faults; for the layer, that is the injection. A lease that
/// was lost in the meantime ends the injection here.
///
/// A lease is read first, and then whether the run may inject: see [`inoculate_step::leases`].
async fn turn_leases(step: &Step, run: &Run, experiment: &Experiment) -> Result<Option<Ending>> {
    for function in &run.functions {
        let lost = || {
            Error::new(
                Code::LeaseHeld,
                format!("run {} lost its lease on {}", run.id, function.name),
            )
        };
        let found = step.held_lease(run, function).await?.ok_or_else(lost)?;
        let now = step.run(&run.id).await?;
        if !now.may_inject() {
            return Ok(Some(overtaken(&now)));
        }
        let turned = Lease {
            role: injecting_role(experiment, function),
            expires_at_ms: fault_expiry(experiment, run, step.ports.clock.now()).as_millisecond(),
            terms: terms(experiment, run, function, Stage::Injection)?,
            ..found.clone()
        };
        step.ports.leases.renew(&found, &turned).await?;
    }
    Ok(None)
}

/// Writes down what is about to change and what to put back.
async fn intend(
    step: &Step,
    run: &mut Run,
    number: u32,
    function: FunctionName,
    (setting, set): (Setting, SettingValue),
) -> Result<Result<UndoRecord, Placed>> {
    let Reading {
        value: before,
        updating,
    } = step.ports.targets.read(&function, &setting).await?;
    if updating {
        return Ok(Err(Placed::Pending));
    }
    if before == set {
        let detail = format!("the {setting} of {function} is {set} already, so the fault would change nothing");
        // The preflight refuses this; here somebody set it since, and other faults may be in place already.
        let ending = Ending {
            status: Status::Failed,
            cause: Cause::StepFailed,
            detail,
        };
        return Ok(Err(Placed::Not(ending)));
    }
    let what = format!("{setting} of {function}: {before} -> {set}");
    let at = step.ports.clock.now();
    let record = UndoRecord {
        number,
        function,
        setting,
        before,
        set,
        state: UndoState::Intended,
        at,
    };
    let with = With {
        undo: vec![record.clone()],
        result: None,
    };
    *run = step.add(run, Event::FaultIntended { undo: number, what }, with).await?;
    Ok(Ok(record))
}

/// Changes one setting and reads it back.
async fn place(step: &Step, run: &mut Run, mut record: UndoRecord, written: Written) -> Result<Placed> {
    match record.state {
        UndoState::Applied => return Ok(Placed::InPlace),
        UndoState::Intended => {}
        // Only a rollback goes on with a record: it began since the run was loaded.
        UndoState::Restoring
        | UndoState::Restored
        | UndoState::NotApplied
        | UndoState::Foreign { .. }
        | UndoState::Gone => {
            return Ok(Placed::Not(overtaken(&step.run(&run.id).await?)));
        }
    }
    let targets = &step.ports.targets;
    let found = targets.read(&record.function, &record.setting).await?;
    if found.value == record.before {
        let age = step.ports.clock.now().duration_since(record.at);
        if written == Written::Before || age > REAFFIRM_AFTER {
            record = reaffirm(step, run, record).await?;
        }
        match targets
            .replace(&record.function, &record.setting, record.before, record.set)
            .await
        {
            Ok(()) => {}
            // Being updated, or just changed by somebody else: the next look tells which.
            Err(error) if matches!(error.code, Code::TargetBusy | Code::Conflict) => return Ok(Placed::Pending),
            Err(error) => return Err(error),
        }
        if let Some(ending) = rollback_overtook(step, run, &record).await? {
            return Ok(Placed::Not(ending));
        }
    } else if found.value != record.set {
        let detail = format!(
            "somebody else set the {} of {} to {} during the injection",
            record.setting, record.function, found.value
        );
        return Ok(Placed::Not(Ending {
            status: Status::Failed,
            cause: Cause::StepFailed,
            detail,
        }));
    }
    let now = targets.read(&record.function, &record.setting).await?;
    if now.value != record.set || now.updating {
        return Ok(Placed::Pending);
    }
    let applied = UndoRecord {
        state: UndoState::Applied,
        at: step.ports.clock.now(),
        ..record
    };
    let event = Event::FaultApplied { undo: applied.number };
    *run = step
        .add(
            run,
            event,
            With {
                undo: vec![applied],
                result: None,
            },
        )
        .await?;
    Ok(Placed::InPlace)
}

/// Writes an undo record again, in the transaction that checks that the run may still inject.
async fn reaffirm(step: &Step, run: &mut Run, record: UndoRecord) -> Result<UndoRecord> {
    let record = UndoRecord {
        at: step.ports.clock.now(),
        ..record
    };
    let UndoRecord {
        number,
        function,
        setting,
        before,
        set,
        ..
    } = &record;
    let what = format!("{setting} of {function}: {before} -> {set}");
    let event = Event::FaultIntended { undo: *number, what };
    let undo = vec![record.clone()];
    *run = step.add(run, event, With { undo, result: None }).await?;
    Ok(record)
}

/// A rollback may have begun between the undo record and the change of the setting. It found the setting unchanged and
/// waits until this step is over; this step puts its change back and says so, which ends the waiting.
///
/// Nobody runs this step again when the execution was stopped, so it does not leave before its change is back.
async fn rollback_overtook(step: &Step, run: &Run, record: &UndoRecord) -> Result<Option<Ending>> {
    let now = step.run(&run.id).await?;
    if now.may_inject() {
        return Ok(None);
    }
    tracing::warn!(run_id = %run.id, undo = record.number, "a rollback began during the injection; putting it back");
    for _ in 0..LOOKS {
        let restored = match step.look(record, Injector::Ended).await? {
            Look::Settled(_) => return Ok(Some(overtaken(&now))),
            Look::Changed => step.put_back(record).await?,
            Look::Pending => Restored::Pending,
        };
        if let Restored::Settled(state) = restored {
            say_settled(step, &run.id, record, state).await?;
            return Ok(Some(overtaken(&now)));
        }
        step.ports.clock.sleep(Duration::from_secs(1)).await;
    }
    let message = format!("the {} of {} is still being put back", record.setting, record.function);
    Err(Error::new(Code::TargetBusy, message))
}

/// Tells the rollback, which may be waiting for this, that the change is back. When somebody else writes to the record
/// at the same time, that is the rollback, and it finds out by itself.
async fn say_settled(step: &Step, id: &RunId, record: &UndoRecord, state: UndoState) -> Result<()> {
    let run = step.run(id).await?;
    if run.phase != Phase::RollingBack {
        return Ok(());
    }
    let at = step.ports.clock.now();
    let event = Event::UndoSettled {
        undo: record.number,
        state,
    };
    let undo = vec![UndoRecord {
        state,
        at,
        ..record.clone()
    }];
    match step.add(&run, event, With { undo, result: None }).await {
        Err(error) if error.code != Code::Conflict => Err(error),
        _ => Ok(()),
    }
}

/// The ending of a run that somebody else ended during the injection.
fn overtaken(run: &Run) -> Ending {
    run.ending.clone().unwrap_or(Ending {
        status: Status::Aborted,
        cause: Cause::ExecutionEnded,
        detail: "the run was ended during the injection".to_owned(),
    })
}
