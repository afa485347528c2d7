//! All tables of a schema folder, each on its own sound and no two of them at odds.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use super::canonical::canonical;
use super::check::{CheckedTable, Routing, check};
use super::config::TableConfig;
use super::error::{Position, Problem, Report, SchemaError, SchemaErrors, Source};
use super::read::{FromNode, Given};
use super::yaml::{self, Value};
use super::{Table, route};

/// All tables, sorted by name.
#[derive(Clone, Debug)]
pub struct Tables {
    tables: Vec<Table>,
    canonical: String,
}

impl Tables {
    /// Reads every `*.yaml` and `*.yml` file of a folder, but none whose name begins with `.` or `_`.
    ///
    /// # Errors
    /// All that is wrong with all files; also a folder that cannot be read or holds no schema.
    pub fn load(folder: &Path) -> Result<Self, SchemaErrors> {
        let (files, mut errors) = read_folder(folder).map_err(|error| SchemaErrors(vec![error]))?;
        match Self::from_sources(files) {
            Ok(tables) if errors.is_empty() => Ok(tables),
            Ok(_) => Err(sorted(errors)),
            Err(SchemaErrors(found)) => {
                errors.extend(found);
                Err(sorted(errors))
            }
        }
    }

    /// Reads files given as name and text, in any order. No file, no table.
    ///
    /// # Errors
    /// All that is wrong with all files, by file and place.
    pub fn from_sources(files: Vec<(String, String)>) -> Result<Self, SchemaErrors> {
        let mut sources: Vec<Source> = files.into_iter().map(|(file, text)| Source { file, text }).collect();
        sources.sort_by(|a, b| a.file.cmp(&b.file));
        let mut errors = Vec::new();
        let mut routings = Vec::new();
        let mut checked = Vec::new();
        for source in &sources {
            let mut report = Report::new(source);
            let (routing, table) = read_file(&mut report);
            routings.extend(routing.map(|routing| (source, routing)));
            checked.extend(table);
            errors.append(&mut report.errors);
        }
        for (i, two) in routings.iter().enumerate() {
            errors.extend(routings[..i].iter().filter_map(|one| conflict(one, two)));
        }
        if !errors.is_empty() {
            return Err(sorted(errors));
        }
        checked.sort_by(|a, b| a.table.name.cmp(&b.table.name));
        let canonical = checked.iter().map(|checked| canonical(checked) + "\n").collect();
        Ok(Self {
            tables: checked.into_iter().map(|checked| checked.table).collect(),
            canonical,
        })
    }

    /// The tables by name.
    pub fn iter(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter()
    }

    /// The table of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Table> {
        let found = self.tables.binary_search_by(|table| table.name.as_str().cmp(name));
        found.ok().map(|index| &self.tables[index])
    }

    /// The tables by name.
    #[must_use]
    pub fn as_slice(&self) -> &[Table] {
        &self.tables
    }

    /// All that decides an output byte, one table a line: equal for schemas that differ in comments, descriptions,
    /// projections, spelling or the order of files only.
    #[must_use]
    pub fn canonical(&self) -> String {
        self.canonical.clone()
    }
}

fn sorted(mut errors: Vec<SchemaError>) -> SchemaErrors {
    errors.sort_by(|a, b| (&a.file, a.position).cmp(&(&b.file, b.position)));
    SchemaErrors(errors)
}

/// The schema files of a folder by name, and those that cannot be read.
type Files = (Vec<(String, String)>, Vec<SchemaError>);

fn read_folder(folder: &Path) -> Result<Files, SchemaError> {
    let name = folder.display().to_string();
    let unreadable = |error: &io::Error| {
        let problem = Problem::new(format!("the schema folder cannot be read: {error}"));
        SchemaError::of_file(
            &name,
            problem.way_out("name the folder with `--schemas` or LAKEBED_SCHEMAS"),
        )
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| unreadable(&error))? {
        paths.push(entry.map_err(|error| unreadable(&error))?.path());
    }
    paths.retain(|path| is_schema(path));
    paths.sort();
    if paths.is_empty() {
        let problem = Problem::new("no schema files (`*.yaml`) in this folder");
        return Err(SchemaError::of_file(
            name,
            problem.way_out("describe each table in `<table>.yaml`"),
        ));
    }
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    for path in paths {
        let file = path.display().to_string();
        match fs::read_to_string(&path) {
            Ok(text) => files.push((file, text)),
            Err(error) => errors.push(SchemaError::of_file(
                file,
                Problem::new(format!("cannot be read: {error}")),
            )),
        }
    }
    Ok((files, errors))
}

fn is_schema(path: &Path) -> bool {
    let text = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let is_yaml = ["yaml", "yml"].contains(&text(path.extension()).as_str());
    is_yaml && !text(path.file_name()).starts_with(['.', '_']) && !path.is_dir()
}

fn read_file(report: &mut Report<'_>) -> (Option<Routing>, Option<CheckedTable>) {
    let Some(node) = yaml::read(report) else {
        return (None, None);
    };
    if let Value::Null = node.value {
        let problem = Problem::new("the file is empty");
        report.add(
            Position::START,
            problem.way_out("at least `table`, `event_time` with its `field`, and `columns`"),
        );
        return (None, None);
    }
    let Some(config) = <Given<TableConfig>>::from_node(&node, report) else {
        return (None, None);
    };
    let checked = check(&config, report);
    (checked.routing, checked.table)
}

/// Why two tables cannot stand side by side, told at the second.
fn conflict((file, one): &(&Source, Routing), (other_file, two): &(&Source, Routing)) -> Option<SchemaError> {
    let (name, other_name) = (&one.name.value, &two.name.value);
    let entries = route::entries(&one.route, one.keys.as_ref());
    let problem = if name == other_name {
        let problem = Problem::new(format!("{} describes the table `{name}` too", file.file));
        problem.way_out("one file per table; give one of them another name")
    } else if entries != route::entries(&two.route, two.keys.as_ref()) {
        return None;
    } else if entries == 0 {
        let message = format!(
            "`{other_name}` has no `route`, and neither has `{name}` ({})",
            file.file
        );
        Problem::new(message).way_out("only one table takes what is left; give the other a `route`")
    } else if route::may_overlap((&one.route, one.keys.as_ref()), (&two.route, two.keys.as_ref())) {
        let count = if entries == 1 {
            "1 entry".to_owned()
        } else {
            format!("{entries} entries")
        };
        let both = format!("`{other_name}` and `{name}` ({}) can both match a record", file.file);
        let problem = Problem::new(format!("{both}, and each has {count} in its route, so neither wins"));
        problem.way_out("add an entry to one of them, or set them apart by the values of one field")
    } else {
        return None;
    };
    Some(other_file.error_at(two.name.at, problem))
}
