//! What times were written as, counted per table so that a surprising mixture shows itself.

/// The unit of a number of ticks since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum EpochUnit {
    /// 1 s.
    Seconds,
    /// 1e-3 s.
    Millis,
    /// 1e-6 s.
    Micros,
    /// 1e-9 s.
    Nanos,
}

impl EpochUnit {
    /// Decimal digits between this unit and seconds: 0, 3, 6 or 9.
    #[inline]
    pub(super) fn digits_below_second(self) -> i64 {
        match self {
            Self::Seconds => 0,
            Self::Millis => 3,
            Self::Micros => 6,
            Self::Nanos => 9,
        }
    }
}

/// Which form and unit a time was written in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum TimeForm {
    /// Calendar text without a zone, `2019-10-12 02:37:22`.
    Iso,
    /// Calendar text with a zone or offset, `2019-10-12T02:37:22Z`.
    IsoZoned,
    /// A number of seconds.
    EpochS,
    /// A number of milliseconds.
    EpochMs,
    /// A number of microseconds.
    EpochUs,
    /// A number of nanoseconds.
    EpochNs,
    /// Seconds as the digits of a string.
    EpochSText,
    /// Milliseconds as the digits of a string.
    EpochMsText,
    /// Microseconds as the digits of a string.
    EpochUsText,
    /// Nanoseconds as the digits of a string.
    EpochNsText,
    /// A strftime pattern of the schema.
    Pattern,
    /// `{"$date": "2019-10-12T02:37:22Z"}`.
    DateIso,
    /// `{"$date": 1570847842000}`, and the same in `$numberLong`.
    DateMs,
    /// `{"$.date": "2019-10-12T02:37:22Z"}`.
    DotDateIso,
    /// `{"$.date": 1570847842}`.
    DotDateS,
}

impl TimeForm {
    /// Every form, each at its [`index`](Self::index).
    pub const ALL: [Self; 15] = [
        Self::Iso,
        Self::IsoZoned,
        Self::EpochS,
        Self::EpochMs,
        Self::EpochUs,
        Self::EpochNs,
        Self::EpochSText,
        Self::EpochMsText,
        Self::EpochUsText,
        Self::EpochNsText,
        Self::Pattern,
        Self::DateIso,
        Self::DateMs,
        Self::DotDateIso,
        Self::DotDateS,
    ];

    /// How many forms there are: the length of an array of counts.
    pub const COUNT: usize = Self::ALL.len();

    /// The name used in reports. Names never change: outcomes of years ago are added to those of today.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Iso => "iso",
            Self::IsoZoned => "iso_zoned",
            Self::EpochS => "epoch_s",
            Self::EpochMs => "epoch_ms",
            Self::EpochUs => "epoch_us",
            Self::EpochNs => "epoch_ns",
            Self::EpochSText => "epoch_s_text",
            Self::EpochMsText => "epoch_ms_text",
            Self::EpochUsText => "epoch_us_text",
            Self::EpochNsText => "epoch_ns_text",
            Self::Pattern => "pattern",
            Self::DateIso => "date_iso",
            Self::DateMs => "date_ms",
            Self::DotDateIso => "dot_date_iso",
            Self::DotDateS => "dot_date_s",
        }
    }

    /// The form's place in [`ALL`](Self::ALL), below [`COUNT`](Self::COUNT).
    #[inline]
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// The unit, where the form is a number. Two units in one table and job are worth a warning: a producer may have
    /// changed its unit, or a unit was guessed wrong.
    #[must_use]
    pub fn epoch_unit(self) -> Option<EpochUnit> {
        match self {
            Self::EpochS | Self::EpochSText | Self::DotDateS => Some(EpochUnit::Seconds),
            Self::EpochMs | Self::EpochMsText | Self::DateMs => Some(EpochUnit::Millis),
            Self::EpochUs | Self::EpochUsText => Some(EpochUnit::Micros),
            Self::EpochNs | Self::EpochNsText => Some(EpochUnit::Nanos),
            Self::Iso | Self::IsoZoned | Self::Pattern | Self::DateIso | Self::DotDateIso => None,
        }
    }

    /// The form of a number in `unit`, a JSON number or the digits of a string.
    #[inline]
    pub(super) fn of_number(unit: EpochUnit, text: bool) -> Self {
        match (unit, text) {
            (EpochUnit::Seconds, false) => Self::EpochS,
            (EpochUnit::Millis, false) => Self::EpochMs,
            (EpochUnit::Micros, false) => Self::EpochUs,
            (EpochUnit::Nanos, false) => Self::EpochNs,
            (EpochUnit::Seconds, true) => Self::EpochSText,
            (EpochUnit::Millis, true) => Self::EpochMsText,
            (EpochUnit::Micros, true) => Self::EpochUsText,
            (EpochUnit::Nanos, true) => Self::EpochNsText,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_form_has_its_own_index_and_name() {
        for (index, form) in TimeForm::ALL.into_iter().enumerate() {
            assert_eq!(form.index(), index, "{form:?}");
            assert!(
                form.name()
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{form:?}"
            );
        }
        let names: BTreeSet<_> = TimeForm::ALL.into_iter().map(TimeForm::name).collect();
        assert_eq!(names.len(), TimeForm::COUNT);
    }

    #[test]
    fn a_number_keeps_its_unit_in_its_form() {
        for unit in [
            EpochUnit::Seconds,
            EpochUnit::Millis,
            EpochUnit::Micros,
            EpochUnit::Nanos,
        ] {
            for text in [false, true] {
                let form = TimeForm::of_number(unit, text);
                assert_eq!(form.epoch_unit(), Some(unit));
                assert_eq!(form.name().ends_with("_text"), text);
            }
        }
    }
}
