//! What is shown of one measure while a run goes on.

use inoculate_core::judge::{Claim, Finding, Relation, Verdict, rounded};
use inoculate_core::names::MeasureName;
use inoculate_core::ports::Measured;

use super::picture::{Interval, range, sparkline};
use super::{Look, Row, View};
use crate::render::text::{amount, limits};

/// Over how many of the last rounds the line of an interval stays the same, so that one sees it closing in.
const STEADY_ROUNDS: usize = 3;

/// The columns of names and values in front of the pictures.
const NAMES: usize = 14;
const VALUES: usize = 18;

/// One measure: its latest finding, and those of the rounds before it.
pub(super) struct Shown<'a> {
    finding: &'a Finding,
    rounds: Vec<&'a Finding>,
    /// Columns for a picture.
    room: usize,
}

impl<'a> Shown<'a> {
    /// Every measure of which something is known: of the faults if there are, else of the baseline.
    pub(super) fn all(view: &'a View, columns: usize) -> Vec<Shown<'a>> {
        let results = &view.results;
        let Some(latest) = results.observations.last().or(results.baseline.as_ref()) else {
            return vec![];
        };
        let room = columns.saturating_sub(2 + NAMES + VALUES + 26).max(8);
        let shown = latest.findings.iter().map(|finding| Shown {
            finding,
            rounds: rounds(&results.observations, &finding.measure),
            room,
        });
        shown.collect()
    }

    /// Everything: the values round by round, and the interval beside its limit.
    pub(super) fn in_full(&self) -> Vec<Row> {
        let mut rows = vec![self.title()];
        rows.extend(self.values());
        rows.extend(self.interval());
        rows
    }

    /// One line.
    pub(super) fn in_brief(&self) -> Row {
        let finding = self.finding;
        let value = amount(finding.median, finding.unit.as_deref());
        let (look, verdict) = verdict(finding.verdict);
        vec![
            (Look::Bold, format!("{:<18} ", finding.measure.as_str())),
            (look, format!("{verdict:<12}  ")),
            (Look::Plain, format!("{value}, {}", limits(finding))),
        ]
    }

    fn title(&self) -> Row {
        let (look, verdict) = verdict(self.finding.verdict);
        vec![
            (Look::Bold, self.finding.measure.to_string()),
            (Look::Plain, "  ".to_owned()),
            (look, verdict),
        ]
    }

    /// A line for each group, or for what was measured where there are none.
    fn values(&self) -> Vec<Row> {
        let of = |value: fn(&Finding) -> Option<f64>| -> Vec<Option<f64>> {
            self.rounds.iter().map(|finding| value(finding)).collect()
        };
        let groups = self.finding.groups.as_ref();
        let has_groups = groups.is_some_and(|groups| groups.control.is_some() && groups.experimental.is_some());
        let lines = if has_groups && !self.rounds.is_empty() {
            vec![("control", of(control)), ("experimental", of(experimental))]
        } else {
            vec![("measured", of(|finding| finding.median))]
        };
        let range = range(lines.iter().flat_map(|(_, values)| values));
        let row = |(name, values): (&str, Vec<Option<f64>>)| {
            let latest = match values.last() {
                Some(value) => *value,
                None => self.finding.median,
            };
            let value = amount(latest, self.finding.unit.as_deref());
            let picture = sparkline(&values, range, self.room);
            vec![
                (Look::Dim, format!("  {name:<NAMES$}")),
                (Look::Plain, format!("{value:<VALUES$}  ")),
                (Look::Plain, picture),
            ]
        };
        lines.into_iter().map(row).collect()
    }

    /// The interval of the limit that the verdict hangs on.
    fn interval(&self) -> Option<Row> {
        let claim = decisive(self.finding).filter(|_| !self.rounds.is_empty())?;
        let from = self.rounds.len().saturating_sub(STEADY_ROUNDS);
        let same = self.rounds[from..].iter().flat_map(|finding| &finding.claims);
        let same = same.filter(|other| other.relation == claim.relation && other.limit == claim.limit);
        let reach = same.filter_map(|other| interval(other).reach()).fold(0.0, f64::max);
        let (look, _) = verdict(claim.verdict);
        Some(vec![
            (Look::Dim, format!("  {:<NAMES$}", "interval")),
            (Look::Plain, format!("{:<VALUES$}  ", between(claim))),
            (look, interval(claim).picture(reach, self.room)),
            (Look::Dim, format!("  {}", tolerated(claim, self.finding))),
        ])
    }
}

fn rounds<'a>(observations: &'a [Measured], measure: &MeasureName) -> Vec<&'a Finding> {
    let findings = observations.iter().map(|round| &round.findings);
    let found = findings.filter_map(|findings| findings.iter().find(|finding| finding.measure == *measure));
    found.collect()
}

fn control(finding: &Finding) -> Option<f64> {
    finding.groups.as_ref()?.control?.value
}

fn experimental(finding: &Finding) -> Option<f64> {
    finding.groups.as_ref()?.experimental?.value
}

/// The limit that a verdict hangs on: the first of those that say the same.
fn decisive(finding: &Finding) -> Option<&Claim> {
    let same = finding.claims.iter().find(|claim| claim.verdict == finding.verdict);
    same.or(finding.claims.first())
}

fn interval(claim: &Claim) -> Interval {
    Interval {
        low: claim.low,
        high: claim.high,
        estimate: claim.effect,
        limit: claim.limit,
    }
}

fn between(claim: &Claim) -> String {
    match (claim.low, claim.high) {
        (Some(low), Some(high)) => format!("{} to {}", rounded(low), rounded(high)),
        (Some(low), None) => format!("from {}", rounded(low)),
        (None, Some(high)) => format!("up to {}", rounded(high)),
        (None, None) => "anything".to_owned(),
    }
}

fn tolerated(claim: &Claim, finding: &Finding) -> String {
    let short = match claim.relation {
        Relation::AboveControl => format!("over control at most {}", rounded(claim.limit)),
        Relation::AboveControlPercent => format!("over control at most {} %", rounded(claim.limit)),
        Relation::RiseFromBaseline => format!("rise at most {} %", rounded(claim.limit)),
        Relation::FallFromBaseline => format!("fall at most {} %", rounded(claim.limit)),
        Relation::AtMost | Relation::AtLeast => {
            let unit = finding.unit.as_deref().unwrap_or_default();
            format!("{} {unit}", claim.relation.tolerated(claim.limit))
        }
    };
    short.trim_end().to_owned()
}

fn verdict(verdict: Verdict) -> (Look, String) {
    let look = match verdict {
        Verdict::Upheld => Look::Good,
        Verdict::Inconclusive => Look::Unsure,
        Verdict::Deviated => Look::Bad,
    };
    (look, verdict.to_string())
}
