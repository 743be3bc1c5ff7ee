//! `inoculate watch`

use inoculate_core::names::RunId;

use super::Context;
use super::follow::follow;
use super::run::{ended, show};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::outcome::Ended;
use inoculate_core::details::not_found;

/// Follows a run that was started elsewhere until its verdict; says it at once when it is over.
pub(super) async fn watch(context: &Context<'_>, id: &RunId) -> Result<Exit, Failure> {
    let record = context.aws.ports.runs.load(id).await?;
    if record.is_none() && context.aws.executions.state(id).await?.is_none() {
        return Err(not_found(id).into());
    }
    let ended = ended(context, id, follow(context, id).await).await;
    show(context, id, &ended.unwrap_or_else(Ended::Error))
}
