//! A measure over time: baseline, groups with their bands, and what is tolerated.

use inoculate_core::judge::rounded;
use inoculate_core::words::clean;
use plotters::backend::SVGBackend;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text, TriangleMarker};
use plotters::style::{Color, RGBColor};

use super::axis::{Area, Failed, TimeAxis, drawn, label, secs, words};
use super::{BASELINE, CONTROL, Chart, EXPERIMENTAL, GRID, INK, Look, Number, Seen, TOLERANCE, Who};

const HEIGHT: u32 = 300;
/// Above the plot, for the names of the series.
const LEGEND: u32 = 28;
/// How much of the colour of a group its band has.
const BAND: f64 = 0.2;

type Plot<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<TimeAxis, RangedCoordf64>>;

/// A value at a time, and the ends of its band.
struct Dot {
    from: f64,
    until: f64,
    value: f64,
    low: f64,
    high: f64,
}

pub(super) fn svg(chart: &Chart) -> Result<String, Failed> {
    drawn(HEIGHT, |area| {
        let (top, bottom) = area.split_vertically(LEGEND);
        legend(chart, &top)?;
        let (lowest, highest) = heights(chart);
        let mut builder = ChartBuilder::on(&bottom);
        builder.margin_right(24).margin_bottom(8).margin_left(8);
        builder.x_label_area_size(44).y_label_area_size(76);
        let mut plot = builder.build_cartesian_2d(TimeAxis::until(end(chart)), lowest..highest)?;
        if let Some((from, until)) = chart.faults {
            let corners = [
                (secs(chart.opened_at, from), lowest),
                (secs(chart.opened_at, until), highest),
            ];
            plot.draw_series([Rectangle::new(corners, EXPERIMENTAL.mix(0.08).filled())])?;
        }
        let mut mesh = plot.configure_mesh();
        if let Some(unit) = &chart.unit {
            mesh.y_desc(clean(unit));
        }
        mesh.light_line_style(GRID.mix(0.0))
            .bold_line_style(GRID.mix(0.6))
            .axis_style(INK)
            .label_style(label())
            .x_desc("since the run began (min:s)")
            .y_labels(6)
            .y_label_formatter(&|value| rounded(*value))
            .draw()?;
        for who in [Who::Baseline, Who::Recovery] {
            windows(&mut plot, &dots(chart, who, highest), end(chart))?;
        }
        for who in [Who::Control, Who::Experimental, Who::WithFaults] {
            group(&mut plot, &dots(chart, who, highest), who)?;
        }
        limits(&mut plot, chart)
    })
}

/// When the plot ends, in seconds since the run began.
fn end(chart: &Chart) -> f64 {
    let looks = chart.looks.iter().map(|look| look.until.0);
    let times = looks.chain(chart.faults.map(|faults| faults.1));
    times.map(|at| secs(chart.opened_at, at)).fold(1.0, f64::max)
}

/// The lowest and the highest value that is shown: all values and limits, and of the bands as much as leaves those readable.
fn heights(chart: &Chart) -> (f64, f64) {
    let value = |number: &Option<Number>| number.as_ref().map(|number| number.value);
    let seen = || chart.looks.iter().flat_map(|look| &look.seen);
    let limits = chart.looks.iter().flat_map(|look| [&look.lowest, &look.highest]);
    let core: Vec<f64> = seen().map(|seen| &seen.value).chain(limits).filter_map(value).collect();
    let (low, high) = core.iter().fold((0.0_f64, 0.0_f64), |(low, high), value| {
        (low.min(*value), high.max(*value))
    });
    let room = if high > low { high - low } else { 1.0 };
    let bands_high = seen().filter_map(|seen| value(&seen.high)).fold(high, f64::max);
    let bands_low = seen().filter_map(|seen| value(&seen.low)).fold(low, f64::min);
    let top = bands_high.min(high + room / 2.0).max(high + room * 0.06);
    (bands_low.max(low - room / 2.0), top)
}

fn dots(chart: &Chart, who: Who, highest: f64) -> Vec<Dot> {
    let of = |look: &Look, seen: &Seen| {
        let value = seen.value.as_ref()?.value;
        let end = |number: &Option<Number>| number.as_ref().map(|number| number.value);
        Some(Dot {
            from: secs(chart.opened_at, look.from.0),
            until: secs(chart.opened_at, look.until.0),
            value,
            low: end(&seen.low).unwrap_or(value),
            // A band whose end nobody knows ends above the plot.
            high: end(&seen.high)
                .unwrap_or(if seen.low.is_some() { highest } else { value })
                .min(highest),
        })
    };
    let looks = chart.looks.iter();
    let dots = looks.flat_map(|look| {
        look.seen
            .iter()
            .filter(|seen| seen.who == who)
            .filter_map(move |seen| of(look, seen))
    });
    dots.collect()
}

/// Values of whole windows, before and after the faults.
fn windows(plot: &mut Plot<'_>, dots: &[Dot], end: f64) -> Result<(), Failed> {
    for dot in dots {
        let (from, until) = (dot.from, dot.until.max(dot.from + end / 200.0));
        plot.draw_series([Rectangle::new(
            [(from, dot.low), (until, dot.high)],
            BASELINE.mix(BAND).filled(),
        )])?;
        let across = [(until, dot.value), (end, dot.value)];
        plot.draw_series([PathElement::new(across.to_vec(), BASELINE.mix(0.5).stroke_width(1))])?;
        let line = [(from, dot.value), (until, dot.value)];
        plot.draw_series([PathElement::new(line.to_vec(), BASELINE.stroke_width(3))])?;
    }
    Ok(())
}

/// Values of the rounds, one after the other.
fn group(plot: &mut Plot<'_>, dots: &[Dot], who: Who) -> Result<(), Failed> {
    let colour = colour(who);
    let there = dots.iter().map(|dot| (dot.until, dot.high));
    let back = dots.iter().rev().map(|dot| (dot.until, dot.low));
    if dots.len() > 1 {
        let outline: Vec<(f64, f64)> = there.chain(back).collect();
        plot.draw_series([Polygon::new(outline, colour.mix(BAND).filled())])?;
    }
    let bars = dots.iter().map(|dot| vec![(dot.until, dot.low), (dot.until, dot.high)]);
    plot.draw_series(bars.map(|bar| PathElement::new(bar, colour.mix(0.5).stroke_width(1))))?;
    let line: Vec<(f64, f64)> = dots.iter().map(|dot| (dot.until, dot.value)).collect();
    plot.draw_series([PathElement::new(line.clone(), colour.stroke_width(2))])?;
    if who == Who::Control {
        plot.draw_series(line.into_iter().map(|dot| TriangleMarker::new(dot, 6, colour.filled())))?;
    } else {
        plot.draw_series(line.into_iter().map(|dot| Circle::new(dot, 5, colour.filled())))?;
    }
    Ok(())
}

/// What is tolerated, as a line on each side that changes with the looks.
fn limits(plot: &mut Plot<'_>, chart: &Chart) -> Result<(), Failed> {
    for side in [|look: &Look| look.lowest.clone(), |look: &Look| look.highest.clone()] {
        let mut steps: Vec<(f64, f64)> = Vec::new();
        for look in &chart.looks {
            let Some(limit) = side(look) else { continue };
            let from = secs(chart.opened_at, look.from.0);
            let from = steps.last().map_or(from, |(until, _)| until.max(from));
            steps.extend([(from, limit.value), (secs(chart.opened_at, look.until.0), limit.value)]);
        }
        plot.draw_series([PathElement::new(steps, TOLERANCE.stroke_width(2))])?;
    }
    Ok(())
}

fn colour(who: Who) -> RGBColor {
    match who {
        Who::Baseline | Who::Recovery => BASELINE,
        Who::Control => CONTROL,
        Who::Experimental | Who::WithFaults => EXPERIMENTAL,
    }
}

/// The names of what is in the plot, each with a piece of it.
fn legend(chart: &Chart, area: &Area<'_>) -> Result<(), Failed> {
    let mut present: Vec<Who> = chart
        .looks
        .iter()
        .flat_map(|look| &look.seen)
        .map(|seen| seen.who)
        .collect();
    present.sort();
    present.dedup();
    let mut x = 10;
    for who in present {
        let colour = colour(who);
        let middle = (x + 12, 12);
        area.draw(&PathElement::new(vec![(x, 12), (x + 24, 12)], colour.stroke_width(2)))?;
        match who {
            Who::Baseline | Who::Recovery => {
                area.draw(&Rectangle::new([(x, 8), (x + 24, 16)], colour.mix(BAND).filled()))?
            }
            Who::Control => area.draw(&TriangleMarker::new(middle, 6, colour.filled()))?,
            Who::Experimental | Who::WithFaults => area.draw(&Circle::new(middle, 5, colour.filled()))?,
        }
        x = named(area, x, who.name())?;
    }
    if chart
        .looks
        .iter()
        .any(|look| look.lowest.is_some() || look.highest.is_some())
    {
        area.draw(&PathElement::new(
            vec![(x, 12), (x + 24, 12)],
            TOLERANCE.stroke_width(2),
        ))?;
        named(area, x, "tolerated")?;
    }
    Ok(())
}

/// A name beside a piece that begins at `x`; where the next may begin.
fn named(area: &Area<'_>, x: i32, name: &str) -> Result<i32, Failed> {
    /// About as wide as a letter is in this size.
    const LETTER: i32 = 7;
    area.draw(&Text::new(name.to_owned(), (x + 30, 6), words(15, INK)))?;
    Ok(x + 44 + LETTER * i32::try_from(name.len()).unwrap_or(0))
}
