//! Fields of a record that its table does not have: counted, refused or kept.

use super::coerce::Reject;
use super::names::Slot;
use super::plan::{TablePlan, UnknownPlan, ValuePlan};
use super::reader::{Reader, Where};
use super::rows::TableRows;
use super::tape::{Kind, Tape};
use super::text;
use crate::quarantine::Code;

impl Reader {
    /// Counts, refuses or keeps the fields that the table does not have.
    pub(super) fn unknown_fields(
        &mut self,
        plan: &TablePlan,
        block: &[u8],
        (others, within): (bool, bool),
        rows: &mut TableRows,
    ) -> Result<(), (Reject, Where)> {
        let mut names: Vec<String> = Vec::new();
        let mut kept = Vec::new();
        if others {
            plan.names.each_other(block, &self.tape, 0, &self.slots, |key, value| {
                if plan.unknown == UnknownPlan::Keep {
                    let node = self.tape.node(value);
                    kept.push(if kept.is_empty() { b'{' } else { b',' });
                    kept.push(b'"');
                    kept.extend_from_slice(key);
                    kept.extend_from_slice(b"\":");
                    let quotes = usize::from(node.kind == Kind::Text);
                    kept.extend_from_slice(&block[node.start as usize - quotes..node.end as usize + quotes]);
                } else {
                    names.push(shown(key));
                }
            });
        }
        if within {
            for column in &plan.columns {
                if let Ok(Some(node)) = column.place.find(block, &self.tape, &self.slots) {
                    let path = String::from_utf8_lossy(plan.names.name(column.place.slot)).into_owned();
                    unknown_within(&column.value, block, &self.tape, node, &path, &mut names);
                }
            }
        }
        if plan.unknown == UnknownPlan::Quarantine
            && let Some(name) = names.first()
        {
            let reject = Reject {
                code: Code::FieldUnknown,
                found: "a field that the table does not have",
            };
            return Err((reject, Where::Field(name.clone())));
        }
        names.iter().for_each(|name| rows.tally.count_unknown(name, 1));
        if plan.unknown == UnknownPlan::Keep {
            let column = rows
                .columns
                .last_mut()
                .expect("the column of unknown fields is the last");
            if kept.is_empty() {
                column.push_null();
            } else {
                kept.push(b'}');
                column.push_bytes(&kept);
            }
        }
        Ok(())
    }
}

/// A key as it is counted: its text, or its escapes where it has none.
fn shown(key: &[u8]) -> String {
    let mut text = Vec::new();
    match text::unescape(key, &mut text) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => String::from_utf8_lossy(key).into_owned(),
    }
}

/// Lists the members of structs below the value at `node` that the struct does not have.
fn unknown_within(plan: &ValuePlan, bytes: &[u8], tape: &Tape, node: u32, path: &str, names: &mut Vec<String>) {
    match (plan, tape.node(node).kind) {
        (ValuePlan::Struct { names: known, members }, Kind::Object) => {
            let mut slots = vec![Slot::Missing; known.slots()];
            if known.fill(bytes, tape, node, &mut slots) {
                known.each_other(bytes, tape, node, &slots, |key, _| {
                    names.push(format!("{path}.{}", shown(key)))
                });
            }
            for (place, (slot, member)) in slots.iter().zip(members).enumerate() {
                if let Ok(Some(value)) = slot.value() {
                    let path = format!("{path}.{}", String::from_utf8_lossy(known.name(place)));
                    unknown_within(member, bytes, tape, value, &path, names);
                }
            }
        }
        (ValuePlan::Array(element), Kind::Array) => {
            tape.elements(node)
                .for_each(|item| unknown_within(element, bytes, tape, item, path, names));
        }
        (ValuePlan::Map { value: plan, .. }, Kind::Object) => {
            tape.members(node)
                .for_each(|(_, value)| unknown_within(plan, bytes, tape, value, path, names));
        }
        _ => {}
    }
}
