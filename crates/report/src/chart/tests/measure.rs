//! A measure over time.

use inoculate_core::details::RunDetails;
use inoculate_core::judge::Verdict;
use insta::assert_snapshot;
use jiff::Timestamp;
use plotters::style::{Color, RGBColor};

use super::picture::{Picture, Point};
use super::{blocks, groups_under_way};
use crate::chart::{BASELINE, CONTROL, Chart, EXPERIMENTAL, Look, Seen, TOLERANCE, Who};
use crate::document::{At, Block, Number, line};
use crate::samples::{self, at};

/// How much of its colour a band has, the bar of one look, and the shade of the faults.
const BAND: f64 = 0.2;
const BAR: f64 = 0.5;
const SHADE: f64 = 0.08;

/// The plots of a run that are drawn.
fn charts(details: &RunDetails) -> Vec<Chart> {
    let charts = blocks(details).filter_map(|block| match block {
        Block::Chart(chart) if !chart.is_empty() => Some(chart),
        _ => None,
    });
    charts.collect()
}

fn chart_of(details: &RunDetails, measure: &str) -> Chart {
    let mut charts = charts(details).into_iter();
    charts.find(|chart| chart.measure == measure).unwrap()
}

fn number(value: f64) -> Option<Number> {
    Number::amount(Some(value), None, At::root())
}

/// Values with the ends of their bands.
fn seen(who: Who, value: f64, low: Option<f64>, high: Option<f64>) -> Seen {
    Seen {
        who,
        size: Number::count(1, At::root()),
        value: number(value),
        low: low.and_then(number),
        high: high.and_then(number),
    }
}

fn look((from, until): (i64, i64), limits: (Option<f64>, Option<f64>), seen: Vec<Seen>) -> Look {
    Look {
        name: line("look"),
        from: (at(from), At::root()),
        until: (at(until), At::root()),
        lowest: limits.0.and_then(number),
        highest: limits.1.and_then(number),
        verdict: (Verdict::Upheld, At::root()),
        seen,
    }
}

/// Two limits that change, values and a limit below zero, and a band that has no upper end.
fn two_sided() -> Chart {
    let group = |value, low, high| {
        vec![
            seen(Who::Control, 12.0, Some(10.0), Some(14.0)),
            seen(Who::Experimental, value, Some(low), high),
        ]
    };
    let single = |who, value: f64| vec![seen(who, value, Some(value - 2.0), Some(value + 1.0))];
    Chart {
        measure: "two-sided".to_owned(),
        description: String::new(),
        unit: None,
        band: "interval",
        opened_at: at(0),
        faults: Some((at(61), at(150))),
        looks: vec![
            look((0, 60), (None, None), single(Who::Baseline, 9.0)),
            look((64, 90), (Some(-4.0), Some(20.0)), group(18.0, 15.0, None)),
            look((64, 120), (Some(-6.0), Some(25.0)), group(-3.0, -8.0, Some(3.0))),
            look((150, 200), (Some(-6.0), Some(25.0)), single(Who::Recovery, 7.0)),
        ],
    }
}

/// All kinds of plots, each with a name.
fn all() -> Vec<(String, Chart, Picture)> {
    let samples = [
        ("upheld", samples::upheld()),
        ("deviated", samples::deviated()),
        ("not recovered", samples::not_recovered()),
        ("under way", samples::running()),
        ("groups", samples::layered()),
        ("groups under way", groups_under_way()),
    ];
    let charts = samples.iter().flat_map(|(name, details)| {
        let charts = charts(details).into_iter();
        charts.map(move |chart| (format!("{name}, {}", chart.measure), chart))
    });
    let all: Vec<_> = charts.chain([("two-sided".to_owned(), two_sided())]).collect();
    assert_eq!(all.len(), 13);
    let drawn = all.into_iter().map(|(name, chart)| {
        let picture = Picture::of(&chart.svg());
        (name, chart, picture)
    });
    drawn.collect()
}

fn secs(chart: &Chart, at: Timestamp) -> f64 {
    at.duration_since(chart.opened_at).as_secs_f64()
}

/// The last second of the plot.
fn end(chart: &Chart) -> f64 {
    let looks = chart.looks.iter().map(|look| look.until.0);
    let ends = looks.chain(chart.faults.map(|faults| faults.1));
    secs(chart, ends.max().unwrap())
}

/// A value, as far as the plot reaches, of someone in a look.
struct Value {
    from: f64,
    until: f64,
    value: f64,
    low: f64,
    high: f64,
}

fn values(chart: &Chart, picture: &Picture, who: &[Who]) -> Vec<Value> {
    let amount = |number: &Option<Number>| number.as_ref().map(|number| number.value);
    let (top, _) = picture.edges();
    let of = |look: &Look, seen: &Seen| {
        let value = amount(&seen.value)?;
        let high = match (amount(&seen.low), amount(&seen.high)) {
            (Some(_), None) => top,
            (_, high) => high.unwrap_or(value),
        };
        Some(Value {
            from: secs(chart, look.from.0),
            until: secs(chart, look.until.0),
            value,
            low: picture.within(amount(&seen.low).unwrap_or(value)),
            high: picture.within(high),
        })
    };
    let looks = chart.looks.iter();
    let values = looks.flat_map(|look| look.seen.iter().map(move |seen| (look, seen)));
    let values = values.filter(|(_, seen)| who.contains(&seen.who));
    values.filter_map(|(look, seen)| of(look, seen)).collect()
}

/// The groups and the metric with the faults, each with its colour.
const DURING: [(RGBColor, &[Who]); 2] = [
    (CONTROL, &[Who::Control]),
    (EXPERIMENTAL, &[Who::Experimental, Who::WithFaults]),
];

#[test]
fn every_value_has_its_marker_and_its_line() {
    let mut markers = 0;
    for (name, chart, picture) in all() {
        for (colour, who) in DURING {
            let values = values(&chart, &picture, who);
            let points: Vec<Point> = values.iter().map(|value| (value.until, value.value)).collect();
            let drawn = match colour {
                CONTROL => picture.triangles(colour.to_rgba()),
                _ => picture.circles(colour.to_rgba()),
            };
            picture.assert_at(&format!("{name}: markers of {who:?}"), &drawn, &points);
            let line = picture.lines(colour.to_rgba(), 2).concat();
            picture.assert_at(&format!("{name}: line of {who:?}"), &line, &points);
            markers += points.len();
        }
    }
    assert!(markers > 30, "{markers}");
}

#[test]
fn groups_are_where_the_record_says() {
    let picture = Picture::of(&chart_of(&groups_under_way(), "failed-orders").svg());
    let control = picture.triangles(CONTROL.to_rgba());
    picture.assert_at("control", &control, &[(74.0, 0.0), (84.0, 0.0)]);
    let experimental = picture.circles(EXPERIMENTAL.to_rgba());
    picture.assert_at("experimental", &experimental, &[(74.0, 20.0), (84.0, 20.83)]);
    let band = [(74.0, 8.995), (84.0, 4.852), (84.0, 0.0), (74.0, 0.0)];
    picture.assert_all_at("band", &picture.areas(CONTROL.mix(BAND)), &[band.to_vec()]);
    let limit = [(64.0, 5.0), (74.0, 5.0), (74.0, 5.0), (84.0, 5.0)];
    picture.assert_all_at("limit", &limits(&picture), &[limit.to_vec()]);
}

#[test]
fn bands_reach_from_one_end_of_the_interval_to_the_other() {
    let (mut bands, mut bars) = (0, 0);
    for (name, chart, picture) in all() {
        for (colour, who) in DURING {
            let values = values(&chart, &picture, who);
            let there = values.iter().map(|value| (value.until, value.high));
            let back = values.iter().rev().map(|value| (value.until, value.low));
            // One look alone has no area.
            let band: Vec<Point> = there.chain(back).filter(|_| values.len() > 1).collect();
            let drawn = picture.areas(colour.mix(BAND));
            picture.assert_at(&format!("{name}: band of {who:?}"), &drawn.concat(), &band);
            bands += drawn.len();
            let ends = values.iter().map(|of| vec![(of.until, of.low), (of.until, of.high)]);
            let drawn = picture.lines(colour.mix(BAR), 1);
            picture.assert_all_at(&format!("{name}: bars of {who:?}"), &drawn, &ends.collect::<Vec<_>>());
            bars += drawn.len();
        }
    }
    assert!(bands > 10 && bars > 30, "{bands} {bars}");
}

#[test]
fn the_baseline_and_the_recovery_are_windows() {
    let mut windows = 0;
    for (name, chart, picture) in all() {
        let values = [&[Who::Baseline][..], &[Who::Recovery]].map(|who| values(&chart, &picture, who));
        let values = values.iter().flatten();
        let corners = values.clone().map(|of| vec![(of.from, of.high), (of.until, of.low)]);
        let drawn = picture.rectangles(BASELINE.mix(BAND));
        picture.assert_all_at(&format!("{name}: bands"), &drawn, &corners.collect::<Vec<_>>());
        let lines = values.clone().map(|of| vec![(of.from, of.value), (of.until, of.value)]);
        let drawn = picture.lines(BASELINE.to_rgba(), 3);
        picture.assert_all_at(&format!("{name}: values"), &drawn, &lines.collect::<Vec<_>>());
        let across = values.map(|of| vec![(of.until, of.value), (end(&chart), of.value)]);
        let drawn = picture.lines(BASELINE.mix(BAR), 1);
        picture.assert_all_at(&format!("{name}: on to the end"), &drawn, &across.collect::<Vec<_>>());
        windows += drawn.len();
    }
    assert!(windows > 15, "{windows}");
}

#[test]
fn the_band_of_a_metric_is_from_its_lowest_to_its_highest_point() {
    let picture = Picture::of(&chart_of(&samples::not_recovered(), "failed-orders").svg());
    let bands = [[(0.0, 0.25), (60.0, 0.25)], [(188.0, 40.0), (248.0, 0.25)]];
    let drawn = picture.rectangles(BASELINE.mix(BAND));
    picture.assert_all_at("bands", &drawn, &bands.map(|band| band.to_vec()));

    let picture = Picture::of(&chart_of(&samples::deviated(), "failed-orders").svg());
    let circles = picture.circles(EXPERIMENTAL.to_rgba());
    picture.assert_at("values", &circles, &[(114.0, 100.0); 3]);
    let bars = picture.lines(EXPERIMENTAL.mix(BAR), 1);
    picture.assert_all_at("bars", &bars, &vec![vec![(114.0, 0.0), (114.0, 100.0)]; 3]);
}

/// The lines of what is tolerated, the lower one first.
fn limits(picture: &Picture) -> Vec<Vec<Point>> {
    let lines = picture.lines(TOLERANCE.to_rgba(), 2).into_iter();
    lines.filter(|line| !line.is_empty()).collect()
}

#[test]
fn what_is_tolerated_is_a_line_on_each_side() {
    let picture = Picture::of(&two_sided().svg());
    let steps = |first: f64, then: f64| {
        let times = [64.0, 90.0, 90.0, 120.0, 150.0, 200.0];
        let heights = [first, first, then, then, then, then];
        times.into_iter().zip(heights).collect::<Vec<Point>>()
    };
    picture.assert_all_at("both", &limits(&picture), &[steps(-4.0, -6.0), steps(20.0, 25.0)]);

    let mut without = two_sided();
    without
        .looks
        .iter_mut()
        .for_each(|look| (look.lowest, look.highest) = (None, None));
    assert!(limits(&Picture::of(&without.svg())).is_empty());
}

#[test]
fn the_limits_of_every_look_are_at_their_values() {
    let mut looks = 0;
    for (name, chart, picture) in all() {
        let limits = limits(&picture);
        let mut shown_until = 0.0;
        for look in &chart.looks {
            // A round begins where the first one does; what is new of it is behind the one before.
            let (from, until) = (secs(&chart, look.from.0).max(shown_until), secs(&chart, look.until.0));
            if until <= from {
                continue;
            }
            shown_until = until;
            let middle = (from + until) / 2.0;
            let drawn = limits.iter().filter_map(|line| {
                let mut steps = line
                    .windows(2)
                    .filter(|step| step[0].0 <= middle && middle <= step[1].0);
                steps.next().map(|step| (middle, step[0].1))
            });
            let expected = [&look.lowest, &look.highest].into_iter().flatten();
            let expected: Vec<Point> = expected.map(|limit| (middle, limit.value)).collect();
            picture.assert_at(&name, &drawn.collect::<Vec<_>>(), &expected);
            looks += expected.len();
        }
    }
    assert!(looks > 20, "{looks}");
}

#[test]
fn the_shade_is_the_time_of_the_faults() {
    for (name, chart, picture) in all() {
        let (top, bottom) = picture.edges();
        let faults = chart
            .faults
            .map(|(from, until)| vec![(secs(&chart, from), top), (secs(&chart, until), bottom)]);
        let drawn = picture.rectangles(EXPERIMENTAL.mix(SHADE));
        picture.assert_all_at(&name, &drawn, &faults.into_iter().collect::<Vec<_>>());
    }
    let picture = Picture::of(&chart_of(&samples::upheld(), "failed-orders").svg());
    let (top, bottom) = picture.edges();
    let drawn = picture.rectangles(EXPERIMENTAL.mix(SHADE));
    picture.assert_all_at("upheld", &drawn, &[vec![(61.0, top), (188.0, bottom)]]);
}

#[test]
fn every_label_of_an_axis_has_its_tick_and_its_line() {
    for (name, chart, picture) in all() {
        let (top, bottom) = picture.edges();
        let (first, last) = (0.0, end(&chart));
        let (times, values) = picture.labels();
        assert!(times.len() > 2 && values.len() > 2, "{name}: {times:?} {values:?}");
        assert!(
            times[0] == first && values.contains(&0.0),
            "{name}: {times:?} {values:?}"
        );
        let upright = times.iter().map(|time| vec![(*time, bottom), (*time, top)]);
        let level = values.iter().map(|value| vec![(first, *value), (last, *value)]);
        let grid: Vec<Vec<Point>> = upright.chain(level).collect();
        picture.assert_all_at(&format!("{name}: grid"), &picture.grid(), &grid);
        let (on_times, on_values) = picture.ticks();
        let expected: Vec<Point> = times.iter().map(|time| (*time, bottom)).collect();
        picture.assert_at(&format!("{name}: ticks of times"), &on_times, &expected);
        let expected: Vec<Point> = values.iter().map(|value| (first, *value)).collect();
        picture.assert_at(&format!("{name}: ticks of values"), &on_values, &expected);
    }
}

#[test]
fn a_wide_band_leaves_values_readable_and_a_narrow_one_is_seen_whole() {
    let chart = |low: f64, high: f64| Chart {
        looks: vec![look(
            (0, 60),
            (None, Some(12.0)),
            vec![seen(Who::Baseline, 10.0, Some(low), Some(high))],
        )],
        ..two_sided()
    };
    let edges = |low, high| Picture::of(&chart(low, high).svg()).edges();
    let (top, bottom) = edges(-1.0, 14.0);
    assert!(
        (13.8..14.3).contains(&top) && (-1.3..-0.8).contains(&bottom),
        "{top} {bottom}"
    );
    // Half of the plot is left for what is between zero and the limit.
    let (top, bottom) = edges(-5000.0, 5000.0);
    assert!(
        (17.5..18.5).contains(&top) && (-6.5..-5.5).contains(&bottom),
        "{top} {bottom}"
    );
}

#[test]
fn the_legend_names_what_is_there() {
    let picture = Picture::of(&chart_of(&groups_under_way(), "failed-orders").svg());
    let names = ["baseline", "control group", "experimental group", "tolerated"];
    assert_eq!(picture.legend(), names);
    assert_eq!(picture.above(BASELINE.mix(BAND)), ["rect"]);
    assert_eq!(picture.above(CONTROL.to_rgba()), ["polyline", "polygon"]);
    assert_eq!(picture.above(EXPERIMENTAL.to_rgba()), ["polyline", "circle"]);
    assert_eq!(picture.above(TOLERANCE.to_rgba()), ["polyline"]);

    let picture = Picture::of(&chart_of(&samples::deviated(), "failed-orders").svg());
    let names = ["baseline", "with the faults", "after the rollback", "tolerated"];
    assert_eq!(picture.legend(), names);
}

#[test]
fn the_unit_is_beside_the_values() {
    let chart = chart_of(&groups_under_way(), "failed-orders");
    assert_eq!(chart.unit.as_deref(), Some("percent"));
    let picture = Picture::of(&chart.svg());
    assert!(picture.words().any(|shape| shape.words == "percent"));
}

#[test]
fn a_measure_of_groups_as_svg() {
    assert_snapshot!(chart_of(&groups_under_way(), "failed-orders").svg());
}
