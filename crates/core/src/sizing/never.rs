//! Whether the data could tell anything at all.

use super::chance::Chance;
use super::fabricate::{counts, extreme};
use super::truth::Truth;
use super::{Case, DOUBT, Requests};
use crate::experiment::Statistic;
use crate::judge::{Reason, Relation, Verdict, compared, verdicts};
use crate::layer::Stage;
use crate::sketch::Seen;

/// Where there are too few requests, and how many there will be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooFew {
    /// The baseline has fewer than the measure asks for.
    InBaseline(u64),
    /// There is no outcome of so many that could be judged.
    WithFaults(Requests),
}

impl Case<'_> {
    /// Where there will be too few requests for any verdict, even if [`DOUBT`] times as many come as in the busiest minutes.
    /// Nothing if some outcome could be judged, or if too little is known to say.
    pub(super) fn never_tells(&self) -> Vec<TooFew> {
        // With 0 percent nobody meets the fault: a rehearsal, and meant to be one.
        let is_rehearsal = self.experiment.blast_radius.percent <= 0.0;
        let Some(traffic) = self.traffic.filter(|_| !is_rehearsal) else {
            return vec![];
        };
        let statistic = self.layer.statistic;
        let known = Truth::seen(statistic, traffic).or_else(|| Truth::assumed(statistic, Relation::AboveControl, 1.0));
        let expected = self.expected(DOUBT * traffic.busiest_per_second / traffic.per_second);
        let Some((base, expected)) = known.zip(expected) else {
            return vec![];
        };
        let mut too_few = vec![];
        let before = self.baseline.cloned().unwrap_or_else(|| {
            let requests = DOUBT * traffic.busiest_per_second * self.baseline_secs();
            let seen = self.baseline_seen(base, requests, Chance::Luck(0.0));
            let window = self.baseline_window(&seen);
            let (_, reason, _) = verdicts(self.measure, self.layer, &window);
            if matches!(reason, Reason::TooFewRequests | Reason::NoRequests) {
                too_few.push(TooFew::InBaseline(requests as u64));
            }
            compared(self.measure, self.layer, &window)
        });
        let lasted = self.experiment.blast_radius.longest.signed();
        let could_tell = self.outcomes(base, expected).iter().any(|seen| {
            let window = self.window(seen, lasted, Stage::Injection, Some(&before));
            verdicts(self.measure, self.layer, &window).0 != Verdict::Inconclusive
        });
        if !could_tell {
            too_few.push(TooFew::WithFaults(expected));
        }
        too_few
    }

    /// What could be seen of so many requests: the same as before, and the extremes.
    fn outcomes(&self, base: Truth, expected: Requests) -> Vec<Seen> {
        let statistic = self.layer.statistic;
        if statistic == Statistic::RequestsPerSecond {
            let fewest = u64::from(self.layer.min_requests);
            let outcomes = [expected.all, fewest, expected.all.saturating_mul(10)];
            return outcomes.into_iter().map(|all| self.split(all)).collect();
        }
        let in_control = expected.all.saturating_sub(expected.experimental);
        let control = counts(statistic, base, in_control, Chance::Luck(0.0));
        let subjects = [
            counts(statistic, base, expected.experimental, Chance::Luck(0.0)),
            extreme(statistic, expected.experimental, false),
            extreme(statistic, expected.experimental, true),
        ];
        let outcomes = subjects.into_iter().map(|experimental| Seen {
            control: control.clone(),
            experimental,
        });
        outcomes.collect()
    }
}
