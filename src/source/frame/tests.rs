//! Each rule, by what it makes of a text.

use super::*;
use BadFrame::{NotAnObject, Syntax, TooDeep, TooLarge, Truncated};

fn stretches(text: &str, limits: FrameLimits) -> Vec<(&str, Result<(), BadFrame>)> {
    let mut framer = Framer::new(limits, 0);
    let mut at = 0;
    let mut found = Vec::new();
    while let Some(stretch) = framer.next(text.as_bytes(), &mut at) {
        found.push(stretch);
    }
    found.extend(framer.finish());
    let text_of = |range: &Range<u64>| &text[range.start as usize..range.end as usize];
    found.iter().map(|s| (text_of(&s.range), s.what)).collect()
}

#[test]
fn every_rule_says_where_a_stretch_ends() {
    let limits = FrameLimits {
        record_bytes_max: 39,
        depth_max: 3,
    };
    for (text, expected) in [
        ("", vec![]),
        (" \r\n\t\u{feff}", vec![]),
        ("{}{} {}\n{}", vec![("{}", Ok(())); 4]),
        ("{\"a\":\n {\"b\":[1,2]}}", vec![("{\"a\":\n {\"b\":[1,2]}}", Ok(()))]),
        // A line that begins with `{` starts a record.
        (
            "{\"a\":\n{\"b\":1}",
            vec![("{\"a\":", Err(Truncated)), ("{\"b\":1}", Ok(()))],
        ),
        ("{\"a\":1, \r\n{}", vec![("{\"a\":1,", Err(Truncated)), ("{}", Ok(()))]),
        // A newline inside a string ends the record.
        (
            "{\"a\":\"b\nc\"}\n{}",
            vec![("{\"a\":\"b", Err(Truncated)), ("c\"}", Err(Syntax)), ("{}", Ok(()))],
        ),
        // Any other error ends with the line, or before a `{` behind a `}`.
        (
            "{\"a\":tru}{} x\n{}",
            vec![
                ("{\"a\":tru}", Err(Syntax)),
                ("{}", Ok(())),
                ("x", Err(Syntax)),
                ("{}", Ok(())),
            ],
        ),
        (
            "{\"a\":{}{\"b\":2}",
            vec![("{\"a\":{}", Err(Syntax)), ("{\"b\":2}", Ok(()))],
        ),
        (
            "{\"a\":1}} \t{}",
            vec![("{\"a\":1}", Ok(())), ("}", Err(Syntax)), ("{}", Ok(()))],
        ),
        (
            "{\"a\":x}, {\"b\":1}{}",
            vec![("{\"a\":x}, {\"b\":1}", Err(Syntax)), ("{}", Ok(()))],
        ),
        // What breaks off behind a string that ends in `}` and `{` ends before that brace.
        (
            "{\"a\":\"x}{\"b\":\"y\"}{}",
            vec![("{\"a\":\"x}", Err(Syntax)), ("{\"b\":\"y\"}", Ok(())), ("{}", Ok(()))],
        ),
        (
            "{\"a\":\"x} { \"b\":\"y\"}",
            vec![("{\"a\":\"x}", Err(Syntax)), ("{ \"b\":\"y\"}", Ok(()))],
        ),
        (
            "{\"a\":\"x}{\n \"b\":1}",
            vec![("{\"a\":\"x}", Err(Truncated)), ("{\n \"b\":1}", Ok(()))],
        ),
        (
            "\"}{\"b\":1}\n\"}{\"\n\"}{\" {}",
            vec![
                ("\"}", Err(Syntax)),
                ("{\"b\":1}", Ok(())),
                ("\"}{\"", Err(NotAnObject)),
                ("\"}{\"", Err(NotAnObject)),
                ("{}", Ok(())),
            ],
        ),
        (
            "{\"a\":\"}{\", \"}{\": \"} {\" }",
            vec![("{\"a\":\"}{\", \"}{\": \"} {\" }", Ok(()))],
        ),
        // Arrays and scalars.
        (
            "[1,{\"a\":2}]{}",
            vec![("[1,{\"a\":2}]", Err(NotAnObject)), ("{}", Ok(()))],
        ),
        (
            "1 -2.5e3 null\n\"x\"",
            vec![
                ("1", Err(NotAnObject)),
                ("-2.5e3", Err(NotAnObject)),
                ("null", Err(NotAnObject)),
                ("\"x\"", Err(NotAnObject)),
            ],
        ),
        (
            "1{}[1][2]",
            vec![
                ("1", Err(NotAnObject)),
                ("{}", Ok(())),
                ("[1]", Err(NotAnObject)),
                ("[2]", Err(NotAnObject)),
            ],
        ),
        ("\"geo\": {\n{}", vec![("\"geo\": {", Err(Syntax)), ("{}", Ok(()))]),
        ("1,2,3\n01", vec![("1,2,3", Err(Syntax)), ("01", Err(Syntax))]),
        ("[1,2", vec![("[1,2", Err(Truncated))]),
        ("{\"a\":[1", vec![("{\"a\":[1", Err(Truncated))]),
        // Limits.
        (
            "{\"a\":[[1]]} {\"a\":[[[1]]]}{}",
            vec![
                ("{\"a\":[[1]]}", Ok(())),
                ("{\"a\":[[[1]]]}", Err(TooDeep)),
                ("{}", Ok(())),
            ],
        ),
        (
            "{\"a\":\"0123456789012345678901234567890\"}",
            vec![("{\"a\":\"0123456789012345678901234567890\"}", Ok(()))],
        ),
        (
            "{\"a\":\"01234567890123456789012345678901\"}{}",
            vec![
                ("{\"a\":\"01234567890123456789012345678901\"}", Err(TooLarge)),
                ("{}", Ok(())),
            ],
        ),
    ] {
        assert_eq!(stretches(text, limits), expected, "{text:?}");
    }
}

#[test]
fn plain_text_ends_at_quotes_backslashes_and_control_characters_wherever_they_stand() {
    for stop in ["\"", "\\", "\n", "\u{1f}", "\0"] {
        for before in 0..20 {
            let text = format!("{}{stop}{}", "é~\u{7f} ".repeat(before), "\"x".repeat(9));
            assert_eq!(plain_text_len(text.as_bytes()), text.find(stop).unwrap(), "{text:?}");
        }
    }
    assert_eq!(plain_text_len("ÿ\u{80}\u{ff}abc".as_bytes()), 9);
}
