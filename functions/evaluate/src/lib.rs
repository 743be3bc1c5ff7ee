//! The last step: the verdict, whether the steady state came back, and the news of it.

mod verdict;

use inoculate_core::error::{Code, Error, Result};
use inoculate_core::judge::{Verdict, Window, overall};
use inoculate_core::layer::Stage;
use inoculate_core::names::RunId;
use inoculate_core::notice::News;
use inoculate_core::ports::{Evaluation, Grounds, RunResult};
use inoculate_core::run::{Event, Phase, Run, Status};
use inoculate_step::measure::Look;
use inoculate_step::record::With;
use inoculate_step::{RunInput, Step};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The output of the whole execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The run.
    pub run_id: RunId,
    /// Its experiment.
    pub experiment: String,
    /// How it ended.
    pub status: Status,
    /// What was found.
    pub verdict: Verdict,
    /// Why, as a stable name.
    #[serde(default)]
    pub grounds: Grounds,
    /// Why, in words.
    pub because: String,
    /// Whether the steady state came back; absent when nothing was injected, or nobody could judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Verdict>,
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
    let with = With {
        undo: vec![],
        result: Some(RunResult::Verdict(evaluation.clone())),
    };
    let status = run.ending.as_ref().map_or(Status::Failed, |ending| ending.status);
    let run = step.add(&run, Event::Closed { status, verdict }, with).await?;
    step.tell(&run, &News::closed(&evaluation)).await;
    Ok(output(&run, evaluation))
}

async fn closed(step: &Step, run: &Run) -> Result<Output> {
    let evaluation = step.ports.runs.results(&run.id).await?.evaluation;
    if let Some(evaluation) = &evaluation {
        // An earlier attempt closed the record, and may have told nobody: better twice than not at all.
        step.tell(run, &News::closed(evaluation)).await;
    }
    let unknown = || Evaluation::without_evidence(step.ports.clock.now(), Grounds::Unknown, String::new());
    Ok(output(run, evaluation.unwrap_or_else(unknown)))
}

fn output(run: &Run, evaluation: Evaluation) -> Output {
    Output {
        run_id: run.id.clone(),
        experiment: run.experiment.clone(),
        status: run.status,
        verdict: run.verdict.unwrap_or(evaluation.verdict),
        grounds: evaluation.grounds,
        because: evaluation.because,
        recovered: evaluation.recovered,
    }
}

fn not_injected(step: &Step, run: &Run) -> Evaluation {
    let because = format!("nothing was injected: {}", verdict::ended_by(run));
    Evaluation::without_evidence(step.ports.clock.now(), Grounds::NotInjected, because)
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
    let mut during = step.measure(&experiment, run, during).await?;
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
    let looks = step.ports.runs.results(&run.id).await?.observations;
    let harmed = verdict::keep_established(&experiment, &looks, &mut during);
    let (verdict, grounds, because) = verdict::of(run, &experiment, &records, &during, harmed);
    Ok(Evaluation {
        at: step.ports.clock.now(),
        verdict,
        grounds,
        because,
        recovered: Some(overall(&recovery.findings)),
        during: Some(during),
        recovery: Some(recovery),
    })
}
