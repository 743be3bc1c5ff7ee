//! The first step: is the experiment sound, may it run, and is the system steady?
//!
//! `open` records the run and takes the leases of its functions; `measure` looks at the baseline once its window is
//! over. Neither touches a target.

mod open;

use inoculate_core::deployment::{Deployment, Limits};
use inoculate_core::error::Result;
use inoculate_core::experiment::Experiment;
use inoculate_core::judge::{Verdict, Window, overall};
use inoculate_core::layer::Stage;
use inoculate_core::names::RunId;
use inoculate_core::notice::News;
use inoculate_core::ports::{Measured, RunResult};
use inoculate_core::preflight::runs;
use inoculate_core::run::{Cause, Ending, Event, Phase, Run, Status};
use inoculate_core::sizing;
use inoculate_step::measure::{Look, in_words, not_upheld, unrelated, unseen};
use inoculate_step::record::With;
use inoculate_step::{Next, Step, ending, window_closed};
use serde::{Deserialize, Serialize};

/// What the state machine asks of this step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Input {
    /// Validate, check the guards, record the run, take the leases.
    Open {
        /// The name of the execution.
        run_id: RunId,
        /// The ARN of the execution.
        #[serde(default)]
        execution_arn: Option<String>,
        /// An experiment, or the name of a saved one. Validated here, strictly.
        #[serde(default)]
        experiment: serde_json::Value,
        /// For when a schedule meant the start, and how late it may come; null when no schedule made it.
        #[serde(default)]
        schedule: serde_json::Value,
    },
    /// Measure the baseline.
    Measure {
        /// The run.
        run_id: RunId,
    },
}

/// What the state machine does with the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The run.
    pub run_id: RunId,
    /// What comes next.
    pub next: Next,
    /// Why the run ends, when it does.
    pub ending: Option<Ending>,
    /// How long the baseline window is, with the delay of the metrics.
    pub baseline_secs: u32,
    /// What was seen, for the console.
    pub seen: String,
}

/// Does what the input asks. Idempotent: a retry finds the record and goes on from there.
///
/// # Errors
/// What the table, Lambda or CloudWatch answer. A "no" is an output, not an error.
pub async fn handle(step: Step, deployment: &Deployment, input: Input) -> Result<Output> {
    match input {
        Input::Open {
            run_id,
            execution_arn,
            experiment,
            schedule,
        } => {
            open::open(
                &step,
                deployment,
                open::Given {
                    run_id,
                    execution_arn,
                    experiment,
                    schedule,
                },
            )
            .await
        }
        Input::Measure { run_id } => measure(&step, &deployment.limits, run_id).await,
    }
}

async fn measure(step: &Step, limits: &Limits, run_id: RunId) -> Result<Output> {
    let run = step.run(&run_id).await?;
    let experiment = step.experiment(&run_id).await?;
    let answer = |next, ending, seen| Output {
        run_id: run_id.clone(),
        next,
        ending,
        baseline_secs: 0,
        seen,
    };
    match run.phase {
        Phase::Opened => {}
        Phase::Steady => {
            // An earlier attempt recorded it, and may have told nobody: better twice than not at all.
            step.tell(&run, &News::InjectionBegins).await;
            return Ok(answer(Next::Inject, None, "the steady state holds".to_owned()));
        }
        _ => return Ok(answer(Next::Rollback, run.ending, "the run is ending".to_owned())),
    }
    let window = Window {
        from: run.opened_at,
        until: step.measurable_until(&experiment),
    };
    let look = Look {
        stage: Stage::Baseline,
        window,
        baseline: None,
    };
    let measured = step.measure(&experiment, &run, look).await?;
    let seen = in_words(&measured.findings);
    let mut refusal = refusal(&experiment, &measured);
    if refusal.is_none() {
        refusal = no_longer(step, limits, &run).await?;
    }
    let Some(ending) = refusal else {
        let with = With {
            undo: vec![],
            result: Some(RunResult::Baseline(measured)),
        };
        let run = step.add(&run, Event::BaselineHeld, with).await?;
        // Before the first fault, so that nobody is surprised.
        step.tell(&run, &News::InjectionBegins).await;
        return Ok(answer(Next::Inject, None, seen));
    };
    // What was seen is recorded together with the refusal, so that a person can see why.
    let with = With {
        undo: vec![],
        result: Some(RunResult::Baseline(measured)),
    };
    step.add(&run, Event::RollbackBegan { ending }, with).await?;
    let run = step.run(&run_id).await?;
    Ok(answer(Next::Rollback, run.ending, seen))
}

/// Why the run may not inject any more that could be opened: it began together with others, or its time is over.
async fn no_longer(step: &Step, limits: &Limits, run: &Run) -> Result<Option<Ending>> {
    let ahead = runs::ahead(&step.ports, &run.id, Some(run.opened_at), limits.max_runs).await?;
    if let Some(detail) = runs::too_many(&ahead, limits) {
        return Ok(ending(Status::Refused, Cause::TooManyRuns, detail));
    }
    Ok(window_closed(run, step.ports.clock.now()))
}

/// Why nothing may be injected, if so.
fn refusal(experiment: &Experiment, measured: &Measured) -> Option<Ending> {
    if let Some(detail) = unseen(experiment, measured) {
        return ending(Status::Refused, Cause::Unseen, detail);
    }
    if let Some(detail) = unrelated(experiment, measured) {
        return ending(Status::Refused, Cause::GroupsUnrelated, detail);
    }
    if overall(&measured.findings) == Verdict::Upheld {
        let never = sizing::never_tells_after(experiment, measured);
        let refused = (!never.is_empty()).then(|| never.join("; "));
        return refused.and_then(|detail| ending(Status::Refused, Cause::TooLittleTraffic, detail));
    }
    let not_upheld = not_upheld(&measured.findings);
    let detail = format!("the steady state does not hold before the injection: {not_upheld}");
    ending(Status::Refused, Cause::NotSteady, detail)
}
