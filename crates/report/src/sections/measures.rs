//! What was measured: the evidence of the verdict.

use inoculate_core::details::RunDetails;
use inoculate_core::judge::{Claim, Relation};
use jiff::Timestamp;

use super::{Window, baseline, looks, recovery, with_faults};
use crate::chart::{Seen, Who, range, tolerated};
use crate::document::{At, Block, Inline, Line, Number, Section, Table, line, number_or_dash, text};

/// `None` when nothing was measured.
pub(super) fn section(details: &RunDetails, now: Timestamp) -> Option<Section> {
    let names = measures(details);
    baseline(details).or_else(|| with_faults(details))?;
    let mut blocks = vec![Block::Table(overview(details, &names, now))];
    blocks.push(Block::Paragraph(line(
        "A round counts everything since the faults were in place. For what the layer counted, the band around a value \
         is the interval in which the judge takes the true value to be, at every look; for a metric it reaches from \
         the lowest to the highest point. The shade behind the plot is the time in which there may have been a fault.",
    )));
    for name in &names {
        blocks.extend(measure(details, name, now));
    }
    Some(Section {
        id: "measures",
        heading: "Measures",
        blocks,
    })
}

/// The names of all measures, in the order of the experiment.
fn measures(details: &RunDetails) -> Vec<String> {
    match &details.experiment {
        Some(experiment) => experiment
            .steady_state
            .iter()
            .map(|measure| measure.name.to_string())
            .collect(),
        None => {
            let window = with_faults(details).or_else(|| baseline(details));
            let findings = window.iter().flat_map(|window| &window.measured.findings);
            findings.map(|finding| finding.measure.to_string()).collect()
        }
    }
}

/// A line for each measure: before, with and after the faults.
fn overview(details: &RunDetails, names: &[String], now: Timestamp) -> Table {
    let rows = names.iter().map(|name| {
        let chart = looks::chart(details, name, now);
        // The last look has the most data.
        let value = |of: &[Who]| {
            let mut seen = chart.looks.iter().rev().flat_map(|look| &look.seen);
            number_or_dash(
                seen.find(|seen| of.contains(&seen.who))
                    .and_then(|seen: &Seen| seen.value.clone()),
            )
        };
        let window = with_faults(details).or_else(|| baseline(details));
        let found = window.as_ref().and_then(|window| window.finding(name));
        let limits = found.as_ref().map_or_else(Line::new, |(finding, at)| {
            let limit = |value, side| Number::amount(value, finding.unit.as_deref(), at.key("limits").key(side));
            tolerated(limit(finding.limits.low, "low"), limit(finding.limits.high, "high"))
        });
        let verdict = found.map(|(finding, at)| Inline::Verdict(finding.verdict, at.key("verdict")));
        let mut verdict: Line = verdict.into_iter().collect();
        // It says nothing of the faults.
        if with_faults(details).is_none() {
            verdict.push(text(" before the faults"));
        }
        vec![
            vec![Inline::Code(name.clone())],
            value(&[Who::Baseline]),
            value(&[Who::Control]),
            value(&[Who::Experimental, Who::WithFaults]),
            value(&[Who::Recovery]),
            limits,
            verdict,
        ]
    });
    Table::new(
        &[
            "measure",
            "baseline",
            "control group",
            "with the faults",
            "after the rollback",
            "tolerated",
            "verdict",
        ],
        rows.collect(),
    )
}

/// One measure: what was found in each window and why, over time, and limit by limit.
fn measure(details: &RunDetails, name: &str, now: Timestamp) -> Vec<Block> {
    let windows = [baseline(details), with_faults(details), recovery(details)];
    let said = windows.iter().flatten().filter_map(|window| sentence(window, name));
    let mut blocks = vec![
        Block::Heading(vec![Inline::Code(name.to_owned())]),
        Block::List(said.collect()),
        Block::Chart(looks::chart(details, name, now)),
    ];
    blocks.extend(with_faults(details).and_then(|window| claims(&window, name)));
    blocks
}

fn sentence(window: &Window<'_>, measure: &str) -> Option<Line> {
    let (finding, at) = window.finding(measure)?;
    let mut said = window.name.clone();
    said.extend([
        text(": "),
        Inline::Verdict(finding.verdict, at.key("verdict")),
        text(": "),
        Inline::Said(finding.sentence.clone(), at.key("sentence")),
    ]);
    Some(said)
}

/// What was found for each limit of the tolerance; `None` when none was tested.
fn claims(window: &Window<'_>, measure: &str) -> Option<Block> {
    let (finding, at) = window.finding(measure)?;
    let at = at.key("claims");
    let rows = finding.claims.iter().enumerate();
    let rows: Vec<Vec<Line>> = rows
        .map(|(index, one)| claim(one, finding.unit.as_deref(), &at.item(index)))
        .collect();
    (!rows.is_empty()).then(|| {
        Block::Table(Table::new(
            &[
                "limit",
                "of",
                "found",
                "interval",
                "verdict",
                "more requests or points that would tell",
            ],
            rows,
        ))
    })
}

fn claim(claim: &Claim, unit: Option<&str>, at: &At) -> Vec<Line> {
    let (what, unit) = match claim.relation {
        Relation::AtMost => ("the value, at most", unit),
        Relation::AtLeast => ("the value, at least", unit),
        Relation::RiseFromBaseline => ("the rise over the baseline, at most", Some("percent")),
        Relation::FallFromBaseline => ("the fall under the baseline, at most", Some("percent")),
        Relation::AboveControl => ("the difference to the control group, at most", unit),
        Relation::AboveControlPercent => ("the difference to the control group, at most", Some("percent")),
    };
    let amount = |value, key| Number::amount(value, unit, at.key(key));
    vec![
        line(what),
        number_or_dash(amount(Some(claim.limit), "limit")),
        number_or_dash(amount(claim.effect, "effect")),
        range(amount(claim.low, "low"), amount(claim.high, "high")),
        vec![Inline::Verdict(claim.verdict, at.key("verdict"))],
        number_or_dash(claim.needed.map(|needed| Number::count(needed, at.key("needed")))),
    ]
}
