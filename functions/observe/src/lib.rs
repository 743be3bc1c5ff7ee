//! The third step: look at the system while the faults are there, and decide whether to go on.
//!
//! First it looks for a reason to stop that needs no measures (the kill switch, an alarm), then it renews the leases and
//! looks at the measures and the time.

use inoculate_core::error::{Code, Result};
use inoculate_core::experiment::{Experiment, StopOn, StopWhen};
use inoculate_core::judge::{Verdict, Window, overall};
use inoculate_core::layer::Stage;
use inoculate_core::lease::Lease;
use inoculate_core::names::RunId;
use inoculate_core::ports::{Measured, RunResult};
use inoculate_core::run::{Cause, Ending, Event, Phase, Run, Status, TargetFunction};
use inoculate_core::run_alarms::names_of_run;
use inoculate_core::span::Span;
use inoculate_step::leases::fault_expiry;
use inoculate_step::measure::{Look, doubt, in_words, not_upheld};
use inoculate_step::record::With;
use inoculate_step::{Next, RunInput, Step, ending, wait_secs, window_closed};
use serde::{Deserialize, Serialize};

/// What the state machine does with the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The run.
    pub run_id: RunId,
    /// What comes next.
    pub next: Next,
    /// Why the injection ends, when it does.
    pub ending: Option<Ending>,
    /// What was seen, for the console.
    pub seen: String,
    /// How long the faults are left alone before the next look.
    pub wait_secs: u32,
}

/// Looks once. A retry looks again and counts as another round.
///
/// # Errors
/// What the table or CloudWatch answer.
pub async fn handle(step: Step, input: RunInput) -> Result<Output> {
    let run = step.run(&input.run_id).await?;
    let experiment = step.experiment(&run.id).await?;
    let answer = |ending: Option<Ending>, seen| Output {
        run_id: run.id.clone(),
        next: if ending.is_some() {
            Next::Rollback
        } else {
            Next::Observe
        },
        ending,
        seen,
        wait_secs: wait_secs(&experiment, &run, step.ports.clock.now()),
    };
    let (Phase::Injected, Some(injected_at)) = (run.phase, run.injected_at) else {
        let ending = run
            .ending
            .clone()
            .or_else(|| ending(Status::Failed, Cause::StepFailed, "nothing is injected"));
        return Ok(answer(ending, "the run is ending".to_owned()));
    };
    // A reason to stop needs no measures, and during an incident these may be hard to get.
    let mut stop = guards(&step, &run, &experiment).await?;
    if stop.is_none() {
        stop = renew_leases(&step, &run, &experiment).await?;
    }
    if let Some(stop) = stop {
        let seen = stop.detail.clone();
        return Ok(answer(Some(stop), seen));
    }
    let window = Window {
        from: injected_at,
        until: step.measurable_until(&experiment),
    };
    let measured = look(&step, &run, &experiment, window).await?;
    let seen = in_words(&measured.findings);
    let stop = harm_time_or_enough(&step, &run, &experiment, &measured).await?;

    let round = run.rounds + 1;
    let with = With {
        undo: vec![],
        result: Some(RunResult::Observation { round, measured }),
    };
    let event = Event::Observed {
        round,
        seen: seen.clone(),
    };
    step.add(&run, event, with).await?;
    Ok(answer(stop, seen))
}

async fn look(step: &Step, run: &Run, experiment: &Experiment, window: Window) -> Result<Measured> {
    let baseline = step.ports.runs.baseline(&run.id).await?.unwrap_or(Measured {
        at: run.opened_at,
        window,
        findings: vec![],
        seen: vec![],
    });
    let look = Look {
        stage: Stage::Injection,
        window,
        baseline: Some(&baseline),
    };
    step.measure(experiment, run, look).await
}

/// The kill switch and the alarms: those that the experiment names, and those that the run made for itself.
async fn guards(step: &Step, run: &Run, experiment: &Experiment) -> Result<Option<Ending>> {
    if let Some(halt) = step.ports.library.halt().await? {
        return Ok(ending(
            Status::Aborted,
            Cause::Halted,
            format!("halted: {}", halt.reason),
        ));
    }
    let mut names = experiment.guards.alarms.clone();
    names.extend(names_of_run(&step.ports.stack, &run.id, experiment));
    if names.is_empty() {
        return Ok(None);
    }
    let states = step.ports.alarms.states(&names).await?;
    if let Some(alarm) = states.iter().find(|state| state.in_alarm) {
        let detail = format!("alarm {:?} went to ALARM: {}", alarm.name, alarm.reason);
        return Ok(ending(Status::Aborted, Cause::Alarm, detail));
    }
    let missing = names
        .iter()
        .find(|name| !states.iter().any(|state| &&state.name == name));
    Ok(missing.and_then(|name| {
        ending(
            Status::Aborted,
            Cause::Alarm,
            format!("alarm {name:?} does not exist any more"),
        )
    }))
}

/// Renews the leases. A run that lost one stops: somebody else decides over the function now.
async fn renew_leases(step: &Step, run: &Run, experiment: &Experiment) -> Result<Option<Ending>> {
    for function in &run.functions {
        let Some(found) = step.held_lease(run, function).await? else {
            return Ok(Some(lost(step, run, function).await?));
        };
        let expires = fault_expiry(experiment, run, step.ports.clock.now());
        let renewed = Lease {
            expires_at_ms: expires.as_millisecond(),
            ..found.clone()
        };
        match step.ports.leases.renew(&found, &renewed).await {
            Ok(()) => {}
            Err(error) if error.code == Code::LeaseHeld => return Ok(Some(lost(step, run, function).await?)),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Why a lease is not there any more: a rollback that began in the meantime, or nobody knows.
async fn lost(step: &Step, run: &Run, function: &TargetFunction) -> Result<Ending> {
    let ended = step.run(&run.id).await?.ending;
    Ok(ended.unwrap_or_else(|| Ending {
        status: Status::Failed,
        cause: Cause::StepFailed,
        detail: format!("the lease on {} was lost", function.name),
    }))
}

/// What the measures and the time say.
async fn harm_time_or_enough(
    step: &Step,
    run: &Run,
    experiment: &Experiment,
    measured: &Measured,
) -> Result<Option<Ending>> {
    if experiment.guards.stop_on == StopOn::Harm && overall(&measured.findings) == Verdict::Deviated {
        let detail = not_upheld(&measured.findings);
        return Ok(ending(Status::Completed, Cause::Harm, detail));
    }
    let Some(since) = run.injecting_at.or(run.injected_at) else {
        return Ok(None);
    };
    let so_far = step.ports.clock.now().duration_since(since);
    let longest = experiment.blast_radius.longest;
    if so_far >= longest.signed() {
        let detail = format!("the injection lasted {longest} as planned");
        return Ok(ending(Status::Completed, Cause::WindowOver, detail));
    }
    if let Some(closed) = window_closed(run, step.ports.clock.now()) {
        return Ok(Some(closed));
    }
    if !is_enough(step, run, experiment, measured).await? {
        return Ok(None);
    }
    let so_far = Span::from_secs(u32::try_from(so_far.as_secs()).unwrap_or_default());
    let detail = format!("every measure is established as upheld after {so_far}");
    Ok(ending(Status::Completed, Cause::Established, detail))
}

/// Whether the injection ends because every measure is established as upheld. Not while something speaks against the run, and
/// not after a look that found harm: that stays, and would be at odds with this ending.
async fn is_enough(step: &Step, run: &Run, experiment: &Experiment, measured: &Measured) -> Result<bool> {
    let upheld = overall(&measured.findings) == Verdict::Upheld && doubt(experiment, measured).is_none();
    if !upheld || experiment.guards.stop_when != Some(StopWhen::Established) {
        return Ok(false);
    }
    // Read once in a run as a rule, since a run ends by it.
    let before = step.ports.runs.results(&run.id).await?.observations;
    Ok(before.iter().all(|look| overall(&look.findings) != Verdict::Deviated))
}
