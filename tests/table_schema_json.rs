//! `schemas/table.schema.json` is generated; it must not fall behind the keys that are read.

use std::path::Path;
use std::{env, fs};

use lakebed::table::table_json_schema;

#[test]
fn the_json_schema_in_the_repository_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/table.schema.json");
    let generated = table_json_schema();
    if env::var_os("UPDATE_GOLDEN").is_some() {
        let text = serde_json::to_string_pretty(&generated).unwrap() + "\n";
        fs::write(&path, text).unwrap();
    }
    let committed: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(committed, generated, "UPDATE_GOLDEN=1 cargo test writes it anew");
}
