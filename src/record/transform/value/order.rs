//! The order of jq: null, false, true, numbers, strings, arrays, objects. Equal is what is neither before nor behind.

use std::cmp::Ordering;

use super::{Object, Text, Value};
use crate::record::transform::meter;

impl Value {
    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Number(_) => 2,
            Self::Text(_) => 3,
            Self::Array(_) => 4,
            Self::Object(_) => 5,
        }
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => {
                meter::steps_for(0);
                a.cmp(b)
            }
            (Self::Text(a), Self::Text(b)) => {
                meter::steps_for(a.bytes().len().min(b.bytes().len()));
                a.cmp(b)
            }
            (Self::Array(a), Self::Array(b)) => {
                meter::steps_for(0);
                a.items().cmp(b.items())
            }
            (Self::Object(a), Self::Object(b)) => {
                meter::steps_for(a.members().len() + b.members().len());
                let (a, b) = (sorted(a), sorted(b));
                let keys = a.iter().map(|(key, _)| key).cmp(b.iter().map(|(key, _)| key));
                keys.then_with(|| a.iter().map(|(_, value)| value).cmp(b.iter().map(|(_, value)| value)))
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

fn sorted(object: &Object) -> Vec<(&Text, &Value)> {
    let mut members: Vec<_> = object.members().collect();
    members.sort_by_key(|(key, _)| *key);
    members
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Value {}
