//! What both kinds of pictures share.

use std::ops::Range;

use inoculate_core::words::{clock, secs_between};
use jiff::Timestamp;
use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, RGBColor, TextStyle};

use super::{INK, WIDTH};

/// Why nothing was drawn. Writing to memory does not fail, so nobody will see it.
pub(super) type Failed = DrawingAreaErrorKind<std::io::Error>;
/// Something to draw on.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A picture of a height.
pub(super) fn drawn(height: u32, draw: impl FnOnce(&Area<'_>) -> Result<(), Failed>) -> Result<String, Failed> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        draw(&area)?;
        area.present()?;
    }
    Ok(svg)
}

/// The style of words in a picture.
pub(super) fn words<'a>(size: u32, colour: RGBColor) -> TextStyle<'a> {
    let font = FontDesc::new(FontFamily::SansSerif, f64::from(size), FontStyle::Normal);
    TextStyle {
        color: colour.to_backend_color(),
        ..TextStyle::from(font)
    }
}

/// Words beside an axis.
pub(super) fn label<'a>() -> TextStyle<'a> {
    words(15, INK)
}

/// A time on the axis: seconds since the run began.
pub(super) fn secs(opened_at: Timestamp, at: Timestamp) -> f64 {
    secs_between(opened_at, at).max(0) as f64
}

/// Seconds since the run began, with labels at round numbers, ten at most.
pub(super) struct TimeAxis {
    end: f64,
    step: f64,
}

impl TimeAxis {
    /// Up to so many seconds.
    pub(super) fn until(end: f64) -> TimeAxis {
        const STEPS: [u32; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600];
        let end = end.max(1.0);
        let step = STEPS.into_iter().map(f64::from).find(|step| end / step <= 10.0);
        let step = step.unwrap_or(7_200.0);
        TimeAxis { end, step }
    }
}

impl Ranged for TimeAxis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, secs: &f64, (first, last): (i32, i32)) -> i32 {
        first + (f64::from(last - first) * secs / self.end).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        let last = (self.end / self.step) as u32;
        (0..=last).map(|number| f64::from(number) * self.step).collect()
    }

    fn range(&self) -> Range<f64> {
        0.0..self.end
    }
}

impl ValueFormatter<f64> for TimeAxis {
    fn format(secs: &f64) -> String {
        clock(secs.round() as i64)
    }
}
