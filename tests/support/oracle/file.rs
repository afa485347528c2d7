//! Files as small as can be that still tell whether they are whole, and raw objects whose records tell where they belong.

/// Lines between a head, which has what differs between two encoders, and a foot, which counts them.
pub(crate) fn write(machine: &str, lines: &[String]) -> String {
    let mut text = format!("PAR1 {machine}\n");
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(&format!("PAR1 {}\n", lines.len()));
    text
}

/// The lines, or why it is no whole file.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is no text".to_owned())?;
    let body = text.strip_prefix("PAR1 ").ok_or("has no head")?;
    let (_machine, body) = body.split_once('\n').ok_or("has no end of its head")?;
    let lines: Vec<&str> = body.strip_suffix('\n').ok_or("is cut")?.split('\n').collect();
    let (foot, lines) = lines.split_last().ok_or("has no foot")?;
    let counted = foot.strip_prefix("PAR1 ").and_then(|count| count.parse().ok());
    if counted == Some(lines.len()) {
        Ok(lines.iter().map(|line| (*line).to_owned()).collect())
    } else {
        Err("has not as many rows as its foot says".to_owned())
    }
}

/// The records of a raw object `source` whose content is called `content`: `rows` of them for each of `hours`, and `rejects`
/// that no table takes.
pub(crate) fn raw(source: &str, content: &str, hours: u64, rows: u64, rejects: u64) -> String {
    let mut text = String::new();
    for row in 0..hours * rows {
        let (hour, table) = (row % hours, if row % hours % 3 == 2 { "u" } else { "t" });
        let time = format!("2019-10-{:02}T{:02}", 12 + hour / 24, hour % 24);
        text.push_str(&format!(
            r#"{{"source":"{source}","content":"{content}","row":{row},"table":"{table}","hour":"{time}"}}"#
        ));
        text.push('\n');
    }
    for row in 0..rejects {
        text.push_str(&format!(
            r#"!{{"source":"{source}","content":"{content}","reject":{row}}}"#
        ));
        text.push('\n');
    }
    text
}

/// The raw object that a line is of.
pub(crate) fn source_of(line: &str) -> &str {
    let text = line.trim_start_matches('!');
    let text = text.strip_prefix(r#"{"source":""#).unwrap_or_default();
    text.split('"').next().unwrap_or_default()
}
