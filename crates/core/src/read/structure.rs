//! What the JSON Schema says: fields, types, ranges and kinds.
//!
//! [`form`](super::form) finds the mistakes; this module says them in words, with what the schema says would be right.

use std::sync::LazyLock;

use serde_json::Value;

use super::example::example;
use super::form::{Breach, Form, Forms, Rule, Type, Variants};
use super::{Problem, child};

/// The schema that is generated from the types, as it is committed (a test holds the two equal): without the generator, the
/// function that reads experiments is smaller.
pub(super) const COMMITTED: &str = include_str!("../../../../docs/experiment.schema.json");

static FORMS: LazyLock<Result<Forms, String>> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(COMMITTED).map_err(|error| error.to_string())?;
    Forms::of(&schema)
});

pub(super) fn problems(value: &Value) -> Vec<Problem> {
    match &*FORMS {
        Ok(forms) => {
            let breaches = forms.breaches(value);
            breaches.iter().map(|breach| say(breach, forms)).collect()
        }
        Err(error) => vec![Problem::at("", format!("the schema of experiments is broken: {error}"))],
    }
}

fn say(breach: &Breach<'_>, forms: &Forms) -> Problem {
    let Breach {
        pointer, value, form, ..
    } = breach;
    let name = label(pointer);
    let not_right = || format!("{} is not right for {name}", shown(value));
    let (message, help) = match breach.rule {
        Rule::Closed => return unknown_field(pointer, form),
        Rule::Variants(variants) => return no_variant(breach, variants, forms),
        Rule::Required(field) => (format!("`{field}` is missing"), how_to_write(field, form, forms)),
        Rule::Minimum(limit) => (format!("{name} is {value}, but must be at least {limit}"), range(form)),
        Rule::Maximum(limit) => (format!("{name} is {value}, but must be at most {limit}"), range(form)),
        Rule::Words(words) => (not_right(), one_of(value, words)),
        Rule::Pattern(_) => (not_right(), one_like(value, form)),
        Rule::Type(types) => wrong_type(&name, value, types, form, forms),
        Rule::MinItems(_) => (format!("{name} is empty"), "write at least one entry".to_owned()),
        Rule::MaxItems(limit) => (format!("{name} has too many entries"), format!("at most {limit}")),
        Rule::MinFields(_) => (format!("{name} is empty"), at_least_one(form)),
        Rule::MaxFields(limit) => (format!("{name} has too many fields"), format!("at most {limit}")),
        Rule::MinLength(_) => (format!("{name} is an empty text"), description(form)),
        Rule::MaxLength(limit) => (format!("{name} is too long"), format!("at most {limit} characters")),
        // These lead to other forms; what is wrong there is said of them.
        Rule::Named(_) | Rule::Fields(_) | Rule::OtherFields(_) | Rule::Items(_) => (not_right(), description(form)),
    };
    Problem::at(pointer, message).help(help)
}

fn wrong_type(name: &str, value: &Value, types: &[Type], form: &Form, forms: &Forms) -> (String, String) {
    let expected = match types {
        [Type::Text] => "text",
        [Type::Number] => "a number",
        [Type::Whole] => "a whole number",
        [Type::Boolean] => "true or false",
        [Type::List] => "a list",
        [Type::Group] => "a group of fields",
        _ => "a single value",
    };
    let quoted = Value::String(value.to_string());
    let is_scalar = value.is_number() || value.is_boolean();
    if is_scalar && expected == "text" && forms.fits(form, &quoted) {
        return (
            format!("{name} must be text, but {} is not", shown(value)),
            format!("write it in quotes: {quoted}"),
        );
    }
    let meaning = form
        .words()
        .map_or_else(|| description(form), |words| one_of(value, words));
    if value.is_null() {
        let help = format!("{meaning} (write it after the colon, or remove the field)");
        (format!("{name} has no value"), help)
    } else if form.has_pattern() || form.words().is_some() {
        (format!("{} is not right for {name}", shown(value)), meaning)
    } else {
        (format!("{name} must be {expected}, but is {}", shown(value)), meaning)
    }
}

/// That a value does not say which of several forms it has, or says one that there is not.
fn no_variant(breach: &Breach<'_>, variants: &Variants, forms: &Forms) -> Problem {
    let (pointer, tag) = (&breach.pointer, &variants.tag);
    let what = forms.name_of(breach.form).unwrap_or("value").to_lowercase();
    let words: Vec<&str> = variants.words().collect();
    let known = format!("known {tag}s: {}", words.join(", "));
    let at_tag = child(pointer, tag);
    match breach.value {
        Value::Object(fields) => match fields.get(tag) {
            Some(Value::Null) => Problem::at(at_tag, format!("`{tag}` has no value")).help(known),
            Some(said) => {
                let near = said.as_str().and_then(|said| nearest(said, words.iter().copied()));
                let message = format!("{} is not a {tag} of {what}", shown(said));
                Problem::at(at_tag, message).help(suggestion(near, &known))
            }
            None => Problem::at(pointer, format!("`{tag}` is missing")).help(known),
        },
        other => {
            let message = format!("{} must be a {what}, but is {}", label(pointer), shown(other));
            Problem::at(pointer, message).help(format!("a group of fields that starts with `{tag}:`; {known}"))
        }
    }
}

fn unknown_field(pointer: &str, form: &Form) -> Problem {
    let (_, field) = pointer.rsplit_once('/').unwrap_or_default();
    let field = unescaped(field);
    let known = fields(form);
    let near = nearest(&field, known.iter().copied());
    let help = suggestion(near, &format!("known fields: {}", known.join(", ")));
    Problem::at_key(pointer, format!("unknown field `{field}`")).help(help)
}

fn one_of(value: &Value, words: &[String]) -> String {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let near = value.as_str().and_then(|word| nearest(word, words.iter().copied()));
    suggestion(near, &format!("one of {}", words.join(", ")))
}

/// What would be right for a text of a form that words alone do not say. The words that its description quotes are right; what
/// is more than a word there is an example, which nobody means.
fn one_like(value: &Value, form: &Form) -> String {
    let is_word = |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let quoted = form.description.split('`').skip(1).step_by(2).filter(is_word);
    let near = value.as_str().and_then(|word| nearest(word, quoted));
    suggestion(near, &description(form))
}

/// What is known of a value, after what was probably meant.
pub(super) fn suggestion(near: Option<&str>, known: &str) -> String {
    near.map_or_else(|| known.to_owned(), |near| format!("did you mean `{near}`? {known}"))
}

/// How a field of a group may be written, and what it means.
fn how_to_write(field: &str, group: &Form, forms: &Forms) -> String {
    let meaning = field_help(group.field(field), forms);
    match example(forms.name_of(group), field) {
        Some(example) => and_meaning(format!("for example `{example}`"), &meaning),
        None => meaning,
    }
}

/// Which numbers are right, and what they mean.
fn range(form: &Form) -> String {
    let kind = if form.is_whole() { "a whole number" } else { "a number" };
    let right = match form.limits() {
        (Some(least), Some(most)) => format!("{kind} from {least} to {most}"),
        (Some(least), None) => format!("{kind}, {least} or more"),
        (None, Some(most)) => format!("{kind}, {most} or less"),
        (None, None) => kind.to_owned(),
    };
    and_meaning(right, &description(form))
}

fn and_meaning(right: String, meaning: &str) -> String {
    if meaning.is_empty() {
        right
    } else {
        format!("{right}. {meaning}")
    }
}

/// What a field means, with the form that its value must have.
fn field_help(field: Option<&Form>, forms: &Forms) -> String {
    let Some(field) = field else { return String::new() };
    match field.stands_for().and_then(|name| forms.named(name)) {
        Some(form) if form.has_pattern() => format!("{} ({})", description(field), description(form)),
        _ => description(field),
    }
}

fn at_least_one(form: &Form) -> String {
    match fields(form).as_slice() {
        [] => "write at least one entry".to_owned(),
        known => format!("write at least one of {}", known.join(", ")),
    }
}

/// The names of the fields that people write.
fn fields(form: &Form) -> Vec<&str> {
    let names = form.fields().map(|(name, _)| name.as_str());
    names.filter(|name| *name != "$schema").collect()
}

/// The word that was probably meant, if one of those that are known is near enough.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// What the schema says of a value: the first sentence, for the reader has a problem already.
fn description(form: &Form) -> String {
    let whole = form.description.as_str();
    let first = whole.split_once(". ").map_or(whole, |(first, _)| first);
    first.trim_end_matches('.').to_owned()
}

/// How a message calls what is at a pointer.
fn label(pointer: &str) -> String {
    let mut steps = pointer.rsplit('/').map(unescaped);
    let (last, parent) = (steps.next().unwrap_or_default(), steps.next().unwrap_or_default());
    match last.parse::<usize>() {
        Ok(index) if !parent.is_empty() => format!("entry {} of `{parent}`", index + 1),
        _ if pointer.is_empty() => "the experiment".to_owned(),
        _ => format!("`{last}`"),
    }
}

/// One step of a JSON pointer as it was written (RFC 6901).
fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Null => "nothing".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a group of fields".to_owned(),
        other => format!("`{other}`"),
    }
}
