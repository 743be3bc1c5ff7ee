//! The options of `inoculate schedule`.

use clap::{ArgGroup, Args, Subcommand};
use inoculate_core::names::{ExperimentName, ScheduleName};
use inoculate_core::schedule::WIDEST_FLEXIBLE_MINUTES;
use inoculate_core::span::Span;

use crate::when::{Day, Expression, Moment, TimeZone};

/// What to do with schedules.
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// Let a saved experiment start by itself
    Add(Box<Add>),

    /// List the schedules, and when each starts next
    List,

    /// Remove a schedule; runs that it started go on
    Remove {
        /// Name of the schedule
        name: ScheduleName,
    },
}

/// A schedule to make.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("when").required(true))]
pub struct Add {
    /// Name of a saved experiment
    #[arg(value_name = "NAME")]
    pub experiment: ExperimentName,

    /// Minutes, hours, day of month, month, day of week, year; one of the days is `?`: "0 10 ? * TUE *"
    #[arg(long, value_name = "FIELDS", group = "when", value_parser = Expression::cron)]
    pub cron: Option<Expression>,

    /// Again and again after so long, at once for the first time: "7 days"
    #[arg(long, value_name = "TIME", group = "when", value_parser = Expression::rate)]
    pub rate: Option<Expression>,

    /// Once: 2026-12-01T10:00
    #[arg(long, value_name = "TIME", group = "when", value_parser = Expression::at, conflicts_with_all = ["from", "until"])]
    pub at: Option<Expression>,

    /// Time zone of all times, as an IANA name like Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub timezone: TimeZone,

    /// Start at any time within so long after it, in minutes or hours
    #[arg(long, value_name = "SPAN", value_parser = flexible)]
    pub flexible: Option<Span>,

    /// Not before this day or time: 2026-12-01
    #[arg(long, value_name = "DATE")]
    pub from: Option<Day>,

    /// Not after this day or time
    #[arg(long, value_name = "DATE")]
    pub until: Option<Day>,

    /// Name of the schedule [default: that of the experiment]
    #[arg(long, value_name = "NAME")]
    pub name: Option<ScheduleName>,
}

impl Add {
    /// When it starts runs.
    pub fn expression(&self) -> Option<&Expression> {
        self.cron.as_ref().or(self.rate.as_ref()).or(self.at.as_ref())
    }

    /// From when on, in its time zone.
    ///
    /// # Errors
    /// When the clock there never shows it, in words.
    pub fn from(&self) -> Result<Option<jiff::Timestamp>, String> {
        self.from
            .as_ref()
            .map(|day| self.timezone.moment(day, Moment::First))
            .transpose()
    }

    /// Until when, in its time zone.
    ///
    /// # Errors
    /// As above.
    pub fn until(&self) -> Result<Option<jiff::Timestamp>, String> {
        self.until
            .as_ref()
            .map(|day| self.timezone.moment(day, Moment::Last))
            .transpose()
    }
}

fn flexible(text: &str) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|error| format!("{error}"))?;
    let whole = span.secs().is_multiple_of(60);
    if whole && span.secs() / 60 <= WIDEST_FLEXIBLE_MINUTES {
        Ok(span)
    } else {
        Err(format!("whole minutes, at most {WIDEST_FLEXIBLE_MINUTES}, like 15m"))
    }
}
