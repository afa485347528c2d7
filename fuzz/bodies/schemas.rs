//! Schema files: any text is a table that can be read with, or an error that says where.

use lakebed::record::{BlockRows, Reader, RecordPlan, SourceContext};
use lakebed::source::frame::FrameLimits;
use lakebed::table::Tables;

const RECORDS: &[u8] = b"{\"type\":\"t\",\"time\":\"2024-05-01T00:00:00Z\",\"id\":1,\"a\":{\"b\":[1,\"x\",null]}}\n{\"time\":1714521600}\n{}";

/// Any text as the file of a table, alone and beside a sound one.
pub(crate) fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let sound = "table: sound\nroute: { type: sound }\nevent_time: { field: time }\ncolumns: { id: bigint }\n";
    for beside in [vec![], vec![("sound.yaml".to_owned(), sound.to_owned())]] {
        let files = [vec![("t.yaml".to_owned(), text.to_string())], beside].concat();
        let count = files.len();
        match Tables::from_sources(files) {
            Err(errors) => assert!(errors.to_string().contains("t.yaml"), "{errors}"),
            Ok(tables) => {
                assert_eq!(tables.as_slice().len(), count);
                read(tables);
            }
        }
    }
}

fn read(tables: Tables) {
    for table in tables.iter() {
        assert!(
            table
                .name
                .bytes()
                .all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_')),
            "{}",
            table.name
        );
    }
    let limits = FrameLimits {
        record_bytes_max: 1 << 20,
        depth_max: 128,
    };
    let plan = RecordPlan::new(tables, limits);
    let mut out = BlockRows::new(&plan);
    Reader::default().read(&plan, &SourceContext::new(&plan, "k", 1_714_564_800), RECORDS, &mut out);
    let rows: usize = out.tables.iter().map(lakebed::record::TableRows::len).sum();
    let ended = (rows + out.rejected.len()) as u64 + out.dropped;
    assert_eq!((out.read, ended), (3, 3 + out.added));
}
