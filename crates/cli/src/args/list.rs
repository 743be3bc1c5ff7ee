//! Options of `inoculate list`.

use clap::Args;
use clap::builder::TypedValueParser;
use inoculate_core::names::ExperimentName;
use inoculate_core::run::{RunFilter, Status};
use inoculate_core::span::Span;
use jiff::Timestamp;

use super::named;

/// Options of `inoculate list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// How many, at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,

    /// Only runs of this status; several with commas between them
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = status())]
    pub status: Vec<Status>,

    /// Only runs of this experiment
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<ExperimentName>,

    /// Only runs recorded since then: a time like 2026-03-04T09:00:00Z, or how long ago, like 7h
    #[arg(long, value_name = "TIME|SPAN", value_parser = moment)]
    pub since: Option<Moment>,

    /// Only runs recorded before then, written like --since
    #[arg(long, value_name = "TIME|SPAN", value_parser = moment)]
    pub until: Option<Moment>,
}

impl ListArgs {
    /// Which runs are meant at this time.
    pub fn filter(&self, now: Timestamp) -> RunFilter {
        RunFilter {
            statuses: self.status.clone(),
            experiment: self.experiment.clone(),
            since: self.since.map(|moment| moment.at(now)),
            until: self.until.map(|moment| moment.at(now)),
        }
    }
}

/// A time, as people say it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Moment {
    /// The time itself.
    At(Timestamp),
    /// So long before now.
    Ago(Span),
}

impl Moment {
    fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Moment::At(time) => time,
            Moment::Ago(span) => now.checked_sub(span.signed()).unwrap_or(Timestamp::MIN),
        }
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    let time = text.parse().map(Moment::At);
    time.or_else(|_| text.parse().map(Moment::Ago)).map_err(|_| {
        "write a time with its offset, like 2026-03-04T09:00:00Z, or how long ago it is, like 30s, 5m or 2h".to_owned()
    })
}

/// Every status by its name.
fn status() -> impl TypedValueParser<Value = Status> {
    named(Status::ALL.map(|status| (status.name(), status)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_out_or_ago() {
        let now: Timestamp = "2026-03-04T09:00:00Z".parse().unwrap();
        let at = |text: &str| moment(text).map(|moment| moment.at(now).to_string());
        assert_eq!(at("2h").unwrap(), "2026-03-04T07:00:00Z");
        assert_eq!(at("2026-03-01T01:00:00+01:00").unwrap(), "2026-03-01T00:00:00Z");
        for wrong in ["", "7d", "2", "2026-03-01", "2026-03-01T01:00:00", "-2h", "0s"] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            Moment::Ago("999999h".parse().unwrap()).at(now).to_string(),
            "1912-02-04T18:00:00Z"
        );
    }
}
