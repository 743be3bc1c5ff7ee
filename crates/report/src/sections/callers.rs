//! What the callers of each function experienced, as its layer counted it.

use inoculate_core::details::RunDetails;
use inoculate_core::seen::{GroupSummary, SeenSummary};

use super::{Window, windows};
use crate::document::{At, Block, Inline, Line, Number, Section, Table, line, number_or_dash, text};

/// `None` when no layer counted anything.
pub(super) fn section(details: &RunDetails) -> Option<Section> {
    let windows = windows(details);
    let rows: Vec<Vec<Line>> = windows.iter().flat_map(rows).collect();
    if rows.is_empty() {
        return None;
    }
    let table = Table::new(
        &[
            "function",
            "when",
            "group",
            "requests",
            "met a fault",
            "without an answer",
            "timed out",
            "answered 5xx",
            "p50",
            "p99",
        ],
        rows,
    );
    let mut blocks = vec![Block::Table(table)];
    let problems: Vec<Line> = windows.iter().flat_map(problems).collect();
    if !problems.is_empty() {
        blocks.push(Block::Heading(line("What the layers could not do")));
        blocks.push(Block::List(problems));
    }
    Some(Section {
        id: "callers",
        heading: "What callers experienced",
        blocks,
    })
}

fn seen<'a>(window: &'a Window<'_>) -> impl Iterator<Item = (&'a SeenSummary, At)> {
    let seen = window.measured.seen.iter().enumerate();
    seen.map(|(index, seen)| (seen, window.at.key("seen").item(index)))
}

fn rows(window: &Window<'_>) -> Vec<Vec<Line>> {
    let rows = seen(window).flat_map(|(seen, at)| {
        let groups = [("control", &seen.control), ("experimental", &seen.experimental)];
        groups.map(|(name, group)| {
            let mut row = vec![
                vec![Inline::Code(seen.function.to_string())],
                window.name.clone(),
                line(name),
            ];
            row.extend(counts(group, &at.key(name)));
            row
        })
    });
    rows.collect()
}

fn counts(group: &GroupSummary, at: &At) -> Vec<Line> {
    let count = |value, key| vec![Inline::Number(Number::count(value, at.key(key)))];
    let ms = |value, key| number_or_dash(Number::amount(value, Some("ms"), at.key(key)));
    vec![
        count(group.requests, "requests"),
        count(group.injected, "injected"),
        count(group.errors, "errors"),
        count(group.timeouts, "timeouts"),
        count(group.http_5xx, "http_5xx"),
        ms(group.p50, "p50"),
        ms(group.p99, "p99"),
    ]
}

/// What a layer refused or lost.
fn problems(window: &Window<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    for (seen, at) in seen(window) {
        let start = || {
            let mut start = vec![Inline::Code(seen.function.to_string()), text(", ")];
            start.extend(window.name.clone());
            start.push(text(": "));
            start
        };
        if seen.lost_writes > 0 {
            let lost = Number::count(seen.lost_writes, at.key("lost_writes"));
            let mut words = start();
            words.extend([Inline::Number(lost), text(" writes are not known to have arrived")]);
            lines.push(words);
        }
        for (index, problem) in seen.problems.iter().enumerate() {
            let mut words = start();
            words.push(Inline::Said(problem.clone(), at.key("problems").item(index)));
            lines.push(words);
        }
    }
    lines
}
