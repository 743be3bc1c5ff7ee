//! The forms that values must have, taken from a JSON Schema, and the walk that finds what breaks them.
//!
//! Known are the keywords that the schema of experiments uses, and no others. A schema with an unknown keyword is refused as
//! a whole, so that nothing that it says stays unchecked.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::{Map, Value};

use super::child;

/// A schema that was understood whole.
#[derive(Debug)]
pub(super) struct Forms {
    whole: Form,
    named: BTreeMap<String, Form>,
}

/// What a schema says of one value.
#[derive(Debug)]
pub(super) struct Form {
    /// What the value means, for people; may be empty.
    pub(super) description: String,
    rules: Vec<Rule>,
}

/// One thing that must be true of a value. A rule that is not about the type of a value holds for it.
#[derive(Debug)]
pub(super) enum Rule {
    /// It has one of these types.
    Type(Vec<Type>),
    /// It has the form of this name.
    Named(String),
    /// The fields of these names have these forms.
    Fields(Vec<(String, Form)>),
    /// It has no fields but those of [`Rule::Fields`].
    Closed,
    /// Every field that is not in [`Rule::Fields`] has this form.
    OtherFields(Box<Form>),
    /// It has this field.
    Required(String),
    MinFields(usize),
    MaxFields(usize),
    /// Every entry of the list has this form.
    Items(Box<Form>),
    MinItems(usize),
    MaxItems(usize),
    /// In characters.
    MinLength(usize),
    /// In characters.
    MaxLength(usize),
    /// The pattern is found somewhere in it.
    Pattern(Regex),
    Minimum(f64),
    Maximum(f64),
    /// It is one of these words.
    Words(Vec<String>),
    /// It has the form that is told by the word in one of its fields.
    Variants(Variants),
}

/// A choice of forms, told apart by a word.
#[derive(Debug)]
pub(super) struct Variants {
    /// The field that has the word.
    pub(super) tag: String,
    forms: Vec<(String, Form)>,
}

/// The types of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Number,
    Whole,
    Boolean,
    List,
    Group,
}

/// A rule that a value breaks.
#[derive(Debug)]
pub(super) struct Breach<'a> {
    /// Where the value is. For [`Rule::Closed`], where the field is that should not be there.
    pub(super) pointer: String,
    pub(super) value: &'a Value,
    pub(super) form: &'a Form,
    pub(super) rule: &'a Rule,
}

impl Forms {
    /// Reads a schema.
    ///
    /// # Errors
    /// When it has anything that the walk does not know, in words for who made the schema.
    pub(super) fn of(schema: &Value) -> Result<Self, String> {
        let whole = Form::of(schema, "#")?;
        let mut named = BTreeMap::new();
        for (name, form) in schema.get("$defs").and_then(Value::as_object).into_iter().flatten() {
            named.insert(name.clone(), Form::of(form, &format!("#/$defs/{name}"))?);
        }
        let forms = Forms { whole, named };
        let everything = std::iter::once(&forms.whole).chain(forms.named.values());
        match everything
            .flat_map(Form::names)
            .find(|name| forms.named(name).is_none())
        {
            Some(name) => Err(format!("there is no `{name}` in $defs")),
            None => Ok(forms),
        }
    }

    /// Everything that is wrong with the form of a value.
    pub(super) fn breaches<'a>(&'a self, value: &'a Value) -> Vec<Breach<'a>> {
        let mut found = Vec::new();
        self.check(&self.whole, "", value, &mut found);
        found
    }

    /// Whether a value has a form.
    pub(super) fn fits(&self, form: &Form, value: &Value) -> bool {
        let mut found = Vec::new();
        self.check(form, "", value, &mut found);
        found.is_empty()
    }

    /// The form of a name in `$defs`.
    pub(super) fn named(&self, name: &str) -> Option<&Form> {
        self.named.get(name)
    }

    /// The name of a form, if it has one.
    pub(super) fn name_of(&self, form: &Form) -> Option<&str> {
        let mut named = self.named.iter();
        named.find_map(|(name, other)| std::ptr::eq(form, other).then_some(name.as_str()))
    }

    fn check<'a>(&'a self, form: &'a Form, pointer: &str, value: &'a Value, found: &mut Vec<Breach<'a>>) {
        for rule in &form.rules {
            let breach = |pointer, value| Breach {
                pointer,
                value,
                form,
                rule,
            };
            match (rule, value) {
                (Rule::Named(name), _) => {
                    if let Some(form) = self.named(name) {
                        self.check(form, pointer, value, found);
                    }
                }
                (Rule::Fields(fields), Value::Object(values)) => {
                    for (name, form) in fields {
                        if let Some(value) = values.get(name) {
                            self.check(form, &child(pointer, name), value, found);
                        }
                    }
                }
                (Rule::Closed, Value::Object(values)) => {
                    let others = values.iter().filter(|(name, _)| form.field(name).is_none());
                    found.extend(others.map(|(name, value)| breach(child(pointer, name), value)));
                }
                (Rule::OtherFields(inner), Value::Object(values)) => {
                    for (name, value) in values.iter().filter(|(name, _)| form.field(name).is_none()) {
                        self.check(inner, &child(pointer, name), value, found);
                    }
                }
                (Rule::Items(inner), Value::Array(items)) => {
                    for (index, item) in items.iter().enumerate() {
                        self.check(inner, &child(pointer, index), item, found);
                    }
                }
                (Rule::Variants(variants), _) => match variants.of(value) {
                    Some(form) => self.check(form, pointer, value, found),
                    None => found.push(breach(pointer.to_owned(), value)),
                },
                (rule, value) if rule.holds(value) => {}
                (rule, value) => {
                    found.push(breach(pointer.to_owned(), value));
                    if matches!(rule, Rule::Type(_)) {
                        // What else its form says is about a value of another type.
                        return;
                    }
                }
            }
        }
    }
}

impl Form {
    /// The fields that a group of this form may have, in the order of the schema.
    pub(super) fn fields(&self) -> impl Iterator<Item = &(String, Form)> {
        self.rules.iter().flat_map(|rule| match rule {
            Rule::Fields(fields) => fields.as_slice(),
            _ => &[],
        })
    }

    /// The form of one field.
    pub(super) fn field(&self, name: &str) -> Option<&Form> {
        self.fields().find_map(|(known, form)| (known == name).then_some(form))
    }

    /// Whether it says how a text must be written.
    pub(super) fn has_pattern(&self) -> bool {
        self.rules.iter().any(|rule| matches!(rule, Rule::Pattern(_)))
    }

    /// The least and the most that a number may be, where it says so.
    pub(super) fn limits(&self) -> (Option<f64>, Option<f64>) {
        let least = self.rules.iter().find_map(|rule| match rule {
            Rule::Minimum(least) => Some(*least),
            _ => None,
        });
        let most = self.rules.iter().find_map(|rule| match rule {
            Rule::Maximum(most) => Some(*most),
            _ => None,
        });
        (least, most)
    }

    /// Whether a number must be whole.
    pub(super) fn is_whole(&self) -> bool {
        let whole = |rule: &Rule| matches!(rule, Rule::Type(types) if types == &[Type::Whole]);
        self.rules.iter().any(whole)
    }

    /// The words that a value of this form may be, if these are all.
    pub(super) fn words(&self) -> Option<&[String]> {
        self.rules.iter().find_map(|rule| match rule {
            Rule::Words(words) => Some(words.as_slice()),
            _ => None,
        })
    }

    /// The name of the form that it stands for.
    pub(super) fn stands_for(&self) -> Option<&str> {
        self.rules.iter().find_map(|rule| match rule {
            Rule::Named(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The names of other forms, in it and in all inside it.
    fn names(&self) -> Vec<&str> {
        self.rules.iter().flat_map(Rule::names).collect()
    }

    fn of(schema: &Value, at: &str) -> Result<Self, String> {
        let Value::Object(keywords) = schema else {
            return Err(format!("{at} is not a group of keywords"));
        };
        let mut form = Form {
            description: String::new(),
            rules: Vec::new(),
        };
        for (keyword, value) in keywords {
            let at = format!("{at}/{keyword}");
            let rules = form.keyword(keyword, value, &at);
            let rules = rules?.ok_or_else(|| format!("{at} is not understood"))?;
            form.rules.extend(rules);
        }
        // First of all, since the others are about values of the right type.
        form.rules.sort_by_key(|rule| !matches!(rule, Rule::Type(_)));
        Ok(form)
    }

    /// What a keyword says. `None` when it is not known, or not with such a value.
    fn keyword(&mut self, keyword: &str, value: &Value, at: &str) -> Result<Option<Vec<Rule>>, String> {
        let form = || Form::of(value, at).map(Box::new);
        let one = |rule: Option<Rule>| rule.map(|rule| vec![rule]);
        Ok(match keyword {
            "description" => {
                self.description = value.as_str().unwrap_or_default().to_owned();
                Some(Vec::new())
            }
            // For people, for editors, and for this reader. A `format` is the type in Rust: `minimum` and `maximum` say more.
            "title" | "default" | "format" | "$schema" | "$defs" => Some(Vec::new()),
            "type" => one(types(value).map(Rule::Type)),
            "$ref" => {
                let name = value.as_str().and_then(|reference| reference.strip_prefix("#/$defs/"));
                one(name.map(|name| Rule::Named(name.to_owned())))
            }
            "properties" => match value.as_object() {
                Some(fields) => Some(vec![Rule::Fields(forms(fields, at)?)]),
                None => None,
            },
            "additionalProperties" if *value == Value::Bool(false) => Some(vec![Rule::Closed]),
            "additionalProperties" => Some(vec![Rule::OtherFields(form()?)]),
            "required" => words(value).map(|fields| fields.into_iter().map(Rule::Required).collect()),
            "minProperties" => one(count(value).map(Rule::MinFields)),
            "maxProperties" => one(count(value).map(Rule::MaxFields)),
            "items" => Some(vec![Rule::Items(form()?)]),
            "minItems" => one(count(value).map(Rule::MinItems)),
            "maxItems" => one(count(value).map(Rule::MaxItems)),
            "minLength" => one(count(value).map(Rule::MinLength)),
            "maxLength" => one(count(value).map(Rule::MaxLength)),
            "pattern" => one(value.as_str().and_then(|text| Regex::new(text).ok()).map(Rule::Pattern)),
            "minimum" => one(value.as_f64().map(Rule::Minimum)),
            "maximum" => one(value.as_f64().map(Rule::Maximum)),
            "enum" => one(words(value).map(Rule::Words)),
            "const" => one(value.as_str().map(|word| Rule::Words(vec![word.to_owned()]))),
            "oneOf" => one(Variants::read(value, at)?.map(Rule::Variants)),
            _ => None,
        })
    }
}

impl Rule {
    fn names(&self) -> Vec<&str> {
        match self {
            Rule::Named(name) => vec![name.as_str()],
            Rule::Fields(forms) | Rule::Variants(Variants { forms, .. }) => {
                forms.iter().flat_map(|(_, form)| form.names()).collect()
            }
            Rule::OtherFields(form) | Rule::Items(form) => form.names(),
            _ => Vec::new(),
        }
    }

    /// Whether a value keeps a rule that is about the value alone, and not about what is in it.
    fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Rule::Type(types), _) => types.iter().any(|known| known.is_of(value)),
            (Rule::Required(field), Value::Object(values)) => values.contains_key(field),
            (Rule::MinFields(least), Value::Object(values)) => values.len() >= *least,
            (Rule::MaxFields(most), Value::Object(values)) => values.len() <= *most,
            (Rule::MinItems(least), Value::Array(items)) => items.len() >= *least,
            (Rule::MaxItems(most), Value::Array(items)) => items.len() <= *most,
            (Rule::MinLength(least), Value::String(text)) => text.chars().count() >= *least,
            (Rule::MaxLength(most), Value::String(text)) => text.chars().count() <= *most,
            (Rule::Pattern(pattern), Value::String(text)) => pattern.is_match(text),
            (Rule::Minimum(least), Value::Number(number)) => number.as_f64().is_some_and(|number| number >= *least),
            (Rule::Maximum(most), Value::Number(number)) => number.as_f64().is_some_and(|number| number <= *most),
            (Rule::Words(words), _) => value.as_str().is_some_and(|text| words.iter().any(|word| word == text)),
            _ => true,
        }
    }
}

impl Variants {
    /// The words that tell the forms apart.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.forms.iter().map(|(word, _)| word.as_str())
    }

    /// The form that a value says it has.
    fn of(&self, value: &Value) -> Option<&Form> {
        let said = value.get(&self.tag)?.as_str()?;
        self.forms
            .iter()
            .find_map(|(word, form)| (word == said).then_some(form))
    }

    /// `None` unless every choice requires the same field and has a word of its own in it, so that a value can have one of the
    /// forms only.
    fn read(value: &Value, at: &str) -> Result<Option<Self>, String> {
        let mut tag: Option<String> = None;
        let mut forms: Vec<(String, Form)> = Vec::new();
        for (number, choice) in value.as_array().into_iter().flatten().enumerate() {
            let form = Form::of(choice, &format!("{at}/{number}"))?;
            let Some((field, word)) = form.tag() else {
                return Ok(None);
            };
            let taken = forms.iter().any(|(other, _)| *other == word);
            if taken || *tag.get_or_insert_with(|| field.clone()) != field {
                return Ok(None);
            }
            forms.push((word, form));
        }
        Ok(tag.map(|tag| Variants { tag, forms }))
    }
}

impl Form {
    /// The field that must be there and must be one word, with the word.
    fn tag(&self) -> Option<(String, String)> {
        let required = |name: &String| {
            let is_it = |rule: &Rule| matches!(rule, Rule::Required(field) if field == name);
            self.rules.iter().any(is_it)
        };
        self.fields().find_map(|(name, form)| match form.words() {
            Some([word]) if required(name) => Some((name.clone(), word.clone())),
            _ => None,
        })
    }
}

impl Type {
    fn is_of(self, value: &Value) -> bool {
        match self {
            Type::Text => value.is_string(),
            Type::Number => value.is_number(),
            // `2.0` is a whole number in JSON.
            Type::Whole => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|float| float.fract() == 0.0),
            Type::Boolean => value.is_boolean(),
            Type::List => value.is_array(),
            Type::Group => value.is_object(),
        }
    }

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "string" => Type::Text,
            "number" => Type::Number,
            "integer" => Type::Whole,
            "boolean" => Type::Boolean,
            "array" => Type::List,
            "object" => Type::Group,
            _ => return None,
        })
    }
}

fn types(value: &Value) -> Option<Vec<Type>> {
    match value {
        Value::String(name) => Some(vec![Type::named(name)?]),
        Value::Array(names) => names.iter().map(|name| Type::named(name.as_str()?)).collect(),
        _ => None,
    }
}

fn forms(fields: &Map<String, Value>, at: &str) -> Result<Vec<(String, Form)>, String> {
    let form = |(name, schema): (&String, &Value)| Ok((name.clone(), Form::of(schema, &format!("{at}/{name}"))?));
    fields.iter().map(form).collect()
}

fn words(value: &Value) -> Option<Vec<String>> {
    let words = value.as_array()?.iter();
    words.map(|word| word.as_str().map(str::to_owned)).collect()
}

fn count(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

#[cfg(test)]
mod tests;
