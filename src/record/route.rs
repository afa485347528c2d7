//! Which table a record belongs to.
//!
//! All entries of a table's `route` must match; the table with more entries wins (its `keys` count as one). Values are
//! compared by JSON type and exact value: `2` is not `"2"`, and is `2.0`.

use super::keys::KeyBook;
use super::names::{DuplicateKey, Names, Slot, Token};
use super::plan::first;
use super::tape::{Kind, Tape};
use super::text::unescape;
use crate::table::{ExactNumber, FieldPath, RouteValue, Table, Tables};

/// Where a value stands: a top-level name, then perhaps further steps.
struct Place {
    /// Index of the slot of the top-level name.
    slot: usize,
    steps: Vec<Token>,
}

struct Rule {
    place: Place,
    values: Vec<RouteValue>,
}

struct Candidate {
    table: usize,
    rules: Vec<Rule>,
}

/// Finds the table of each record of one source.
pub(crate) struct Router {
    names: Names,
    /// Most entries first.
    candidates: Vec<Candidate>,
}

impl Router {
    /// The tables that take records from `source_key`.
    pub(crate) fn new(tables: &Tables, source_key: &str) -> Self {
        Self::of(tables, |table| {
            table.keys.as_ref().is_none_or(|keys| keys.matches(source_key))
        })
    }

    /// All tables.
    pub(crate) fn any(tables: &Tables) -> Self {
        Self::of(tables, |_| true)
    }

    /// The same for records whose keys are numbered.
    pub(crate) fn numbered(mut self, keys: &KeyBook) -> Self {
        self.each_names(&mut |names| names.number(keys));
        self
    }

    /// Hands over all names that are looked for in objects.
    pub(crate) fn each_names(&mut self, each: &mut dyn FnMut(&mut Names)) {
        each(&mut self.names);
        let rules = self.candidates.iter_mut().flat_map(|candidate| &mut candidate.rules);
        rules.for_each(|rule| rule.place.each_names(each));
    }

    fn of(tables: &Tables, takes: impl Fn(&Table) -> bool) -> Self {
        let mut order: Vec<usize> = (0..tables.as_slice().len())
            .filter(|t| takes(&tables.as_slice()[*t]))
            .collect();
        order.sort_by_key(|table| std::cmp::Reverse(tables.as_slice()[*table].route_entries()));
        let rules = |table: &usize| tables.as_slice()[*table].route.iter();
        let paths: Vec<&FieldPath> = order.iter().flat_map(rules).map(|rule| &rule.field).collect();
        let mut names: Vec<&str> = Vec::new();
        for name in paths.iter().map(|path| first(path)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let place = |path: &FieldPath| Place {
            slot: names
                .iter()
                .position(|name| *name == first(path))
                .expect("every path's name is listed"),
            steps: steps(path, &paths),
        };
        let candidate = |table: &usize| Candidate {
            table: *table,
            rules: rules(table)
                .map(|rule| Rule {
                    place: place(&rule.field),
                    values: rule.values.clone(),
                })
                .collect(),
        };
        Self {
            candidates: order.iter().map(candidate).collect(),
            names: Names::new(names.iter().copied()),
        }
    }

    /// The table of the record at node 0, if any.
    pub(crate) fn route(
        &self,
        bytes: &[u8],
        tape: &Tape,
        slots: &mut Vec<Slot>,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<usize>, DuplicateKey> {
        slots.clear();
        slots.resize(self.names.slots(), Slot::Missing);
        if self.names.slots() > 0 {
            self.names.fill(bytes, tape, 0, slots);
        }
        'tables: for candidate in &self.candidates {
            let mut duplicate = false;
            for rule in &candidate.rules {
                match rule.matches(bytes, tape, slots, buffer) {
                    Ok(true) => {}
                    Ok(false) => continue 'tables,
                    // Only if all else matches is it open whether the record belongs here.
                    Err(DuplicateKey) => duplicate = true,
                }
            }
            return if duplicate {
                Err(DuplicateKey)
            } else {
                Ok(Some(candidate.table))
            };
        }
        Ok(None)
    }
}

impl Place {
    fn each_names(&mut self, each: &mut dyn FnMut(&mut Names)) {
        self.steps.iter_mut().for_each(|step| each(step.names_mut()));
    }

    /// The value that stands here in the record at node 0.
    fn find(&self, bytes: &[u8], tape: &Tape, slots: &[Slot]) -> Result<Option<u32>, DuplicateKey> {
        let mut value = slots[self.slot].value()?;
        for step in &self.steps {
            let Some(of) = value else { return Ok(None) };
            value = step.step(bytes, tape, of)?;
        }
        Ok(value)
    }
}

/// The steps of `path` below its top-level name; `others` are all paths read from the same records.
fn steps(path: &FieldPath, others: &[&FieldPath]) -> Vec<Token> {
    let FieldPath::Pointer(tokens) = path else {
        return Vec::new();
    };
    let below = |depth: usize| {
        others.iter().filter_map(move |other| match other {
            FieldPath::Pointer(other) if other.len() > depth && other[..depth] == tokens[..depth] => {
                Some(other[depth].as_str())
            }
            _ => None,
        })
    };
    (1..tokens.len())
        .map(|depth| Token::new(&tokens[depth], below(depth)))
        .collect()
}

impl Rule {
    fn matches(&self, bytes: &[u8], tape: &Tape, slots: &[Slot], buffer: &mut Vec<u8>) -> Result<bool, DuplicateKey> {
        let Some(value) = self.place.find(bytes, tape, slots)? else {
            return Ok(false);
        };
        let node = tape.node(value);
        let raw = &bytes[node.start as usize..node.end as usize];
        Ok(match node.kind {
            Kind::Text if node.special => {
                buffer.clear();
                let readable = unescape(raw, buffer).is_ok();
                readable && self.any(|value| matches!(value, RouteValue::Text(text) if text.as_bytes() == &**buffer))
            }
            Kind::Text => self.any(|value| matches!(value, RouteValue::Text(text) if text.as_bytes() == raw)),
            Kind::True => self.any(|value| *value == RouteValue::Bool(true)),
            Kind::False => self.any(|value| *value == RouteValue::Bool(false)),
            Kind::Number => {
                let number = std::str::from_utf8(raw).ok().and_then(ExactNumber::parse);
                self.any(|value| matches!((value, &number), (RouteValue::Number(a), Some(b)) if a == b))
            }
            Kind::Null | Kind::Object | Kind::Array => false,
        })
    }

    fn any(&self, equals: impl Fn(&RouteValue) -> bool) -> bool {
        self.values.iter().any(equals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_standing_twice_matters_only_where_all_else_matches() {
        let schema = |name: &str, route: &str| {
            let text = format!("table: {name}\nevent_time: {{ field: t }}\ncolumns: {{ id: int }}\nroute: {route}\n");
            (format!("{name}.yaml"), text)
        };
        let tables = [schema("a", "{ type: a }"), schema("b", "{ kind: k, type: b }")];
        let tables = Tables::from_sources(tables.to_vec()).unwrap();
        let router = Router::new(&tables, "key");
        for (json, expected) in [
            (r#"{"type":"a"}"#, Ok(Some(0))),
            (r#"{"type":"b","kind":"k"}"#, Ok(Some(1))),
            (r#"{"type":"a","kind":1,"kind":2}"#, Ok(Some(0))),
            (r#"{"type":"b","kind":"k","kind":"k"}"#, Err(DuplicateKey)),
            (r#"{"type":"a","type":"a"}"#, Err(DuplicateKey)),
            (r#"{"type":"c"}"#, Ok(None)),
        ] {
            let mut tape = Tape::default();
            tape.read(json.as_bytes(), 0, 9).unwrap();
            let found = router.route(json.as_bytes(), &tape, &mut Vec::new(), &mut Vec::new());
            assert_eq!(found, expected, "{json}");
        }
    }
}
