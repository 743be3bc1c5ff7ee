//! `inoculate list`

use serde_json::json;

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render;

/// Lists the latest runs, newest first.
pub(super) async fn list(context: &Context<'_>, limit: u32) -> Result<Exit, Failure> {
    let runs = context.aws.ports.runs.list(limit).await?;
    context
        .output
        .result(&json!({ "runs": runs }), |style| render::list::text(&runs, style));
    Ok(Exit::Upheld)
}
