//! What became of adding the layer to functions, or of taking it away.

use inoculate_core::attach::configuration::role_name;
use inoculate_core::attach::refusal::Refusal;
use inoculate_core::attach::{Note, Outcome, Step};
use inoculate_core::error::Result;
use inoculate_core::names::FunctionName;
use serde_json::{Value, json};

use super::error;
use super::style::Style;
use super::text::{clean, wrap};
use crate::output::error_object;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Add the layer.
    Attach,
    /// Take it away.
    Detach,
}

/// What became of one function.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// The function.
    pub function: FunctionName,
    /// What came of it.
    pub outcome: Result<Outcome>,
}

impl Verb {
    /// While it is being done.
    pub fn doing(self) -> &'static str {
        match self {
            Verb::Attach => "attaching",
            Verb::Detach => "detaching",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Verb::Attach => "attached",
            Verb::Detach => "detached",
        }
    }

    fn nothing_to_do(self) -> &'static str {
        match self {
            Verb::Attach => "unchanged: it is attached already",
            Verb::Detach => "unchanged: nothing was attached to it",
        }
    }
}

/// For `--json`.
pub fn json(all: &[Done]) -> Value {
    let functions = all.iter().map(|Done { function, outcome }| {
        let mut object = match outcome {
            Ok(outcome) => json!(outcome),
            Err(error) => json!({ "outcome": "failed", "error": error_object(error) }),
        };
        object["function"] = json!(function);
        object
    });
    json!({ "functions": functions.collect::<Vec<_>>() })
}

/// Every function with what became of it.
pub fn text(verb: Verb, all: &[Done], style: Style) -> String {
    let parts = all.iter().map(|Done { function, outcome }| {
        let what = match outcome {
            Ok(outcome) => said(verb, outcome, style),
            Err(error) => format!("  {}\n{}", style.bad("failed"), error::text(error, style)),
        };
        format!("{}\n{what}", style.bold(function.as_str()))
    });
    parts.collect::<Vec<_>>().join("\n")
}

fn said(verb: Verb, outcome: &Outcome, style: Style) -> String {
    match outcome {
        Outcome::Changed { steps, left } => changed(&style.good(verb.done()), steps, left),
        Outcome::WouldChange { steps, left } => {
            let title = format!("would be {}", verb.done());
            changed(&style.bold(&title), steps, left)
        }
        Outcome::Unchanged { left } => changed(verb.nothing_to_do(), &[], left),
        Outcome::Refused { refusals } => refused(&style.unsure("refused, nothing was changed"), refusals),
        Outcome::ByHand { refusals } => refused(
            &style.unsure("nothing was changed; this is to be done by hand"),
            refusals,
        ),
    }
}

fn changed(title: &str, steps: &[Step], left: &[Note]) -> String {
    let mut lines = vec![format!("  {title}")];
    lines.extend(steps.iter().map(|step| {
        let (label, text) = step_text(step);
        wrap(&format!("    {label:<10}"), &text)
    }));
    for note in left {
        lines.push(wrap("    stays     ", &note.detail));
        lines.extend(copied(&note.lines));
    }
    lines.join("\n")
}

fn step_text(step: &Step) -> (&'static str, String) {
    match step {
        Step::Layer { from, to } => ("layer", from_to(from.as_deref().map(layer), to.as_deref().map(layer))),
        Step::Variable { name, from, to } => {
            let change = from_to(from.as_deref(), to.as_deref());
            ("variable", format!("{name}: {change}"))
        }
        Step::Policy { role, policy, attached } => {
            let what = if *attached { "given to" } else { "taken from" };
            let policy = policy.rsplit('/').next().unwrap_or(policy);
            ("policy", format!("{policy} {what} the role {}", role_name(role)))
        }
    }
}

/// The name and the version of a layer, without what leads to them.
fn layer(arn: &str) -> &str {
    arn.split_once(":layer:").map_or(arn, |(_, name)| name)
}

fn from_to(from: Option<&str>, to: Option<&str>) -> String {
    format!("{} -> {}", from.unwrap_or("none"), to.unwrap_or("none"))
}

fn refused(title: &str, refusals: &[Refusal]) -> String {
    let mut lines = vec![format!("  {title}")];
    for refusal in refusals {
        lines.push(wrap("  - ", &refusal.detail));
        lines.push(wrap("    ", &refusal.help));
        lines.extend(copied(&refusal.lines));
    }
    lines.join("\n")
}

/// Lines to copy: never broken.
pub(super) fn copied(lines: &[String]) -> impl Iterator<Item = String> {
    lines.iter().map(|line| format!("      {}", clean(line)))
}

#[cfg(test)]
mod tests {
    use inoculate_core::attach::configuration::Variables;
    use inoculate_core::attach::{Access, Mode, attaching, detaching};
    use inoculate_core::error::{Code, Error};
    use inoculate_tests::memory::{Account, AccountState, World};
    use insta::assert_snapshot;

    use super::*;
    use crate::render::text::WIDTH;

    /// Lines to copy are indented by six.
    fn fits(text: String) -> String {
        for line in text.lines() {
            let is_copied = line.starts_with("      ") && !line.starts_with("       ");
            assert!(is_copied || line.chars().count() <= WIDTH, "too wide: {line}");
            assert_eq!(line, line.trim_end(), "blanks at the end");
        }
        text
    }

    async fn attached(account: &Account, name: &str, mode: Mode) -> Done {
        let ports = World::new().ports();
        let access = Access {
            stack: "inoculate",
            options: "",
            attachments: account,
            leases: &*ports.leases,
            runs: &*ports.runs,
            clock: &*ports.clock,
        };
        let function: FunctionName = name.parse().unwrap();
        let outcome = attaching::attach(&access, &function, &[], mode).await;
        Done { function, outcome }
    }

    async fn detached(account: &Account, name: &str) -> Done {
        let ports = World::new().ports();
        let access = Access {
            stack: "inoculate",
            options: "",
            attachments: account,
            leases: &*ports.leases,
            runs: &*ports.runs,
            clock: &*ports.clock,
        };
        let function: FunctionName = name.parse().unwrap();
        let outcome = detaching::detach(&access, &function, change(), false).await;
        Done { function, outcome }
    }

    fn change() -> Mode {
        Mode::Change("1m".parse().unwrap())
    }

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        let pairs = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        pairs.collect()
    }

    fn shop(state: &mut AccountState) {
        state.deploy("inoculate", "x86_64");
        state.add("shop-payments").variables = variables(&[("INOCULATE_TABLE", "mine"), ("KEY", "secret")]);
        state.add("shop-cart").role = "arn:aws:iam::123456789012:role/shop-payments-role".to_owned();
        state.add("shop-otel").variables = variables(&[("AWS_LAMBDA_EXEC_WRAPPER", "/opt/otel-handler")]);
        state.add("shop-rust").runtime = "provided.al2023".to_owned();
    }

    #[tokio::test]
    async fn attaching_and_detaching() {
        let account = Account::new();
        account.change(shop);
        let mut all = vec![attached(&account, "shop-payments", Mode::DryRun).await];
        for name in ["shop-payments", "shop-payments", "shop-cart", "shop-otel", "shop-rust"] {
            all.push(attached(&account, name, change()).await);
        }
        all.push(Done {
            function: "shop-stock".parse().unwrap(),
            outcome: Err(Error::new(
                Code::TargetBusy,
                "shop-stock cannot be changed now: an update of it is under way",
            )
            .help("try again in a moment")),
        });
        let text = fits(text(Verb::Attach, &all, Style::PLAIN));
        assert!(!text.contains("secret"));
        assert_snapshot!(text);
        insta::assert_json_snapshot!("attaching_as_json", json(&all[1..]));

        let mut all = Vec::new();
        for name in ["shop-payments", "shop-cart", "shop-cart"] {
            all.push(detached(&account, name).await);
        }
        assert_snapshot!("detaching", fits(super::text(Verb::Detach, &all, Style::PLAIN)));
    }
}
