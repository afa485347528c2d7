//! A Parquet file as facts that readers rely on, one a line; and golden files that hold them.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use bytes::Bytes;
use parquet::basic::{Encoding, LogicalType, Repetition};
use parquet::column::page::Page;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::Type;

/// Compares with `tests/golden/<name>`.
pub(crate) fn assert_golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{name} holds\n{expected}\nand there is\n{found}\nUPDATE_GOLDEN=1 cargo test writes it anew"
    );
}

/// What a reader of the file relies on.
pub(crate) fn describe(file: Bytes) -> String {
    let reader = SerializedFileReader::new(file).unwrap();
    let metadata = reader.metadata();
    let mut out = String::new();
    describe_footer(metadata, &mut out);
    for place in 0..metadata.num_row_groups() {
        let group = metadata.row_group(place);
        writeln!(out, "row group of {} rows", group.num_rows()).unwrap();
        for (column, chunk) in group.columns().iter().enumerate() {
            let pages = reader
                .get_row_group(place)
                .unwrap()
                .get_column_page_reader(column)
                .unwrap();
            let pages: Vec<String> = pages.map(|page| page_line(&page.unwrap())).collect();
            writeln!(out, "  {}", chunk_line(chunk)).unwrap();
            pages.iter().for_each(|page| writeln!(out, "    {page}").unwrap());
        }
    }
    out
}

fn describe_footer(metadata: &ParquetMetaData, out: &mut String) {
    let footer = metadata.file_metadata();
    writeln!(out, "format version {}", footer.version()).unwrap();
    writeln!(out, "created by {}", footer.created_by().unwrap_or("nobody")).unwrap();
    let keys = footer
        .key_value_metadata()
        .into_iter()
        .flatten()
        .map(|entry| entry.key.as_str());
    let keys: Vec<&str> = keys.collect();
    writeln!(out, "metadata keys {}", keys.join(", ")).unwrap();
    let arrow = if keys.contains(&"ARROW:schema") { "an" } else { "no" };
    writeln!(out, "{arrow} Arrow schema").unwrap();
    writeln!(out, "columns").unwrap();
    for field in footer.schema().get_fields() {
        describe_type(field, 1, out);
    }
}

fn describe_type(field: &Type, depth: usize, out: &mut String) {
    let info = field.get_basic_info();
    let repetition = match info.repetition() {
        Repetition::REQUIRED => "required",
        Repetition::OPTIONAL => "optional",
        Repetition::REPEATED => "repeated",
    };
    let physical = match field {
        Type::GroupType { .. } => "group".to_owned(),
        Type::PrimitiveType {
            physical_type,
            type_length,
            ..
        } if *type_length >= 0 && physical_type.to_string().starts_with("FIXED") => {
            format!("{physical_type}({type_length})")
        }
        Type::PrimitiveType { physical_type, .. } => physical_type.to_string(),
    };
    let logical = info.logical_type_ref().map_or("none".to_owned(), logical);
    let (indent, name, converted) = ("  ".repeat(depth), info.name(), info.converted_type());
    writeln!(
        out,
        "{indent}{repetition} {physical} {name}, logical type {logical}, converted type {converted}"
    )
    .unwrap();
    if field.is_group() {
        field
            .get_fields()
            .iter()
            .for_each(|field| describe_type(field, depth + 1, out));
    }
}

fn logical(logical: &LogicalType) -> String {
    match logical {
        LogicalType::Integer(int) if int.is_signed => format!("INT({}, signed)", int.bit_width),
        LogicalType::Decimal(decimal) => format!("DECIMAL({}, {})", decimal.precision, decimal.scale),
        LogicalType::Timestamp(time) => {
            format!(
                "TIMESTAMP({:?}, isAdjustedToUTC={})",
                time.unit, time.is_adjusted_to_u_t_c
            )
        }
        other => format!("{other:?}").to_uppercase(),
    }
}

fn chunk_line(chunk: &ColumnChunkMetaData) -> String {
    let mut encodings: Vec<String> = chunk
        .encodings()
        .map(|encoding: Encoding| encoding.to_string())
        .collect();
    encodings.sort();
    let statistics = chunk.statistics().map_or("no statistics".to_owned(), |statistics| {
        let ends = match (statistics.min_bytes_opt(), statistics.max_bytes_opt()) {
            (Some(_), Some(_)) => "min, max",
            _ => "no min and max",
        };
        format!(
            "{ends}, {} nulls",
            statistics
                .null_count_opt()
                .map_or("unknown".into(), |nulls| nulls.to_string())
        )
    });
    let has = |is_there: bool, what: &str| format!("{}{what}", if is_there { "" } else { "no " });
    [
        chunk.column_path().to_string(),
        chunk.compression().to_string(),
        encodings.join(" "),
        statistics,
        has(chunk.column_index_length().is_some(), "column index"),
        has(chunk.offset_index_length().is_some(), "offset index"),
    ]
    .join("; ")
}

fn page_line(page: &Page) -> String {
    match page {
        Page::DictionaryPage {
            encoding, num_values, ..
        } => format!("dictionary page of {num_values}, {encoding}"),
        Page::DataPage {
            encoding,
            num_values,
            def_level_encoding,
            rep_level_encoding,
            ..
        } => {
            format!("data page v1 of {num_values}, {encoding}, levels {def_level_encoding} and {rep_level_encoding}")
        }
        Page::DataPageV2 {
            encoding, num_values, ..
        } => format!("data page v2 of {num_values}, {encoding}"),
    }
}
