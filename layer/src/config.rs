//! The configuration: every environment variable the layer reads, read once.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `AWS_LAMBDA_RUNTIME_API` | where the true Runtime API is; set by Lambda | none: there is nothing to stand before |
//! | `INOCULATE_TABLE` | the table with the leases | none: no experiment ever reaches this function |
//! | `INOCULATE_DISABLED` | `true` keeps the layer out of the way, whatever the table says | `false` |
//! | `INOCULATE_MAX_PERCENT` | the largest percent of requests that may meet a fault, whatever the table says | `100` |
//! | `INOCULATE_READ_MS` | the longest that an invocation waits for the lease, when a run was active and the last reading is too old; 0 to 500 | `150` |
//! | `INOCULATE_POLL_MS` | how often the lease is read while no run is active; 100 to 60000 | `10000` |
//! | `INOCULATE_PORT` | the port of the proxy when it is an extension | `9009` |
//! | `INOCULATE_DEPENDENCIES` | the services and hosts whose calls pass through the layer, like `dynamodb,api.example.com` | none |
//! | `INOCULATE_LOG` | `off`, `error`, `info` or `debug` | `info` |
//!
//! A mistake is never fatal and never lets more happen: what cannot be read counts as its most careful value
//! (disabled, 0 percent, no table), and all mistakes are reported together.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::time::Duration;

use inoculate_core::host::HostPattern;
use inoculate_core::passing;
use inoculate_core::service::Service;

use crate::log::Level;

/// The variable that tells a runtime where its API is.
pub const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// The port of the proxy in an extension, unless `INOCULATE_PORT` says otherwise. Lambda itself has 9000 and 9001.
pub const DEFAULT_PORT: u16 = 9009;

/// What the environment says.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where the true Runtime API is.
    pub runtime_api: Option<RuntimeApi>,
    /// The table with the leases.
    pub table: Option<String>,
    /// The owner of the function wants no faults, and no proxy.
    pub disabled: bool,
    /// The largest percent of requests that may meet a fault: 0 to 100.
    pub max_percent: f64,
    /// The longest that an invocation waits for the lease.
    pub read: Duration,
    /// How often the lease is read while no run is active.
    pub poll: Duration,
    /// The port of the proxy in an extension.
    pub port: u16,
    /// The services whose calls pass through the layer.
    pub dependencies: Vec<Service>,
    /// The hosts whose calls may meet faults. Without any there is no proxy for HTTP.
    pub hosts: Vec<HostPattern>,
    /// How much is logged.
    pub log: Level,
}

/// Where a Runtime API is: `host:port`, and for some emulators a path in front of every route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeApi {
    /// Host and port, as in `127.0.0.1:9001`.
    pub authority: String,
    /// Empty, or a path that starts with `/` and does not end with it.
    pub prefix: String,
}

impl RuntimeApi {
    /// The same API behind another `authority`, as `AWS_LAMBDA_RUNTIME_API` has it.
    pub fn behind(&self, authority: &str) -> String {
        format!("{authority}{}", self.prefix)
    }

    fn parse(text: &str) -> Option<RuntimeApi> {
        let (authority, prefix) = match text.find('/') {
            Some(slash) => (&text[..slash], text[slash..].trim_end_matches('/')),
            None => (text, ""),
        };
        let valid = !authority.is_empty() && authority.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@');
        valid.then(|| RuntimeApi {
            authority: if authority.contains(':') {
                authority.to_owned()
            } else {
                format!("{authority}:80")
            },
            prefix: prefix.to_owned(),
        })
    }
}

impl Config {
    /// Reads the environment of this process.
    pub fn from_env() -> (Config, Vec<Mistake>) {
        Config::read(|name| std::env::var_os(name))
    }

    /// Reads variables through `get`. Returns the configuration to work with, and every mistake found.
    pub fn read(get: impl Fn(&str) -> Option<OsString>) -> (Config, Vec<Mistake>) {
        let mut reader = Reader {
            get,
            mistakes: Vec::new(),
        };
        let (dependencies, hosts) = reader.dependencies();
        let config = Config {
            runtime_api: reader.value(RUNTIME_API, None, None, "be like 127.0.0.1:9001", |text| {
                RuntimeApi::parse(text).map(Some)
            }),
            table: reader.value("INOCULATE_TABLE", None, None, "be the name or ARN of a table", |text| {
                is_table(text).then(|| Some(text.to_owned()))
            }),
            disabled: reader.value("INOCULATE_DISABLED", false, true, "be true or false", boolean),
            max_percent: reader.value(
                "INOCULATE_MAX_PERCENT",
                100.0,
                0.0,
                "be a number from 0 to 100",
                percent,
            ),
            read: reader.value(
                "INOCULATE_READ_MS",
                Duration::from_millis(150),
                Duration::ZERO,
                "be milliseconds from 0 to 500",
                |text| millis(text, 0..=500),
            ),
            poll: reader.value(
                "INOCULATE_POLL_MS",
                Duration::from_secs(10),
                Duration::from_secs(10),
                "be milliseconds from 100 to 60000",
                |text| millis(text, 100..=60_000),
            ),
            port: reader.value(
                "INOCULATE_PORT",
                DEFAULT_PORT,
                DEFAULT_PORT,
                "be a port from 1 to 65535",
                |text| text.parse().ok().filter(|port| *port != 0),
            ),
            dependencies,
            hosts,
            log: reader.value(
                "INOCULATE_LOG",
                Level::Info,
                Level::Info,
                "be off, error, info or debug",
                Level::parse,
            ),
        };
        (config, reader.mistakes)
    }
}

/// One variable that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} should {expected}; taken as {taken}")]
pub struct Mistake {
    /// The name of the variable.
    pub variable: &'static str,
    /// What it should be.
    pub expected: &'static str,
    /// What the layer works with instead.
    pub taken: String,
}

struct Reader<Get> {
    get: Get,
    mistakes: Vec<Mistake>,
}

impl<Get: Fn(&str) -> Option<OsString>> Reader<Get> {
    /// Reads one variable: `default` when it is not set or empty, `careful` when it cannot be read.
    fn value<T: std::fmt::Debug>(
        &mut self,
        variable: &'static str,
        default: T,
        careful: T,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        let Some(raw) = (self.get)(variable).filter(|raw| !raw.is_empty()) else {
            return default;
        };
        if let Some(value) = raw.to_str().and_then(|text| parse(text.trim())) {
            return value;
        }
        let taken = format!("{careful:?}").to_lowercase();
        self.mistakes.push(Mistake {
            variable,
            expected,
            taken,
        });
        careful
    }

    /// The services and hosts in `INOCULATE_DEPENDENCIES`. A name that is not known costs only itself.
    fn dependencies(&mut self) -> (Vec<Service>, Vec<HostPattern>) {
        let raw = (self.get)(passing::DEPENDENCIES).unwrap_or_default();
        let passing::Named {
            services,
            hosts,
            unknown,
        } = passing::named(&raw.to_string_lossy());
        if !unknown.is_empty() {
            let taken = services.iter().map(|service| service.name().to_owned());
            let taken: Vec<String> = taken.chain(hosts.iter().map(HostPattern::to_string)).collect();
            self.mistakes.push(Mistake {
                variable: passing::DEPENDENCIES,
                expected: "be a list of hosts, and of services that docs/layer.md names",
                taken: if taken.is_empty() {
                    "none".to_owned()
                } else {
                    taken.join(",")
                },
            });
        }
        (services.into_iter().collect(), hosts.into_iter().collect())
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn percent(text: &str) -> Option<f64> {
    text.parse().ok().filter(|percent| (0.0..=100.0).contains(percent))
}

fn millis(text: &str, range: RangeInclusive<u64>) -> Option<Duration> {
    let ms = text.parse().ok().filter(|ms| range.contains(ms));
    ms.map(Duration::from_millis)
}

fn is_table(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-:/".contains(&byte);
    (3..=1024).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (Config, Vec<String>) {
        let (config, mistakes) = Config::read(|name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        });
        (config, mistakes.iter().map(Mistake::to_string).collect())
    }

    #[test]
    fn nothing_set_is_no_mistake() {
        let (config, mistakes) = read(&[]);
        assert_eq!(mistakes, [""; 0]);
        assert_eq!(
            config,
            Config {
                runtime_api: None,
                table: None,
                disabled: false,
                max_percent: 100.0,
                read: Duration::from_millis(150),
                poll: Duration::from_secs(10),
                port: 9009,
                dependencies: vec![],
                hosts: vec![],
                log: Level::Info
            }
        );
    }

    #[test]
    fn every_variable_is_read() {
        let (config, mistakes) = read(&[
            ("AWS_LAMBDA_RUNTIME_API", "localhost:9001/some/prefix/"),
            ("INOCULATE_TABLE", "inoculate"),
            ("INOCULATE_DISABLED", "Yes"),
            ("INOCULATE_MAX_PERCENT", "12.5"),
            ("INOCULATE_READ_MS", "70"),
            ("INOCULATE_POLL_MS", "500"),
            ("INOCULATE_PORT", "9100"),
            (
                "INOCULATE_DEPENDENCIES",
                "lambda, dynamodb,lambda,*.example.com,payments:80,",
            ),
            ("INOCULATE_LOG", "debug"),
        ]);
        assert_eq!(mistakes, [""; 0]);
        assert_eq!(config.dependencies, [Service::DynamoDb, Service::Lambda]);
        let hosts: Vec<String> = config.hosts.iter().map(HostPattern::to_string).collect();
        assert_eq!(hosts, ["*.example.com", "payments:80"]);
        let api = config.runtime_api.unwrap();
        assert_eq!(
            (api.authority.as_str(), api.prefix.as_str()),
            ("localhost:9001", "/some/prefix")
        );
        assert_eq!(api.behind("127.0.0.1:1"), "127.0.0.1:1/some/prefix");
        assert_eq!((config.table.as_deref(), config.disabled), (Some("inoculate"), true));
        assert_eq!((config.read.as_millis(), config.poll.as_millis()), (70, 500));
        assert_eq!(
            (config.max_percent, config.port, config.log),
            (12.5, 9100, Level::Debug)
        );
    }

    #[test]
    fn all_mistakes_are_reported_and_the_careful_value_is_taken() {
        let (config, mistakes) = read(&[
            ("AWS_LAMBDA_RUNTIME_API", "/no-host"),
            ("INOCULATE_TABLE", "a b"),
            ("INOCULATE_DISABLED", "please"),
            ("INOCULATE_MAX_PERCENT", "150"),
            ("INOCULATE_READ_MS", "501"),
            ("INOCULATE_POLL_MS", "soon"),
            ("INOCULATE_PORT", "0"),
            ("INOCULATE_DEPENDENCIES", "DynamoDB,sqs,https://x,a.example.com,*"),
            ("INOCULATE_LOG", "loud"),
        ]);
        assert_eq!(
            mistakes,
            [
                "INOCULATE_DEPENDENCIES should be a list of hosts, and of services that docs/layer.md names; taken as sqs,a.example.com",
                "AWS_LAMBDA_RUNTIME_API should be like 127.0.0.1:9001; taken as none",
                "INOCULATE_TABLE should be the name or ARN of a table; taken as none",
                "INOCULATE_DISABLED should be true or false; taken as true",
                "INOCULATE_MAX_PERCENT should be a number from 0 to 100; taken as 0.0",
                "INOCULATE_READ_MS should be milliseconds from 0 to 500; taken as 0ns",
                "INOCULATE_POLL_MS should be milliseconds from 100 to 60000; taken as 10s",
                "INOCULATE_PORT should be a port from 1 to 65535; taken as 9009",
                "INOCULATE_LOG should be off, error, info or debug; taken as info",
            ]
        );
        assert!(config.disabled);
        assert_eq!(config.max_percent, 0.0);
    }
}
