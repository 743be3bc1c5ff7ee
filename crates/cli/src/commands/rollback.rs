//! `inoculate rollback`

use inoculate_core::names::RunId;
use inoculate_core::run::{Cause, Ending, Phase, Status};
use inoculate_core::span::Span;
use serde_json::json;

use super::Context;
use super::settle::{close_if_over, settle};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::text::wrap;
use inoculate_core::details::not_found;

/// Puts back whatever a run left changed. A run that is still under way ends by it.
pub(super) async fn rollback(context: &Context<'_>, run: &RunId, timeout: Span) -> Result<Exit, Failure> {
    let before = context.aws.ports.runs.load(run).await?.ok_or_else(|| not_found(run))?;
    let ending = Ending {
        status: Status::Aborted,
        cause: Cause::Operator,
        detail: "rolled back from the command line".to_owned(),
    };
    let answer = settle(context, run, &ending, timeout).await?;
    close_if_over(context, run, &ending).await;
    let was_settled = before.phase >= Phase::RolledBack;
    let result = json!({ "run_id": run, "already_settled": was_settled, "rollback": answer });
    let text = if was_settled {
        format!("nothing of run {run} was left in any target")
    } else {
        format!("run {run} is rolled back; nothing of it is left in any target")
    };
    context.output.result(&result, |_| wrap("", &text));
    Ok(Exit::Upheld)
}
