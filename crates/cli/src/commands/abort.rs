//! `inoculate abort`

use std::time::Duration;

use inoculate_core::error::Result;
use inoculate_core::names::RunId;
use inoculate_core::run::{Cause, Ending, Phase, Run, Status};
use inoculate_core::span::Span;
use serde_json::json;

use super::Context;
use super::settle::{close_if_over, settle};
use crate::exit::Exit;
use crate::failure::Failure;
use inoculate_core::details::not_found;

/// How long a step that was under way when its execution stopped may take to record the run after all.
const LATE_RECORD: Duration = Duration::from_secs(3);

/// How long the first call of the rollback function may hold up the stop of the execution.
const FIRST_CALL: Duration = Duration::from_secs(10);

/// Ends a run now: begins the rollback, stops the execution, goes on until everything is back.
///
/// Nothing depends on the event of the stopped execution. The rollback is called before the stop, because the first
/// reason to end a run is the one that is recorded, and that event knows less of it than the person who stopped it.
///
/// The execution of a run that was ending already is not stopped: it has nothing left to do but to put things back and
/// to judge what was measured, and a stop would cost the verdict.
pub(super) async fn abort(context: &Context<'_>, run: &RunId, reason: &str, timeout: Span) -> Result<Exit, Failure> {
    let output = context.output;
    let before = find(context, run).await?;
    let phase = before.as_ref().map(|run| run.phase);
    if phase == Some(Phase::Closed) {
        let result = json!({ "run_id": run, "already_over": true });
        output.result(&result, |_| format!("run {run} was over already; nothing to abort"));
        return Ok(Exit::Upheld);
    }
    if phase == Some(Phase::RolledBack) {
        let result = json!({ "run_id": run, "already_over": false, "verdict_follows": true });
        output.result(&result, |_| verdict_follows(run));
        return Ok(Exit::Upheld);
    }
    let ending = Ending {
        status: Status::Aborted,
        cause: Cause::Operator,
        detail: format!("aborted from the command line: {reason}"),
    };
    // Whatever comes of this call: it is made again below, until everything is back.
    let _ = tokio::time::timeout(FIRST_CALL, context.aws.rollback.call(run, &ending)).await;
    if ends_otherwise(context, run, &ending).await {
        let answer = settle(context, run, &ending, timeout).await?;
        let result = json!({ "run_id": run, "already_over": false, "verdict_follows": true, "rollback": answer });
        output.result(&result, |_| verdict_follows(run));
        return Ok(Exit::Upheld);
    }
    // Rolling back matters more than stopping, and ends the run too: it goes on even if the stop is refused.
    let stopped = context.aws.executions.stop(run, reason).await;
    if before.is_none() {
        context.aws.ports.clock.sleep(LATE_RECORD).await;
    }
    let answer = settle(context, run, &ending, timeout).await?;
    close_if_over(context, run, &ending).await;
    stopped.map_err(|error| error.context("everything is rolled back, but the execution could not be stopped"))?;
    let result = json!({ "run_id": run, "already_over": false, "verdict_follows": false, "rollback": answer });
    output.result(&result, |_| {
        format!("run {run} is aborted; nothing of it is left in any target")
    });
    Ok(Exit::Upheld)
}

fn verdict_follows(run: &RunId) -> String {
    format!("run {run} was ending already; nothing of it is left in any target, and its verdict follows")
}

/// The record of a run; `None` when only its execution is there so far.
async fn find(context: &Context<'_>, run: &RunId) -> Result<Option<Run>> {
    let record = context.aws.ports.runs.load(run).await?;
    if record.is_none() && context.aws.executions.state(run).await?.is_none() {
        return Err(not_found(run));
    }
    Ok(record)
}

/// Whether somebody else ended the run before: the first ending is the one that is recorded. When the table does not
/// answer, the person who asked for the end gets it.
async fn ends_otherwise(context: &Context<'_>, run: &RunId, ending: &Ending) -> bool {
    let record = context.aws.ports.runs.load(run).await.ok().flatten();
    let recorded = record.and_then(|run| run.ending);
    // A rollback that failed at first adds to the detail.
    recorded.is_some_and(|recorded| !recorded.detail.starts_with(&ending.detail))
}
