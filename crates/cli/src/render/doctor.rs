//! What the doctor found.

use inoculate_core::attach::doctor::{Check, Health, Subject};
use inoculate_core::names::FunctionName;

use super::attach::copied;
use super::style::Style;
use super::text::{count, wrap};

/// How far the words of a check are indented.
const INDENT: usize = 23;

/// Every check, and how many are no good.
pub fn text(function: &FunctionName, checks: &[Check], style: Style) -> String {
    let mut lines = vec![style.bold(function.as_str())];
    for check in checks {
        lines.push(found(check, style));
        lines.extend(check.help.iter().map(|help| wrap(&" ".repeat(INDENT), help)));
        lines.extend(copied(&check.lines));
    }
    lines.push(summary(checks, style));
    lines.join("\n")
}

fn found(check: &Check, style: Style) -> String {
    let (word, painted) = match check.result {
        Health::Ok => ("ok", style.good("ok")),
        Health::Problem => ("problem", style.bad("problem")),
        Health::Unknown => ("unknown", style.unsure("unknown")),
    };
    // Wrapped as plain text first: colour has no width.
    let line = wrap(&format!("  {word:<8} {:<11} ", label(check.check)), &check.detail);
    line.replacen(word, &painted, 1)
}

fn label(subject: Subject) -> &'static str {
    match subject {
        Subject::Function => "function",
        Subject::Tag => "tag",
        Subject::Layer => "layer",
        Subject::Wrapper => "wrapper",
        Subject::TableVariable => "variable",
        Subject::Caps => "caps",
        Subject::Calls => "calls",
        Subject::Table => "table",
        Subject::Permission => "permission",
        Subject::Lease => "lease",
        Subject::LastSeen => "last seen",
    }
}

fn summary(checks: &[Check], style: Style) -> String {
    let of = |health| checks.iter().filter(|check| check.result == health).count();
    let unknown = of(Health::Unknown);
    let rest = if unknown == 0 {
        String::new()
    } else {
        format!("; {} cannot be told from here", count(unknown, "check"))
    };
    match of(Health::Problem) {
        0 => format!("{}{rest}", style.good("no problem")),
        problems => format!("{}{rest}", style.bad(&count(problems, "problem"))),
    }
}

#[cfg(test)]
mod tests {
    use inoculate_core::attach::Access;
    use inoculate_core::attach::configuration::Consent;
    use inoculate_core::attach::doctor::examine;
    use inoculate_tests::memory::{Account, World};
    use insta::assert_snapshot;

    use super::*;
    use crate::render::text::WIDTH;

    async fn examined(account: &Account) -> String {
        let ports = World::new().ports();
        let access = Access {
            stack: "inoculate",
            options: "",
            attachments: account,
            leases: &*ports.leases,
            runs: &*ports.runs,
            clock: &*ports.clock,
        };
        let function: FunctionName = "shop".parse().unwrap();
        let checks = examine(&access, &function).await.unwrap();
        let text = text(&function, &checks, Style::PLAIN);
        for line in text.lines() {
            let is_copied = line.starts_with("      aws ") || line.starts_with("      inoculate ");
            assert!(is_copied || line.chars().count() <= WIDTH, "too wide: {line}");
        }
        text
    }

    #[tokio::test]
    async fn an_examination() {
        let account = Account::new();
        account.change(|state| {
            state.deploy("inoculate", "x86_64");
            state.add("shop").consent = Consent::NotGiven;
        });
        assert_snapshot!(examined(&account).await);
        account.change(|state| state.add("shop").runtime = "provided.al2023".to_owned());
        assert_snapshot!("an_examination_of_a_custom_runtime", examined(&account).await);
    }
}
