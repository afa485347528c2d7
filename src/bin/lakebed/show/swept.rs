//! What sweeping a lake did, in words.

use indicatif::HumanCount;
use lakebed::job::sweep::Report;

use super::{LISTED_MAX, count, json, print, shown};
use crate::Refused;

/// What a sweep did, or would do.
pub(crate) fn swept(report: &Report, as_json: bool) -> Result<(), Refused> {
    if as_json {
        return json(report);
    }
    print(&words(report))
}

fn words(report: &Report) -> String {
    let (jobs, uploads) = (&report.jobs, &report.uploads);
    let nothing = jobs.found == 0 && uploads.found == 0 && uploads.not_listed.is_none() && report.failed.is_empty();
    if nothing {
        return "nothing to sweep: no job is open, and no upload\n".to_owned();
    }
    let is_dry = report.dry_run;
    let say = |dry: &'static str, done: &'static str| if is_dry { dry } else { done };
    let mut text = say("nothing was written; a sweep does this:\n", "").to_owned();
    text += &format!(
        "{} in _lakebed/open/: {} {}; {}{} done, {} dead\n",
        count(jobs.found, "job"),
        HumanCount(jobs.settled),
        say("to settle", "settled now"),
        say("of the others ", ""),
        HumanCount(jobs.done),
        HumanCount(jobs.dead),
    );
    text += &format!(
        "{} of dead jobs {}, where they {} still there; {} that ended a day ago {} from it\n",
        count(report.files, "file"),
        say("to delete", "deleted"),
        say("are", "were"),
        count(jobs.dropped, "job"),
        say("to drop", "dropped"),
    );
    match &uploads.not_listed {
        Some(why) => text += &format!("open uploads were not looked at: {}\n", shown(why)),
        None => {
            text += &format!(
                "{}: {} {}, {} of open jobs, {} younger than seven days, {} of others\n",
                count(uploads.found, "open upload"),
                HumanCount(uploads.aborted),
                say("to abort", "aborted"),
                HumanCount(uploads.named),
                HumanCount(uploads.young),
                HumanCount(uploads.foreign),
            );
        }
    }
    if !report.failed.is_empty() {
        let all = report.failed.len() as u64 + report.failed_more;
        text += &format!("\n{} could not be settled:\n", HumanCount(all));
        for failed in report.failed.iter().take(LISTED_MAX) {
            let again = if failed.transient { "; sweep again" } else { "" };
            text += &format!("  {}: {}{again}\n", shown(&failed.key), shown(&failed.message));
        }
        let more = all.saturating_sub(LISTED_MAX as u64);
        if more > 0 {
            text += &format!("  and {} more; --json lists the first 1,000\n", HumanCount(more));
        }
    }
    text
}
