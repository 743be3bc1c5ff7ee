//! `inoculate abort`

use std::time::Duration;

use inoculate_core::error::Result;
use inoculate_core::names::RunId;
use inoculate_core::run::{Cause, Ending, Phase, Run, Status};
use inoculate_core::span::Span;
use serde_json::json;

use super::Context;
use super::settle::{close_if_over, settle};
use crate::connection::RollbackAnswer;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::text::wrap;
use inoculate_core::details::not_found;

/// How long a step that was under way when its execution stopped may take to record the run after all.
const LATE_RECORD: Duration = Duration::from_secs(3);

/// How long the first call of the rollback function may hold up the stop of the execution.
const FIRST_CALL: Duration = Duration::from_secs(10);

/// What came of an abort. Nothing of the run is left in any target.
pub(super) enum Aborted {
    /// The run was over before.
    AlreadyOver,
    /// The run was ending already; it was rolled back by this, or before.
    VerdictFollows(Option<RollbackAnswer>),
    /// The run was ended by this.
    Now(RollbackAnswer),
}

/// Ends a run now, and says what came of it.
pub(super) async fn abort(context: &Context<'_>, run: &RunId, reason: &str, timeout: Span) -> Result<Exit, Failure> {
    let aborted = end(context, run, reason, timeout).await?;
    let mut result = json!({ "run_id": run, "already_over": matches!(aborted, Aborted::AlreadyOver) });
    let text = match &aborted {
        Aborted::AlreadyOver => format!("run {run} was over already; nothing to abort"),
        Aborted::VerdictFollows(_) => {
            format!("run {run} was ending already; nothing of it is left in any target, and its verdict follows")
        }
        Aborted::Now(_) => format!("run {run} is aborted; nothing of it is left in any target"),
    };
    if let Aborted::VerdictFollows(_) | Aborted::Now(_) = aborted {
        result["verdict_follows"] = json!(matches!(aborted, Aborted::VerdictFollows(_)));
    }
    if let Aborted::VerdictFollows(Some(rollback)) | Aborted::Now(rollback) = aborted {
        result["rollback"] = json!(rollback);
    }
    context.output.result(&result, |_| wrap("", &text));
    Ok(Exit::Upheld)
}

/// Ends a run now: begins the rollback, stops the execution, goes on until everything is back.
///
/// Nothing depends on the event of the stopped execution. The rollback is called before the stop, because the first
/// reason to end a run is the one that is recorded, and that event knows less of it than the person who stopped it.
///
/// The execution of a run that was ending already is not stopped: it has nothing left to do but to put things back and
/// to judge what was measured, and a stop would cost the verdict.
///
/// # Errors
/// When something is not back, or the execution could not be stopped.
pub(super) async fn end(context: &Context<'_>, run: &RunId, reason: &str, timeout: Span) -> Result<Aborted> {
    let before = find(context, run).await?;
    match before.as_ref().map(|run| run.phase) {
        Some(Phase::Closed) => return Ok(Aborted::AlreadyOver),
        Some(Phase::RolledBack) => return Ok(Aborted::VerdictFollows(None)),
        _ => {}
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
        return Ok(Aborted::VerdictFollows(Some(answer)));
    }
    // Rolling back matters more than stopping, and ends the run too: it goes on even if the stop is refused.
    let stopped = context.aws.executions.stop(run, reason).await;
    if before.is_none() {
        context.aws.ports.clock.sleep(LATE_RECORD).await;
    }
    let answer = settle(context, run, &ending, timeout).await?;
    close_if_over(context, run, &ending).await;
    stopped.map_err(|error| error.context("everything is rolled back, but the execution could not be stopped"))?;
    Ok(Aborted::Now(answer))
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
