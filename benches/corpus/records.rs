//! The records, and the dice that decide their values.

use chrono::DateTime;
use serde::Serialize;

const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 \
     Mobile/15E148 Safari/604.1",
    "curl/8.4.0",
];

/// A generator of its own (splitmix64), so that no release of a crate changes the corpus.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    fn one<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// A number with `decimals` digits behind the point.
    fn decimal(&mut self, from: i64, to: i64, decimals: i32) -> f64 {
        let unit = 10_f64.powi(decimals);
        let steps = ((to - from) as f64 * unit) as u64;
        (from as f64 * unit + self.below(steps) as f64) / unit
    }

    fn letters(&mut self, count: usize) -> String {
        let letter = |_| char::from(self.one(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"));
        (0..count).map(letter).collect()
    }

    fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        let (first, second, third) = (a >> 32, a >> 16 & 0xFFFF, a & 0xFFFF);
        format!(
            "{first:08x}-{second:04x}-{third:04x}-{:04x}-{:012x}",
            b >> 48,
            b & 0xFFFF_FFFF_FFFF
        )
    }
}

fn record_type(dice: &mut Dice) -> &'static str {
    match dice.below(30) {
        0 => "sign_up",
        1..5 => "login",
        5..25 => "page_view",
        25..28 => "purchase",
        _ => "logout",
    }
}

fn time(time_us: i64, format: &str) -> String {
    let time = DateTime::from_timestamp_micros(time_us).expect("near 2019");
    time.format(format).to_string()
}

#[derive(Serialize)]
pub(super) struct Flat {
    id: String,
    time: String,
    r#type: &'static str,
    content: String,
    state: &'static str,
}

impl Flat {
    pub(super) fn new(dice: &mut Dice, time_us: i64) -> Self {
        Self {
            id: dice.uuid(),
            time: time(time_us, "%Y-%m-%d %H:%M:%S%.6f"),
            r#type: record_type(dice),
            content: dice.letters(32),
            state: "raw",
        }
    }
}

#[derive(Serialize)]
pub(super) struct Wide {
    event_id: String,
    event_time: String,
    received_at: i64,
    r#type: &'static str,
    user_id: u64,
    session_id: String,
    url: String,
    referrer: Option<&'static str>,
    user_agent: &'static str,
    ip: String,
    is_bot: bool,
    status: u16,
    latency_ms: f64,
    bytes: u64,
    price: f64,
    currency: &'static str,
    qty: u64,
    geo: Geo,
    device: Device,
    tags: Vec<&'static str>,
    experiment: Option<&'static str>,
    message: String,
}

#[derive(Serialize)]
struct Geo {
    country: &'static str,
    city: &'static str,
    lat: f64,
    lon: f64,
}

#[derive(Serialize)]
struct Device {
    os: &'static str,
    w: u32,
    h: u32,
}

impl Wide {
    pub(super) fn new(dice: &mut Dice, time_us: i64) -> Self {
        let page = match dice.below(8) {
            0 => "/".to_owned(),
            1 => "/home".to_owned(),
            2 => format!("/product/{}", dice.below(5000)),
            3 => "/cart".to_owned(),
            4 => "/checkout".to_owned(),
            5 => format!("/search?q={}", dice.below(5000)),
            6 => "/help".to_owned(),
            _ => "/account/settings".to_owned(),
        };
        let tags = ["a", "beta", "promo", "new", "vip", "x1"];
        let first_tag = dice.below(6) as usize;
        Self {
            event_id: dice.uuid(),
            event_time: time(time_us, "%Y-%m-%dT%H:%M:%S%.3fZ"),
            received_at: time_us / 1000 + 5 + dice.below(9000) as i64,
            r#type: record_type(dice),
            user_id: 1 + dice.below(2_000_000),
            session_id: format!("{:016x}", dice.next()),
            url: format!("https://shop.example.com{page}"),
            referrer: dice.one(&[None, Some("https://www.example.org/"), Some("https://t.example/abc")]),
            user_agent: dice.one(&AGENTS),
            ip: [(); 4].map(|()| (1 + dice.below(254)).to_string()).join("."),
            is_bot: dice.below(20) == 0,
            status: dice.one(&[200, 200, 200, 204, 301, 404, 500]),
            latency_ms: dice.decimal(0, 200, 3),
            bytes: 100 + dice.below(200_000),
            price: dice.decimal(1, 500, 2),
            currency: dice.one(&["USD", "EUR", "CNY"]),
            qty: dice.below(6),
            geo: Geo {
                country: dice.one(&["US", "DE", "CN", "FR", "JP"]),
                city: dice.one(&["New York", "Berlin", "北京", "Paris", "東京"]),
                lat: dice.decimal(-90, 90, 6),
                lon: dice.decimal(-180, 180, 6),
            },
            device: Device {
                os: dice.one(&["windows", "ios", "android", "linux"]),
                w: dice.one(&[1920, 390, 412]),
                h: dice.one(&[1080, 844, 915]),
            },
            tags: tags
                .into_iter()
                .cycle()
                .skip(first_tag)
                .take(dice.below(4) as usize)
                .collect(),
            experiment: dice.one(&[Some("A"), Some("B"), None]),
            message: format!("user said \"{}\"\nok", dice.letters(12)),
        }
    }
}
