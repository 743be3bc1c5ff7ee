//! What was measured.

use inoculate_core::judge::{Compared, Estimate, Finding, rounded};
use inoculate_core::layer::Stage;
use inoculate_core::ports::Measured;
use inoculate_core::seen::{GroupSummary, SeenSummary};

use super::calls::calls;
use super::style::Style;
use super::text::{WIDTH, amount, clean, count, limits, time, wrap};

/// The width of the column that holds a verdict.
pub(super) const VERDICT: usize = "inconclusive".len();

/// What was found in a window, with its evidence: for results.
pub fn evidence(title: &str, measured: &Measured, style: Style) -> String {
    let window = format!("({} to {})", time(measured.window.from), time(measured.window.until));
    let mut lines = vec![format!("{}\n  {}", style.bold(title), style.dim(&window))];
    lines.extend(measured.findings.iter().map(|finding| sentence(finding, style)));
    lines.extend(measured.seen.iter().map(|seen| callers(seen, style)));
    lines.join("\n")
}

/// What the callers of a function experienced, for each group, and what its layer could not do.
fn callers(seen: &SeenSummary, style: Style) -> String {
    let environments = count(usize::try_from(seen.environments).unwrap_or(usize::MAX), "environment");
    let mut lines = vec![format!(
        "  {}",
        style.dim(&format!("{}, {environments}", seen.function))
    )];
    let groups = [("control", &seen.control), ("experimental", &seen.experimental)];
    let groups = groups.into_iter().filter(|(_, group)| group.requests > 0);
    lines.extend(groups.map(|(name, group)| wrap(&format!("    {name:<VERDICT$}  "), &experienced(group))));
    lines.extend(calls(seen));
    if seen.requests() == 0 {
        lines.push("    the layer saw no request".to_owned());
    }
    if seen.lost_writes > 0 {
        lines.push(wrap(
            "    ",
            &format!("{} not known to have arrived", count_writes(seen.lost_writes)),
        ));
    }
    let refused = seen.problems.iter().map(|problem| wrap("    refused  ", problem));
    lines.extend(refused.map(|line| style.unsure(&line)));
    lines.join("\n")
}

fn count_writes(writes: u64) -> String {
    count(usize::try_from(writes).unwrap_or(usize::MAX), "write")
}

fn experienced(group: &GroupSummary) -> String {
    let mut said = vec![count(usize::try_from(group.requests).unwrap_or(usize::MAX), "request")];
    for (number, what) in [
        (group.errors, "without an answer"),
        (group.timeouts, "timed out"),
        (group.http_5xx, "answered 5xx"),
        (group.injected, "met a fault"),
    ] {
        if number > 0 {
            said.push(format!("{number} {what}"));
        }
    }
    for (quantile, name) in [(group.p50, "p50"), (group.p99, "p99")] {
        said.extend(quantile.map(|ms| format!("{name} {} ms", rounded(ms))));
    }
    said.join(", ")
}

fn sentence(finding: &Finding, style: Style) -> String {
    let verdict = format!("{:<VERDICT$}", finding.verdict.to_string());
    let text = wrap(
        &format!("  {verdict}  "),
        &format!("{}: {}", finding.measure, finding.sentence),
    );
    text.replacen(&verdict, &style.verdict(finding.verdict, &verdict), 1)
}

/// What was found, one line a measure: for progress.
pub fn brief(findings: &[Finding], style: Style) -> String {
    let lines: Vec<String> = findings.iter().map(|finding| row(finding, style)).collect();
    lines.join("\n")
}

/// How many requests a finding rests on: with the fault, and without.
fn requests(compared: &Compared) -> String {
    let of = |estimate: &Option<Estimate>| estimate.map_or(0, |estimate| estimate.requests);
    match (compared.stage, &compared.control) {
        (Stage::Injection, Some(_)) => format!("{}+{} req", of(&compared.experimental), of(&compared.control)),
        (Stage::Injection, None) => format!("{} requests", of(&compared.experimental)),
        _ => format!("{} requests", of(&compared.all)),
    }
}

/// In columns where they fit.
fn row(finding: &Finding, style: Style) -> String {
    let name = finding.measure.as_str();
    let value = clean(&amount(finding.median, finding.unit.as_deref()));
    let limits = limits(finding);
    let limits = clean(&limits);
    let points = match &finding.groups {
        None => format!("{}/{} points", finding.points, finding.expected_points),
        Some(compared) => requests(compared),
    };
    let verdict = finding.verdict.to_string();
    let columns = format!("    {name:<16} {value:<12} {limits:<19} {points:<12} {verdict}");
    let text = if columns.chars().count() <= WIDTH {
        columns
    } else {
        wrap("    ", &format!("{name}: {value}, {limits}, {points}, {verdict}"))
    };
    match text.strip_suffix(&verdict) {
        Some(before) => format!("{before}{}", style.verdict(finding.verdict, &verdict)),
        None => text,
    }
}
