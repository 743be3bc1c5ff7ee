//! What a plan may contain. The limits are those of Lambda, or keep a fault bounded.

mod calls;

use super::{Corruption, Delay, InvocationFault};

/// The longest that an invocation can take, in seconds.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub const MAX_SECS: u32 = 900;

const MAX_FAULTS: usize = 10;
const MAX_MEGABYTES: u32 = 10_240;
const MAX_THREADS: u32 = 64;
const MAX_TEXT_BYTES: usize = 256 * 1024;

/// Why a plan is refused: every reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct PlanError(pub Vec<String>);

pub(super) fn validate(faults: &[InvocationFault]) -> Result<(), PlanError> {
    let mut mistakes = Vec::new();
    for fault in faults {
        check(fault, |mistake| mistakes.push(mistake));
    }
    together(faults, |mistake| mistakes.push(mistake));
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(PlanError(mistakes))
    }
}

fn check(fault: &InvocationFault, mut mistake: impl FnMut(String)) {
    let mut need = |holds: bool, text: &str| {
        if !holds {
            mistake(text.to_owned());
        }
    };
    match fault {
        InvocationFault::Latency { delay, .. } => {
            need(is_delay(delay), "latency: at most 900,000 ms, and min_ms <= max_ms")
        }
        InvocationFault::Error {
            error_type, message, ..
        } => {
            let valid = !error_type.is_empty() && error_type.len() <= 256 && is_header_value(error_type);
            need(valid, "error: error_type must be 1 to 256 visible characters");
            need(message.len() <= MAX_TEXT_BYTES, "error: message must be at most 256 KB");
        }
        InvocationFault::Response {
            status, headers, body, ..
        } => {
            need((100..600).contains(status), "response: status must be 100 to 599");
            let valid = |(name, value): (&String, &String)| is_header_name(name) && is_header_value(value);
            need(headers.iter().all(valid), "response: a header is not valid in HTTP");
            need(body.len() <= MAX_TEXT_BYTES, "response: body must be at most 256 KB");
        }
        InvocationFault::Corruption {
            how: Corruption::Garble { every_bytes },
        } => {
            need(*every_bytes > 0, "corruption: every_bytes must be 1 or more");
        }
        InvocationFault::FillTmp { megabytes } => {
            need(is_megabytes(*megabytes), "fill_tmp: megabytes must be 1 to 10240")
        }
        InvocationFault::MemoryPressure {
            megabytes,
            longest_secs,
        } => {
            need(
                is_megabytes(*megabytes),
                "memory_pressure: megabytes must be 1 to 10240",
            );
            need(is_secs(*longest_secs), "memory_pressure: longest_secs must be 1 to 900");
        }
        InvocationFault::CpuPressure { threads, longest_secs } => {
            need(
                (1..=MAX_THREADS).contains(threads),
                "cpu_pressure: threads must be 1 to 64",
            );
            need(is_secs(*longest_secs), "cpu_pressure: longest_secs must be 1 to 900");
        }
        InvocationFault::Dependency { calls, effect } => calls::check(calls, effect, &mut need),
        InvocationFault::Hang { .. }
        | InvocationFault::Corruption {
            how: Corruption::Truncate { .. },
        }
        | InvocationFault::Duplicate { .. }
        | InvocationFault::Crash { .. } => {}
    }
}

fn together(faults: &[InvocationFault], mut mistake: impl FnMut(String)) {
    let count = |is: fn(&InvocationFault) -> bool| faults.iter().filter(|fault| is(fault)).count();
    let replacing = count(InvocationFault::replaces_the_answer);
    let corrupting = count(|fault| matches!(fault, InvocationFault::Corruption { .. }));
    let duplicating = count(|fault| matches!(fault, InvocationFault::Duplicate { .. }));
    if faults.len() > MAX_FAULTS {
        mistake(format!("a plan has at most {MAX_FAULTS} faults"));
    }
    if replacing + corrupting > 1 {
        mistake("only one of error, response, hang, corruption and crash can happen to one invocation".to_owned());
    }
    if duplicating > 1 {
        mistake("an event can be duplicated once".to_owned());
    }
    if duplicating > 0 && faults.iter().any(InvocationFault::skips_the_handler) {
        mistake("an event cannot be duplicated if the handler never sees it".to_owned());
    }
}

/// A token of HTTP: <https://www.rfc-editor.org/rfc/rfc9110#name-tokens>
fn is_header_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.len() <= 256 && name.bytes().all(allowed)
}

/// Visible characters, spaces and tabs. Nothing that could end a header.
fn is_header_value(value: &str) -> bool {
    value.chars().all(|char| char == '\t' || (' '..='~').contains(&char))
}

fn is_delay(delay: &Delay) -> bool {
    let longest = u64::from(MAX_SECS) * 1000;
    match *delay {
        Delay::Fixed { ms } => ms <= longest,
        Delay::Uniform { min_ms, max_ms } => min_ms <= max_ms && max_ms <= longest,
        Delay::Normal { mean_ms, deviation_ms } => mean_ms <= longest && deviation_ms <= longest,
    }
}

fn is_megabytes(megabytes: u32) -> bool {
    (1..=MAX_MEGABYTES).contains(&megabytes)
}

fn is_secs(secs: u32) -> bool {
    (1..=MAX_SECS).contains(&secs)
}

#[cfg(test)]
mod tests {
    use super::super::FaultPlan;

    fn refusal(json: &str) -> String {
        serde_json::from_str::<FaultPlan>(json).unwrap_err().to_string()
    }

    #[test]
    fn every_kind_can_be_written() {
        for fault in [
            r#"{"kind":"latency","delay":{"distribution":"fixed","ms":1000},"at":"before"}"#,
            r#"{"kind":"latency","delay":{"distribution":"uniform","min_ms":5,"max_ms":10},"at":"after"}"#,
            r#"{"kind":"latency","delay":{"distribution":"normal","mean_ms":5,"deviation_ms":1},"at":"after"}"#,
            r#"{"kind":"error","error_type":"Shop.OutOfStock","message":"none left","handler":"skip"}"#,
            r#"{"kind":"response","status":503,"headers":{"retry-after":"1"},"body":"busy","handler":"run"}"#,
            r#"{"kind":"hang","handler":"run"}"#,
            r#"{"kind":"corruption","how":{"mode":"truncate","keep_bytes":10}}"#,
            r#"{"kind":"corruption","how":{"mode":"garble","every_bytes":10}}"#,
            r#"{"kind":"duplicate","answer":"second"}"#,
            r#"{"kind":"fill_tmp","megabytes":512}"#,
            r#"{"kind":"memory_pressure","megabytes":64,"longest_secs":10}"#,
            r#"{"kind":"cpu_pressure","threads":2,"longest_secs":10}"#,
            r#"{"kind":"crash","at":"after"}"#,
            r#"{"kind":"dependency","calls":{"service":"dynamodb"},"effect":{"effect":"unprocessed"}}"#,
        ] {
            let plan: FaultPlan = serde_json::from_str(&format!("[{fault}]")).unwrap();
            assert_eq!(serde_json::to_string(&plan).unwrap(), format!("[{fault}]"));
        }
    }

    #[test]
    fn a_refusal_names_every_mistake() {
        assert_eq!(
            refusal(
                r#"[{"kind":"latency","delay":{"distribution":"uniform","min_ms":9,"max_ms":1},"at":"before"},
                    {"kind":"error","error_type":"a\nb","message":"","handler":"skip"},
                    {"kind":"duplicate","answer":"first"},
                    {"kind":"crash","at":"after"}]"#
            ),
            "latency: at most 900,000 ms, and min_ms <= max_ms; \
             error: error_type must be 1 to 256 visible characters; \
             only one of error, response, hang, corruption and crash can happen to one invocation; \
             an event cannot be duplicated if the handler never sees it"
        );
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert!(refusal(r#"[{"kind":"flood"}]"#).starts_with("unknown variant `flood`"));
        assert!(refusal(r#"[{"kind":"hang","handler":"run","percent":5}]"#).starts_with("unknown field `percent`"));
    }

    #[test]
    fn amounts_are_bounded() {
        for fault in [
            r#"{"kind":"response","status":99,"handler":"run"}"#,
            r#"{"kind":"response","status":200,"headers":{"a b":"c"},"handler":"run"}"#,
            r#"{"kind":"corruption","how":{"mode":"garble","every_bytes":0}}"#,
            r#"{"kind":"fill_tmp","megabytes":0}"#,
            r#"{"kind":"memory_pressure","megabytes":10241,"longest_secs":10}"#,
            r#"{"kind":"memory_pressure","megabytes":1,"longest_secs":901}"#,
            r#"{"kind":"cpu_pressure","threads":65,"longest_secs":1}"#,
            r#"{"kind":"cpu_pressure","threads":1,"longest_secs":0}"#,
        ] {
            assert!(
                serde_json::from_str::<FaultPlan>(&format!("[{fault}]")).is_err(),
                "{fault}"
            );
        }
    }
}
