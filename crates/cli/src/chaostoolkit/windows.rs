//! How long the parts of a run take, from the pauses of the method and the periods of the measures.

use inoculate_core::span::Span;
use serde_json::{Map, Value, json};

/// What decides how long the parts of a run take.
pub(super) struct Needs {
    /// How long the faults are there by the pauses of the method, in seconds.
    pub(super) pauses: f64,
    /// The longest period of a measure.
    pub(super) period: Span,
    /// How late metrics may be, in seconds.
    pub(super) delay: u32,
}

/// The lengths of a run.
pub(super) struct Lengths {
    /// `blast_radius.longest`.
    pub(super) longest: Span,
    /// `windows`.
    pub(super) windows: Value,
    /// Why the faults last longer than the pauses say; empty when they do not.
    pub(super) notes: Vec<String>,
}

/// How many periods each window has: a verdict needs three whole ones, a window rarely starts where a period does, and
/// one may be late.
const PERIODS: u32 = 5;

/// The shortest window: a run with the layer needs 15 seconds.
const SHORTEST: u32 = 60;

/// The longest that a part of a run could be asked to take; more than a whole run may take.
const LONGEST: f64 = 86_400.0;

impl Needs {
    /// How long the parts of the run take.
    pub(super) fn lengths(&self) -> Lengths {
        let window = self.period.secs().saturating_mul(PERIODS).max(SHORTEST);
        let pauses = self.pauses.clamp(0.0, LONGEST).ceil() as u32;
        let longest = Span::from_secs(pauses.max(window));
        let mut notes = Vec::new();
        if longest.secs() > pauses {
            let paused = match pauses {
                0 => "no pause keeps them there".to_owned(),
                secs => format!("the pauses keep them there for {}", Span::from_secs(secs)),
            };
            notes.push(format!(
                "{paused}; a verdict needs {} values of {}",
                PERIODS, self.period
            ));
        }
        let round = if self.delay > 0 { 30 } else { 10 };
        let round = Span::from_secs(round.max(longest.secs().div_ceil(1000)));
        let mut windows = Map::from_iter([
            ("baseline".to_owned(), json!(Span::from_secs(window))),
            ("round".to_owned(), json!(round)),
            ("recovery".to_owned(), json!(Span::from_secs(window))),
        ]);
        if self.delay > 0 {
            windows.insert("metrics_delay".to_owned(), json!(Span::from_secs(self.delay)));
        }
        Lengths {
            longest,
            windows: Value::Object(windows),
            notes,
        }
    }
}
