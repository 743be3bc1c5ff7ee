//! When a schedule starts runs: expressions of EventBridge Scheduler, read strictly, and the next starts that follow from them.
//!
//! Source: <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>

use std::fmt;
use std::str::FromStr;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use inoculate_core::hours::time_zone;
use jiff::civil::{Date, DateTime};
use jiff::tz::AmbiguousOffset;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// The years that a cron expression may name.
const YEARS: std::ops::RangeInclusive<u16> = 1970..=2199;

/// How many times of a clock are tried for one start: those that the clock jumps over are none.
const TRIES: usize = 1000;

/// When a schedule starts runs.
#[derive(Debug, Clone)]
pub enum Expression {
    /// Whenever the clock of its time zone shows it: the six fields, and what they mean.
    Cron(String, Box<Cron>),
    /// Again and again after so many units.
    Rate(u32, Unit),
    /// Once, when the clock of its time zone shows it.
    At(DateTime),
}

/// The unit of a rate. A day has 24 hours, whatever the clock shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
}

impl Unit {
    const ALL: [Unit; 3] = [Unit::Minute, Unit::Hour, Unit::Day];

    fn name(self) -> &'static str {
        match self {
            Unit::Minute => "minute",
            Unit::Hour => "hour",
            Unit::Day => "day",
        }
    }

    fn secs(self) -> i64 {
        match self {
            Unit::Minute => 60,
            Unit::Hour => 3600,
            Unit::Day => 86_400,
        }
    }
}

impl Expression {
    /// Reads the six fields of a cron expression, as AWS has them.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn cron(text: &str) -> Result<Expression, String> {
        let text = text.to_uppercase();
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays, years] = fields[..] else {
            let count = fields.len();
            return Err(format!(
                "it has {count} fields, not six: minutes hours day-of-month month day-of-week year"
            ));
        };
        if (days == "?") == (weekdays == "?") {
            return Err("exactly one of day-of-month and day-of-week is `?`".to_owned());
        }
        for (field, letters, name) in [
            (minutes, "", "minutes"),
            (hours, "", "hours"),
            (days, "LW?", "day-of-month"),
            (months, "JANFEBMRPYULGSOCTVD", "month"),
            (weekdays, "L#?SUNMOTEWDHFRIA", "day-of-week"),
            (years, "", "year"),
        ] {
            let is_known =
                |letter: char| letter.is_ascii_digit() || "*,-/".contains(letter) || letters.contains(letter);
            if let Some(unknown) = field.chars().find(|letter| !is_known(*letter)) {
                return Err(format!("`{unknown}` has no meaning in {name} `{field}`"));
            }
        }
        let numbers = years.split(|letter: char| !letter.is_ascii_digit());
        let numbers = numbers.filter_map(|number| number.parse::<u16>().ok().filter(|year| *year > 999));
        if let Some(year) = numbers.into_iter().find(|year| !YEARS.contains(year)) {
            return Err(format!(
                "the year {year} is not from {} to {}",
                YEARS.start(),
                YEARS.end()
            ));
        }
        let star = |field: &str| field.replace('?', "*");
        let pattern = format!("0 {minutes} {hours} {} {months} {} {years}", star(days), star(weekdays));
        let parser = CronParser::builder()
            .seconds(Seconds::Required)
            .year(Year::Required)
            .alternative_weekdays(true)
            .sloppy_ranges(true)
            .build();
        let cron = parser.parse(&pattern).map_err(|error| error.to_string())?;
        Ok(Expression::Cron(fields.join(" "), Box::new(cron)))
    }

    /// Reads a rate: a whole number and `minutes`, `hours` or `days`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn rate(text: &str) -> Result<Expression, String> {
        let wrong = || "a whole number from 1 to 99999 and minutes, hours or days, like \"7 days\"".to_owned();
        let (number, unit) = text.trim().split_once(' ').ok_or_else(wrong)?;
        let every = number.parse::<u32>().map_err(|_| wrong())?;
        let unit = unit.strip_suffix('s').unwrap_or(unit);
        let unit = Unit::ALL
            .into_iter()
            .find(|known| known.name() == unit)
            .ok_or_else(wrong)?;
        if !(1..=99_999).contains(&every) || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        Ok(Expression::Rate(every, unit))
    }

    /// Reads the time of a single start, to the second at most and without an offset.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn at(text: &str) -> Result<Expression, String> {
        civil(text).map(Expression::At)
    }

    /// Reads an expression as the scheduler has it: `cron(...)`, `rate(...)` or `at(...)`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn of_scheduler(text: &str) -> Result<Expression, String> {
        let (kind, rest) = text.split_once('(').unwrap_or((text, ""));
        let within = rest
            .strip_suffix(')')
            .ok_or_else(|| format!("`{text}` is no expression"))?;
        match kind {
            "cron" => Expression::cron(within),
            "rate" => Expression::rate(within),
            "at" => Expression::at(within),
            _ => Err(format!("`{text}` is no expression")),
        }
    }

    /// The next starts, soonest first, at most `count`. A time that the clock jumps over in spring has no start, and one that it
    /// shows twice in autumn has one, as the scheduler does it.
    pub fn starts(&self, zone: &TimeZone, within: &Within, count: usize) -> Vec<Timestamp> {
        let soonest = within.from.map_or(within.now, |from| from.max(within.now));
        let is_over = |at: &Timestamp| within.until.is_some_and(|until| *at > until);
        let starts: Vec<Timestamp> = match self {
            Expression::At(at) => zone.shows(*at).into_iter().filter(|at| *at >= soonest).collect(),
            Expression::Rate(every, unit) => {
                let step = unit.secs().saturating_mul(i64::from(*every));
                let first = within.from.unwrap_or(within.made_at);
                let passed = soonest.duration_since(first).as_secs().max(0);
                let next = (passed + step - 1) / step;
                let at = |number: i64| first.checked_add(SignedDuration::from_secs(step * number)).ok();
                (next..).map_while(at).take(count).collect()
            }
            Expression::Cron(_, cron) => zone.times(cron, soonest).take(count).collect(),
        };
        starts.into_iter().take_while(|at| !is_over(at)).collect()
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Cron(fields, _) => write!(f, "cron({fields})"),
            Expression::Rate(every, unit) => {
                let plural = if *every == 1 { "" } else { "s" };
                write!(f, "rate({every} {}{plural})", unit.name())
            }
            Expression::At(at) => write!(f, "at({})", at.strftime("%Y-%m-%dT%H:%M:%S")),
        }
    }
}

/// The time in which starts are looked for.
#[derive(Debug, Clone, Copy)]
pub struct Within {
    /// Now.
    pub now: Timestamp,
    /// When the schedule was made: a rate without `from` starts then.
    pub made_at: Timestamp,
    /// From when on it starts runs.
    pub from: Option<Timestamp>,
    /// Until when.
    pub until: Option<Timestamp>,
}

/// A time zone by its IANA name.
#[derive(Debug, Clone)]
pub struct TimeZone {
    name: String,
    zone: jiff::tz::TimeZone,
}

impl FromStr for TimeZone {
    type Err = String;

    fn from_str(name: &str) -> Result<TimeZone, String> {
        let zone = time_zone(name)?;
        let name = zone.iana_name().unwrap_or(name).to_owned();
        Ok(TimeZone { name, zone })
    }
}

/// Which moment of a day is meant by the day alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Its beginning.
    First,
    /// Its last second.
    Last,
}

impl TimeZone {
    /// Its IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A time for people, on the clock of the zone: `Tue 2026-11-24 10:00 Europe/Berlin`.
    pub fn shown(&self, at: Timestamp) -> String {
        let shown = self.zone.to_datetime(at).strftime("%a %Y-%m-%d %H:%M");
        format!("{shown} {}", self.name)
    }

    /// The moment that a day or time of a clock means.
    ///
    /// # Errors
    /// When the clock never shows it, in words.
    pub fn moment(&self, day: &Day, moment: Moment) -> Result<Timestamp, String> {
        let never = || format!("the clock of {} never shows {}", self.name, day.0);
        match (&day.1, moment) {
            (Some(time), _) => self.shows(*time).ok_or_else(never),
            (None, Moment::First) => self.begins(day.0).ok_or_else(never),
            (None, Moment::Last) => {
                let next = day
                    .0
                    .tomorrow()
                    .ok()
                    .and_then(|next| self.begins(next))
                    .ok_or_else(never)?;
                next.checked_sub(1.second()).map_err(|_| never())
            }
        }
    }

    fn begins(&self, day: Date) -> Option<Timestamp> {
        Some(day.to_zoned(self.zone.clone()).ok()?.timestamp())
    }

    /// When the clock shows this, for the first time where it does so twice.
    pub fn shows(&self, clock: DateTime) -> Option<Timestamp> {
        let found = self.zone.to_ambiguous_timestamp(clock);
        match found.offset() {
            AmbiguousOffset::Gap { .. } => None,
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => found.earlier().ok(),
        }
    }

    /// The times of a cron expression from one on.
    fn times(&self, cron: &Cron, soonest: Timestamp) -> impl Iterator<Item = Timestamp> {
        // The clock may show the soonest time for the second time.
        let mut clock = self.zone.to_datetime(soonest).saturating_sub(3.hours());
        let next = move || {
            clock = cron.find_next_occurrence(&clock, false).ok()?;
            Some(clock)
        };
        std::iter::from_fn(next)
            .take(TRIES)
            .filter_map(|clock| self.shows(clock))
            .filter(move |at| *at >= soonest)
    }
}

/// A day, or a time on it, on the clock of a zone that is known later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day(Date, Option<DateTime>);

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Day, String> {
        match Date::strptime("%Y-%m-%d", text) {
            Ok(date) => Ok(Day(date, None)),
            Err(_) => civil(text).map(|time| Day(time.date(), Some(time))),
        }
    }
}

/// A time without an offset: with one, it would be another time than that of the time zone.
fn civil(text: &str) -> Result<DateTime, String> {
    let formats = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"];
    let mut read = formats
        .iter()
        .filter_map(|format| DateTime::strptime(format, text).ok());
    read.next()
        .ok_or_else(|| "a time like 2026-12-01T10:00, without an offset; --timezone says where".to_owned())
}

#[cfg(test)]
mod tests;
