//! Types as data: what reads as what, what is refused with which way out.

use proptest::prelude::*;

use super::*;

#[test]
fn types_from_the_console_read_and_print_again() {
    for (text, printed, athena, leaves) in [
        ("tinyint", "tinyint", "tinyint", 1),
        ("smallint", "smallint", "smallint", 1),
        ("int", "int", "int", 1),
        ("bigint", "bigint", "bigint", 1),
        ("float", "float", "float", 1),
        ("double", "double", "double", 1),
        ("boolean", "boolean", "boolean", 1),
        ("string", "string", "string", 1),
        ("binary", "binary", "binary", 1),
        ("date", "date", "date", 1),
        ("timestamp", "timestamp", "timestamp", 1),
        ("timestamp(6)", "timestamp(6)", "timestamp", 1),
        ("decimal", "decimal(10,0)", "decimal(10,0)", 1),
        ("decimal(5)", "decimal(5,0)", "decimal(5,0)", 1),
        ("decimal(38,38)", "decimal(38,38)", "decimal(38,38)", 1),
        ("DECIMAL( 12 , 2 )", "decimal(12,2)", "decimal(12,2)", 1),
        ("array<string>", "array<string>", "array<string>", 1),
        ("map<string,string>", "map<string,string>", "map<string,string>", 2),
        (
            "map<date,array<int>>",
            "map<date,array<int>>",
            "map<date,array<int>>",
            2,
        ),
        ("struct<a:int>", "struct<a:int>", "struct<a:int>", 1),
        (
            " Struct < a : int ,\n  b: map< bigint , struct<c:timestamp(6),_d:BINARY> > > ",
            "struct<a:int,b:map<bigint,struct<c:timestamp(6),_d:binary>>>",
            "struct<a:int,b:map<bigint,struct<c:timestamp,_d:binary>>>",
            4,
        ),
        (
            "struct<struct:string,array:int,map:date>",
            "struct<struct:string,array:int,map:date>",
            "struct<struct:string,array:int,map:date>",
            3,
        ),
    ] {
        let data_type = ColumnType::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(data_type.to_string(), printed, "{text}");
        assert_eq!(data_type.athena(), athena, "{text}");
        assert_eq!(data_type.leaves(), leaves, "{text}");
    }
}

#[test]
fn other_types_are_refused_with_the_way_out() {
    for (text, offset, message, way_out) in [
        ("char(10)", 0, "`char` is not supported", "string"),
        ("varchar(20)", 0, "`varchar` is not supported", "string"),
        ("array<varchar(20)>", 6, "`varchar` is not supported", "string"),
        ("uniontype<int,string>", 0, "`uniontype` is not supported", "string"),
        ("interval", 0, "`interval` is not supported", "bigint"),
        ("integer", 0, "`integer` is not supported", "int"),
        ("LONG", 0, "`long` is not supported", "bigint"),
        ("text", 0, "`text` is not supported", "string"),
        ("json", 0, "`json` is not supported", "string"),
        ("bool", 0, "`bool` is not supported", "boolean"),
        ("datetime", 0, "`datetime` is not supported", "timestamp"),
        ("numeric(12,2)", 0, "`numeric` is not supported", "decimal(12,2)"),
        ("timestamp(3)", 0, "milliseconds", "timestamp"),
        ("timestamp(9)", 0, "microseconds", "timestamp(6)"),
        ("timestamp with time zone", 10, "UTC", "timestamp"),
        ("double precision", 7, "`double precision`", "double"),
        ("list<int>", 0, "`list` is not supported", "array<"),
        ("row(a int)", 0, "`row` is not supported", "struct<"),
        ("strng", 0, "`strng` is not a type", "string"),
        ("Bigints", 0, "`bigints` is not a type", "bigint"),
        ("qqqqqqqqqq", 0, "not a type", "one of tinyint"),
        ("string(10)", 0, "takes no parameters", "string"),
        ("string string", 7, "stands behind", "string"),
        ("array<int>>", 10, "stands behind", "array<int>"),
        ("", 0, "ends where a type", "such as"),
        ("array", 5, "ends where `<`", "array<string>"),
        ("array<>", 6, "found `>`", "such as"),
        ("array<int", 9, "ends where `>`", "array<string>"),
        ("array<int,int>", 9, "found `,`", "array<string>"),
        ("map<string>", 10, "found `>`", "map<string,string>"),
        ("map<double,int>", 4, "a map's key", "map<string,..>"),
        ("map<timestamp,int>", 4, "a map's key", "map<string,..>"),
        ("map<array<int>,int>", 4, "a map's key", "map<string,..>"),
        ("struct<>", 7, "without members", "struct<"),
        ("struct<a>", 8, "found `>`", "struct<"),
        ("struct<a:int,>", 13, "found `>`", "struct<"),
        ("struct<a:int,a:string>", 13, "`a` stands twice", "one of the two"),
        (
            "struct<userId:bigint>",
            7,
            "`userId` is not a member's name",
            "`user_id` in the type, with `keys: { user_id: \"userId\" }`",
        ),
        ("struct<x:int,City Name:string>", 13, "`City Name`", "`city_name`"),
        ("struct<a.b:int>", 7, "`a.b`", "`a_b`"),
        ("decimal(0,0)", 7, "1 to 38 digits", "decimal(1,0)"),
        ("decimal(39,2)", 7, "1 to 38 digits", "decimal(38,2)"),
        ("decimal(2,3)", 7, "behind the point", "decimal(3,3)"),
        ("decimal(12,2,1)", 7, "digits and scale", "decimal(12,2)"),
        ("decimal(x)", 8, "a whole number", "decimal(12,2)"),
        ("decimal(99999999999)", 8, "a whole number", "decimal(12,2)"),
        ("decimal(12", 10, "ends where `)`", "a `)`"),
        ("é", 0, "found `é`", "such as"),
    ] {
        let error = ColumnType::parse(text).expect_err(text);
        assert_eq!(error.offset, offset, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
        assert!(error.way_out.starts_with(way_out), "{text}: {}", error.way_out);
    }
}

#[test]
fn nesting_has_a_limit_and_not_the_stack() {
    let nested = |depth: usize| format!("{}int{}", "array<".repeat(depth), ">".repeat(depth));
    assert!(ColumnType::parse(&nested(31)).is_ok());
    assert!(ColumnType::parse(&nested(32)).unwrap_err().message.contains("32 deep"));
    assert!(ColumnType::parse(&nested(100_000)).is_err());
}

#[test]
fn json_keys_reach_every_member_of_the_name() {
    let keys = BTreeMap::from([("a".to_owned(), "A A".to_owned())]);
    let data_type = ColumnType::parse("array<struct<a:int,b:map<string,struct<a:int>>>>")
        .unwrap()
        .with_json_keys(&keys);
    let keys: Vec<_> = data_type
        .structs()
        .into_iter()
        .flatten()
        .map(|m| (m.name.as_str(), m.json_key.as_str()))
        .collect();
    assert_eq!(keys, [("a", "A A"), ("b", "b"), ("a", "A A")]);
}

fn any_type() -> impl Strategy<Value = ColumnType> {
    let key = prop_oneof![
        Just(ColumnType::String),
        Just(ColumnType::TinyInt),
        Just(ColumnType::SmallInt),
        Just(ColumnType::Int),
        Just(ColumnType::BigInt),
        Just(ColumnType::Date),
    ];
    let leaf = prop_oneof![
        key.clone(),
        Just(ColumnType::Float),
        Just(ColumnType::Double),
        Just(ColumnType::Boolean),
        Just(ColumnType::Binary),
        Just(ColumnType::Timestamp),
        Just(ColumnType::TimestampMicros),
        (1u8..=38, 0u8..=38).prop_map(|(precision, s)| ColumnType::Decimal {
            precision,
            scale: s.min(precision)
        }),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            inner.clone().prop_map(|element| ColumnType::Array(Box::new(element))),
            (key.clone(), inner.clone()).prop_map(|(key, value)| ColumnType::Map(Box::new(key), Box::new(value))),
            prop::collection::btree_map("[a-z_][a-z0-9_]{0,8}", inner, 1..4).prop_map(|members| {
                let member = |(name, data_type): (String, _)| Member {
                    json_key: name.clone(),
                    name,
                    data_type,
                };
                ColumnType::Struct(members.into_iter().map(member).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn every_type_reads_back_as_it_was_printed(data_type in any_type()) {
        prop_assert_eq!(ColumnType::parse(&data_type.to_string()).unwrap(), data_type);
    }

    /// The DDL form loses the unit of timestamps and nothing else.
    #[test]
    fn the_athena_form_keeps_shape_and_names(data_type in any_type()) {
        let back = ColumnType::parse(&data_type.athena()).unwrap();
        prop_assert_eq!(back.to_string(), data_type.to_string().replace("timestamp(6)", "timestamp"));
        prop_assert_eq!(back.leaves(), data_type.leaves());
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "(struct|array|map|decimal|int|[<>(),:a-z 0-9é]){0,12}") {
        if let Err(error) = ColumnType::parse(&text) {
            prop_assert!(text.is_char_boundary(error.offset));
        }
    }
}
