//! Schema files as data: what they become, and what is said of those that are wrong.

use super::*;

mod defaults;
mod plan;
mod refusals;
mod together;

/// Three sound lines; what a case adds begins on the fourth.
const BASE: &str = "table: t\nevent_time: { field: time }\ncolumns: { id: string }\n";

fn load(files: &[(&str, &str)]) -> Result<Tables, SchemaErrors> {
    Tables::from_sources(
        files
            .iter()
            .map(|(file, text)| ((*file).to_owned(), (*text).to_owned()))
            .collect(),
    )
}

/// The table of a sound file named `t.yaml`.
fn table(text: &str) -> Table {
    tables(text).as_slice()[0].clone()
}

fn tables(text: &str) -> Tables {
    load(&[("schemas/t.yaml", text)]).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}
