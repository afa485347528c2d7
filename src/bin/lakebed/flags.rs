//! Flags that several verbs have, and the settings that come of them.

use std::time::SystemTime;

use lakebed::place::Place;
use lakebed::s3::S3;
use lakebed::settings::{Flags, PREFIX, Settings};
use lakebed::source::listing::Selection;
use lakebed::source::when::{When, WhenError};

use crate::Refused;

/// What loads into a lake.
#[derive(Debug, clap::Args)]
pub(crate) struct Loading {
    /// The lake, a folder or a place in S3 apart from the raw objects
    #[arg(long, value_name = "DIR|s3://BUCKET/PREFIX")]
    to: Option<String>,
    /// Folder of schema files, one a table [default: schemas]
    #[arg(long, value_name = "DIR")]
    schemas: Option<String>,
    /// Jobs at once [default: one a core, fewer where memory is short]
    #[arg(long, value_name = "N")]
    jobs: Option<String>,
    /// Memory for rows and files, all jobs together [default: 256MiB]
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
}

impl Loading {
    /// The settings, and the lake among them.
    pub(crate) fn settings(&self) -> Result<(Settings, Place), Refused> {
        let mut flags = Flags::new();
        for (name, value) in [
            ("LAKEBED_LAKE", &self.to),
            ("LAKEBED_SCHEMAS", &self.schemas),
            ("LAKEBED_MEMORY", &self.memory),
            ("LAKEBED_JOBS", &self.jobs),
        ] {
            flags.extend(value.clone().map(|value| (name, value)));
        }
        with_lake(flags, "say where the lake is: --to DIR, or LAKEBED_LAKE", "--to")
    }
}

/// Which raw objects are taken.
#[derive(Debug, clap::Args)]
pub(crate) struct Selecting {
    /// Only objects modified at or after this time: RFC 3339, a date, or an age such as 36h
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<i64>,
    /// Only objects modified before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<i64>,
    /// Only objects whose path below the named folder matches, such as `**/*.gz`
    #[arg(long, value_name = "GLOB")]
    glob: Option<String>,
}

impl Selecting {
    pub(crate) fn selection(&self) -> Result<Selection, Refused> {
        Selection::new(self.since, self.until, self.glob.as_deref())
            .map_err(|error| Refused::usage(format!("--glob: {error}")))
    }

    /// Whether anything is left out.
    pub(crate) fn selects(&self) -> bool {
        self.since.is_some() || self.until.is_some() || self.glob.is_some()
    }
}

/// The settings of a verb that is about a lake, which was named or not.
pub(crate) fn of_lake(verb: &str, lake: Option<&String>) -> Result<(Settings, Place), Refused> {
    let mut flags = Flags::new();
    flags.extend(lake.cloned().map(|lake| ("LAKEBED_LAKE", lake)));
    with_lake(
        flags,
        &format!("say which lake: lakebed {verb} DIR, or LAKEBED_LAKE"),
        "lake",
    )
}

fn with_lake(flags: Flags, missing: &str, name: &str) -> Result<(Settings, Place), Refused> {
    let settings = settings(flags)?;
    let lake = settings.lake.clone().ok_or_else(|| Refused::usage(missing))?;
    let lake = Place::parse(lake).map_err(|error| Refused::usage(format!("{name}: {error}")))?;
    Ok((settings, lake))
}

/// Flags, environment and file together.
pub(crate) fn settings(flags: Flags) -> Result<Settings, Refused> {
    let file = match std::fs::read_to_string("lakebed.yaml") {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(Refused::usage(format!("read lakebed.yaml: {error}"))),
    };
    let mut environment = Vec::new();
    for (name, value) in std::env::vars_os() {
        // Names that are no text are none of ours.
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => environment.push((name, value)),
            Err(_) if name.starts_with(PREFIX) => {
                return Err(Refused::usage(format!("{name} (from the environment) is not UTF-8")));
            }
            Err(_) => {}
        }
    }
    Settings::read(
        &Flags::new(),
        &flags,
        environment.into_iter(),
        file.as_deref().map(|text| ("lakebed.yaml", text)),
    )
    .map_err(Refused::usage)
}

/// S3, where one of these places is there.
pub(crate) async fn s3_for<'a>(settings: &Settings, places: impl IntoIterator<Item = &'a Place>) -> Option<S3> {
    match places.into_iter().any(|place| place.s3().is_some()) {
        true => Some(S3::connect(settings.expected_owner.clone()).await),
        false => None,
    }
}

/// In seconds since 1970.
pub(crate) fn parse_time(text: &str) -> Result<i64, String> {
    let when: When = text.parse().map_err(|error: WhenError| error.to_string())?;
    #[expect(
        clippy::disallowed_methods,
        reason = "an age counts from now; it selects sources and decides no byte"
    )]
    Ok(when.seconds(SystemTime::now()))
}
