//! Sizes in bytes as people write them: `64MiB`, `1GiB`, `512KiB`, `1000`.

use super::error::Problem;

const UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];

/// Reads a whole number, alone or followed by `B`, `KiB`, `MiB` or `GiB`.
pub(super) fn parse_bytes(text: &str) -> Result<u64, Problem> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let factor = if unit.is_empty() {
        Some(1)
    } else {
        UNITS.iter().find(|(name, _)| *name == unit).map(|unit| unit.1)
    };
    let problem = Problem::new(format!("{text:?} is not a size in bytes"));
    match (number.parse::<u64>(), factor) {
        (Ok(number), Some(factor)) => number
            .checked_mul(factor)
            .ok_or_else(|| problem.way_out("a size below 16 EiB, such as `64MiB`")),
        (Ok(number), None) => {
            let meant = match unit.to_ascii_lowercase().chars().next() {
                Some('k') => "KiB",
                Some('m') => "MiB",
                Some('g') => "GiB",
                _ => return Err(problem.way_out("a whole number and B, KiB, MiB or GiB, such as `64MiB`")),
            };
            Err(problem.way_out(format!("`{number}{meant}`")))
        }
        (Err(_), _) => Err(problem.way_out("a whole number and B, KiB, MiB or GiB, such as `64MiB`")),
    }
}

/// The largest unit that divides the size: `64MiB`.
pub(crate) fn format_bytes(bytes: u64) -> String {
    match [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        .iter()
        .find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit))
    {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_numbers_of_a_binary_unit() {
        for (text, bytes) in [
            ("1000", 1000),
            ("0", 0),
            ("12B", 12),
            ("512KiB", 512 << 10),
            ("64MiB", 64 << 20),
            ("64 MiB", 64 << 20),
            ("1GiB", 1 << 30),
        ] {
            assert_eq!(parse_bytes(text).unwrap(), bytes, "{text}");
            assert_eq!(parse_bytes(&format_bytes(bytes)).unwrap(), bytes, "{text}");
        }
        assert_eq!(format_bytes(64 << 20), "64MiB");
        assert_eq!(format_bytes(1000), "1000");
    }

    #[test]
    fn other_spellings_are_refused_with_the_one_meant() {
        for (text, way_out) in [
            ("64MB", "`64MiB`"),
            ("64mib", "`64MiB`"),
            ("1g", "`1GiB`"),
            ("5k", "`5KiB`"),
            ("1.5GiB", "a whole number"),
            ("-1", "a whole number"),
            ("", "a whole number"),
            ("many", "a whole number"),
            ("1TiB", "a whole number"),
            ("99999999999GiB", "a size below"),
            ("99999999999999999999999", "a whole number"),
        ] {
            let problem = parse_bytes(text).unwrap_err();
            assert!(
                problem.way_out.as_deref().unwrap().starts_with(way_out),
                "{text}: {problem:?}"
            );
        }
    }
}
