//! `inoculate doctor`

use inoculate_core::attach::doctor::{Health, examine};
use inoculate_core::names::FunctionName;
use serde_json::json;

use super::Context;
use super::attach::access;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render;

/// Says whether the layer could do its work in a function.
pub(super) async fn doctor(context: &Context<'_>, function: &FunctionName) -> Result<Exit, Failure> {
    let options = context.global.options();
    let checks = examine(&access(context, &options), function).await?;
    let healthy = checks.iter().all(|check| check.result != Health::Problem);
    let data = json!({ "function": function, "healthy": healthy, "checks": checks });
    context
        .output
        .result(&data, |style| render::doctor::text(function, &checks, style));
    Ok(if healthy { Exit::Upheld } else { Exit::Unhealthy })
}
