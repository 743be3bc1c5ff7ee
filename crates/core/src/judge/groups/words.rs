//! A finding of groups in one sentence.

use super::{Estimate, Finding, Judging, Reason, Relation, Verdict};
use crate::experiment::Statistic;
use crate::judge::{Claim, rounded};
use crate::layer::Stage;

impl Relation {
    /// A limit in words.
    pub fn tolerated(self, limit: f64) -> String {
        let limit = rounded(limit);
        match self {
            Relation::AtMost => format!("at most {limit}"),
            Relation::AtLeast => format!("at least {limit}"),
            Relation::RiseFromBaseline => format!("at most {limit} percent above the baseline"),
            Relation::FallFromBaseline => format!("at most {limit} percent below the baseline"),
            Relation::AboveControl => format!("at most {limit} above the control group"),
            Relation::AboveControlPercent => format!("at most {limit} percent above the control group"),
        }
    }
}

impl Judging<'_> {
    pub(super) fn sentence(&self, finding: &Finding, limits: &[(Relation, f64)]) -> String {
        let function = &self.layer.function;
        let Some(subject) = self.subject else {
            let group = self.group();
            return format!(
                "the layer of {function} saw no request{group}; is it attached? `inoculate doctor {function}`"
            );
        };
        if finding.reason == Reason::TooFewRequests {
            return self.too_few(subject);
        }
        // The claim that the verdict is about; of an upheld one, the first.
        let worst = finding.claims.iter().find(|claim| claim.verdict == finding.verdict);
        let what = self.seen(&subject, finding, worst.or(finding.claims.first()));
        let all: Vec<String> = self
            .tested(limits)
            .map(|(relation, limit)| relation.tolerated(limit))
            .collect();
        let all = all.join(" and ");
        let limit = worst.map_or(all.clone(), |claim| claim.relation.tolerated(claim.limit));
        match finding.reason {
            Reason::Beyond => format!("{what}; beyond the tolerance: {limit}"),
            Reason::Uncertain if self.window.stage == Stage::Injection => {
                format!("{what}; too few to tell: {limit}; {}", more(finding))
            }
            Reason::Uncertain => format!("{what}; not within the tolerance: {limit}"),
            Reason::NoBaseline => format!("{what}; there is nothing to compare with"),
            Reason::GroupsDiffer => self.differing(finding),
            Reason::SampleRatio => self.ratio(&what),
            _ if all.is_empty() => format!("{what}; tolerated: anything, as it is what the run will be compared with"),
            _ => format!("{what}; tolerated: {all}"),
        }
    }

    /// What was seen of the subject and of what it is compared with, and the effect with its interval.
    fn seen(&self, subject: &Estimate, finding: &Finding, claim: Option<&Claim>) -> String {
        let group = self.group();
        let control = match &self.compared.control {
            _ if group.is_empty() => String::new(),
            Some(control) => format!(", {} of the control group", self.said(control, finding)),
            None => ", and no control group".to_owned(),
        };
        let said = self.said(subject, finding);
        match claim.filter(|claim| !claim.relation.is_absolute()) {
            Some(claim) => {
                let effect = claim.effect.map_or("unknown".to_owned(), rounded);
                let effect = match claim.relation {
                    Relation::AboveControl => format!("a difference of {effect}"),
                    Relation::AboveControlPercent => format!("a difference of {effect} percent"),
                    Relation::RiseFromBaseline => format!("{effect} percent above the baseline"),
                    _ => format!("{effect} percent below the baseline"),
                };
                let range = range(claim.low, claim.high);
                format!("{said}{group}{control}: {effect} ({range})")
            }
            None => {
                let range = range(Some(subject.interval.low), subject.interval.high);
                format!("{said}{group} ({range}){control}")
            }
        }
    }

    fn said(&self, estimate: &Estimate, finding: &Finding) -> String {
        let unit = finding.unit.as_deref().unwrap_or_default();
        let (value, requests) = (estimate.value.map_or("?".to_owned(), rounded), estimate.requests);
        match self.layer.statistic {
            Statistic::ErrorRate | Statistic::Http5xxRate | Statistic::TimeoutRate => {
                format!("{value} {unit} of {requests} requests")
            }
            Statistic::RequestsPerSecond => format!("{value} {unit} in {requests} requests"),
            Statistic::Percentile(_) => format!("{} {value} {unit} of {requests} requests", self.layer.statistic),
        }
    }

    /// Whose requests it is about, where that is not all of them.
    fn group(&self) -> &'static str {
        match self.window.stage {
            Stage::Injection if self.layer.statistic != Statistic::RequestsPerSecond => " of the experimental group",
            _ => "",
        }
    }

    fn too_few(&self, subject: Estimate) -> String {
        let (function, fewest) = (&self.layer.function, self.layer.min_requests);
        let (few, whose) = match self.compared.control {
            Some(control) if subject.requests >= u64::from(fewest) => (control.requests, " of the control group"),
            _ => (subject.requests, self.group()),
        };
        format!("the layer of {function} saw {few} requests{whose}, {fewest} are needed")
    }

    fn differing(&self, finding: &Finding) -> String {
        let said = |estimate: &Option<Estimate>| estimate.as_ref().map(|one| self.said(one, finding));
        let one = said(&self.compared.control).unwrap_or_default();
        let other = said(&self.compared.experimental).unwrap_or_default();
        format!("the groups differ although there is no fault: {one} without, {other} with")
    }

    fn ratio(&self, what: &str) -> String {
        let seen = self.window.seen;
        let (control, experimental) = (seen.control.requests, seen.experimental.requests);
        let share = 100.0 * experimental as f64 / (control.saturating_add(experimental)).max(1) as f64;
        let percent = rounded(self.window.percent);
        let why = match self.window.stage {
            Stage::Injection => "requests were lost or came again, which can hide harm",
            _ => "many requests have the same key, so chance does not choose the groups",
        };
        format!(
            "{what}; but the experimental group has {} percent of the requests, where it should have {percent}: {why}",
            rounded(share)
        )
    }
}

fn range(low: Option<f64>, high: Option<f64>) -> String {
    match (low.map(rounded), high.map(rounded)) {
        (Some(low), Some(high)) => format!("between {low} and {high}"),
        (Some(low), None) => format!("at least {low}"),
        (None, Some(high)) => format!("at most {high}"),
        (None, None) => "it may be anything".to_owned(),
    }
}

/// How many more requests would tell.
fn more(finding: &Finding) -> String {
    let open = finding
        .claims
        .iter()
        .filter(|claim| claim.verdict == Verdict::Inconclusive);
    let needed: Option<Vec<u64>> = open.map(|claim| claim.needed).collect();
    match needed.and_then(|needed| needed.into_iter().max()) {
        Some(needed) => format!("about {} more requests like these would tell", roughly(needed)),
        None => "no number of requests like these would tell".to_owned(),
    }
}

/// Two digits are as much as is known.
pub(crate) fn roughly(count: u64) -> u64 {
    let step = 10_u64.saturating_pow(count.checked_ilog10().unwrap_or(0).saturating_sub(1));
    count.div_ceil(step).saturating_mul(step)
}
