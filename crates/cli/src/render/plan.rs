//! What a run would do, and whether it could start now.

use inoculate_core::deployment::{Deployment, Limits};
use inoculate_core::error::Result;
use inoculate_core::experiment::{Experiment, Guards, Measure, StopOn, StopWhen, Tolerance};
use inoculate_core::judge::rounded;
use inoculate_core::plan::{Plan, Touch};
use inoculate_core::ports::Function;
use inoculate_core::preflight::{Guard, Note, Preflight};
use inoculate_core::sizing::Sizing;
use serde::Serialize;

use super::style::Style;
use super::text::{clock, count, field, wrap};

/// What a run would do. This is the JSON of `plan`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outlook {
    /// The experiment.
    pub experiment: Experiment,
    /// What it would touch, for how long, at what cost.
    pub plan: Plan,
    /// Whether it could start now; `null` when AWS was not asked, or what the deployment allows is not known and nothing else
    /// keeps it from starting.
    pub could_start: Option<bool>,
    /// What the deployment allows; `null` when it is not known.
    pub limits: Option<Limits>,
    /// Why it is not known what the deployment allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits_problem: Option<String>,
    /// What AWS says; `null` when it was not asked.
    pub preflight: Option<Preflight>,
    /// Whether it would have enough data to tell.
    pub sizing: Sizing,
}

impl Outlook {
    /// What a run of an experiment would do. `preflight` is what AWS says, if it was asked.
    pub fn of(experiment: Experiment, preflight: Option<Preflight>) -> Outlook {
        let traffic = preflight.as_ref().map_or(&[][..], |preflight| &preflight.traffic);
        Outlook {
            plan: Plan::of(&experiment),
            sizing: Sizing::of(&experiment, traffic),
            experiment,
            could_start: preflight.as_ref().map(|preflight| preflight.refusals.is_empty()),
            limits: None,
            limits_problem: None,
            preflight,
        }
    }

    /// The same with what the deployment allows, or why that is not known.
    #[must_use]
    pub fn limited_by(mut self, deployment: &Result<Deployment>) -> Outlook {
        match deployment {
            Ok(deployment) => self.limits = Some(deployment.limits.clone()),
            Err(error) => {
                self.limits_problem = Some(error.to_string());
                self.could_start = self.could_start.filter(|could| !could);
            }
        }
        self
    }
}

/// The plan as people read it.
pub fn text(outlook: &Outlook, style: Style) -> String {
    let Outlook {
        experiment,
        plan,
        preflight,
        sizing,
        ..
    } = outlook;
    let touches = plan
        .touches
        .iter()
        .map(|touch| touched(touch, preflight.as_ref(), style));
    let measures = experiment.steady_state.iter().map(measured);
    let mut parts = vec![format!(
        "{}\n{}",
        field("experiment", experiment.name.as_str()),
        field("hypothesis", &experiment.hypothesis)
    )];
    if !plan.touches.is_empty() {
        parts.push(list("would touch", touches, style));
    }
    if !plan.injections.is_empty() {
        parts.push(list("would inject", injected(plan), style));
    }
    parts.extend([
        list("must hold", measures, style),
        takes(plan, style),
        super::sizing::text(sizing, experiment, preflight.as_ref(), style),
        ends_early(&experiment.guards, style),
    ]);
    parts.extend(preflight.as_ref().and_then(|preflight| checked(preflight, style)));
    parts.extend(
        preflight
            .as_ref()
            .and_then(|preflight| unchecked(outlook, preflight, style)),
    );
    parts.push(standing(outlook, preflight.as_ref(), style));
    parts.join("\n\n")
}

fn list(title: &str, lines: impl Iterator<Item = String>, style: Style) -> String {
    format!("{}\n{}", style.bold(title), lines.collect::<Vec<_>>().join("\n"))
}

fn touched(touch: &Touch, preflight: Option<&Preflight>, style: Style) -> String {
    let Touch {
        function, setting, to, ..
    } = touch;
    let current = preflight.and_then(|preflight| {
        let mut settings = preflight.settings.iter();
        settings.find(|current| &current.function == function && &current.setting == setting)
    });
    let change = match current {
        Some(current) => format!("{} -> {to}", current.now),
        None => format!("-> {to}"),
    };
    let head = wrap("  ", &format!("{function}: {setting} {change}"));
    let mut lines = vec![head, wrap("    ", &touch.effect)];
    if let Some(preflight) = preflight {
        let known = preflight.functions.iter().find(|known| &known.name == function);
        lines.push(style.dim(&wrap("    ", &state(known))));
    }
    lines.join("\n")
}

/// What the layer would inject, and into whom.
fn injected(plan: &Plan) -> impl Iterator<Item = String> {
    let faults = plan.injections.iter().map(|injection| wrap("  ", &injection.effect));
    let who = match plan.percent {
        100.0 => "in all requests: there is no control group, the baseline is what they are compared with".to_owned(),
        percent => format!(
            "in {} percent of requests; the others are the control group",
            rounded(percent)
        ),
    };
    let key = plan
        .key
        .as_ref()
        .map_or("the trace, or the request id".to_owned(), |key| {
            format!("the field {key}")
        });
    let key = wrap("    ", &format!("requests are told apart by {key}"));
    let watched = plan
        .watches
        .iter()
        .map(|function| wrap("  ", &format!("{function} is only watched")));
    faults.chain([wrap("    ", &who), key]).chain(watched)
}

fn state(function: Option<&Function>) -> String {
    let Some(function) = function else {
        return "the function does not exist".to_owned();
    };
    let allowed = if function.allowed {
        "tagged inoculate=allow"
    } else {
        "not tagged inoculate=allow"
    };
    let ready = if function.ready { "ready" } else { "not ready" };
    format!("{allowed}, {ready}")
}

fn measured(measure: &Measure) -> String {
    let tolerance = tolerance(&measure.tolerance, measure.unit.as_deref());
    let from = match &measure.layer {
        Some(layer) => format!("{} as the layer of {} sees it", layer.statistic, layer.function),
        None => format!("every {}", measure.period),
    };
    wrap("  ", &format!("{}: {tolerance}, {from}", measure.name))
}

fn tolerance(tolerance: &Tolerance, unit: Option<&str>) -> String {
    let unit = unit.map(|unit| format!(" {unit}")).unwrap_or_default();
    let limits = [
        (tolerance.at_least, "at least ", unit.as_str()),
        (tolerance.at_most, "at most ", unit.as_str()),
        (tolerance.rise_at_most_percent, "at most ", "% over the baseline"),
        (tolerance.fall_at_most_percent, "at most ", "% under the baseline"),
        (
            tolerance.above_control_at_most,
            "at most ",
            &format!("{unit} over the control group"),
        ),
        (
            tolerance.above_control_at_most_percent,
            "at most ",
            "% over the control group",
        ),
    ];
    let limits = limits
        .into_iter()
        .filter_map(|(limit, before, after)| Some(format!("{before}{}{after}", rounded(limit?))));
    limits.collect::<Vec<_>>().join(", ")
}

fn takes(plan: &Plan, style: Style) -> String {
    let total = plan.baseline_secs + plan.injection_secs + plan.recovery_secs;
    let span = |secs: u32| clock(secs.into());
    let rounds = count(usize::try_from(plan.rounds).unwrap_or(usize::MAX), "round");
    let lines = [
        format!("{:>8}  baseline", span(plan.baseline_secs)),
        format!("{:>8}  faults, at most, in {rounds}", span(plan.injection_secs)),
        format!("{:>8}  recovery", span(plan.recovery_secs)),
        format!(
            "{:>8}  in all, for about ${:.4} at list price",
            span(total),
            plan.cost.usd
        ),
    ];
    list("takes", lines.into_iter(), style)
}

/// What ends the injection before its longest time. A person, the kill switch and a failed step always do.
pub(super) fn ends_early(guards: &Guards, style: Style) -> String {
    let harm = match guards.stop_on {
        StopOn::Harm => "when a measure is established as deviated",
        StopOn::Never => "NOT when a measure is established as deviated: the faults stay",
    };
    let enough = guards.stop_when.map(|when| match when {
        StopWhen::Established => "when every measure is established as upheld",
    });
    let judged = [Some(harm), enough].into_iter().flatten().map(str::to_owned);
    let alarms = guards
        .alarms
        .iter()
        .map(|alarm| format!("when the alarm {alarm} goes to ALARM"));
    let own = guards
        .abort_when
        .iter()
        .map(|alarm| format!("when an alarm of its own goes to ALARM: {alarm}"));
    list(
        "ends early",
        judged.chain(alarms).chain(own).map(|line| wrap("  ", &line)),
        style,
    )
}

/// What the guards of the deployment found to be as it should be.
fn checked(preflight: &Preflight, style: Style) -> Option<String> {
    let lines = preflight.passed.iter().map(|note| wrap("  ", &said(note)));
    (!preflight.passed.is_empty()).then(|| list("was checked", lines, style))
}

/// What nobody looked at, and why.
fn unchecked(outlook: &Outlook, preflight: &Preflight, style: Style) -> Option<String> {
    let lines: Vec<String> = match &outlook.limits_problem {
        // The reason is the same for each of them.
        Some(problem) => vec![wrap("  ", &format!("what the deployment allows: {problem}"))],
        None => preflight.unchecked.iter().map(|note| wrap("  ", &said(note))).collect(),
    };
    (!lines.is_empty()).then(|| list("could NOT be checked", lines.into_iter(), style))
}

fn said(note: &Note) -> String {
    format!("{}: {}", about(note.guard), note.detail)
}

/// What a guard is about, in a word or two.
fn about(guard: Guard) -> &'static str {
    match guard {
        Guard::EnvironmentDiffers | Guard::EnvironmentNotAllowed => "environment",
        Guard::PercentOverLimit => "percent",
        Guard::DurationOverLimit => "duration",
        Guard::OutsideWindow => "time window",
        Guard::TooManyRuns => "runs",
        Guard::PermissionMissing => "permissions",
        other => other.name(),
    }
}

fn standing(outlook: &Outlook, preflight: Option<&Preflight>, style: Style) -> String {
    let Some(preflight) = preflight else {
        return "AWS was not asked whether it could start.".to_owned();
    };
    if preflight.refusals.is_empty() && outlook.could_start.is_none() {
        let unsure = style.unsure("It is not known whether it could start");
        return format!("{unsure}: what the deployment allows decides.");
    }
    if preflight.refusals.is_empty() {
        let guards = &outlook.experiment.guards;
        let alarms = match (guards.alarms.len(), guards.abort_when.len()) {
            (0, 0) => "no alarm guards it".to_owned(),
            (0, own) => format!("{} would be made to stop it", count(own, "alarm")),
            (named, 0) => format!("{} ready to stop it", count(named, "alarm")),
            (named, own) => format!("{} ready to stop it and {own} more to be made", count(named, "alarm")),
        };
        return format!("{}, {alarms}.", style.good("It could start now"));
    }
    let title = style.unsure("It would be refused:");
    let reasons = preflight.refusals.iter().map(|refusal| wrap("  - ", &refusal.detail));
    format!("{title}\n{}", reasons.collect::<Vec<_>>().join("\n"))
}
