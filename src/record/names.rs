//! Which member of a JSON object is which of the names that a table reads.
//!
//! A name takes the key equal to it byte for byte, else the one equal without ASCII case. Names that differ by case only
//! match exactly. Two inexact keys for one name, or a key standing twice, leave it open which was meant: an error.

use hashbrown::HashMap;

use super::keys::KeyBook;
use super::tape::{Kind, Node, Tape};
use super::text::unescape;

/// A name stands for two members of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuplicateKey;

/// What a name was found as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slot {
    /// No member.
    #[default]
    Missing,
    /// One member by another case: the node of its value.
    Inexact(u32),
    /// One member byte for byte.
    Exact(u32),
    /// Several members of other case, none exact.
    InexactMany,
    /// The same key twice.
    ExactMany,
}

impl Slot {
    /// The node of the value.
    pub fn value(self) -> Result<Option<u32>, DuplicateKey> {
        match self {
            Self::Missing => Ok(None),
            Self::Inexact(value) | Self::Exact(value) => Ok(Some(value)),
            Self::InexactMany | Self::ExactMany => Err(DuplicateKey),
        }
    }

    fn holds(self, member: u32) -> bool {
        matches!(self, Self::Inexact(value) | Self::Exact(value) if value == member)
            || matches!(self, Self::InexactMany | Self::ExactMany)
    }

    fn add(&mut self, value: u32, exact: bool) {
        *self = match (*self, exact) {
            (Self::Missing | Self::Inexact(_) | Self::InexactMany, true) => Self::Exact(value),
            (Self::Exact(_) | Self::ExactMany, true) => Self::ExactMany,
            (Self::Missing, false) => Self::Inexact(value),
            (Self::Inexact(_) | Self::InexactMany, false) => Self::InexactMany,
            (exact @ (Self::Exact(_) | Self::ExactMany), false) => exact,
        };
    }
}

/// The names read from objects of one kind.
#[derive(Clone, Debug, Default)]
pub struct Names {
    names: Vec<Box<[u8]>>,
    exact: HashMap<Box<[u8]>, u16>,
    /// By lower case; only names that no other name equals without case.
    folded: HashMap<Box<[u8]>, u16>,
    /// Bytes of the longest name.
    longest: usize,
    /// By the number of a key: the place of the name that takes it.
    numbered: Vec<Place>,
}

/// A place, with the highest bit where the key is of other case; or [`NO_PLACE`].
type Place = u16;
const NO_PLACE: Place = u16::MAX;
const INEXACT: Place = 1 << 15;

impl Names {
    /// Takes distinct names; their places are the places of their slots.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut new = Self::default();
        let mut twins = Vec::new();
        for name in names {
            let name: Box<[u8]> = name.as_bytes().into();
            let place = new.names.len() as u16;
            let before = new.exact.insert(name.clone(), place);
            debug_assert!(before.is_none(), "names are distinct");
            if new.folded.insert(name.to_ascii_lowercase().into(), place).is_some() {
                twins.push(name.to_ascii_lowercase());
            }
            new.longest = new.longest.max(name.len());
            new.names.push(name);
        }
        for twin in &twins {
            new.folded.remove(twin.as_slice());
        }
        new
    }

    /// How many names there are: as many as there have to be slots.
    pub fn slots(&self) -> usize {
        self.names.len()
    }

    /// The name at `place`.
    pub fn name(&self, place: usize) -> &[u8] {
        &self.names[place]
    }

    fn find(&self, key: &[u8]) -> Option<(u16, bool)> {
        if let Some(place) = self.exact.get(key) {
            return Some((*place, true));
        }
        if key.len() > self.longest {
            return None;
        }
        let mut short = [0; 128];
        let mut long = Vec::new();
        let lower = short.get_mut(..key.len()).unwrap_or_else(|| {
            long.resize(key.len(), 0);
            &mut long
        });
        lower.copy_from_slice(key);
        lower.make_ascii_lowercase();
        self.folded.get(&*lower).map(|place| (*place, false))
    }

    /// Adds all names to the book.
    pub fn enter(&self, book: &mut KeyBook) {
        self.names.iter().for_each(|name| book.add(name));
    }

    /// From now on keys have the numbers of this book, which has all its names.
    pub fn number(&mut self, book: &KeyBook) {
        if self.names.len() < usize::from(INEXACT) {
            let place = |name: &[u8]| match self.find(name) {
                Some((place, exact)) => place | if exact { 0 } else { INEXACT },
                None => NO_PLACE,
            };
            self.numbered = book.names().map(place).collect();
        }
    }

    /// Fills a slot for every name from the members of the object at node `object`. True if other members are there, too.
    pub fn fill(&self, bytes: &[u8], tape: &Tape, object: u32, slots: &mut [Slot]) -> bool {
        slots.fill(Slot::Missing);
        let mut others = false;
        for (key, value) in tape.members(object) {
            match self.place_of(bytes, key) {
                Some((place, exact)) => {
                    let slot = &mut slots[usize::from(place)];
                    others |= *slot != Slot::Missing;
                    slot.add(value, exact);
                }
                None => others = true,
            }
        }
        others
    }

    /// The place of the name that takes this key, and whether the key is that name byte for byte.
    #[inline]
    fn place_of(&self, bytes: &[u8], key: Node) -> Option<(u16, bool)> {
        match self.numbered.get(key.next as usize) {
            Some(&NO_PLACE) => None,
            Some(place) => Some((place & !INEXACT, place & INEXACT == 0)),
            None => self.find_key(&bytes[key.start as usize..key.end as usize], key.special),
        }
    }

    fn find_key(&self, raw: &[u8], escaped: bool) -> Option<(u16, bool)> {
        if !escaped {
            return self.find(raw);
        }
        let mut key = Vec::with_capacity(raw.len());
        unescape(raw, &mut key).ok()?;
        self.find(&key)
    }

    /// Hands over the members of the object that no slot holds, or one whose name is not `taken`: raw key with its escapes, node
    /// of the value.
    pub fn each_other<'a>(
        &self,
        bytes: &'a [u8],
        tape: &Tape,
        object: u32,
        slots: &[Slot],
        taken: impl Fn(usize) -> bool,
        mut each: impl FnMut(&'a [u8], u32),
    ) {
        for (key, value) in tape.members(object) {
            let raw = &bytes[key.start as usize..key.end as usize];
            let held = self
                .place_of(bytes, key)
                .map(|(place, _)| usize::from(place))
                .is_some_and(|place| taken(place) && slots[place].holds(value));
            if !held {
                each(raw, value);
            }
        }
    }
}

/// The place in an array that a step of a JSON Pointer names.
pub(super) fn array_index(token: &str) -> Option<usize> {
    let digits = token == "0" || !token.starts_with('0') && token.bytes().all(|b| b.is_ascii_digit());
    token.parse().ok().filter(|_| digits)
}

/// One step of a JSON Pointer.
#[derive(Clone, Debug)]
pub struct Token {
    names: Names,
    index: Option<usize>,
}

impl Token {
    /// `twins`: the tokens that other pointers of the table have at this place.
    pub fn new<'a>(token: &'a str, twins: impl Iterator<Item = &'a str>) -> Self {
        let mut names = vec![token];
        for twin in twins {
            if !names.contains(&twin) {
                names.push(twin);
            }
        }
        Self {
            names: Names::new(names),
            index: array_index(token),
        }
    }

    pub(super) fn names_mut(&mut self) -> &mut Names {
        &mut self.names
    }

    /// The value that this token names within the value at node `of`.
    pub fn step(&self, bytes: &[u8], tape: &Tape, of: u32) -> Result<Option<u32>, DuplicateKey> {
        match tape.node(of).kind {
            Kind::Object => {
                let mut slots = vec![Slot::Missing; self.names.slots()];
                self.names.fill(bytes, tape, of, &mut slots);
                slots[0].value()
            }
            Kind::Array => Ok(self.index.and_then(|index| tape.elements(of).nth(index))),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str], json: &str) -> Vec<Result<Option<String>, DuplicateKey>> {
        let mut tape = Tape::default();
        tape.read(json.as_bytes(), 0, 9).unwrap();
        let mut slots = vec![Slot::Missing; names.len()];
        Names::new(names.iter().copied()).fill(json.as_bytes(), &tape, 0, &mut slots);
        let text = |value: u32| json[tape.node(value).start as usize..tape.node(value).end as usize].to_owned();
        slots
            .iter()
            .map(|slot| slot.value().map(|value| value.map(text)))
            .collect()
    }

    #[test]
    fn a_name_takes_its_own_key_else_one_of_other_case() {
        let some = |text: &str| Ok(Some(text.to_owned()));
        for (names, json, expected) in [
            (&["id", "b"][..], r#"{"id":1,"b":2}"#, vec![some("1"), some("2")]),
            (&["id", "b"], r#"{"b":2,"x":0,"id":1}"#, vec![some("1"), some("2")]),
            (&["id"], r#"{"ID":1}"#, vec![some("1")]),
            (&["id"], r#"{"ID":1,"id":2}"#, vec![some("2")]),
            (&["id"], r#"{"id":2,"ID":1,"Id":3}"#, vec![some("2")]),
            (&["id"], r#"{"ID":1,"Id":2}"#, vec![Err(DuplicateKey)]),
            (&["id"], r#"{"id":1,"id":1}"#, vec![Err(DuplicateKey)]),
            (&["id", "ID"], r#"{"ID":1,"Id":2}"#, vec![Ok(None), some("1")]),
            (&["id"], r#"{"\u0069d":1}"#, vec![some("1")]),
            (&["id"], r#"{}"#, vec![Ok(None)]),
        ] {
            assert_eq!(found(names, json), expected, "{names:?} in {json}");
        }
    }

    #[test]
    fn numbers_and_what_was_foreseen_find_the_same_as_bytes() {
        let all = [
            "id",
            "id2",
            "ID",
            "a_name_of_16_byte",
            "a_name_of_16_bytf",
            "with \"quotes\"",
            "",
            "é",
            "other",
        ];
        let mut book = KeyBook::default();
        let mut names = Names::new(all[..8].iter().copied());
        let plain = names.clone();
        names.enter(&mut book);
        book.add(b"other");
        names.number(&book);
        let mut foreseen = Tape::default();
        foreseen.know(&std::sync::Arc::new(book));
        // Every key behind every other, so each is foreseen rightly and wrongly; and such as only look like one.
        let keys = [
            "id",
            "id2",
            "ID",
            "Id",
            "iD2",
            "a_name_of_16_byte",
            "a_name_of_16_bytf",
            "A_name_of_16_byte",
            "",
            "é",
            "other",
            "unknown",
            r"\u0069d",
            r#"with \"quotes\""#,
        ];
        for first in keys {
            for (second, third) in keys.iter().flat_map(|second| keys.map(|third| (second, third))) {
                for colon in [":", " :"] {
                    let json = format!("{{\"{first}\":1,\"{second}\"{colon}2,\"{third}\":3}}");
                    let mut tape = Tape::default();
                    let (mut expected, mut found) = (vec![Slot::Missing; 8], vec![Slot::Missing; 8]);
                    assert_eq!(
                        foreseen.read(json.as_bytes(), 0, 9),
                        tape.read(json.as_bytes(), 0, 9),
                        "{json}"
                    );
                    let others = plain.fill(json.as_bytes(), &tape, 0, &mut expected);
                    assert_eq!(names.fill(json.as_bytes(), &foreseen, 0, &mut found), others, "{json}");
                    assert_eq!(found, expected, "{json}");
                }
            }
        }
    }

    #[test]
    fn members_that_no_name_takes_are_handed_over_wherever_they_stand() {
        for (names, json, others) in [
            (&["a", "b"][..], r#"{"a":1,"b":2}"#, &[][..]),
            (&["a", "b"], r#"{"B":1,"a":2,"b":3}"#, &["B"]),
            (&["a", "b"], r#"{"a":2,"b":3,"B":1}"#, &["B"]),
            (&["a", "b"], r#"{"b":3,"B":1,"a":2,"A":0}"#, &["B", "A"]),
            (&["a"], r#"{"x":1,"\u0061":2,"x":3}"#, &["x", "x"]),
            (&["a", "A"], r#"{"a":1,"A":2}"#, &[]),
        ] {
            let mut tape = Tape::default();
            tape.read(json.as_bytes(), 0, 9).unwrap();
            let mut slots = vec![Slot::Missing; names.len()];
            let names = Names::new(names.iter().copied());
            let there = names.fill(json.as_bytes(), &tape, 0, &mut slots);
            let mut found = Vec::new();
            let mut each = |key: &[u8], _| found.push(String::from_utf8(key.to_vec()).unwrap());
            names.each_other(json.as_bytes(), &tape, 0, &slots, |_| true, &mut each);
            assert_eq!(
                (found, there),
                (others.iter().map(|key| (*key).to_owned()).collect(), !others.is_empty()),
                "{json}"
            );
        }
    }

    #[test]
    fn a_token_steps_into_objects_by_name_and_into_arrays_by_index() {
        let some = |text: &str| Ok(Some(text.to_owned()));
        for (token, twins, json, expected) in [
            ("id", &[][..], r#"{"id":1}"#, some("1")),
            ("id", &[], r#"{"ID":1}"#, some("1")),
            ("id", &["ID"], r#"{"ID":1}"#, Ok(None)),
            ("id", &["id"], r#"{"ID":1}"#, some("1")),
            ("id", &[], r#"{"id":1,"id":1}"#, Err(DuplicateKey)),
            ("id", &[], r#"{"Id":1,"iD":1}"#, Err(DuplicateKey)),
            ("0", &[], r#"[1,2]"#, some("1")),
            ("1", &[], r#"[[1,[2]],{"a":[3]}]"#, some(r#"{"a":[3]}"#)),
            ("2", &[], r#"[1,2]"#, Ok(None)),
            ("1", &[], r#"{"1":2}"#, some("2")),
            ("01", &[], r#"[1,2]"#, Ok(None)),
            ("+1", &[], r#"[1,2]"#, Ok(None)),
            ("-", &[], r#"[1,2]"#, Ok(None)),
            ("", &[], r#"[1,2]"#, Ok(None)),
            ("", &[], r#"{"":1}"#, some("1")),
            ("99999999999999999999", &[], r#"[1,2]"#, Ok(None)),
            ("0", &[], r#""12""#, Ok(None)),
            ("0", &[], "12", Ok(None)),
        ] {
            let record = format!("{{\"v\":{json}}}");
            let mut tape = Tape::default();
            tape.read(record.as_bytes(), 0, 9).unwrap();
            let token = Token::new(token, twins.iter().copied());
            let found = token.step(record.as_bytes(), &tape, 2);
            let text = |value: u32| record[tape.node(value).start as usize..tape.node(value).end as usize].to_owned();
            assert_eq!(found.map(|value| value.map(text)), expected, "{token:?} in {json}");
        }
    }
}
