//! How far the value of one group is from that of another.

use super::{Interval, Ranks, Share, boundary, enough};

/// How often the range of the least evidence is halved. The sum is flat there, so half of the bits of a share are enough.
const HALVINGS: u32 = 30;

/// What a change is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// In what the values are: the one less the other.
    Difference,
    /// In percent of the other.
    Percent,
}

impl Change {
    /// How far `value` is from `base`; `None` for a percentage of nothing.
    pub fn of(self, base: f64, value: f64) -> Option<f64> {
        match self {
            Change::Difference => Some(value - base),
            Change::Percent => (base > 0.0).then(|| 100.0 * (value / base - 1.0)),
        }
    }

    /// A change as the line from each base to what is so far from it: where it starts, and how steep it is.
    fn line(self, size: f64) -> (f64, f64) {
        match self {
            Change::Difference => (size, 1.0),
            Change::Percent => (0.0, 1.0 + size / 100.0),
        }
    }
}

/// From where to where a change may be. An end is absent when nothing is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bounds {
    /// The lowest.
    pub low: Option<f64>,
    /// The highest.
    pub high: Option<f64>,
}

/// Where the change from one share to another is: from 0 to 1 less 1 to 0, or in percent.
///
/// A change is left if there is any share of the one group for which the evidence against it, and against what is this far
/// from it, does not reach the level together.
pub fn contrast(base: &Share, other: &Share, change: Change, alpha: f64) -> Bounds {
    let evidence = enough(alpha);
    let rejected = |size: f64| evidence_against(base, other, change, size) >= evidence;
    let ends = match change {
        Change::Difference => (-1.0, 1.0),
        // The search goes as far as from a ten-thousandth of a percent to all requests.
        Change::Percent => (-100.0, 1e8),
    };
    let Some(seen) = change
        .of(base.seen(), other.seen())
        .filter(|seen| *seen <= ends.1 && !rejected(*seen))
    else {
        return from_zero(change, evidence, rejected);
    };
    Bounds {
        low: Some(boundary(seen, ends.0, rejected)),
        high: Some(boundary(seen, ends.1, rejected)).filter(|high| *high < ends.1 || change == Change::Difference),
    }
}

/// A change in percent of a share that was seen as nothing: there is only a lowest one.
fn from_zero(change: Change, evidence: f64, rejected: impl Fn(f64) -> bool) -> Bounds {
    if change == Change::Difference || evidence.is_infinite() {
        return Bounds::default();
    }
    Bounds {
        low: (!rejected(1e8)).then(|| boundary(1e8, -100.0, rejected)),
        high: None,
    }
}

/// The evidence against one change: the least against any pair of shares that are `size` apart. A change is rejected at a
/// level of `alpha` when it reaches `-ln(alpha)`.
pub fn evidence_against(base: &Share, other: &Share, change: Change, size: f64) -> f64 {
    let (start, steepness) = change.line(size);
    // From where to where there are two shares.
    let to_base = |share: f64| {
        if steepness > 0.0 {
            (share - start) / steepness
        } else {
            share
        }
    };
    let (lowest, highest) = (to_base(0.0).max(0.0), to_base(1.0).min(1.0));
    if !(steepness >= 0.0 && lowest <= highest) {
        return f64::INFINITY;
    }
    let to_other = |share: f64| (start + steepness * share).clamp(0.0, 1.0);
    // Each group has the least evidence against what was seen of it, and more the further away. So the least sum is between.
    let seen = [base.seen(), to_base(other.seen())].map(|share| share.clamp(lowest, highest));
    let (mut low, mut high) = (seen[0].min(seen[1]), seen[0].max(seen[1]));
    for _ in 0..HALVINGS {
        let middle = low / 2.0 + high / 2.0;
        if base.slope(middle) + steepness * other.slope(to_other(middle)) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    let against = |share: f64| base.against(share) + other.against(to_other(share));
    against(low).min(against(high))
}

/// Where the change from one quantile to another is: in milliseconds, or in percent.
pub fn contrast_quantiles(base: &Ranks, other: &Ranks, change: Change, alpha: f64) -> Bounds {
    let evidence = enough(alpha);
    let others = other.left(evidence - base.least());
    let mut bounds: Option<Bounds> = None;
    for (one, against) in base.left(evidence - other.least()) {
        let mut left = others.iter().filter(|(_, other)| against + other < evidence);
        let (Some((first, _)), Some((last, _))) = (left.clone().next(), left.next_back()) else {
            continue;
        };
        let found = Bounds {
            low: lowest(one, *first, change),
            high: last.high.and_then(|high| change.of(one.low, high)),
        };
        bounds = Some(bounds.map_or(found, |bounds| Bounds {
            low: bounds.low.zip(found.low).map(|(one, two)| one.min(two)),
            high: bounds.high.zip(found.high).map(|(one, two)| one.max(two)),
        }));
    }
    bounds.unwrap_or_default()
}

/// The evidence against every change from one quantile to another that is at most `most`. When it reaches `-ln(alpha)`, the
/// lowest change that is left at a level of `alpha` is higher.
pub fn evidence_against_quantiles(base: &Ranks, other: &Ranks, change: Change, most: f64) -> f64 {
    let (least, quiet) = (other.least(), other.quiet_stretch());
    let mut found = f64::INFINITY;
    // Bases below those with the least evidence have more, and leave fewer of the others.
    for one in base.quiet_stretch()..base.stretches() {
        let is_left = |stretch: usize| {
            let change = lowest(base.stretch(one), other.stretch(stretch), change);
            change.is_none_or(|change| change <= most)
        };
        if is_left(quiet) {
            return found.min(base.evidence(one) + least);
        }
        // Those that are left are the first ones; the last of them has the least evidence.
        let (mut left, mut gone) = (0, quiet);
        while left < gone {
            let middle = left.midpoint(gone);
            if is_left(middle) {
                left = middle + 1;
            } else {
                gone = middle;
            }
        }
        if let Some(last) = left.checked_sub(1) {
            found = found.min(base.evidence(one) + other.evidence(last));
        }
    }
    found
}

/// The lowest change from anything in one interval to anything in another.
fn lowest(base: Interval, other: Interval, change: Change) -> Option<f64> {
    match base.high {
        Some(high) => change.of(high, other.low),
        // Nothing is below nothing.
        None => (change == Change::Percent).then_some(-100.0),
    }
}
