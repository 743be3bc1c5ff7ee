//! Two samples compared by their ranks: Mann and Whitney's U, and the shift of Hodges and Lehmann with its interval.
//!
//! Nothing is assumed of how the values are distributed. The test asks whether values of one sample tend to be higher than
//! those of the other; the shift is the median of all differences between a value of one and a value of the other; its
//! interval holds all shifts that the test does not reject.
//!
//! What is exact and what is not:
//! - `U` is normally distributed in the limit only. Here its distribution is counted out, in whole numbers, as long as the
//!   counts fit (61 values on each side, or 1,000 on one and 16 on the other). Beyond that it is the normal one, whose
//!   tails are a little heavier: a tenth at a p-value of 0.0005.
//! - Ties. The p-value of tied samples is the normal one, with mid-ranks and the variance corrected for ties, as scipy and R
//!   have it. The interval ignores ties: with its ends included, it holds the shift at least as often with ties as without
//!   (Noether 1967, "Wilcoxon confidence intervals for location parameters in the discrete case").
//! - The ends of the interval are differences that occur, not roots of an interpolated function: where there are no ties they
//!   are those of R's `wilcox.test(exact = TRUE)`.
//!
//! The assumption: values do not depend on each other. Neighbouring points of a metric often do, and then count as more
//! evidence than they are.
//!
//! Sources: Mann and Whitney 1947 (<https://doi.org/10.1214/aoms/1177730491>), Hodges and Lehmann 1963
//! (<https://doi.org/10.1214/aoms/1177704172>), and R's `wilcox.test` for what to do where these leave a choice.

mod null;

use statrs::distribution::{ContinuousCDF, Normal};

use null::Null;

/// Which way the first sample may be off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alternative {
    /// Higher or lower.
    TwoSided,
    /// Higher.
    Greater,
    /// Lower.
    Less,
}

/// Two samples to compare. What is not finite is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct RankTest {
    /// Sorted.
    values: Vec<f64>,
    /// Sorted.
    against: Vec<f64>,
}

/// The shift of one sample against the other, and where the true one may be. In the unit of the values, and finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// The estimate of Hodges and Lehmann.
    pub estimate: f64,
    /// The lowest shift that the values do not reject.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

impl RankTest {
    /// Takes `values` to compare `against` others, in any order.
    pub fn new(values: &[f64], against: &[f64]) -> RankTest {
        RankTest {
            values: sorted(values),
            against: sorted(against),
        }
    }

    /// How many differences there are between a value of one and a value of the other.
    fn pairs(&self) -> u64 {
        self.values.len() as u64 * self.against.len() as u64
    }

    /// U: how many of the pairs have the higher value in the first sample. Tied ones count half.
    pub fn u(&self) -> f64 {
        let (mut lower, mut not_higher, mut twice) = (0, 0, 0u64);
        for value in &self.values {
            while self.against.get(lower).is_some_and(|other| other < value) {
                lower += 1;
            }
            while self.against.get(not_higher).is_some_and(|other| other <= value) {
                not_higher += 1;
            }
            twice += (lower + not_higher) as u64;
        }
        twice as f64 / 2.0
    }

    /// How likely samples without a difference are to look at least as different as these; exact where that is possible.
    /// `None` when there is nothing to compare.
    pub fn p_value(&self, alternative: Alternative) -> Option<f64> {
        self.exact_p_value(alternative)
            .or_else(|| self.asymptotic_p_value(alternative))
    }

    /// The exact one. `None` when values are tied, and when there are too many to count or none.
    pub fn exact_p_value(&self, alternative: Alternative) -> Option<f64> {
        if self.tied().next().is_some() {
            return None;
        }
        let null = Null::of(self.values.len(), self.against.len())?;
        let (u, pairs) = (self.u() as u64, self.pairs());
        let (greater, less) = (null.at_most(pairs - u), null.at_most(u));
        Some(one_of(alternative, greater, less))
    }

    /// The one of the normal approximation, with the corrections for ties and continuity. `None` when there is nothing to
    /// compare; 1 when all values are the same.
    pub fn asymptotic_p_value(&self, alternative: Alternative) -> Option<f64> {
        if self.pairs() == 0 {
            return None;
        }
        let all = (self.values.len() + self.against.len()) as f64;
        let tied: f64 = self.tied().map(|many| many.powi(3) - many).sum();
        let variance = self.pairs() as f64 / 12.0 * (all + 1.0 - tied / (all * (all - 1.0)));
        if variance <= 0.0 {
            return Some(1.0);
        }
        let upper_tail = |u: f64| {
            let from_mean = u - self.pairs() as f64 / 2.0 - 0.5;
            Normal::standard().sf(from_mean / variance.sqrt())
        };
        let u = self.u();
        Some(one_of(alternative, upper_tail(u), upper_tail(self.pairs() as f64 - u)))
    }

    /// The sizes of the groups of values that are the same, over both samples.
    fn tied(&self) -> impl Iterator<Item = f64> {
        let mut all = [self.values.as_slice(), &self.against].concat();
        all.sort_by(f64::total_cmp);
        let sizes: Vec<usize> = all.chunk_by(|one, next| one == next).map(<[f64]>::len).collect();
        sizes.into_iter().filter(|size| *size > 1).map(|size| size as f64)
    }

    /// The median of all differences. `None` when there are none, or when they are too far apart for a number.
    pub fn shift(&self) -> Option<f64> {
        let pairs = self.pairs();
        if pairs == 0 {
            return None;
        }
        let upper = self.difference(pairs / 2 + 1);
        let lower = if pairs.is_multiple_of(2) {
            self.difference(pairs / 2)
        } else {
            upper
        };
        Some(lower / 2.0 + upper / 2.0).filter(|shift| shift.is_finite())
    }

    /// The shift with an interval that misses the true one with a probability of at most `alpha`, half of it on each side.
    /// `None` when there are too few values for any such interval ([`fewest`]), and where [`shift`](Self::shift) has none.
    pub fn interval(&self, alpha: f64) -> Option<Shift> {
        let estimate = self.shift()?;
        let rank = self.rank(alpha).filter(|rank| *rank >= 1)?;
        let shift = Shift {
            estimate,
            low: self.difference(rank),
            high: self.difference(self.pairs() + 1 - rank),
        };
        (shift.low.is_finite() && shift.high.is_finite()).then_some(shift)
    }

    /// Which of the differences, counted from either end, is the end of the interval: the furthest to the middle that U does
    /// not reach with a probability of more than half of `alpha`. 0 when not even the outermost is.
    fn rank(&self, alpha: f64) -> Option<u64> {
        if !(alpha > 0.0 && alpha < 1.0) {
            return None;
        }
        if let Some(null) = Null::of(self.values.len(), self.against.len()) {
            return Some(null.values_within(alpha / 2.0));
        }
        let (pairs, all) = (self.pairs() as f64, (self.values.len() + self.against.len()) as f64);
        let deviation = (pairs * (all + 1.0) / 12.0).sqrt();
        let rank = 0.5 + pairs / 2.0 + Normal::standard().inverse_cdf(alpha / 2.0) * deviation;
        Some(rank.max(0.0) as u64)
    }

    /// The difference at a place from 1, were they all sorted. Found by halving the numbers that it may be, which needs no
    /// memory for them.
    fn difference(&self, place: u64) -> f64 {
        let (mut low, mut high) = (in_order(f64::NEG_INFINITY), in_order(f64::INFINITY));
        while low < high {
            let middle = low.midpoint(high);
            if self.differences_up_to(number(middle)) >= place {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        // No minus before a zero.
        number(low) + 0.0
    }

    /// How many differences are not higher than a number.
    fn differences_up_to(&self, number: f64) -> u64 {
        let mut from = 0;
        let counts = self.values.iter().map(|value| {
            while self.against.get(from).is_some_and(|other| value - other > number) {
                from += 1;
            }
            (self.against.len() - from) as u64
        });
        counts.sum()
    }
}

/// The fewest values that can be told from so many others at all at a level: if every one of them is higher, the interval does
/// not hold 0. `None` when 100,000 could not.
pub fn fewest(against: usize, alpha: f64) -> Option<u32> {
    const MOST: u32 = 100_000;
    if against == 0 || !(alpha > 0.0 && alpha < 1.0) {
        return None;
    }
    let mut arrangements = 1.0;
    (1..=MOST).find(|values| {
        let values = f64::from(*values);
        // In this order these are whole numbers, and exact while that matters.
        arrangements = arrangements * (against as f64 + values) / values;
        1.0 / arrangements <= alpha / 2.0
    })
}

fn one_of(alternative: Alternative, greater: f64, less: f64) -> f64 {
    match alternative {
        Alternative::TwoSided => (2.0 * greater.min(less)).min(1.0),
        Alternative::Greater => greater,
        Alternative::Less => less,
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    // No minus before a zero.
    let mut values: Vec<f64> = finite.map(|value| value + 0.0).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// A whole number for a float, in the same order, so that the floats between two can be halved.
fn in_order(number: f64) -> u64 {
    let bits = number.to_bits();
    if number.is_sign_negative() { !bits } else { bits | SIGN }
}

/// The float of a whole number.
fn number(in_order: u64) -> f64 {
    f64::from_bits(if in_order & SIGN == 0 {
        !in_order
    } else {
        in_order ^ SIGN
    })
}

const SIGN: u64 = 1 << 63;
