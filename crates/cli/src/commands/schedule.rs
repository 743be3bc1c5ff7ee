//! `inoculate schedule`

use inoculate_core::error::{Code, Error};
use inoculate_core::names::ScheduleName;
use inoculate_core::schedule::{self, Schedule};
use serde_json::json;

use super::Context;
use crate::args::schedule::{Add, ScheduleCommand};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input::Given;
use crate::render;
use crate::render::schedule::Upcoming;
use crate::when::Within;

/// Makes, lists or removes schedules.
pub(super) async fn schedule(context: &Context<'_>, command: &ScheduleCommand) -> Result<Exit, Failure> {
    match command {
        ScheduleCommand::Add(given) => add(context, given).await,
        ScheduleCommand::List => list(context).await,
        ScheduleCommand::Remove { name } => remove(context, name).await,
    }
}

/// The experiment must be there and valid: one that is refused every week is noticed by nobody.
async fn add(context: &Context<'_>, given: &Add) -> Result<Exit, Failure> {
    let schedule = wanted(given)?;
    not_of_the_template(context, &schedule.name)?;
    let now = context.aws.ports.clock.now();
    let upcoming = Upcoming::of(schedule, now);
    if upcoming.starts.is_empty() {
        let message = format!("{} never starts a run from now on", upcoming.schedule.expression);
        return Err(Error::new(Code::InvalidExperiment, message)
            .help("check the times, --timezone, --from and --until")
            .into());
    }
    let saved = Given::Saved(given.experiment.clone());
    saved.experiment(&*context.aws.ports.library).await?;
    context.aws.schedules.add(&upcoming.schedule).await?;
    let added = json!({ "added": upcoming });
    context
        .output
        .result(&added, |style| render::schedule::added(&upcoming, style));
    Ok(Exit::Upheld)
}

/// What the options ask for.
fn wanted(given: &Add) -> Result<Schedule, Error> {
    let invalid = |what: String| Error::new(Code::InvalidExperiment, what);
    let expression = given
        .expression()
        .ok_or_else(|| Error::internal("no expression was given"))?;
    let flexible_minutes = given.flexible.map(|span| span.secs() / 60);
    let name = match &given.name {
        Some(name) => name.clone(),
        None => given
            .experiment
            .as_str()
            .parse()
            .map_err(|error| invalid(format!("{error}")))?,
    };
    Ok(Schedule {
        name,
        input: schedule::input(&given.experiment, flexible_minutes),
        expression: expression.to_string(),
        time_zone: given.timezone.name().to_owned(),
        flexible_minutes,
        from: given.from().map_err(invalid)?,
        until: given.until().map_err(invalid)?,
        enabled: true,
        made_at: None,
    })
}

async fn list(context: &Context<'_>) -> Result<Exit, Failure> {
    let now = context.aws.ports.clock.now();
    let schedules = context.aws.schedules.list().await?.into_iter();
    let all: Vec<Upcoming> = schedules.map(|schedule| Upcoming::of(schedule, now)).collect();
    let listed = json!({ "schedules": all });
    context
        .output
        .result(&listed, |style| render::schedule::list(&all, style));
    Ok(Exit::Upheld)
}

async fn remove(context: &Context<'_>, name: &ScheduleName) -> Result<Exit, Failure> {
    not_of_the_template(context, name)?;
    if !context.aws.schedules.remove(name).await? {
        let message = format!("there is no schedule {name}");
        let help = format!("`{}` shows those that there are", context.global.line("schedule list"));
        return Err(Error::new(Code::ScheduleNotFound, message).help(help).into());
    }
    context.output.result(&json!({ "removed": name }), |_| {
        format!("removed {name}; runs that it started go on")
    });
    Ok(Exit::Upheld)
}

/// The schedule of `ScheduleExperiment` is the template's: changed here, the next deployment would fail or bring it back.
fn not_of_the_template(context: &Context<'_>, name: &ScheduleName) -> Result<(), Error> {
    if name.as_str() != format!("{}-experiment", context.global.stack) {
        return Ok(());
    }
    let message = format!("the schedule {name} is that of the template");
    Err(Error::new(Code::Conflict, message).help("deploy the stack with another ScheduleExperiment, or an empty one"))
}

impl Upcoming {
    /// A schedule with its next starts, as far as they can be computed.
    pub(super) fn of(schedule: Schedule, now: jiff::Timestamp) -> Upcoming {
        let expression = crate::when::Expression::of_scheduler(&schedule.expression).ok();
        let zone = schedule.time_zone.parse::<crate::when::TimeZone>().ok();
        let within = Within {
            now,
            made_at: schedule.made_at.unwrap_or(now),
            from: schedule.from,
            until: schedule.until,
        };
        let starts = match (&expression, &zone) {
            (Some(expression), Some(zone)) if schedule.enabled => expression.starts(zone, &within, Upcoming::SHOWN),
            _ => vec![],
        };
        Upcoming {
            computed: expression.is_some() && zone.is_some(),
            schedule,
            starts,
        }
    }
}
