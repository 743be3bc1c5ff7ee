//! `inoculate plan`

use inoculate_core::error::{Code, Error};
use inoculate_core::preflight::{self, Asking};

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input::Given;
use crate::output::Output;
use crate::render;
use crate::render::plan::Outlook;
use crate::run_id;

/// Says what a run would do, and whether it could start now.
pub(super) async fn plan(context: &Context<'_>, given: &Given) -> Result<Exit, Failure> {
    let ports = &context.aws.ports;
    let experiment = given.experiment(ports.library.as_ref()).await?;
    // A run of its own name, so that every lease that is held counts as held by another.
    let run_id = run_id::generate(&experiment.name, ports.clock.now(), run_id::random())?;
    // What it allows decides over the experiment, so that without it nobody can say that a run could start.
    let deployment = context.aws.baseline.deployment().await;
    let asking = Asking {
        run_id: &run_id,
        deployment: deployment.as_ref().ok(),
    };
    let preflight = preflight::check(ports, &experiment, asking).await?;
    let outlook = Outlook::of(experiment, Some(preflight)).limited_by(&deployment);
    context
        .output
        .result(&outlook, |style| render::plan::text(&outlook, style));
    Ok(match outlook.could_start {
        Some(true) => Exit::Upheld,
        Some(false) => Exit::Refused,
        None => Exit::Failed,
    })
}

/// Says what the file says, without asking AWS.
pub(super) fn offline(given: Given, output: &Output) -> Result<Exit, Failure> {
    let experiment = match given {
        Given::Written(experiment) => *experiment,
        Given::Saved(name) => {
            let message = format!("there is no file `{name}`, and saved experiments need AWS");
            let help = "give the path of a file, or leave out --offline";
            return Err(Error::new(Code::ExperimentNotFound, message).help(help).into());
        }
    };
    let outlook = Outlook::of(experiment, None);
    output.result(&outlook, |style| render::plan::text(&outlook, style));
    Ok(Exit::Upheld)
}
