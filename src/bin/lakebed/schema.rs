//! `lakebed schema check`: are the schema files sound, and where would these records land?

use std::io::Write as _;
use std::path::PathBuf;

use lakebed::load::chain;
use lakebed::record::{BlockRows, Reader, RecordPlan, SourceContext};
use lakebed::settings::Flags;
use lakebed::source::blocks::{Block, Blocks};
use lakebed::source::frame::Framer;
use lakebed::source::inflate::{Hint, Inflate};
use lakebed::source::listing::{Selection, Source};
use lakebed::source::local;
use lakebed::table::{RouteValue, Table, Tables, UnknownFields};
use serde::Serialize;

use crate::{Exit, Refused, flags, show};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Check schema files, and show where sample records would land and why
    Check(CheckArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Folder of schema files [default: schemas]
    #[arg(long, value_name = "DIR")]
    schemas: Option<String>,
    /// Route the records of these files or folders (the first MiB of each file)
    #[arg(long, value_name = "FILE|DIR", num_args = 1..)]
    sample: Vec<PathBuf>,
    /// Print JSON: one document on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Checked {
    version: u32,
    verb: &'static str,
    tables: Vec<CheckedTable>,
    sample: Vec<Landed>,
}

#[derive(Debug, Serialize)]
struct CheckedTable {
    table: String,
    columns: usize,
    layout: &'static str,
    takes: String,
}

/// Where one record of a sample would land.
#[derive(Debug, Serialize)]
struct Landed {
    source: String,
    offset: u64,
    record: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantined: Option<&'static str>,
    why: String,
}

pub(crate) fn run(verb: Verb) -> Result<Exit, Refused> {
    let Verb::Check(args) = verb;
    let flags: Flags = args
        .schemas
        .iter()
        .map(|dir| ("LAKEBED_SCHEMAS", dir.clone()))
        .collect();
    let settings = flags::settings(flags)?;
    let tables = Tables::load(&settings.schemas).map_err(Refused::usage)?;
    let plan = RecordPlan::new(tables.clone(), settings.limits);
    if let Some(sample) = args.sample.iter().find(|path| path.starts_with("s3:")) {
        let sample = sample.display();
        let message = format!(
            "--sample {sample}: samples are files; copy an object here first (aws s3 cp), or use backfill --dry-run"
        );
        return Err(Refused::usage(message));
    }
    let listing = local::list(&args.sample, &Selection::default()).map_err(|error| Refused::usage(chain(&error)))?;
    let mut checked = Checked {
        version: 1,
        verb: "schema check",
        tables: tables
            .iter()
            .map(|table| CheckedTable {
                table: table.name.clone(),
                columns: table.columns.len() + usize::from(matches!(table.unknown_fields, UnknownFields::KeepIn(_))),
                layout: table.layout.name(),
                takes: takes(table),
            })
            .collect(),
        sample: Vec::new(),
    };
    for source in &listing.sources {
        checked.sample.extend(sample(&plan, source)?);
    }
    if args.json {
        show::json(&checked)?;
    } else {
        print(&checked).map_err(|error| Refused::failed(format!("print: {error}")))?;
    }
    Ok(Exit::Done)
}

/// Which records belong to a table, in words.
fn takes(table: &Table) -> String {
    match condition(table) {
        Some(condition) => format!("records where {condition}"),
        None => "every record that no other table takes".to_owned(),
    }
}

/// Why a record belongs to a table, in words.
fn because(table: &Table) -> String {
    condition(table).unwrap_or_else(|| "no other table takes it".to_owned())
}

fn condition(table: &Table) -> Option<String> {
    let value = |value: &RouteValue| match value {
        RouteValue::Text(text) => format!("{text:?}"),
        RouteValue::Number(number) => number.to_string(),
        RouteValue::Bool(bool) => bool.to_string(),
    };
    let rule = |rule: &lakebed::table::RouteRule| {
        format!(
            "{} is {}",
            rule.field,
            rule.values.iter().map(value).collect::<Vec<_>>().join(" or ")
        )
    };
    let keys = table
        .keys
        .iter()
        .map(|keys| format!("the key matches {}", keys.patterns().join(" or ")));
    let rules: Vec<String> = table.route.iter().map(rule).chain(keys).collect();
    (!rules.is_empty()).then(|| rules.join(" and "))
}

fn sample(plan: &RecordPlan, source: &Source) -> Result<Vec<Landed>, Refused> {
    let fail = |error: &dyn std::error::Error| Refused::failed(format!("{}: {}", source.name, chain(error)));
    let file = std::fs::File::open(source.name.path().unwrap_or_default()).map_err(|error| fail(&error))?;
    let hint = Hint {
        content_encoding: None,
        name: source.name.key.clone(),
    };
    let stream = Inflate::with_hint(file, &hint).map_err(|error| fail(&error))?;
    let block = Blocks::new(stream, plan.limits())
        .sampled()
        .next(Vec::new())
        .map_err(|error| fail(&error))?;
    let landed = |record, offset, table, partition, quarantined, why| {
        let source = source.name.to_string();
        Landed {
            source,
            offset,
            record,
            table,
            partition,
            quarantined,
            why,
        }
    };
    let bytes = match block {
        Some(Block::Bytes { bytes, .. }) => bytes,
        None => return Ok(Vec::new()),
        Some(Block::NotJson { .. }) => {
            let why = "no JSON record begins in its first MiB".to_owned();
            return Ok(vec![landed(1, 0, None, None, Some("Object.NotJson"), why)]);
        }
        Some(Block::Oversized { .. }) => {
            let why = "longer than a record may be".to_owned();
            return Ok(vec![landed(1, 0, None, None, Some("Record.TooLarge"), why)]);
        }
    };
    let context = SourceContext::new(plan, &source.name.key, source.version.last_modified_s);
    let (mut reader, mut rows) = (Reader::default(), BlockRows::new(plan));
    let mut result = Vec::new();
    let mut framer = Framer::new(plan.limits(), 0);
    let mut at = 0;
    let mut stretches = Vec::new();
    while let Some(stretch) = framer.next(&bytes, &mut at) {
        stretches.push(stretch);
    }
    stretches.extend(framer.finish());
    // One by one, so that each is told with its own reason.
    for (place, stretch) in stretches.iter().enumerate() {
        let (record, offset) = (place as u64 + 1, stretch.range.start);
        reader.read(
            plan,
            &context,
            &bytes[offset as usize..stretch.range.end as usize],
            &mut rows,
        );
        for rejected in &rows.rejected {
            let table = rejected.table.map(|table| plan.tables().as_slice()[table].name.clone());
            result.push(landed(
                record,
                offset,
                table,
                None,
                Some(rejected.code.as_str()),
                rejected.message.clone().into_owned(),
            ));
        }
        for (table, rows) in plan.tables().iter().zip(&rows.tables) {
            for hour in &rows.hours {
                let partition = format!("{}/{}", table.name, table.layout.prefix(*hour));
                result.push(landed(
                    record,
                    offset,
                    Some(table.name.clone()),
                    Some(partition),
                    None,
                    because(table),
                ));
            }
        }
    }
    Ok(result)
}

fn print(checked: &Checked) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for CheckedTable {
        table,
        columns,
        layout,
        takes,
    } in &checked.tables
    {
        writeln!(out, "ok  {table}: {columns} columns, {layout}; takes {takes}")?;
    }
    let mut source = "";
    for landed in &checked.sample {
        if landed.source != source {
            source = &landed.source;
            writeln!(out, "\n{source}")?;
        }
        let place = match (&landed.partition, landed.quarantined) {
            (Some(partition), _) => format!("{partition}  because {}", landed.why),
            (None, code) => format!("quarantine: {}  {}", code.unwrap_or_default(), landed.why),
        };
        writeln!(out, "  record {} at byte {}: {place}", landed.record, landed.offset)?;
    }
    Ok(())
}
