//! Hosts that functions call, as the owner of a function and experiments name them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The longest name of a host.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4>
const MAX_NAME: usize = 253;

/// What a text should be to be a pattern.
const EXPECTED: &str =
    "a host like `api.example.com` or `*.example.com`, in small letters, perhaps with a port like `:8443`";

/// One host, or all below a domain, perhaps on one port only.
///
/// `api.example.com` is that host, and `*.example.com` is `a.example.com` and `b.a.example.com`, but not `example.com`. A
/// name without a dot needs a port (`payments:80`), so that a service of AWS which is misspelt is no host. Addresses are
/// hosts, too; those with colons are in brackets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern {
    /// The name or address, without `*.` and brackets.
    name: String,
    below: bool,
    port: Option<u16>,
}

/// A text is no pattern of hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not {EXPECTED}")]
pub struct HostError(String);

impl HostPattern {
    /// Whether this host is meant. `host` may have capitals, a dot at its end, and brackets.
    pub fn includes(&self, host: &str, port: u16) -> bool {
        let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        self.port.is_none_or(|own| own == port) && self.has_name(&host)
    }

    /// Whether there may be a host that both mean.
    pub fn overlaps(&self, other: &HostPattern) -> bool {
        let ports = self.port.zip(other.port).is_none_or(|(own, other)| own == other);
        let names = match (self.below, other.below) {
            (false, false) => self.name == other.name,
            (true, false) => self.has_name(&other.name),
            (false, true) => other.has_name(&self.name),
            (true, true) => self.name == other.name || self.has_name(&other.name) || other.has_name(&self.name),
        };
        ports && names
    }

    fn has_name(&self, name: &str) -> bool {
        if self.below {
            name.strip_suffix(&self.name)
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|rest| !rest.is_empty())
        } else {
            name == self.name
        }
    }
}

impl FromStr for HostPattern {
    type Err = HostError;

    fn from_str(text: &str) -> Result<HostPattern, HostError> {
        parse(text).ok_or_else(|| HostError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<HostPattern> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let known: std::net::Ipv6Addr = address.parse().ok()?;
        return (known.to_string() == address).then_some(HostPattern {
            name: address.to_owned(),
            below: false,
            port: if port.is_empty() {
                None
            } else {
                Some(parse_port(port.strip_prefix(':')?)?)
            },
        });
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(parse_port(port)?)),
        None => (text, None),
    };
    let (name, below) = host.strip_prefix("*.").map_or((host, false), |name| (name, true));
    let is_certain = name.contains('.') || below || port.is_some();
    (is_certain && name.len() <= MAX_NAME && name.split('.').all(is_label)).then(|| HostPattern {
        name: name.to_owned(),
        below,
        port,
    })
}

fn parse_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| digits)
}

/// A part of a name between dots. Some names of hosts have `_`.
fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len()) && label.bytes().all(allowed) && !label.starts_with('-') && !label.ends_with('-')
}

impl TryFrom<String> for HostPattern {
    type Error = HostError;

    fn try_from(text: String) -> Result<HostPattern, HostError> {
        text.parse()
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> String {
        pattern.to_string()
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let below = if self.below { "*." } else { "" };
        if self.name.contains(':') {
            write!(f, "[{}]", self.name)?;
        } else {
            write!(f, "{below}{}", self.name)?;
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl JsonSchema for HostPattern {
    fn schema_name() -> Cow<'static, str> {
        "HostPattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^(\*\.)?[a-z0-9._-]{1,253}(:[1-9][0-9]{0,4})?$|^\[[0-9a-f:]{2,39}\](:[1-9][0-9]{0,4})?$",
            "description": EXPECTED
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_written_comes_back() {
        for text in [
            "api.example.com",
            "*.example.com",
            "*.com",
            "api.example.com:8443",
            "*.example.com:80",
            "payments:80",
            "10.0.0.1",
            "[2001:db8::1]",
            "[::1]:8080",
            "_a-b.example",
        ] {
            assert_eq!(pattern(text).to_string(), text);
            assert_eq!(serde_json::to_value(pattern(text)).unwrap(), text);
        }
    }

    #[test]
    fn what_is_not_certainly_meant_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            "dynamodbb",
            "localhost",
            "API.example.com",
            "a*.example.com",
            "a.*.com",
            "*example.com",
            "example.com.",
            ".example.com",
            "a..b",
            "-a.b",
            "https://example.com",
            "example.com/path",
            "example.com:",
            "example.com:0",
            "example.com:080",
            "example.com:65536",
            "example.com:+80",
            "2001:db8::1",
            "[::1",
            "[::1]80",
            "[0::1]",
            "a b.c",
            &format!("{}.com", "a".repeat(64)),
        ] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_means_its_hosts_and_no_others() {
        for (text, host, port, means) in [
            ("api.example.com", "api.example.com", 443, true),
            ("api.example.com", "API.Example.com.", 1, true),
            ("api.example.com", "x.api.example.com", 443, false),
            ("api.example.com:443", "api.example.com", 443, true),
            ("api.example.com:443", "api.example.com", 80, false),
            ("*.example.com", "a.example.com", 443, true),
            ("*.example.com", "b.a.example.com", 443, true),
            ("*.example.com", "example.com", 443, false),
            ("*.example.com", ".example.com", 443, false),
            ("*.example.com", "badexample.com", 443, false),
            ("[::1]:80", "[::1]", 80, true),
            ("10.0.0.1", "10.0.0.1", 80, true),
        ] {
            assert_eq!(pattern(text).includes(host, port), means, "{text} {host}:{port}");
        }
    }

    #[test]
    fn patterns_that_share_a_host_overlap() {
        for (one, other, overlap) in [
            ("a.example.com", "a.example.com:80", true),
            ("a.example.com:81", "a.example.com:80", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "*.a.example.com", true),
            ("*.example.com", "*.example.com:80", true),
            ("*.example.com", "*.example.org", false),
        ] {
            assert_eq!(pattern(one).overlaps(&pattern(other)), overlap, "{one} {other}");
            assert_eq!(pattern(other).overlaps(&pattern(one)), overlap, "{other} {one}");
        }
    }
}
