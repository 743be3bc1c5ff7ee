//! How long a latency fault takes.

use std::time::Duration;

use inoculate_core::fault::{Delay, MAX_SECS};

/// One delay. `random` gives numbers from 0 (inclusive) to 1 (exclusive), each as likely.
pub fn sample(delay: &Delay, mut random: impl FnMut() -> f64) -> Duration {
    let ms = match *delay {
        Delay::Fixed { ms } => ms as f64,
        Delay::Uniform { min_ms, max_ms } => min_ms as f64 + random() * max_ms.saturating_sub(min_ms) as f64,
        Delay::Normal { mean_ms, deviation_ms } => mean_ms as f64 + deviation_ms as f64 * normal(&mut random),
    };
    Duration::from_secs_f64(ms.clamp(0.0, f64::from(MAX_SECS) * 1000.0) / 1000.0)
}

/// A standard normal number, by the method of Box and Muller.
fn normal(random: &mut impl FnMut() -> f64) -> f64 {
    let radius = (-2.0 * (1.0 - random()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(delay: &Delay, count: usize) -> Vec<f64> {
        let mut random = fastrand::Rng::with_seed(1);
        (0..count)
            .map(|_| sample(delay, || random.f64()).as_secs_f64() * 1000.0)
            .collect()
    }

    #[test]
    fn fixed_is_fixed() {
        assert_eq!(samples(&Delay::Fixed { ms: 250 }, 2), [250.0, 250.0]);
    }

    #[test]
    fn uniform_stays_within_its_bounds_and_uses_them() {
        let delays = samples(
            &Delay::Uniform {
                min_ms: 100,
                max_ms: 300,
            },
            10_000,
        );
        assert!(delays.iter().all(|delay| (100.0..300.0).contains(delay)));
        assert!((delays.iter().sum::<f64>() / 10_000.0 - 200.0).abs() < 3.0);
        assert_eq!(samples(&Delay::Uniform { min_ms: 7, max_ms: 7 }, 1), [7.0]);
    }

    #[test]
    fn normal_has_its_mean_and_deviation_and_is_never_negative() {
        let delays = samples(
            &Delay::Normal {
                mean_ms: 500,
                deviation_ms: 50,
            },
            10_000,
        );
        let mean = delays.iter().sum::<f64>() / 10_000.0;
        let variance = delays.iter().map(|delay| (delay - mean).powi(2)).sum::<f64>() / 10_000.0;
        assert!((mean - 500.0).abs() < 3.0, "{mean}");
        assert!((variance.sqrt() - 50.0).abs() < 3.0, "{}", variance.sqrt());
        let wide = samples(
            &Delay::Normal {
                mean_ms: 0,
                deviation_ms: 900_000,
            },
            1_000,
        );
        assert!(wide.iter().all(|delay| (0.0..=900_000.0).contains(delay)));
    }
}
