//! Reads a drawn picture back: what its axes say of the places of its shapes.

use std::collections::BTreeMap;

use plotters::style::{Color, RGBAColor};

use crate::chart::INK;

/// How many dots of the picture a shape may be beside its place. Places are whole dots, those of the labels too.
const DOTS: f64 = 2.0;

/// Seconds since the run began, and a value.
pub(super) type Point = (f64, f64);

/// Something that is drawn.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    kind: String,
    attributes: BTreeMap<String, String>,
    /// Its words, if it has some.
    pub(super) words: String,
}

impl Shape {
    /// One element, from its name to the next element.
    fn read(element: &str) -> Shape {
        let (tag, words) = element.split_once('>').unwrap();
        let (kind, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut parts = attributes.split('"');
        let mut read = BTreeMap::new();
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            read.insert(name.trim().trim_end_matches('=').to_owned(), value.to_owned());
        }
        Shape {
            kind: kind.to_owned(),
            attributes: read,
            words: words.trim().to_owned(),
        }
    }

    fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> f64 {
        self.attribute(name)
            .parse()
            .unwrap_or_else(|_| panic!("{name}: {self:?}"))
    }

    /// Its points in dots: the corners, the two opposite ones of a rectangle, or the middle.
    fn dots(&self) -> Vec<Point> {
        match self.kind.as_str() {
            "circle" => vec![(self.number("cx"), self.number("cy"))],
            "rect" => {
                let (x, y) = (self.number("x"), self.number("y"));
                vec![(x, y), (x + self.number("width"), y + self.number("height"))]
            }
            "text" => vec![(self.number("x"), self.number("y"))],
            "line" => vec![
                (self.number("x1"), self.number("y1")),
                (self.number("x2"), self.number("y2")),
            ],
            _ => {
                let points = self.attribute("points").split_whitespace();
                let point = |point: &str| {
                    let (x, y) = point.split_once(',')?;
                    Some((x.parse().ok()?, y.parse().ok()?))
                };
                points.map(|text| point(text).unwrap()).collect()
            }
        }
    }

    fn is_painted(&self, paint: RGBAColor) -> bool {
        let (red, green, blue) = paint.rgb();
        let colour = format!("#{red:02X}{green:02X}{blue:02X}");
        [self.attribute("fill"), self.attribute("stroke")].contains(&colour.as_str())
            && self.number("opacity") == paint.alpha()
    }

    /// Which part of its words is at their place, and how far below it they are.
    fn anchor(&self) -> (&str, &str) {
        (self.attribute("text-anchor"), self.attribute("dy"))
    }

    /// Whether its words end at their place, rather than begin there.
    pub(super) fn ends_there(&self) -> bool {
        self.attribute("text-anchor") == "end"
    }
}

/// What an axis makes of dots.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    zero: f64,
    /// How many dots a unit has.
    unit: f64,
}

impl Scale {
    /// The scale on which every label is at its place: a dot and what it says there.
    fn of(labels: &[Point]) -> Scale {
        let [(first, low), .., (last, high)] = labels else {
            panic!("an axis needs two labels: {labels:?}")
        };
        let unit = (last - first) / (high - low);
        let scale = Scale {
            unit,
            zero: first - low * unit,
        };
        for (dot, label) in labels {
            assert!((scale.dot(*label) - dot).abs() <= DOTS, "{label} of {labels:?}");
        }
        scale
    }

    fn dot(&self, amount: f64) -> f64 {
        self.zero + amount * self.unit
    }

    fn amount(&self, dot: f64) -> f64 {
        (dot - self.zero) / self.unit
    }
}

/// A picture and its axes.
#[derive(Debug)]
pub(super) struct Picture {
    shapes: Vec<Shape>,
    times: Scale,
    /// Dots where there is no axis of values.
    values: Scale,
    /// The times and the values that are written beside the axes.
    labels: (Vec<f64>, Vec<f64>),
    /// The highest and the lowest dot of the plot.
    edges: (f64, f64),
}

impl Picture {
    /// A picture with an axis of times.
    pub(super) fn of(svg: &str) -> Picture {
        let elements = svg.split('<').skip(1).filter(|element| !element.starts_with('/'));
        let shapes: Vec<Shape> = elements.map(Shape::read).collect();
        let labels = |anchor: (&str, &str), read: fn(&str) -> f64, side: fn(Point) -> f64| -> Vec<Point> {
            let words = shapes.iter().filter(|shape| shape.kind == "text");
            let labels = words.filter(|shape| shape.anchor() == anchor && shape.attribute("transform").is_empty());
            labels
                .map(|label| (side(label.dots()[0]), read(&label.words)))
                .collect()
        };
        let times = labels(("middle", "0.76em"), secs, |dot| dot.0);
        let values = labels(("end", "0.5ex"), |words| words.parse().unwrap(), |dot| dot.1);
        let upright = shapes.iter().find_map(|shape| match shape.dots().as_slice() {
            [one, other] if shape.is_painted(INK.to_rgba()) && one.0 == other.0 => {
                let (top, bottom) = (one.1.min(other.1), one.1.max(other.1));
                (bottom - top > 20.0).then_some((top, bottom))
            }
            _ => None,
        });
        Picture {
            times: Scale::of(&times),
            values: match values.as_slice() {
                [] => Scale { zero: 0.0, unit: 1.0 },
                values => Scale::of(values),
            },
            edges: upright.unwrap_or((0.0, f64::INFINITY)),
            labels: [times, values]
                .map(|labels| labels.into_iter().map(|label| label.1).collect())
                .into(),
            shapes,
        }
    }

    /// The times and the values that are written beside the axes.
    pub(super) fn labels(&self) -> (&[f64], &[f64]) {
        (&self.labels.0, &self.labels.1)
    }

    /// The small marks on the axis of times and on that of values, each where it touches the axis.
    pub(super) fn ticks(&self) -> (Vec<Point>, Vec<Point>) {
        let (mut times, mut values) = (Vec::new(), Vec::new());
        for mark in self.in_plot("polyline", INK.to_rgba()) {
            let dots = mark.dots();
            let [one, other] = dots.as_slice() else { continue };
            let (wide, high) = ((one.0 - other.0).abs(), (one.1 - other.1).abs());
            let points = self.points(mark);
            match (wide > 0.0, high > 0.0) {
                (false, true) if high < 10.0 => times.push(points[0]),
                (true, false) if wide < 10.0 => values.push(points[1]),
                _ => {}
            }
        }
        (times, values)
    }

    /// The names above the plot.
    pub(super) fn legend(&self) -> Vec<&str> {
        let words = self.words().filter(|shape| shape.dots()[0].1 < self.edges.0);
        words.map(|shape| shape.words.as_str()).collect()
    }

    /// All words, in the order in which they are drawn.
    pub(super) fn words(&self) -> impl Iterator<Item = &Shape> {
        self.shapes.iter().filter(|shape| shape.kind == "text")
    }

    /// What of a kind was drawn with a paint in the plot itself.
    fn in_plot(&self, kind: &str, paint: RGBAColor) -> impl Iterator<Item = &Shape> {
        let shapes = self.shapes.iter().filter(move |shape| shape.kind == kind);
        shapes.filter(move |shape| shape.is_painted(paint) && shape.dots().iter().any(|dot| dot.1 >= self.edges.0))
    }

    /// The points of a shape, as the axes say.
    pub(super) fn points(&self, shape: &Shape) -> Vec<Point> {
        let dots = shape.dots().into_iter();
        dots.map(|(x, y)| (self.times.amount(x), self.values.amount(y)))
            .collect()
    }

    /// The lines of a width.
    pub(super) fn lines(&self, paint: RGBAColor, width: u32) -> Vec<Vec<Point>> {
        let lines = self.in_plot("polyline", paint);
        let lines = lines.filter(|line| line.number("stroke-width") == f64::from(width));
        lines.map(|line| self.points(line)).collect()
    }

    /// The lines of the grid: those that stand, from the lowest value up, and those that lie, from the first time on.
    pub(super) fn grid(&self) -> Vec<Vec<Point>> {
        let lines = self.shapes.iter().filter(|shape| shape.kind == "line");
        lines.map(|line| self.points(line)).collect()
    }

    /// The filled areas.
    pub(super) fn areas(&self, paint: RGBAColor) -> Vec<Vec<Point>> {
        self.in_plot("polygon", paint).map(|area| self.points(area)).collect()
    }

    /// The rectangles, each from its top left to its bottom right.
    pub(super) fn rectangles(&self, paint: RGBAColor) -> Vec<Vec<Point>> {
        self.in_plot("rect", paint).map(|area| self.points(area)).collect()
    }

    /// The middles of circles.
    pub(super) fn circles(&self, paint: RGBAColor) -> Vec<Point> {
        self.in_plot("circle", paint)
            .flat_map(|circle| self.points(circle))
            .collect()
    }

    /// The middles of triangles.
    pub(super) fn triangles(&self, paint: RGBAColor) -> Vec<Point> {
        let areas = self.areas(paint).into_iter().filter(|corners| corners.len() == 3);
        let middle = |corners: Vec<Point>| {
            let sum = corners
                .iter()
                .fold((0.0, 0.0), |sum, corner| (sum.0 + corner.0, sum.1 + corner.1));
            (sum.0 / 3.0, sum.1 / 3.0)
        };
        areas.map(middle).collect()
    }

    /// The kinds of the shapes of a paint above the plot.
    pub(super) fn above(&self, paint: RGBAColor) -> Vec<&str> {
        let shapes = self.shapes.iter().filter(|shape| {
            let dots = shape.dots();
            !dots.is_empty() && dots.iter().all(|dot| dot.1 < self.edges.0) && shape.is_painted(paint)
        });
        shapes.map(|shape| shape.kind.as_str()).collect()
    }

    /// The highest and the lowest value of the plot.
    pub(super) fn edges(&self) -> (f64, f64) {
        (self.values.amount(self.edges.0), self.values.amount(self.edges.1))
    }

    /// The value, or the edge that is nearest to it.
    pub(super) fn within(&self, value: f64) -> f64 {
        let (highest, lowest) = self.edges();
        value.clamp(lowest, highest)
    }

    /// Panics where something is not drawn where it should be, and nowhere else.
    pub(super) fn assert_at(&self, what: &str, drawn: &[Point], expected: &[Point]) {
        let off = |of: Scale, one: f64, other: f64| (of.dot(one) - of.dot(other)).abs() > DOTS;
        let is_off = |(drawn, expected): (&Point, &Point)| {
            off(self.times, drawn.0, expected.0) || off(self.values, drawn.1, expected.1)
        };
        let differs = drawn.len() != expected.len() || drawn.iter().zip(expected).any(is_off);
        assert!(!differs, "{what}: drawn {drawn:.2?}, expected {expected:.2?}");
    }

    /// As [`Picture::assert_at`], for shapes with some points each.
    pub(super) fn assert_all_at(&self, what: &str, drawn: &[Vec<Point>], expected: &[Vec<Point>]) {
        assert_eq!(
            drawn.len(),
            expected.len(),
            "{what}: drawn {drawn:.2?}, expected {expected:.2?}"
        );
        for (drawn, expected) in drawn.iter().zip(expected) {
            self.assert_at(what, drawn, expected);
        }
    }
}

/// The seconds of a label like `1:30` or `1:00:00`.
fn secs(label: &str) -> f64 {
    let parts = label.split(':').map(|part| part.parse::<f64>().unwrap());
    parts.fold(0.0, |sum, part| sum * 60.0 + part)
}
