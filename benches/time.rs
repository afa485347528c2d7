//! Event times to instants, in the forms that producers write most.

mod corpus;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use lakebed::record::time::{TimeFormats, TimeValue};

use corpus::ARRIVAL_S;

const VALUES: usize = 10_000;

/// How a time stands in a record.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    DotDate,
}

/// Name, format and zone of the schema, what is written, and how.
#[rustfmt::skip]
const FORMS: [(&str, &str, &str, &str, Kind); 8] = [
    ("local-micros", "auto", "UTC", "%Y-%m-%d %H:%M:%S%.6f", Kind::Text),
    ("rfc3339-millis", "auto", "UTC", "%Y-%m-%dT%H:%M:%S%.3fZ", Kind::Text),
    ("rfc3339-offset", "rfc3339", "UTC", "%Y-%m-%dT%H:%M:%S%.6f+00:00", Kind::Text),
    ("local-berlin", "auto", "Europe/Berlin", "%Y-%m-%d %H:%M:%S", Kind::Text),
    ("epoch-seconds", "auto", "UTC", "%s", Kind::Number),
    ("epoch-millis", "auto", "UTC", "%s%3f", Kind::Number),
    ("dot-date-micros", "auto", "UTC", "%s%.6f", Kind::DotDate),
    ("pattern", "%d/%b/%Y:%H:%M:%S %z", "UTC", "%d/%b/%Y:%H:%M:%S +0000", Kind::Text),
];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, format, zone, written, kind) in FORMS {
        let formats = TimeFormats::parse(&[format], zone).expect("the format is sound");
        let texts: Vec<String> = (0..VALUES).map(|place| write(place, written)).collect();
        let bytes: usize = texts.iter().map(String::len).sum();
        assert_eq!(read(&formats, &texts, kind), VALUES, "{name}: {}", texts[0]);

        let mut group = criterion.benchmark_group("time");
        group.throughput(Throughput::ElementsAndBytes {
            elements: VALUES as u64,
            bytes: bytes as u64,
        });
        group.bench_function(name, |bench| bench.iter(|| read(&formats, black_box(&texts), kind)));
        group.finish();
    }
    criterion.final_summary();
}

/// One of many times within two days.
fn write(place: usize, strftime: &str) -> String {
    let time_us = ARRIVAL_S * 1_000_000 - place as i64 * 17_280_123;
    let time = chrono::DateTime::from_timestamp_micros(time_us).expect("near 2019");
    time.format(strftime).to_string()
}

/// How many of the texts are times.
fn read(formats: &TimeFormats, texts: &[String], kind: Kind) -> usize {
    let value = |text| match kind {
        Kind::Text => TimeValue::Text(text),
        Kind::Number => TimeValue::Number(text),
        Kind::DotDate => TimeValue::DotDateSeconds(text),
    };
    let times = texts.iter().map(|text| formats.read(&value(text.as_str())));
    times.filter(|time| black_box(time).is_ok()).count()
}
