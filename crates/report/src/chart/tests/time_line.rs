//! The phases and faults of a run.

use inoculate_core::details::RunDetails;
use insta::assert_snapshot;
use plotters::style::Color;

use super::picture::{Picture, Point};
use super::{NOW, blocks, groups_under_way};
use crate::chart::{Bar, CONTROL, EXPERIMENTAL, INK, TimeLine};
use crate::document::{At, Block, Length};
use crate::samples::{self, at};

/// The dots from one bar to the next.
const ROW: f64 = 38.0;

fn time_line(details: &RunDetails) -> TimeLine {
    let lines = blocks(details).filter_map(|block| match block {
        Block::TimeLine(time_line) => Some(time_line),
        _ => None,
    });
    lines.last().unwrap()
}

fn bar(name: &str, is_fault: bool, from: i64, until: i64) -> Bar {
    Bar {
        name: name.to_owned(),
        is_fault,
        length: Length {
            from: (at(from), At::root()),
            until: (at(until), None),
        },
    }
}

/// Panics unless there are these bars, phases and faults, each with its name above it, one below the other.
fn assert_bars(picture: &Picture, expected: &[(&str, bool, f64, f64)]) {
    let bars = |paint, is_fault| {
        let bars = picture.rectangles(paint).into_iter();
        bars.map(move |corners: Vec<Point>| (is_fault, corners[0], corners[1]))
    };
    let phases = bars(CONTROL.to_rgba(), false);
    let mut drawn: Vec<_> = phases.chain(bars(EXPERIMENTAL.to_rgba(), true)).collect();
    drawn.sort_by(|one, other| one.1.1.total_cmp(&other.1.1));
    assert_eq!(drawn.len(), expected.len(), "{drawn:?}");
    let mut above = 0.0;
    for (number, (drawn, (name, is_fault, from, until))) in drawn.iter().zip(expected).enumerate() {
        let (found, left_top, right_bottom) = drawn;
        assert_eq!(found, is_fault, "{name}");
        let (top, bottom) = (left_top.1, right_bottom.1);
        let first = bottom - ROW * number as f64;
        assert!(
            (20.0..50.0).contains(&first) && bottom - top > 10.0,
            "{name}: {drawn:?}"
        );
        picture.assert_at(name, &[*left_top, *right_bottom], &[(*from, top), (*until, bottom)]);
        let mut words = picture.words().filter(|shape| shape.words == *name);
        let words = words.find(|shape| (above..top).contains(&picture.points(shape)[0].1));
        let words = words.unwrap_or_else(|| panic!("no name between {above} and {top}: {name}"));
        let (x, y) = picture.points(words)[0];
        // It begins or ends where the bar does.
        let side = if words.ends_there() { *until } else { *from };
        picture.assert_at(name, &[(x, y)], &[(side, y)]);
        above = bottom;
    }
}

#[test]
fn phases_and_faults_are_where_they_were() {
    let picture = Picture::of(&time_line(&samples::upheld()).svg());
    assert_bars(
        &picture,
        &[
            ("baseline", false, 0.0, 61.0),
            ("putting faults in place", false, 61.0, 64.0),
            ("faults in place", false, 64.0, 186.0),
            ("rolling back", false, 186.0, 188.0),
            ("recovery", false, 188.0, 250.0),
            ("reserved_concurrency of shop-payments", true, 63.0, 188.0),
        ],
    );
    let picture = Picture::of(&time_line(&samples::layered()).svg());
    let faults = picture.rectangles(EXPERIMENTAL.to_rgba());
    let (top, bottom) = (faults[0][0].1, faults[0][1].1);
    picture.assert_at(
        "fault of invocations",
        &faults.concat(),
        &[(61.0, top), (188.0, bottom)],
    );
}

#[test]
fn what_is_not_over_reaches_to_now() {
    let now = NOW as f64;
    let picture = Picture::of(&time_line(&groups_under_way()).svg());
    assert_bars(
        &picture,
        &[
            ("baseline", false, 0.0, 61.0),
            ("putting faults in place", false, 61.0, 64.0),
            ("faults in place", false, 64.0, now),
            ("latency of shop-payments", true, 61.0, now),
        ],
    );
}

#[test]
fn a_thin_line_is_a_round() {
    let rounds = |details: &RunDetails| {
        let picture = Picture::of(&time_line(details).svg());
        let lines = picture.lines(INK.mix(0.35), 1);
        let times: Vec<f64> = lines.iter().map(|line| line[0].0).collect();
        let height = lines
            .iter()
            .map(|line| (line[0].1 - line[1].1).abs())
            .fold(f64::INFINITY, f64::min);
        assert!(lines.iter().all(|line| line[0].0 == line[1].0), "{lines:?}");
        assert!(lines.is_empty() || height > 3.0 * ROW, "{lines:?}");
        let points: Vec<Point> = times.iter().map(|time| (*time, 0.0)).collect();
        (picture, points)
    };
    let (picture, points) = rounds(&samples::upheld());
    picture.assert_at("upheld", &points, &[(75.0, 0.0), (86.0, 0.0)]);
    let (picture, points) = rounds(&samples::refused());
    picture.assert_at("refused", &points, &[]);
}

#[test]
fn bars_and_names_can_be_seen_and_stay_in_the_picture() {
    let long = "x".repeat(60);
    let time_line = TimeLine {
        opened_at: at(0),
        bars: vec![
            bar("whole", false, 0, 1000),
            bar("moment", false, 100, 100),
            bar("late", true, 900, 950),
            bar(&long, true, 400, 1000),
        ],
        rounds: vec![],
    };
    let picture = Picture::of(&time_line.svg());
    let shown = format!("{} ...", "x".repeat(48));
    let bars = [
        ("whole", false, 0.0, 1000.0),
        ("moment", false, 100.0, 104.0),
        ("late", true, 900.0, 950.0),
        (shown.as_str(), true, 400.0, 1000.0),
    ];
    assert_bars(&picture, &bars);
    let late: Vec<&str> = picture
        .words()
        .filter(|shape| shape.ends_there())
        .map(|shape| shape.words.as_str())
        .collect();
    assert_eq!(late, ["late"]);
}

#[test]
fn a_time_line_as_svg() {
    assert_snapshot!(time_line(&samples::refused()).svg());
}
