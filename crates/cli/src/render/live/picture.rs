//! Pictures of one line, made of letters.

/// A bar of so many columns, of which a share from 0 to 1 is over.
pub(super) fn bar(share: f64, columns: usize) -> String {
    let full = (share.clamp(0.0, 1.0) * columns as f64).round() as usize;
    let full = full.min(columns);
    format!("{}{}", "━".repeat(full), "─".repeat(columns - full))
}

/// The last values as columns of eight heights, from the lowest to the highest of `range`; a blank where there is none.
pub(super) fn sparkline(values: &[Option<f64>], range: (f64, f64), columns: usize) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (low, high) = range;
    let height = |value: f64| {
        let share = if high > low { (value - low) / (high - low) } else { 0.0 };
        let height = (share.clamp(0.0, 1.0) * 7.0).round() as usize;
        HEIGHTS[height.min(7)]
    };
    let from = values.len().saturating_sub(columns);
    let letters = values[from..].iter().map(|value| value.map_or(' ', height));
    letters.collect()
}

/// The range of a sparkline: from zero, unless a value is below it, so that a small change looks small.
pub(super) fn range<'a>(values: impl Iterator<Item = &'a Option<f64>>) -> (f64, f64) {
    let values = values.flatten().filter(|value| value.is_finite());
    values.fold((0.0, 0.0), |(low, high), value| (value.min(low), value.max(high)))
}

/// An interval beside a limit: absent ends are open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Interval {
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
    pub(super) estimate: Option<f64>,
    pub(super) limit: f64,
}

impl Interval {
    /// How far it reaches from the limit; `None` when nothing of it is known.
    pub(super) fn reach(&self) -> Option<f64> {
        let ends = [self.low, self.high, self.estimate].into_iter().flatten();
        let far = ends.map(|end| (end - self.limit).abs()).filter(|far| far.is_finite());
        far.fold(None, |most: Option<f64>, far| {
            Some(most.map_or(far, |most| most.max(far)))
        })
    }

    /// The interval on a line of so many columns whose middle is the limit and whose ends are `reach` away from it. An end that
    /// is open or farther away is an arrow.
    pub(super) fn picture(&self, reach: f64, columns: usize) -> String {
        let columns = columns.max(3);
        let last = columns - 1;
        let place = |value: f64| {
            let share = if reach > 0.0 { (value - self.limit) / reach } else { 0.0 };
            let place = (share.clamp(-1.0, 1.0) + 1.0) / 2.0 * last as f64;
            (place.round() as usize).min(last)
        };
        let is_out = |end: Option<f64>| end.is_none_or(|end| (end - self.limit).abs() > reach);
        let from = self.low.map_or(0, place);
        let until = self.high.map_or(last, place);
        let mut letters = vec!['·'; columns];
        for letter in letters.iter_mut().take(until + 1).skip(from) {
            *letter = '━';
        }
        if from == 0 && is_out(self.low) {
            letters[0] = '◂';
        }
        if until == last && is_out(self.high) {
            letters[last] = '▸';
        }
        if let Some(estimate) = self.estimate {
            letters[place(estimate)] = '●';
        }
        letters[place(self.limit)] = '┃';
        letters.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn interval(low: Option<f64>, high: Option<f64>, estimate: Option<f64>) -> Interval {
        Interval {
            low,
            high,
            estimate,
            limit: 10.0,
        }
    }

    #[test]
    fn an_interval_closes_in_beside_its_limit() {
        let picture = |low, high, estimate| interval(low, high, estimate).picture(10.0, 21);
        for (shown, drawn) in [
            (picture(None, None, None), "◂━━━━━━━━━┃━━━━━━━━━▸"),
            (picture(Some(0.0), None, Some(5.0)), "━━━━━●━━━━┃━━━━━━━━━▸"),
            (picture(Some(2.0), Some(14.0), Some(8.0)), "··━━━━━━●━┃━━━━······"),
            (picture(Some(11.0), Some(13.0), Some(12.0)), "··········┃━●━·······"),
            (picture(Some(10.0), Some(10.0), Some(10.0)), "··········┃··········"),
            (picture(Some(-50.0), Some(90.0), Some(9.0)), "◂━━━━━━━━●┃━━━━━━━━━▸"),
        ] {
            assert_eq!(shown, drawn);
        }
    }

    #[test]
    fn the_highest_value_is_the_highest_column() {
        let values = [Some(0.0), Some(50.0), None, Some(100.0)];
        assert_eq!(sparkline(&values, range(values.iter()), 10), "▁▅ █");
        assert_eq!(sparkline(&values, range(values.iter()), 2), " █");
        assert_eq!(sparkline(&[Some(0.0)], (0.0, 0.0), 3), "▁");
        assert_eq!(bar(0.5, 10), "━━━━━─────");
    }

    proptest! {
        #[test]
        fn every_picture_has_its_columns(
            ends in prop::array::uniform3(prop::option::of(prop::num::f64::ANY)),
            limit in prop::num::f64::ANY,
            reach in prop::num::f64::ANY,
            columns in 3_usize..90,
        ) {
            let [low, high, estimate] = ends;
            let interval = Interval { low, high, estimate, limit };
            prop_assert_eq!(interval.picture(reach, columns).chars().count(), columns);
            prop_assert_eq!(bar(reach, columns).chars().count(), columns);
            let values = [low, high, estimate];
            prop_assert_eq!(sparkline(&values, range(values.iter()), columns).chars().count(), 3.min(columns));
            prop_assert!(interval.reach().is_none_or(f64::is_finite));
        }
    }
}
