//! The tables of a lake as their records tell: which folders hold data, and how these name hours.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::report::{Code, Problem};
use super::{Verifier, VerifyError, lake_key};
use crate::job::LakeError;
use crate::load::chain;
use crate::partition::hour::Layout;
use crate::store::{LakeKey, Objects};

/// What the lake keeps of a table, as far as it matters here.
#[derive(Deserialize)]
struct Record {
    table: String,
    layout: String,
}

/// Tables by name, each with its layout if that is known.
pub(super) type Tables = BTreeMap<String, Option<Layout>>;

impl Verifier<'_> {
    /// Every table that has a record.
    pub(super) async fn tables(&mut self) -> Result<Tables, VerifyError> {
        let mut tables = Tables::new();
        let store = self.lake.store().clone();
        let mut records = Objects::below(&*store, lake_key("_lakebed/tables"));
        while let Some(listed) = records.next().await? {
            let name = listed
                .key
                .file_name()
                .strip_suffix(".json")
                .unwrap_or_default()
                .to_owned();
            let (layout, problem) = self.table(&name, &listed.key).await?;
            problem.into_iter().for_each(|problem| self.report.add(problem));
            if is_table(&name) {
                tables.insert(name, layout);
            }
        }
        Ok(tables)
    }

    /// The layout of a table that outcomes name and that had no record when records were listed.
    pub(super) async fn add_table(&mut self, name: &str, tables: &mut Tables) -> Result<(), VerifyError> {
        if !tables.contains_key(name) {
            let (layout, problem) = self.table(name, &record_key(name)).await?;
            problem.into_iter().for_each(|problem| self.report.add(problem));
            tables.insert(name.to_owned(), layout);
        }
        Ok(())
    }

    async fn table(&self, name: &str, key: &LakeKey) -> Result<(Option<Layout>, Option<Problem>), VerifyError> {
        let record: Result<Option<(Record, _)>, LakeError> = self.lake.read_json(key).await;
        let record = match record {
            Err(error) if !Self::is_of_one_object(&error) => return Err(error.into()),
            record => record,
        };
        let why = match record {
            Ok(Some((record, _))) if record.table == name => match Layout::parse(&record.layout) {
                Some(layout) => return Ok((Some(layout), None)),
                None => format!("names the layout {:?}, which is none", record.layout),
            },
            Ok(Some(_)) => "is not the record of the table it is named after".to_owned(),
            Ok(None) => "is not there, and outcomes name the table".to_owned(),
            Err(error) => format!("is no record of a table ({})", chain(&error)),
        };
        let message =
            format!("{why}; bring it back from a backup, or the next load takes any columns and layout for the table");
        Ok((None, Some(Problem::new(Code::TableRecord, key, None, message))))
    }
}

/// A folder of data is that of a table, and none of the lake's own.
pub(super) fn is_table(name: &str) -> bool {
    !name.contains('/') && !name.starts_with('_') && LakeKey::new(name).is_ok()
}

fn record_key(table: &str) -> LakeKey {
    LakeKey::new(format!("_lakebed/tables/{table}.json")).unwrap_or_else(|_| lake_key("_lakebed/tables"))
}
