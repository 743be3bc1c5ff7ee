//! How U is distributed when there is no difference, counted out.

/// In how many ways the values of two samples without ties can be arranged so that U is at most each number.
///
/// The arrangements with U = 0, 1, 2, ... are the coefficients of a Gaussian binomial coefficient, a product of `1 - q^a`
/// divided by a product of `1 - q^b`. They are computed modulo 2^128, in which every step can be undone, and are right as long
/// as there are fewer arrangements than that.
pub(super) struct Null {
    /// For each U up to the middle: how many arrangements have no higher one.
    up_to: Vec<u128>,
    /// How many arrangements there are.
    all: u128,
    /// The highest U.
    pairs: u64,
}

/// The most pairs that are counted out, which bounds time (some milliseconds) and memory.
const MOST_PAIRS: usize = 20_000;

impl Null {
    /// For samples of these sizes. `None` for none, and for too many.
    pub(super) fn of(one: usize, other: usize) -> Option<Null> {
        let pairs = one
            .checked_mul(other)
            .filter(|pairs| (1..=MOST_PAIRS).contains(pairs))?;
        let (few, many) = (one.min(other), one.max(other));
        let all = arrangements(few, many)?;
        let mut counts = vec![0u128; pairs / 2 + 1];
        counts[0] = 1;
        for size in 1..=few {
            for u in (many + size..counts.len()).rev() {
                counts[u] = counts[u].wrapping_sub(counts[u - many - size]);
            }
            for u in size..counts.len() {
                counts[u] = counts[u].wrapping_add(counts[u - size]);
            }
        }
        for u in 1..counts.len() {
            counts[u] += counts[u - 1];
        }
        Some(Null {
            up_to: counts,
            all,
            pairs: pairs as u64,
        })
    }

    /// The probability that U is at most so high.
    pub(super) fn at_most(&self, u: u64) -> f64 {
        let up_to = |u: u64| usize::try_from(u).ok().and_then(|u| self.up_to.get(u).copied());
        // It is distributed symmetrically.
        let arrangements = match (up_to(u), self.pairs.checked_sub(u + 1)) {
            (Some(arrangements), _) => arrangements,
            (None, Some(mirrored)) => self.all - up_to(mirrored).unwrap_or_default(),
            (None, None) => self.all,
        };
        arrangements as f64 / self.all as f64
    }

    /// How many values of U, from 0, are together not more likely than `probability`, which must be less than a half.
    pub(super) fn values_within(&self, probability: f64) -> u64 {
        let within = |arrangements: &u128| *arrangements as f64 / self.all as f64 <= probability;
        self.up_to.partition_point(within) as u64
    }
}

/// In how many ways two samples can be arranged; `None` for more than fit.
fn arrangements(few: usize, many: usize) -> Option<u128> {
    (1..=few as u128).try_fold(1u128, |ways, size| Some(ways.checked_mul(many as u128 + size)? / size))
}
