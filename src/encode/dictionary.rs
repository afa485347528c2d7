//! Which columns of a file get a dictionary: those whose first rows repeat themselves.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use hashbrown::HashSet;

/// Rows looked at.
const SAMPLE_ROWS: usize = 4096;

/// The leaf arrays of a column, in the order of its Parquet columns.
pub(super) fn leaves(array: &ArrayRef) -> Vec<ArrayRef> {
    match array.data_type() {
        DataType::Struct(_) => array.as_struct().columns().iter().flat_map(leaves).collect(),
        DataType::List(_) => leaves(array.as_list::<i32>().values()),
        DataType::Map(..) => {
            let map = array.as_map();
            let mut both = leaves(map.keys());
            both.extend(leaves(map.values()));
            both
        }
        _ => vec![array.clone()],
    }
}

/// A dictionary is worth its cost where at most half of the values are new ones.
pub(super) fn pays_off(leaf: &ArrayRef) -> bool {
    let rows = leaf.len().min(SAMPLE_ROWS);
    let valid = (0..rows).filter(|row| leaf.is_valid(*row));
    match leaf.data_type() {
        DataType::Boolean => false,
        DataType::Utf8 => repeats(valid.map(|row| leaf.as_string::<i32>().value(row).as_bytes())),
        DataType::Binary => repeats(valid.map(|row| leaf.as_binary::<i32>().value(row))),
        _ => {
            let data = leaf.to_data();
            let width = data.data_type().primitive_width().unwrap_or(1);
            let bytes = &data.buffers()[0].as_slice()[data.offset() * width..];
            repeats(valid.map(|row| &bytes[row * width..(row + 1) * width]))
        }
    }
}

fn repeats<'a>(values: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut seen: HashSet<&[u8]> = HashSet::new();
    let mut count = 0;
    for value in values {
        count += 1;
        seen.insert(value);
    }
    seen.len() * 2 <= count
}
