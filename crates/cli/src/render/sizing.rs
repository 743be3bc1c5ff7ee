//! Whether a run will have enough data to tell.

use inoculate_core::experiment::{Experiment, Statistic};
use inoculate_core::judge::{Relation, rounded};
use inoculate_core::names::FunctionName;
use inoculate_core::preflight::Preflight;
use inoculate_core::sizing::{LimitSize, MeasureSize, Need, Prospect, Sizing, about};

use super::style::Style;
use super::text::{clock, count, wrap};

/// The widest name of a row that has its numbers beside it.
const WIDEST: usize = 32;

/// The numbers of each measure, what they rest on, and what should be changed. `preflight` is what AWS says, if
/// it was asked.
pub(super) fn text(sizing: &Sizing, experiment: &Experiment, preflight: Option<&Preflight>, style: Style) -> String {
    let lasts = experiment.blast_radius.longest.secs();
    let rows: Vec<Row> = sizing
        .measures
        .iter()
        .flat_map(|measure| rows(measure, lasts, is_about_traffic(measure, experiment)))
        .collect();
    let names = rows.iter().map(|row| row.name.chars().count());
    let width = names
        .filter(|width| *width <= WIDEST)
        .max()
        .unwrap_or(0)
        .max("measure".len());
    let mut lines = vec![style.bold("enough to tell?")];
    if rows.iter().any(|row| matches!(row.needs, Needs::Requests(_))) {
        let [upheld, deviated, takes, lasts] = ["upheld", "deviated", "takes", "lasts"];
        let head = format!(
            "  {:<width$} {upheld:>9} {deviated:>9} {takes:>8} {lasts:>8}",
            "measure"
        );
        lines.push(style.dim(&head));
    }
    lines.extend(rows.iter().map(|row| row.text(width, style)));
    let notes = notes(sizing, experiment, preflight).into_iter();
    lines.extend(notes.map(|note| style.dim(&wrap("  ", &note))));
    lines.extend(sizing.warnings().map(|warning| wrap("  - ", warning)));
    lines.join("\n")
}

struct Row {
    name: String,
    needs: Needs,
    prospect: Prospect,
}

enum Needs {
    /// For upheld, for deviated, how long it takes, how long it lasts.
    Requests([String; 4]),
    Points(String),
}

/// Whether what is counted are requests of both groups.
fn is_about_traffic(measure: &MeasureSize, experiment: &Experiment) -> bool {
    let mut measures = experiment.steady_state.iter();
    let written = measures.find(|written| written.name == measure.measure);
    let layer = written.and_then(|written| written.layer.as_ref());
    layer.is_some_and(|layer| layer.statistic == Statistic::RequestsPerSecond)
}

fn rows(measure: &MeasureSize, lasts: u32, is_about_traffic: bool) -> Vec<Row> {
    if let Some(points) = measure.points {
        let needed = points
            .needed
            .map_or("more than any".to_owned(), |needed| needed.to_string());
        let has = count(usize::try_from(points.in_injection).unwrap_or(usize::MAX), "point");
        let needs = Needs::Points(format!("{has}, at least {needed} needed"));
        return vec![Row {
            name: measure.measure.to_string(),
            needs,
            prospect: measure.prospect,
        }];
    }
    let several = measure.limits.len() > 1;
    let row = |limit: &LimitSize| Row {
        name: match several {
            true => format!("{}, {}", measure.measure, short(limit.relation)),
            false => measure.measure.to_string(),
        },
        needs: Needs::Requests([
            number(&limit.upheld, limit, is_about_traffic),
            number(&limit.deviated, limit, is_about_traffic),
            takes(&limit.needed),
            clock(lasts.into()),
        ]),
        prospect: limit.prospect(measure.expected),
    };
    measure.limits.iter().map(row).collect()
}

impl Row {
    fn text(&self, width: usize, style: Style) -> String {
        let name = match self.name.chars().count() > width {
            true => format!("  {}\n  {:width$}", self.name, ""),
            false => format!("  {:<width$}", self.name),
        };
        match &self.needs {
            Needs::Points(points) => format!("{name}  {points}{}", self.concern(style)),
            Needs::Requests([upheld, deviated, takes, lasts]) => format!(
                "{name} {upheld:>9} {deviated:>9} {takes:>8} {lasts:>8}  {}",
                prospect(self.prospect, style)
            ),
        }
    }

    /// Nobody knows of points whether they will be enough.
    fn concern(&self, style: Style) -> String {
        match self.prospect {
            Prospect::TooShort | Prospect::Never => format!("  {}", prospect(self.prospect, style)),
            Prospect::Enough | Prospect::Unknown => String::new(),
        }
    }
}

fn prospect(prospect: Prospect, style: Style) -> String {
    match prospect {
        Prospect::Enough => style.good("enough"),
        Prospect::TooShort => style.unsure("too short"),
        Prospect::Never => style.unsure("never"),
        Prospect::Unknown => "unknown".to_owned(),
    }
}

/// How many requests of those that the limit is about.
fn number(need: &Need, limit: &LimitSize, is_about_traffic: bool) -> String {
    match need {
        Need::With { requests, .. } => {
            let mark = if limit.assumed { "~" } else { "" };
            let counted = if is_about_traffic {
                requests.all
            } else {
                requests.experimental
            };
            format!("{mark}{}", about(counted))
        }
        Need::Never { .. } => "never".to_owned(),
        Need::Unknown { .. } => "?".to_owned(),
    }
}

fn takes(need: &Need) -> String {
    match need {
        Need::With { secs: Some(secs), .. } => clock(i64::try_from(*secs).unwrap_or(i64::MAX)),
        Need::Never { .. } => "-".to_owned(),
        Need::With { secs: None, .. } | Need::Unknown { .. } => "?".to_owned(),
    }
}

fn short(relation: Relation) -> &'static str {
    match relation {
        Relation::AtMost => "at most",
        Relation::AtLeast => "at least",
        Relation::RiseFromBaseline => "rise",
        Relation::FallFromBaseline => "fall",
        Relation::AboveControl => "over control",
        Relation::AboveControlPercent => "over control, %",
    }
}

/// Why nothing is known of a function's traffic.
fn unknown(preflight: Option<&Preflight>) -> String {
    match preflight.map(|preflight| &preflight.traffic_problem) {
        None => "AWS was not asked".to_owned(),
        Some(Some(problem)) => format!("{problem}; the run measures it in its baseline"),
        Some(None) => "CloudWatch says nothing of the last 3 hours; the run measures it in its baseline".to_owned(),
    }
}

/// What the numbers mean, and what they rest on.
fn notes(sizing: &Sizing, experiment: &Experiment, preflight: Option<&Preflight>) -> Vec<String> {
    let limits = || sizing.measures.iter().flat_map(|measure| &measure.limits);
    if limits().next().is_none() {
        return vec![];
    }
    let mut layers = experiment.layer_measures();
    let any_about_traffic = layers.any(|layer| layer.statistic == Statistic::RequestsPerSecond);
    let mut notes = vec![format!(
        "requests of the experimental group{} with which {} of 100 runs tell",
        if any_about_traffic {
            " (of all, for requests_per_second)"
        } else {
            ""
        },
        sizing.power_percent
    )];
    let assumed = limits().filter(|limit| limit.assumed).find_map(|limit| limit.base);
    if let Some(base) = assumed {
        let base = rounded(base);
        notes.push(format!(
            "~ assumes that {base} percent fail so without the fault, which is not known"
        ));
    }
    let mut functions: Vec<&FunctionName> = vec![];
    for measure in experiment.layer_measures() {
        if !functions.contains(&&measure.function) {
            functions.push(&measure.function);
        }
    }
    notes.extend(functions.into_iter().map(|function| {
        let known = sizing.traffic.iter().find(|traffic| &traffic.function == function);
        match known {
            Some(traffic) => {
                let per_second = rounded(traffic.per_second);
                format!("{function} had {per_second} requests/s in the last 3 hours, says CloudWatch")
            }
            None => format!("the traffic of {function} is not known: {}", unknown(preflight)),
        }
    }));
    notes
}
