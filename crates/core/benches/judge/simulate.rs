//! Worlds that are made up, and are the same every time.

use std::num::NonZero;

use fastrand::Rng;
use statrs::distribution::{Binomial, ContinuousCDF, Discrete, Normal, Poisson};

/// Does something many times on all cores. What comes out depends on the name and the number of the repetition, not on the
/// cores.
pub(crate) fn repeat<T: Send>(name: &str, times: usize, act: impl Fn(&mut Rng, usize) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    // FNV-1a.
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
    });
    let once = |number: usize| {
        let seed = Rng::with_seed(seed.wrapping_add(number as u64)).u64(..);
        act(&mut Rng::with_seed(seed), number)
    };
    let mut all: Vec<(usize, T)> = std::thread::scope(|scope| {
        let part = |first: usize| (first..times).step_by(threads).map(|number| (number, once(number)));
        let workers: Vec<_> = (0..threads)
            .map(|first| scope.spawn(move || part(first).collect::<Vec<_>>()))
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, one)| one).collect()
}

/// Whole numbers by chance.
pub(crate) struct Draws {
    /// How likely each number or a lower one is, from 0.
    cumulative: Vec<f64>,
}

impl Draws {
    /// How many of so many requests have an outcome that this share of them has.
    pub(crate) fn binomial(trials: u64, share: f64) -> Draws {
        let distribution = Binomial::new(share, trials).unwrap();
        Draws::new((0..=trials).map(|hits| distribution.pmf(hits)))
    }

    /// How many come in a time in which so many are expected.
    pub(crate) fn poisson(expected: f64) -> Draws {
        let distribution = Poisson::new(expected).unwrap();
        Draws::new((0..).map(|count| distribution.pmf(count)))
    }

    fn new(likelihoods: impl Iterator<Item = f64>) -> Draws {
        let mut sum = 0.0;
        let sums = likelihoods.map(|likelihood| {
            sum += likelihood;
            sum
        });
        Draws {
            cumulative: sums.take_while(|sum| *sum < 1.0 - 1e-15).collect(),
        }
    }

    pub(crate) fn draw(&self, random: &mut Rng) -> u64 {
        let at = random.f64();
        self.cumulative.partition_point(|sum| *sum <= at) as u64
    }
}

/// How many of so many requests have an outcome that each has with a probability: from one that has it to the next.
pub(crate) fn hits(random: &mut Rng, requests: u64, probability: f64) -> u64 {
    if probability <= 0.0 {
        return 0;
    }
    let misses = (1.0 - probability).ln();
    let (mut hits, mut at) = (0, 0.0);
    loop {
        at += 1.0 + ((1.0 - random.f64()).ln() / misses).floor();
        if at > requests as f64 {
            return hits;
        }
        hits += 1;
    }
}

/// How durations are distributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As those of most services: a median of 50 ms, a p99 of 160 ms.
    Lognormal,
    /// Answered by a cache, about 10 ms, or not, about 200 ms: two of three and one of three.
    Bimodal,
    /// One request in ten takes five times as long as one in three, and so on without an end: Pareto, with an exponent of 1.5.
    HeavyTail,
    /// A few durations, as of timers: half take 10 ms, 30 percent 20, 19 percent 50, one percent 1,000.
    Discrete,
}

impl Shape {
    pub(crate) const ALL: [Shape; 4] = [Shape::Lognormal, Shape::Bimodal, Shape::HeavyTail, Shape::Discrete];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Shape::Lognormal => "lognormal",
            Shape::Bimodal => "bimodal",
            Shape::HeavyTail => "heavy tail",
            Shape::Discrete => "discrete",
        }
    }

    /// The duration in milliseconds that this share of all does not exceed.
    fn at(self, share: f64) -> f64 {
        let lognormal =
            |median: f64, spread: f64, share: f64| median * (spread * Normal::standard().inverse_cdf(share)).exp();
        match self {
            Shape::Lognormal => lognormal(50.0, 0.5, share),
            Shape::Bimodal if share < 2.0 / 3.0 => lognormal(10.0, 0.2, share * 1.5),
            Shape::Bimodal => lognormal(200.0, 0.3, share * 3.0 - 2.0),
            Shape::HeavyTail => 10.0 * (1.0 - share).powf(-1.0 / 1.5),
            Shape::Discrete => match share {
                ..0.5 => 10.0,
                ..0.8 => 20.0,
                ..0.99 => 50.0,
                _ => 1000.0,
            },
        }
    }
}

/// Durations to draw from: so many that all are equally likely, sorted. What quantiles they have is known exactly.
pub(crate) struct Durations(Vec<f64>);

impl Durations {
    /// A multiple of 100, so that percentiles are between two of them.
    const COUNT: usize = 20_000;

    /// Durations of a shape, each so many times as long.
    pub(crate) fn new(shape: Shape, factor: f64) -> Durations {
        let middles = (0..Self::COUNT).map(|number| (number as f64 + 0.5) / Self::COUNT as f64);
        Durations(middles.map(|share| factor * shape.at(share)).collect())
    }

    /// The shortest duration that this percentage of all does not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        self.0[Self::COUNT * percent / 100 - 1]
    }

    pub(crate) fn draw(&self, random: &mut Rng) -> f64 {
        self.0[random.usize(..Self::COUNT)]
    }
}
