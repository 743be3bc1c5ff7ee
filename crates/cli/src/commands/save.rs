//! `inoculate save`

use inoculate_core::experiment::Experiment;
use serde_json::json;

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// Saves an experiment under its name.
pub(super) async fn save(context: &Context<'_>, experiment: &Experiment) -> Result<Exit, Failure> {
    context.aws.ports.library.save_experiment(experiment).await?;
    let name = &experiment.name;
    let saved = json!({ "saved": name, "digest": experiment.digest() });
    let run = context.global.line(&format!("run {name}"));
    context
        .output
        .result(&saved, |_| format!("saved {name}; start it with `{run}`"));
    Ok(Exit::Upheld)
}
