//! Batches of DynamoDB of which a part is not processed.
//!
//! The first half goes to DynamoDB, and the rest is added to what its answer says is unprocessed. So what the caller is
//! told is true.
//!
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>

use bytes::Bytes;
use serde_json::{Map, Value};

/// What is kept back of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptBack {
    /// The field of the answer that it belongs into.
    field: &'static str,
    /// By table.
    rest: Map<String, Value>,
}

/// Takes the second half out of a batch. Returns the body that is left, and what was taken. `None` if there is nothing to
/// take.
pub fn halve(operation: &str, body: &[u8]) -> Option<(Bytes, KeptBack)> {
    let field = match operation {
        "BatchWriteItem" => "UnprocessedItems",
        "BatchGetItem" => "UnprocessedKeys",
        _ => return None,
    };
    let mut input: Value = serde_json::from_slice(body).ok()?;
    let tables = input.get_mut("RequestItems")?.as_object_mut()?;
    let total: usize = tables.values().filter_map(items).map(Vec::len).sum();
    let mut keep = total.div_ceil(2);
    let mut rest = Map::new();
    for (table, batch) in tables.iter_mut() {
        let mut taken = batch.clone();
        let (left, moved) = (items_mut(batch)?, items_mut(&mut taken)?);
        let here = keep.min(left.len());
        keep -= here;
        left.truncate(here);
        moved.drain(..here);
        if !moved.is_empty() {
            rest.insert(table.clone(), taken);
        }
    }
    tables.retain(|_, batch| items(batch).is_some_and(|items| !items.is_empty()));
    (!rest.is_empty()).then(|| (input.to_string().into(), KeptBack { field, rest }))
}

impl KeptBack {
    /// Adds what was kept back to the answer to the rest. `None` if that is not an answer to a batch.
    pub fn add_to(self, answer: &[u8]) -> Option<Bytes> {
        let mut output: Value = serde_json::from_slice(answer).ok()?;
        let fields = output.as_object_mut()?;
        let unprocessed = fields.entry(self.field).or_insert_with(|| Value::Object(Map::new()));
        let unprocessed = unprocessed.as_object_mut()?;
        for (table, mut batch) in self.rest {
            match unprocessed.get_mut(&table) {
                Some(there) => items_mut(there)?.append(items_mut(&mut batch)?),
                None => drop(unprocessed.insert(table, batch)),
            }
        }
        Some(output.to_string().into())
    }
}

/// The items of a table in a batch: a list, or the list `Keys`.
fn items(batch: &Value) -> Option<&Vec<Value>> {
    batch.as_array().or_else(|| batch.get("Keys")?.as_array())
}

fn items_mut(batch: &mut Value) -> Option<&mut Vec<Value>> {
    match batch {
        Value::Array(items) => Some(items),
        other => other.get_mut("Keys")?.as_array_mut(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn halved(operation: &str, tables: Value, answer: Value) -> Option<(Value, Value)> {
        let body = json!({ "RequestItems": tables, "ReturnConsumedCapacity": "TOTAL" });
        let (left, kept) = halve(operation, body.to_string().as_bytes())?;
        let left: Value = serde_json::from_slice(&left).unwrap();
        assert_eq!(left["ReturnConsumedCapacity"], "TOTAL");
        let answer = kept.add_to(answer.to_string().as_bytes()).unwrap();
        Some((left["RequestItems"].clone(), serde_json::from_slice(&answer).unwrap()))
    }

    #[test]
    fn nothing_is_lost() {
        assert_eq!(
            halved(
                "BatchWriteItem",
                json!({ "a": [1, 2], "b": [3, 4, 5] }),
                json!({ "UnprocessedItems": { "b": [3] } })
            ),
            Some((
                json!({ "a": [1, 2], "b": [3] }),
                json!({ "UnprocessedItems": { "b": [3, 4, 5] } })
            ))
        );
        assert_eq!(
            halved(
                "BatchGetItem",
                json!({ "a": { "Keys": [1], "ConsistentRead": true }, "b": { "Keys": [2, 3] } }),
                json!({ "Responses": {} })
            ),
            Some((
                json!({ "a": { "Keys": [1], "ConsistentRead": true }, "b": { "Keys": [2] } }),
                json!({ "Responses": {}, "UnprocessedKeys": { "b": { "Keys": [3] } } })
            ))
        );
    }

    #[test]
    fn what_cannot_be_halved_is_not() {
        assert_eq!(halved("BatchWriteItem", json!({ "a": [1] }), json!({})), None);
        assert_eq!(halved("PutItem", json!({ "a": [1, 2] }), json!({})), None);
        assert_eq!(halved("BatchGetItem", json!({ "a": 1 }), json!({})), None);
        let (_, kept) = halve("BatchWriteItem", br#"{"RequestItems":{"a":[1,2]}}"#).unwrap();
        assert_eq!(kept.clone().add_to(b"[]"), None);
        assert_eq!(kept.add_to(b"<html>"), None);
    }
}
