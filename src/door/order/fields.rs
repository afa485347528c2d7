//! The members of an order, each of its kind or an error that says what to write.

use serde_json::{Map, Value};

use super::OrderError;
use crate::door::seen::{Printable, kind, quoted};

pub(in crate::door) struct Fields<'a> {
    order: &'static str,
    members: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// The members of `order`, all of which are among `known`.
    pub(in crate::door) fn of(
        order: &'static str,
        known: &[&str],
        members: &'a Map<String, Value>,
    ) -> Result<Self, OrderError> {
        if let Some(unknown) = members.keys().find(|key| !known.contains(&key.as_str())) {
            let known: Vec<String> = known.iter().map(|key| quoted(key)).collect();
            let why = format!(
                "{order} has an unknown key {}; it takes {}",
                quoted(unknown),
                known.join(", ")
            );
            return Err(OrderError(why));
        }
        Ok(Self { order, members })
    }

    /// True or false; false where it is missing or null.
    pub(in crate::door) fn flag(&self, field: &str) -> Result<bool, OrderError> {
        match self.members.get(field) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.other(field, other, "true or false")),
        }
    }

    /// A text, if it is there. `write` says what may be written.
    pub(in crate::door) fn text(&self, field: &str, write: &str) -> Result<Option<&'a str>, OrderError> {
        match self.members.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.other(field, other, write)),
        }
    }

    pub(in crate::door) fn missing(&self, field: &str, write: &str) -> OrderError {
        OrderError(format!("{}.{field} is missing; write {write}", self.order))
    }

    /// What is wrong with a value.
    pub(in crate::door) fn wrong(&self, field: &str, why: impl std::fmt::Display) -> OrderError {
        OrderError(format!("{}.{field}: {}", self.order, Printable(&why.to_string())))
    }

    fn other(&self, field: &str, found: &Value, write: &str) -> OrderError {
        OrderError(format!("{}.{field} is {}; write {write}", self.order, kind(found)))
    }
}
