//! `lakebed schema check`: are the schema files sound, and where would these records land?

use std::io::Write as _;
use std::path::PathBuf;

use lakebed::load::chain;
use lakebed::record::judge::{Judge, Output, Verdict};
use lakebed::record::{RecordPlan, SourceContext};
use lakebed::settings::Flags;
use lakebed::source::blocks::{Block, Blocks};
use lakebed::source::frame::Framer;
use lakebed::source::inflate::{Hint, Inflate};
use lakebed::source::listing::{Selection, Source};
use lakebed::source::local;
use lakebed::table::{RouteValue, Table, Tables, UnknownFields};
use serde::Serialize;

use crate::{Exit, Refused, flags, show};

/// Records that change again, of which so many are shown.
const CHANGED_SHOWN_MAX: usize = 20;

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
    /// Records that a transform changes again when it is applied to what it gave.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_idempotent: Vec<Changed>,
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
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dropped: bool,
    why: String,
}

/// A record of which the transform's output does not stay what it is when it passes once more.
#[derive(Debug, Serialize)]
struct Changed {
    source: String,
    record: u64,
    /// Where it begins, from 1.
    line: u64,
    table: String,
    what: String,
}

/// What the records of one sample show.
#[derive(Debug, Default)]
struct Sampled {
    landed: Vec<Landed>,
    changed: Vec<Changed>,
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
        not_idempotent: Vec::new(),
    };
    for source in &listing.sources {
        let Sampled { landed, changed } = sample(&plan, source)?;
        checked.sample.extend(landed);
        checked.not_idempotent.extend(changed);
    }
    if args.json {
        show::json(&checked)?;
    } else {
        print(&checked).map_err(|error| Refused::failed(format!("print: {error}")))?;
    }
    Ok(if checked.not_idempotent.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
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

fn sample(plan: &RecordPlan, source: &Source) -> Result<Sampled, Refused> {
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
            dropped: false,
            why,
        }
    };
    let whole = |code, why: &str| Sampled {
        landed: vec![landed(1, 0, None, None, Some(code), why.to_owned())],
        ..Sampled::default()
    };
    let bytes = match block {
        Some(Block::Bytes { bytes, .. }) => bytes,
        None => return Ok(Sampled::default()),
        Some(Block::NotJson { .. }) => {
            return Ok(whole("Object.NotJson", "no JSON record begins in its first MiB"));
        }
        Some(Block::Oversized { .. }) => return Ok(whole("Record.TooLarge", "longer than a record may be")),
    };
    let context = SourceContext::new(plan, &source.name.key, source.version.last_modified_s);
    let mut judge = Judge::new(plan);
    let mut framer = Framer::new(plan.limits(), 0);
    let mut at = 0;
    let mut stretches = Vec::new();
    while let Some(stretch) = framer.next(&bytes, &mut at) {
        stretches.push(stretch);
    }
    stretches.extend(framer.finish());
    let mut sampled = Sampled::default();
    // One by one, so that each is told with its own reason.
    for (place, stretch) in stretches.iter().enumerate() {
        let (record, offset) = (place as u64 + 1, stretch.range.start);
        let text = &bytes[offset as usize..stretch.range.end as usize];
        let (table, outputs) = match judge.judge(&context, text) {
            Verdict::Taken { table, outputs } => (table, outputs),
            Verdict::Rejected { code, message, table } => {
                let (table, code) = (table.map(str::to_owned), Some(code.as_str()));
                let rejected = landed(record, offset, table, None, code, message.into_owned());
                sampled.landed.push(rejected);
                continue;
            }
        };
        let schema = plan.tables().get(table).expect("a record is taken by a table");
        if outputs.is_empty() {
            let why = "the transform gives nothing for it".to_owned();
            let dropped = landed(record, offset, Some(table.to_owned()), None, None, why);
            sampled.landed.push(Landed {
                dropped: true,
                ..dropped
            });
        }
        for output in &outputs {
            let partition = format!("{table}/{}", schema.layout.prefix(output.hour));
            let why = because(schema);
            let row = landed(record, offset, Some(table.to_owned()), Some(partition), None, why);
            sampled.landed.push(row);
        }
        if schema.transform.is_none() {
            continue;
        }
        let changed = outputs
            .iter()
            .find_map(|output| changed_again(&mut judge, &context, table, output));
        sampled.changed.extend(changed.map(|what| Changed {
            source: source.name.to_string(),
            record,
            line: bytes[..offset as usize].iter().filter(|byte| **byte == b'\n').count() as u64 + 1,
            table: table.to_owned(),
            what,
        }));
    }
    Ok(sampled)
}

/// What becomes of an output where it passes its transform once more, if it does not stay what it is.
fn changed_again(judge: &mut Judge<'_>, context: &SourceContext, table: &str, output: &Output) -> Option<String> {
    match judge.judge(context, &output.json) {
        Verdict::Rejected { code, message, .. } => Some(format!("is rejected then: {}  {message}", code.as_str())),
        Verdict::Taken { table: other, .. } if other != table => Some(format!("belongs to table {other} then")),
        Verdict::Taken { outputs, .. } => match outputs.as_slice() {
            [same] if same == output => None,
            [_] => Some("is changed again".to_owned()),
            [] => Some("is dropped then".to_owned()),
            several => Some(format!("becomes {} records then", several.len())),
        },
    }
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
            (None, None) => format!("dropped: {}", landed.why),
            (None, code) => format!("quarantine: {}  {}", code.unwrap_or_default(), landed.why),
        };
        writeln!(out, "  record {} at byte {}: {place}", landed.record, landed.offset)?;
    }
    if !checked.not_idempotent.is_empty() {
        writeln!(out)?;
    }
    let (shown, more) = checked
        .not_idempotent
        .split_at(checked.not_idempotent.len().min(CHANGED_SHOWN_MAX));
    for changed in shown {
        let Changed {
            source,
            record,
            line,
            table,
            what,
        } = changed;
        writeln!(
            out,
            "not idempotent: the transform of table {table}, applied twice: record {record} (line {line}) of {source} {what}"
        )?;
    }
    if !more.is_empty() {
        writeln!(out, "and {} more; --json lists all", more.len())?;
    }
    if !checked.not_idempotent.is_empty() {
        writeln!(
            out,
            "try: a filter that gives what it is given where that was transformed before"
        )?;
    }
    Ok(())
}
