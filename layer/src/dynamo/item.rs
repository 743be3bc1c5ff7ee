//! Items: JSON to DynamoDB's attribute values and back.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html>

use serde_json::{Map, Number, Value, json};

/// The attributes of a JSON object; nothing for anything else.
pub fn from_json(object: &Value) -> Value {
    let attributes = object.as_object().into_iter().flatten();
    attributes
        .map(|(name, value)| (name.clone(), attribute(value)))
        .collect::<Map<_, _>>()
        .into()
}

fn attribute(value: &Value) -> Value {
    match value {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(value) => json!({ "BOOL": value }),
        Value::Number(value) => json!({ "N": value.to_string() }),
        Value::String(value) => json!({ "S": value }),
        Value::Array(values) => json!({ "L": values.iter().map(attribute).collect::<Vec<_>>() }),
        Value::Object(_) => json!({ "M": from_json(value) }),
    }
}

/// The JSON object of an item. `None` if it is not an item. Attributes that JSON has nothing for (binary ones) are
/// null.
pub fn to_json(item: &Value) -> Option<Value> {
    let attributes = item.as_object()?.iter();
    let fields = attributes.map(|(name, value)| Some((name.clone(), plain(value)?)));
    fields.collect::<Option<Map<_, _>>>().map(Value::Object)
}

fn plain(attribute: &Value) -> Option<Value> {
    let (kind, value) = attribute.as_object()?.iter().next()?;
    match kind.as_str() {
        "S" => value.is_string().then(|| value.clone()),
        "BOOL" => value.is_boolean().then(|| value.clone()),
        "N" => serde_json::from_str::<Number>(value.as_str()?).ok().map(Value::Number),
        "L" => value.as_array()?.iter().map(plain).collect(),
        "M" => to_json(value),
        "SS" => value.is_array().then(|| value.clone()),
        _ => Some(Value::Null),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_back_as_they_were() {
        let object = json!({ "a": "x", "b": 1.5, "c": [1, null, { "d": true }], "e": {} });
        let item = from_json(&object);
        assert_eq!(
            item.to_string(),
            r#"{"a":{"S":"x"},"b":{"N":"1.5"},"c":{"L":[{"N":"1"},{"NULL":true},{"M":{"d":{"BOOL":true}}}]},"e":{"M":{}}}"#
        );
        assert_eq!(to_json(&item), Some(object));
    }

    #[test]
    fn what_is_no_item_is_none() {
        for wrong in [
            json!(1),
            json!({ "a": 1 }),
            json!({ "a": { "N": "x" } }),
            json!({ "a": { "S": 1 } }),
            json!({ "a": {} }),
        ] {
            assert_eq!(to_json(&wrong), None, "{wrong}");
        }
        assert_eq!(to_json(&json!({ "a": { "B": "eA==" } })), Some(json!({ "a": null })));
    }
}
