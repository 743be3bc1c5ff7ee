//! One measure over the time of a run, as data of a plot.

use inoculate_core::details::RunDetails;
use inoculate_core::judge::{Compared, Estimate, Finding};
use inoculate_core::layer::Stage;
use inoculate_core::ports::Measured;
use jiff::Timestamp;

use super::{Window, baseline, recovery, rounds, with_faults};
use crate::chart::{Chart, Look, Seen, Who};
use crate::document::{At, Number};

/// A measure over the run. `now` counts for faults that are still there.
pub(super) fn chart(details: &RunDetails, measure: &str, now: Timestamp) -> Chart {
    let run = &details.run;
    let windows: Vec<Window<'_>> = baseline(details)
        .into_iter()
        .chain(rounds(details))
        .chain(with_faults(details).filter(|_| details.results.evaluation.is_some()))
        .chain(recovery(details))
        .collect();
    let found: Vec<&Finding> = windows
        .iter()
        .filter_map(|window| Some(window.finding(measure)?.0))
        .collect();
    let is_of_groups = found.iter().any(|finding| finding.groups.is_some());
    let latest = with_faults(details).or_else(|| baseline(details));
    let sentence = latest.and_then(|window| Some(window.finding(measure)?.0.sentence.clone()));
    Chart {
        measure: measure.to_owned(),
        description: sentence.unwrap_or_default(),
        unit: found.iter().find_map(|finding| finding.unit.clone()),
        band: if is_of_groups { "interval" } else { "lowest to highest" },
        opened_at: run.opened_at,
        faults: run
            .injecting_at
            .map(|from| (from, run.rolled_back_at.or(run.closed_at).unwrap_or(now))),
        looks: windows
            .iter()
            .filter_map(|window| look(details, window, measure))
            .collect(),
    }
}

fn look(details: &RunDetails, window: &Window<'_>, measure: &str) -> Option<Look> {
    let (finding, at) = window.finding(measure)?;
    let times = window.at.key("window");
    let limit = |value, side| Number::amount(value, finding.unit.as_deref(), at.key("limits").key(side));
    Some(Look {
        name: window.name.clone(),
        from: (window.measured.window.from, times.key("from")),
        until: (window.measured.window.until, times.key("until")),
        lowest: limit(finding.limits.low, "low"),
        highest: limit(finding.limits.high, "high"),
        verdict: (finding.verdict, at.key("verdict")),
        seen: match &finding.groups {
            Some(groups) => of_groups(finding, groups, &at.key("groups")),
            None => vec![of_series(finding, stage(details, window), &at)],
        },
    })
}

/// The window of the run that a series was measured in.
fn stage(details: &RunDetails, window: &Window<'_>) -> Stage {
    let results = &details.results;
    let recovery = results
        .evaluation
        .as_ref()
        .and_then(|evaluation| evaluation.recovery.as_ref());
    let is = |measured: &Measured| std::ptr::eq(window.measured, measured);
    if results.baseline.as_ref().is_some_and(is) {
        Stage::Baseline
    } else if recovery.is_some_and(is) {
        Stage::Recovery
    } else {
        Stage::Injection
    }
}

/// While there are faults the groups, before and after all requests.
fn of_groups(finding: &Finding, groups: &Compared, at: &At) -> Vec<Seen> {
    let seen = |who, estimate: &Option<Estimate>, key| {
        let estimate = estimate.as_ref()?;
        let at = at.key(key);
        let amount = |value, key| Number::amount(value, finding.unit.as_deref(), at.key(key));
        Some(Seen {
            who,
            size: Number::count(estimate.requests, at.key("requests")),
            value: amount(estimate.value, "value"),
            low: amount(Some(estimate.interval.low), "low"),
            high: amount(estimate.interval.high, "high"),
        })
    };
    let all = match groups.stage {
        Stage::Injection => {
            let both = [
                seen(Who::Control, &groups.control, "control"),
                seen(Who::Experimental, &groups.experimental, "experimental"),
            ];
            return both.into_iter().flatten().collect();
        }
        Stage::Baseline => seen(Who::Baseline, &groups.all, "all"),
        Stage::Recovery => seen(Who::Recovery, &groups.all, "all"),
    };
    all.into_iter().collect()
}

fn of_series(finding: &Finding, stage: Stage, at: &At) -> Seen {
    let amount = |value, key| Number::amount(value, finding.unit.as_deref(), at.key(key));
    Seen {
        who: match stage {
            Stage::Baseline => Who::Baseline,
            Stage::Injection => Who::WithFaults,
            Stage::Recovery => Who::Recovery,
        },
        size: Number::count(u64::from(finding.points), at.key("points")),
        value: amount(finding.median, "median"),
        low: amount(finding.lowest, "lowest"),
        high: amount(finding.highest, "highest"),
    }
}
