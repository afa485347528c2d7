//! What the interpreter and its library ask of values: reached by paths, and changed there.

use std::rc::Rc;

use indexmap::map::Entry;
use jaq_core::box_iter::{BoxIter, box_once};
use jaq_core::path::Opt;
use jaq_core::val::Range;
use jaq_core::{Error, Exn, ValR, ValX};

use super::{Array, ITEM_BYTES, MEMBER_BYTES, Object, Text, Value, nested, place_in};
use crate::record::transform::meter;
use crate::record::transform::number::Number;

impl jaq_core::ValT for Value {
    fn from_num(text: &str) -> ValR<Self> {
        let number = Number::parse(text).map(Self::Number);
        number.ok_or_else(|| Error::typ(Self::text(text), "number"))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(members: I) -> ValR<Self> {
        let mut object = Object::default();
        for (key, value) in members {
            match key {
                Self::Text(key) => object.insert(key, value),
                other => return Err(Error::typ(other, "string")),
            };
        }
        Ok(Self::object(object))
    }

    fn key_values(self) -> BoxIter<'static, ValR<(Self, Self), Self>> {
        match self {
            Self::Array(array) => {
                let items = unshared(array).items.into_iter().enumerate();
                Box::new(items.map(|(place, item)| Ok((Self::from(place), item))))
            }
            Self::Object(object) => {
                let members = unshared_members(object);
                Box::new(members.map(|(key, value)| Ok((Self::Text(key), value))))
            }
            other => box_once(Err(Error::typ(other, "array or object"))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR<Self>>> {
        match self {
            Self::Array(array) => Box::new(unshared(array).items.into_iter().map(Ok)),
            Self::Object(object) => Box::new(unshared_members(object).map(|(_, value)| Ok(value))),
            other => box_once(Err(Error::typ(other, "array or object"))),
        }
    }

    fn index(self, index: &Self) -> ValR<Self> {
        self.at(index).map(|value| value.unwrap_or(Self::Null))
    }

    fn range(self, range: Range<&Self>) -> ValR<Self> {
        self.part(range)
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(self, opt: Opt, f: impl Fn(Self) -> I) -> ValX<'a, Self> {
        match self {
            Self::Array(array) => unshared(array).items.into_iter().flat_map(f).collect(),
            Self::Object(object) => {
                let mut mapped = Object::default();
                for (key, value) in unshared_members(object) {
                    if let Some(value) = f(value).next() {
                        mapped.insert(key, value?);
                    }
                }
                Ok(Self::object(mapped))
            }
            other => opt.fail(other, |other| Exn::from(Error::typ(other, "array or object"))),
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        index: &Self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        match (self, index) {
            // What is missing is made.
            (Self::Null, Self::Text(_)) => Self::object(Object::default()).map_index(index, opt, f),
            (Self::Object(mut object), Self::Text(key)) => {
                let own = Object::own(&mut object);
                match own.members.entry(key.clone()) {
                    Entry::Occupied(mut member) => {
                        let before = std::mem::replace(member.get_mut(), Self::Null);
                        match f(before).next().transpose()? {
                            Some(value) => {
                                own.depth = nested(own.depth, &value);
                                member.insert(value);
                            }
                            None => {
                                // The others keep their order.
                                meter::steps_for(member.index());
                                member.shift_remove();
                            }
                        }
                    }
                    Entry::Vacant(place) => {
                        if let Some(value) = f(Self::Null).next().transpose()? {
                            meter::make(MEMBER_BYTES);
                            own.depth = nested(own.depth, &value);
                            place.insert(value);
                        }
                    }
                }
                Ok(Self::Object(object))
            }
            (Self::Array(mut array), Self::Number(number)) => {
                let place = number.place().and_then(|place| place_in(array.items.len(), place));
                let Some(place) = place else {
                    let fault = Error::index(Self::Array(Rc::clone(&array)), index.clone());
                    return opt.fail(Self::Array(array), |_| Exn::from(fault));
                };
                let own = Array::own(&mut array);
                let before = std::mem::replace(&mut own.items[place], Self::Null);
                match f(before).next().transpose()? {
                    Some(item) => {
                        own.depth = nested(own.depth, &item);
                        own.items[place] = item;
                    }
                    None => {
                        meter::steps_for((own.items.len() - place) * ITEM_BYTES);
                        own.items.remove(place);
                    }
                }
                Ok(Self::Array(array))
            }
            (value @ (Self::Array(_) | Self::Text(_)), Self::Object(range)) => {
                let range = range.get(b"start")..range.get(b"end");
                value.map_range(range, opt, f)
            }
            (other, _) => opt.fail(other, |other| Exn::from(Error::index(other, index.clone()))),
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        range: Range<&Self>,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let bounds = match &self {
            Self::Array(_) | Self::Text(_) => self.bounds(range),
            other => Err(Error::typ(other.clone(), "array or string")),
        };
        let bounds = match bounds {
            Ok(bounds) => bounds,
            Err(fault) => return opt.fail(self, |_| Exn::from(fault)),
        };
        match self {
            Self::Text(text) => {
                let (before, after) = (&text.bytes()[..bounds.start], &text.bytes()[bounds.end..]);
                let part = f(Self::text(&text.bytes()[bounds.clone()])).next().transpose()?;
                match part.unwrap_or_else(|| Self::text("")) {
                    Self::Text(part) => Ok(Self::text([before, part.bytes(), after].concat())),
                    other => Err(Error::typ(other, "string").into()),
                }
            }
            Self::Array(array) => {
                let (before, after) = (&array.items[..bounds.start], &array.items[bounds.end..]);
                let part = f(Self::array(array.items[bounds.clone()].iter().cloned()));
                match part.into_iter().next().transpose()?.unwrap_or_else(|| Self::array([])) {
                    Self::Array(part) => Ok(Self::array(
                        [before, part.items(), after].into_iter().flatten().cloned(),
                    )),
                    other => Err(Error::typ(other, "array").into()),
                }
            }
            other => Ok(other),
        }
    }

    fn as_bool(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false))
    }

    fn into_string(self) -> Self {
        match self {
            Self::Text(_) => self,
            other => Self::text(other.to_json()),
        }
    }
}

/// The array itself where nobody else has it, else a copy.
fn unshared(array: Rc<Array>) -> Array {
    meter::make(array.items.len() * ITEM_BYTES);
    Rc::unwrap_or_clone(array)
}

fn unshared_members(object: Rc<Object>) -> impl Iterator<Item = (Text, Value)> {
    meter::make(object.members.len() * MEMBER_BYTES);
    Rc::unwrap_or_clone(object).members.into_iter()
}

impl jaq_std::ValT for Value {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        match self {
            Self::Array(array) => Ok(unshared(array).items.into_iter().collect()),
            other => Err(other),
        }
    }

    fn is_int(&self) -> bool {
        matches!(self, Self::Number(number) if number.integer().is_some())
    }

    fn as_isize(&self) -> Option<isize> {
        match self {
            Self::Number(number) => number.integer().and_then(|int| isize::try_from(int).ok()),
            _ => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number.float()),
            _ => None,
        }
    }

    fn is_utf8_str(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text.bytes()),
            _ => None,
        }
    }

    fn as_sub_str(&self, part: &[u8]) -> Self {
        Self::text(part)
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        Self::text(bytes.as_ref())
    }
}
