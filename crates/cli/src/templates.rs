//! An experiment for each weakness that serverless systems are known for, to be filled in with the names of one's own.
//!
//! They are the files of `examples/experiments`, which are about the sample shop. Its names in them are what is filled in.

use inoculate_core::error::{Code, Error, Result};
use inoculate_core::experiment::Experiment;
use inoculate_core::names::FunctionName;
use inoculate_core::read::{as_error, experiment_from_text};
use serde_json::Value;

/// The first line of every template, for editors. The path is right in this repository only.
const SCHEMA_LINE: &str = "# yaml-language-server: $schema=../../docs/experiment.schema.json\n";
/// The first lines of every file that is made from one.
const OWN_SCHEMA_LINES: &str = "# yaml-language-server: $schema=experiment.schema.json\n\
                                # (for editors; `inoculate schema > experiment.schema.json` writes it)\n";
/// What stands before the weakness, in the comment at the beginning.
const WEAKNESS: &str = "# Weakness: ";
/// The longest name of an experiment.
const LONGEST_NAME: usize = 64;

/// An experiment for one weakness.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    /// The weakness, as a stable name. It is also the name of the file, and of the experiment in it.
    pub name: &'static str,
    text: &'static str,
}

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        /// All of them.
        pub static TEMPLATES: &[Template] = &[$(Template {
            name: $name,
            text: include_str!(concat!("../../../examples/experiments/", $name, ".yaml")),
        }),*];
    };
}

templates![
    "latency",
    "timeouts",
    "error-handling",
    "application-errors",
    "http-5xx",
    "fallback",
    "throttled-invocations",
    "dynamodb-throughput",
    "regional-failover",
];

/// The names that stand in a template; each is left as it is in the sample shop when it is `None`.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The function whose callers are looked at.
    pub function: Option<FunctionName>,
    /// The function that it calls.
    pub dependency: Option<FunctionName>,
    /// The table that it writes to.
    pub table: Option<String>,
    /// The field of the event that requests are told apart by, as a JSON pointer.
    pub key: Option<String>,
    /// The region.
    pub region: Option<String>,
}

/// A name in a template: the option that gives another, what it is in the sample shop, and the other.
struct Blank<'a> {
    option: &'static str,
    sample: &'static str,
    given: Option<&'a str>,
    /// Whether a file with names of others needs it: it cannot be right by chance.
    needed: bool,
}

impl Names {
    fn blanks(&self) -> [Blank<'_>; 5] {
        let blank = |option, sample, given, needed| Blank {
            option,
            sample,
            given,
            needed,
        };
        let [function, dependency] =
            [&self.function, &self.dependency].map(|name| name.as_ref().map(FunctionName::as_str));
        [
            blank("--function", "shop-checkout-naive", function, true),
            blank("--dependency", "shop-payments", dependency, true),
            blank("--table", "shop-orders", self.table.as_deref(), true),
            blank("--key", "/order_id", self.key.as_deref(), false),
            blank("--region", "eu-west-1", self.region.as_deref(), false),
        ]
    }
}

impl Template {
    /// The template with this name.
    pub fn named(name: &str) -> Option<&'static Template> {
        TEMPLATES.iter().find(|template| template.name == name)
    }

    /// The weakness in words: what the comment at its beginning says.
    pub fn weakness(&self) -> &'static str {
        let rest = self.text.split_once(WEAKNESS).map_or("", |(_, rest)| rest);
        rest.split_once('.').map_or(rest, |(sentence, _)| sentence)
    }

    /// The options that fill in something here.
    pub fn options(&self) -> Vec<&'static str> {
        let names = Names::default();
        let here = names
            .blanks()
            .into_iter()
            .filter(|blank| self.text.contains(blank.sample));
        here.map(|blank| blank.option).collect()
    }

    /// The text of an experiment with these names, and the experiment in it. It says what the template says of these names, and
    /// nothing else. It is named after the template and the function.
    ///
    /// # Errors
    /// [`Code::InvalidExperiment`] when a name is missing, has no place in this template, or cannot stand in it as it is.
    pub fn fill(&self, names: &Names) -> Result<(String, Experiment)> {
        let blanks = names.blanks();
        self.ensure_complete(&blanks)?;
        let name = names.function.as_ref().map_or(self.name.to_owned(), |function| {
            format!("{}-{function}", self.name).chars().take(LONGEST_NAME).collect()
        });
        let named = self
            .text
            .replacen(&format!("\nname: {}\n", self.name), &format!("\nname: {name}\n"), 1);
        let text = replaced(&named, &blanks).replacen(SCHEMA_LINE, OWN_SCHEMA_LINES, 1);
        let experiment = experiment_from_text(&text).map_err(|problems| {
            as_error(&problems).context(format!("filling in the template {} with these names", self.name))
        })?;
        let mut expected = serde_json::to_value(self.experiment()?).map_err(unwritable)?;
        replace_in(&mut expected, &blanks);
        expected["name"] = name.into();
        if serde_json::to_value(&experiment).map_err(unwritable)? == expected {
            return Ok((text, experiment));
        }
        let message = "one of these names means something else when it stands in a YAML file";
        Err(Error::new(Code::InvalidExperiment, message)
            .help("leave the names out, and write them into the file in quotes"))
    }

    /// The experiment as it is in the file: about the sample shop.
    fn experiment(&self) -> Result<Experiment> {
        experiment_from_text(self.text).map_err(|problems| as_error(&problems))
    }

    /// Names that have no place here, or that a file about something else than the sample shop lacks.
    fn ensure_complete(&self, blanks: &[Blank<'_>]) -> Result<()> {
        let here = |blank: &&Blank<'_>| self.text.contains(blank.sample);
        // A region may be given to any command.
        let strange = blanks
            .iter()
            .filter(|blank| blank.given.is_some() && blank.option != "--region");
        let strange = options(strange.filter(|blank| !here(blank)));
        if !strange.is_empty() {
            let message = format!("the template {} has no place for {strange}", self.name);
            return Err(Error::new(Code::InvalidExperiment, message).help("leave it out"));
        }
        let is_own = blanks.iter().any(|blank| blank.needed && blank.given.is_some());
        let missing = blanks
            .iter()
            .filter(here)
            .filter(|blank| blank.needed && blank.given.is_none());
        let missing = options(missing);
        if is_own && !missing.is_empty() {
            let message = format!("the template {} needs {missing}, too", self.name);
            let help = "give all names of your system, or none for the sample shop";
            return Err(Error::new(Code::InvalidExperiment, message).help(help));
        }
        Ok(())
    }
}

fn options<'a>(blanks: impl Iterator<Item = &'a Blank<'a>>) -> String {
    let names: Vec<&str> = blanks.map(|blank| blank.option).collect();
    names.join(" and ")
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::internal(format!("an experiment cannot be written as JSON: {error}"))
}

/// A text with every name of the sample shop replaced by the given one. What was put in is not looked through again.
fn replaced(text: &str, blanks: &[Blank<'_>]) -> String {
    let mut written = String::new();
    let mut rest = text;
    let next = |rest: &str| {
        let found = blanks
            .iter()
            .filter_map(|blank| Some((rest.find(blank.sample)?, blank.sample, blank.given?)));
        found.min_by_key(|(at, ..)| *at)
    };
    while let Some((at, sample, given)) = next(rest) {
        written.push_str(&rest[..at]);
        written.push_str(given);
        rest = &rest[at + sample.len()..];
    }
    written + rest
}

/// The same in every text of a value.
fn replace_in(value: &mut Value, blanks: &[Blank<'_>]) {
    match value {
        Value::String(text) => *text = replaced(text, blanks),
        Value::Array(values) => values.iter_mut().for_each(|value| replace_in(value, blanks)),
        Value::Object(fields) => fields.values_mut().for_each(|value| replace_in(value, blanks)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(template: &Template) -> Names {
        let has = |option| template.options().contains(&option);
        Names {
            function: has("--function").then(|| "cart".parse().unwrap()),
            dependency: has("--dependency").then(|| "my-shop-payments-2".parse().unwrap()),
            table: has("--table").then(|| "baskets".to_owned()),
            key: Some("/cart/id".to_owned()),
            region: Some("us-east-1".to_owned()),
        }
    }

    #[test]
    fn a_template_is_the_file_of_its_name_and_says_its_weakness() {
        for template in TEMPLATES {
            assert!(template.text.starts_with(SCHEMA_LINE), "{}", template.name);
            assert_eq!(template.experiment().unwrap().name.as_str(), template.name);
            let words = template.weakness().split_whitespace().count();
            assert!((2..10).contains(&words), "{}: {}", template.name, template.weakness());
            assert!(std::ptr::eq(Template::named(template.name).unwrap(), template));
        }
    }

    #[test]
    fn without_names_it_is_about_the_sample_shop() {
        for template in TEMPLATES {
            let (text, experiment) = template.fill(&Names::default()).unwrap();
            assert_eq!(experiment, template.experiment().unwrap());
            assert_eq!(text.replacen(OWN_SCHEMA_LINES, SCHEMA_LINE, 1), template.text);
        }
    }

    #[test]
    fn with_names_of_ones_own_nothing_of_the_sample_shop_is_left_and_nothing_else_changes() {
        for template in TEMPLATES {
            let (text, experiment) = template.fill(&own(template)).unwrap();
            let left = text.replace("my-shop-payments-2", "");
            for blank in Names::default().blanks() {
                assert!(!left.contains(blank.sample), "{}: {}", template.name, blank.sample);
            }
            assert_eq!(experiment.name.as_str(), format!("{}-cart", template.name));
            let known = template.experiment().unwrap();
            assert_eq!(experiment.blast_radius.percent, known.blast_radius.percent);
            assert_eq!(experiment.blast_radius.functions.len(), 1);
            assert_eq!(experiment.faults.len(), known.faults.len());
        }
    }

    #[test]
    fn a_long_name_of_a_function_still_gives_a_name() {
        let names = Names {
            function: Some("f".repeat(64).parse().unwrap()),
            ..own(Template::named("latency").unwrap())
        };
        let (_, experiment) = Template::named("latency").unwrap().fill(&names).unwrap();
        assert_eq!(experiment.name.as_str().len(), LONGEST_NAME);
    }

    #[test]
    fn a_name_that_is_missing_or_has_no_place_is_refused() {
        for (template, change, said) in [
            (
                "latency",
                (|names: &mut Names| names.dependency = None) as fn(&mut Names),
                "needs --dependency",
            ),
            ("dynamodb-throughput", |names| names.table = None, "needs --table"),
            (
                "latency",
                |names| names.table = Some("baskets".into()),
                "has no place for --table",
            ),
            (
                "dynamodb-throughput",
                |names| names.dependency = Some("x".parse().unwrap()),
                "has no place for --dependency",
            ),
        ] {
            let template = Template::named(template).unwrap();
            let mut names = own(template);
            change(&mut names);
            let error = template.fill(&names).unwrap_err();
            assert!(error.message.contains(said), "{error}");
        }
    }

    #[test]
    fn a_name_that_yaml_takes_for_something_else_never_makes_another_experiment() {
        let template = Template::named("dynamodb-throughput").unwrap();
        for (table, key) in [
            ("a, b", "/id"),
            ("x], region: us-east-1, operations: [", "/id"),
            ("123", "/id"),
            ("x # y", "/id"),
            ("baskets", "/id # x"),
            ("baskets", "/id\nguards: { alarms: [x] }"),
            ("baskets", "/id\n  percent: 100"),
            ("baskets", "id"),
        ] {
            let names = Names {
                table: Some(table.to_owned()),
                key: Some(key.to_owned()),
                ..own(template)
            };
            let error = template.fill(&names).unwrap_err();
            assert_eq!(error.code, Code::InvalidExperiment, "{table} {key}");
        }
        for function in ["123", "true", "null", "-"] {
            let names = Names {
                function: Some(function.parse().unwrap()),
                ..own(template)
            };
            assert!(template.fill(&names).is_err(), "{function}");
        }
    }
}
