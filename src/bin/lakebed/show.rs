//! What a verb found, in words or as JSON.

mod reconciled;
mod swept;

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};
use indicatif::{HumanBytes, HumanCount};
use lakebed::dry_run::DryRun;
use lakebed::emf::Invocation;
use lakebed::report::{Failed, Summary};
use lakebed::verify::Report;
use serde::Serialize;

pub(crate) use reconciled::reconciled;
pub(crate) use swept::swept;

use crate::Refused;

/// Entries of a list that are shown to people; `--json` has all.
const LISTED_MAX: usize = 20;
/// What is hidden among files, and among objects.
const PASSED_OVER: &str = "names beginning with `.` or `_`, and empty objects that stand for folders";

/// A line on stderr.
pub(crate) fn note(text: &str) {
    // Nowhere is left to say it where stderr is closed.
    drop(writeln!(io::stderr(), "lakebed: {text}"));
}

/// What an invocation did, on stderr: stdout has the answer.
pub(crate) fn invocation(did: &Invocation, troubles: &[String]) {
    for trouble in troubles {
        note(&shown(trouble));
    }
    let Invocation {
        objects,
        objects_already,
        objects_failed,
        objects_damaged,
        records,
        rows,
        quarantined,
        ..
    } = did;
    note(&format!(
        "{}: {} already loaded, {} failed, {} damaged; {}: {} rows, {} quarantined",
        count(*objects, "object"),
        HumanCount(*objects_already),
        HumanCount(*objects_failed),
        HumanCount(*objects_damaged),
        count(*records, "record"),
        HumanCount(*rows),
        HumanCount(quarantined.values().sum()),
    ));
}

/// Prints one JSON document on stdout.
pub(crate) fn json(data: &impl Serialize) -> Result<(), Refused> {
    let text = serde_json::to_string_pretty(data).map_err(|error| Refused::failed(format!("print: {error}")))?;
    print(&format!("{text}\n"))
}

fn print(text: &str) -> Result<(), Refused> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever read as much as they wanted, as `head` does, has been served.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Refused::failed(format!("print: {error}"))),
        _ => Ok(()),
    }
}

/// A name from outside, without what a terminal would take for a command.
fn shown(text: &str) -> String {
    let escaped = |c: char| c.is_control().then(|| c.escape_debug().to_string());
    text.chars()
        .map(|c| escaped(c).unwrap_or_else(|| c.to_string()))
        .collect()
}

/// `1 object`, `1,200 objects`.
fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", HumanCount(number))
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

fn align_right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// What a backfill did.
pub(crate) fn summary(summary: &Summary, as_json: bool) -> Result<(), Refused> {
    match as_json {
        true => json(summary),
        false => print(&summed_up(summary)),
    }
}

fn summed_up(summary: &Summary) -> String {
    let mut text = String::new();
    let sources = &summary.sources;
    if sources.done == 0 && sources.failed == 0 && sources.already > 0 {
        let again = match summary.verb {
            "backfill" => " (--reload loads them again)",
            _ => "",
        };
        text += &format!("{} already loaded, 0 new{again}\n", count(sources.already, "object"));
        return text;
    }
    if sources.found == 0 {
        text += "no objects found";
        if sources.unselected > 0 {
            text += &format!(
                ", {} left out by --since, --until or --glob",
                HumanCount(sources.unselected)
            );
        }
        if sources.hidden > 0 {
            text += &format!(", {PASSED_OVER} are passed over");
        }
        text += "\n";
        return text;
    }
    let records = &summary.records;
    text += &format!(
        "{} loaded ({}), {} already loaded, {} failed, {} damaged\n{}: {} rows, {} quarantined{}\n\n",
        count(sources.done, "object"),
        HumanBytes(sources.bytes),
        HumanCount(sources.already),
        HumanCount(sources.failed),
        HumanCount(sources.damaged),
        count(records.read, "record"),
        HumanCount(records.rows),
        HumanCount(records.quarantined),
        transformed(records.dropped, records.added),
    );
    if summary.replaced_jobs > 0 {
        let line = format!(
            "{} of earlier runs replaced: all objects of such a job are loaded again with those that changed\n",
            count(summary.replaced_jobs, "job")
        );
        text.insert_str(text.len() - 1, &line);
    }
    if sources.hidden > 0 {
        let hidden = HumanCount(sources.hidden);
        text.insert_str(text.len() - 1, &format!("{hidden} passed over: {PASSED_OVER}\n"));
    }
    let mut tables = table(&["table", "rows", "files", "size", "hours", "first hour", "last hour"]);
    for (name, table) in summary.tables.iter().filter(|(_, table)| table.rows > 0) {
        let hour = |hour: &Option<String>| hour.clone().unwrap_or_default();
        tables.add_row([
            name.clone(),
            HumanCount(table.rows).to_string(),
            HumanCount(table.files).to_string(),
            HumanBytes(table.bytes).to_string(),
            HumanCount(table.hours).to_string(),
            hour(&table.first_hour),
            hour(&table.last_hour),
        ]);
    }
    align_right(&mut tables, &[1, 2, 3, 4]);
    if !tables.is_empty() {
        text += &format!("{tables}\n");
    }
    if !summary.quarantined.is_empty() {
        let mut codes = table(&["quarantined", "records"]);
        for (code, count) in &summary.quarantined {
            codes.add_row([code.clone(), HumanCount(*count).to_string()]);
        }
        align_right(&mut codes, &[1]);
        text += &format!("\n{codes}\n");
    }
    text += &next(summary);
    text
}

/// What transforms took and gave, if anything: then records are not as many as rows and rejects.
fn transformed(dropped: u64, added: u64) -> String {
    let what = |number: u64, what: &str| match number {
        0 => String::new(),
        number => format!(", {} {what}", HumanCount(number)),
    };
    what(dropped, "dropped") + &what(added, "added")
}

/// What became of the lake's own quarantine.
pub(crate) fn replayed(summary: &Summary, dry_run: bool, as_json: bool) -> Result<(), Refused> {
    if as_json {
        return json(summary);
    }
    let replayed = summary.replayed.unwrap_or_default();
    let entries = |number: u64| match number {
        1 => "1 entry".to_owned(),
        number => format!("{} entries", HumanCount(number)),
    };
    let tried = replayed.entries;
    let mut text = match (replayed.jobs, tried.entries) {
        (0, _) => "nothing is in quarantine there\n".to_owned(),
        (jobs, 0) if replayed.jobs_already == jobs => format!(
            "{} of {} were read under these schemas before, 0 to read again\n",
            entries(replayed.entries_already),
            count(jobs, "job"),
        ),
        (jobs, _) => format!(
            "{} of {} read again: {} {}, {} rejected again, {} of which no whole record was kept{}\n",
            entries(tried.entries),
            count(jobs - replayed.jobs_already - replayed.jobs_failed, "job"),
            HumanCount(tried.rows),
            if dry_run { "would be rows" } else { "are rows now" },
            HumanCount(tried.quarantined),
            HumanCount(tried.partial),
            transformed(tried.dropped, 0),
        ),
    };
    if dry_run {
        text += "nothing was written\n";
    }
    if replayed.jobs_replaced > 0 {
        text += &format!(
            "{} replaced by others, to which the rows that were there are copied\n",
            count(replayed.jobs_replaced, "job")
        );
    }
    if tried.entries > 0 && replayed.entries_already > 0 {
        text += &format!(
            "{} were read under these schemas before\n",
            entries(replayed.entries_already)
        );
    }
    if replayed.jobs_unfinished > 0 {
        text += &format!(
            "{} with entries not ended: wait for it, or run `lakebed sweep`, and replay again\n",
            count(replayed.jobs_unfinished, "job")
        );
    }
    if tried.partial > 0 {
        text += "of broken objects and records over 1 MiB, quarantine keeps a part: load their objects again (backfill --reload)\n";
    }
    print(&(text + &next(summary)))
}

/// What to look at next.
fn next(summary: &Summary) -> String {
    let mut lines = Vec::new();
    // One reason often stops many sources: it is told once.
    let mut reasons: Vec<(&Failed, usize)> = Vec::new();
    for failed in &summary.failed {
        let same = |(first, _): &&mut (&Failed, usize)| first.code == failed.code && first.message == failed.message;
        match reasons.iter_mut().find(same) {
            Some((_, count)) => *count += 1,
            None => reasons.push((failed, 1)),
        }
    }
    for (first, count) in reasons.iter().take(LISTED_MAX) {
        let again = if first.transient { "; run again" } else { "" };
        let others = if *count > 1 {
            format!(" and {} more", count - 1)
        } else {
            String::new()
        };
        lines.push(format!(
            "{}{others}: {} ({}{again})",
            shown(&first.source),
            shown(&first.message),
            first.code
        ));
    }
    if reasons.len() > LISTED_MAX {
        lines.push(format!(
            "and {} more failures; --json lists all",
            reasons.len() - LISTED_MAX
        ));
    }
    for (name, table) in &summary.tables {
        let seen = &table.seen;
        if seen.outside_projection > 0 {
            let rows = HumanCount(seen.outside_projection);
            lines.push(format!(
                "{name}: {rows} rows are outside `projection`; Athena does not see them until it is widened"
            ));
        }
        if !seen.unknown.is_empty() {
            let mut names: Vec<_> = seen.unknown.iter().collect();
            names.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), (*name).clone()));
            let listed: Vec<_> = names
                .iter()
                .take(5)
                .map(|(name, count)| format!("{} ({count})", shown(name)))
                .collect();
            let more = if names.len() > 5 { ", ..." } else { "" };
            lines.push(format!(
                "{name}: {} that no column takes: {}{more}",
                count(names.len() as u64, "field"),
                listed.join(", ")
            ));
        }
        for (column, count) in &seen.set_null {
            lines.push(format!(
                "{name}.{column}: {} values that do not fit were set to NULL",
                HumanCount(*count)
            ));
        }
        if seen.epoch_units() > 1 {
            let forms: Vec<_> = seen.time_forms.keys().map(String::as_str).collect();
            lines.push(format!(
                "{name}: event times in several epoch units ({}); is that meant?",
                forms.join(", ")
            ));
        }
    }
    if summary.records.quarantined > 0 {
        lines.push(format!(
            "rejected records and why: {}/_lakebed/quarantine/ (gzip, a JSON object a line)",
            summary.lake
        ));
    }
    if lines.is_empty() {
        String::new()
    } else {
        format!("\nlook at next:\n  {}\n", lines.join("\n  "))
    }
}

/// What a backfill would do.
pub(crate) fn dry_run(result: &DryRun, as_json: bool) -> Result<(), Refused> {
    if as_json {
        return json(result);
    }
    let bytes: u64 = result.to_do.iter().map(|to_do| to_do.bytes).sum();
    let mut text = format!(
        "{} found, {} already loaded, {} to load ({}); nothing was written\n",
        count(result.found, "object"),
        HumanCount(result.already),
        HumanCount(result.to_do.len() as u64),
        HumanBytes(bytes)
    );
    for to_do in result.to_do.iter().take(LISTED_MAX) {
        text += &format!("  load {} ({})\n", shown(&to_do.source), HumanBytes(to_do.bytes));
    }
    if result.to_do.len() > LISTED_MAX {
        text += &format!("  and {} more; --json lists all\n", result.to_do.len() - LISTED_MAX);
    }
    for name in &result.overwritten {
        text += &format!("  changed since it was loaded, its rows are replaced: {name}\n");
    }
    let sample = &result.sample;
    if sample.objects > 0 {
        text += &format!(
            "\nthe first MiB of {} holds {}:\n",
            count(sample.objects, "object"),
            count(sample.records, "record")
        );
        let mut hours = table(&["table", "rows", "hours", "first hour", "last hour"]);
        for (name, by_hour) in &sample.tables {
            let edge = |edge: Option<&String>| edge.cloned().unwrap_or_default();
            hours.add_row([
                name.clone(),
                HumanCount(by_hour.values().sum()).to_string(),
                by_hour.len().to_string(),
                edge(by_hour.keys().next()),
                edge(by_hour.keys().next_back()),
            ]);
        }
        align_right(&mut hours, &[1, 2]);
        text += &format!("{hours}\n");
        for (number, what) in [
            (sample.dropped, "dropped by a transform"),
            (sample.added, "added by one"),
        ] {
            if number > 0 {
                text += &format!("  {} would be {what}\n", HumanCount(number));
            }
        }
        for (code, count) in &sample.quarantined {
            text += &format!("  {} would be quarantined: {code}\n", HumanCount(*count));
        }
        for (name, why) in &sample.unreadable {
            text += &format!("  {name}: {why}\n");
        }
    }
    print(&text)
}

/// What verifying a lake found.
pub(crate) fn verified(report: &Report, as_json: bool) -> Result<(), Refused> {
    if as_json {
        return json(report);
    }
    let mut text = String::new();
    let state = match (report.is_proved(), report.quick) {
        (true, false) => "proved",
        (true, true) => "as recorded",
        (false, _) => "NOT PROVED. As recorded",
    };
    let looked = match report.quick {
        true => "by keys and sizes; no file was opened",
        false => "by size, SHA-256, number of rows and entries, and each row under its hour",
    };
    text += &format!(
        "{state}: {} of {} ({}), {looked}\n",
        count(report.files, "file"),
        count(report.outcomes.done, "job"),
        HumanBytes(report.bytes),
    );
    text += &format!(
        "{} and {} of {}, each in one job and with its claim\n",
        count(report.rows, "row"),
        match report.entries {
            1 => "1 quarantine entry".to_owned(),
            entries => format!("{} quarantine entries", HumanCount(entries)),
        },
        count(report.sources, "source"),
    );
    if !report.quick && report.rows_by_footer > 0 {
        text += &format!(
            "{} in files without a column of event times: proved by the first and last time of their file\n",
            count(report.rows_by_footer, "row")
        );
    }
    if report.unfinished > 0 {
        text += &format!(
            "{} not finished: being loaded, or stopped; `lakebed sweep`, or the next load that meets its objects, finishes it\n",
            count(report.unfinished, "job")
        );
    }
    if !report.is_proved() {
        let all: u64 = report.codes.values().sum();
        text += &format!("\n{}:\n", count(all, "problem"));
        for problem in report.problems.iter().take(LISTED_MAX) {
            let (key, message) = (shown(&problem.key), shown(&problem.message));
            text += &format!("  {key}: {message} ({})\n", problem.code.as_str());
        }
        let listed = report.problems.len().min(LISTED_MAX) as u64;
        if all > listed {
            let codes = report.codes.iter();
            let codes: Vec<_> = codes
                .map(|(code, count)| format!("{} {}", HumanCount(*count), code.as_str()))
                .collect();
            let most = if report.problems_more > 0 {
                format!(" the first {}", HumanCount(report.problems.len() as u64))
            } else {
                " all".to_owned()
            };
            text += &format!(
                "  and {} more; --json lists{most} (in all: {})\n",
                HumanCount(all - listed),
                codes.join(", ")
            );
        }
    }
    print(&text)
}
