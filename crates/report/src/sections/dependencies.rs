//! What the functions saw of their dependencies: for each service that a function called, what its layer counted.

use inoculate_core::calls::CallsSummary;
use inoculate_core::details::RunDetails;
use inoculate_core::seen::SeenSummary;

use super::{Window, windows};
use crate::document::{At, Block, Inline, Line, Number, Section, Table, line, number_or_dash};

/// The columns, in the order of [`counts`].
const HEADS: [&str; 14] = [
    "function",
    "when",
    "group",
    "dependency",
    "calls",
    "met a fault",
    "failed",
    "throttled",
    "retries",
    "p50",
    "p99",
    "requests",
    "with a failed call",
    "failed themselves",
];

/// `None` when no layer saw a call.
pub(super) fn section(details: &RunDetails) -> Option<Section> {
    let rows: Vec<Vec<Line>> = windows(details).iter().flat_map(of_window).collect();
    if rows.is_empty() {
        return None;
    }
    let words = "Each attempt of a call counts by itself, so a retry is one more call. The last three columns count \
                 requests: those that made such calls, those of which at least one such call failed, and of these those \
                 that failed themselves, without an answer or with 5xx.";
    Some(Section {
        id: "dependencies",
        heading: "What dependencies answered",
        blocks: vec![Block::Paragraph(line(words)), Block::Table(Table::new(&HEADS, rows))],
    })
}

fn of_window(window: &Window<'_>) -> Vec<Vec<Line>> {
    let seen = window.measured.seen.iter().enumerate();
    let rows = seen.flat_map(|(index, seen)| of_function(seen, &window.name, &window.at.key("seen").item(index)));
    rows.collect()
}

fn of_function(seen: &SeenSummary, window: &Line, at: &At) -> Vec<Vec<Line>> {
    let groups = [("control", &seen.control), ("experimental", &seen.experimental)];
    let rows = groups.into_iter().flat_map(|(group, summary)| {
        let at = at.key(group).key("calls");
        summary.calls.iter().map(move |(dependency, calls)| {
            let mut row = vec![
                vec![Inline::Code(seen.function.to_string())],
                window.clone(),
                line(group),
                vec![Inline::Code(dependency.clone())],
            ];
            row.extend(counts(calls, &at.name(dependency)));
            row
        })
    });
    rows.collect()
}

/// The numbers of a row. Each field has its column: one that is new is missed here by the compiler.
fn counts(summary: &CallsSummary, at: &At) -> Vec<Line> {
    let CallsSummary {
        calls,
        failed,
        throttled,
        retries,
        injected,
        callers,
        failed_callers,
        noticed,
        p50,
        p99,
    } = *summary;
    let ms = |value, key| number_or_dash(Number::amount(value, Some("ms"), at.key(key)));
    vec![
        count(calls, "calls", at),
        count(injected, "injected", at),
        count(failed, "failed", at),
        count(throttled, "throttled", at),
        count(retries, "retries", at),
        ms(p50, "p50"),
        ms(p99, "p99"),
        count(callers, "callers", at),
        count(failed_callers, "failed_callers", at),
        count(noticed, "noticed", at),
    ]
}

/// A count of a row. The record leaves out what is zero, so that a zero is known from the row, not from a number in it.
fn count(value: u64, key: &str, row: &At) -> Line {
    match value {
        0 => vec![Inline::Of("none".to_owned(), row.clone())],
        value => vec![Inline::Number(Number::count(value, row.key(key)))],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn seen() -> Value {
        json!({
            "function": "shop-payments",
            "stage": "injection",
            "environments": 1,
            "control": { "calls": { "dynamodb GetItem": { "calls": 9, "callers": 8, "p50": 4.5, "p99": 6.5 } } },
            "experimental": { "calls": { "a/b~c": {
                "calls": 30, "failed": 29, "throttled": 28, "retries": 27, "injected": 26, "callers": 25,
                "failed_callers": 24, "noticed": 23, "p50": null, "p99": null,
            } } },
        })
    }

    fn rows(seen: &Value) -> Vec<Vec<Line>> {
        let seen: SeenSummary = serde_json::from_value(seen.clone()).unwrap();
        of_function(&seen, &line("baseline"), &At::root())
    }

    #[test]
    fn every_number_is_below_its_name_and_knows_where_it_is() {
        let seen = seen();
        let row = &rows(&seen)[1];
        assert_eq!(row.len(), HEADS.len());
        let of = |head: &str| {
            let column = HEADS.iter().position(|found| *found == head).unwrap();
            let [Inline::Number(number)] = row[column].as_slice() else {
                panic!("{head}: {:?}", row[column])
            };
            assert_eq!(seen.pointer(number.at.as_str()), Some(&json!(number.value as u64)));
            number.value
        };
        let names = [
            "calls",
            "failed",
            "throttled",
            "retries",
            "met a fault",
            "requests",
            "with a failed call",
            "failed themselves",
        ];
        assert_eq!(names.map(of), [30.0, 29.0, 28.0, 27.0, 26.0, 25.0, 24.0, 23.0]);
    }

    #[test]
    fn what_is_zero_is_known_and_a_time_that_nobody_took_is_not() {
        let rows = rows(&seen());
        let row = At::root().key("control/calls/dynamodb GetItem");
        let none = vec![Inline::Of("none".to_owned(), row.clone())];
        let number = |value, unit, key| number_or_dash(Number::amount(Some(value), unit, row.key(key)));
        assert_eq!(
            rows[0][4..],
            [
                number(9.0, None, "calls"),
                none.clone(),
                none.clone(),
                none.clone(),
                none.clone(),
                number(4.5, Some("ms"), "p50"),
                number(6.5, Some("ms"), "p99"),
                number(8.0, None, "callers"),
                none.clone(),
                none,
            ]
        );
        assert_eq!(rows[1][9..11], [line("–"), line("–")]);
    }

    #[test]
    fn a_function_without_calls_has_no_row() {
        let seen = json!({
            "function": "shop-payments", "stage": "baseline", "environments": 1, "control": {}, "experimental": {},
        });
        assert!(rows(&seen).is_empty());
    }
}
