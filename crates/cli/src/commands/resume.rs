//! `inoculate resume`

use inoculate_core::error::Result;
use inoculate_core::notice::Notice;
use serde_json::json;

use super::Context;
use super::tell::tell;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render;

/// Lifts the kill switch. What it ended stays ended.
pub(super) async fn resume(context: &Context<'_>) -> Result<Exit, Failure> {
    let ports = &context.aws.ports;
    let lifted = ports.library.halt().await?;
    if lifted.is_some() {
        ports.library.set_halt(None).await?;
    }
    context
        .output
        .result(&json!({ "lifted": lifted }), |_| render::halt::resumed(lifted.as_ref()));
    if let Some(lifted) = &lifted {
        tell(context, &Notice::resumed(&ports.stack, lifted, ports.clock.now())).await;
    }
    Ok(Exit::Upheld)
}
