//! Names of sources as keys that sort as the names do: `<bucket>\0<key>`, and `\0<path>` for files.

use crate::job::identity::SourceName;

/// No bucket has such a character; keys may, behind the first.
const END: char = '\0';

pub(super) fn key(name: &SourceName) -> String {
    let bucket = name.bucket.as_deref().unwrap_or_default();
    format!("{bucket}{END}{}", name.key)
}

pub(super) fn name(key: &str) -> SourceName {
    match key.split_once(END) {
        Some((bucket, key)) if !bucket.is_empty() => SourceName::in_bucket(bucket, key),
        Some((_, key)) => SourceName {
            bucket: None,
            key: key.to_owned(),
        },
        None => unreachable!("every key was made of a name"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Keys lead back to their names, and have their order.
        #[test]
        fn keys_sort_as_names_do(
            names in proptest::collection::vec((proptest::option::of("[a-c.-]{3,5}"), "[a-c/\\x00é]{0,4}"), 0..50)
        ) {
            let mut names: Vec<_> = names.into_iter().map(|(bucket, key)| SourceName { bucket, key }).collect();
            let mut keys: Vec<_> = names.iter().map(key).collect();
            keys.sort();
            names.sort();
            prop_assert_eq!(keys.iter().map(|key| name(key)).collect::<Vec<_>>(), names);
        }
    }
}
