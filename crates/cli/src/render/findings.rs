//! What was measured.

use inoculate_core::judge::Finding;
use inoculate_core::ports::Measured;

use super::style::Style;
use super::text::{WIDTH, amount, clean, limits, time, wrap};

/// The width of the column that holds a verdict.
const VERDICT: usize = "inconclusive".len();

/// What was found in a window, with its evidence: for results.
pub fn evidence(title: &str, measured: &Measured, style: Style) -> String {
    let window = format!("({} to {})", time(measured.window.from), time(measured.window.until));
    let mut lines = vec![format!("{}\n  {}", style.bold(title), style.dim(&window))];
    lines.extend(measured.findings.iter().map(|finding| sentence(finding, style)));
    lines.join("\n")
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

/// In columns where they fit.
fn row(finding: &Finding, style: Style) -> String {
    let name = finding.measure.as_str();
    let value = clean(&amount(finding.median, finding.unit.as_deref()));
    let limits = limits(finding);
    let limits = clean(&limits);
    let points = format!("{}/{} points", finding.points, finding.expected_points);
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
