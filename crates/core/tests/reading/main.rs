//! What people see when an experiment is not right: every mistake, at its place, with what would be right.
//!
//! Each case edits [`VALID`] and marks with `«` where its mistakes are; the test checks that problems are reported at
//! just these places. What they say is in `snapshots/`. After a change: `INSTA_UPDATE=always cargo test -p
//! inoculate-core --test reading`, then read the difference as a person with a broken file would.

#![expect(clippy::expect_used, reason = "a helper of a test fails the test")]

use inoculate_core::read::{Problem, experiment_from_text};

mod alarms;
mod cases;
mod guards;

use alarms::*;
use cases::*;
use guards::*;

fn edited(edits: Edits) -> String {
    let mut text = VALID.to_owned();
    for (from, to) in edits {
        assert!(text.contains(from), "{from:?} is not in the valid experiment");
        text = text.replacen(from, to, 1);
    }
    text
}

/// Where the marks are, and the text without them.
fn without_marks(marked: &str) -> (Vec<(usize, usize)>, String) {
    let mut places = Vec::new();
    for (number, line) in marked.lines().enumerate() {
        let mut column = 1;
        for letter in line.chars() {
            if letter == '«' {
                places.push((number + 1, column));
            } else {
                column += 1;
            }
        }
    }
    (places, marked.replace('«', ""))
}

/// The problems as a person may see them: the line, a pointer at the column, what is wrong, what would be right.
fn shown(text: &str, problems: &[Problem]) -> String {
    let mut shown = String::new();
    for problem in problems {
        if let Some(place) = problem.place {
            let line: String = text
                .lines()
                .nth(place.line - 1)
                .unwrap_or_default()
                .chars()
                .take(100)
                .collect();
            let line = line.replace('\t', " ");
            shown += &format!("{:>4} | {line}\n     | {}^\n", place.line, " ".repeat(place.column - 1));
        }
        shown += &format!("     {}\n", problem.message);
        if let Some(help) = &problem.help {
            shown += &format!("     help: {help}\n");
        }
    }
    shown
}

/// Checks the places of every case, and returns what is said.
fn catalogue(cases: &[(&str, Edits)]) -> String {
    let mut catalogue = String::new();
    for (name, edits) in cases {
        let (expected, text) = without_marks(&edited(edits));
        let problems = experiment_from_text(&text).expect_err(name);
        let said = shown(&text, &problems);
        let mut places: Vec<_> = problems
            .iter()
            .filter_map(|p| p.place)
            .map(|p| (p.line, p.column))
            .collect();
        assert_eq!(places.len(), problems.len(), "{name}: a problem has no place\n{said}");
        assert!(
            problems.iter().all(|problem| problem.help.is_some()),
            "{name}: no help\n{said}"
        );
        assert!(places.is_sorted(), "{name}: not in the order of the text\n{said}");
        places.dedup();
        assert_eq!(places, expected, "{name}: wrong places\n{said}");
        catalogue += &format!("## {name}\n{said}\n");
    }
    catalogue
}

#[test]
fn the_experiment_that_the_cases_start_from_is_valid() {
    experiment_from_text(VALID).unwrap();
}

#[test]
fn fields() {
    insta::assert_snapshot!(catalogue(BAD_FIELDS));
}

#[test]
fn values() {
    insta::assert_snapshot!(catalogue(BAD_VALUES));
}

#[test]
fn faults() {
    insta::assert_snapshot!(catalogue(BAD_FAULTS));
}

#[test]
fn faults_of_the_layer() {
    for (name, edits) in GOOD_LAYER {
        if let Err(problems) = experiment_from_text(&edited(edits)) {
            panic!("{name}: {problems:#?}");
        }
    }
    insta::assert_snapshot!(catalogue(BAD_LAYER));
}

#[test]
fn alarms_that_a_run_makes_for_itself() {
    for (name, edits) in GOOD_ALARMS {
        if let Err(problems) = experiment_from_text(&edited(edits)) {
            panic!("{name}: {problems:#?}");
        }
    }
    insta::assert_snapshot!(catalogue(BAD_ALARMS));
}

#[test]
fn environments_tags_and_time_windows() {
    for (name, edits) in GOOD_GUARDS {
        if let Err(problems) = experiment_from_text(&edited(edits)) {
            panic!("{name}: {problems:#?}");
        }
    }
    insta::assert_snapshot!(catalogue(BAD_GUARDS));
}

#[test]
fn things_that_do_not_fit_together() {
    insta::assert_snapshot!(catalogue(BAD_FIT));
}

#[test]
fn text_that_cannot_be_read() {
    insta::assert_snapshot!(catalogue(BAD_TEXT));
}

#[test]
fn several_mistakes_at_once() {
    insta::assert_snapshot!(catalogue(BAD_TOGETHER));
}
