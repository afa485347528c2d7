//! Settings: from a flag, the environment, the file `lakebed.yaml`, or a default, in that order.
//!
//! Each has one name: `LAKEBED_MEMORY` in the environment is `memory` in the file. A wrong value stops the start and says
//! where it came from; an unknown `LAKEBED_` name does, too. Read once, by `main` alone.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::door::RawPrefixes;
use crate::source::frame::FrameLimits;

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Flag(&'static str),
    Environment,
    File,
    Default,
}

struct Known {
    /// As in the environment.
    name: &'static str,
    flag: Option<&'static str>,
    default: Option<&'static str>,
}

/// What the names of all settings begin with in the environment.
pub const PREFIX: &str = "LAKEBED_";
/// Positions within a block count to 4 GiB, and a block is a record and what was read with it.
const RECORD_BYTES_MOST: u64 = 1 << 30;

const KNOWN: &[Known] = &[
    Known {
        name: "LAKEBED_LAKE",
        flag: Some("--to"),
        default: None,
    },
    Known {
        name: "LAKEBED_SCHEMAS",
        flag: Some("--schemas"),
        default: Some("schemas"),
    },
    Known {
        name: "LAKEBED_MEMORY",
        flag: Some("--memory"),
        default: Some("128MiB"),
    },
    Known {
        name: "LAKEBED_JOBS",
        flag: Some("--jobs"),
        default: None,
    },
    // Longer ones go to quarantine by position: one hostile record must not take the memory.
    Known {
        name: "LAKEBED_RECORD_BYTES_MAX",
        flag: None,
        default: Some("16MiB"),
    },
    Known {
        name: "LAKEBED_DEPTH_MAX",
        flag: None,
        default: Some("128"),
    },
    Known {
        name: "LAKEBED_JOB_BYTES",
        flag: None,
        default: Some("256MiB"),
    },
    Known {
        name: "LAKEBED_SPILL_DIR",
        flag: None,
        default: None,
    },
    Known {
        name: "LAKEBED_RAW",
        flag: None,
        default: None,
    },
    Known {
        name: "LAKEBED_EXPECTED_OWNER",
        flag: None,
        default: None,
    },
    // A caller that does not read which messages failed would drop them: to name them has to be asked for.
    Known {
        name: "LAKEBED_PARTIAL_BATCH",
        flag: None,
        default: Some("0"),
    },
];

/// What was given on the command line, by the name in the environment.
pub type Flags = BTreeMap<&'static str, String>;

/// Checked settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the lake is, as it was given; a verb that needs it says so.
    pub lake: Option<String>,
    /// The folder of schema files.
    pub schemas: PathBuf,
    /// Bytes of memory for rows, pages and files, all jobs together.
    pub memory: u64,
    /// Jobs at once, if given.
    pub jobs: Option<usize>,
    /// The limits of a record.
    pub limits: FrameLimits,
    /// Stored bytes at which a job is closed.
    pub job_bytes: u64,
    /// Where what does not fit the memory waits.
    pub spill_dir: PathBuf,
    /// Below which prefixes the function may read, if given.
    pub raw: Option<RawPrefixes>,
    /// The account that buckets have to belong to, if given: 12 digits.
    pub expected_owner: Option<String>,
    /// Whether a batch's caller reads which messages failed.
    pub partial_batch: bool,
}

/// A setting that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The value cannot be used.
    #[error("{name} is {value:?} ({origin}): {why}")]
    Wrong {
        /// The setting.
        name: &'static str,
        /// What was given.
        value: String,
        /// Where.
        origin: String,
        /// What to write instead.
        why: String,
    },
    /// No such setting.
    #[error("there is no setting {name} ({origin}); {hint}")]
    Unknown {
        /// What was given.
        name: String,
        /// Where.
        origin: &'static str,
        /// The nearest one.
        hint: String,
    },
    /// The file is not a list of settings.
    #[error("{path} is not a list of settings such as `memory: 512MiB`: {why}")]
    File {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag(flag) => flag,
            Self::Environment => "from the environment",
            Self::File => "from lakebed.yaml",
            Self::Default => "the default",
        })
    }
}

/// The values of all settings that have one.
struct Values(BTreeMap<&'static str, (String, Origin)>);

impl Settings {
    /// Reads all. `environment` is all of it; `file` is the path and text of `lakebed.yaml`, if there is one; `defaults`
    /// stand before the usual ones.
    pub fn read(
        defaults: &Flags,
        flags: &Flags,
        environment: impl Iterator<Item = (String, String)>,
        file: Option<(&str, &str)>,
    ) -> Result<Self, SettingsError> {
        let mut values = Values(BTreeMap::new());
        for Known { name, default, .. } in KNOWN {
            let default = defaults.get(name).cloned().or_else(|| default.map(str::to_owned));
            values.set(name, default, Origin::Default);
        }
        if let Some((path, text)) = file {
            for (name, value) in read_file(path, text)? {
                values.set(name, Some(value), Origin::File);
            }
        }
        for (name, value) in environment.filter(|(name, _)| name.starts_with(PREFIX)) {
            values.set(
                known(&name, &name, "from the environment")?.name,
                Some(value),
                Origin::Environment,
            );
        }
        for Known { name, flag, .. } in KNOWN {
            values.set(name, flags.get(name).cloned(), Origin::Flag(flag.unwrap_or(name)));
        }
        let memory = values.bytes("LAKEBED_MEMORY", 64 << 20..=u64::MAX)?;
        Ok(Self {
            lake: values.text("LAKEBED_LAKE"),
            schemas: values.text("LAKEBED_SCHEMAS").unwrap_or_default().into(),
            memory,
            jobs: values.number("LAKEBED_JOBS", 1..=256)?,
            limits: FrameLimits {
                record_bytes_max: values.bytes("LAKEBED_RECORD_BYTES_MAX", 1 << 10..=RECORD_BYTES_MOST)?,
                depth_max: values.number("LAKEBED_DEPTH_MAX", 1..=1000)?.unwrap_or(128),
            },
            job_bytes: values.bytes("LAKEBED_JOB_BYTES", 1 << 20..=u64::MAX)?,
            spill_dir: values
                .text("LAKEBED_SPILL_DIR")
                .map_or_else(std::env::temp_dir, PathBuf::from),
            raw: values.parsed("LAKEBED_RAW", |text| {
                RawPrefixes::parse(text).map_err(|error| error.to_string())
            })?,
            expected_owner: values.parsed("LAKEBED_EXPECTED_OWNER", |text| {
                let is_account = text.len() == 12 && text.bytes().all(|c| c.is_ascii_digit());
                is_account
                    .then(|| text.to_owned())
                    .ok_or_else(|| "write the 12 digits of an AWS account".to_owned())
            })?,
            partial_batch: values
                .parsed("LAKEBED_PARTIAL_BATCH", |text| {
                    match text.to_ascii_lowercase().as_str() {
                        "1" | "true" => Ok(true),
                        "0" | "false" => Ok(false),
                        _ => {
                            Err("write 1, where the event source mapping reports batch item failures, or 0".to_owned())
                        }
                    }
                })?
                .unwrap_or(false),
        })
    }

    /// The limits that decide output bytes, for the plan's name.
    pub fn plan_limits(&self) -> String {
        let FrameLimits {
            record_bytes_max,
            depth_max,
        } = self.limits;
        format!("record_bytes_max={record_bytes_max} depth_max={depth_max}")
    }
}

impl Values {
    fn set(&mut self, name: &'static str, value: Option<String>, origin: Origin) {
        if let Some(value) = value {
            self.0.insert(name, (value, origin));
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0
            .get(name)
            .map(|(value, _)| value.clone())
            .filter(|value| !value.is_empty())
    }

    /// Nothing where it is not given, or empty.
    fn parsed<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, SettingsError> {
        let Some((value, origin)) = self.0.get(name).filter(|(value, _)| !value.is_empty()) else {
            return Ok(None);
        };
        parse(value).map(Some).map_err(|why| SettingsError::Wrong {
            name,
            value: value.clone(),
            origin: origin.to_string(),
            why,
        })
    }

    fn bytes(&self, name: &'static str, range: std::ops::RangeInclusive<u64>) -> Result<u64, SettingsError> {
        let (value, origin) = &self.0[name];
        let wrong = |why| SettingsError::Wrong {
            name,
            value: value.clone(),
            origin: origin.to_string(),
            why,
        };
        let bytes = crate::table::parse_bytes(value).map_err(wrong)?;
        if range.contains(&bytes) {
            return Ok(bytes);
        }
        let [least, most] = [range.start(), range.end()].map(|bytes| crate::table::format_bytes(*bytes));
        Err(wrong(if *range.end() == u64::MAX {
            format!("write a size of at least {least}")
        } else {
            format!("write a size from {least} to {most}")
        }))
    }

    fn number(
        &self,
        name: &'static str,
        range: std::ops::RangeInclusive<usize>,
    ) -> Result<Option<usize>, SettingsError> {
        let Some((value, origin)) = self.0.get(name) else {
            return Ok(None);
        };
        match value.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err(SettingsError::Wrong {
                name,
                value: value.clone(),
                origin: origin.to_string(),
                why: format!("write a whole number from {} to {}", range.start(), range.end()),
            }),
        }
    }
}

/// Names in the file are those of the environment in lower case; the prefix may be left out.
fn read_file(path: &str, text: &str) -> Result<Vec<(&'static str, String)>, SettingsError> {
    let fail = |why: String| SettingsError::File {
        path: path.to_owned(),
        why,
    };
    if text
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    {
        return Ok(Vec::new());
    }
    let settings: BTreeMap<String, serde_json::Value> =
        serde_saphyr::from_str(text).map_err(|error| fail(error.without_snippet().to_string()))?;
    let one = |(name, value): (String, serde_json::Value)| {
        let upper = name.to_ascii_uppercase();
        let upper = if upper.starts_with(PREFIX) {
            upper
        } else {
            format!("{PREFIX}{upper}")
        };
        let known = known(&upper, &name, "in lakebed.yaml")?.name;
        match value {
            serde_json::Value::String(text) => Ok((known, text)),
            serde_json::Value::Number(number) => Ok((known, number.to_string())),
            serde_json::Value::Bool(value) => Ok((known, value.to_string())),
            _ => Err(fail(format!("`{name}` is neither text nor a number"))),
        }
    };
    settings.into_iter().map(one).collect()
}

/// The setting of this name; `written` is how the user spelt it.
fn known(name: &str, written: &str, origin: &'static str) -> Result<&'static Known, SettingsError> {
    if let Some(known) = KNOWN.iter().find(|known| known.name == name) {
        return Ok(known);
    }
    let nearest = KNOWN
        .iter()
        .min_by_key(|known| strsim::damerau_levenshtein(known.name, name));
    let near = |known: &&Known| strsim::damerau_levenshtein(known.name, name) <= 3;
    let hint = nearest.filter(near).map_or_else(all_names, |nearest| {
        let in_file = nearest.name.trim_start_matches(PREFIX).to_ascii_lowercase();
        let meant = if written == name { nearest.name } else { &in_file };
        format!("did you mean {meant}?")
    });
    Err(SettingsError::Unknown {
        name: written.to_owned(),
        origin,
        hint,
    })
}

fn all_names() -> String {
    let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
    format!("there are {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(flags: &[(&'static str, &str)], env: &[(&str, &str)], file: Option<&str>) -> Result<Settings, String> {
        let flags = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::read(&Flags::new(), &flags, env, file.map(|text| ("lakebed.yaml", text)))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
        let memory = |flags: &[_], env: &[_], file| read(flags, env, file).unwrap().memory >> 20;
        let (flag, env, file) = (
            ("LAKEBED_MEMORY", "100MiB"),
            ("LAKEBED_MEMORY", "200MiB"),
            Some("memory: 300MiB"),
        );
        assert_eq!(memory(&[flag], &[env], file), 100);
        assert_eq!(memory(&[], &[env], file), 200);
        assert_eq!(memory(&[], &[], file), 300);
        assert_eq!(memory(&[], &[], Some("# nothing\n")), 128);
        assert_eq!(
            memory(&[], &[("PATH", "x")], Some("lakebed_memory: 99MiB\njobs: 3")),
            99
        );
    }

    #[test]
    fn a_wrong_setting_stops_the_start_by_name() {
        for (env, file, expected) in [
            (
                ("LAKEBED_MEMORY", "lots"),
                None,
                "LAKEBED_MEMORY is \"lots\" (from the environment)",
            ),
            (("LAKEBED_MEMORY", "1KiB"), None, "a size of at least 64MiB"),
            (("LAKEBED_RECORD_BYTES_MAX", "2GiB"), None, "a size from 1KiB to 1GiB"),
            (("LAKEBED_MEMROY", "1GiB"), None, "did you mean LAKEBED_MEMORY?"),
            (("LAKEBED_JOBS", "0"), None, "from 1 to 256"),
            (("LAKEBED_DEPTH_MAX", "-1"), None, "LAKEBED_DEPTH_MAX"),
            (
                ("LAKEBED_RAW", "raw/a"),
                None,
                "LAKEBED_RAW is \"raw/a\" (from the environment)",
            ),
            (("LAKEBED_EXPECTED_OWNER", "1234"), None, "the 12 digits"),
            (("LAKEBED_PARTIAL_BATCH", "yes"), None, "write 1, where"),
            (
                ("X", ""),
                Some("memroy: 1GiB"),
                "no setting memroy (in lakebed.yaml); did you mean memory?",
            ),
            (("X", ""), Some("- memory"), "is not a list of settings"),
            (("X", ""), Some("memory: [1]"), "neither text nor a number"),
        ] {
            let error = read(&[], &[env], file).unwrap_err();
            assert!(error.contains(expected), "{env:?} {file:?}: {error}");
        }
    }
}
