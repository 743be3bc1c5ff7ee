//! The judge of groups, by table: what was seen in, verdict, reason and words out.

#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

use inoculate_core::experiment::Measure;
use inoculate_core::groups::{Group, KeyKind};
use inoculate_core::judge::Verdict::{Deviated, Inconclusive, Upheld};
use inoculate_core::judge::{Compared, Finding, GroupWindow, Reason, judge_groups};
use inoculate_core::layer::Stage;
use inoculate_core::sketch::{Observation, Seen};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// So many requests, of which so many fail, that take so many milliseconds.
type Requests = (u64, u64, f64);

fn seen(control: Requests, experimental: Requests) -> Seen {
    let mut seen = Seen::default();
    for (group, (requests, errors, duration_ms)) in [(Group::Control, control), (Group::Experimental, experimental)] {
        for request in 0..requests {
            let observation = Observation {
                key: KeyKind::Field,
                error: request < errors,
                http_5xx: false,
                timeout: false,
                injected: group == Group::Experimental,
                // Not all alike, so that quantiles have neighbours.
                duration_ms: duration_ms * (1.0 + 0.1 * (request % 11) as f64 / 10.0),
            };
            seen.add(group, &observation);
        }
    }
    seen
}

fn measure(statistic: &str, tolerance: Value) -> Measure {
    let layer = json!({ "function": "checkout", "statistic": statistic });
    serde_json::from_value(json!({ "name": "m", "layer": layer, "tolerance": tolerance })).unwrap()
}

fn judged(statistic: &str, tolerance: &Value, stage: Stage, seen: &Seen, baseline: Option<&Compared>) -> Finding {
    let (control, experimental) = (seen.control.requests as f64, seen.experimental.requests as f64);
    let percent = 100.0 * experimental / (control + experimental).max(1.0);
    judged_with(percent, statistic, tolerance, stage, seen, baseline)
}

fn judged_with(
    percent: f64,
    statistic: &str,
    tolerance: &Value,
    stage: Stage,
    seen: &Seen,
    baseline: Option<&Compared>,
) -> Finding {
    let measure = measure(statistic, tolerance.clone());
    let window = GroupWindow {
        stage,
        seen,
        lasted: SignedDuration::from_secs(10),
        lag: SignedDuration::ZERO,
        measures: 2,
        percent,
        baseline,
    };
    judge_groups(&measure, measure.layer.as_ref().unwrap(), &window)
}

#[test]
fn while_the_faults_are_there_a_tolerance_has_to_be_established() {
    let calm = seen((500, 0, 20.0), (500, 0, 20.0));
    let baseline = judged("p50", &json!({ "at_most": 1000 }), Stage::Baseline, &calm, None).groups;
    let rate = json!({ "at_most": 5 });
    let margin = json!({ "above_control_at_most": 5 });
    let slower = json!({ "above_control_at_most_percent": 50 });
    let rise = json!({ "rise_at_most_percent": 50 });
    for (statistic, tolerance, control, experimental, verdict, reason) in [
        (
            "error_rate",
            &rate,
            (500, 0, 20.0),
            (500, 0, 20.0),
            Upheld,
            Reason::Within,
        ),
        (
            "error_rate",
            &rate,
            (500, 0, 20.0),
            (500, 250, 20.0),
            Deviated,
            Reason::Beyond,
        ),
        (
            "error_rate",
            &rate,
            (500, 0, 20.0),
            (500, 25, 20.0),
            Inconclusive,
            Reason::Uncertain,
        ),
        (
            "error_rate",
            &rate,
            (0, 0, 0.0),
            (40, 0, 20.0),
            Inconclusive,
            Reason::Uncertain,
        ),
        (
            "error_rate",
            &rate,
            (500, 0, 20.0),
            (29, 29, 20.0),
            Inconclusive,
            Reason::TooFewRequests,
        ),
        (
            "error_rate",
            &rate,
            (500, 0, 20.0),
            (0, 0, 0.0),
            Inconclusive,
            Reason::NoRequests,
        ),
        // Both groups fail alike: that is not the fault's doing.
        (
            "error_rate",
            &margin,
            (8000, 1600, 20.0),
            (8000, 1600, 20.0),
            Upheld,
            Reason::Within,
        ),
        (
            "error_rate",
            &margin,
            (500, 0, 20.0),
            (500, 250, 20.0),
            Deviated,
            Reason::Beyond,
        ),
        (
            "error_rate",
            &margin,
            (10, 0, 20.0),
            (500, 0, 20.0),
            Inconclusive,
            Reason::TooFewRequests,
        ),
        (
            "error_rate",
            &margin,
            (0, 0, 0.0),
            (500, 0, 20.0),
            Inconclusive,
            Reason::NoBaseline,
        ),
        ("p50", &slower, (500, 0, 20.0), (500, 0, 20.0), Upheld, Reason::Within),
        (
            "p50",
            &slower,
            (500, 0, 20.0),
            (500, 0, 1020.0),
            Deviated,
            Reason::Beyond,
        ),
        ("p90", &rise, (500, 0, 20.0), (500, 0, 1020.0), Deviated, Reason::Beyond),
        (
            "p99",
            &json!({ "at_most": 1000 }),
            (500, 0, 20.0),
            (60, 0, 20.0),
            Inconclusive,
            Reason::Uncertain,
        ),
    ] {
        let seen = seen(control, experimental);
        let finding = judged(statistic, tolerance, Stage::Injection, &seen, baseline.as_ref());
        let case = format!(
            "{statistic} {tolerance} {control:?} {experimental:?}: {}",
            finding.sentence
        );
        assert_eq!((finding.verdict, finding.reason), (verdict, reason), "{case}");
        assert!(!finding.sentence.is_empty(), "{case}");
    }
}

#[test]
fn before_and_after_the_steady_state_holds_unless_something_speaks_against_it() {
    let rate = json!({ "at_most": 5 });
    let rise = json!({ "rise_at_most_percent": 50 });
    let calm = seen((100, 0, 20.0), (100, 0, 20.0));
    let baseline = judged("p50", &rise, Stage::Baseline, &calm, None).groups;
    for (statistic, tolerance, stage, control, experimental, verdict, reason) in [
        (
            "error_rate",
            &rate,
            Stage::Baseline,
            (20, 0, 20.0),
            (20, 0, 20.0),
            Upheld,
            Reason::Within,
        ),
        (
            "error_rate",
            &rate,
            Stage::Baseline,
            (10, 0, 20.0),
            (10, 0, 20.0),
            Inconclusive,
            Reason::TooFewRequests,
        ),
        (
            "error_rate",
            &rate,
            Stage::Baseline,
            (100, 9, 20.0),
            (100, 9, 20.0),
            Inconclusive,
            Reason::Uncertain,
        ),
        (
            "error_rate",
            &rate,
            Stage::Baseline,
            (100, 90, 20.0),
            (100, 90, 20.0),
            Deviated,
            Reason::Beyond,
        ),
        (
            "p50",
            &rise,
            Stage::Baseline,
            (100, 0, 20.0),
            (100, 0, 20.0),
            Upheld,
            Reason::Within,
        ),
        (
            "p50",
            &rise,
            Stage::Baseline,
            (200, 0, 20.0),
            (200, 0, 90.0),
            Inconclusive,
            Reason::GroupsDiffer,
        ),
        (
            "p50",
            &rise,
            Stage::Recovery,
            (50, 0, 21.0),
            (50, 0, 21.0),
            Upheld,
            Reason::Within,
        ),
        (
            "p50",
            &rise,
            Stage::Recovery,
            (200, 0, 90.0),
            (200, 0, 90.0),
            Deviated,
            Reason::Beyond,
        ),
        (
            "error_rate",
            &rate,
            Stage::Recovery,
            (0, 0, 0.0),
            (0, 0, 0.0),
            Inconclusive,
            Reason::NoRequests,
        ),
    ] {
        let seen = seen(control, experimental);
        let before = baseline.as_ref().filter(|_| stage != Stage::Baseline);
        let finding = judged(statistic, tolerance, stage, &seen, before);
        let case = format!("{statistic} {tolerance} {stage:?}: {}", finding.sentence);
        assert_eq!((finding.verdict, finding.reason), (verdict, reason), "{case}");
    }
}

#[test]
fn traffic_is_compared_with_the_baseline() {
    let fall = json!({ "fall_at_most_percent": 50 });
    let before = judged(
        "requests_per_second",
        &fall,
        Stage::Baseline,
        &seen((500, 0, 1.0), (500, 0, 1.0)),
        None,
    );
    assert_eq!((before.verdict, before.median), (Upheld, Some(100.0)));
    let during = |requests| {
        let seen = seen((requests, 0, 1.0), (requests, 0, 1.0));
        let stage = Stage::Injection;
        judged("requests_per_second", &fall, stage, &seen, before.groups.as_ref())
    };
    for (requests, verdict) in [(450, Upheld), (250, Inconclusive), (100, Deviated)] {
        let finding = during(requests);
        assert_eq!(finding.verdict, verdict, "{requests}: {}", finding.sentence);
    }
}

#[test]
fn what_people_read() {
    let seen_of = seen((500, 1, 20.0), (500, 250, 1020.0));
    let margin = json!({ "above_control_at_most": 5 });
    let said = |statistic, stage| judged(statistic, &margin, stage, &seen_of, None).sentence;
    let alone = seen((0, 0, 0.0), (500, 0, 20.0));
    let lines = [
        said("error_rate", Stage::Injection),
        said("p90", Stage::Injection),
        said("p50", Stage::Baseline),
        judged("p50", &json!({ "at_most": 100 }), Stage::Injection, &alone, None).sentence,
        judged("p50", &margin, Stage::Injection, &Seen::default(), None).sentence,
    ];
    insta::assert_snapshot!(lines.join("\n"));
}

/// The worked example of `docs/judge.md`: who changes a number here changes it there.
#[test]
fn the_worked_example() {
    let margin = json!({ "above_control_at_most": 1 });
    let calm = seen((600, 6, 20.0), (600, 6, 20.0));
    let baseline = judged("error_rate", &margin, Stage::Baseline, &calm, None).groups;
    let looks = [(100, 1, 4), (300, 3, 14), (600, 6, 29), (900, 9, 44)];
    let lines = looks.map(|(requests, control, experimental)| {
        let seen = seen((requests, control, 20.0), (requests, experimental, 20.0));
        let finding = judged("error_rate", &margin, Stage::Injection, &seen, baseline.as_ref());
        format!("{}: {}", finding.verdict, finding.sentence)
    });
    insta::assert_snapshot!(lines.join("\n"));
}
