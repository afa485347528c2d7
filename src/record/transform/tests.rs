//! What filters make of records, what is refused, and what a filter may take.

use super::*;

const LIMITS: FrameLimits = FrameLimits {
    record_bytes_max: 1 << 18,
    depth_max: 20,
};

fn apply(filter: &str, record: &str) -> Result<Vec<String>, TransformError> {
    let transform = Transform::compile(filter).unwrap_or_else(|errors| panic!("{filter}: {errors:?}"));
    let outputs = transform.apply(record.as_bytes(), LIMITS)?;
    Ok(outputs
        .into_iter()
        .map(|json| String::from_utf8(json).unwrap())
        .collect())
}

fn fails(filter: &str, record: &str) -> &'static str {
    let TransformError { code, message } = apply(filter, record).expect_err(filter);
    assert_eq!(code, Code::TransformFailed, "{filter}");
    message
}

#[test]
fn filters_set_rename_drop_and_split() {
    for (filter, record, outputs) in [
        (
            r#".state = "transformed""#,
            r#"{"id":1,"state":"new","x":2}"#,
            &[r#"{"id":1,"state":"transformed","x":2}"#][..],
        ),
        (
            r#".state = "transformed""#,
            r#"{ "id": 1 }"#,
            &[r#"{"id":1,"state":"transformed"}"#],
        ),
        (
            "if has(\"old\") then .new = .old | del(.old) end",
            r#"{"old":1,"x":2}"#,
            &[r#"{"x":2,"new":1}"#],
        ),
        ("del(.b)", r#"{"a":1,"b":2,"c":3,"d":4}"#, &[r#"{"a":1,"c":3,"d":4}"#]),
        ("select(.bot | not)", r#"{"bot":true}"#, &[]),
        ("empty", r#"{"a":1}"#, &[]),
        (
            "if .items then .items[] as $item | del(.items) | .item = $item end",
            r#"{"id":1,"items":["a",{"b":2}]}"#,
            &[r#"{"id":1,"item":"a"}"#, r#"{"id":1,"item":{"b":2}}"#],
        ),
        (".a.b.c = 1", r#"{"a":{"x":0}}"#, &[r#"{"a":{"x":0,"b":{"c":1}}}"#]),
        (
            ".tags[1] |= ascii_upcase",
            r#"{"tags":["a","b"]}"#,
            &[r#"{"tags":["a","B"]}"#],
        ),
        (".tags[1:] = []", r#"{"tags":["a","b","c"]}"#, &[r#"{"tags":["a"]}"#]),
        (
            "walk(if type == \"string\" then ascii_downcase end)",
            r#"{"a":["X",{"b":"Y"}]}"#,
            &[r#"{"a":["x",{"b":"y"}]}"#],
        ),
        (
            "with_entries(.key |= ascii_downcase)",
            r#"{"A":1,"B":2}"#,
            &[r#"{"a":1,"b":2}"#],
        ),
        (
            ".user |= if type == \"string\" then fromjson end",
            r#"{"user":"{\n \"id\": 1.50}"}"#,
            &[r#"{"user":{"id":1.50}}"#],
        ),
        (".n |= tonumber", r#"{"n":"0.1000"}"#, &[r#"{"n":0.1000}"#]),
        (
            ".payload |= @base64d",
            r#"{"payload":"aMOp"}"#,
            &[r#"{"payload":"hé"}"#],
        ),
        (
            ".path |= (split(\"/\") | .[1])",
            r#"{"path":"/shop/7"}"#,
            &[r#"{"path":"shop"}"#],
        ),
        (
            ".ms = (.s * 1000 | floor)",
            r#"{"s":1570846875.25}"#,
            &[r#"{"s":1570846875.25,"ms":1570846875250}"#],
        ),
        (
            ".all = ([.a, .b] | add)",
            r#"{"a":1,"b":0.5}"#,
            &[r#"{"a":1,"b":0.5,"all":1.5}"#],
        ),
        (". + {c: 3} | {c, a}", r#"{"a":1,"b":2}"#, &[r#"{"c":3,"a":1}"#]),
        ("try error(\"x\") catch {message: .}", "{}", &[r#"{"message":"x"}"#]),
        (".a // empty | {a: .}", r#"{"a":null}"#, &[]),
        (
            "reduce range(3) as $i (.; .[\"k\\($i)\"] = $i)",
            "{}",
            &[r#"{"k0":0,"k1":1,"k2":2}"#],
        ),
        ("def twice(f): f | f; .n |= twice(. + 1)", r#"{"n":1}"#, &[r#"{"n":3}"#]),
    ] {
        assert_eq!(
            apply(filter, record).as_deref(),
            Ok(&outputs.iter().map(|json| (*json).to_owned()).collect::<Vec<_>>()[..]),
            "{filter}"
        );
    }
}

#[test]
fn what_a_filter_does_not_touch_comes_out_as_it_went_in() {
    for record in [
        r#"{"b":1,"a":2,"B":3}"#,
        r#"{"n":[0.1000,1e400,-0,1E+05,12345678901234567890,9223372036854775807,0.1e-7]}"#,
        r#"{"t":["é京😀","\u0000\u001f\b\f\n\r\t\"\\/"]}"#,
        r#"{"half":"\ud83d \ude00","\udfff":1}"#,
        r#"{"":{"":[[],{},null,true,false,""]}}"#,
    ] {
        for filter in [".", ".x = 1 | del(.x)", "to_entries | from_entries", "map_values(.)"] {
            assert_eq!(apply(filter, record).unwrap(), [record], "{filter}");
        }
    }
}

#[test]
fn text_is_written_in_one_way() {
    let record = "\u{20}{ \"a\\u0062\" :\t[ 1 ,\r\n2 ], \"\\/\\u00e9\\ud83d\\ude00\": \"\u{7f}\\u007f\" } ";
    assert_eq!(
        apply(".", record).unwrap(),
        ["{\"ab\":[1,2],\"/é😀\":\"\u{7f}\u{7f}\"}"]
    );
}

#[test]
fn bytes_that_are_no_single_record_are_refused_with_their_code() {
    let transform = Transform::compile(".").unwrap();
    for (record, code) in [
        (&b"[1]"[..], Code::JsonSyntax),
        (b"{} {}", Code::JsonSyntax),
        (b"", Code::JsonSyntax),
        (b"{\"a\":1", Code::JsonSyntax),
        (b"{\"a\":\"\xff\"}", Code::JsonInvalidUtf8),
        (b"{\"a\":1,\"a\":1}", Code::JsonDuplicateKey),
        (b"{\"a\":[{\"b\":1,\"\\u0062\":2}]}", Code::JsonDuplicateKey),
    ] {
        let refused = transform.apply(record, LIMITS).unwrap_err();
        assert_eq!(refused.code, code, "{}", String::from_utf8_lossy(record));
    }
}

#[test]
fn failures_tell_their_kind_and_no_value() {
    for (filter, message) in [
        (".secret", "not an object"),
        ("{}, [.secret]", "not an object"),
        (".secret | .x", "no such"),
        (".secret | keys", "for what it is not"),
        (".secret - 1", "no such result"),
        ("1 / 0", "no such result"),
        ("1e300 * 1e300", "no such result"),
        ("error(.secret)", "raises an error"),
        ("error(null)", "raises an error"),
        (".secret | fromjson", "for what it is not"),
        (".secret | tonumber", "for what it is not"),
        ("{(.secret | length): 1}", "for what it is not"),
        ("(1 + .secret) |= 1", "no path"),
    ] {
        let found = fails(filter, r#"{"secret":"hunter2"}"#);
        assert!(
            found.contains(message) && !found.contains("hunter2"),
            "{filter}: {found}"
        );
    }
}

#[test]
fn a_filter_without_an_end_is_stopped() {
    let (steps, bytes, depth) = ("more steps", "values of more than", "nested deeper");
    for (filter, why) in [
        ("repeat(.)", "more than a record of this length"),
        ("repeat(empty)", steps),
        ("[repeat(1)] | {}", steps),
        ("[range(1e12)] | {}", steps),
        ("last(range(0; 1; 0)) | {}", steps),
        ("until(false; .)", steps),
        ("[recurse(. + 1)] | {}", "no such result"),
        ("[1 | recurse(. + 1)] | {}", steps),
        ("first(range(1e12) | select(. < 0)) | {}", steps),
        ("[limit(1e12; repeat(1))] | {}", steps),
        ("[range(1e4)] | [.[] as $a | .[] as $b | $a + $b] | {}", steps),
        ("try until(false; .) catch {}", steps),
        ("reduce range(60) as $i (\"x\"; . + .) | {}", bytes),
        ("\"x\" * 1e18 | {}", bytes),
        ("reduce range(60) as $i ([1]; . + .) | {}", bytes),
        ("reduce range(60) as $i ({}; {a: .a, b: .a} | .a = .) | {}", depth),
        ("reduce range(21) as $i ({}; {a: .})", depth),
        ("reduce range(19) as $i ({}; {a: ., b: .})", steps),
        ("reduce range(1e4) as $i (1; [.]) | {}", depth),
        (
            "reduce range(19) as $i (1; [., .]) | . == (. | tojson | fromjson) | {}",
            steps,
        ),
        ("setpath([range(100) | \"a\"]; 1)", depth),
        ("setpath([range(1e4) | \"a\"]; 1)", "deeper than there is stack"),
        ("{a: (\"x\" * 5e3)}", "more than a record of this length"),
        ("range(100) | {}", "more than a record of this length"),
    ] {
        let found = fails(filter, "{}");
        assert!(found.contains(why), "{filter}: {found}");
    }
}

#[test]
fn long_records_may_become_more() {
    let items = vec!["{}"; 5_000].join(",");
    let record = format!("{{\"items\":[{items}]}}");
    assert_eq!(apply(".items[]", &record).unwrap().len(), 5_000);
    let text = "x".repeat(LIMITS.record_bytes_max as usize / 2);
    let record = format!("{{\"text\":\"{text}\"}}");
    assert_eq!(apply("., .", &record).unwrap(), [record.clone(), record.clone()]);
    assert!(fails(".text += .text", &record).contains("RECORD_BYTES_MAX"));
    let parts = "a,".repeat(10_000);
    let record = format!("{{\"text\":\"{parts}\"}}");
    assert_eq!(
        apply(".text |= (split(\",\") | join(\";\") | length) ", &record).unwrap(),
        [r#"{"text":20000}"#]
    );
}

#[test]
fn much_nesting_of_calls_is_stopped_before_the_stack_ends() {
    // A thread of the smallest stack that records are read on.
    let deep = format!("reduce range(1) as $i (.; {} .)", ". | ".repeat(4_000));
    let updates = "(reduce range(20000) as $i (.; .)) |= .";
    for filter in [deep.as_str(), updates] {
        let filter = filter.to_owned();
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let ran = thread.spawn(move || apply(&filter, "{}")).unwrap().join().unwrap();
        assert!(ran.is_ok() || ran.is_err_and(|error| error.message.contains("stack")));
    }
}

#[test]
fn values_may_be_as_deep_as_any_record_on_a_small_stack() {
    let limits = FrameLimits {
        record_bytes_max: 1 << 18,
        depth_max: 1_000,
    };
    let record = "{\"a\":".repeat(1_000) + "1" + &"}".repeat(1_000);
    let filter =
        "walk(.) | .n = ([..] | length) | .same = (. == .) | .text = (tojson | fromjson | tojson | length) | del(.a.a)";
    let run = move || {
        let outputs = Transform::compile(filter).unwrap().apply(record.as_bytes(), limits);
        String::from_utf8(outputs.unwrap().remove(0)).unwrap()
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run);
    let output = thread.unwrap().join().unwrap();
    assert!(
        output.starts_with("{\"a\":{},\"n\":1001,\"same\":true,\"text\":"),
        "{output}"
    );
}

#[test]
fn what_depends_on_more_than_the_record_is_refused_with_its_place() {
    for (filter, at, message) in [
        (
            ".t = now",
            5..8,
            "there is no filter `now/0` here: a transform may depend on nothing but the record",
        ),
        ("env", 0..3, "depend on nothing"),
        ("$ENV", 0..4, "there is no variable `$ENV` here: a transform may depend"),
        ("input", 0..5, "depend on nothing"),
        ("[inputs]", 1..7, "depend on nothing"),
        ("debug", 0..5, "depend on nothing"),
        ("debug(1)", 0..5, "depend on nothing"),
        ("halt", 0..4, "depend on nothing"),
        (".a | localtime", 5..14, "depend on nothing"),
        (".a | todate", 5..11, "`formats`"),
        (".a | test(\"x\")", 5..9, "no regular expressions"),
        (".a | split(\"x\"; null)", 5..10, "no regular expressions"),
        ("nan", 0..3, "JSON has no such numbers"),
        ("import \"a\" as a; .", 8..9, "no modules"),
        ("import \"a\" as $a; .", 0..6, "no modules"),
        ("include \"a\"; .", 9..10, "no modules"),
        (".a | nosuch", 5..11, "there is no filter `nosuch/0` here"),
        ("$x", 0..2, "there is no variable `$x` here"),
        ("break $x", 6..8, "there is no label `$x` here"),
        ("halt_error, input_line_number", 0..10, "depend on nothing"),
    ] {
        let errors = Transform::compile(filter).expect_err(filter);
        assert!(errors[0].message.contains(message), "{filter}: {errors:?}");
        assert_eq!(errors[0].at, at, "{filter}: {errors:?}");
    }
    let misspelled = Transform::compile(".a | acsii_downcase").unwrap_err();
    assert_eq!(misspelled[0].way_out.as_deref(), Some("`ascii_downcase`"));
}

#[test]
fn what_is_no_jq_is_refused_with_its_place() {
    for (filter, at, message) in [
        ("", 0..0, "expected term, found its end"),
        (".a =", 4..4, "expected term, found its end"),
        (".a = (1", 7..7, "expected closing parenthesis, found its end"),
        (".a = 'x'", 5..6, "expected token, found `'`"),
        (".a = \"é\\x\"", 9..10, "expected string escape sequence, found `x`"),
        ("if . then 1 fi", 12..14, "expected else or end, found `fi`"),
    ] {
        let errors = Transform::compile(filter).expect_err(filter);
        assert_eq!(
            (errors[0].message.as_str(), errors[0].at.clone()),
            (message, at),
            "{filter}"
        );
    }
    let long = format!(".{}", " | .".repeat(5_000));
    assert!(
        Transform::compile(&long).unwrap_err()[0]
            .message
            .contains("more than 16384")
    );
    let steps = Transform::compile(&".a".repeat(101)).unwrap_err();
    assert!(steps[0].message.contains("more than 100 steps"));
    for nested in [
        "(".repeat(16_000),
        "[".repeat(8_000) + &"]".repeat(8_000),
        "-".repeat(16_000) + ".",
        ".".to_owned() + &".a".repeat(8_000),
        ".".to_owned() + &"|.".repeat(8_000),
        ".".to_owned() + &"+.".repeat(8_000),
        ".".to_owned() + &",.".repeat(8_000),
        "try ".repeat(4_000) + ".",
        ". as ".to_owned() + &"[".repeat(4_000) + "$x" + &"]".repeat(4_000) + "|.",
        "def f(g): g; ".to_owned() + &"f(".repeat(4_000) + "." + &")".repeat(4_000),
    ] {
        // Whatever it is, no stack overflows.
        let transform = Transform::compile(&nested);
        let _ = transform.map(|transform| transform.apply(b"{}", LIMITS));
    }
}

#[test]
fn a_definition_that_calls_itself_is_refused_and_one_that_seems_to_is_not() {
    for filter in [
        "def f: f; f",
        "def f: [f]; f",
        "def f: 1; def f: f; f",
        "def f(g): f(g | .); f(.)",
        "def f: def g: f; g; .",
        "def f($x): if $x > 0 then f($x - 1) else . end; f(3)",
        "{a: (def f: {f: f}; f)}",
        "def f: \"\\(f)\"; .",
        "def f: . as {(f): $x} | .; .",
    ] {
        let errors = Transform::compile(filter).expect_err(filter);
        assert!(errors[0].message.contains("`f` calls itself"), "{filter}: {errors:?}");
    }
    for filter in [
        "def f(f): f; {a: f(1)}",
        "def f: def f: 1; f; {a: f}",
        "def f: 1; def g: f; {a: g}",
        "def f(g): g; {a: f(f(1))}",
        "def f($f): $f; {a: f(1)}",
    ] {
        Transform::compile(filter).unwrap_or_else(|errors| panic!("{filter}: {errors:?}"));
    }
}

#[test]
fn a_filter_is_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    let transform = Transform::compile(".a += 1").unwrap();
    shared(&transform);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(transform.apply(b"{\"a\":1}", LIMITS).unwrap(), [b"{\"a\":2}"]));
        }
    });
}
