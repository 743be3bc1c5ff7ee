//! What to look for in the code when a measure deviated, by kind of fault.
//!
//! A report knows what was injected and what deviated, not the code. So it names the weaknesses that this kind of fault
//! is known to show, the likeliest first.

use inoculate_core::experiment::{DependencyEffect, Fault, Measure, Statistic};

/// A kind of weakness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weakness {
    /// It waits for too long.
    Timeouts,
    /// It tries again too seldom, too often, or what must not be tried again.
    Retries,
    /// There is no other way to an answer.
    Fallback,
    /// It takes a failure for something else.
    ErrorHandling,
    /// It does not go elsewhere when a place is lost.
    Failover,
    /// Work that is done twice, or half, does harm.
    Idempotency,
    /// It runs out of something.
    Capacity,
}

impl Weakness {
    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Weakness::Timeouts => "timeouts",
            Weakness::Retries => "retries",
            Weakness::Fallback => "fallback",
            Weakness::ErrorHandling => "error handling",
            Weakness::Failover => "failover",
            Weakness::Idempotency => "idempotency",
            Weakness::Capacity => "capacity",
        }
    }

    /// Whether it makes requests slow rather than fail.
    fn slows_down(self) -> bool {
        matches!(self, Weakness::Timeouts | Weakness::Retries | Weakness::Capacity)
    }
}

/// Something to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The kind of weakness.
    pub weakness: Weakness,
    /// What to look for, in a sentence or two.
    pub what: String,
}

/// What to look for when a measure deviated while there was this fault, the likeliest first: what makes requests slow if the
/// measure is a time, what makes them fail if not.
pub fn look_for(fault: &Fault, measure: &Measure) -> Vec<Look> {
    let function = fault.function().as_str();
    let watched = measure.layer.as_ref().map(|layer| layer.function.as_str());
    let caller = match watched.filter(|watched| *watched != function) {
        Some(watched) => watched.to_owned(),
        None => format!("whoever calls {function}"),
    };
    let texts = match fault {
        Fault::Dependency { calls, effect, .. } => of_calls(effect, calls.region.is_some()),
        other => of_function(other),
    };
    let looks = texts.into_iter().map(|(weakness, what)| Look {
        weakness,
        what: what.replace("{function}", function).replace("{caller}", &caller),
    });
    let mut looks: Vec<Look> = looks.collect();
    let is_time = is_time(measure);
    looks.sort_by_key(|look| look.weakness.slows_down() != is_time);
    looks
}

/// Whether a measure is about how long something takes.
fn is_time(measure: &Measure) -> bool {
    match &measure.layer {
        Some(layer) => matches!(layer.statistic, Statistic::Percentile(_)),
        None => matches!(measure.unit.as_deref(), Some("ms" | "s" | "seconds" | "milliseconds")),
    }
}

type Texts = Vec<(Weakness, &'static str)>;

/// Faults of a whole function.
fn of_function(fault: &Fault) -> Texts {
    use Weakness::{Capacity, ErrorHandling, Fallback, Idempotency, Retries, Timeouts};
    match fault {
        Fault::ReservedConcurrency { .. } => vec![
            (
                Fallback,
                "Is there an answer without {function}: a cached value, a default, or a queue that takes the work \
                 for later?",
            ),
            (
                ErrorHandling,
                "Does {caller} know TooManyRequestsException from a failure of the work, and pass on an error \
                 that its own callers can act on?",
            ),
            (
                Retries,
                "Does {caller} retry with exponential backoff and jitter, a few times, within the time that its \
                 own callers wait? Without them, retries keep {function} throttled.",
            ),
            (
                Capacity,
                "How much concurrency does {function} need at peak, and is so much reserved for it? What else in \
                 the account can take it away?",
            ),
        ],
        Fault::Timeout { .. } => vec![
            (
                Timeouts,
                "Are the timeouts of the calls that {function} makes shorter than its own, so that it can still \
                 answer with an error?",
            ),
            (
                Idempotency,
                "{function} is stopped in the middle of its work. Does a retry finish it, without doing the first \
                 half twice?",
            ),
            (
                ErrorHandling,
                "What does {caller} make of an invocation that timed out: does it take the work for undone, \
                 although it may be done?",
            ),
        ],
        Fault::Memory { .. } => vec![
            (
                Capacity,
                "Less memory is less processor, too: what in {function} needs so much of either, and can it be \
                 done in pieces?",
            ),
            (
                Timeouts,
                "Has {function} as much time as it needs with a slower processor, and {caller} the patience?",
            ),
            (
                ErrorHandling,
                "A function that runs out of memory ends without an answer. Does {caller} treat that as a failure \
                 to retry?",
            ),
        ],
        Fault::EventSourceDisabled { .. } => vec![
            (
                ErrorHandling,
                "Nothing fails when no events come. Does anything watch the age of the oldest one, and tell somebody?",
            ),
            (
                Capacity,
                "When events come again, the backlog comes at once. Can {function} and what it calls take it, and \
                 how long does it last?",
            ),
            (
                Retries,
                "Do events outlive the pause: how long are they kept, and is there a dead-letter queue for the rest?",
            ),
            (
                Fallback,
                "Does whoever waits for the result of an event know that it is late, and say so?",
            ),
        ],
        Fault::Latency { .. } => vec![
            (
                Timeouts,
                "Does {caller} give {function} a timeout of its own, shorter than the time that its callers wait? \
                 The default of an SDK can be a minute, or none.",
            ),
            (
                Fallback,
                "What does {caller} answer when {function} does not in time: a cached value, a default, or that \
                 it will be done later?",
            ),
            (
                Retries,
                "Do the timeouts of all attempts together fit into the time that callers wait? A retry makes a \
                 slow answer slower still.",
            ),
            (
                Capacity,
                "A function that waits holds its environment: concurrency is the rate of requests times how long \
                 they take. Is there enough of it, and of connections?",
            ),
        ],
        Fault::Error { .. } => vec![
            (
                ErrorHandling,
                "Does {caller} look at FunctionError of the answer? Lambda answers with status 200 also when the \
                 function failed.",
            ),
            (
                Fallback,
                "Is there an answer without {function}, at least a partial one?",
            ),
            (
                Retries,
                "Is a failure that may pass retried, with backoff and a limit, and one that will not pass not retried?",
            ),
        ],
        Fault::Response { .. } => vec![
            (
                ErrorHandling,
                "The invocation succeeds, and the status is in the answer. Does {caller} look at it before it \
                 uses the body?",
            ),
            (
                Fallback,
                "Is there an answer without {function}, at least a partial one?",
            ),
            (
                Retries,
                "Are 5xx and 429 retried, with backoff and a limit, and other 4xx not?",
            ),
        ],
        Fault::Hang { .. } => vec![
            (
                Timeouts,
                "Does {caller} give up before {function} reaches its deadline? If it waits as long, both time out \
                 together.",
            ),
            (Fallback, "What does {caller} answer when {function} never does?"),
            (
                Capacity,
                "Each hanging request holds an environment until its deadline. Does a circuit breaker keep new \
                 ones away?",
            ),
            (
                Retries,
                "Is a retry after a hang worth its time, and is what it does safe to do twice?",
            ),
        ],
        Fault::Corruption { .. } | Fault::Truncation { .. } => vec![
            (
                ErrorHandling,
                "Does {caller} check what {function} answers before it uses it: that it can be parsed, and that \
                 the fields are there and make sense?",
            ),
            (
                Fallback,
                "Is an answer that makes no sense treated like none, with the same way out?",
            ),
            (Retries, "May the request be made again, and is that done?"),
        ],
        Fault::Duplicate { .. } => vec![
            (
                Idempotency,
                "Does {function} recognise an event that it has seen, by a key of the event, before it does \
                 anything that counts? Conditional writes or an idempotency record do that.",
            ),
            (
                ErrorHandling,
                "Is the second delivery answered like the first, and not with an error?",
            ),
        ],
        Fault::FillTmp { .. } => vec![
            (
                ErrorHandling,
                "Does {function} handle \"no space left on device\", also half-way through a file?",
            ),
            (
                Capacity,
                "Are files in /tmp removed when an invocation ends? An environment keeps them for the next. Is \
                 the ephemeral storage large enough?",
            ),
            (Fallback, "Can it work in memory, or with S3, when there is no room?"),
        ],
        Fault::MemoryPressure { .. } => vec![
            (
                Capacity,
                "What grows in {function} with its input or over time: caches, buffers, whole files? Can it be \
                 limited or streamed?",
            ),
            (
                ErrorHandling,
                "A runtime that runs out of memory is killed without an answer. Does {caller} treat that as a \
                 failure to retry?",
            ),
            (
                Timeouts,
                "A runtime that is short of memory collects garbage and gets slow first. Does anybody give up in time?",
            ),
        ],
        Fault::CpuPressure { .. } => vec![
            (
                Capacity,
                "How much processor does {function} need? Its share grows with its memory.",
            ),
            (
                Timeouts,
                "Do the timeouts of {function} and of {caller} leave room for a slower processor?",
            ),
            (Fallback, "Is there an answer that takes less work?"),
        ],
        Fault::Crash { .. } => vec![
            (
                Retries,
                "Does {caller} try again when {function} ends without an answer? Asynchronous events and queues \
                 do, with limits of their own; direct callers have to.",
            ),
            (
                Idempotency,
                "Work may have been done before the crash. Is it safe to do it again?",
            ),
            (
                ErrorHandling,
                "Does {caller} look at FunctionError of the answer? Lambda answers with status 200 also when the \
                 function crashed.",
            ),
            (
                Capacity,
                "The next invocation starts a new environment. How long does that take, and does anything that \
                 matters live in memory only?",
            ),
        ],
        // Looked up by its effect.
        Fault::Dependency { .. } => vec![],
    }
}

/// Faults of calls that a function makes. `of_region`: those to one region are lost.
fn of_calls(effect: &DependencyEffect, of_region: bool) -> Texts {
    use Weakness::{Capacity, ErrorHandling, Failover, Fallback, Idempotency, Retries, Timeouts};
    let mut texts = match effect {
        DependencyEffect::Error { .. } => vec![
            (
                ErrorHandling,
                "Does {function} catch this error of the SDK by its type, and tell what may pass from what will not?",
            ),
            (
                Fallback,
                "Is there an answer without this service: a cached value, a default, or a queue?",
            ),
            (
                Retries,
                "The SDK retries such errors by itself. How often, for how long in all, and does code around it \
                 multiply the attempts?",
            ),
        ],
        DependencyEffect::Response { .. } => vec![
            (
                ErrorHandling,
                "Does {function} check what the service answers before it uses it?",
            ),
            (
                Fallback,
                "Is there an answer without this service: a cached value, a default, or a queue?",
            ),
            (Retries, "Is this answer retried, and should it be?"),
        ],
        DependencyEffect::Latency { .. } => vec![
            (
                Timeouts,
                "Has the client of this service a timeout of its own for connecting and for reading, well below \
                 the one of {function}? The default of an SDK can be a minute, or none.",
            ),
            (
                Retries,
                "Do the timeouts of all attempts together fit into the timeout of {function}?",
            ),
            (
                Fallback,
                "What does {function} answer when the service does not in time?",
            ),
            (
                Capacity,
                "A function that waits holds its environment. Are there enough of them, and of connections?",
            ),
        ],
        DependencyEffect::Bandwidth { .. } => vec![
            (
                Timeouts,
                "Is the time for a whole answer limited, not only that until its first byte?",
            ),
            (
                Capacity,
                "A function that waits holds its environment, and what has arrived so far. Are there enough of them, \
                 and enough memory?",
            ),
            (
                Fallback,
                "What does {function} answer when only a part has come in time?",
            ),
        ],
        DependencyEffect::Refuse {} => vec![
            (
                Failover,
                "Can {function} use another region, replica or endpoint when this one is gone, and does it notice \
                 in time?",
            ),
            (
                Fallback,
                "Is there an answer without this service: a cached value, a default, or a queue?",
            ),
            (
                Retries,
                "A refused connection fails at once, so attempts are used up at once. Is there backoff between them?",
            ),
        ],
        DependencyEffect::Reset {} => vec![
            (
                Idempotency,
                "The service has done what it was asked for. Is it safe when the SDK asks again: with conditional \
                 writes or a client token?",
            ),
            (Retries, "Is a connection that breaks off tried again?"),
            (
                ErrorHandling,
                "Does {function} take a call without an answer for undone, although it may be done?",
            ),
        ],
        DependencyEffect::Hang {} => vec![
            (
                Timeouts,
                "Has the client of this service a read timeout, well below the timeout of {function}? Without \
                 one, it waits until it is killed.",
            ),
            (Fallback, "What does {function} answer when the service never does?"),
            (
                Retries,
                "Do the timeouts of all attempts together fit into the timeout of {function}?",
            ),
            (
                Capacity,
                "A function that waits holds its environment. Does a circuit breaker keep new requests from \
                 waiting, too?",
            ),
        ],
        DependencyEffect::Truncation { .. } => vec![
            (
                ErrorHandling,
                "Does {function} notice an answer that ends too early, and not use the first part of it as if it \
                 were all?",
            ),
            (
                Retries,
                "Is a call whose answer broke off tried again, and is that safe?",
            ),
            (
                Fallback,
                "Is there an answer without this service: a cached value, a default, or a queue?",
            ),
        ],
        DependencyEffect::Unprocessed {} => vec![
            (
                ErrorHandling,
                "The call succeeds. Does {function} look at UnprocessedItems or UnprocessedKeys of the answer?",
            ),
            (
                Retries,
                "Is the rest asked for again, with backoff, until nothing is left or somebody is told?",
            ),
        ],
    };
    if of_region {
        let what = "Does {function} go to another region when this one is lost, with data that is there, and \
            does it come back afterwards?";
        texts.retain(|(weakness, _)| *weakness != Failover);
        texts.insert(0, (Failover, what));
    }
    texts
}
