//! Records of a table with a `transform`: what it gives is read in their place, all of it or none.

use std::fmt::Write as _;

use lakebed::quarantine::Code;
use lakebed::record::BlockRows;
use proptest::prelude::*;

use crate::reading::{cases, code, counts, plan, read, rows};

const COLUMNS: &str = "columns: { id: bigint, tag: string }\n";

/// `added`, `dropped`, the rows and the codes of what became none.
fn outcome(schema: &str, block: &str) -> (u64, u64, Vec<String>, Vec<String>) {
    let plan = plan(schema);
    let mut read = read(&plan, block.as_bytes());
    let rows = rows(&plan, &mut read, 0).into_iter().map(|row| row.join(" | "));
    let codes = read.rejected.iter().map(code).collect();
    (read.added, read.dropped, rows.collect(), codes)
}

#[test]
fn outputs_take_the_place_of_their_record_and_all_is_counted() {
    let record = r#"{"t":0,"id":1,"tag":"a"}"#;
    for (filter, added, dropped, rows) in [
        (".", 0, 0, &[r#"1 | "a""#][..]),
        (".id += 1", 0, 0, &[r#"2 | "a""#]),
        (".tag |= ascii_upcase", 0, 0, &[r#"1 | "A""#]),
        ("empty", 0, 1, &[]),
        ("., .id = 2, .id = 3", 2, 0, &[r#"1 | "a""#, r#"2 | "a""#, r#"3 | "a""#]),
        ("select(.id > 1)", 0, 1, &[]),
    ] {
        let found = outcome(&format!("{COLUMNS}transform: '{filter}'"), record);
        let rows = rows.iter().map(|row| (*row).to_owned()).collect();
        assert_eq!(found, (added, dropped, rows, Vec::new()), "{filter}");
    }
}

#[test]
fn all_outputs_become_rows_or_the_record_is_quarantined_once_with_its_own_bytes() {
    let block = " {\"t\":0,\"id\":1}\n{\"t\": 0, \"id\": 2}\n{\"t\":0,\"id\":3}\n";
    for (filter, code) in [
        ("., .id = \"x\"", Code::TypeMismatch),
        ("., del(.t)", Code::EventTimeMissing),
        ("., .t = \"then\"", Code::EventTimeUnreadable),
        ("., 1", Code::TransformFailed),
        ("., error", Code::TransformFailed),
        ("., .n = 1", Code::FieldUnknown),
        ("., .id = null", Code::TypeNull),
        ("repeat(.)", Code::TransformFailed),
        (".id |= until(false; .)", Code::TransformFailed),
    ] {
        let schema = format!(
            "columns: {{ id: {{ type: bigint, required: true }} }}\nunknown_fields: quarantine\n\
             transform: 'if .id == 2 then {filter} else . end'"
        );
        let plan = plan(&schema);
        let mut read = read(&plan, block.as_bytes());
        assert_eq!((read.read, read.added, read.dropped), (3, 0, 0), "{filter}");
        let [rejected] = read.rejected.as_slice() else {
            panic!("{filter}: {:?}", read.rejected)
        };
        assert_eq!(
            (rejected.code, rejected.table, rejected.ordinal),
            (code, Some(0), 1),
            "{filter}"
        );
        assert_eq!(&block[rejected.range.clone()], "{\"t\": 0, \"id\": 2}", "{filter}");
        assert_eq!(
            (
                read.tables[0].len(),
                read.tables[0].hours.len(),
                read.tables[0].weights.len()
            ),
            (2, 2, 2)
        );
        assert_eq!(rows(&plan, &mut read, 0), [["1"], ["3"]], "{filter}");
    }
}

#[test]
fn what_was_counted_in_outputs_before_one_that_fails_is_taken_back() {
    let schema =
        format!("{COLUMNS}on_mismatch: set_null\ntransform: 'if .bad then (.n = 1 | .id = \"x\"), 1 else . end'");
    let read = read(
        &plan(&schema),
        b"{\"t\":0,\"m\":1}\n{\"t\":0,\"bad\":true}\n{\"t\":0,\"m\":1}",
    );
    let tally = &read.tables[0].tally;
    assert_eq!(tally.unknown, counts(&[("m", 2)]));
    assert_eq!(tally.set_null, counts(&[]));
    assert_eq!(tally.time_forms.iter().sum::<u64>(), 2);
}

#[test]
fn each_output_has_the_hour_of_its_own_time() {
    let schema = format!("{COLUMNS}transform: '., .t += 3600, .t = \"1970-01-02T05:00:00Z\"'");
    let read = read(&plan(&schema), b"{\"t\":0}");
    let hours: Vec<String> = read.tables[0].hours.iter().map(ToString::to_string).collect();
    assert_eq!(hours, ["1970-01-01T00", "1970-01-01T01", "1970-01-02T05"]);
}

#[test]
fn fields_pointers_and_what_is_kept_are_those_of_the_outputs() {
    let schema = "columns: { id: { type: bigint, from: /user/id }, t: bigint }\nunknown_fields: { keep_in: rest }\n\
                  transform: '.user = { id: .uid, big: .big } | del(.uid, .big)'";
    let record = r#"{"x":0.1000,"t":0,"uid":7,"big":12345678901234567890,"half":"\ud83d","e": [ 1E400, {"k" : "v"} ]}"#;
    let kept = r#"{\"x\":0.1000,\"half\":\"\\ud83d\",\"e\":[1E400,{\"k\":\"v\"}],\"user\":{\"id\":7,\"big\":12345678901234567890}}"#;
    assert_eq!(
        outcome(schema, record),
        (0, 0, vec![format!("7 | 0 | \"{kept}\"")], vec![])
    );
}

#[test]
fn what_a_transform_cannot_see_whole_is_refused() {
    let schema = format!("{COLUMNS}transform: .");
    for (record, code) in [
        (r#"{"t":0,"id":1,"id":1}"#, &["Json.DuplicateKey"][..]),
        // Where nothing reads it, too: one of the two would be gone.
        (r#"{"t":0,"n":1,"n":2}"#, &["Json.DuplicateKey"]),
        (r#"{"t":0,"n":[{"m":1,"\u006d":2}]}"#, &["Json.DuplicateKey"]),
        (r#"{"t":0,"tag":"\ud83d"}"#, &["Json.LoneSurrogate"]),
        (r#"{"t":0,"n":"\ud83d"}"#, &[]),
    ] {
        assert_eq!(outcome(&schema, record).3, code, "{record}");
    }
}

#[test]
fn wrapped_records_are_transformed_as_well_and_the_sums_hold() {
    use base64::Engine as _;
    let wrapped = |records: &str| {
        let raw = base64::engine::general_purpose::STANDARD.encode(records);
        format!("{{\"errorCode\":\"x\",\"rawData\":\"{raw}\"}}\n")
    };
    let block = [
        wrapped("{\"t\":0,\"id\":1}"),
        wrapped("{\"t\":0,\"id\":2}{\"t\":0,\"id\":3}{\"t\":0,\"id\":4}"),
        wrapped(""),
        wrapped("{\"t\":0,\"id\":5}{oops"),
        "no json\n".to_owned(),
    ]
    .concat();
    // 1 is dropped, 2 and 5 are split, 3 fails.
    let schema = format!(
        "{COLUMNS}transform: 'if .id == 1 then empty elif .id == 3 then error else ., (select(.id != 4) | .tag = \"b\") end'"
    );
    let plan = plan(&schema).unwrapping();
    let mut read = read(&plan, block.as_bytes());
    assert_eq!((read.read, read.added, read.dropped), (5, 5, 2));
    let rows: Vec<_> = rows(&plan, &mut read, 0).iter().map(|row| row.join(" ")).collect();
    assert_eq!(rows, ["2 NULL", "2 \"b\"", "4 NULL", "5 NULL", "5 \"b\""]);
    let codes: Vec<_> = read.rejected.iter().map(code).collect();
    assert_eq!(codes, ["Transform.Failed", "Json.Syntax", "Json.Syntax"]);
    assert_eq!(read.rejected[0].unpacked.as_deref(), Some(&b"{\"t\":0,\"id\":3}"[..]));
}

#[test]
fn blocks_of_tables_with_transforms_are_so_short_that_outputs_are_bounded() {
    let columns: String = (0..900).map(|column| format!("c{column}: bigint, ")).collect();
    for (columns, at_most) in [("id: bigint", 64 << 10), (columns.as_str(), 4 << 10)] {
        let plain = plan(&format!("columns: {{ {columns} }}\n"));
        let transformed = plan(&format!("columns: {{ {columns} }}\ntransform: .\n"));
        assert!(plain.block_bytes() >= 16 << 10);
        assert!(transformed.block_bytes() <= at_most, "{}", transformed.block_bytes());
    }
}

/// A value, to be written in more than one way.
#[derive(Clone, Debug)]
enum Json {
    Token(&'static str),
    Number(String),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    /// As a transform writes it; or `otherwise`, with white space and escapes that need not be.
    fn write(&self, otherwise: bool, out: &mut String) {
        let space = if otherwise { " \t" } else { "" };
        match self {
            Self::Token(token) => out.push_str(token),
            Self::Number(number) => out.push_str(number),
            Self::Text(text) => write_text(text, otherwise, out),
            Self::List(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    out.push_str(if place > 0 { "," } else { "" });
                    out.push_str(space);
                    item.write(otherwise, out);
                    out.push_str(space);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (place, (key, value)) in members.iter().enumerate() {
                    out.push_str(if place > 0 { "," } else { "" });
                    out.push_str(space);
                    write_text(key, otherwise, out);
                    out.push_str(space);
                    out.push(':');
                    out.push_str(space);
                    value.write(otherwise, out);
                }
                out.push('}');
            }
        }
    }
}

fn write_text(text: &str, otherwise: bool, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Stands for half a surrogate pair, which no text of Rust can hold.
            '\u{e000}' => out.push_str("\\ud83d"),
            control @ '\0'..='\x1f' => write!(out, "\\u{:04x}", u32::from(control)).unwrap(),
            other if otherwise => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04X}").unwrap();
                }
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

fn any_number() -> impl Strategy<Value = String> {
    let integer = prop_oneof![Just("0".to_owned()), "[1-9][0-9]{0,22}"];
    let fraction = prop_oneof![Just(String::new()), "\\.[0-9]{1,20}"];
    let exponent = prop_oneof![3 => Just(String::new()), 1 => "[eE][+-]?[0-9]{1,3}"];
    let number = ("-?", integer, fraction, exponent);
    number.prop_map(|(sign, integer, fraction, exponent)| format!("{sign}{integer}{fraction}{exponent}"))
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9.:-]{0,8}",
        "\\PC{0,6}",
        "[\u{0}-\u{20}\"\\\\/é京😀\u{e000}]{0,6}"
    ]
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        prop_oneof![Just("null"), Just("true"), Just("false")].prop_map(Json::Token),
        any_number().prop_map(Json::Number),
        any_text().prop_map(Json::Text),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        let members = prop::collection::btree_map(any_text(), inner.clone(), 0..4).prop_shuffle_members();
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Json::List),
            members.prop_map(Json::Object)
        ]
    })
}

/// Members with distinct keys, in any order.
trait ShuffleMembers: Strategy {
    fn prop_shuffle_members(self) -> BoxedStrategy<Vec<(String, Json)>>;
}

impl<S: Strategy<Value = std::collections::BTreeMap<String, Json>> + 'static> ShuffleMembers for S {
    fn prop_shuffle_members(self) -> BoxedStrategy<Vec<(String, Json)>> {
        self.prop_map(|members| members.into_iter().collect::<Vec<_>>())
            .prop_shuffle()
            .boxed()
    }
}

fn any_record() -> impl Strategy<Value = Json> {
    let time = prop_oneof![
        6 => (0_i64..4_000_000_000).prop_map(|time| Json::Number(time.to_string())),
        1 => any_json(),
    ];
    let value = prop_oneof![2 => any_json(), 1 => any_number().prop_map(Json::Number)];
    let names = [
        "text", "int", "dec", "real", "map", "list", "row", "Int", "x", "é\"", "",
    ];
    let members = prop::sample::subsequence(names.to_vec(), 0..names.len());
    let members = members.prop_flat_map(move |names| {
        let len = names.len();
        (Just(names), prop::collection::vec(value.clone(), len))
    });
    (time, members).prop_flat_map(|(time, (names, values))| {
        let members = names.into_iter().map(str::to_owned).zip(values);
        let members: Vec<_> = members.chain([("t".to_owned(), time)]).collect();
        Just(members).prop_shuffle().prop_map(Json::Object)
    })
}

/// All that is known of a block, texts apart.
fn facts(schema: &str, block: &str) -> (Vec<Vec<String>>, String) {
    let plan = plan(schema);
    let mut read = read(&plan, block.as_bytes());
    let rows = rows(&plan, &mut read, 0);
    let BlockRows { tables, rejected, .. } = &read;
    let rejected = rejected.iter().map(|rejected| {
        (
            rejected.code,
            rejected.ordinal,
            rejected.table,
            &rejected.column,
            &rejected.message,
        )
    });
    let rejected: Vec<_> = rejected.collect();
    let counted = (read.read, read.added, read.dropped);
    let table = &tables[0];
    let known = (&table.times, &table.hours, &table.weights, &table.tally);
    (rows, format!("{counted:?} {known:?} {rejected:?}"))
}

proptest! {
    #![proptest_config(cases(300))]

    /// The identity changes nothing, however the record is spelled.
    #[test]
    fn the_identity_gives_the_rows_and_counts_of_no_transform(
        records in prop::collection::vec(any_record(), 1..6),
        unknown in prop_oneof![Just("drop"), Just("quarantine"), Just("{ keep_in: rest }")],
        on_mismatch in prop_oneof![Just("set_null"), Just("quarantine")],
    ) {
        let schema = format!(
            "columns: {{ text: string, int: bigint, dec: \"decimal(38,6)\", real: double, map: \"map<string,string>\", \
             list: \"array<string>\", row: \"struct<a:int,b:string>\" }}\nunknown_fields: {unknown}\non_mismatch: {on_mismatch}\n"
        );
        let written = |otherwise| {
            let mut block = String::new();
            for record in &records {
                record.write(otherwise, &mut block);
                block.push('\n');
            }
            block
        };
        let plain = facts(&schema, &written(false));
        let same = format!("{schema}transform: .\n");
        prop_assert_eq!(&facts(&same, &written(false)), &plain);
        prop_assert_eq!(&facts(&same, &written(true)), &plain);
    }
}
