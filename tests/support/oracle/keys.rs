//! The keys that a lake may have, and no others.

/// What a key is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Mark,
    Table,
    Claim(String),
    Intent(String),
    Outcome(String),
    Data { job: String, table: String, hour: String },
    Quarantine { job: String },
}

impl Place {
    /// The job whose rows or rejects are there.
    pub(crate) fn job_of_file(&self) -> Option<&str> {
        match self {
            Self::Data { job, .. } | Self::Quarantine { job } => Some(job),
            _ => None,
        }
    }
}

/// Nothing: no key of a lake is like this.
pub(crate) fn place(key: &str) -> Option<Place> {
    let parts: Vec<&str> = key.split('/').collect();
    match parts[..] {
        ["_lakebed", "lake.json"] => Some(Place::Mark),
        ["_lakebed", "tables", name] => matches!(name, "t.json" | "u.json").then_some(Place::Table),
        ["_lakebed", "claims", name] => Some(Place::Claim(id(name.strip_suffix(".json")?)?)),
        ["_lakebed", "open", name] => Some(Place::Intent(id(name)?)),
        ["_lakebed", "jobs", name] => Some(Place::Outcome(id(name.strip_suffix(".json")?)?)),
        ["_lakebed", "quarantine", date, name] => {
            date_of(date.strip_prefix("date=")?)?;
            let job = file_of(name.strip_suffix(".ndjson.gz")?)?;
            Some(Place::Quarantine { job })
        }
        [table @ ("t" | "u"), year, month, day, hour, name] => {
            let date = format!(
                "{}-{}-{}",
                year.strip_prefix("year=")?,
                month.strip_prefix("month=")?,
                day.strip_prefix("day=")?
            );
            let hour = digits(hour.strip_prefix("hour=")?, 2, 23)?;
            Some(Place::Data {
                job: file_of(name.strip_suffix(".parquet")?)?,
                table: table.to_owned(),
                hour: format!("{}T{hour}", date_of(&date)?),
            })
        }
        _ => None,
    }
}

fn id(text: &str) -> Option<String> {
    let good = text.len() == 26 && text.bytes().all(|c| matches!(c, b'a'..=b'z' | b'2'..=b'7'));
    good.then(|| text.to_owned())
}

fn file_of(name: &str) -> Option<String> {
    let (job, number) = name.split_once('-')?;
    digits(number, 4, 9999)?;
    id(job)
}

fn date_of(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return None };
    digits(year, 4, 9999)?;
    digits(month, 2, 12)?;
    digits(day, 2, 31)?;
    Some(text.to_owned())
}

fn digits(text: &str, count: usize, max: u32) -> Option<&str> {
    let good = text.len() == count && text.bytes().all(|c| c.is_ascii_digit());
    (good && text.parse::<u32>().ok()? <= max).then_some(text)
}
