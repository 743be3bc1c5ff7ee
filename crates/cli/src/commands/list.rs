//! `inoculate list`

use inoculate_core::run::RunFilter;
use serde_json::json;

use super::Context;
use crate::args::ListArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render;

/// Lists the latest runs that are asked for, newest first.
pub(super) async fn list(context: &Context<'_>, args: &ListArgs) -> Result<Exit, Failure> {
    let ports = &context.aws.ports;
    let filter = args.filter(ports.clock.now());
    let runs = ports.runs.find(&filter, args.limit).await?;
    let is_all = filter == RunFilter::default();
    context.output.result(&json!({ "runs": runs }), |style| {
        render::list::text(&runs, is_all, style)
    });
    Ok(Exit::Upheld)
}
