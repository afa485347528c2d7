//! The names of tables, columns and members, and what to propose for one that is none.

/// What a table's name looks like; it is a folder of the lake and a table in Athena.
pub(super) const TABLE_NAME: &str = "^[a-z][a-z0-9_]{0,62}$";
/// What the name of a column or of a struct's member looks like.
pub(super) const COLUMN_NAME: &str = "^[a-z_][a-z0-9_]{0,127}$";

/// Longest name of a table, in characters.
const TABLE_NAME_CHARS_MAX: usize = 63;
/// Longest name of a column or member, in characters.
const COLUMN_NAME_CHARS_MAX: usize = 128;

/// Whether a text is a table's name, as [`TABLE_NAME`] says.
pub(super) fn is_table_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase()) && is_word(name) && name.len() <= TABLE_NAME_CHARS_MAX
}

/// Whether a text is the name of a column or member, as [`COLUMN_NAME`] says.
pub(super) fn is_column_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && is_word(name)
        && name.len() <= COLUMN_NAME_CHARS_MAX
}

fn is_word(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The column name nearest to a JSON key: `userId` gives `user_id`, `id.orig_h` gives `id_orig_h`.
pub(super) fn column_name_for(key: &str) -> String {
    let mut name = String::new();
    let characters: Vec<char> = key.chars().collect();
    for (i, &c) in characters.iter().enumerate() {
        if !c.is_ascii_alphanumeric() {
            name.push('_');
            continue;
        }
        let before = i.checked_sub(1).map(|before| characters[before]);
        let after = characters.get(i + 1);
        let begins_word = c.is_ascii_uppercase()
            && (before.is_some_and(|before| before.is_ascii_lowercase() || before.is_ascii_digit())
                || before.is_some_and(|before| before.is_ascii_uppercase())
                    && after.is_some_and(char::is_ascii_lowercase));
        if begins_word {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    let words: Vec<&str> = name.split('_').filter(|word| !word.is_empty()).collect();
    let mut name = words.join("_");
    if name.is_empty() {
        name.push_str("column");
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name.truncate(COLUMN_NAME_CHARS_MAX);
    name
}

/// The table name nearest to a text.
pub(super) fn table_name_for(text: &str) -> String {
    if text.is_empty() {
        return "t".to_owned();
    }
    let mut name = column_name_for(text);
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name = format!("t{}{name}", if name.starts_with('_') { "" } else { "_" });
    }
    name.truncate(TABLE_NAME_CHARS_MAX);
    name
}

/// The known name that was most likely meant, or `None` where none is near.
pub(crate) fn nearest<'k>(found: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let found = found.to_ascii_lowercase().replace('-', "_");
    let distance = |name: &str| {
        // `event` was to become `event_time`, however many characters are missing.
        let is_part = found.len() >= 3 && (name.starts_with(&found) || found.starts_with(name));
        let distance = strsim::osa_distance(&found, name);
        if is_part { distance.min(1) } else { distance }
    };
    let (distance, name) = known
        .into_iter()
        .map(|name| (distance(name), name))
        .min_by_key(|(distance, _)| *distance)?;
    (distance * 2 <= name.len().max(found.len())).then_some(name)
}

/// A text as YAML takes it for a text, in quotes where it needs them.
pub(super) fn yaml_text(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-./~<>".contains(&byte))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { format!("{text:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_proposed_for_every_key() {
        for (key, name) in [
            ("userId", "user_id"),
            ("UserID", "user_id"),
            ("HTTPServerName", "http_server_name"),
            ("id.orig_h", "id_orig_h"),
            ("City Name", "city_name"),
            ("@timestamp", "timestamp"),
            ("x-forwarded-for", "x_forwarded_for"),
            ("2nd", "_2nd"),
            ("ipV4Address", "ip_v4_address"),
            ("été", "t"),
            ("日本", "column"),
            ("a__b", "a_b"),
        ] {
            assert_eq!(column_name_for(key), name, "{key}");
            assert!(is_column_name(name), "{name}");
        }
        assert!(is_column_name(&column_name_for(&"A".repeat(300))));
    }

    #[test]
    fn names_are_lower_case_words_of_a_limited_length() {
        for (name, table, column) in [
            ("page_view", true, true),
            ("_id", false, true),
            ("a1", true, true),
            ("1a", false, false),
            ("A", false, false),
            ("a-b", false, false),
            ("a.b", false, false),
            ("é", false, false),
            ("", false, false),
        ] {
            assert_eq!((is_table_name(name), is_column_name(name)), (table, column), "{name}");
        }
        assert!(is_table_name(&"a".repeat(63)) && !is_table_name(&"a".repeat(64)));
        assert!(is_column_name(&"a".repeat(128)) && !is_column_name(&"a".repeat(129)));
    }

    #[test]
    fn what_is_proposed_as_a_table_name_is_one() {
        for (text, name) in [
            ("Page-View", "page_view"),
            ("2019", "t_2019"),
            ("_x", "x"),
            ("日本", "column"),
        ] {
            assert_eq!(table_name_for(text), name);
        }
    }

    #[test]
    fn the_nearest_name_is_proposed_only_where_one_is_near() {
        let known = ["table", "columns", "event_time", "row_group_rows", "row_group_bytes"];
        for (found, name) in [
            ("colums", Some("columns")),
            ("Columns", Some("columns")),
            ("column", Some("columns")),
            ("event-time", Some("event_time")),
            ("row_group_row", Some("row_group_rows")),
            ("event", Some("event_time")),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(found, known), name, "{found}");
        }
    }

    #[test]
    fn a_proposed_text_is_quoted_where_yaml_would_misread_it() {
        for (text, written) in [
            ("userId", "userId"),
            ("id.orig_h", "id.orig_h"),
            ("/user/id", "/user/id"),
            ("City Name", "\"City Name\""),
            ("@timestamp", "\"@timestamp\""),
            ("2nd", "\"2nd\""),
            ("yes", "\"yes\""),
            ("decimal(12,2)", "\"decimal(12,2)\""),
            ("array<string>", "array<string>"),
        ] {
            assert_eq!(yaml_text(text), written);
        }
    }
}
