//! One measure of the layer, and what is known of its function.

use jiff::SignedDuration;

use super::chance::Chance;
use super::fabricate::{arriving, coming, counts};
use super::search::{Aim, Test};
use super::traffic::Traffic;
use super::truth::{Truth, aims};
use super::{LimitSize, Need, Requests};
use crate::experiment::{Experiment, LayerMeasure, Measure, Statistic};
use crate::judge::{Compared, GroupWindow, Relation};
use crate::layer::Stage;
use crate::sketch::{Counts, Seen};

/// One measure of the layer, and what is known of its function.
pub(super) struct Case<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) measure: &'a Measure,
    pub(super) layer: &'a LayerMeasure,
    pub(super) traffic: Option<&'a Traffic>,
    /// What the baseline of the run was, once it is over.
    pub(super) baseline: Option<&'a Compared>,
}

impl<'a> Case<'a> {
    pub(super) fn new(
        experiment: &'a Experiment,
        measure: &'a Measure,
        layer: &'a LayerMeasure,
        traffic: Option<&'a Traffic>,
    ) -> Case<'a> {
        Case {
            experiment,
            measure,
            layer,
            traffic,
            baseline: None,
        }
    }

    /// The same, once the baseline is over.
    pub(super) fn after(mut self, baseline: Option<&'a Compared>) -> Case<'a> {
        self.baseline = baseline;
        self
    }

    pub(super) fn is_about_traffic(&self) -> bool {
        self.layer.statistic == Statistic::RequestsPerSecond
    }

    /// So many requests of the function, in groups.
    pub(super) fn requests(&self, all: u64) -> Requests {
        let experimental = (all as f64 * self.experiment.blast_radius.percent / 100.0).round() as u64;
        Requests { all, experimental }
    }

    /// How many requests will come while the faults are there, at so many times the traffic.
    pub(super) fn expected(&self, times: f64) -> Option<Requests> {
        let secs = f64::from(self.experiment.blast_radius.longest.secs());
        Some(self.requests((self.traffic?.per_second * times * secs) as u64))
    }

    /// What one limit needs.
    pub(super) fn limit(&self, relation: Relation, limit: f64) -> LimitSize {
        let statistic = self.layer.statistic;
        let seen = self.traffic.and_then(|traffic| Truth::seen(statistic, traffic));
        let assumed = seen.is_none();
        let truth = seen.or_else(|| Truth::assumed(statistic, relation, limit));
        let base = truth.map(|truth| truth.value(statistic));
        let (upheld, deviated) = match truth.zip(base) {
            None => (self.unknown(), self.unknown()),
            Some((truth, base)) => {
                let needed = |aim, with| {
                    self.needed(&Test {
                        relation,
                        aim,
                        base: truth,
                        with,
                    })
                };
                let never = |why| Need::Never { why };
                let aims = aims(relation, limit, truth, base);
                let deviated = aims
                    .deviated
                    .map(|to| needed(Aim::Deviated, truth.moved(statistic, to)));
                let upheld = aims.upheld.map(|()| needed(Aim::Upheld, truth));
                (upheld.unwrap_or_else(never), deviated.unwrap_or_else(never))
            }
        };
        LimitSize {
            relation,
            limit,
            base,
            assumed: assumed && base.is_some(),
            needed: upheld.and(&deviated),
            upheld,
            deviated,
        }
    }

    fn unknown(&self) -> Need {
        let function = &self.layer.function;
        let why = match self.traffic {
            None => format!("the traffic of {function} is not known"),
            Some(_) => format!("what {} is without the fault is not known", self.layer.statistic),
        };
        Need::Unknown { why }
    }

    /// How long it takes until so many requests came. Without knowing the traffic: as long as the injection may last.
    pub(super) fn lasted(&self, all: u64) -> SignedDuration {
        match self.traffic {
            Some(traffic) => lasting(all as f64 / traffic.per_second),
            None => self.experiment.blast_radius.longest.signed(),
        }
    }

    /// How many requests the baseline has. Without knowing the traffic: as if so many came while the faults are there.
    pub(super) fn in_baseline(&self, all: u64) -> f64 {
        let longest = f64::from(self.experiment.blast_radius.longest.secs());
        let per_second = self.traffic.map_or(all as f64 / longest, |traffic| traffic.per_second);
        per_second * self.baseline_secs()
    }

    /// How long the baseline is, in seconds.
    pub(super) fn baseline_secs(&self) -> f64 {
        let windows = &self.experiment.windows;
        f64::from(windows.baseline.secs() + windows.delay_secs())
    }

    /// A baseline in which so many requests come on average. What groups they are in does not count.
    pub(super) fn baseline_seen(&self, base: Truth, requests: f64, chance: Chance<'_>) -> Seen {
        let control = match base {
            Truth::Rate(_) => coming(arriving(requests, chance)),
            _ => counts(self.layer.statistic, base, requests as u64, chance),
        };
        Seen {
            control,
            experimental: Counts::default(),
        }
    }

    /// The baseline as a window to judge.
    pub(super) fn baseline_window<'w>(&self, seen: &'w Seen) -> GroupWindow<'w> {
        self.window(seen, lasting(self.baseline_secs()), Stage::Baseline, None)
    }

    pub(super) fn window<'w>(
        &self,
        seen: &'w Seen,
        lasted: SignedDuration,
        stage: Stage,
        baseline: Option<&'w Compared>,
    ) -> GroupWindow<'w> {
        let slowest = self.traffic.and_then(|traffic| traffic.p99_ms).unwrap_or(0.0);
        GroupWindow {
            stage,
            seen,
            lasted,
            lag: self.experiment.lag(slowest),
            measures: self.experiment.steady_state.len(),
            percent: self.experiment.blast_radius.percent,
            baseline,
        }
    }

    /// Requests of which nothing counts but that they came.
    pub(super) fn split(&self, all: u64) -> Seen {
        let requests = self.requests(all);
        Seen {
            control: coming(all.saturating_sub(requests.experimental)),
            experimental: coming(requests.experimental),
        }
    }
}

fn lasting(secs: f64) -> SignedDuration {
    SignedDuration::try_from_secs_f64(secs).unwrap_or(SignedDuration::MAX)
}
