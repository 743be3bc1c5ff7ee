//! What was seen in this environment.
//!
//! For each stage of a run there is one item, which holds everything seen so far. So a write that was lost is made up
//! for by the next, and one that arrives twice changes nothing.

use bytes::Bytes;
use inoculate_core::groups::{Group, KeyKind};
use inoculate_core::layer::{LayerLease, SCHEMA_VERSION, Stage, sketch_key};
use inoculate_core::names::RunId;
use inoculate_core::sketch::{Observation, Seen};
use serde_json::{Value, json};

use crate::intercept::{Delivered, Outcome};
use crate::outbox::expires_at;

/// How much of an answer is looked through for its HTTP status.
pub const SEE_BYTES: usize = 16 * 1024;

/// How many stages are remembered. More than a run has.
const MAX_STAGES: usize = 8;

/// What was seen in one stage of a run.
#[derive(Debug)]
struct Tally {
    number: u64,
    run: RunId,
    stage: Stage,
    fence: u64,
    function_arn: String,
    since_ms: u64,
    seen: Seen,
    /// How often it was tried to write this, and how often that failed.
    writes: u64,
    lost_writes: u64,
    unwritten: bool,
}

/// What was seen in this environment.
#[derive(Debug, Default)]
pub struct Tallies {
    tallies: Vec<Tally>,
    next_number: u64,
}

/// What an invocation is counted as: comes back with its outcome as [`crate::intercept::Decision::mark`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Which tally.
    pub number: u64,
    /// In which group.
    pub group: Group,
    /// Told apart by what.
    pub key: KeyKind,
}

impl From<Mark> for u64 {
    fn from(mark: Mark) -> u64 {
        let key = match mark.key {
            KeyKind::Field => 0,
            KeyKind::TraceRoot => 1,
            KeyKind::RequestId => 2,
        };
        mark.number << 3 | key << 1 | u64::from(mark.group == Group::Experimental)
    }
}

impl From<u64> for Mark {
    fn from(number: u64) -> Mark {
        Mark {
            number: number >> 3,
            group: if number & 1 == 1 {
                Group::Experimental
            } else {
                Group::Control
            },
            key: match number >> 1 & 3 {
                0 => KeyKind::Field,
                1 => KeyKind::TraceRoot,
                _ => KeyKind::RequestId,
            },
        }
    }
}

impl Tallies {
    /// The number of the tally in which invocations under this lease are counted, from `now_ms` on if it is a new one.
    pub fn number(&mut self, lease: &LayerLease, now_ms: u64) -> u64 {
        let known = |tally: &&mut Tally| tally.run == lease.run_id && tally.stage == lease.stage;
        if let Some(tally) = self.tallies.iter_mut().find(known) {
            tally.fence = lease.fence;
            return tally.number;
        }
        if self.tallies.len() == MAX_STAGES {
            self.tallies.remove(0);
        }
        self.next_number += 1;
        self.tallies.push(Tally {
            number: self.next_number,
            run: lease.run_id.clone(),
            stage: lease.stage,
            fence: lease.fence,
            function_arn: lease.function_arn.clone(),
            since_ms: now_ms,
            seen: Seen::default(),
            writes: 0,
            lost_writes: 0,
            unwritten: false,
        });
        self.next_number
    }

    /// The run that a tally belongs to.
    pub fn run(&self, number: u64) -> Option<&RunId> {
        self.tallies
            .iter()
            .find(|tally| tally.number == number)
            .map(|tally| &tally.run)
    }

    /// The run of the tally that was begun last.
    pub fn latest_run(&self) -> Option<&RunId> {
        self.tallies.last().map(|tally| &tally.run)
    }

    /// Counts an invocation. One whose fault was cut short is in neither group: it would look as if the fault had done no
    /// harm.
    pub fn add(&mut self, outcome: &Outcome) {
        if outcome.cut_short {
            return;
        }
        let mark = Mark::from(outcome.decision.mark);
        if let Some(tally) = self.tallies.iter_mut().find(|tally| tally.number == mark.number) {
            let seen = observation(outcome, mark.key);
            tally.seen.add(mark.group, &seen);
            tally.seen.add_calls(mark.group, &outcome.calls, &seen);
            tally.unwritten = true;
        }
    }

    /// Whether something is not written yet.
    pub fn is_unwritten(&self) -> bool {
        self.tallies.iter().any(|tally| tally.unwritten)
    }

    /// The next item to write, oldest first, and the number of its tally. It counts as written until it is said to be
    /// lost.
    pub fn take(&mut self, environment: &str, now_ms: u64) -> Option<(u64, Value)> {
        let tally = self.tallies.iter_mut().find(|tally| tally.unwritten)?;
        tally.unwritten = false;
        tally.writes += 1;
        Some((tally.number, tally.item(environment, now_ms)))
    }

    /// A write was lost.
    pub fn lost(&mut self, number: u64) {
        if let Some(tally) = self.tallies.iter_mut().find(|tally| tally.number == number) {
            tally.lost_writes += 1;
            tally.unwritten = true;
        }
    }
}

impl Tally {
    fn item(&self, environment: &str, now_ms: u64) -> Value {
        let function = self.function_arn.rsplit(':').next().unwrap_or_default();
        let (pk, sk) = sketch_key(&self.run, function, environment, self.stage);
        json!({
            "PK": pk,
            "SK": sk,
            "schema_version": SCHEMA_VERSION,
            "run_id": self.run,
            "function_arn": self.function_arn,
            "environment": environment,
            "stage": self.stage,
            "fence": self.fence,
            "since_ms": self.since_ms,
            "control": self.seen.control,
            "experimental": self.seen.experimental,
            "writes": self.writes,
            "lost_writes": self.lost_writes,
            "written_at_ms": now_ms,
            "expires_at": expires_at(now_ms),
        })
    }
}

fn observation(outcome: &Outcome, key: KeyKind) -> Observation {
    let timeout = outcome.delivered == Delivered::TimedOut;
    Observation {
        key,
        error: outcome.delivered != Delivered::Response,
        http_5xx: outcome.delivered == Delivered::Response && is_5xx(&outcome.answer),
        timeout,
        injected: !outcome.injected.is_empty(),
        duration_ms: outcome.duration.as_secs_f64() * 1000.0,
    }
}

/// Whether an answer is an HTTP response with a status from 500 to 599: a JSON object whose own `statusCode` says so.
/// The answer may be cut off, and is not read as a whole.
fn is_5xx(answer: &Bytes) -> bool {
    status_code(answer).is_some_and(|status| (500..600).contains(&status))
}

/// The number after `"statusCode":` in the outermost object.
fn status_code(answer: &[u8]) -> Option<u32> {
    let (mut depth, mut at) = (0_u32, 0);
    while let Some(byte) = answer.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let end = at + 1 + string_length(&answer[at + 1..])?;
                if depth == 1 && &answer[at + 1..end] == b"statusCode" {
                    return number_after_colon(&answer[end + 1..]);
                }
                at = end;
            }
            byte if depth == 0 && !byte.is_ascii_whitespace() => return None,
            _ => {}
        }
        at += 1;
    }
    None
}

/// How long a JSON string is, up to its closing quote.
fn string_length(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    text.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })
}

fn number_after_colon(text: &[u8]) -> Option<u32> {
    let text = text.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    // API Gateway takes a text, too.
    let text = text.strip_prefix(b"\"").unwrap_or(text);
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&text[..digits.min(4)]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_an_answer_is_found_in_its_outermost_object_only() {
        for (answer, expected) in [
            (r#"{"statusCode":503,"body":"x"}"#, Some(503)),
            (
                r#" { "body" : "\"statusCode\":200 }{", "headers": {"statusCode": 1}, "statusCode" : "502" }"#,
                Some(502),
            ),
            ("{\"statusCode\":500}\0\0\0\0\0\0\0\0body", Some(500)),
            (r#"{"body":{"statusCode":500}}"#, None),
            (r#"{"body":"cut off"#, None),
            (r#"[{"statusCode":500}]"#, None),
            (r#""statusCode":500"#, None),
            (r#"{"statusCode":null}"#, None),
            (r#"{"statusCode"#, None),
            (r#"{"statusCode":"#, None),
            ("", None),
        ] {
            assert_eq!(status_code(answer.as_bytes()), expected, "{answer}");
        }
    }

    #[test]
    fn a_mark_comes_back_as_it_was() {
        for group in [Group::Control, Group::Experimental] {
            for key in [KeyKind::Field, KeyKind::TraceRoot, KeyKind::RequestId] {
                let mark = Mark { number: 77, group, key };
                assert_eq!(Mark::from(u64::from(mark)), mark);
            }
        }
    }
}
