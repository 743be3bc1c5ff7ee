//! Telling people and programs what a command did. Nothing depends on it.

use inoculate_core::notice::{Notice, PATIENCE};
use tokio::time::timeout;

use super::Context;
use crate::render::text::wrap;

/// Tells whoever listens, at last: a person may not be allowed to, and AWS may not answer. Then this says so.
pub(super) async fn tell(context: &Context<'_>, notice: &Notice) {
    let why = match timeout(PATIENCE, context.aws.ports.notices.publish(notice)).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "AWS took too long to answer".to_owned(),
    };
    let text = format!("not everybody could be told: {why}");
    context.output.progress(&wrap("", &text));
}
