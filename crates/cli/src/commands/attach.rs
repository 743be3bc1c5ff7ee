//! `inoculate attach` and `inoculate detach`

use inoculate_core::attach::{Access, Mode, Outcome, attaching, detaching};
use inoculate_core::error::Result;
use inoculate_core::names::FunctionName;
use inoculate_core::passing::Dependency;
use inoculate_core::span::Span;

use super::Context;
use crate::exit::Exit;
use crate::render;
use crate::render::attach::{Done, Verb};

/// What the options ask for.
pub(super) fn mode(dry_run: bool, timeout: Span) -> Mode {
    if dry_run { Mode::DryRun } else { Mode::Change(timeout) }
}

/// What the flows of the core need of a connection.
pub(super) fn access<'a>(context: &'a Context<'_>, options: &'a str) -> Access<'a> {
    let ports = &context.aws.ports;
    Access {
        stack: &context.global.stack,
        options,
        attachments: &*context.aws.attachments,
        leases: &*ports.leases,
        runs: &*ports.runs,
        clock: &*ports.clock,
    }
}

/// Adds the layer to each function.
pub(super) async fn attach(
    context: &Context<'_>,
    functions: &[FunctionName],
    dependencies: &[Dependency],
    mode: Mode,
) -> Exit {
    let options = context.global.options();
    let access = access(context, &options);
    let one = async |function: &FunctionName| attaching::attach(&access, function, dependencies, mode).await;
    each(context, Verb::Attach, functions, one).await
}

/// Takes the layer from each function.
pub(super) async fn detach(context: &Context<'_>, functions: &[FunctionName], mode: Mode, force: bool) -> Exit {
    let options = context.global.options();
    let access = access(context, &options);
    let one = async |function: &FunctionName| detaching::detach(&access, function, mode, force).await;
    each(context, Verb::Detach, functions, one).await
}

/// One after the other, for they may share a role. Every one is tried, whatever becomes of the others.
async fn each(
    context: &Context<'_>,
    verb: Verb,
    functions: &[FunctionName],
    one: impl AsyncFn(&FunctionName) -> Result<Outcome>,
) -> Exit {
    let mut all: Vec<Done> = Vec::new();
    for function in functions {
        if all.iter().any(|done| done.function == *function) {
            continue;
        }
        context.output.progress(&format!("{} {function}", verb.doing()));
        all.push(Done {
            function: function.clone(),
            outcome: one(function).await,
        });
    }
    context.output.result(&render::attach::json(&all), |style| {
        render::attach::text(verb, &all, style)
    });
    Exit::worst(all.iter().map(exit))
}

fn exit(done: &Done) -> Exit {
    match &done.outcome {
        Ok(Outcome::Changed { .. } | Outcome::WouldChange { .. } | Outcome::Unchanged { .. }) => Exit::Upheld,
        Ok(Outcome::Refused { .. }) => Exit::Refused,
        Ok(Outcome::ByHand { .. }) => Exit::ByHand,
        Err(error) => Exit::of_function(error.code),
    }
}
