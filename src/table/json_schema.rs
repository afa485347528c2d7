//! The JSON Schema of schema files, for editors and CI: `schemas/table.schema.json`.
//!
//! Generated from [`super::config`], so that it knows the keys that are read. It accepts every valid file; what it cannot
//! say, such as types and overlapping routes, the check at load says.

use schemars::generate::SchemaSettings;

use super::config::TableConfig;

/// The JSON Schema (draft 7, which editors know best) of one schema file.
#[must_use]
pub fn table_json_schema() -> serde_json::Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    settings
        .into_generator()
        .into_root_schema_for::<TableConfig>()
        .to_value()
}
