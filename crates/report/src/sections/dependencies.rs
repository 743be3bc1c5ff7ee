//! What the functions saw of their dependencies: for each service that a function called, what its layer counted.
//!
//! The counts are read from the record as it is written (`calls` of a group), whatever they are: each has a column of its own.

use inoculate_core::details::RunDetails;
use serde_json::{Map, Value};

use super::{Window, windows};
use crate::document::{At, Block, Inline, Line, Number, Section, Table, line, number_or_dash};

/// The field of a group that holds its calls, by the name of the dependency.
const CALLS: &str = "calls";

/// What was counted of the calls of one group to one dependency.
struct Row {
    /// Function, window, group and dependency.
    names: [Line; 4],
    counts: Map<String, Value>,
    at: At,
}

/// `None` when no layer saw a call.
pub(super) fn section(details: &RunDetails) -> Option<Section> {
    let rows: Vec<Row> = windows(details).iter().flat_map(of_window).collect();
    let table = table(&rows)?;
    let words = "Each attempt of a call counts by itself, so a retry is one more call.";
    Some(Section {
        id: "dependencies",
        heading: "What dependencies answered",
        blocks: vec![Block::Paragraph(line(words)), Block::Table(table)],
    })
}

fn of_window(window: &Window<'_>) -> Vec<Row> {
    let seen = window.measured.seen.iter().enumerate();
    let rows = seen.flat_map(|(index, seen)| {
        let value = serde_json::to_value(seen).unwrap_or_default();
        let at = window.at.key("seen").item(index);
        of_function(seen.function.as_str(), &window.name, &value, &at)
    });
    rows.collect()
}

fn of_function(function: &str, window: &Line, seen: &Value, at: &At) -> Vec<Row> {
    let mut rows = Vec::new();
    for group in ["control", "experimental"] {
        let calls = seen
            .get(group)
            .and_then(|counts| counts.get(CALLS))
            .and_then(Value::as_object);
        for (name, counts) in calls.into_iter().flatten() {
            let names = [
                vec![Inline::Code(function.to_owned())],
                window.clone(),
                line(group),
                vec![Inline::Code(name.clone())],
            ];
            rows.extend(counts.as_object().map(|counts| Row {
                names,
                counts: counts.clone(),
                at: at.key(group).key(CALLS).name(name),
            }));
        }
    }
    rows
}

/// `None` without rows. The columns are all numbers that there are, in the order in which they come.
fn table(rows: &[Row]) -> Option<Table> {
    let mut columns: Vec<&str> = Vec::new();
    for (key, value) in rows.iter().flat_map(|row| &row.counts) {
        if value.is_number() && !columns.contains(&key.as_str()) {
            columns.push(key);
        }
    }
    let mut heads: Vec<String> = ["function", "when", "group", "dependency"].map(str::to_owned).to_vec();
    heads.extend(columns.iter().map(|column| column.replace('_', " ")));
    let cells = rows.iter().map(|row| {
        let counts = columns.iter().map(|column| {
            let value = row.counts.get(*column).and_then(Value::as_f64);
            number_or_dash(Number::amount(value, unit(column), row.at.name(column)))
        });
        row.names.iter().cloned().chain(counts).collect()
    });
    (!rows.is_empty()).then(|| Table {
        heads,
        rows: cells.collect(),
    })
}

/// Percentiles are of durations, in milliseconds.
fn unit(column: &str) -> Option<&'static str> {
    let is_percentile = column
        .strip_prefix('p')
        .is_some_and(|digits| digits.parse::<u8>().is_ok());
    is_percentile.then_some("ms")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whatever_was_counted_of_calls_is_a_column() {
        let seen = json!({
            "control": { "requests": 9, "calls": { "dynamodb GetItem": { "calls": 9, "p50": 4.5 } } },
            "experimental": { "calls": { "a/b~c": { "calls": 30, "failed_callers": 2, "p50": null } } },
        });
        let at = At::root().key("seen/0");
        let rows = of_function("shop-payments", &line("baseline"), &seen, &at);
        let table = table(&rows).unwrap();
        let heads: Vec<&str> = table.heads.iter().map(String::as_str).collect();
        assert_eq!(
            heads,
            [
                "function",
                "when",
                "group",
                "dependency",
                "calls",
                "p50",
                "failed callers"
            ]
        );
        let row = |index: usize| table.rows[index][4..].to_vec();
        let number = |value, unit, at: &str| {
            let mut place = At::root();
            for part in at.split('!') {
                place = place.name(part);
            }
            number_or_dash(Number::amount(Some(value), unit, place))
        };
        let calls = "seen!0!control!calls!dynamodb GetItem";
        assert_eq!(
            row(0),
            [
                number(9.0, None, &format!("{calls}!calls")),
                number(4.5, Some("ms"), &format!("{calls}!p50")),
                line("–")
            ]
        );
        let calls = "seen!0!experimental!calls!a/b~c";
        assert_eq!(
            row(1),
            [
                number(30.0, None, &format!("{calls}!calls")),
                line("–"),
                number(2.0, None, &format!("{calls}!failed_callers"))
            ]
        );
        let place = At::root().name("a/b~c").name("calls");
        assert_eq!(json!({"a/b~c": {"calls": 1}}).pointer(place.as_str()), Some(&json!(1)));
        assert!(super::table(&of_function("shop-payments", &line("baseline"), &json!({}), &at)).is_none());
    }
}
