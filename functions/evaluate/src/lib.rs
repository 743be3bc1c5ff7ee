//! The last step: the verdict, whether the steady state came back, and the news of it.

use inoculate_core::error::{Code, Error, Result};
use inoculate_core::experiment::Experiment;
use inoculate_core::judge::{Verdict, Window, overall};
use inoculate_core::layer::Stage;
use inoculate_core::names::RunId;
use inoculate_core::ports::{Evaluation, Measured, RunResult};
use inoculate_core::run::{Event, Phase, Run, Status};
use inoculate_core::undo::{UndoRecord, UndoState};
use inoculate_step::measure::{Look, in_words, not_fired, not_upheld, unrelated};
use inoculate_step::record::With;
use inoculate_step::{RunInput, Step};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The output of the whole execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The run.
    pub run_id: RunId,
    /// How it ended.
    pub status: Status,
    /// What was found.
    pub verdict: Verdict,
    /// Why, in words.
    pub because: String,
}

/// Gives the verdict and closes the record. Idempotent: a closed run keeps its verdict.
///
/// # Errors
/// [`Code::Conflict`] when the run is not rolled back yet, or what the table or CloudWatch answer.
pub async fn handle(step: Step, input: RunInput) -> Result<Output> {
    let run = step.run(&input.run_id).await?;
    match run.phase {
        Phase::RolledBack => {}
        Phase::Closed => return closed(&step, &run).await,
        _ => {
            return Err(Error::new(
                Code::Conflict,
                format!("run {} is not rolled back yet", run.id),
            ));
        }
    }
    let evaluation = match (run.injecting_at, run.rollback_at, run.rolled_back_at) {
        (Some(injecting), Some(ended), Some(gone)) => evaluate(&step, &run, injecting, ended, gone).await?,
        _ => not_injected(&step, &run),
    };
    // The layer has counted to the end of the recovery; the functions are free for the next run.
    step.release_leases(&run).await?;
    let verdict = evaluation.verdict;
    let because = evaluation.because.clone();
    let with = With {
        undo: vec![],
        result: Some(RunResult::Verdict(evaluation)),
    };
    let status = run.ending.as_ref().map_or(Status::Failed, |ending| ending.status);
    let run = step.add(&run, Event::Closed { status, verdict }, with).await?;
    step.tell(&run, verdict, &because).await;
    Ok(Output {
        run_id: run.id,
        status: run.status,
        verdict,
        because,
    })
}

async fn closed(step: &Step, run: &Run) -> Result<Output> {
    let evaluation = step.ports.runs.results(&run.id).await?.evaluation;
    let because = evaluation.map(|evaluation| evaluation.because).unwrap_or_default();
    let verdict = run.verdict.unwrap_or(Verdict::Inconclusive);
    Ok(Output {
        run_id: run.id.clone(),
        status: run.status,
        verdict,
        because,
    })
}

fn not_injected(step: &Step, run: &Run) -> Evaluation {
    let why = run
        .ending
        .as_ref()
        .map(|ending| ending.detail.as_str())
        .unwrap_or_default();
    Evaluation {
        at: step.ports.clock.now(),
        verdict: Verdict::Inconclusive,
        because: format!("nothing was injected: {why}"),
        during: None,
        recovery: None,
        recovered: None,
    }
}

async fn evaluate(
    step: &Step,
    run: &Run,
    injecting: Timestamp,
    ended: Timestamp,
    gone: Timestamp,
) -> Result<Evaluation> {
    let experiment = step.experiment(&run.id).await?;
    let baseline = step.ports.runs.baseline(&run.id).await?;
    let baseline = baseline.ok_or_else(|| Error::internal(format!("run {} has no baseline", run.id)))?;
    let during = Window {
        from: run.injected_at.unwrap_or(injecting),
        until: ended,
    };
    let during = Look {
        stage: Stage::Injection,
        window: during,
        baseline: Some(&baseline),
    };
    let during = step.measure(&experiment, run, during).await?;
    let recovery = Look {
        stage: Stage::Recovery,
        window: Window {
            from: gone,
            until: step.measurable_until(&experiment),
        },
        baseline: Some(&baseline),
    };
    let recovery = step.measure(&experiment, run, recovery).await?;
    let records = step.ports.runs.undo_records(&run.id).await?;
    let (verdict, because) = verdict(run, &experiment, &during, &records);
    Ok(Evaluation {
        at: step.ports.clock.now(),
        verdict,
        because,
        recovered: Some(overall(&recovery.findings)),
        during: Some(during),
        recovery: Some(recovery),
    })
}

/// As good as the worst measure; but when somebody else changed what the run had set, or no request met a fault, nobody
/// can say what the measures show.
fn verdict(run: &Run, experiment: &Experiment, during: &Measured, records: &[UndoRecord]) -> (Verdict, String) {
    if run.injected_at.is_none() {
        let why = run
            .ending
            .as_ref()
            .map(|ending| ending.detail.as_str())
            .unwrap_or_default();
        return (
            Verdict::Inconclusive,
            format!("the faults were never all in place: {why}"),
        );
    }
    let foreign = records
        .iter()
        .find(|record| matches!(record.state, UndoState::Foreign { .. } | UndoState::Gone));
    if let Some(record) = foreign {
        let because = format!(
            "somebody else changed the {} of {} while the fault was there, so the measures cannot be trusted",
            record.setting, record.function
        );
        return (Verdict::Inconclusive, because);
    }
    if let Some(because) = not_fired(experiment, during).or_else(|| unrelated(experiment, during)) {
        return (Verdict::Inconclusive, because);
    }
    let verdict = overall(&during.findings);
    let because = if verdict == Verdict::Upheld {
        in_words(&during.findings)
    } else {
        not_upheld(&during.findings)
    };
    (verdict, because)
}
