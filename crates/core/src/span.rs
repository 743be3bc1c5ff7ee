//! Lengths of time as people write them: a whole number and a unit.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A length of time greater than zero, written as a whole number and one unit: `30s`, `5m`, `2h`.
///
/// One unit only, and never none: `90` could mean seconds or minutes, and the wrong guess widens the blast radius.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    secs: u32,
}

/// The written form of a [`Span`].
pub const SPAN_PATTERN: &str = "^[1-9][0-9]{0,5}[smh]$";

/// What is wrong with a text that should be a [`Span`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length of time: write a whole number from 1 and a unit, like 30s, 5m or 2h")]
pub struct SpanError(String);

impl Span {
    /// A span of whole seconds; at least one.
    pub const fn from_secs(secs: u32) -> Self {
        Span {
            secs: if secs == 0 { 1 } else { secs },
        }
    }

    /// The length in seconds, at least 1.
    pub const fn secs(self) -> u32 {
        self.secs
    }

    /// The length as a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.secs as u64)
    }

    /// The length as a signed duration, for arithmetic with timestamps.
    pub const fn signed(self) -> jiff::SignedDuration {
        jiff::SignedDuration::from_secs(self.secs as i64)
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let error = || SpanError(text.to_owned());
        let unit = text.chars().last().ok_or_else(error)?;
        let factor = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => return Err(error()),
        };
        let digits = text.strip_suffix(unit).ok_or_else(error)?;
        let plain = (1..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !plain || digits.starts_with('0') {
            return Err(error());
        }
        let number: u32 = digits.parse().map_err(|_| error())?;
        Ok(Span {
            secs: number.checked_mul(factor).ok_or_else(error)?,
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.secs {
            secs if secs % 3600 == 0 => write!(f, "{}h", secs / 3600),
            secs if secs % 60 == 0 => write!(f, "{}m", secs / 60),
            secs => write!(f, "{secs}s"),
        }
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;

    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": SPAN_PATTERN,
            "description": "a length of time: a whole number from 1 and a unit, like 30s, 5m or 2h",
        })
    }
}

/// A short length of time greater than zero, written as a whole number and one unit: `250ms`, `2s`, `1m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Millis(u32);

/// The written form of a [`Millis`].
pub const MILLIS_PATTERN: &str = "^[1-9][0-9]{0,5}(ms|s|m)$";

/// What is wrong with a text that should be a [`Millis`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length of time: write a whole number from 1 and a unit, like 250ms, 2s or 1m")]
pub struct MillisError(String);

impl Millis {
    /// The length in milliseconds, at least 1.
    pub fn millis(self) -> u64 {
        u64::from(self.0)
    }
}

impl TryFrom<String> for Millis {
    type Error = MillisError;

    fn try_from(text: String) -> Result<Self, MillisError> {
        let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        let millis = match text.strip_suffix("ms") {
            Some(digits) if digits.len() <= 6 && plain(digits) => digits.parse().ok(),
            Some(_) => None,
            None => text
                .parse::<Span>()
                .ok()
                .filter(|_| !text.ends_with('h'))
                .and_then(|span| span.secs().checked_mul(1000)),
        };
        millis.map(Millis).ok_or(MillisError(text))
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ms if ms % 1000 == 0 && ms % 3_600_000 != 0 => Span::from_secs(ms / 1000).fmt(f),
            ms if ms % 1000 == 0 => write!(f, "{}m", ms / 60_000),
            ms => write!(f, "{ms}ms"),
        }
    }
}

impl From<Millis> for String {
    fn from(millis: Millis) -> String {
        millis.to_string()
    }
}

impl JsonSchema for Millis {
    fn schema_name() -> Cow<'static, str> {
        "Millis".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": MILLIS_PATTERN,
            "description": "a short length of time: a whole number from 1 and a unit, like 250ms, 2s or 1m",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!("30s".parse::<Span>().unwrap().secs(), 30);
        assert_eq!("5m".parse::<Span>().unwrap().secs(), 300);
        assert_eq!("2h".parse::<Span>().unwrap().secs(), 7200);
    }

    #[test]
    fn refuses_what_could_be_misread() {
        for text in [
            "",
            "30",
            "0s",
            "00s",
            "-5s",
            "1.5m",
            "5 m",
            "5M",
            "5ms",
            "30 parsecs",
            "s",
            "5é",
            "99999999s",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn short_ones_are_read_in_milliseconds() {
        let read = |text: &str| Millis::try_from(text.to_owned());
        for (text, ms) in [
            ("1ms", 1),
            ("250ms", 250),
            ("2s", 2000),
            ("15m", 900_000),
            ("60m", 3_600_000),
        ] {
            assert_eq!(read(text).unwrap().millis(), ms);
        }
        for text in [
            "",
            "ms",
            "0ms",
            "01ms",
            "1",
            "1h",
            "1.5s",
            "-1ms",
            "1234567ms",
            "1 ms",
            "999999m",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn short_ones_read_back_what_they_write(ms in 1u32..=999_999, unit in "ms|s|m") {
            if let Ok(millis) = Millis::try_from(format!("{ms}{unit}")) {
                prop_assert_eq!(Millis::try_from(String::from(millis)).unwrap(), millis);
            }
        }

        #[test]
        fn reads_back_what_it_writes(secs in 1u32..=999_999) {
            let span = Span::from_secs(secs);
            prop_assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }

        #[test]
        fn never_panics(text in ".{0,12}") {
            let _ = text.parse::<Span>();
        }
    }
}
