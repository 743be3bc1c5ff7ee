use inoculate_core::run::{Cause, Ending, Event};
use insta::assert_snapshot;

use super::*;
use crate::render::samples::{self, at};
use inoculate_core::details::RunDetails;

const WIDE: Size = Size { columns: 120, rows: 40 };
const USUAL: Size = Size { columns: 80, rows: 24 };
const TINY: Size = Size { columns: 30, rows: 5 };

fn view(details: RunDetails) -> View {
    View {
        id: details.run.id.clone(),
        run: Some(details.run),
        experiment: details.experiment,
        results: details.results,
        asked: Asked::Nothing,
    }
}

fn drawn(view: &View, secs: i64, size: Size) -> String {
    let lines = lines(view, at(secs), size, Style::PLAIN);
    assert!(lines.len() < size.rows, "{} lines", lines.len());
    for line in &lines {
        assert!(width(line) < size.columns, "too wide: {line}");
    }
    lines.join("\n")
}

/// The faults of a run with groups are in place, and these rounds are over.
fn with_groups(rounds: &[(u64, u64)]) -> View {
    let mut view = view(samples::layered_under_way(rounds));
    view.run.as_mut().unwrap().phase = Phase::Injected;
    view
}

const ROUNDS: [(u64, u64); 6] = [(4, 0), (12, 1), (40, 2), (90, 3), (180, 6), (320, 9)];

#[test]
fn a_run_with_groups_at_80_and_120_columns() {
    let view = with_groups(&ROUNDS);
    assert_snapshot!("groups_at_80", drawn(&view, 130, USUAL));
    assert_snapshot!("groups_at_120", drawn(&view, 130, WIDE));
}

#[test]
fn the_interval_closes_in() {
    let shown: Vec<String> = [1, 3, 6]
        .map(|rounds| drawn(&with_groups(&ROUNDS[..rounds]), 100, USUAL))
        .into_iter()
        .flat_map(|lines| {
            lines
                .lines()
                .filter(|line| line.contains("interval"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_run_of_metrics_at_80_columns() {
    assert_snapshot!(drawn(&view(samples::running()), 90, USUAL));
}

#[test]
fn a_tiny_terminal_shows_what_matters_most() {
    let groups = with_groups(&ROUNDS);
    assert_snapshot!("tiny", drawn(&groups, 130, TINY));
    let low = Size { columns: 80, rows: 8 };
    assert_snapshot!("eight_rows", drawn(&groups, 130, low));
    for rows in 1..30 {
        for columns in [1, 2, 10, 59, 60, 61, 200] {
            let lines = lines(&groups, at(130), Size { columns, rows }, Style::PLAIN);
            assert!(lines.len() <= rows.saturating_sub(1).max(1), "{rows} rows");
            assert!(lines.iter().all(|line| width(line) < columns), "{columns} columns");
        }
    }
}

#[test]
fn phase_by_phase() {
    let mut run = view(samples::running());
    run.results = Results::default();
    let mut shown = vec![drawn(&View::new(run.id.clone()), 0, USUAL)];
    let record = run.run.as_mut().unwrap();
    record.phase = Phase::Opened;
    shown.push(drawn(&run, 12, USUAL));
    run.asked = Asked::Abort;
    shown.push(drawn(&run, 13, USUAL));
    run.asked = Asked::Aborting;
    shown.push(drawn(&run, 14, USUAL));
    run.asked = Asked::Nothing;
    let record = run.run.as_mut().unwrap();
    record.phase = Phase::RolledBack;
    record.rolled_back_at = Some(at(100));
    shown.push(drawn(&run, 120, USUAL));
    shown.push(drawn(&view(samples::rollback_failed()), 95, USUAL));
    let refused = samples::refused();
    let mut refused = view(refused);
    refused.run.as_mut().unwrap().phase = Phase::RollingBack;
    shown.push(drawn(&refused, 62, USUAL));
    assert_snapshot!(shown.join("\n---\n"));
}

#[test]
fn colour_changes_no_letter() {
    let view = with_groups(&ROUNDS);
    let colourful = Style {
        terminal: true,
        colour: true,
    };
    let plain = lines(&view, at(130), USUAL, Style::PLAIN);
    let painted = lines(&view, at(130), USUAL, colourful);
    let widths = |lines: &[String]| lines.iter().map(|line| width(line)).collect::<Vec<_>>();
    assert_eq!(widths(&plain), widths(&painted));
    assert!(painted.iter().any(|line| line.contains("\x1b[")));
    assert!(plain.iter().all(|line| !line.contains('\x1b')));
}

#[test]
fn what_is_ending_already_is_not_aborted() {
    let mut view = view(samples::running());
    assert!(view.may_abort());
    let began = Event::RollbackBegan {
        ending: Ending {
            status: Status::Aborted,
            cause: Cause::Alarm,
            detail: "an alarm".to_owned(),
        },
    };
    view.run = view.run.map(|run| run.after(&began, at(90)).unwrap());
    assert!(!view.may_abort());
}
