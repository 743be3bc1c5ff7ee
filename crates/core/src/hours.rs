//! Whether time windows are open, until when, and when they open again.
//!
//! A window is open whenever the clock on the wall, in its time zone, shows one of its days and a time from `from` up to, but
//! not at, `until`. That says all about the days on which clocks are put forward or back: a time that does not come is passed
//! over, and one that comes twice counts twice.
//!
//! The rules of time zones are those that were built in, so that every machine knows the same.

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::experiment::{TimeOfDay, TimeWindow};

/// How many days ahead is looked for a window that opens or closes. They repeat every seven.
const AHEAD: i32 = 9;

/// Time windows, with the rules of their time zones. Open when any of them is.
#[derive(Debug, Clone)]
pub struct Hours {
    windows: Vec<(TimeWindow, TimeZone)>,
}

/// How time windows stand at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// One is open.
    Open {
        /// When none is any more; `None` when that is more than a week away.
        closes_at: Option<Timestamp>,
    },
    /// None is open.
    Closed {
        /// When one opens; `None` when that is more than a week away.
        opens_at: Option<Timestamp>,
    },
}

/// A time zone by its IANA name.
///
/// # Errors
/// When there is none of this name, in words.
pub fn time_zone(name: &str) -> Result<TimeZone, String> {
    let found = TimeZoneDatabase::bundled().get(name).ok();
    found
        .filter(|zone| !zone.is_unknown())
        .ok_or_else(|| format!("there is no time zone `{name}`; write an IANA name like Europe/Berlin or UTC"))
}

impl Hours {
    /// These windows.
    ///
    /// # Errors
    /// When there is no time zone of a name, in words.
    pub fn of(windows: &[TimeWindow]) -> Result<Hours, String> {
        let with_zone = |window: &TimeWindow| Ok((window.clone(), time_zone(&window.time_zone)?));
        let windows = windows.iter().map(with_zone).collect::<Result<_, String>>()?;
        Ok(Hours { windows })
    }

    /// How the windows stand at a time.
    pub fn standing(&self, now: Timestamp) -> Standing {
        let is_open = self.is_open(now);
        let change = self.edges(now).into_iter().find(|edge| self.is_open(*edge) != is_open);
        if is_open {
            Standing::Open { closes_at: change }
        } else {
            Standing::Closed { opens_at: change }
        }
    }

    fn is_open(&self, at: Timestamp) -> bool {
        self.windows.iter().any(|(window, zone)| {
            let shown = zone.to_datetime(at);
            let minutes = u16::from(shown.hour().unsigned_abs()) * 60 + u16::from(shown.minute().unsigned_abs());
            let today = window.days.iter().any(|day| day.weekday() == shown.weekday());
            today && (window.from.minutes()..window.until.minutes()).contains(&minutes)
        })
    }

    /// Every time after this one, for some days, at which a window may open or close, in order: where the clock shows one of its
    /// times, and where the clock jumps.
    fn edges(&self, now: Timestamp) -> Vec<Timestamp> {
        let mut edges = Vec::new();
        for (window, zone) in &self.windows {
            let today = zone.to_datetime(now).date();
            for days in -1..=AHEAD {
                let Ok(date) = today.checked_add(days.days()) else {
                    continue;
                };
                edges.extend(
                    [window.from, window.until]
                        .into_iter()
                        .flat_map(|time| shows(zone, date, time)),
                );
            }
            let far = now + SignedDuration::from_hours(24 * i64::from(AHEAD));
            let jumps = zone.following(now).map(|jump| jump.timestamp());
            edges.extend(jumps.take_while(|jump| *jump <= far));
        }
        edges.retain(|edge| *edge > now);
        edges.sort_unstable();
        edges
    }

    /// A time in words, in the time zone of the first window: `Fri 2026-03-06 17:00 Europe/Berlin`.
    pub fn shown(&self, at: Timestamp) -> String {
        match self.windows.first() {
            Some((window, zone)) => {
                let shown = zone.to_datetime(at).strftime("%a %Y-%m-%d %H:%M");
                format!("{shown} {}", window.time_zone)
            }
            None => at.to_string(),
        }
    }
}

/// When the clock shows a time of a date: once as a rule, twice when it is put back over it. When it jumps over the time, these
/// are times near the jump at which nothing changes.
fn shows(zone: &TimeZone, date: Date, time: TimeOfDay) -> Vec<Timestamp> {
    let at = date.at(0, 0, 0, 0).checked_add(i64::from(time.minutes()).minutes());
    let at = at.map(|at| zone.to_ambiguous_timestamp(at));
    let Ok(at) = at else { return Vec::new() };
    [at.earlier(), at.later()].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
