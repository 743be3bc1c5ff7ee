//! Whether it is the time for this run, and until when it may last.

use jiff::{SignedDuration, Timestamp};

use super::{Guard, Preflight};
use crate::deployment::Limits;
use crate::experiment::{Experiment, TimeWindow};
use crate::hours::{Hours, Standing};

pub(super) fn check(
    experiment: &Experiment,
    is_production: bool,
    limits: Option<&Limits>,
    now: Timestamp,
    found: &mut Preflight,
) {
    let guards = &experiment.guards;
    let windows: Vec<TimeWindow> = match limits {
        _ if guards.any_time => return found.pass(Guard::OutsideWindow, "any time, as the experiment says"),
        _ if !guards.windows.is_empty() => guards.windows.clone(),
        _ if !is_production => return found.pass(Guard::OutsideWindow, "any time: there is no window"),
        Some(limits) => vec![limits.working_hours()],
        None => return found.not_checked(Guard::OutsideWindow, super::limits::UNKNOWN),
    };
    let whose = if guards.windows.is_empty() {
        "production is experimented on from Monday to Friday, 09:00 to 17:00, unless guards.windows or guards.any_time says \
         otherwise"
    } else {
        "guards.windows says when runs may start"
    };
    let hours = match Hours::of(&windows) {
        Ok(hours) => hours,
        Err(error) => return found.refuse(Guard::OutsideWindow, error),
    };
    match hours.standing(now) {
        Standing::Closed { opens_at } => {
            let opens = opens_at.map(|opens| format!("; the next window opens {}", hours.shown(opens)));
            let detail = format!("no time window is open: {whose}{}", opens.unwrap_or_default());
            found.refuse(Guard::OutsideWindow, detail);
        }
        Standing::Open { closes_at: None } => found.pass(Guard::OutsideWindow, "open for more than a week"),
        Standing::Open {
            closes_at: Some(closes_at),
        } => {
            found.closes_at = Some(closes_at);
            open(experiment, now, closes_at, &hours.shown(closes_at), found);
        }
    }
}

/// A run that could not begin to inject before the closing is refused now, rather than after its baseline. One that could not
/// inject for as long as it says may start: it ends when the window closes.
fn open(experiment: &Experiment, now: Timestamp, closes_at: Timestamp, closes: &str, found: &mut Preflight) {
    let windows = &experiment.windows;
    let baseline = windows.baseline.signed() + SignedDuration::from_secs(i64::from(windows.delay_secs()));
    let left = closes_at.duration_since(now);
    if left <= baseline {
        let detail = format!(
            "the time window closes {closes}, and the baseline takes until then: {} are left",
            in_words(left)
        );
        return found.refuse(Guard::OutsideWindow, detail);
    }
    let longest = experiment.blast_radius.longest;
    let for_faults = left - baseline;
    let cut = if for_faults < longest.signed() {
        format!(
            "; that leaves {} for the faults, of the {longest} that they may last, and ends them then",
            in_words(for_faults)
        )
    } else {
        String::new()
    };
    found.pass(Guard::OutsideWindow, format!("open until {closes}{cut}"));
}

/// `1h 5m 20s`, without what is nought.
fn in_words(time: SignedDuration) -> String {
    let secs = time.as_secs().max(0);
    let parts = [(secs / 3600, "h"), (secs / 60 % 60, "m"), (secs % 60, "s")];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if parts.is_empty() {
        "0s".to_owned()
    } else {
        parts.join(" ")
    }
}
