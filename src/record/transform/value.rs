//! Values that a filter works on: JSON, and nothing beside it.
//!
//! Made for [`super::meter`]: containers know how deep they are, and all that copies, joins or compares is counted before it is
//! done. Strings hold half surrogate pairs as three bytes each, as UTF-8 would if it might, so that text which nobody touches
//! comes out as it went in. Members keep their order.

mod arithmetic;
mod order;
mod paths;

use std::borrow::Borrow;
use std::fmt;
use std::rc::Rc;

use indexmap::IndexMap;
use jaq_core::Error;
use jaq_core::val::Range;

use super::meter;
use super::number::Number;
use super::write;

/// A JSON value. Cloning one copies nothing but a counter.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(Text),
    Array(Rc<Array>),
    Object(Rc<Object>),
}

/// UTF-8, but for half surrogate pairs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Text(Rc<Vec<u8>>);

/// Elements, and how many containers are nested in it, itself included.
#[derive(Clone, Debug, Default)]
pub(super) struct Array {
    depth: u32,
    items: Vec<Value>,
}

/// Members in their order, and the depth as of an [`Array`].
#[derive(Clone, Debug, Default)]
pub(super) struct Object {
    depth: u32,
    members: IndexMap<Text, Value>,
}

/// Bytes that an element takes.
const ITEM_BYTES: usize = size_of::<Value>();
/// Bytes that a member takes beside its key: its places in the list and in the hash table.
const MEMBER_BYTES: usize = size_of::<Value>() + size_of::<Text>() + 24;
/// Bytes that a string or container takes where it is empty.
const EMPTY_BYTES: usize = 48;

impl Text {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        meter::make(EMPTY_BYTES + bytes.len());
        Self(Rc::new(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds to its end, in place where nobody else has it.
    fn append(&mut self, bytes: &[u8]) {
        if Rc::strong_count(&self.0) > 1 {
            meter::make(self.0.len());
        }
        meter::make(bytes.len());
        Rc::make_mut(&mut self.0).extend_from_slice(bytes);
    }

    /// Where its characters begin.
    pub(super) fn starts(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        let is_start = |byte: &u8| byte & 0xC0 != 0x80;
        let starts = self.0.iter().enumerate();
        starts.filter(move |(_, byte)| is_start(byte)).map(|(at, _)| at)
    }
}

impl Borrow<[u8]> for Text {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl Array {
    pub(super) fn items(&self) -> &[Value] {
        &self.items
    }

    pub(super) fn push(&mut self, item: Value) {
        meter::make(ITEM_BYTES);
        self.depth = nested(self.depth, &item);
        self.items.push(item);
    }

    /// The array of a value, to be changed: a copy where others have it, too.
    fn own(shared: &mut Rc<Self>) -> &mut Self {
        if Rc::strong_count(shared) > 1 {
            meter::make(EMPTY_BYTES + shared.items.len() * ITEM_BYTES);
        }
        Rc::make_mut(shared)
    }
}

impl Object {
    /// Key and value, in order.
    pub(super) fn members(&self) -> impl ExactSizeIterator<Item = (&Text, &Value)> {
        self.members.iter()
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Value> {
        meter::steps_for(key.len());
        self.members.get(key)
    }

    /// Sets a member; a new one comes last. The value that stood there before.
    pub(super) fn insert(&mut self, key: Text, value: Value) -> Option<Value> {
        meter::make(MEMBER_BYTES);
        self.depth = nested(self.depth, &value);
        self.members.insert(key, value)
    }

    fn own(shared: &mut Rc<Self>) -> &mut Self {
        if Rc::strong_count(shared) > 1 {
            meter::make(EMPTY_BYTES + shared.members.len() * MEMBER_BYTES);
        }
        Rc::make_mut(shared)
    }
}

/// The depth of a container of this depth that takes in `value`.
fn nested(depth: u32, value: &Value) -> u32 {
    let depth = depth.max(value.depth() + 1);
    meter::nest(depth);
    depth
}

impl Value {
    pub(super) fn array(items: impl IntoIterator<Item = Self>) -> Self {
        meter::make(EMPTY_BYTES);
        let mut array = Array {
            depth: 1,
            items: Vec::new(),
        };
        items.into_iter().for_each(|item| array.push(item));
        Self::Array(Rc::new(array))
    }

    pub(super) fn object(object: Object) -> Self {
        meter::make(EMPTY_BYTES);
        meter::nest(1);
        let depth = object.depth.max(1);
        Self::Object(Rc::new(Object { depth, ..object }))
    }

    pub(super) fn text(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Text(Text::new(bytes.into()))
    }

    /// How many containers are nested in it, itself included.
    pub(super) fn depth(&self) -> u32 {
        match self {
            Self::Array(array) => array.depth,
            Self::Object(object) => object.depth,
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => 0,
        }
    }

    /// Its JSON text.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::new();
        write::json(self, &mut json);
        json
    }

    /// The member or element at `index`, if it is there.
    pub(super) fn at(&self, index: &Self) -> Result<Option<Self>, Error<Self>> {
        match (self, index) {
            (Self::Null, _) => Ok(None),
            (Self::Object(object), Self::Text(key)) => Ok(object.get(key.bytes()).cloned()),
            (Self::Array(array), Self::Number(number)) => {
                let place = number.place().and_then(|place| place_in(array.items.len(), place));
                Ok(place.map(|place| array.items[place].clone()))
            }
            (Self::Array(array), Self::Array(part)) => Ok(Some(places_of_items(array.items(), part.items()))),
            (Self::Array(_) | Self::Text(_), Self::Object(range)) => {
                let range = range.get(b"start")..range.get(b"end");
                self.part(range).map(Some)
            }
            _ => Err(Error::index(self.clone(), index.clone())),
        }
    }

    /// The elements or characters in a range.
    fn part(&self, range: Range<&Self>) -> Result<Self, Error<Self>> {
        match self {
            Self::Null => Ok(Self::Null),
            Self::Array(array) => {
                let range = self.bounds(range)?;
                Ok(Self::array(array.items[range].iter().cloned()))
            }
            Self::Text(text) => Ok(Self::text(&text.bytes()[self.bounds(range)?])),
            _ => Err(Error::typ(self.clone(), "array or string")),
        }
    }

    /// A range of an array in elements, of a string in bytes; it is cut where the value ends.
    fn bounds(&self, range: Range<&Self>) -> Result<std::ops::Range<usize>, Error<Self>> {
        let bound = |bound: Option<&Self>| match bound {
            None | Some(Self::Null) => Ok(None),
            Some(Self::Number(number)) if number.place().is_some() => Ok(number.place()),
            Some(other) => Err(Error::typ(other.clone(), "integer")),
        };
        let (from, upto) = (bound(range.start)?, bound(range.end)?);
        let (from, upto) = match self {
            Self::Text(text) => {
                meter::steps_for(text.bytes().len());
                let end = text.bytes().len();
                let byte = |place: isize| match usize::try_from(place) {
                    Ok(place) => text.starts().nth(place).unwrap_or(end),
                    Err(_) => text.starts().nth_back(place.unsigned_abs() - 1).unwrap_or(0),
                };
                (from.map_or(0, byte), upto.map_or(end, byte))
            }
            _ => {
                let len = if let Self::Array(array) = self {
                    array.items.len()
                } else {
                    0
                };
                let place = |place: isize| match usize::try_from(place) {
                    Ok(place) => place.min(len),
                    Err(_) => len.saturating_sub(place.unsigned_abs()),
                };
                (from.map_or(0, place), upto.map_or(len, place))
            }
        };
        Ok(from..upto.max(from))
    }
}

/// The place that a number names in a list of this length, counted from its end where it is negative.
fn place_in(len: usize, place: isize) -> Option<usize> {
    let place = match usize::try_from(place) {
        Ok(place) => place,
        Err(_) => len.checked_sub(place.unsigned_abs())?,
    };
    (place < len).then_some(place)
}

/// Where `part` begins in `items`.
pub(super) fn places_of_items(items: &[Value], part: &[Value]) -> Value {
    let places = items.windows(part.len().max(1)).enumerate();
    let places = places.filter(|(_, window)| !part.is_empty() && *window == part);
    Value::array(places.map(|(place, _)| Value::from(place)))
}

impl From<bool> for Value {
    fn from(bool: bool) -> Self {
        Self::Bool(bool)
    }
}

impl From<isize> for Value {
    fn from(int: isize) -> Self {
        Self::Number(Number::Int(int as i64))
    }
}

impl From<usize> for Value {
    fn from(int: usize) -> Self {
        Self::Number(Number::from_i128(int as i128))
    }
}

impl From<f64> for Value {
    /// What JSON has no number for is null.
    fn from(float: f64) -> Self {
        Number::from_f64(float).map_or(Self::Null, Self::Number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Range<Self>> for Value {
    fn from(range: Range<Self>) -> Self {
        let mut object = Object::default();
        for (key, bound) in [("start", range.start), ("end", range.end)] {
            if let Some(bound) = bound {
                object.insert(Text::new(key.into()), bound);
            }
        }
        Self::object(object)
    }
}

impl FromIterator<Self> for Value {
    fn from_iter<I: IntoIterator<Item = Self>>(items: I) -> Self {
        Self::array(items)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_json()))
    }
}

#[cfg(test)]
mod tests;
