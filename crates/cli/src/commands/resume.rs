//! `inoculate resume`

use inoculate_core::error::Result;
use serde_json::json;

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render;

/// Lifts the kill switch. What it ended stays ended.
pub(super) async fn resume(context: &Context<'_>) -> Result<Exit, Failure> {
    let library = &context.aws.ports.library;
    let lifted = library.halt().await?;
    if lifted.is_some() {
        library.set_halt(None).await?;
    }
    context
        .output
        .result(&json!({ "lifted": lifted }), |_| render::halt::resumed(lifted.as_ref()));
    Ok(Exit::Upheld)
}
