//! `inoculate run`

use inoculate_core::error::{Code, Error};
use inoculate_core::experiment::MAX_EXPERIMENT_BYTES;
use inoculate_core::names::RunId;
use inoculate_core::plan::Plan;
use inoculate_core::ports::ExecutionState;
use inoculate_core::run::Status;
use serde_json::{Value, json};

use super::Context;
use super::follow::{End, follow};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input::Given;
use crate::render;
use crate::render::text::wrap;
use crate::run_id;
use inoculate_core::details::RunDetails;

/// Starts a run and, unless told otherwise, follows it until its verdict.
pub(super) async fn run(
    context: &Context<'_>,
    given: &Given,
    run_id: Option<RunId>,
    no_wait: bool,
) -> Result<Exit, Failure> {
    let ports = &context.aws.ports;
    let experiment = given.experiment(ports.library.as_ref()).await?;
    let input = input(given)?;
    let id = match run_id {
        Some(id) => id,
        None => run_id::generate(&experiment.name, ports.clock.now(), run_id::random())?,
    };
    // Named before it starts: whatever happens from here on, a person knows what to look for.
    context.output.progress(&format!("run {id}"));
    let execution_arn = context.aws.executions.start(&id, &input).await?;
    if no_wait {
        let result = json!({ "run_id": id, "execution_arn": execution_arn });
        context.output.result(&result, |_| {
            format!("started; follow it with `{}`", context.global.command("show", &id))
        });
        return Ok(Exit::Upheld);
    }
    match follow(context, &id, &Plan::of(&experiment)).await? {
        End::Closed => closed(context, &id).await,
        End::LeftOpen(execution) => left_open(context, &id, execution).await,
        End::Interrupted => Ok(interrupted(context, &id)),
    }
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

async fn closed(context: &Context<'_>, id: &RunId) -> Result<Exit, Failure> {
    let details = RunDetails::load(&context.aws.ports, id).await?;
    print(context, &details);
    Ok(Exit::of_run(&details.run).unwrap_or(Exit::Failed))
}

/// The execution is over, but nobody closed the record.
async fn left_open(context: &Context<'_>, id: &RunId, execution: ExecutionState) -> Result<Exit, Failure> {
    let because = execution.cause.as_ref().or(execution.error.as_ref());
    let because = because.map(|why| format!(": {why}")).unwrap_or_default();
    let status = &execution.status;
    let text = format!("the execution ended with {status}, but the record of the run is not closed{because}");
    context.output.progress(&wrap("", &text));

    let Some(details) = RunDetails::find(&context.aws.ports, id).await? else {
        let result = json!({ "run": null, "execution": execution });
        context
            .output
            .result(&result, |_| format!("run {id} ended before it was recorded"));
        return Ok(Exit::of_execution(&execution));
    };
    print(context, &details);
    if details.run.status == Status::RollbackFailed {
        return Ok(Exit::RollbackFailed);
    }
    Ok(Exit::of_execution(&execution))
}

fn print(context: &Context<'_>, details: &RunDetails) {
    let now = context.aws.ports.clock.now();
    // A line between progress and result, where both are on one screen.
    context.output.progress("");
    context
        .output
        .result(details, |style| render::run::result(details, now, style));
}

fn interrupted(context: &Context<'_>, id: &RunId) -> Exit {
    context.output.progress(&format!(
        "the run goes on\n  see it: {}\n  end it: {}",
        context.global.command("show", id),
        context.global.command("abort", id)
    ));
    if context.output.json {
        context
            .output
            .result(&json!({ "run_id": id, "interrupted": true }), |_| String::new());
    }
    Exit::Interrupted
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
