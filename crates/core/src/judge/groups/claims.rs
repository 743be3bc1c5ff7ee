//! The limits of a tolerance as claims about groups.

use super::{Estimate, Judging, Limits, Relation, hits};
use crate::experiment::{Statistic, Tolerance};
use crate::judge::{Claim, Verdict};
use crate::layer::Stage;
use crate::sequential::{Bounds, Change, Interval, Ranks, Share, contrast, contrast_quantiles};
use crate::sketch::Counts;

/// The most that requests are multiplied by, in the search for how many would tell.
const FURTHEST: f64 = 65_536.0;

impl Relation {
    /// Whether it is about the value alone.
    pub(crate) fn is_absolute(self) -> bool {
        matches!(self, Relation::AtMost | Relation::AtLeast)
    }

    /// Whether it compares with the control group.
    pub(crate) fn is_about_control(self) -> bool {
        matches!(self, Relation::AboveControl | Relation::AboveControlPercent)
    }

    /// Whether it compares with the baseline.
    pub(crate) fn is_about_baseline(self) -> bool {
        matches!(self, Relation::RiseFromBaseline | Relation::FallFromBaseline)
    }

    /// The change that it is about.
    pub(super) fn change(self) -> Change {
        match self {
            Relation::AboveControl => Change::Difference,
            _ => Change::Percent,
        }
    }
}

/// The limits that are written.
pub(crate) fn limits(tolerance: &Tolerance) -> Vec<(Relation, f64)> {
    let written = [
        (Relation::AtMost, tolerance.at_most),
        (Relation::AtLeast, tolerance.at_least),
        (Relation::RiseFromBaseline, tolerance.rise_at_most_percent),
        (Relation::FallFromBaseline, tolerance.fall_at_most_percent),
        (Relation::AboveControl, tolerance.above_control_at_most),
        (Relation::AboveControlPercent, tolerance.above_control_at_most_percent),
    ];
    let written = written
        .into_iter()
        .filter_map(|(relation, limit)| Some((relation, limit?)));
    written.collect()
}

impl Judging<'_> {
    /// What was found for one limit; `None` where it cannot be looked at, or there is nothing to relate to.
    pub(super) fn claim(&self, relation: Relation, limit: f64) -> Option<Claim> {
        if self.window.stage == Stage::Baseline && !relation.is_absolute() {
            return None;
        }
        let subject = self.subject?;
        let base = self.base(relation);
        if !relation.is_absolute() {
            base?;
        }
        let bounds = self.bounds(relation, self.counts, &self.window.seen.control)?;
        let effect = match base {
            None => subject.value,
            Some(base) => base
                .value
                .zip(subject.value)
                .and_then(|(base, value)| change(relation, base, value)),
        };
        let established = verdict(relation, limit, bounds);
        let verdict = match self.window.stage {
            Stage::Injection => established,
            _ if established == Verdict::Deviated || self.speaks_against(relation, limit, subject, base) => {
                established.max(Verdict::Inconclusive)
            }
            _ => Verdict::Upheld,
        };
        let is_open = verdict == Verdict::Inconclusive && self.window.stage == Stage::Injection && self.says_more;
        Some(Claim {
            relation,
            limit,
            effect,
            low: bounds.low,
            high: bounds.high,
            alpha: self.alpha,
            verdict,
            needed: if is_open { self.needed(relation, limit) } else { None },
        })
    }

    /// What a limit relates to.
    pub(super) fn base(&self, relation: Relation) -> Option<Estimate> {
        match relation {
            Relation::AtMost | Relation::AtLeast => None,
            Relation::RiseFromBaseline | Relation::FallFromBaseline => self.window.baseline?.all,
            Relation::AboveControl | Relation::AboveControlPercent => self.compared.control,
        }
    }

    /// Where the effect is, if that were counted of the subject and of the control group.
    fn bounds(&self, relation: Relation, subject: &Counts, control: &Counts) -> Option<Bounds> {
        match relation {
            Relation::AtMost | Relation::AtLeast => {
                let interval = self.interval(subject, self.alpha);
                Some(Bounds {
                    low: Some(interval.low),
                    high: interval.high,
                })
            }
            Relation::RiseFromBaseline | Relation::FallFromBaseline => {
                let base = self.window.baseline?.all?.interval;
                let interval = self.interval(subject, self.alpha / 2.0);
                Some(from_baseline(relation, base, interval))
            }
            Relation::AboveControl | Relation::AboveControlPercent => self.above(relation.change(), subject, control),
        }
    }

    /// Where the change from the control group is.
    fn above(&self, change: Change, subject: &Counts, control: &Counts) -> Option<Bounds> {
        if let Statistic::Percentile(percent) = self.layer.statistic {
            let ranks = |counts: &Counts| Ranks::new(&counts.durations, f64::from(percent) / 100.0);
            return Some(contrast_quantiles(&ranks(control), &ranks(subject), change, self.alpha));
        }
        let (control, subject) = (
            self.share(control, Share::unchanged)?,
            self.share(subject, Share::after)?,
        );
        let bounds = contrast(&control, &subject, change, self.alpha);
        let percent = |end: Option<f64>| match change {
            Change::Difference => end.map(|end| end * 100.0),
            Change::Percent => end,
        };
        Some(Bounds {
            low: percent(bounds.low),
            high: percent(bounds.high),
        })
    }

    /// Where the value of these requests is, in the unit of the statistic.
    fn interval(&self, counts: &Counts, alpha: f64) -> Interval {
        match self.share(counts, Share::after) {
            Some(share) => share.interval(alpha).map(|share| share * 100.0),
            None => super::estimate(self.layer.statistic, counts, self.window, alpha).1,
        }
    }

    /// The share of requests with the outcome that the statistic counts, if it counts one.
    fn share(&self, counts: &Counts, after: fn(u64, u64, (u64, u64)) -> Share) -> Option<Share> {
        let hits = hits(self.layer.statistic, counts)?;
        Some(match self.before() {
            Some(before) => after(hits, counts.requests, before),
            None => Share::new(hits, counts.requests),
        })
    }

    /// How many requests had the outcome in the baseline, and of how many.
    fn before(&self) -> Option<(u64, u64)> {
        let all = self.window.baseline?.all?;
        let hits = all.value? / 100.0 * all.requests as f64;
        Some((hits.round().max(0.0) as u64, all.requests))
    }

    /// Whether what was seen is on the wrong side of all that the limit may be.
    fn speaks_against(&self, relation: Relation, limit: f64, subject: Estimate, base: Option<Estimate>) -> bool {
        let Some(value) = subject.value else { return true };
        match relation {
            Relation::AtMost => value > limit,
            Relation::AtLeast => value < limit,
            _ => {
                let kindest = base.and_then(|base| match relation {
                    Relation::FallFromBaseline => Some(base.interval.low),
                    _ => base.interval.high.or(base.value),
                });
                let kindest = kindest.and_then(|base| change(relation, base, value));
                kindest.map_or(relation != Relation::FallFromBaseline && value > 0.0, |kindest| {
                    kindest > limit
                })
            }
        }
    }

    /// How many more requests like those that were seen would tell; `None` if no number of them would.
    fn needed(&self, relation: Relation, limit: f64) -> Option<u64> {
        let control = &self.window.seen.control;
        let tells = |factor: f64| {
            let bounds = self.bounds(relation, &self.counts.scaled(factor), &control.scaled(factor));
            bounds.is_some_and(|bounds| verdict(relation, limit, bounds) != Verdict::Inconclusive)
        };
        let mut enough = std::iter::successors(Some(2.0), |factor| Some(factor * 2.0))
            .take_while(|factor| *factor <= FURTHEST)
            .find(|factor| tells(*factor))?;
        let mut too_few = enough / 2.0;
        for _ in 0..6 {
            let middle = (enough + too_few) / 2.0;
            if tells(middle) {
                enough = middle;
            } else {
                too_few = middle;
            }
        }
        let requests = if relation.is_about_control() {
            self.counts.requests.saturating_add(control.requests)
        } else {
            self.counts.requests
        };
        Some(((enough - 1.0) * requests as f64).ceil() as u64)
    }

    /// Where the limits are by what was seen, in the unit of the measure.
    pub(super) fn nominal(&self, limits: &[(Relation, f64)]) -> Limits {
        let mut nominal = Limits::default();
        for (relation, limit) in self.tested(limits) {
            let base = self.base(relation).and_then(|base| base.value);
            let (is_upper, at) = match relation {
                Relation::AtMost => (true, Some(limit)),
                Relation::AtLeast => (false, Some(limit)),
                Relation::RiseFromBaseline | Relation::AboveControlPercent => {
                    (true, base.map(|base| base * (1.0 + limit / 100.0)))
                }
                Relation::FallFromBaseline => (false, base.map(|base| base * (1.0 - limit / 100.0))),
                Relation::AboveControl => (true, base.map(|base| base + limit)),
            };
            let Some(at) = at else { continue };
            if is_upper {
                nominal.high = Some(nominal.high.map_or(at, |high| high.min(at)));
            } else {
                nominal.low = Some(nominal.low.map_or(at, |low| low.max(at)));
            }
        }
        nominal
    }

    /// Whether the groups are established to be different.
    pub(super) fn groups_differ(&self) -> bool {
        let seen = self.window.seen;
        let bounds = self.above(Change::Difference, &seen.experimental, &seen.control);
        bounds
            .is_some_and(|bounds| bounds.low.is_some_and(|low| low > 0.0) || bounds.high.is_some_and(|high| high < 0.0))
    }
}

/// The size of an effect: a rise, or a fall.
fn change(relation: Relation, base: f64, value: f64) -> Option<f64> {
    let change = relation.change().of(base, value)?;
    Some(if relation == Relation::FallFromBaseline {
        -change
    } else {
        change
    })
}

/// The changes in percent from anything in the interval of the baseline to anything in that of the subject.
fn from_baseline(relation: Relation, base: Interval, subject: Interval) -> Bounds {
    let lowest = base.high.and_then(|high| Change::Percent.of(high, subject.low));
    let highest = subject.high.and_then(|high| Change::Percent.of(base.low, high));
    if relation == Relation::FallFromBaseline {
        Bounds {
            low: highest.map(|change| -change),
            // Nothing falls deeper than to nothing.
            high: Some(lowest.map_or(100.0, |change| -change)),
        }
    } else {
        Bounds {
            low: Some(lowest.unwrap_or(-100.0)),
            high: highest,
        }
    }
}

/// What the data say of a limit.
fn verdict(relation: Relation, limit: f64, bounds: Bounds) -> Verdict {
    let (beyond, within) = if relation == Relation::AtLeast {
        (
            bounds.high.is_some_and(|high| high < limit),
            bounds.low.is_some_and(|low| low >= limit),
        )
    } else {
        (
            bounds.low.is_some_and(|low| low > limit),
            bounds.high.is_some_and(|high| high <= limit),
        )
    };
    match (beyond, within) {
        (true, _) => Verdict::Deviated,
        (_, true) => Verdict::Upheld,
        _ => Verdict::Inconclusive,
    }
}
