//! `inoculate show`

use inoculate_core::names::RunId;

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render;
use inoculate_core::details::RunDetails;

/// Shows everything that is recorded of a run.
pub(super) async fn show(context: &Context<'_>, run: &RunId) -> Result<Exit, Failure> {
    let details = RunDetails::load(&context.aws.ports, run).await?;
    let now = context.aws.ports.clock.now();
    context
        .output
        .result(&details, |style| render::run::everything(&details, now, style));
    Ok(Exit::Upheld)
}
