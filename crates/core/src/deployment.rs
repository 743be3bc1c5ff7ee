//! What the deployment says of every run: the caps of the account, which win over any experiment, and the roles of the steps.
//!
//! They are parameters of the template and reach the function of the baseline as environment variables; `inoculate plan` reads
//! them from there. A value that cannot be read is an error, never "no cap".

use serde::{Deserialize, Serialize};

use crate::experiment::{Day, MAX_RUN, TimeOfDay, TimeWindow};
use crate::hours::time_zone;
use crate::names::EnvironmentName;

/// The names of the environment variables. The template sets them, and a test holds the two equal.
pub mod variable {
    /// The highest `blast_radius.percent`.
    pub const MAX_PERCENT: &str = "INOCULATE_LIMIT_PERCENT";
    /// The highest `blast_radius.longest`, in seconds.
    pub const MAX_DURATION_SECS: &str = "INOCULATE_LIMIT_DURATION_SECONDS";
    /// How many runs there may be at once.
    pub const MAX_RUNS: &str = "INOCULATE_LIMIT_RUNS";
    /// The environments in which runs may start, with commas; empty for any.
    pub const ENVIRONMENTS: &str = "INOCULATE_ALLOWED_ENVIRONMENTS";
    /// The time zone of the hours in which production may be experimented on.
    pub const TIME_ZONE: &str = "INOCULATE_TIME_ZONE";
    /// The role of the step that injects.
    pub const INJECT_ROLE: &str = "INOCULATE_INJECT_ROLE_ARN";
    /// The role of the step that rolls back.
    pub const ROLLBACK_ROLE: &str = "INOCULATE_ROLLBACK_ROLE_ARN";

    /// All of them.
    pub const ALL: [&str; 7] = [
        MAX_PERCENT,
        MAX_DURATION_SECS,
        MAX_RUNS,
        ENVIRONMENTS,
        TIME_ZONE,
        INJECT_ROLE,
        ROLLBACK_ROLE,
    ];
}

/// What the deployment says of every run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Deployment {
    /// The caps.
    pub limits: Limits,
    /// The roles of the steps that change functions; `None` when the deployment does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Roles>,
}

/// The caps of the account. They win over the experiment: what is beyond one is refused, not cut down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// The highest `blast_radius.percent`, from 0 to 100. Under 100, faults that change a setting are refused too: they meet
    /// every request.
    pub max_percent: f64,
    /// The highest `blast_radius.longest`, in seconds, at least 1.
    pub max_duration_secs: u32,
    /// How many runs there may be at once, at least 1.
    pub max_runs: u32,
    /// The environments in which runs may start; any when empty.
    pub environments: Vec<EnvironmentName>,
    /// The time zone, by its IANA name, of the hours in which production may be experimented on.
    pub time_zone: String,
}

/// The ARNs of the roles of the steps that change functions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// Of the step that injects.
    pub inject: String,
    /// Of the step that rolls back.
    pub rollback: String,
}

impl Default for Limits {
    /// As the template has them when nobody sets them; a test holds the two equal.
    fn default() -> Self {
        Limits {
            max_percent: 100.0,
            max_duration_secs: MAX_RUN.secs(),
            max_runs: 5,
            environments: Vec::new(),
            time_zone: "UTC".to_owned(),
        }
    }
}

impl Limits {
    /// The hours in which production may be experimented on, unless an experiment says otherwise: weekdays from 9 to 17.
    pub fn working_hours(&self) -> TimeWindow {
        TimeWindow {
            days: Day::WEEKDAYS.to_vec(),
            from: TimeOfDay::hour(9),
            until: TimeOfDay::hour(17),
            time_zone: self.time_zone.clone(),
        }
    }
}

impl Deployment {
    /// Reads the variables: `get` is the value of one, if it is set. Every cap must be there.
    ///
    /// # Errors
    /// The first variable that is missing or cannot be understood, in words.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Deployment, String> {
        let required = |name: &str| get(name).ok_or_else(|| format!("the environment variable {name} is not set"));
        let not =
            |name: &str, what: &str| format!("{name} is {:?}, which is not {what}", get(name).unwrap_or_default());
        let whole = |name: &str, most: u32| {
            let number = required(name)?
                .parse::<u32>()
                .ok()
                .filter(|number| (1..=most).contains(number));
            number.ok_or_else(|| not(name, &format!("a whole number from 1 to {most}")))
        };
        let percent = required(variable::MAX_PERCENT)?.parse::<f64>().ok();
        let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
        let zone = required(variable::TIME_ZONE)?;
        time_zone(&zone).map_err(|error| format!("{}: {error}", variable::TIME_ZONE))?;
        let limits = Limits {
            max_percent: percent.ok_or_else(|| not(variable::MAX_PERCENT, "a number from 0 to 100"))?,
            max_duration_secs: whole(variable::MAX_DURATION_SECS, MAX_RUN.secs())?,
            max_runs: whole(variable::MAX_RUNS, 1_000)?,
            environments: environments(&required(variable::ENVIRONMENTS)?)?,
            time_zone: zone,
        };
        let role = |name: &str| get(name).filter(|arn| !arn.is_empty());
        let roles = role(variable::INJECT_ROLE).zip(role(variable::ROLLBACK_ROLE));
        Ok(Deployment {
            limits,
            roles: roles.map(|(inject, rollback)| Roles { inject, rollback }),
        })
    }
}

/// Names with commas. A comma too many is an error: it may be where a name was to be.
fn environments(text: &str) -> Result<Vec<EnvironmentName>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let name = |name: &str| {
        let name = name.trim().parse::<EnvironmentName>();
        name.map_err(|error| format!("{}: {error}", variable::ENVIRONMENTS))
    };
    text.split(',').map(name).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn variables() -> BTreeMap<&'static str, &'static str> {
        BTreeMap::from([
            (variable::MAX_PERCENT, "12.5"),
            (variable::MAX_DURATION_SECS, "600"),
            (variable::MAX_RUNS, "2"),
            (variable::ENVIRONMENTS, "staging, test"),
            (variable::TIME_ZONE, "Europe/Berlin"),
            (variable::INJECT_ROLE, "arn:inject"),
            (variable::ROLLBACK_ROLE, "arn:rollback"),
        ])
    }

    fn read(variables: &BTreeMap<&str, &str>) -> Result<Deployment, String> {
        Deployment::read(|name| variables.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn the_variables_are_read() {
        let read = read(&variables()).unwrap();
        let environments = ["staging", "test"].map(|name| name.parse().unwrap()).to_vec();
        let limits = Limits {
            max_percent: 12.5,
            max_duration_secs: 600,
            max_runs: 2,
            environments,
            time_zone: "Europe/Berlin".to_owned(),
        };
        assert_eq!(read.limits, limits);
        assert_eq!(read.roles.unwrap().rollback, "arn:rollback");
    }

    /// Never "no cap".
    #[test]
    fn a_cap_that_is_missing_or_cannot_be_read_is_an_error() {
        let caps = [
            variable::MAX_PERCENT,
            variable::MAX_DURATION_SECS,
            variable::MAX_RUNS,
            variable::ENVIRONMENTS,
            variable::TIME_ZONE,
        ];
        for cap in caps {
            let mut variables = variables();
            variables.remove(cap);
            assert!(read(&variables).unwrap_err().contains(cap), "{cap}");
        }
        for (cap, value) in [
            (variable::MAX_PERCENT, ""),
            (variable::MAX_PERCENT, "many"),
            (variable::MAX_PERCENT, "-1"),
            (variable::MAX_PERCENT, "101"),
            (variable::MAX_PERCENT, "NaN"),
            (variable::MAX_PERCENT, "inf"),
            (variable::MAX_PERCENT, "50%"),
            (variable::MAX_DURATION_SECS, ""),
            (variable::MAX_DURATION_SECS, "0"),
            (variable::MAX_DURATION_SECS, "1h"),
            (variable::MAX_DURATION_SECS, "21601"),
            (variable::MAX_RUNS, "0"),
            (variable::MAX_RUNS, "-1"),
            (variable::MAX_RUNS, "all"),
            (variable::ENVIRONMENTS, "staging,,test"),
            (variable::ENVIRONMENTS, ","),
            (variable::ENVIRONMENTS, "staging;test"),
            (variable::TIME_ZONE, ""),
            (variable::TIME_ZONE, "Berlin"),
            (variable::TIME_ZONE, "Etc/Unknown"),
        ] {
            let mut variables = variables();
            variables.insert(cap, value);
            let error = read(&variables).unwrap_err();
            assert!(error.contains(cap), "{cap}={value}: {error}");
        }
    }

    #[test]
    fn without_both_roles_there_is_nobody_to_ask_about() {
        for role in [variable::INJECT_ROLE, variable::ROLLBACK_ROLE] {
            let mut variables = variables();
            variables.insert(role, "");
            assert_eq!(read(&variables).unwrap().roles, None);
        }
    }
}
