//! `keys`: which source keys a table takes its records from.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use super::error::Problem;

/// Patterns of source keys; a key matches when one of them does. `*` and `?` stay within a `/` part, `**` does not.
#[derive(Clone, Debug)]
pub struct KeyPatterns {
    patterns: Vec<String>,
    set: GlobSet,
}

impl KeyPatterns {
    /// Checks one pattern.
    pub(super) fn check(pattern: &str) -> Result<(), Problem> {
        if pattern.is_empty() {
            return Err(Problem::new("an empty pattern matches no key").way_out("\"clicks/**\""));
        }
        glob(pattern).map(drop).map_err(|error| {
            let problem = Problem::new(format!("{pattern:?} is not a key pattern: {}", error.kind()));
            problem.way_out("`*`, `?`, `**`, `[a-z]` and `{a,b}`; a backslash takes the next character literally")
        })
    }

    /// Patterns that [`Self::check`] has let pass, sorted and each kept once.
    pub(super) fn new(mut patterns: Vec<String>) -> Result<Self, globset::Error> {
        patterns.sort();
        patterns.dedup();
        let mut set = GlobSetBuilder::new();
        for pattern in &patterns {
            set.add(glob(pattern)?);
        }
        Ok(Self {
            set: set.build()?,
            patterns,
        })
    }

    /// Whether one of the patterns matches the whole key.
    #[must_use]
    pub fn matches(&self, key: &str) -> bool {
        self.set.is_match(key)
    }

    /// The patterns as written, sorted.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// Whether a key may exist that both match. Errs toward yes: only texts before the first wildcard are compared.
    pub(super) fn may_overlap(&self, other: &Self) -> bool {
        let diverge = |one: &str, other: &str| !one.starts_with(other) && !other.starts_with(one);
        let pair = |one: &String| {
            other
                .patterns
                .iter()
                .any(|other| !diverge(literal_prefix(one), literal_prefix(other)))
        };
        self.patterns.iter().any(pair)
    }
}

fn glob(pattern: &str) -> Result<Glob, globset::Error> {
    // The backslash is said here because its default depends on the platform.
    GlobBuilder::new(pattern)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
}

fn literal_prefix(pattern: &str) -> &str {
    pattern.split(['*', '?', '[', '{', '\\']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(patterns: &[&str]) -> KeyPatterns {
        KeyPatterns::new(patterns.iter().map(|pattern| (*pattern).to_owned()).collect()).unwrap()
    }

    #[test]
    fn a_star_stays_within_its_part_and_two_do_not() {
        for (pattern, key, matches) in [
            ("clicks/**", "clicks/a.json", true),
            ("clicks/**", "clicks/2019/10/a.json", true),
            ("clicks/**", "clicks", false),
            ("clicks/**", "raw/clicks/a.json", false),
            ("clicks/*", "clicks/2019/a.json", false),
            ("**/a.json", "x/y/a.json", true),
            ("**/a.json", "a.json", true),
            ("*.gz", "a.gz", true),
            ("*.gz", "a/b.gz", false),
            ("a?c/{x,y}.json", "abc/y.json", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("Clicks/**", "clicks/a", false),
            ("clicks/**", "clicks/ä b+c.json", true),
        ] {
            assert_eq!(patterns(&[pattern]).matches(key), matches, "{pattern} {key}");
        }
        assert!(patterns(&["a/*", "b/*"]).matches("b/x"));
    }

    #[test]
    fn patterns_overlap_unless_their_literal_beginnings_diverge() {
        for (one, other, overlap) in [
            (&["clicks/**"][..], &["views/**"][..], false),
            (&["clicks/**"], &["clicks/2019/**"], true),
            (&["**"], &["views/**"], true),
            (&["clicks/*.json"], &["clicks/*.gz"], true),
            (&["a/**", "b/**"], &["c/**", "b/x"], true),
            (&["a/1"], &["a/2"], false),
            (&["a/{x,y}"], &["a/z"], true),
        ] {
            assert_eq!(
                patterns(one).may_overlap(&patterns(other)),
                overlap,
                "{one:?} {other:?}"
            );
            assert_eq!(
                patterns(other).may_overlap(&patterns(one)),
                overlap,
                "{other:?} {one:?}"
            );
        }
    }
}
