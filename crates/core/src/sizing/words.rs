//! What a person should know before a run, in words.

use super::never::TooFew;
use super::series::PointSize;
use super::traffic::{Source, Traffic};
use super::{Case, DOUBT, LimitSize, Need, Requests};
use crate::experiment::{Experiment, Measure};
use crate::judge::{Relation, roughly, rounded};
use crate::span::Span;

/// What should be said of a measure of the layer. Nothing when it will have enough.
pub(super) fn warnings(case: &Case<'_>, limits: &[LimitSize]) -> Vec<String> {
    let limits = limits.iter().filter_map(|limit| of_limit(case, limit));
    let limits: Vec<String> = limits.collect();
    let mut warnings: Vec<String> = vec![];
    for said in limits.into_iter().chain(of_baseline(case)) {
        let said = format!("{}: {said}", case.measure.name);
        // Two limits may lack the same.
        if !warnings.contains(&said) {
            warnings.push(said);
        }
    }
    warnings
}

fn of_limit(case: &Case<'_>, limit: &LimitSize) -> Option<String> {
    let tolerated = limit.relation.tolerated(limit.limit);
    let longest = case.experiment.blast_radius.longest;
    match (&limit.needed, case.expected(1.0)) {
        (Need::Never { why }, _) => {
            let now = limit.base.filter(|_| !limit.assumed && limit.relation.is_absolute());
            let now = now.map_or(String::new(), |base| format!(" (now {})", rounded(base)));
            Some(format!("{tolerated}{now}: {why}"))
        }
        // Traffic that is not known is no matter of one limit.
        (Need::Unknown { .. }, None) => None,
        (Need::Unknown { why }, Some(_)) => Some(format!(
            "{tolerated}: {why}; the run itself measures it in its baseline"
        )),
        (
            Need::With {
                requests,
                secs: Some(secs),
            },
            Some(expected),
        ) if requests.all > expected.all => Some(format!(
            "about {} are needed to tell whether it is {tolerated}{}; at {} that takes {}; the injection lasts {longest}: \
             likely inconclusive. Make {}",
            whose(case, *requests),
            assuming(limit),
            rate(case),
            lasting(*secs),
            advice(case, limit.relation, *secs)
        )),
        (Need::With { .. }, _) => None,
    }
}

fn assuming(limit: &LimitSize) -> String {
    match limit.base.filter(|_| limit.assumed) {
        Some(base) => format!(" (assuming {} without the fault)", rounded(base)),
        None => String::new(),
    }
}

/// How many requests, and of which group.
fn whose(case: &Case<'_>, requests: Requests) -> String {
    if case.is_about_traffic() {
        format!("{} requests", about(requests.all))
    } else {
        format!("{} requests of the experimental group", about(requests.experimental))
    }
}

fn rate(case: &Case<'_>) -> String {
    let per_second = case.traffic.map_or(0.0, |traffic| traffic.per_second);
    let percent = case.experiment.blast_radius.percent;
    if case.is_about_traffic() {
        format!("{} requests/s", rounded(per_second))
    } else {
        format!("{} requests/s and {} percent", rounded(per_second), rounded(percent))
    }
}

/// What would make it enough. The longest time only where it is one that somebody may want.
fn advice(case: &Case<'_>, relation: Relation, secs: u64) -> String {
    const SENSIBLE: [u64; 14] = [
        30, 60, 120, 180, 300, 600, 900, 1_200, 1_800, 2_700, 3_600, 5_400, 7_200, 10_800,
    ];
    let longest = SENSIBLE.into_iter().find(|sensible| *sensible >= secs);
    let longest = longest.and_then(|secs| u32::try_from(secs).ok());
    let percent = case.experiment.blast_radius.percent;
    let percent = match percent {
        _ if case.is_about_traffic() => None,
        percent if relation.is_about_control() && percent > 50.0 => Some("percent nearer to 50"),
        percent if relation.is_about_control() && percent == 50.0 => None,
        100.0 => None,
        _ => Some("percent larger"),
    };
    let baseline = relation
        .is_about_baseline()
        .then(|| "windows.baseline longer".to_owned());
    let ways = [
        longest.map(|secs| format!("blast_radius.longest {}", Span::from_secs(secs))),
        baseline,
        percent.map(str::to_owned),
        Some("the margin wider".to_owned()),
    ];
    alternatives(&ways.into_iter().flatten().collect::<Vec<_>>())
}

/// `a, b, or c`.
fn alternatives(ways: &[String]) -> String {
    match ways {
        [] => String::new(),
        [way] => way.clone(),
        [one, other] => format!("{one}, or {other}"),
        [ways @ .., last] => format!("{}, or {last}", ways.join(", ")),
    }
}

/// The baseline must have as many requests as the measure asks for, or the run will be refused after it.
fn of_baseline(case: &Case<'_>) -> Option<String> {
    let per_second = case.traffic?.per_second;
    let (expected, fewest) = (per_second * case.baseline_secs(), case.layer.min_requests);
    (expected < f64::from(fewest)).then(|| {
        let enough = (f64::from(fewest) / per_second).ceil() as u64;
        format!(
            "a baseline of {} brings about {} requests, and min_requests asks for {fewest}, so the run would likely be \
             refused after it. Make windows.baseline longer than {}",
            case.experiment.windows.baseline,
            expected.floor(),
            lasting(enough)
        )
    })
}

/// Why a run is refused whose measure could never be judged.
pub(super) fn refusal(case: &Case<'_>, traffic: &Traffic, too_few: TooFew) -> String {
    let when = match traffic.source {
        Source::CloudWatch => "of its busiest minutes",
        Source::Baseline => "of the baseline",
    };
    let when = format!("even at {} times the traffic {when}", rounded(DOUBT));
    let (function, fewest) = (&case.layer.function, u64::from(case.layer.min_requests));
    let why = match too_few {
        TooFew::InBaseline(requests) => {
            let baseline = case.experiment.windows.baseline;
            format!(
                "{function} would have {requests} requests in a baseline of {baseline}, {when}, and min_requests asks for \
                 {fewest}; make windows.baseline longer"
            )
        }
        TooFew::WithFaults(requests) => {
            let longest = case.experiment.blast_radius.longest;
            let (count, of) = match case.is_about_traffic() {
                true => (requests.all, ""),
                false => (requests.experimental, " of the experimental group"),
            };
            let is_less = count < fewest;
            let so_few = match is_less {
                true => format!("and min_requests asks for {fewest}"),
                false => "and whatever they met would give no verdict".to_owned(),
            };
            let has_groups = !case.is_about_traffic() && case.experiment.has_control_group();
            let ways = [
                Some("blast_radius.longest longer"),
                has_groups.then_some("percent larger"),
                (!is_less).then_some("the margin wider"),
            ];
            let ways: Vec<String> = ways.into_iter().flatten().map(str::to_owned).collect();
            let ways = alternatives(&ways);
            format!("{function} would have {count} requests{of} in {longest}, {when}, {so_few}; make {ways}")
        }
    };
    format!("{}: too little traffic to ever tell: {why}", case.measure.name)
}

/// Why a metric series has too few points.
pub(super) fn of_series(experiment: &Experiment, measure: &Measure, points: PointSize) -> String {
    let PointSize {
        in_baseline,
        in_injection,
        needed,
    } = points;
    let name = &measure.name;
    match needed {
        Some(needed) => {
            // One period more, as a window rarely starts where a period does.
            let longest = u64::from(needed + 1) * u64::from(measure.period.secs());
            format!(
                "{name}: the injection of {} has {in_injection} whole periods of {}, and {needed} are needed to tell anything from \
                 the {in_baseline} of the baseline: inconclusive. Make blast_radius.longest at least {}, the baseline longer, or \
                 the period shorter",
                experiment.blast_radius.longest,
                measure.period,
                lasting(longest)
            )
        }
        None => format!(
            "{name}: the baseline of {} has {in_baseline} whole periods of {}, from which no number of points can be told: \
             inconclusive. Make windows.baseline longer, or the period shorter",
            experiment.windows.baseline, measure.period
        ),
    }
}

/// About so many, in groups of three digits: `2,400`. Two digits are as much as is known.
pub fn about(number: u64) -> String {
    let digits = roughly(number).to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A length of time: `45 s`, `9 min 20 s`, `2 h 10 min`, `3 days`.
fn lasting(secs: u64) -> String {
    let two = |large: u64, of: &str, small: u64, unit: &str| match small {
        0 => format!("{large} {of}"),
        _ => format!("{large} {of} {small} {unit}"),
    };
    match secs {
        0..60 => format!("{secs} s"),
        60..3_600 => two(secs / 60, "min", secs % 60, "s"),
        3_600..172_800 => two(secs / 3_600, "h", secs % 3_600 / 60, "min"),
        _ => format!("{} days", secs / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_read_them() {
        let texts = [0, 7, 45, 900, 912, 12_345, 1_000_000].map(about);
        assert_eq!(texts, ["0", "7", "45", "900", "920", "13,000", "1,000,000"]);
        let texts = [45, 60, 560, 7_800, 172_800].map(lasting);
        assert_eq!(texts, ["45 s", "1 min", "9 min 20 s", "2 h 10 min", "2 days"]);
    }
}
