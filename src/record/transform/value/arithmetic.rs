//! `+`, `-`, `*`, `/` and `%` between values of any kinds.

use std::ops::{Add, Div, Mul, Neg, Rem, Sub};
use std::rc::Rc;

use jaq_core::ops::Math;
use jaq_core::{Error, ValR};

use super::{Array, Object, Text, Value};
use crate::record::transform::meter;
use crate::record::transform::number::Number;

/// A number, or an error where there is none.
fn number(number: Option<Number>, a: Number, op: Math, b: Number) -> ValR<Value> {
    meter::steps_for(0);
    let fault = || Error::math(Value::Number(a), op, Value::Number(b));
    number.map(Value::Number).ok_or_else(fault)
}

impl Add for Value {
    type Output = ValR<Self>;

    /// Joins strings and arrays; of two objects the members of the second stand.
    fn add(self, other: Self) -> Self::Output {
        match (self, other) {
            (Self::Null, value) | (value, Self::Null) => Ok(value),
            (Self::Number(a), Self::Number(b)) => number(a.plus(&b), a, Math::Add, b),
            (Self::Text(mut a), Self::Text(b)) => {
                a.append(b.bytes());
                Ok(Self::Text(a))
            }
            (Self::Array(mut a), Self::Array(b)) => {
                let joined = Array::own(&mut a);
                b.items().iter().for_each(|item| joined.push(item.clone()));
                Ok(Self::Array(a))
            }
            (Self::Object(mut a), Self::Object(b)) => {
                let joined = Object::own(&mut a);
                for (key, value) in b.members() {
                    joined.insert(key.clone(), value.clone());
                }
                Ok(Self::Object(a))
            }
            (a, b) => Err(Error::math(a, Math::Add, b)),
        }
    }
}

impl Sub for Value {
    type Output = ValR<Self>;

    /// Takes all elements out of an array that the other has.
    fn sub(self, other: Self) -> Self::Output {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => number(a.minus(&b), a, Math::Sub, b),
            (Self::Array(a), Self::Array(b)) => {
                let mut out: Vec<&Self> = b.items().iter().collect();
                out.sort();
                let kept = a.items().iter().filter(|item| out.binary_search(item).is_err());
                Ok(Self::array(kept.cloned()))
            }
            (a, b) => Err(Error::math(a, Math::Sub, b)),
        }
    }
}

impl Mul for Value {
    type Output = ValR<Self>;

    /// Repeats strings; objects are joined, and so are objects within both.
    fn mul(self, other: Self) -> Self::Output {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => number(a.times(&b), a, Math::Mul, b),
            (Self::Text(text), Self::Number(times)) | (Self::Number(times), Self::Text(text)) => {
                // Above zero, as in jq: `"ab" * 0.5` is once.
                let times = times.float().ceil();
                if times <= 0.0 {
                    return Ok(Self::Null);
                }
                meter::make((text.bytes().len() as f64 * times) as usize);
                Ok(Self::text(text.bytes().repeat(times as usize)))
            }
            (Self::Object(a), Self::Object(b)) => Ok(Self::Object(merged(a, &b))),
            (a, b) => Err(Error::math(a, Math::Mul, b)),
        }
    }
}

fn merged(mut a: Rc<Object>, b: &Object) -> Rc<Object> {
    let joined = Object::own(&mut a);
    for (key, value) in b.members() {
        let value = match (joined.members.get_mut(key), value) {
            (Some(Value::Object(within)), Value::Object(other)) => Value::Object(merged(Rc::clone(within), other)),
            _ => value.clone(),
        };
        joined.insert(key.clone(), value);
    }
    a
}

impl Div for Value {
    type Output = ValR<Self>;

    /// Splits strings.
    fn div(self, other: Self) -> Self::Output {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => number(a.by(&b), a, Math::Div, b),
            (Self::Text(text), Self::Text(separator)) => Ok(Self::array(split(&text, separator.bytes()))),
            (a, b) => Err(Error::math(a, Math::Div, b)),
        }
    }
}

fn split(text: &Text, separator: &[u8]) -> Vec<Value> {
    let bytes = text.bytes();
    meter::steps_for(bytes.len());
    if bytes.is_empty() {
        return Vec::new();
    }
    let ends: Vec<(usize, usize)> = match separator.is_empty() {
        true => text.starts().skip(1).map(|start| (start, start)).collect(),
        false => memchr::memmem::find_iter(bytes, separator)
            .map(|at| (at, at + separator.len()))
            .collect(),
    };
    let mut begin = 0;
    let mut parts = Vec::new();
    for (end, next) in ends.into_iter().chain([(bytes.len(), 0)]) {
        parts.push(Value::text(&bytes[begin..end]));
        begin = next;
    }
    parts
}

impl Rem for Value {
    type Output = ValR<Self>;

    fn rem(self, other: Self) -> Self::Output {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => number(a.modulo(&b), a, Math::Rem, b),
            (a, b) => Err(Error::math(a, Math::Rem, b)),
        }
    }
}

impl Neg for Value {
    type Output = ValR<Self>;

    fn neg(self) -> Self::Output {
        match self {
            Self::Number(number) => Ok(Self::Number(number.negated())),
            other => Err(Error::typ(other, "number")),
        }
    }
}
