//! Items in and out of the table: native attributes, so that the console shows them readably.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use inoculate_core::error::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_dynamo::aws_sdk_dynamodb_1 as serde_item;

use crate::error::Service;
use crate::keys::{self, Key};

/// One item of the table.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The table, with what is needed to call it and to explain its errors.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// The client.
    pub(crate) client: Client,
    /// The name of the table.
    pub(crate) name: String,
    /// Explains errors.
    pub(crate) service: Service,
}

impl Table {
    /// Reads one item, consistently.
    pub(crate) async fn get<T: DeserializeOwned>(&self, key: &Key, what: &str) -> Result<Option<T>> {
        let request = self.client.get_item().table_name(&self.name).consistent_read(true);
        let answer = request.set_key(Some(key_item(key))).send().await;
        let answer = answer.map_err(|error| self.service.error(self.doing("reading", what), error))?;
        answer.item.map(|item| read(item, what)).transpose()
    }

    /// Reads all items of a partition whose sort key begins with `prefix`, in order and consistently.
    pub(crate) async fn all<T: DeserializeOwned>(&self, pk: &str, prefix: &str, what: &str) -> Result<Vec<T>> {
        let query = self.client.query().table_name(&self.name).consistent_read(true);
        let query = query
            .key_condition_expression("#pk = :pk AND begins_with(#sk, :prefix)")
            .expression_attribute_names("#pk", keys::PK)
            .expression_attribute_names("#sk", keys::SK)
            .expression_attribute_values(":pk", text(pk))
            .expression_attribute_values(":prefix", text(prefix));
        let mut pages = query.into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| self.service.error(self.doing("reading", what), error))?;
            found.push(read(item, what)?);
        }
        Ok(found)
    }

    /// Writes one item, whatever was there.
    pub(crate) async fn put(&self, item: Item, what: &str) -> Result<()> {
        let request = self.client.put_item().table_name(&self.name).set_item(Some(item));
        let answer = request.send().await;
        answer.map_err(|error| self.service.error(self.doing("writing", what), error))?;
        Ok(())
    }

    /// Says for an error what was being done.
    pub(crate) fn doing(&self, verb: &str, what: &str) -> String {
        format!("{verb} {what} (table {})", self.name)
    }
}

/// A text attribute.
pub(crate) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A number attribute.
pub(crate) fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// The attributes of a key alone.
pub(crate) fn key_item(key: &Key) -> Item {
    Item::from([
        (keys::PK.to_owned(), text(&key.pk)),
        (keys::SK.to_owned(), text(&key.sk)),
    ])
}

/// An item of a value under a key.
pub(crate) fn item<T: Serialize>(key: &Key, value: &T) -> Result<Item> {
    let mut item: Item = serde_item::to_item(value).map_err(|error| {
        let message = format!("cannot make an item of {} {}: {error}", key.pk, key.sk);
        Error::internal(message)
    })?;
    item.values_mut().for_each(fit);
    item.extend(key_item(key));
    Ok(item)
}

/// The attribute of a value, as it is in an item.
pub(crate) fn attribute<T: Serialize>(value: &T) -> Result<AttributeValue> {
    serde_item::to_attribute_value(value).map_err(|error| Error::internal(format!("cannot make an attribute: {error}")))
}

/// The value of an item. Attributes that it does not know (keys, expiry, those of later versions) are ignored.
pub(crate) fn read<T: DeserializeOwned>(item: Item, what: &str) -> Result<T> {
    serde_item::from_item(item).map_err(|error| {
        let help = "the item was not written by Inoculate, or by a much later version";
        Error::internal(format!("cannot understand {what}: {error}")).help(help)
    })
}

/// The largest number that DynamoDB can hold.
///
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>
const LARGEST: f64 = 9.9e125;
/// The smallest number above zero that DynamoDB can hold.
const SMALLEST: f64 = 1e-130;

/// Makes every number one that DynamoDB can hold, so that an odd value of a metric cannot lose the record of a run.
/// What is no number becomes null.
fn fit(value: &mut AttributeValue) {
    match value {
        AttributeValue::M(map) => map.values_mut().for_each(fit),
        AttributeValue::L(list) => list.iter_mut().for_each(fit),
        AttributeValue::N(number) => {
            let parsed: f64 = number.parse().unwrap_or(f64::NAN);
            if parsed.is_nan() {
                *value = AttributeValue::Null(true);
            } else if parsed.abs() > LARGEST {
                *number = format!("{:e}", LARGEST.copysign(parsed));
            } else if parsed != 0.0 && parsed.abs() < SMALLEST {
                *number = "0".to_owned();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(number: &str) -> AttributeValue {
        let mut value = AttributeValue::L(vec![AttributeValue::N(number.into())]);
        fit(&mut value);
        value.as_l().unwrap()[0].clone()
    }

    #[test]
    fn numbers_that_dynamodb_cannot_hold_are_bent_not_lost() {
        for (number, expected) in [
            ("0.5", "0.5"),
            ("-12", "-12"),
            ("0", "0"),
            ("18446744073709551615", "18446744073709551615"),
            ("inf", "9.9e125"),
            ("-inf", "-9.9e125"),
            (&1e300.to_string(), "9.9e125"),
            (&1e-200.to_string(), "0"),
        ] {
            assert_eq!(fitted(number), AttributeValue::N(expected.into()), "{number}");
        }
        assert_eq!(fitted("NaN"), AttributeValue::Null(true));
    }

    #[test]
    fn an_item_is_readable_in_the_console_and_survives_unknown_attributes() {
        #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
        struct Thing {
            name: String,
            size: Option<f64>,
        }
        let thing = Thing {
            name: "a".into(),
            size: Some(1.5),
        };
        let mut stored = item(&Key::halt(), &thing).unwrap();
        assert_eq!(stored["name"], text("a"));
        assert_eq!(stored["size"], number(1.5));
        stored.insert("from_the_future".into(), text("x"));
        assert_eq!(read::<Thing>(stored, "a thing").unwrap(), thing);
    }
}
