//! How fields may be written that have to be there, for people who left one out.

/// A value for each field that has to be there, in YAML. Where fields of one name have different values, the name of the form
/// that the field belongs to stands before it.
const EXAMPLES: &[(&str, &str)] = &[
    ("name", "slow-payments"),
    ("Measure.name", "failed-orders"),
    ("Metric.name", "Errors"),
    ("hypothesis", "customers can still place orders when payments is slow"),
    ("blast_radius", "{ functions: [payments], percent: 10, longest: 5m }"),
    ("windows", "{ baseline: 5m, recovery: 2m }"),
    ("faults", "[{ kind: latency, function: payments, delay: 500ms }]"),
    (
        "steady_state",
        "[{ name: failed-orders, layer: { function: checkout, statistic: error_rate }, tolerance: { at_most: 1 } }]",
    ),
    ("functions", "[payments]"),
    ("percent", "10"),
    ("longest", "5m"),
    ("baseline", "5m"),
    ("recovery", "2m"),
    ("function", "payments"),
    ("executions", "0"),
    ("timeout", "1s"),
    ("memory_mb", "128"),
    ("source", "arn:aws:sqs:eu-west-1:123456789012:orders"),
    ("delay", "500ms"),
    ("error_type", "PaymentsUnavailable"),
    ("status", "503"),
    ("every_bytes", "100"),
    ("keep_bytes", "100"),
    ("megabytes", "100"),
    ("threads", "2"),
    ("calls", "{ service: dynamodb }"),
    ("effect", "{ kind: latency, delay: 500ms }"),
    ("field", "/order/customer"),
    ("code", "ProvisionedThroughputExceededException"),
    ("bytes_per_second", "10000"),
    ("tolerance", "{ at_most: 1 }"),
    ("statistic", "error_rate"),
    ("Metric.statistic", "Sum"),
    ("namespace", "AWS/Lambda"),
    ("metric", "{ namespace: AWS/Lambda, name: Errors, statistic: Sum }"),
    ("days", "[mon, tue, wed, thu]"),
    ("from", "\"09:00\""),
    ("until", "\"17:00\""),
    ("time_zone", "Europe/Berlin"),
];

/// How a field may be written: `percent: 10`. `form` is the name of the form that it belongs to, if that has one.
pub(super) fn example(form: Option<&str>, field: &str) -> Option<String> {
    let of = |wanted: &str| EXAMPLES.iter().find(|(name, _)| *name == wanted);
    let own = form.and_then(|form| of(&format!("{form}.{field}")));
    let (_, value) = own.or_else(|| of(field))?;
    Some(format!("{field}: {value}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::super::form::Forms;
    use super::super::structure::COMMITTED;
    use super::super::value_from_text;
    use super::*;

    /// Checks the examples of a group of fields and of all those in it, and returns how many there are. What has one word only is
    /// told by that word.
    fn check(form: Option<&str>, schema: &Value, named: &Value) -> usize {
        let mut checked = 0;
        let required = schema["required"].as_array().into_iter().flatten();
        for field in required.map(|field| field.as_str().unwrap()) {
            let mut of_field = schema["properties"][field].clone();
            if of_field.get("const").is_some() {
                continue;
            }
            let example = example(form, field).unwrap_or_else(|| panic!("no example of {field} in {form:?}"));
            let written = value_from_text(&example).unwrap_or_else(|problems| panic!("{example}: {problems:#?}"));
            of_field["$defs"] = named.clone();
            let forms = Forms::of(&of_field).unwrap();
            let breaches = forms.breaches(&written[field]);
            assert!(breaches.is_empty(), "{form:?}: {example}: {breaches:#?}");
            checked += 1;
        }
        let choices = schema["oneOf"].as_array().into_iter().flatten();
        checked + choices.map(|choice| check(None, choice, named)).sum::<usize>()
    }

    #[test]
    fn every_field_that_has_to_be_there_has_an_example_that_is_right() {
        let schema: Value = serde_json::from_str(COMMITTED).unwrap();
        let named = &schema["$defs"];
        let forms = named.as_object().map(Map::iter).unwrap();
        let checked: usize = forms.map(|(name, form)| check(Some(name), form, named)).sum();
        let checked = checked + check(None, &schema, named);
        assert!(checked > 50, "only {checked} were checked");
    }

    #[test]
    fn a_field_without_an_example_has_none() {
        assert_eq!(example(Some("Metric"), "name").unwrap(), "name: Errors");
        assert_eq!(example(Some("BlastRadius"), "percent").unwrap(), "percent: 10");
        assert_eq!(example(None, "colour"), None);
    }
}
