//! Whether the layer could do its work in a function: a list of checks, each with what to do.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::Access;
use super::configuration::{
    Configuration, Consent, Enclosed, LayerVersion, Ours, State, TABLE, Variables, WRAPPER, WRAPPER_PATH, layer_number,
    role_name,
};
use super::detaching::is_held;
use super::port::{Simulated, Trace};
use super::refusal::{policy_command, tag_command};
use crate::error::{Code, Error, Result};
use crate::host::HostPattern;
use crate::lease::Lease;
use crate::names::{FunctionName, RunId};
use crate::passing::{DEPENDENCIES, Passing};

/// The advice before the command that adds the layer.
const ADD_IT: &str = "add it:";
/// How many of the latest runs are looked through for this function.
const LATEST: u32 = 100;
/// In how many of the runs that included it what the layer wrote is looked for.
const MOST_RUNS: usize = 3;
/// What the layer does with the table.
const ACTIONS: [&str; 2] = ["dynamodb:GetItem", "dynamodb:PutItem"];

/// What is checked, as a stable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The function is there and in order.
    Function,
    /// Its owner allows experiments.
    Tag,
    /// The layer is there.
    Layer,
    /// The wrapper is set.
    Wrapper,
    /// The layer is told where the leases are.
    TableVariable,
    /// The owner does not forbid or cap faults.
    Caps,
    /// The calls that are meant to meet faults pass through the layer.
    Calls,
    /// The table answers whoever asks now.
    Table,
    /// The role may use the table.
    Permission,
    /// Who holds the function now.
    Lease,
    /// When the layer was last heard of.
    LastSeen,
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Ok,
    /// The layer cannot do its work.
    Problem,
    /// It cannot be told from here.
    Unknown,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked.
    pub check: Subject,
    /// What was found.
    pub result: Health,
    /// What was found, in words.
    pub detail: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Lines to copy as they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

impl Check {
    fn new(check: Subject, result: Health, detail: impl Into<String>) -> Check {
        Check {
            check,
            result,
            detail: detail.into(),
            help: None,
            lines: Vec::new(),
        }
    }

    fn ok(check: Subject, detail: impl Into<String>) -> Check {
        Check::new(check, Health::Ok, detail)
    }

    fn problem(check: Subject, detail: impl Into<String>) -> Check {
        Check::new(check, Health::Problem, detail)
    }

    fn unknown(check: Subject, detail: impl Into<String>) -> Check {
        Check::new(check, Health::Unknown, detail)
    }

    fn help(mut self, help: impl Into<String>) -> Check {
        self.help = Some(help.into());
        self
    }

    fn line(mut self, line: String) -> Check {
        self.lines.push(line);
        self
    }

    /// A question that got no answer. `problem`: when the layer would get none either.
    fn unanswered(check: Subject, error: &Error, problem: bool) -> Check {
        let result = if problem { Health::Problem } else { Health::Unknown };
        Check {
            help: error.help.clone(),
            ..Check::new(check, result, format!("{}: {}", error.code, error.message))
        }
    }
}

/// Looks at everything that the layer needs in a function. Changes nothing.
///
/// # Errors
/// When the function itself cannot be asked for; any other question that gets no answer is a [`Check`].
pub async fn examine(access: &Access<'_>, function: &FunctionName) -> Result<Vec<Check>> {
    let Some(now) = access.attachments.read(function).await? else {
        let detail = format!("there is no function {function} in this account and region");
        let check = Check::problem(Subject::Function, detail).help("check the name, --region and --profile");
        return Ok(vec![check]);
    };
    let ours = Ours::of(access.stack, &now.arn)?;
    let versions = access.attachments.layer_versions(&ours.name).await;
    let lease = access.leases.read(&now.arn).await;
    let policies = access.attachments.role_policies(&now.role).await;
    let attach = access.command(&format!("attach {function}"));
    let mut checks = vec![
        state(&now),
        tag(&now),
        layer(&now, &ours, &attach, versions.as_deref().unwrap_or_default()),
        wrapper(&now, &attach),
        table_variable(&now, &ours, &attach),
        caps(&now.variables),
        calls(&now),
        table(&ours, &lease),
        permission(access, &now, &ours, policies).await,
    ];
    checks.extend(lease_now(lease, access.clock.now()));
    checks.push(last_seen(access, &now, function).await);
    Ok(checks)
}

fn state(now: &Configuration) -> Check {
    match &now.state {
        State::Ready => Check::ok(Subject::Function, "it is active"),
        State::Updating => {
            Check::unknown(Subject::Function, "an update of it is under way").help("look again in a moment")
        }
        State::UpdateFailed { reason } => {
            let detail = format!("its last update failed, and what was before it is what runs: {reason}");
            Check::problem(Subject::Function, detail).help("repair the cause and update it again")
        }
        State::NotActive { state } => {
            let help = "invoke it, if it was idle for weeks; else deploy it again";
            Check::problem(Subject::Function, format!("it is {state}")).help(help)
        }
    }
}

fn tag(now: &Configuration) -> Check {
    match &now.consent {
        Consent::Given => Check::ok(Subject::Tag, "its owner allows experiments"),
        Consent::NotGiven => {
            let detail = "its owner does not allow experiments: the tag inoculate=allow is missing";
            Check::problem(Subject::Tag, detail)
                .help("if you are the owner, tag it:")
                .line(tag_command(&now.arn))
        }
        Consent::Withheld { reason } => Check::unknown(Subject::Tag, format!("its tags may not be read: {reason}"))
            .help("you need the permission lambda:ListTags on the function"),
    }
}

/// Why something in the configuration does not matter.
fn from_outside(how: Enclosed, runtime: &str) -> String {
    match how {
        Enclosed::CustomRuntime => format!("the runtime {runtime} starts the layer itself, if at all"),
        Enclosed::Image => "a container image starts the layer itself, if at all".to_owned(),
    }
}

fn layer(now: &Configuration, ours: &Ours, attach: &str, versions: &[LayerVersion]) -> Check {
    if let Some(how) = now.enclosed() {
        let detail = format!("{}; that cannot be seen from outside", from_outside(how, &now.runtime));
        return Check::unknown(Subject::Layer, detail).help("see when it was last seen, below");
    }
    let Some(present) = now.layers.iter().find(|arn| ours.is_layer(arn)) else {
        return Check::problem(Subject::Layer, format!("the layer {} is not there", ours.name))
            .help(ADD_IT)
            .line(attach.to_owned());
    };
    let known = versions.iter().find(|version| version.arn == *present);
    if known.is_some_and(|version| !version.runs_on(&now.architecture)) {
        let detail = format!("version {} is not for {}", layer_number(present), now.architecture);
        return Check::problem(Subject::Layer, detail).help("deploy a stack for that processor and attach its layer");
    }
    match versions.first().filter(|newest| newest.arn != *present) {
        Some(newest) => Check::ok(
            Subject::Layer,
            format!(
                "version {} is there; the newest is {}",
                layer_number(present),
                layer_number(&newest.arn)
            ),
        )
        .help(ADD_IT)
        .line(attach.to_owned()),
        None => Check::ok(Subject::Layer, format!("version {} is there", layer_number(present))),
    }
}

fn wrapper(now: &Configuration, attach: &str) -> Check {
    if let Some(how) = now.enclosed() {
        return Check::ok(
            Subject::Wrapper,
            format!("not needed: {}", from_outside(how, &now.runtime)),
        );
    }
    match now.variables.get(WRAPPER) {
        Some(WRAPPER_PATH) => Check::ok(Subject::Wrapper, format!("{WRAPPER} is {WRAPPER_PATH}")),
        Some(other) => {
            let help = format!("`{attach}` says what can be done; a wrapper that calls ours is fine");
            Check::problem(Subject::Wrapper, format!("{WRAPPER} is {other}")).help(help)
        }
        None => Check::problem(Subject::Wrapper, format!("{WRAPPER} is not set"))
            .help(ADD_IT)
            .line(attach.to_owned()),
    }
}

fn table_variable(now: &Configuration, ours: &Ours, attach: &str) -> Check {
    let check = match now.variables.get(TABLE) {
        Some(value) if ours.is_table(value) => {
            return Check::ok(Subject::TableVariable, format!("{TABLE} is {value}"));
        }
        Some(other) => {
            let detail = format!("{TABLE} is {other}, and the table of this stack is {}", ours.table);
            Check::problem(Subject::TableVariable, detail)
        }
        None => Check::problem(Subject::TableVariable, format!("{TABLE} is not set")),
    };
    match now.enclosed() {
        Some(_) => check.help(format!("set {TABLE}={} in its template", ours.table)),
        None => check.help(ADD_IT).line(attach.to_owned()),
    }
}

/// As the layer reads them: what cannot be understood counts as the most careful value.
fn caps(variables: &Variables) -> Check {
    const DISABLED: &str = "INOCULATE_DISABLED";
    const MOST: &str = "INOCULATE_MAX_PERCENT";
    let set = |name| variables.get(name).map(str::trim).filter(|value| !value.is_empty());
    let off = |value: &&str| !["0", "false", "no", "off"].contains(&value.to_ascii_lowercase().as_str());
    if let Some(value) = set(DISABLED).filter(off) {
        let detail = format!("its owner keeps the layer out of the way: {DISABLED} is {value}");
        return Check::problem(Subject::Caps, detail).help("only the owner should change that");
    }
    let Some(value) = set(MOST) else {
        return Check::ok(Subject::Caps, "its owner sets no limit");
    };
    match value
        .parse::<f64>()
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))
    {
        Some(percent) if percent > 0.0 => Check::ok(
            Subject::Caps,
            format!("at most {percent} percent of its requests meet a fault ({MOST})"),
        ),
        Some(_) => Check::problem(Subject::Caps, format!("no request may meet a fault: {MOST} is {value}"))
            .help("only the owner should change that"),
        None => Check::problem(
            Subject::Caps,
            format!("no request meets a fault: {MOST} is {value}, which is no percent"),
        )
        .help("set a number from 0 to 100, or nothing"),
    }
}

/// Which calls pass through the layer, and which faults could therefore not happen.
fn calls(now: &Configuration) -> Check {
    let passing = Passing::read(&now.runtime, |name| now.variables.get(name));
    let mut wrong: Vec<String> = Vec::new();
    if !passing.unknown.is_empty() {
        let names = passing.unknown.join(", ");
        wrong.push(format!(
            "{DEPENDENCIES} names what is neither a service nor a host: {names}"
        ));
    }
    let in_vain = passing.in_vain.iter();
    wrong.extend(in_vain.map(|(service, reason)| format!("calls to {} meet no fault: {reason}", service.name())));
    wrong.extend(
        passing
            .hosts_in_vain
            .map(|reason| format!("calls to hosts meet no fault: {reason}")),
    );
    let names = passing.services.iter().map(|service| service.name().to_owned());
    let names: Vec<String> = names.chain(passing.hosts.iter().map(HostPattern::to_string)).collect();
    let passes = if names.is_empty() {
        "no calls pass through the layer, so none meet faults".to_owned()
    } else {
        format!("calls to {} pass through the layer", names.join(", "))
    };
    if wrong.is_empty() {
        return Check::ok(Subject::Calls, passes);
    }
    Check::problem(Subject::Calls, format!("{}; {passes}", wrong.join("; ")))
        .help("see \"Calls to AWS\" in docs/layer.md")
}

fn table(ours: &Ours, lease: &Result<Option<Lease>>) -> Check {
    match lease {
        Ok(_) => Check::ok(Subject::Table, format!("the table {} answers from here", ours.table)),
        Err(error) => Check::unanswered(Subject::Table, error, error.code == Code::TableMissing),
    }
}

async fn permission(access: &Access<'_>, now: &Configuration, ours: &Ours, policies: Result<Vec<String>>) -> Check {
    let role = role_name(&now.role);
    if matches!(&policies, Ok(policies) if policies.contains(&ours.policy)) {
        return Check::ok(
            Subject::Permission,
            format!("the role {role} has the policy {}", ours.name),
        );
    }
    let (help, line) = ("attach the policy:", policy_command("attach", &now.role, &ours.policy));
    match access.attachments.may(&now.role, &ACTIONS, &ours.table_arn).await {
        Ok(Simulated::Allowed) => {
            let detail = format!(
                "IAM says that the role {role} may use the table, by another policy than {}",
                ours.name
            );
            Check::ok(Subject::Permission, detail)
        }
        Ok(Simulated::Denied { actions }) => {
            let detail = format!("the role {role} may not use the table: {}", actions.join(", "));
            Check::problem(Subject::Permission, detail).help(help).line(line)
        }
        Ok(Simulated::Depends { on }) => {
            let detail = format!(
                "the role {role} has not the policy {}; what it may do depends on {}",
                ours.name,
                on.join(", ")
            );
            Check::unknown(Subject::Permission, detail).help(help).line(line)
        }
        Err(error) => Check::unanswered(Subject::Permission, &error, error.code == Code::TargetNotFound),
    }
}

/// Nothing, when the table did not answer: that has been said.
fn lease_now(lease: Result<Option<Lease>>, now: Timestamp) -> Option<Check> {
    let lease = lease.ok()?;
    let held = lease.filter(|lease| is_held(lease, now.as_millisecond()));
    let detail = match held {
        Some(lease) => format!("run {} holds it until {}", lease.run_id, time(lease.expires_at_ms)),
        None => "no run holds it".to_owned(),
    };
    Some(Check::ok(Subject::Lease, detail))
}

async fn last_seen(access: &Access<'_>, now: &Configuration, function: &FunctionName) -> Check {
    match traces(access, now, function).await {
        Ok(traces) => heard(&traces),
        Err(error) => Check::unanswered(Subject::LastSeen, &error, false),
    }
}

/// What was written of the last runs that included the function, newest run first.
async fn traces(access: &Access<'_>, now: &Configuration, function: &FunctionName) -> Result<Vec<(RunId, Vec<Trace>)>> {
    let runs = access.runs.list(LATEST).await?;
    let including = runs
        .into_iter()
        .filter(|run| run.functions.iter().any(|known| known.arn == now.arn));
    let mut found = Vec::new();
    for run in including.take(MOST_RUNS) {
        let traces = access.attachments.traces(&run.id, function).await?;
        found.push((run.id, traces));
    }
    Ok(found)
}

fn heard(runs: &[(RunId, Vec<Trace>)]) -> Check {
    if runs.is_empty() {
        let detail = "no run has included it lately, so the layer had nothing to write";
        return Check::unknown(Subject::LastSeen, detail).help("a run that includes it shows whether the layer works");
    }
    let newest_of = |(run, traces): &'_ (RunId, Vec<Trace>)| {
        let at_ms = traces.iter().map(|trace| trace.written_at_ms).max()?;
        Some((at_ms, run.clone(), traces.clone()))
    };
    let Some((at_ms, run, traces)) = runs.iter().filter_map(newest_of).max_by_key(|(at_ms, ..)| *at_ms) else {
        let names: Vec<&str> = runs.iter().map(|(run, _)| run.as_str()).collect();
        let detail = format!(
            "the layer wrote nothing in the last runs that included it: {}",
            names.join(", ")
        );
        let help = "did it get requests then, and was it attached? Its log says why the layer does nothing";
        return Check::unknown(Subject::LastSeen, detail).help(help);
    };
    spoke(&run, at_ms, &traces)
}

/// What the environments of the function wrote of the run in which they wrote last.
fn spoke(run: &RunId, at_ms: i64, traces: &[Trace]) -> Check {
    let environments: BTreeSet<&str> = traces.iter().map(|trace| trace.environment.as_str()).collect();
    let problems: BTreeSet<&str> = traces
        .iter()
        .flat_map(|trace| &trace.problems)
        .map(String::as_str)
        .collect();
    let sum = |count: fn(&Trace) -> u64| traces.iter().map(count).fold(0, u64::saturating_add);
    let (writes, lost) = (sum(|trace| trace.writes), sum(|trace| trace.lost_writes));
    let detail = format!(
        "at {}, in run {run}: {writes} writes of {} environments, {lost} of them lost",
        time(at_ms),
        environments.len()
    );
    if !problems.is_empty() {
        let said: Vec<&str> = problems.into_iter().collect();
        let detail = format!("{detail}; it said: {}", said.join("; "));
        return Check::problem(Subject::LastSeen, detail).help("the log of the function has more");
    }
    if lost > 0 && lost >= writes {
        return Check::problem(Subject::LastSeen, detail).help("the log of the function says why writes fail");
    }
    Check::ok(Subject::LastSeen, detail)
}

/// A time to the second; the number when it is none.
fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(
        |_| ms.to_string(),
        |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}
