//! `inoculate halt`

use futures_util::future::join_all;
use inoculate_core::error::Result;
use inoculate_core::notice::Notice;
use inoculate_core::ports::Halt;
use inoculate_core::run::{Cause, Ending, Phase, Run, Status};
use inoculate_core::span::Span;

use super::Context;
use super::settle::settle;
use super::tell::tell;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render;
use crate::render::halt::{Ended, Halted};

/// How many of the latest runs are looked at: as many as `list` can show.
const LATEST: u32 = 1000;

/// Sets the kill switch, then ends every run that is not rolled back yet.
///
/// The switch comes first: a run that is not in the list yet finds it before it injects anything. The executions are
/// left alone, so this needs nothing of Step Functions: each of them finds its run ended at its next step.
pub(super) async fn halt(context: &Context<'_>, reason: &str, timeout: Span) -> Result<Exit, Failure> {
    let ports = &context.aws.ports;
    let halt = Halt {
        reason: reason.to_owned(),
        since: ports.clock.now(),
    };
    ports.library.set_halt(Some(&halt)).await?;
    context.output.progress("halted: nothing starts any more");
    let ended = end_all(context, &halt, timeout).await;
    tell(context, &Notice::halted(&ports.stack, &halt)).await;
    ended
}

/// Ends every run under way, and says what became of each.
async fn end_all(context: &Context<'_>, halt: &Halt, timeout: Span) -> Result<Exit, Failure> {
    let ports = &context.aws.ports;
    let listed = ports.runs.list(LATEST).await;
    let listed = listed.map_err(|error| error.context("halted, but the runs under way cannot be listed"))?;
    let under_way = listed.iter().filter(|run| run.phase < Phase::RolledBack);
    // All at once: one that takes its time must not hold up the others.
    let ended = join_all(under_way.map(|run| end(context, run, &halt.reason, timeout))).await;
    let halted = Halted {
        halt: halt.clone(),
        runs: ended,
    };
    let all_settled = halted.runs.iter().all(|run| run.outcome.is_ok());
    let resume = context.global.line("resume");
    context
        .output
        .result(&halted.json(), |style| render::halt::halted(&halted, &resume, style));
    Ok(if all_settled {
        Exit::Upheld
    } else {
        Exit::RollbackFailed
    })
}

/// Ends one run, in the words in which its own steps would say it.
async fn end(context: &Context<'_>, run: &Run, reason: &str, timeout: Span) -> Ended {
    let ending = Ending {
        status: Status::Aborted,
        cause: Cause::Halted,
        detail: format!("halted: {reason}"),
    };
    context.output.progress(&format!("ending run {}", run.id));
    Ended {
        run_id: run.id.clone(),
        outcome: settle(context, &run.id, &ending, timeout).await,
    }
}
