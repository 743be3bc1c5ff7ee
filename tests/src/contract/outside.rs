//! Metrics and notices.

use inoculate_core::experiment::{Measure, Metric};
use inoculate_core::judge::{Point, Window};
use inoculate_core::notice::{News, Notice, SOURCE};
use inoculate_core::ports::Halt;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Fixture;
use crate::{build, eventually};

/// The start of a minute, some minutes ago: late enough for metrics to be there, early enough for high resolution.
fn minutes_ago(fixture: &dyn Fixture, minutes: i64) -> Timestamp {
    let minute = fixture.ports().clock.now().as_second().div_euclid(60);
    build::second((minute - minutes) * 60)
}

fn after(start: Timestamp, secs: i64) -> Timestamp {
    start + SignedDuration::from_secs(secs)
}

/// The points of one measure as seconds after `start` and values, once as many are there as expected.
async fn series(
    fixture: &dyn Fixture,
    measure: &Measure,
    from: Timestamp,
    until: Timestamp,
    count: usize,
) -> Vec<Point> {
    eventually("the metrics have arrived", async || {
        let window = Window { from, until };
        let mut series = fixture
            .ports()
            .metrics
            .series(std::slice::from_ref(measure), window)
            .await
            .unwrap();
        assert_eq!(series.len(), 1);
        Some(series.remove(0)).filter(|points| points.len() >= count)
    })
    .await
}

/// What the points are, in seconds after `start`.
fn shown(points: &[Point], start: Timestamp) -> Vec<(i64, f64)> {
    points
        .iter()
        .map(|point| (point.at.as_second() - start.as_second(), point.value))
        .collect()
}

/// Publishes a 1 at each of these seconds after `start`, and as much as the second says in value when `values`.
async fn publish(fixture: &dyn Fixture, metric: &Metric, start: Timestamp, samples: &[(i64, f64)]) {
    let samples: Vec<_> = samples
        .iter()
        .map(|(secs, value)| (after(start, *secs), *value))
        .collect();
    fixture.publish(metric, &samples).await;
}

/// A window that begins and ends within a period has neither of the two.
pub async fn points_are_whole_periods_oldest_first(fixture: &dyn Fixture) {
    let start = minutes_ago(fixture, 10);
    let metric = build::metric("Orders", &fixture.unique("periods"), "Sum");
    publish(
        fixture,
        &metric,
        start,
        &[(0, 1.0), (5, 2.0), (6, 20.0), (10, 4.0), (15, 8.0), (20, 16.0)],
    )
    .await;
    let measure = build::measure("5s", &metric);
    let all = series(fixture, &measure, start, after(start, 25), 5).await;
    assert_eq!(
        shown(&all, start),
        [(0, 1.0), (5, 22.0), (10, 4.0), (15, 8.0), (20, 16.0)]
    );
    let inner = series(fixture, &measure, after(start, 1), after(start, 19), 2).await;
    assert_eq!(shown(&inner, start), [(5, 22.0), (10, 4.0)]);
}

/// A gap is a gap, not a zero.
pub async fn periods_without_data_have_no_point(fixture: &dyn Fixture) {
    let start = minutes_ago(fixture, 10);
    let metric = build::metric("Orders", &fixture.unique("gaps"), "Average");
    publish(fixture, &metric, start, &[(0, 1.0), (15, 0.0)]).await;
    let points = series(fixture, &build::measure("5s", &metric), start, after(start, 30), 2).await;
    assert_eq!(shown(&points, start), [(0, 1.0), (15, 0.0)]);
    let nothing = build::metric("Orders", &fixture.unique("nothing"), "Average");
    assert_eq!(
        series(fixture, &build::measure("5s", &nothing), start, after(start, 30), 0).await,
        []
    );
}

/// Each period on its own; a division by zero and a missing input give no number.
pub async fn metrics_are_combined_by_an_expression(fixture: &dyn Fixture) {
    let start = minutes_ago(fixture, 10);
    let service = fixture.unique("maths");
    let (placed, failed) = (
        build::metric("Placed", &service, "Sum"),
        build::metric("Failed", &service, "Sum"),
    );
    publish(
        fixture,
        &placed,
        start,
        &[(0, 10.0), (5, 20.0), (10, 10.0), (11, 10.0), (15, 10.0), (20, 0.0)],
    )
    .await;
    publish(fixture, &failed, start, &[(0, 0.0), (5, 5.0), (10, 20.0), (20, 0.0)]).await;
    let measure: Measure = serde_json::from_value(json!({
        "name": "failures", "period": "5s", "tolerance": { "at_most": 1 },
        "metrics": { "placed": placed, "failed": failed }, "expression": "100 * failed / placed",
    }))
    .unwrap();
    let points = series(fixture, &measure, start, after(start, 25), 3).await;
    let finite: Vec<Point> = points.into_iter().filter(|point| point.value.is_finite()).collect();
    assert_eq!(shown(&finite, start), [(0, 0.0), (5, 25.0), (10, 100.0)]);
}

/// Measures of different periods in one question, answered in the order of the question.
pub async fn each_measure_has_its_own_period(fixture: &dyn Fixture) {
    let start = minutes_ago(fixture, 10);
    let metric = build::metric("Orders", &fixture.unique("mixed"), "Sum");
    publish(fixture, &metric, start, &[(0, 1.0), (30, 2.0), (60, 4.0)]).await;
    let measures = [
        build::measure("1m", &metric),
        build::measure("30s", &metric),
        build::measure("5m", &metric),
    ];
    let window = Window {
        from: start,
        until: after(start, 120),
    };
    let answer = eventually("the metrics have arrived", async || {
        let answer = fixture.ports().metrics.series(&measures, window).await.unwrap();
        (answer[1].len() == 3).then_some(answer)
    })
    .await;
    assert_eq!(shown(&answer[0], start), [(0, 3.0), (60, 4.0)]);
    assert_eq!(shown(&answer[1], start), [(0, 1.0), (30, 2.0), (60, 4.0)]);
    assert_eq!(answer[2], [], "no whole period of five minutes fits");
}

/// Of the values 1, 2, 3, 4 in one period.
pub async fn statistics_are_those_of_cloudwatch(fixture: &dyn Fixture) {
    let start = minutes_ago(fixture, 10);
    let service = fixture.unique("statistics");
    let samples = [(0, 4.0), (1, 1.0), (2, 3.0), (3, 2.0)];
    publish(fixture, &build::metric("Latency", &service, "Sum"), start, &samples).await;
    for (statistic, lowest, highest) in [
        ("Sum", 10.0, 10.0),
        ("Average", 2.5, 2.5),
        ("Minimum", 1.0, 1.0),
        ("Maximum", 4.0, 4.0),
        ("SampleCount", 4.0, 4.0),
        // Percentiles are interpolated in one way or another.
        ("p50", 2.0, 3.0),
        ("p99", 3.9, 4.1),
    ] {
        let measure = build::measure("5s", &build::metric("Latency", &service, statistic));
        let points = series(fixture, &measure, start, after(start, 5), 1).await;
        assert_eq!(points.len(), 1, "{statistic}");
        assert!(
            (lowest..=highest).contains(&points[0].value),
            "{statistic}: {}",
            points[0].value
        );
    }
}

/// Nothing to ask for is an answer.
pub async fn a_window_without_a_whole_period_has_no_points(fixture: &dyn Fixture) {
    let start = minutes_ago(fixture, 10);
    let metric = build::metric("Orders", &fixture.unique("short"), "Sum");
    publish(fixture, &metric, start, &[(1, 1.0), (2, 1.0)]).await;
    let measure = build::measure("5s", &metric);
    assert_eq!(series(fixture, &measure, start, after(start, 5), 1).await.len(), 1);
    for (from, until) in [(1, 4), (1, 9), (5, 5), (20, 10)] {
        assert_eq!(
            series(fixture, &measure, after(start, from), after(start, until), 0).await,
            [],
            "{from} to {until}"
        );
    }
    let window = Window {
        from: start,
        until: after(start, 5),
    };
    assert_eq!(
        fixture.ports().metrics.series(&[], window).await.unwrap(),
        Vec::<Vec<Point>>::new()
    );
}

/// A notice arrives twice: as a message for people and as an event for programs.
pub async fn a_notice_reaches_people_and_programs(fixture: &dyn Fixture) {
    let listener = fixture.unique("listener");
    fixture.listen(&listener).await;
    let name = format!("told-{listener}");
    let (run, _) = build::run(&name);
    let notice = Notice::of_run(
        "inoculate",
        &News::Started,
        &run,
        Some(&build::experiment()),
        run.opened_at,
    );
    fixture.ports().notices.publish(&notice).await.unwrap();
    let ask = || async {
        let heard = fixture.heard(&listener).await;
        let mut heard = heard.into_iter().filter(|heard| heard.to_string().contains(&name));
        Some((heard.next()?, heard.next()?))
    };
    let (one, other) = eventually("both have arrived", ask).await;
    let (message, event) = if one["Message"].is_null() {
        (other, one)
    } else {
        (one, other)
    };
    assert_eq!(message["Subject"], notice.subject());
    assert_eq!(message["Message"], notice.body());
    assert_eq!(event["source"], SOURCE);
    assert_eq!(event["detail-type"], "Inoculate Run Started");
    assert_eq!(event["detail"], serde_json::to_value(&notice).unwrap());
    assert_eq!(event["resources"], json!(notice.resources));
}

/// Whatever people have written, and however much.
pub async fn every_notice_can_be_published(fixture: &dyn Fixture) {
    let reason = "two\nlines — \"quoted\" \\ \u{1f4a5} ".repeat(20_000);
    let since = fixture.ports().clock.now();
    for reason in [reason, String::new()] {
        let notice = Notice::halted("inoculate", &Halt { reason, since });
        fixture.ports().notices.publish(&notice).await.unwrap();
    }
}
