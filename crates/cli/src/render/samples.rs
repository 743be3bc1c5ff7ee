//! Runs to render in tests.

use inoculate_core::calls::{CallSeen, CallsByName};
use inoculate_core::error::Result;
use inoculate_core::experiment::{AbortAlarm, Experiment};
use inoculate_core::groups::{Group, KeyKind};
use inoculate_core::judge::{GroupWindow, Point, SeriesWindow, Verdict, Window, judge, judge_groups};
use inoculate_core::layer::Stage;
use inoculate_core::ports::{Evaluation, Grounds, Measured, Results};
use inoculate_core::run::{Cause, Ending, Event, JournalEntry, NewRun, Run, Status};
use inoculate_core::seen::{LayerProblems, SeenSummary, SketchRecord, Written};
use inoculate_core::setting::{Setting, SettingValue};
use inoculate_core::sketch::{Observation, Seen};
use inoculate_core::undo::{UndoRecord, UndoState};
use jiff::{SignedDuration, Timestamp};

use inoculate_core::details::RunDetails;

/// A time in seconds after the samples begin.
pub(crate) fn at(secs: i64) -> Timestamp {
    let begin: Timestamp = "2026-03-04T09:00:00.5Z".parse().unwrap();
    begin + SignedDuration::from_secs(secs)
}

/// The experiment of every sample.
pub(crate) fn experiment() -> Experiment {
    inoculate_core::read::experiment_from_text(
        "name: throttle-payments
hypothesis: >-
  Orders are still placed while every invocation of payments is throttled, because checkout falls back to paying later.
blast_radius: { functions: [shop-payments], percent: 100, longest: 2m }
windows: { baseline: 1m, round: 10s, recovery: 1m }
faults:
  - { kind: reserved_concurrency, function: shop-payments, executions: 0 }
steady_state:
  - name: failed-orders
    unit: percent
    period: 10s
    metric: { namespace: Shop, name: FailedOrders, statistic: Average }
    tolerance: { at_most: 1 }
  - name: checkout-time
    unit: ms
    period: 10s
    metric: { namespace: Shop, name: CheckoutTime, statistic: p99 }
    tolerance: { rise_at_most_percent: 50, at_most: 800 }
guards: { alarms: [shop-revenue] }
",
    )
    .unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// Alarms that a run makes for itself.
pub(crate) fn own_alarms() -> Vec<AbortAlarm> {
    let alarms = serde_json::json!([
        {
            "metric": { "namespace": "Shop", "name": "FailedOrders", "statistic": "Average", "dimensions": { "Service": "checkout" } },
            "period": "10s", "above": 5, "points": "2 of 3"
        },
        {
            "metric": { "namespace": "Shop", "name": "PlacedOrders", "statistic": "Sum" },
            "below": 1, "missing_data": "bad"
        },
    ]);
    serde_json::from_value(alarms).unwrap()
}

/// What was measured before (from 0), while (until 188) and after there were faults.
fn measured(from: i64, until: i64, failed: &[f64], time: &[f64]) -> Measured {
    let stage = match from {
        0 => Stage::Baseline,
        1..188 => Stage::Injection,
        _ => Stage::Recovery,
    };
    let baseline = (stage != Stage::Baseline).then(|| steady(0, 60));
    let points = |values: &[f64]| -> Vec<Point> {
        let points = values.iter().enumerate();
        points
            .map(|(index, value)| Point {
                at: at(from + 10 * index as i64),
                value: *value,
            })
            .collect()
    };
    let experiment = experiment();
    let expected = u32::try_from((until - from) / 10).unwrap();
    let series = [points(failed), points(time)];
    let findings = experiment.steady_state.iter().zip(series).enumerate();
    let findings = findings.map(|(number, (measure, points))| {
        let window = SeriesWindow {
            stage,
            expected_points: expected,
            baseline: baseline.as_ref().map(|baseline| &baseline.findings[number]),
            measures: 2,
            looks: 12,
            last: true,
        };
        judge(measure, &points, &window)
    });
    Measured {
        at: at(until),
        window: Window {
            from: at(from),
            until: at(until),
        },
        findings: findings.collect(),
        seen: vec![],
    }
}

fn steady(from: i64, until: i64) -> Measured {
    let count = usize::try_from((until - from) / 10).unwrap();
    measured(from, until, &vec![0.25; count], &vec![212.5; count])
}

/// A run with these events, each with the seconds after the begin.
fn after(events: Vec<(i64, Event)>) -> RunDetails {
    let new = NewRun {
        id: "throttle-payments-20260304-090000-9f3c2a".parse().unwrap(),
        experiment: "throttle-payments".into(),
        digest: "d".repeat(64),
        execution_arn: Some("arn:aws:states:eu-west-1:123456789012:execution:inoculate-experiment:x".into()),
        functions: vec![],
    };
    let (mut run, first) = Run::open(new, "t".into(), at(0));
    let mut journal = vec![first];
    for (secs, event) in events {
        run = next(&run, &event, at(secs)).unwrap();
        journal.push(JournalEntry {
            number: run.version,
            at: at(secs),
            token: "t".into(),
            event,
        });
    }
    RunDetails {
        run,
        experiment: Some(experiment()),
        faults: vec![],
        results: Results::default(),
        journal,
    }
}

fn next(run: &Run, event: &Event, at: Timestamp) -> Result<Run> {
    run.after(event, at)
}

fn fault(state: UndoState) -> UndoRecord {
    UndoRecord {
        number: 0,
        function: "shop-payments".parse().unwrap(),
        setting: Setting::ReservedConcurrency,
        before: SettingValue::Unreserved,
        set: SettingValue::Executions(0),
        state,
        at: at(62),
    }
}

fn injected() -> Vec<(i64, Event)> {
    vec![
        (61, Event::BaselineHeld),
        (61, Event::InjectionBegan),
        (
            62,
            Event::FaultIntended {
                undo: 0,
                what: "reserved concurrency of shop-payments: unreserved -> 0".into(),
            },
        ),
        (63, Event::FaultApplied { undo: 0 }),
        (64, Event::Injected),
    ]
}

fn observed(secs: i64, round: u32, seen: &str) -> (i64, Event) {
    let seen = seen.to_owned();
    (secs, Event::Observed { round, seen })
}

fn ends(secs: i64, status: Status, cause: Cause, detail: &str) -> (i64, Event) {
    let detail = detail.to_owned();
    let ending = Ending { status, cause, detail };
    (secs, Event::RollbackBegan { ending })
}

fn restored(secs: i64) -> Vec<(i64, Event)> {
    let state = UndoState::Restored;
    vec![(secs, Event::UndoSettled { undo: 0, state }), (secs, Event::RolledBack)]
}

/// Faults are in place, two rounds are over.
pub(crate) fn running() -> RunDetails {
    let mut events = injected();
    events.push(observed(
        75,
        1,
        "failed-orders inconclusive: 1 points arrived, 3 are needed",
    ));
    events.push(observed(
        86,
        2,
        "failed-orders inconclusive: 2 points arrived, 3 are needed",
    ));
    let mut details = after(events);
    details.faults = vec![fault(UndoState::Applied)];
    details.results.baseline = Some(steady(0, 60));
    details.results.observations = vec![
        measured(64, 75, &[0.0], &[]),
        measured(64, 86, &[0.0, 1.5], &[230.0, 12_345.678]),
    ];
    details
}

fn completed(verdict: Verdict, during: Measured, cause: Cause, because: &str) -> RunDetails {
    let mut events = injected();
    events.push(observed(75, 1, "nothing yet"));
    events.push(observed(86, 2, because));
    events.push(ends(186, Status::Completed, cause, because));
    events.extend(restored(188));
    events.push((
        250,
        Event::Closed {
            status: Status::Completed,
            verdict,
        },
    ));
    let mut details = after(events);
    details.faults = vec![fault(UndoState::Restored)];
    details.results = Results {
        baseline: Some(steady(0, 60)),
        observations: vec![during.clone(), during.clone()],
        evaluation: Some(Evaluation {
            at: at(250),
            verdict,
            grounds: Grounds::Measures,
            because: because.to_owned(),
            during: Some(during),
            recovery: Some(steady(188, 248)),
            recovered: Some(Verdict::Upheld),
        }),
    };
    details
}

/// The hypothesis held.
pub(crate) fn upheld() -> RunDetails {
    let because = "failed-orders upheld: all 12 points are within at most 1 percent (median 0.25 percent)";
    let mut details = completed(Verdict::Upheld, steady(64, 184), Cause::WindowOver, because);
    if let Some(ending) = &mut details.run.ending {
        ending.detail = "the injection lasted 2m as planned".into();
    }
    details
}

/// The hypothesis held, but the system did not come back by itself.
pub(crate) fn not_recovered() -> RunDetails {
    let mut details = upheld();
    if let Some(evaluation) = &mut details.results.evaluation {
        evaluation.recovery = Some(measured(188, 248, &[0.25, 20.0, 40.0, 40.0, 40.0, 40.0], &[212.5; 6]));
        evaluation.recovered = Some(Verdict::Deviated);
    }
    details
}

/// The hypothesis did not hold.
pub(crate) fn deviated() -> RunDetails {
    let during = measured(64, 114, &[50.0, 100.0, 100.0, 100.0, 0.0], &[220.0; 5]);
    let because = "failed-orders deviated: 4 of 5 points are not within at most 1 percent (median 100 percent)";
    completed(Verdict::Deviated, during, Cause::Harm, because)
}

/// The steady state did not hold in the baseline.
pub(crate) fn refused() -> RunDetails {
    let because = "the steady state does not hold before the injection: failed-orders inconclusive: no data arrived, \
                   6 points were expected";
    let mut details = after(vec![
        ends(61, Status::Refused, Cause::NotSteady, because),
        (62, Event::RolledBack),
        (
            63,
            Event::Closed {
                status: Status::Refused,
                verdict: Verdict::Inconclusive,
            },
        ),
    ]);
    details.results.baseline = Some(measured(0, 60, &[], &[200.0; 6]));
    let because = format!("nothing was injected: {because}");
    details.results.evaluation = Some(Evaluation::without_evidence(at(63), Grounds::NotInjected, because));
    details
}

/// What the layers of a run with groups wrote: so many requests in each group, and how many of the experimental one failed.
fn seen_by_layers(stage: Stage, requests: u64, failed: u64) -> Vec<SketchRecord> {
    let of = |function: &str, failed: u64| {
        let mut seen = Seen::default();
        for (group, failed, ms) in [(Group::Control, 0, 21.0), (Group::Experimental, failed, 1021.0)] {
            let slow = group == Group::Experimental && stage == Stage::Injection;
            for request in 0..requests {
                let observation = Observation {
                    key: KeyKind::Field,
                    error: request < failed,
                    http_5xx: false,
                    timeout: false,
                    injected: slow && function == "shop-payments",
                    duration_ms: if slow { ms } else { 21.0 },
                };
                seen.add(group, &observation);
                if function == "shop-payments" {
                    seen.add_calls(group, &made_calls(slow && request % 2 == 0), &observation);
                }
            }
        }
        SketchRecord {
            function_arn: function.to_owned(),
            environment: "e".to_owned(),
            stage,
            seen,
            lost_writes: 0,
            since_ms: None,
        }
    };
    vec![of("shop-payments", 0), of("shop-checkout", failed)]
}

/// The calls of one request: one that is answered, or one that fails twice and is given up.
fn made_calls(fails: bool) -> CallsByName {
    let mut made = CallsByName::default();
    for attempt in 0..if fails { 2 } else { 1 } {
        let seen = CallSeen {
            retry: attempt > 0,
            failed: fails,
            throttled: fails && attempt == 0,
            injected: fails,
            duration_ms: 8.0,
        };
        made.add("dynamodb PutItem", &seen);
    }
    made
}

/// The experiment of the runs of the layer.
fn layered_experiment() -> Experiment {
    let experiment = inoculate_core::read::experiment_from_text(
        "name: payments-slow
hypothesis: Customers place their orders within a second even when payments takes a second longer.
blast_radius: { functions: [shop-payments], percent: 50, key: /order_id, longest: 2m }
windows: { baseline: 1m, round: 10s, recovery: 1m }
faults:
  - { kind: latency, function: shop-payments, delay: 1s }
steady_state:
  - name: checkout-time
    layer: { function: shop-checkout, statistic: p75 }
    tolerance: { at_most: 1000 }
  - name: failed-orders
    layer: { function: shop-checkout, statistic: error_rate }
    tolerance: { above_control_at_most: 5 }
",
    );
    experiment.unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// What was measured of so many requests in each group, of which so many of the experimental one failed.
fn layered_measured(
    from: i64,
    until: i64,
    stage: Stage,
    (requests, failed): (u64, u64),
    problems: Vec<LayerProblems>,
) -> Measured {
    let experiment = layered_experiment();
    let window = Window {
        from: at(from),
        until: at(until),
    };
    let sketches = seen_by_layers(stage, requests, failed);
    let written = Written { sketches, problems };
    let findings = experiment.steady_state.iter().map(|measure| {
        let layer = measure.layer.as_ref().unwrap();
        let seen = written.of(layer.function.as_str()).seen;
        let window = GroupWindow {
            stage,
            seen: &seen,
            lasted: window.until.duration_since(window.from),
            lag: SignedDuration::ZERO,
            measures: 2,
            percent: 50.0,
            baseline: None,
        };
        judge_groups(measure, layer, &window)
    });
    let functions = experiment.functions().into_iter();
    Measured {
        at: at(until),
        window,
        findings: findings.collect(),
        seen: functions
            .map(|name| SeenSummary::of(name, stage, &written.of(name.as_str())))
            .collect(),
    }
}

/// A run of the layer whose faults are in place: for each round so far, the requests in each group, and how many of the
/// experimental one failed.
pub(crate) fn layered_under_way(rounds: &[(u64, u64)]) -> RunDetails {
    let mut details = running();
    details.faults = vec![];
    details.experiment = Some(layered_experiment());
    details.results.baseline = Some(layered_measured(0, 60, Stage::Baseline, (300, 0), vec![]));
    let rounds = rounds.iter().zip(1..);
    let rounds = rounds.map(|(seen, round)| layered_measured(64, 64 + 10 * round, Stage::Injection, *seen, vec![]));
    details.results.observations = rounds.collect();
    details
}

/// A run of the layer: half of the requests met the fault, and the layer of one environment refused the lease.
pub(crate) fn layered() -> RunDetails {
    let refused = LayerProblems {
        function_arn: "shop-payments".to_owned(),
        problems: vec!["the lease is ignored: schema version 2 is later than 1".to_owned()],
    };
    let during = layered_measured(64, 114, Stage::Injection, (310, 140), vec![refused]);
    let because = during.findings[0].sentence.clone();
    let mut details = completed(Verdict::Deviated, during, Cause::Harm, &because);
    details.faults = vec![];
    details.results.baseline = Some(layered_measured(0, 60, Stage::Baseline, (300, 0), vec![]));
    if let Some(evaluation) = &mut details.results.evaluation {
        evaluation.recovery = Some(layered_measured(188, 248, Stage::Recovery, (290, 0), vec![]));
    }
    details.experiment = Some(layered_experiment());
    details
}

/// A setting could not be put back.
pub(crate) fn rollback_failed() -> RunDetails {
    let mut events = injected();
    events.push(ends(
        80,
        Status::Aborted,
        Cause::Alarm,
        "alarm \"shop-revenue\" went to ALARM: Threshold Crossed",
    ));
    events.push((
        81,
        Event::RollbackFailed {
            detail: "the reserved concurrency of shop-payments could not be put back to unreserved: AccessDenied"
                .into(),
        },
    ));
    let mut details = after(events);
    details.faults = vec![fault(UndoState::Applied)];
    details.results.baseline = Some(steady(0, 60));
    details
}
