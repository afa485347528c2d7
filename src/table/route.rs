//! Which records belong to a table, and whether two tables may both claim one.

use super::number::ExactNumber;
use super::path::FieldPath;
use super::pattern::KeyPatterns;

/// A field that must be present with one of these values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRule {
    /// Where the value is in the record.
    pub field: FieldPath,
    /// At least one, each once.
    pub values: Vec<RouteValue>,
}

/// A JSON scalar, compared by type and exact value: `2` is not `"2"`, `1.0` equals `1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RouteValue {
    /// A string, compared byte for byte.
    Text(String),
    /// A number, however it is spelled.
    Number(ExactNumber),
    /// `true` or `false`.
    Bool(bool),
}

/// The number of entries of a route: its fields, and one for all `keys`. Of two tables that match, the one with more
/// entries wins.
pub(super) fn entries(route: &[RouteRule], keys: Option<&KeyPatterns>) -> usize {
    route.len() + usize::from(keys.is_some())
}

/// Whether a record may exist that matches both routes.
///
/// Fields named by both must have a value in common; a field named by one is no obstacle. Key patterns err toward yes.
pub(super) fn may_overlap(
    (route, keys): (&[RouteRule], Option<&KeyPatterns>),
    (other_route, other_keys): (&[RouteRule], Option<&KeyPatterns>),
) -> bool {
    let rules_agree = |rule: &RouteRule| {
        let mut same = other_route
            .iter()
            .filter(|other| other.field.is_same_place(&rule.field));
        same.all(|other| other.values.iter().any(|value| rule.values.contains(value)))
    };
    let keys_agree = match (keys, other_keys) {
        (Some(keys), Some(other_keys)) => keys.may_overlap(other_keys),
        _ => true,
    };
    keys_agree && route.iter().all(rules_agree)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> RouteValue {
        RouteValue::Text(text.to_owned())
    }

    fn number(token: &str) -> RouteValue {
        RouteValue::Number(ExactNumber::parse(token).unwrap())
    }

    fn route(rules: &[(&str, Vec<RouteValue>)]) -> Vec<RouteRule> {
        let rule = |(field, values): &(&str, Vec<RouteValue>)| RouteRule {
            field: FieldPath::parse(field).unwrap(),
            values: values.clone(),
        };
        rules.iter().map(rule).collect()
    }

    #[test]
    fn routes_overlap_unless_a_field_of_both_sets_them_apart() {
        for (one, other, overlap) in [
            (
                route(&[("type", vec![text("a")])]),
                route(&[("type", vec![text("b")])]),
                false,
            ),
            (
                route(&[("type", vec![text("a")])]),
                route(&[("type", vec![text("b"), text("a")])]),
                true,
            ),
            (
                route(&[("type", vec![text("a")])]),
                route(&[("/type", vec![text("b")])]),
                false,
            ),
            (
                route(&[("type", vec![text("a")])]),
                route(&[("kind", vec![text("b")])]),
                true,
            ),
            (
                route(&[("v", vec![number("1.0")])]),
                route(&[("v", vec![number("1")])]),
                true,
            ),
            (
                route(&[("v", vec![number("2")])]),
                route(&[("v", vec![text("2")])]),
                false,
            ),
            (
                route(&[("v", vec![RouteValue::Bool(true)])]),
                route(&[("v", vec![text("true")])]),
                false,
            ),
            (
                route(&[("type", vec![text("a")]), ("v", vec![number("1")])]),
                route(&[("type", vec![text("a")]), ("v", vec![number("2")])]),
                false,
            ),
            (
                route(&[("type", vec![text("a")]), ("v", vec![number("1")])]),
                route(&[("type", vec![text("a")]), ("w", vec![number("2")])]),
                true,
            ),
        ] {
            assert_eq!(may_overlap((&one, None), (&other, None)), overlap, "{one:?} {other:?}");
            assert_eq!(may_overlap((&other, None), (&one, None)), overlap, "{other:?} {one:?}");
        }
    }

    #[test]
    fn key_patterns_set_routes_apart_when_both_have_them() {
        let keys = |pattern: &str| KeyPatterns::new(vec![pattern.to_owned()]).unwrap();
        let (clicks, views) = (keys("clicks/**"), keys("views/**"));
        let by_type = route(&[("type", vec![text("a")])]);
        assert!(!may_overlap((&[], Some(&clicks)), (&[], Some(&views))));
        assert!(may_overlap((&[], Some(&clicks)), (&[], Some(&clicks))));
        assert!(may_overlap((&[], Some(&clicks)), (&by_type, None)));
        assert_eq!(entries(&by_type, Some(&clicks)), 2);
    }
}
