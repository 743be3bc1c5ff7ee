//! `inoculate run`

use std::path::PathBuf;

use inoculate_core::error::{Code, Error, Result as CoreResult};
use inoculate_core::experiment::{Experiment, MAX_EXPERIMENT_BYTES};
use inoculate_core::names::RunId;
use serde_json::{Value, json};

use super::Context;
use super::deliver::Deliveries;
use super::follow::{End, follow};
use crate::args::RunArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input::Given;
use crate::outcome::{Ended, Outcome};
use crate::render;
use crate::run_id;
use inoculate_core::details::RunDetails;

/// Starts a run and, unless told otherwise, follows it until its verdict.
pub(super) async fn run(context: &Context<'_>, given: &Given, args: &RunArgs) -> Result<Exit, Failure> {
    let deliveries = Deliveries::of_run(args)?;
    let experiment = given.experiment(context.aws.ports.library.as_ref()).await?;
    let id = name(context, &experiment, args.run_id.clone())?;
    let started = start(context, given, &id).await;
    if args.no_wait {
        let result = json!({ "run_id": id, "execution_arn": started? });
        context.output.result(&result, |_| {
            format!("started; follow it with `{}`", context.global.command("watch", &id))
        });
        return Ok(Exit::Upheld);
    }
    let ended = match started {
        Ok(_) => ended(context, &id, follow(context, &id).await).await,
        Err(error) => Err(error),
    };
    let outcome = Outcome {
        experiment: experiment.name.clone(),
        file: given.is_written().then(|| PathBuf::from(&args.experiment)),
        run_id: Some(id.clone()),
        end: ended.unwrap_or_else(Ended::Error),
    };
    let shown = show(context, &id, &outcome.end);
    let delivered = deliveries.of_one(context.output, &outcome, context.aws.ports.clock.now());
    Ok(delivered.after(shown?))
}

/// The name of a run: the one that was given, or a new one.
pub(super) fn name(context: &Context<'_>, experiment: &Experiment, given: Option<RunId>) -> Result<RunId, Error> {
    match given {
        Some(id) => Ok(id),
        None => run_id::generate(&experiment.name, context.aws.ports.clock.now(), run_id::random()),
    }
}

/// Starts a run. Answers with the ARN of its execution.
pub(super) async fn start(context: &Context<'_>, given: &Given, id: &RunId) -> Result<String, Error> {
    let input = input(given)?;
    // Named before it starts: whatever happens from here on, a person knows what to look for.
    context.output.progress(&format!("run {id}"));
    context.aws.executions.start(id, &input).await
}

/// What the state machine is started with.
fn input(given: &Given) -> Result<Value, Error> {
    let input = match given {
        Given::Saved(name) => json!({ "experiment": name }),
        Given::Written(experiment) => json!({ "experiment": experiment }),
    };
    let size = input.to_string().len();
    if size > MAX_EXPERIMENT_BYTES {
        let message = format!("the experiment has {size} bytes as JSON");
        let help = format!("Step Functions accepts {MAX_EXPERIMENT_BYTES}; split it into several experiments");
        return Err(Error::new(Code::InvalidExperiment, message).help(help));
    }
    Ok(input)
}

/// What is known of a run that was followed to this end.
pub(super) async fn ended(context: &Context<'_>, id: &RunId, end: CoreResult<End>) -> CoreResult<Ended> {
    let ports = &context.aws.ports;
    Ok(match end? {
        End::Closed => Ended::Closed(Box::new(RunDetails::load(ports, id).await?)),
        End::LeftOpen(execution) => Ended::LeftOpen(execution, RunDetails::find(ports, id).await?.map(Box::new)),
        End::Interrupted => Ended::Interrupted,
    })
}

/// Prints what came of a run that was followed.
///
/// # Errors
/// Why it could not be started or followed.
pub(super) fn show(context: &Context<'_>, id: &RunId, ended: &Ended) -> Result<Exit, Failure> {
    let output = context.output;
    if let Ended::Error(error) = ended {
        return Err(error.clone().into());
    }
    if let Ended::LeftOpen(..) = ended {
        output.progress(&render::text::wrap("", &ended.because()));
    }
    match (ended, ended.details()) {
        (_, Some(details)) => {
            let now = context.aws.ports.clock.now();
            // A line between progress and result, where both are on one screen.
            output.progress("");
            output.result(details, |style| render::run::result(details, now, style));
        }
        (Ended::LeftOpen(execution, _), None) => {
            let result = json!({ "run": null, "execution": execution });
            output.result(&result, |_| format!("run {id} ended before it was recorded"));
        }
        _ => interrupted(context, id),
    }
    Ok(ended.exit())
}

fn interrupted(context: &Context<'_>, id: &RunId) {
    context.output.progress(&format!(
        "the run goes on\n  see it: {}\n  end it: {}",
        context.global.command("watch", id),
        context.global.command("abort", id)
    ));
    if context.output.json {
        context
            .output
            .result(&json!({ "run_id": id, "interrupted": true }), |_| String::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    #[test]
    fn a_saved_experiment_is_started_by_its_name_and_a_file_by_its_content() {
        let experiment = samples::experiment();
        let by_name = input(&Given::Saved(experiment.name.clone())).unwrap();
        assert_eq!(by_name, json!({ "experiment": "throttle-payments" }));
        let by_content = input(&Given::Written(Box::new(experiment.clone()))).unwrap();
        assert_eq!(by_content["experiment"]["hypothesis"], experiment.hypothesis);
        let read = inoculate_core::read::experiment_from_value(&by_content["experiment"]).unwrap();
        assert_eq!(read, experiment);
    }
}
