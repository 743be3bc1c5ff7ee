//! The reference of the format for people, written from the schema.

use serde_json::Value;

const HEAD: &str = "# The experiment

<!-- Written from the types in crates/core/src/experiment.rs by `UPDATE_SCHEMA=1 cargo test -p inoculate-core --test schema`. -->

An experiment is a YAML or JSON file. It is read strictly: a field that is not listed here is refused, and so is a value
of another form. Editors know the fields from [experiment.schema.json](experiment.schema.json):

```yaml
# yaml-language-server: $schema=../../docs/experiment.schema.json
```

Complete ones are in [examples/experiments](../examples/experiments). `inoculate validate FILE` shows every mistake with
its place; `inoculate plan FILE` says what a run would do.
";

/// The whole page.
pub(crate) fn page(schema: &Value) -> String {
    let mut page = HEAD.to_owned();
    let table = |title: &str, level: &str, group: &Value| section(schema, title, level, group);
    page += &table("The file", "##", schema);
    let fields = schema["properties"].as_object().unwrap();
    for name in fields.keys() {
        let kind = schema.pointer(&format!("/properties/{name}")).unwrap();
        let kind = if kind["items"].is_object() {
            &kind["items"]
        } else {
            kind
        };
        let Some(group) = resolve(schema, kind) else { continue };
        if let Some(variants) = group["oneOf"].as_array() {
            page += &format!("\n## `{name}`\n\nEach is one of these kinds.\n");
            for variant in variants {
                let kind = variant["properties"]["kind"]["const"].as_str().unwrap();
                page += &table(&format!("`kind: {kind}`"), "###", variant);
            }
            // Some kinds share a group; it is described once.
            for (name, place) in [("match", "/properties/match/items"), ("calls", "/properties/calls")] {
                let inner = variants.iter().find_map(|variant| variant.pointer(place));
                if let Some(inner) = inner.and_then(|inner| resolve(schema, inner)) {
                    page += &table(&format!("`{name}`"), "###", inner);
                }
            }
            let effect = variants
                .iter()
                .find_map(|variant| variant.pointer("/properties/effect"));
            let effects = effect.and_then(|effect| resolve(schema, effect)?["oneOf"].as_array());
            for effect in effects.into_iter().flatten() {
                let kind = effect["properties"]["kind"]["const"].as_str().unwrap();
                page += &table(&format!("`effect` of `kind: {kind}`"), "###", effect);
            }
        } else if group["properties"].is_object() {
            page += &table(&format!("`{name}`"), "##", group);
            page += &nested(schema, group);
        }
    }
    page
}

/// The groups inside a group, each once.
fn nested(schema: &Value, group: &Value) -> String {
    let mut page = String::new();
    let mut seen = Vec::new();
    for (name, field) in group["properties"].as_object().unwrap() {
        let inner = if field["additionalProperties"].is_object() {
            &field["additionalProperties"]
        } else if field["items"].is_object() {
            &field["items"]
        } else {
            field
        };
        let Some(inner) = resolve(schema, inner).filter(|inner| inner["properties"].is_object()) else {
            continue;
        };
        if !seen.contains(&inner) {
            page += &section(schema, &format!("`{name}`"), "###", inner);
            seen.push(inner);
        }
    }
    page
}

fn resolve<'a>(schema: &'a Value, value: &'a Value) -> Option<&'a Value> {
    match value["$ref"].as_str() {
        Some(reference) => schema.pointer(reference.trim_start_matches('#')),
        None => Some(value),
    }
}

fn section(schema: &Value, title: &str, level: &str, group: &Value) -> String {
    let text = group["description"].as_str().unwrap_or_default();
    let mut page = format!("\n{level} {title}\n\n{text}\n");
    if group["properties"]
        .as_object()
        .unwrap()
        .values()
        .any(|field| field["const"].is_null())
    {
        page += "\n| field | value | meaning |\n|---|---|---|\n";
    }
    for (name, field) in group["properties"].as_object().unwrap() {
        let required = group["required"]
            .as_array()
            .is_some_and(|list| list.iter().any(|entry| entry == name));
        let default = &field["default"];
        let when = match (required, default) {
            (true, _) => "required".to_owned(),
            (false, Value::Null) => "optional".to_owned(),
            (false, Value::String(text)) => format!("`{text}` when left out"),
            (false, other) => format!("`{other}` when left out"),
        };
        if field["const"].is_null() {
            let meaning = field["description"]
                .as_str()
                .unwrap_or_default()
                .replace('\n', " ")
                .replace('|', "\\|");
            page += &format!("| `{name}` | {}; {when} | {meaning} |\n", form(schema, field));
        }
    }
    page
}

/// The form of a value in words.
fn form(schema: &Value, field: &Value) -> String {
    let resolved = resolve(schema, field).unwrap_or(field);
    let is_name = resolved["pattern"].is_string() && !field["$ref"].is_null();
    let limits = match (resolved["minimum"].as_f64(), resolved["maximum"].as_f64()) {
        (Some(low), Some(high)) => format!(" from {low} to {high}"),
        (Some(low), None) => format!(" from {low}"),
        (None, Some(high)) => format!(" up to {high}"),
        (None, None) => String::new(),
    };
    match resolved["type"].as_str() {
        _ if is_name => resolved["description"].as_str().unwrap_or("text").to_owned(),
        Some("array") => format!("list of {}", form(schema, &resolved["items"])),
        Some("object") if resolved["properties"].is_object() => "a group of fields, below".to_owned(),
        Some("object") => "fields with names of your choice".to_owned(),
        Some("integer") => format!("a whole number{limits}"),
        Some("number") => format!("a number{limits}"),
        Some("string") if resolved["enum"].is_array() => {
            let words = resolved["enum"].as_array().unwrap().iter();
            let words: Vec<String> = words.map(|word| format!("`{}`", word.as_str().unwrap())).collect();
            words.join(" or ")
        }
        Some("string") => "text".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        None if resolved["type"].is_array() => "text, a number, or true or false".to_owned(),
        _ => "one of the kinds below".to_owned(),
    }
}
