//! Days as file formats count them to days of the calendar.

use jiff::Span;
use jiff::civil::Date;

/// The day that begins `days` days after 1970-01-01 (or so many before it); none outside the years that `jiff` knows, up to 9999.
pub(crate) fn day(days: i64) -> Option<Date> {
    const EPOCH: Date = Date::constant(1970, 1, 1);
    EPOCH.checked_add(Span::new().try_days(days).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_gregorian_calendar() {
        for (days, expect) in [
            (0, Some("1970-01-01")),
            (-25_567, Some("1900-01-01")),
            (11_016, Some("2000-02-29")),
            (20_147, Some("2025-02-28")),
            (2_932_896, Some("9999-12-31")),
            (2_932_897, None),
            (i64::MAX, None),
            (i64::MIN, None),
        ] {
            let found = day(days).map(|day| day.to_string());
            assert_eq!(found.as_deref(), expect, "{days}");
        }
    }
}
