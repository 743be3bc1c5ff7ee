//! A run while it goes on, for a terminal: a few lines that fit it, drawn again and again.

mod measure;
mod picture;

use inoculate_core::experiment::Experiment;
use inoculate_core::names::RunId;
use inoculate_core::plan::Plan;
use inoculate_core::ports::Results;
use inoculate_core::run::{Phase, Run, Status};
use jiff::Timestamp;

use super::progress::Stage;
use super::style::Style;
use super::text::{clean, clock, cut, secs_between, width};
use measure::Shown;
use picture::bar;

/// How much a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Letters in a row.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
}

/// What a person was asked, and said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Asked {
    /// Nothing yet.
    #[default]
    Nothing,
    /// Whether the run is to be aborted.
    Abort,
    /// They want it aborted, and that is under way.
    Aborting,
}

/// What is known of a run while it goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Its name.
    pub id: RunId,
    /// Its record, once there is one.
    pub run: Option<Run>,
    /// Its experiment, once it is known.
    pub experiment: Option<Experiment>,
    /// What was measured so far.
    pub results: Results,
    /// What a person was asked.
    pub asked: Asked,
}

/// How a piece of a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Plain,
    Bold,
    Dim,
    Good,
    Unsure,
    Bad,
}

/// A line in pieces, each with its look: it is cut before it is painted, since colour has no width.
type Row = Vec<(Look, String)>;

impl View {
    /// Nothing is known of a run but its name.
    pub fn new(id: RunId) -> View {
        View {
            id,
            run: None,
            experiment: None,
            results: Results::default(),
            asked: Asked::default(),
        }
    }

    /// Whether there is something to abort: not what is ending already, which a stop would only cost its verdict.
    pub fn may_abort(&self) -> bool {
        self.run.as_ref().is_none_or(|run| run.phase < Phase::RollingBack)
    }
}

/// The lines of a run: at most one less than the terminal has rows, each at least one column narrower than it. Where there is
/// no room for everything, each measure has one line; where there is less, some have none.
pub fn lines(view: &View, now: Timestamp, size: Size, style: Style) -> Vec<String> {
    let columns = size.columns.saturating_sub(1);
    let rows = size.rows.saturating_sub(1).max(1);
    let shown = Shown::all(view, columns);
    let mut layouts = [
        layout(
            view,
            now,
            columns,
            shown.iter().flat_map(Shown::in_full).collect(),
            true,
        ),
        layout(view, now, columns, shown.iter().map(Shown::in_brief).collect(), true),
        layout(view, now, columns, shown.iter().map(Shown::in_brief).collect(), false),
    ]
    .into_iter();
    let fitting = layouts.find(|rows_of| rows_of.len() <= rows);
    let fitting = fitting.unwrap_or_else(|| smallest(view, now, &shown, columns, rows));
    fitting.into_iter().map(|row| fit(row, columns, style)).collect()
}

fn layout(view: &View, now: Timestamp, columns: usize, measures: Vec<Row>, is_airy: bool) -> Vec<Row> {
    let mut rows = vec![head(view, now, columns)];
    if is_airy {
        rows.push(phases(view));
    }
    rows.push(stage(view, now, columns));
    let blank = is_airy && !measures.is_empty();
    rows.extend(blank.then(Row::new));
    rows.extend(measures);
    if is_airy {
        rows.extend(injected(view));
    }
    rows.push(keys(view));
    rows
}

/// The stage, as many measures as there is room for, and the keys.
fn smallest(view: &View, now: Timestamp, shown: &[Shown], columns: usize, rows: usize) -> Vec<Row> {
    if rows == 1 {
        return vec![match view.asked {
            Asked::Nothing => stage(view, now, columns),
            Asked::Abort | Asked::Aborting => keys(view),
        }];
    }
    let mut lines = vec![stage(view, now, columns)];
    // With room for no measure at all, how many there are helps nobody.
    let room = rows - 2;
    if room > 1 {
        let all_fit = shown.len() <= room;
        let most = if all_fit { shown.len() } else { room - 1 };
        lines.extend(shown.iter().take(most).map(Shown::in_brief));
        let more = shown.len() - most;
        lines.extend((!all_fit).then(|| vec![(Look::Dim, format!("and {more} more"))]));
    }
    lines.push(keys(view));
    lines
}

/// Cut to the columns, then painted.
fn fit(row: Row, columns: usize, style: Style) -> String {
    let mut left = columns;
    let mut line = String::new();
    for (look, text) in row {
        let text = cut(&clean(&text), left);
        left -= width(&text);
        line.push_str(&match look {
            Look::Plain => text,
            Look::Bold => style.bold(&text),
            Look::Dim => style.dim(&text),
            Look::Good => style.good(&text),
            Look::Unsure => style.unsure(&text),
            Look::Bad => style.bad(&text),
        });
    }
    line.trim_end().to_owned()
}

fn head(view: &View, now: Timestamp, columns: usize) -> Row {
    let id = view.id.to_string();
    let Some(run) = &view.run else {
        return vec![(Look::Bold, id)];
    };
    let so_far = clock(secs_between(run.opened_at, now));
    let gap = columns.saturating_sub(width(&id) + width(&so_far)).max(2);
    vec![(Look::Bold, id), (Look::Dim, format!("{:gap$}{so_far}", ""))]
}

/// Every phase of a run, with what is over, what is now, and what is to come.
fn phases(view: &View) -> Row {
    let Some(run) = &view.run else { return Row::new() };
    let now = match run.phase {
        Phase::Opened => 0,
        Phase::Steady | Phase::Injecting | Phase::Injected => 1,
        Phase::RollingBack => 2,
        Phase::RolledBack => 3,
        Phase::Closed => 4,
    };
    let names = ["baseline", "faults", "rollback", "recovery"].into_iter().enumerate();
    let steps = names.map(|(step, name)| match step {
        _ if step == 2 && run.status == Status::RollbackFailed => (Look::Bad, format!("✗ {name}")),
        // A run that is refused never gets there.
        1 if now > 1 && run.injecting_at.is_none() => (Look::Dim, format!("- {name}")),
        _ if step < now => (Look::Good, format!("✓ {name}")),
        _ if step == now => (Look::Bold, format!("▶ {name}")),
        _ => (Look::Dim, format!("· {name}")),
    });
    steps.flat_map(|step| [step, (Look::Plain, "   ".to_owned())]).collect()
}

/// What the run is doing, how much of it is over, and the time left.
fn stage(view: &View, now: Timestamp, columns: usize) -> Row {
    let Some(run) = &view.run else {
        return vec![(Look::Plain, "waiting for the run to be recorded".to_owned())];
    };
    let plan = view.experiment.as_ref().map(Plan::of);
    let stage = Stage::of(run, plan.as_ref());
    let words = format!("{} {}", stage.what, stage.time(now));
    let look = match run.status {
        Status::RollbackFailed => Look::Bad,
        _ => Look::Plain,
    };
    // A third of the line, so that the bar does not move when the words change.
    match stage.share(now) {
        Some(share) if columns >= 60 => vec![(Look::Good, bar(share, columns / 3)), (look, format!("  {words}"))],
        _ => vec![(look, words)],
    }
}

/// For each function that faults may touch: how many requests met one.
fn injected(view: &View) -> Vec<Row> {
    let (Some(experiment), Some(latest)) = (&view.experiment, view.results.observations.last()) else {
        return vec![];
    };
    let touched = &experiment.blast_radius.functions;
    let seen = latest.seen.iter().filter(|seen| touched.contains(&seen.function));
    let row = seen.map(|seen| {
        let met = seen.control.injected.saturating_add(seen.experimental.injected);
        let text = format!("{met} of {} requests of {} met a fault", seen.requests(), seen.function);
        vec![(Look::Plain, text)]
    });
    row.collect()
}

/// What a person may press now.
fn keys(view: &View) -> Row {
    let leave = "q leaves, and the run goes on";
    match view.asked {
        Asked::Aborting => vec![(Look::Unsure, "aborting: everything is being put back".to_owned())],
        Asked::Abort => vec![(
            Look::Bad,
            "abort the run? y aborts it, any other key does not".to_owned(),
        )],
        Asked::Nothing if view.may_abort() => vec![(Look::Dim, format!("a aborts the run; {leave}"))],
        Asked::Nothing => vec![(Look::Dim, leave.to_owned())],
    }
}

#[cfg(test)]
mod tests;
