//! The filters that are there: jq's own, as far as they depend on nothing but their input.
//!
//! | | from |
//! | --- | --- |
//! | `map`, `select`, `walk`, `to_entries`, `limit`, … | `jaq-core`: all |
//! | `type`, `sort_by`, `ascii_downcase`, `trim`, … | `jaq-std`, without those in [`LEFT_OUT`] and those that call them |
//! | `length`, `has`, `tojson`, `@base64`, … | here, over [`Value`] |

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jaq_core::data::HasLut;
use jaq_core::load::parse::Def;
use jaq_core::native::{Fun, bome, run, unary, v};
use jaq_core::{DataT, Error, Lut, RunPtr, ValR};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

use super::value::{Text, Value, places_of_items};
use super::{meter, read};

/// Ties the interpreter to [`Value`], and to the meter.
pub(super) struct Engine;

/// The compiled terms. Each is asked for when it is evaluated, which is when it counts.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a>(pub(super) &'a Lut<Engine>);

impl DataT for Engine {
    type V<'a> = Value;
    type Data<'a> = Terms<'a>;
}

impl<'a> HasLut<'a, Engine> for Terms<'a> {
    fn lut(&self) -> &'a Lut<Engine> {
        meter::step();
        self.0
    }
}

/// Definitions of `jaq-std` that need what is not there: a clock, an environment, a terminal, infinite numbers, a library of
/// mathematics, of dates or of regular expressions.
const LEFT_OUT: &str = "stderr debug halt halt_error \
    nan infinite isnan isinfinite isfinite isnormal finites normals \
    logb significand pow10 drem nexttoward scalb gamma \
    capture_of_match test scan_ match capture splits sub gsub scan \
    todate fromdate @html @htmld";

/// What is written in jq here.
const DEFINITIONS: &str = include_str!("definitions.jq");

/// The filters that are written in jq.
pub(super) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    let is_there = |def: &Def<&str>| {
        let by_expression = def.name == "split" && def.args.len() == 2;
        !by_expression && LEFT_OUT.split(' ').all(|name| name != def.name)
    };
    let own = jaq_core::load::parse(DEFINITIONS, |parser| parser.defs()).expect("the definitions are jq");
    jaq_core::defs().chain(jaq_std::defs().filter(is_there)).chain(own)
}

/// The filters that are written in Rust.
pub(super) fn natives() -> impl Iterator<Item = Fun<Engine>> {
    let library = jaq_std::base_funs::<Engine>().filter(|fun| !["halt", "implode"].contains(&fun.0));
    jaq_core::funs()
        .chain(library)
        .chain(own().into_iter().map(|filter| run::<Engine>(filter)))
}

/// `@uri` leaves these as they are, as jq does.
const PERCENT_ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

type Own = (&'static str, Box<[jaq_core::Bind]>, RunPtr<Engine>);

fn own() -> [Own; 13] {
    [
        ("length", v(0), |cv| bome(length(cv.1))),
        ("has", v(1), |cv| {
            unary(cv, |value, key| Ok(value.at(&key)?.is_some().into()))
        }),
        ("contains", v(1), |cv| {
            unary(cv, |value, part| Ok(contains(&value, &part).into()))
        }),
        ("indices", v(1), |cv| unary(cv, indices)),
        ("bsearch", v(1), |cv| unary(cv, bsearch)),
        ("tojson", v(0), |cv| bome(Ok(Value::text(cv.1.to_json())))),
        ("fromjson", v(0), |cv| {
            bome(from_text(&cv.1, |text| read::json(text, meter::depth_max()).ok()))
        }),
        ("tonumber", v(0), |cv| bome(to_number(cv.1))),
        ("implode", v(0), |cv| bome(implode(&cv.1))),
        ("encode_base64", v(0), |cv| {
            bome(from_text(&cv.1, |text| Some(Value::text(STANDARD.encode(text)))))
        }),
        ("decode_base64", v(0), |cv| {
            bome(from_text(&cv.1, |text| decoded(STANDARD.decode(text).ok()?)))
        }),
        ("encode_uri", v(0), |cv| {
            bome(from_text(&cv.1, |text| {
                Some(Value::text(percent_encode(text, PERCENT_ENCODED).to_string()))
            }))
        }),
        ("decode_uri", v(0), |cv| {
            bome(from_text(&cv.1, |text| decoded(percent_decode(text).collect())))
        }),
    ]
}

/// Text out of bytes, if they are any.
fn decoded(bytes: Vec<u8>) -> Option<Value> {
    String::from_utf8(bytes).ok().map(Value::text)
}

/// What `f` makes of a string.
fn from_text(value: &Value, f: impl FnOnce(&[u8]) -> Option<Value>) -> ValR<Value> {
    let Value::Text(text) = value else {
        return Err(Error::typ(value.clone(), "string"));
    };
    meter::make(text.bytes().len());
    f(text.bytes()).ok_or_else(|| Error::typ(value.clone(), "string of this form"))
}

fn length(value: Value) -> ValR<Value> {
    Ok(match value {
        Value::Null => Value::from(0_usize),
        Value::Number(number) if number.float() < 0.0 => Value::Number(number.negated()),
        Value::Number(number) => Value::Number(number),
        Value::Text(text) => {
            meter::steps_for(text.bytes().len());
            Value::from(text.starts().count())
        }
        Value::Array(array) => Value::from(array.items().len()),
        Value::Object(object) => Value::from(object.members().len()),
        Value::Bool(_) => return Err(Error::typ(value, "value with a length")),
    })
}

fn contains(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::Text(text), Value::Text(part)) => {
            meter::steps_for(text.bytes().len());
            memchr::memmem::find(text.bytes(), part.bytes()).is_some()
        }
        (Value::Array(array), Value::Array(parts)) => {
            let is_in = |part| array.items().iter().any(|item| contains(item, part));
            parts.items().iter().all(is_in)
        }
        (Value::Object(object), Value::Object(parts)) => parts
            .members()
            .all(|(key, part)| object.get(key.bytes()).is_some_and(|value| contains(value, part))),
        _ => value == part,
    }
}

fn indices(value: Value, part: Value) -> ValR<Value> {
    Ok(match (&value, &part) {
        (Value::Null, _) => Value::Null,
        (Value::Text(text), Value::Text(part)) => places_of_text(text, part),
        (Value::Array(array), Value::Array(part)) => places_of_items(array.items(), part.items()),
        (Value::Array(array), part) => {
            let places = array.items().iter().enumerate().filter(|(_, item)| *item == part);
            Value::array(places.map(|(place, _)| Value::from(place)))
        }
        _ => return Err(Error::index(value, part)),
    })
}

/// Counted in characters; also where parts overlap.
fn places_of_text(text: &Text, part: &Text) -> Value {
    let starts = text.starts().enumerate();
    let is_there = |start: &(usize, usize)| {
        meter::steps_for(part.bytes().len());
        !part.bytes().is_empty() && text.bytes()[start.1..].starts_with(part.bytes())
    };
    Value::array(starts.filter(is_there).map(|(place, _)| Value::from(place)))
}

/// The place of a value in a sorted array, or where it would be, as `-1 - place`.
fn bsearch(value: Value, wanted: Value) -> ValR<Value> {
    let Value::Array(array) = &value else {
        return Err(Error::typ(value, "array"));
    };
    let place = match array.items().binary_search(&wanted) {
        Ok(place) => place as isize,
        Err(place) => -1 - place as isize,
    };
    Ok(Value::from(place))
}

fn to_number(value: Value) -> ValR<Value> {
    match value {
        Value::Number(_) => Ok(value),
        _ => from_text(&value, |text| read::number(text).map(Value::Number)),
    }
}

fn implode(value: &Value) -> ValR<Value> {
    let fault = || Error::typ(value.clone(), "array of code points");
    let Value::Array(array) = value else {
        return Err(fault());
    };
    let character = |item: &Value| match item {
        Value::Number(number) => number
            .place()
            .and_then(|place| u32::try_from(place).ok())
            .and_then(char::from_u32),
        _ => None,
    };
    let text: Option<String> = array.items().iter().map(character).collect();
    text.map(Value::text).ok_or_else(fault)
}

/// Names of all filters, for errors that name the nearest one.
pub(super) fn names() -> Vec<String> {
    let natives = natives().map(|(name, ..)| name);
    let defined = definitions().map(|def| def.name);
    // Those with other names are the library's own.
    let is_jq = |name: &&str| {
        !["_value", "_empty", "_sh", "_uri", "_base64"]
            .iter()
            .any(|end| name.ends_with(end))
    };
    natives.chain(defined).filter(is_jq).map(str::to_owned).collect()
}
