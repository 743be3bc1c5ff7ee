//! The phases and faults of a run over time.

use inoculate_core::words::clean;
use plotters::chart::ChartBuilder;
use plotters::element::{PathElement, Rectangle, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::{Failed, TimeAxis, drawn, label, secs};
use super::{Bar, CONTROL, EXPERIMENTAL, GRID, INK, TimeLine};

/// The height of a bar with its name above it.
const ROW: u32 = 38;

pub(super) fn svg(time_line: &TimeLine) -> Result<String, Failed> {
    let rows = u32::try_from(time_line.bars.len()).unwrap_or(u32::MAX).min(60);
    drawn(rows * ROW + 60, |area| {
        let times = time_line.bars.iter().map(|bar| bar.length.until.0);
        let end = times.map(|at| secs(time_line.opened_at, at)).fold(1.0, f64::max);
        let mut builder = ChartBuilder::on(area);
        builder
            .margin_left(16)
            .margin_bottom(8)
            .margin_right(24)
            .margin_top(4)
            .x_label_area_size(44);
        let mut plot = builder.build_cartesian_2d(TimeAxis::until(end), 0.0..f64::from(rows))?;
        plot.configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .light_line_style(GRID.mix(0.0))
            .bold_line_style(GRID.mix(0.6))
            .axis_style(INK)
            .label_style(label())
            .x_desc("since the run began (min:s)")
            .draw()?;
        for (row, bar) in (0..rows).zip(&time_line.bars) {
            let bottom = f64::from(rows - row) - 1.0;
            let from = secs(time_line.opened_at, bar.length.from.0);
            // So short a bar would not be seen.
            let until = secs(time_line.opened_at, bar.length.until.0).max(from + end / 250.0);
            let colour = if bar.is_fault { EXPERIMENTAL } else { CONTROL };
            plot.draw_series([Rectangle::new(
                [(from, bottom + 0.1), (until, bottom + 0.5)],
                colour.filled(),
            )])?;
            // A name beside a late bar ends where the bar does, so that it stays in the picture.
            let (x, side) = if from > end / 2.0 {
                (until, HPos::Right)
            } else {
                (from, HPos::Left)
            };
            let style = label().pos(Pos::new(side, VPos::Top));
            plot.draw_series([Text::new(name(bar), (x, bottom + 0.95), style)])?;
        }
        let rounds = time_line.rounds.iter().map(|at| secs(time_line.opened_at, *at));
        let marks = rounds.map(|at| vec![(at, 0.0), (at, f64::from(rows))]);
        plot.draw_series(marks.map(|mark| PathElement::new(mark, INK.mix(0.35).stroke_width(1))))?;
        Ok(())
    })
}

/// The name of a bar, as much as there is room for.
fn name(bar: &Bar) -> String {
    const LONGEST: usize = 48;
    let name = clean(&bar.name);
    if name.chars().count() <= LONGEST {
        return name;
    }
    let start: String = name.chars().take(LONGEST).collect();
    format!("{start} ...")
}
