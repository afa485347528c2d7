//! Fields of a record that its table does not have: counted, refused or kept.

use super::coerce::Reject;
use super::names::Slot;
use super::plan::{Partial, TablePlan, UnknownPlan, ValuePlan};
use super::reader::{Reader, Where};
use super::rows::TableRows;
use super::tape::{Kind, Node, Tape};
use super::text;
use crate::quarantine::Code;

impl Reader {
    /// Counts, refuses or keeps the fields that the table does not have.
    pub(super) fn unknown_fields(
        &mut self,
        plan: &TablePlan,
        block: &[u8],
        (others, below, within): (bool, bool, bool),
        rows: &mut TableRows,
    ) -> Result<(), (Reject, Where)> {
        let mut names: Vec<String> = Vec::new();
        let mut kept = Vec::new();
        let keep = plan.unknown == UnknownPlan::Keep;
        // To be kept is what no column holds, though the table's route or event time be read from it.
        let taken = |place: usize| !keep || plan.taken_whole[place];
        if others || keep {
            let each_other = |key, value| {
                if keep {
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
            };
            plan.names
                .each_other(block, &self.tape, 0, &self.slots, taken, each_other);
        }
        if below && !keep {
            for Partial { slot, below } in &plan.partial {
                if let Ok(Some(node)) = self.slots[*slot].value() {
                    let below: Vec<&[String]> = below.iter().map(Vec::as_slice).collect();
                    let path = String::from_utf8_lossy(plan.names.name(*slot)).into_owned();
                    unread_within(&below, block, &self.tape, node, &path, &mut names);
                }
            }
        }
        if within {
            for column in &plan.columns {
                if let Ok(Some(node)) = self.slots[column.slot].value() {
                    unknown_within(&column.value, block, &self.tape, node, &column.path, &mut names);
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
        if keep {
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

/// Characters of a name that is counted: a hostile producer must not take the memory, or the outcome.
const NAME_CHARS_MAX: usize = 128;

/// A key as it is counted: its text, or its escapes where it has none.
fn shown(key: &[u8]) -> String {
    let mut text = Vec::new();
    // Of a longer one its escapes are shown, too: cut anywhere, they are no JSON any more.
    let shown_whole = key.len() <= NAME_CHARS_MAX * 12;
    let text = match shown_whole.then(|| text::unescape(key, &mut text)) {
        Some(Ok(())) => String::from_utf8_lossy(&text),
        Some(Err(_)) => String::from_utf8_lossy(key),
        None => String::from_utf8_lossy(&key[..NAME_CHARS_MAX * 12]),
    };
    shortened(&text)
}

fn joined(path: &str, name: &str) -> String {
    shortened(&format!("{path}.{name}"))
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// Lists the members below the value at `node` that none of the pointers leads to or through. `below`: their steps from here.
fn unread_within(below: &[&[String]], bytes: &[u8], tape: &Tape, node: u32, path: &str, names: &mut Vec<String>) {
    // Elements of arrays are read by number; which others there are says nothing.
    if tape.node(node).kind != Kind::Object || below.iter().any(|steps| steps.is_empty()) {
        return;
    }
    let text = |key: Node| shown(&bytes[key.start as usize..key.end as usize]);
    let members: Vec<(String, u32)> = tape.members(node).map(|(key, value)| (text(key), value)).collect();
    // Of keys that differ by case only, the exact one is read. Asked once: there may be a million members.
    let stands = |step: &str| members.iter().any(|(name, _)| name == step);
    let below: Vec<(&[String], bool)> = below.iter().map(|steps| (*steps, stands(&steps[0]))).collect();
    for (name, value) in &members {
        let is_read = |step: &str, exact: bool| step == name || !exact && step.eq_ignore_ascii_case(name);
        let through = below.iter().filter(|(steps, exact)| is_read(&steps[0], *exact));
        let through: Vec<&[String]> = through.map(|(steps, _)| &steps[1..]).collect();
        let path = joined(path, name);
        if through.is_empty() {
            names.push(path);
        } else {
            unread_within(&through, bytes, tape, *value, &path, names);
        }
    }
}

/// Lists the members of structs below the value at `node` that the struct does not have.
fn unknown_within(plan: &ValuePlan, bytes: &[u8], tape: &Tape, node: u32, path: &str, names: &mut Vec<String>) {
    match (plan, tape.node(node).kind) {
        (ValuePlan::Struct { names: known, members }, Kind::Object) => {
            let mut slots = vec![Slot::Missing; known.slots()];
            if known.fill(bytes, tape, node, &mut slots) {
                known.each_other(
                    bytes,
                    tape,
                    node,
                    &slots,
                    |_| true,
                    |key, _| names.push(joined(path, &shown(key))),
                );
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
                .for_each(|item| unknown_within(&element.plan, bytes, tape, item, path, names));
        }
        (ValuePlan::Map(entry), Kind::Object) => {
            tape.members(node)
                .for_each(|(_, value)| unknown_within(&entry.plan.1, bytes, tape, value, path, names));
        }
        _ => {}
    }
}
