//! The templates, and what was made of one.

use std::path::Path;

use inoculate_core::experiment::Experiment;

use super::text::wrap;
use crate::templates::Template;

/// How far the weaknesses are indented.
const INDENT: usize = 24;

/// A line for each template.
pub fn list(templates: &[Template]) -> String {
    let line = |template: &Template| wrap(&format!("{:<INDENT$}", template.name), template.weakness());
    let mut lines: Vec<String> = templates.iter().map(line).collect();
    lines.push(wrap(
        "",
        "`inoculate init --template NAME --function F` makes an experiment from one; `inoculate init --help` has the other names",
    ));
    lines.join("\n")
}

/// What was written, and what to do next.
pub fn written(file: &Path, experiment: &Experiment) -> String {
    let file = file.display();
    let key = experiment.blast_radius.key.as_deref().unwrap_or_default();
    let told_apart = format!("requests are told apart by {key}, a field of their event; --key names another");
    [
        format!("wrote {file}: experiment {}", experiment.name),
        wrap("  ", &told_apart),
        format!("  next: inoculate plan {file}"),
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::render::text::WIDTH;
    use crate::templates::{Names, TEMPLATES};

    #[test]
    fn the_list_and_what_was_made() {
        let template = Template::named("latency").unwrap();
        let names = Names {
            function: Some("cart".parse().unwrap()),
            dependency: Some("prices".parse().unwrap()),
            ..Names::default()
        };
        let (_, experiment) = template.fill(&names).unwrap();
        let text = format!(
            "{}\n\n{}",
            list(TEMPLATES),
            written(Path::new("latency-cart.yaml"), &experiment)
        );
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert_snapshot!(text);
    }
}
