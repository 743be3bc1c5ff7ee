//! Waiting until nothing of a run is left in any target.

use std::time::Duration;

use inoculate_core::error::{Code, Error, Result};
use inoculate_core::names::RunId;
use inoculate_core::run::Ending;
use inoculate_core::span::Span;

use super::Context;
use crate::connection::RollbackAnswer;
use crate::render::text::wrap;

/// How long to wait between two calls of the rollback function.
const PAUSE: Duration = Duration::from_secs(2);

/// How often in a row a rollback may fail before a person is told to see to it.
const PATIENCE: u32 = 3;

/// Calls the rollback function until it says that everything is back.
///
/// # Errors
/// [`Code::RollbackFailed`] when a setting could not be put back several times in a row, or not in time; else what
/// the function answers, unless that passes by itself.
pub(super) async fn settle(
    context: &Context<'_>,
    run: &RunId,
    ending: &Ending,
    timeout: Span,
) -> Result<RollbackAnswer> {
    let clock = &context.aws.ports.clock;
    let begin = clock.now();
    let mut failures = 0;
    loop {
        let unsettled = match context.aws.rollback.call(run, ending).await {
            Ok(answer) if answer.settled => return Ok(answer),
            Ok(answer) => {
                failures = 0;
                still(run, &answer.pending.join(", "))
            }
            Err(error) if error.code == Code::RollbackFailed && failures + 1 < PATIENCE => {
                failures += 1;
                error
            }
            Err(error) if error.code.is_transient() => error,
            Err(error) => return Err(error),
        };
        context.output.progress(&wrap("  ", &unsettled.message));
        if clock.now().duration_since(begin) >= timeout.signed() {
            let message = format!("run {run} is not rolled back after {timeout}: {}", unsettled.message);
            let help = unsettled
                .help
                .unwrap_or_else(|| format!("try again with `{}`", context.global.command("rollback", run)));
            return Err(Error::new(Code::RollbackFailed, message).help(help));
        }
        clock.sleep(PAUSE).await;
    }
}

/// Closes the record of a run that is rolled back and whose execution is over, since nobody else will.
///
/// Everything is back already when this is called, so a failure is only reported.
pub(super) async fn close_if_over(context: &Context<'_>, run: &RunId, ending: &Ending) {
    let closed = async {
        let execution = context.aws.executions.state(run).await?;
        if execution.is_none_or(|execution| !execution.running) {
            context.aws.rollback.close(run, ending).await?;
        }
        Ok::<_, Error>(())
    };
    if let Err(error) = closed.await {
        let text = format!("the record of run {run} is still open: {error}");
        context.output.progress(&wrap("  ", &text));
    }
}

fn still(run: &RunId, pending: &str) -> Error {
    let pending = if pending.is_empty() { "its changes" } else { pending };
    Error::new(
        Code::TargetBusy,
        format!("run {run}: AWS is still putting back {pending}"),
    )
}
