//! Opening a run: validate, check the guards, record the run, take the leases.

use inoculate_core::deployment::Deployment;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::experiment::Experiment;
use inoculate_core::layer::Stage;
use inoculate_core::lease::Availability;
use inoculate_core::names::{ExperimentName, RunId};
use inoculate_core::notice::News;
use inoculate_core::ports::{CommitError, LeaseRequest, Taken};
use inoculate_core::preflight::{self, Asking, Preflight, leased};
use inoculate_core::read;
use inoculate_core::run::{Cause, Ending, NewRun, Phase, Run, Status, TargetFunction};
use inoculate_core::schedule;
use inoculate_step::leases::{SLACK, terms};
use inoculate_step::record::conflict;
use inoculate_step::{Next, Step, ending};
use jiff::SignedDuration;
use serde_json::Value;

use crate::Output;

/// What a run is opened with.
pub(crate) struct Given {
    pub(crate) run_id: RunId,
    pub(crate) execution_arn: Option<String>,
    pub(crate) experiment: Value,
    pub(crate) schedule: Value,
}

pub(crate) async fn open(step: &Step, deployment: &Deployment, given: Given) -> Result<Output> {
    let (id, execution_arn) = (given.run_id, given.execution_arn);
    let experiment = match find(step, given.experiment).await? {
        Ok(experiment) => experiment,
        Err(refusal) => return refuse_unread(step, id, execution_arn, refusal).await,
    };
    let asking = Asking {
        run_id: &id,
        deployment: Some(deployment),
    };
    let preflight = preflight::check(&step.ports, &experiment, asking).await?;
    let functions = preflight.functions.iter();
    let functions = functions
        .map(|f| TargetFunction {
            name: f.name.clone(),
            arn: f.arn.clone(),
        })
        .collect();
    let new = NewRun {
        id: id.clone(),
        experiment: experiment.name.to_string(),
        digest: experiment.digest(),
        execution_arn,
        functions,
    };
    let run = record(step, new, Some((&experiment, &preflight))).await?;
    let stale = schedule::too_late(&given.schedule, step.ports.clock.now());
    let refusal = match stale.filter(|_| run.phase == Phase::Opened) {
        Some(detail) => ending(Status::Refused, Cause::StaleStart, detail),
        None => refusal(step, &run, &experiment, &preflight).await?,
    };
    // One that is refused is told of once, when its record is closed.
    if refusal.is_none() {
        step.tell(&run, &News::Started).await;
    }
    Ok(Output {
        run_id: id,
        next: if refusal.is_some() {
            Next::Rollback
        } else {
            Next::Measure
        },
        seen: refusal
            .as_ref()
            .map_or_else(|| experiment.hypothesis.clone(), |refusal| refusal.detail.clone()),
        ending: refusal,
        baseline_secs: experiment.windows.baseline.secs() + experiment.windows.delay_secs(),
    })
}

/// The experiment that the input means, or why there is none.
async fn find(step: &Step, written: Value) -> Result<Result<Experiment, Error>> {
    let written = match written {
        Value::String(name) => match saved(step, &name).await? {
            Ok(saved) => saved,
            Err(refusal) => return Ok(Err(refusal)),
        },
        Value::Null => {
            let help = "start with {\"experiment\": \"NAME\"} of a saved experiment, or with a whole experiment there";
            return Ok(Err(Error::new(
                Code::InvalidExperiment,
                "the input has no `experiment`",
            )
            .help(help)));
        }
        other => other,
    };
    Ok(read::experiment_from_value(&written).map_err(|problems| read::as_error(&problems)))
}

async fn saved(step: &Step, name: &str) -> Result<Result<Value, Error>> {
    let parsed = match name.parse::<ExperimentName>() {
        Ok(parsed) => parsed,
        Err(error) => return Ok(Err(Error::new(Code::InvalidExperiment, error.to_string()))),
    };
    let missing = || {
        let help = "save one with `inoculate save FILE`";
        Error::new(Code::ExperimentNotFound, format!("no experiment is saved as {name:?}")).help(help)
    };
    Ok(step.ports.library.experiment(&parsed).await?.ok_or_else(missing))
}

/// A run whose experiment could not be read is recorded all the same, so that nobody wonders what became of it.
async fn refuse_unread(step: &Step, id: RunId, execution_arn: Option<String>, error: Error) -> Result<Output> {
    let new = NewRun {
        id: id.clone(),
        experiment: "-".to_owned(),
        digest: String::new(),
        execution_arn,
        functions: vec![],
    };
    record(step, new, None).await?;
    let refusal = ending(Status::Refused, Cause::InvalidExperiment, error.to_string());
    Ok(Output {
        run_id: id,
        next: Next::Rollback,
        ending: refusal,
        baseline_secs: 0,
        seen: error.to_string(),
    })
}

/// Records the run, or finds that an earlier attempt of this execution did.
async fn record(step: &Step, new: NewRun, checked: Option<(&Experiment, &Preflight)>) -> Result<Run> {
    let id = new.id.clone();
    let (mut run, mut entry) = Run::open(new, String::new(), step.ports.clock.now());
    if let Some((_, preflight)) = checked {
        run.closes_at = preflight.closes_at;
        run.unchecked = preflight.unchecked.iter().map(|note| note.detail.clone()).collect();
    }
    entry.token = step.token(&entry.event, entry.number);
    match step
        .ports
        .runs
        .create(&run, &entry, checked.map(|(experiment, _)| experiment))
        .await
    {
        Ok(()) => Ok(run),
        Err(error @ CommitError::Conflict { .. }) => {
            let found = step.ports.runs.load(&id).await?;
            match found {
                Some(found) if found.execution_arn == run.execution_arn && found.digest == run.digest => {
                    run = found;
                    Ok(run)
                }
                _ => Err(conflict(&id, error).help("start the run under another name")),
            }
        }
        Err(error) => Err(conflict(&id, error)),
    }
}

/// Why the run may not go on; `None` when it holds the leases of all its functions.
async fn refusal(step: &Step, run: &Run, experiment: &Experiment, preflight: &Preflight) -> Result<Option<Ending>> {
    if run.phase != Phase::Opened {
        let moved_on = "the run is further than its opening".to_owned();
        return Ok(run
            .ending
            .clone()
            .or_else(|| ending(Status::Failed, Cause::StepFailed, moved_on)));
    }
    if !preflight.refusals.is_empty() {
        return Ok(ending(Status::Refused, Cause::Preflight, preflight.reasons()));
    }
    let mut held = Vec::new();
    for function in &run.functions {
        if let Some(reason) = take(step, run, function, experiment).await? {
            held.push(reason);
        }
    }
    if let Some(ending) = rollback_overtook(step, run).await? {
        return Ok(Some(ending));
    }
    if held.is_empty() {
        Ok(None)
    } else {
        Ok(ending(Status::Refused, Cause::Preflight, held.join("; ")))
    }
}

/// A rollback may have run to its end while the leases were being taken. It gave back what it found then, so whoever
/// took one afterwards gives it back.
async fn rollback_overtook(step: &Step, run: &Run) -> Result<Option<Ending>> {
    let now = step.run(&run.id).await?;
    if now.phase == Phase::Opened {
        return Ok(None);
    }
    step.release_leases(run).await?;
    Ok(now.ending)
}

/// Takes the lease of a function; says why not when another run has it.
async fn take(step: &Step, run: &Run, function: &TargetFunction, experiment: &Experiment) -> Result<Option<String>> {
    let window = experiment.windows.baseline.secs() + experiment.windows.delay_secs();
    let expires = step.ports.clock.now() + SignedDuration::from_secs(i64::from(window)) + SLACK;
    let mut request = LeaseRequest {
        function: function.name.clone(),
        function_arn: function.arn.clone(),
        run_id: run.id.clone(),
        expires_at_ms: expires.as_millisecond(),
        take_over: None,
        terms: terms(experiment, run, function, Stage::Baseline)?,
    };
    let Taken::No { mut found } = step.ports.leases.take(&request).await? else {
        return Ok(None);
    };
    if found.availability(&run.id, step.ports.clock.now()) == Availability::Expired {
        if !is_settled(step, &found.run_id).await? {
            let holder = &found.run_id;
            return Ok(Some(format!(
                "the lease of run {holder} on {} ran out, but what it changed is not put back yet; \
                 `inoculate rollback {holder}` does that",
                function.name
            )));
        }
        request.take_over = Some(found);
        found = match step.ports.leases.take(&request).await? {
            Taken::Yes { .. } => return Ok(None),
            Taken::No { found } => found,
        };
    }
    Ok(Some(leased(&function.name, &found.run_id)))
}

/// Whether nothing of a run is left in any target.
async fn is_settled(step: &Step, run_id: &RunId) -> Result<bool> {
    let Some(run) = step.ports.runs.load(run_id).await? else {
        return Ok(true);
    };
    if run.phase >= Phase::RolledBack {
        return Ok(true);
    }
    // A run that is still before its rollback could go on to inject, so its lease is not taken even when it ran out.
    Ok(false)
}
