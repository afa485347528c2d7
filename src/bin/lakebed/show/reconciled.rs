//! What comparing raw objects with a lake found, in words.

use indicatif::{HumanBytes, HumanCount};
use lakebed::reconcile::{Report, Why};

use super::{LISTED_MAX, PASSED_OVER, count, json, print, shown, summed_up};
use crate::Refused;

/// What is missing, and what was done about it.
pub(crate) fn reconciled(report: &Report, as_json: bool) -> Result<(), Refused> {
    if as_json {
        return json(report);
    }
    print(&words(report))
}

fn words(report: &Report) -> String {
    let sources = &report.sources;
    let missing = sources.missing();
    let mut text = format!(
        "{} found, {} loaded, {} missing",
        count(sources.found, "object"),
        HumanCount(sources.loaded),
        HumanCount(missing)
    );
    if missing > 0 {
        text += &format!(
            " ({}): {} never loaded, {} overwritten since, {} of jobs that have not ended",
            HumanBytes(sources.missing_bytes),
            HumanCount(sources.never),
            HumanCount(sources.overwritten),
            HumanCount(sources.open)
        );
    }
    text += "\n";
    if sources.unselected > 0 {
        let left_out = HumanCount(sources.unselected);
        text += &format!("{left_out} left out by --since, --until or --glob\n");
    }
    if sources.hidden > 0 {
        text += &format!("{} passed over: {PASSED_OVER}\n", HumanCount(sources.hidden));
    }
    for unread in report.unread.iter().take(LISTED_MAX) {
        text += &format!(
            "  {}: what its job has may be told as missing: {}\n",
            shown(&unread.key),
            shown(&unread.message)
        );
    }
    let more = (report.unread.len().saturating_sub(LISTED_MAX)) as u64 + report.unread_more;
    if more > 0 {
        text += &format!("  and {} more records that cannot be read\n", HumanCount(more));
    }
    match &report.load {
        Some(summary) if missing > 0 => text += &format!("\n{}", summed_up(summary)),
        Some(_) => {}
        None => text += &listed(report),
    }
    text
}

/// The first of what is missing, and what to do about it.
fn listed(report: &Report) -> String {
    let mut text = String::new();
    for missing in &report.missing {
        let why = match missing.why {
            Why::Never => "never loaded".to_owned(),
            Why::Overwritten => "overwritten since it was loaded".to_owned(),
            Why::Open => match &missing.job {
                Some(job) => format!("in job {job}, which has not ended: sweep, or --load, finishes it"),
                None => "in a job that has not ended".to_owned(),
            },
        };
        text += &format!("  {} ({}): {why}\n", shown(&missing.source), HumanBytes(missing.bytes));
    }
    if report.missing_more > 0 {
        text += &format!("  and {} more\n", HumanCount(report.missing_more));
    }
    if report.sources.missing() > 0 {
        text += "load them with --load; --until 1h leaves out what may still be on its way\n";
    }
    text
}
