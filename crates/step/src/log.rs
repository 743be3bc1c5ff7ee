//! Logs: one line of JSON on standard output for each event, with the run that it is about in `run_id`.
//!
//! How much is written says `INOCULATE_LOG`. It says so of our own events only: what libraries say below a warning may hold
//! requests and answers of AWS, and with them the environment variables of a function under test.

use std::fmt;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Span, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::environment;

/// What the name of our own crates begins with.
const OURS: &str = "inoculate";

/// Starts the logs of this process, and lets a panic be a line of them, too.
pub(crate) fn start() {
    let written = std::env::var(environment::LOG).ok();
    let level = written.as_deref().map_or(Some(Level::INFO), level);
    subscriber(std::io::stdout, level.unwrap_or(Level::INFO)).init();
    if level.is_none() {
        tracing::warn!("{} is {written:?}, which is no level; taken as info", environment::LOG);
    }
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

/// The level of a name, as the template allows it.
fn level(name: &str) -> Option<Level> {
    match name {
        "error" => Some(Level::ERROR),
        "warn" => Some(Level::WARN),
        "info" => Some(Level::INFO),
        "debug" => Some(Level::DEBUG),
        "trace" => Some(Level::TRACE),
        _ => None,
    }
}

/// What is logged within it is about this run: every line says so. A span within another one counts.
pub fn about(run_id: impl fmt::Display) -> Span {
    // Of the highest level, so that it is there whatever is written.
    tracing::error_span!("run", %run_id)
}

/// Where events become lines, whatever the words of others in them are: the metric filters of the template count lines by
/// what they say.
pub(crate) fn subscriber<W>(to: W, level: Level) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(JsonFields::new())
        .event_format(Lines)
        .with_writer(to);
    let wanted = Targets::new()
        .with_target(OURS, level)
        .with_default(LevelFilter::WARN.min(level.into()));
    tracing_subscriber::registry().with(wanted).with(lines)
}

/// An event as one line: time, level, where it comes from, then its own fields, then those of the spans that it is in.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), json!(time));
        line.insert("level".to_owned(), json!(event.metadata().level().as_str()));
        line.insert("target".to_owned(), json!(event.metadata().target()));
        event.record(&mut Fields(&mut line));
        // From the innermost to the outermost: what says more of the event comes first, and stays.
        for span in context.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>();
            let fields = fields.and_then(|fields| serde_json::from_str(&fields.fields).ok());
            for (name, value) in fields.unwrap_or_else(Map::<String, Value>::new) {
                line.entry(name).or_insert(value);
            }
        }
        writeln!(to, "{}", Value::Object(line))
    }
}

/// Takes the fields of an event.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn take(&mut self, field: &Field, value: Value) {
        self.0.entry(field.name()).or_insert(value);
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, json!(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, json!(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, json!(format!("{value:?}")));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was written.
    #[derive(Clone, Default)]
    pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        /// What is logged at a level while something is done, as text.
        pub(crate) fn during(level: Level, act: impl FnOnce()) -> String {
            let written = Written::default();
            let to = written.clone();
            tracing::subscriber::with_default(subscriber(move || to.clone(), level), act);
            String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(text: &str) -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_is_about_the_innermost_run_or_the_one_that_it_names() {
        let text = Written::during(Level::INFO, || {
            let _outer = about("-").entered();
            tracing::info!(count = 3, late = true, "outside");
            let _inner = about("r-1").entered();
            tracing::warn!("inside");
            tracing::info!(run_id = "r-2", "named");
        });
        let lines = lines(&text);
        let runs: Vec<&Value> = lines.iter().map(|line| &line["run_id"]).collect();
        assert_eq!(runs, ["-", "r-1", "r-2"]);
        assert_eq!((&lines[0]["count"], &lines[0]["late"]), (&json!(3), &json!(true)));
        assert_eq!(
            (&lines[1]["level"], &lines[1]["message"]),
            (&json!("WARN"), &json!("inside"))
        );
        assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    /// The level is that of our own events. At its lowest, the SDK would show what Lambda says of a function.
    #[test]
    fn libraries_are_heard_only_when_they_warn() {
        for (name, ours, theirs) in [
            ("error", 1, 1),
            ("warn", 2, 2),
            ("info", 3, 2),
            ("debug", 4, 2),
            ("trace", 5, 2),
        ] {
            let text = Written::during(level(name).unwrap(), || {
                for of in [true, false] {
                    macro_rules! each {
                        ($($level:ident)*) => { $(
                            if of {
                                tracing::$level!(target: "inoculate_step::record", "ours");
                            } else {
                                tracing::$level!(target: "aws_smithy_runtime::client", "theirs");
                            }
                        )* };
                    }
                    each!(error warn info debug trace);
                }
            });
            let count = |message: &str| lines(&text).iter().filter(|line| line["message"] == message).count();
            assert_eq!((count("ours"), count("theirs")), (ours, theirs), "{name}");
        }
        for unknown in ["", "loud", "INFO", "info,aws=trace"] {
            assert_eq!(level(unknown), None, "{unknown:?}");
        }
    }

    /// With every level the run is known, though the span that knows it is only of the highest.
    #[test]
    fn the_run_is_known_at_every_level() {
        for level in [Level::ERROR, Level::INFO, Level::TRACE] {
            let text = Written::during(level, || about("r").in_scope(|| tracing::error!("x")));
            assert_eq!(lines(&text)[0]["run_id"], "r", "{level}");
        }
    }
}
