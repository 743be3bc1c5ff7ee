//! When a run may start and go on: hours of the week, as the clock on the wall shows them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::civil::Weekday;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Hours of the week in which a run may start and go on, as the clock on the wall shows them in a time zone. A night is two of
/// them: until `24:00`, and from `00:00` of the next day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeWindow {
    /// The days of the week.
    #[schemars(length(min = 1, max = 7))]
    pub days: Vec<Day>,
    /// When it opens on each of these days, like `09:00`.
    pub from: TimeOfDay,
    /// When it closes on the same day, like `17:00`; later than `from`.
    pub until: TimeOfDay,
    /// The time zone by its IANA name, like `Europe/Berlin`.
    #[schemars(length(min = 1, max = 50))]
    pub time_zone: String,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    /// From Monday to Friday.
    pub const WEEKDAYS: [Day; 5] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri];

    /// The day of the week in the words of the calendar.
    pub fn weekday(self) -> Weekday {
        match self {
            Day::Mon => Weekday::Monday,
            Day::Tue => Weekday::Tuesday,
            Day::Wed => Weekday::Wednesday,
            Day::Thu => Weekday::Thursday,
            Day::Fri => Weekday::Friday,
            Day::Sat => Weekday::Saturday,
            Day::Sun => Weekday::Sunday,
        }
    }
}

/// A time of day to the minute, from `00:00` to `24:00`, which is the end of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay {
    minutes: u16,
}

/// The written form of a [`TimeOfDay`].
const PATTERN: &str = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$";

const WHAT: &str = "a time of day: hours and minutes of two digits each, from 00:00 to 24:00";

/// What is wrong with a text that should be a [`TimeOfDay`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not {WHAT}")]
pub struct TimeOfDayError(String);

impl TimeOfDay {
    /// The first minute of a day.
    pub const MIDNIGHT: TimeOfDay = TimeOfDay { minutes: 0 };
    /// The end of a day.
    pub const END: TimeOfDay = TimeOfDay { minutes: 24 * 60 };

    /// A whole hour; hours over 24 are the end of the day.
    pub const fn hour(hour: u16) -> Self {
        let minutes = hour.saturating_mul(60);
        if minutes > Self::END.minutes {
            Self::END
        } else {
            TimeOfDay { minutes }
        }
    }

    /// Minutes since the day began, from 0 to 1440.
    pub const fn minutes(self) -> u16 {
        self.minutes
    }
}

impl FromStr for TimeOfDay {
    type Err = TimeOfDayError;

    fn from_str(text: &str) -> Result<Self, TimeOfDayError> {
        let error = || TimeOfDayError(text.to_owned());
        let (hours, minutes) = text.split_once(':').ok_or_else(error)?;
        let number = |digits: &str| {
            let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u16>().ok().filter(|_| plain).ok_or_else(error)
        };
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        let total = hours * 60 + minutes;
        if minutes < 60 && total <= Self::END.minutes {
            Ok(TimeOfDay { minutes: total })
        } else {
            Err(error())
        }
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = TimeOfDayError;

    fn try_from(text: String) -> Result<Self, TimeOfDayError> {
        text.parse()
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> String {
        time.to_string()
    }
}

impl JsonSchema for TimeOfDay {
    fn schema_name() -> Cow<'static, str> {
        "TimeOfDay".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": PATTERN, "description": WHAT })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_written_one_way() {
        let pattern = regex_lite::Regex::new(PATTERN).unwrap();
        for text in ["00:00", "09:05", "23:59", "24:00"] {
            assert_eq!(text.parse::<TimeOfDay>().unwrap().to_string(), text);
            assert!(pattern.is_match(text), "{text}");
        }
        for text in [
            "", "9:00", "09:60", "24:01", "25:00", "09", "09:0", "09:00:00", "+9:00", "0900", " 9:00", "é9:00",
        ] {
            assert!(text.parse::<TimeOfDay>().is_err(), "{text}");
            assert!(!pattern.is_match(text), "{text}");
        }
    }
}
