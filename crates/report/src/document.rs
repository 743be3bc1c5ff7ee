//! A report as data: sections of blocks of words. [`crate::html`] and [`crate::markdown`] write it down.
//!
//! A number, a time or a sentence of the record knows where in the record it comes from, as a JSON pointer into what
//! `inoculate show --json` prints. So whoever reads a report can check it, and so do the tests.

use inoculate_core::judge::{Verdict, rounded};
use inoculate_core::run::Status;
use inoculate_core::words::secs_between;
use jiff::Timestamp;

use crate::chart::{Chart, TimeLine};

/// A report.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What it is about.
    pub title: String,
    /// What was found, when it is.
    pub verdict: Option<Inline>,
    /// What was put to the test; absent when the experiment could not be read.
    pub hypothesis: Option<Line>,
    /// What there is to say, in order.
    pub sections: Vec<Section>,
    /// What the report is made of: the JSON of `inoculate show --json`.
    pub json: String,
}

/// A part of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Its name in links.
    pub id: &'static str,
    /// Its heading.
    pub heading: &'static str,
    /// What it says.
    pub blocks: Vec<Block>,
}

/// A piece of a section.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A heading within the section.
    Heading(Line),
    /// Some sentences.
    Paragraph(Line),
    /// Names and their values.
    Facts(Vec<(&'static str, Line)>),
    /// One after the other.
    List(Vec<Line>),
    /// Commands to copy.
    Commands(Vec<String>),
    /// Rows and columns.
    Table(Table),
    /// A measure over time. Markdown has its numbers only.
    Chart(Chart),
    /// The phases and faults of a run over time. Markdown has nothing of it.
    TimeLine(TimeLine),
}

/// Rows and columns.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// The heads of the columns.
    pub heads: Vec<String>,
    /// The cells, row by row, as many in each as there are heads.
    pub rows: Vec<Vec<Line>>,
}

impl Table {
    /// Rows under these heads.
    pub fn new(heads: &[&str], rows: Vec<Vec<Line>>) -> Table {
        let heads = heads.iter().map(|head| (*head).to_owned()).collect();
        Table { heads, rows }
    }
}

/// Words one after the other.
pub type Line = Vec<Inline>;

/// Some words.
#[derive(Debug, Clone, PartialEq)]
pub enum Inline {
    /// Words of this report. They hold no number of the record.
    Text(String),
    /// A text of the record, as it is.
    Said(String, At),
    /// Words that were made of a part of the record, with the numbers in it.
    Of(String, At),
    /// Something to copy, or a name.
    Code(String),
    /// A number of the record.
    Number(Number),
    /// A time of the record.
    Time(Timestamp, At),
    /// The time between two times of the record.
    Length(Length),
    /// What was found.
    Verdict(Verdict, At),
    /// How a run stands.
    Status(Status, At),
}

/// Where something is in the record: a JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At(String);

impl At {
    /// The whole record.
    pub fn root() -> At {
        At(String::new())
    }

    /// A field of it. Slashes go deeper: `"results/baseline"`.
    #[must_use]
    pub fn key(&self, key: &str) -> At {
        At(format!("{}/{key}", self.0))
    }

    /// A field of it, whatever its name is.
    #[must_use]
    pub fn name(&self, name: &str) -> At {
        At(format!("{}/{}", self.0, name.replace('~', "~0").replace('/', "~1")))
    }

    /// An item of it, from 0.
    #[must_use]
    pub fn item(&self, index: usize) -> At {
        At(format!("{}/{index}", self.0))
    }

    /// The pointer.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A number of the record.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// The number.
    pub value: f64,
    /// Its unit, for people.
    pub unit: Option<String>,
    /// Where it is.
    pub at: At,
}

impl Number {
    /// A number that counts something. Counts beyond 2^53 lose their last digits.
    pub fn count(value: u64, at: At) -> Number {
        Number {
            value: value as f64,
            unit: None,
            at,
        }
    }

    /// A number with its unit; `None` when it is no number that can be shown.
    pub fn amount(value: Option<f64>, unit: Option<&str>, at: At) -> Option<Number> {
        let value = value.filter(|value| value.is_finite())?;
        let unit = unit.map(str::to_owned);
        Some(Number { value, unit, at })
    }

    /// The number as people read it.
    pub fn text(&self) -> String {
        match &self.unit {
            Some(unit) => format!("{} {unit}", rounded(self.value)),
            None => rounded(self.value),
        }
    }
}

/// The time between two times of the record.
#[derive(Debug, Clone, PartialEq)]
pub struct Length {
    /// The first.
    pub from: (Timestamp, At),
    /// The second; when the report was written, if it is nowhere.
    pub until: (Timestamp, Option<At>),
}

impl Length {
    /// How many whole seconds.
    pub fn secs(&self) -> i64 {
        secs_between(self.from.0, self.until.0)
    }
}

/// Words of this report.
pub fn text(words: impl Into<String>) -> Inline {
    Inline::Text(words.into())
}

/// A line of words of this report.
pub fn line(words: impl Into<String>) -> Line {
    vec![text(words)]
}

/// A number, or a dash where there is none.
pub fn number_or_dash(number: Option<Number>) -> Line {
    vec![number.map_or_else(|| text("–"), Inline::Number)]
}
