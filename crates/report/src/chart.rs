//! The plots of a report: what is in them here, how they are drawn in [`measure`] and [`time_line`].
//!
//! Colours are those of Okabe and Ito, which colour-blind people tell apart
//! (<https://jfly.uni-koeln.de/color/>). A page in dark mode replaces each by a lighter one, in its style sheet.
//! Nothing is told by colour alone: groups have their own markers and dashes.

mod axis;
mod measure;
#[cfg(test)]
mod tests;
mod time_line;

use inoculate_core::judge::Verdict;
use inoculate_core::words::count;
use jiff::Timestamp;
use plotters::style::RGBColor;

use crate::document::{At, Inline, Length, Line, Number, Table, line, number_or_dash, text};

/// The size of a plot, in its own units. It is scaled to the page.
const WIDTH: u32 = 720;

/// What is drawn in which colour. `report.css` names each of them for dark mode.
pub(crate) const CONTROL: RGBColor = RGBColor(0, 114, 178);
pub(crate) const EXPERIMENTAL: RGBColor = RGBColor(213, 94, 0);
pub(crate) const BASELINE: RGBColor = RGBColor(0, 121, 88);
pub(crate) const TOLERANCE: RGBColor = RGBColor(160, 52, 116);
pub(crate) const INK: RGBColor = RGBColor(51, 51, 51);
pub(crate) const GRID: RGBColor = RGBColor(204, 204, 204);

/// Whose values a series has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// All requests before the faults, or the metric.
    Baseline,
    /// Requests without the fault, while others meet it.
    Control,
    /// Requests with the fault.
    Experimental,
    /// The metric while the faults are there.
    WithFaults,
    /// All requests after the faults, or the metric.
    Recovery,
}

impl Who {
    /// The name in legends and tables.
    pub fn name(self) -> &'static str {
        match self {
            Who::Baseline => "baseline",
            Who::Control => "control group",
            Who::Experimental => "experimental group",
            Who::WithFaults => "with the faults",
            Who::Recovery => "after the rollback",
        }
    }
}

/// One measure over the time of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// The name of the measure.
    pub measure: String,
    /// What was found, for those who do not see the plot.
    pub description: String,
    /// The unit of all values.
    pub unit: Option<String>,
    /// What the band around a value is.
    pub band: &'static str,
    /// When the run began: where the time axis begins.
    pub opened_at: Timestamp,
    /// When the faults were there, as far as it is known.
    pub faults: Option<(Timestamp, Timestamp)>,
    /// The looks at the measure, in the order of time.
    pub looks: Vec<Look>,
}

/// One look at a measure: the values of a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Which one: `baseline`, `round 3`.
    pub name: Line,
    /// The beginning of its window, and where that is.
    pub from: (Timestamp, At),
    /// The end of its window, and where that is.
    pub until: (Timestamp, At),
    /// The lowest value that is tolerated.
    pub lowest: Option<Number>,
    /// The highest value that is tolerated.
    pub highest: Option<Number>,
    /// What that says.
    pub verdict: (Verdict, At),
    /// What was seen of whom.
    pub seen: Vec<Seen>,
}

/// What was seen of one group in a look.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Which group.
    pub who: Who,
    /// How many requests or points.
    pub size: Number,
    /// The value.
    pub value: Option<Number>,
    /// The lower end of the band.
    pub low: Option<Number>,
    /// The upper end of the band; `None` when there is none, or nobody knows it.
    pub high: Option<Number>,
}

impl Chart {
    /// The plot as SVG. Empty when there is nothing to draw.
    pub fn svg(&self) -> String {
        measure::svg(self).unwrap_or_default()
    }

    /// Whether there is a value to draw.
    pub fn is_empty(&self) -> bool {
        self.looks
            .iter()
            .all(|look| look.seen.iter().all(|seen| seen.value.is_none()))
    }

    /// Every number of the plot.
    pub fn numbers(&self) -> Table {
        let rows = self.looks.iter().flat_map(|look| {
            look.seen.iter().map(|seen| {
                vec![
                    look.name.clone(),
                    line(seen.who.name()),
                    vec![Inline::Time(look.until.0, look.until.1.clone())],
                    vec![Inline::Number(seen.size.clone())],
                    number_or_dash(seen.value.clone()),
                    range(seen.low.clone(), seen.high.clone()),
                    tolerated(look.lowest.clone(), look.highest.clone()),
                    vec![Inline::Verdict(look.verdict.0, look.verdict.1.clone())],
                ]
            })
        });
        Table::new(
            &[
                "look",
                "who",
                "until",
                "requests or points",
                "value",
                self.band,
                "tolerated",
                "verdict",
            ],
            rows.collect(),
        )
    }
}

/// From where to where something is.
pub fn range(low: Option<Number>, high: Option<Number>) -> Line {
    match (low, high) {
        (None, None) => line("–"),
        (Some(low), None) => vec![text("at least "), Inline::Number(low)],
        (None, Some(high)) => vec![text("at most "), Inline::Number(high)],
        (Some(low), Some(high)) => vec![
            Inline::Number(Number { unit: None, ..low }),
            text(" to "),
            Inline::Number(high),
        ],
    }
}

/// What is tolerated.
pub fn tolerated(lowest: Option<Number>, highest: Option<Number>) -> Line {
    match (lowest, highest) {
        (None, None) => line("no limit yet"),
        limits => range(limits.0, limits.1),
    }
}

/// The phases and faults of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeLine {
    /// When the run began.
    pub opened_at: Timestamp,
    /// The bars, from top to bottom.
    pub bars: Vec<Bar>,
    /// When the system was looked at.
    pub rounds: Vec<Timestamp>,
}

/// A stretch of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Its name.
    pub name: String,
    /// Whether it is a fault; else it is a phase.
    pub is_fault: bool,
    /// From when until when.
    pub length: Length,
}

impl TimeLine {
    /// The picture as SVG.
    pub fn svg(&self) -> String {
        time_line::svg(self).unwrap_or_default()
    }

    /// What it shows, for those who do not see it.
    pub fn description(&self) -> String {
        let (faults, phases): (Vec<&Bar>, Vec<&Bar>) = self.bars.iter().partition(|bar| bar.is_fault);
        format!(
            "{}, {} and {} over the time of the run; the table below has their times.",
            count(phases.len(), "phase"),
            count(faults.len(), "fault"),
            count(self.rounds.len(), "round")
        )
    }
}
