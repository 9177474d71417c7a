//! The date as HTTP writes it.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

/// Hands `write` the present time, as in `Sun, 06 Nov 1994 08:49:37 GMT`. It is made anew once a second on each worker.
pub(crate) fn with_http_date<T>(write: impl FnOnce(&str) -> T) -> T {
    thread_local! {
        // Nothing here suspends, so no other green thread sees a half-made date.
        static LAST: RefCell<(u64, String)> = RefCell::new((0, format(0)));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    LAST.with_borrow_mut(|(second, text)| {
        if *second != now {
            (*second, *text) = (now, format(now));
        }
        write(text)
    })
}

/// The date so many seconds after 1970 began, by Howard Hinnant's `civil_from_days`: years begin in March there, so
/// that the leap day is a year's last, and 400 of them make an era of 146,097 days.
fn format(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year + u64::from(month >= 10);
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        DAYS[(days % 7) as usize],
        MONTHS[month as usize],
        second / 3_600,
        second / 60 % 60,
        second % 60,
    )
}
