//! Time texts of a client: `from`, `until`, and lengths of time.

use graphite::{TimeZone, Window, interval, time};

/// 2026-11-21 19:30:00 UTC.
const NOW: i64 = 1_795_289_400;

/// What is read is a time that one can calculate with; an hour more is an hour more; and a window begins before it ends.
pub fn holds(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let zone = TimeZone::UTC;
    let read = time(text, NOW, &zone);
    match &read {
        Ok(seconds) => {
            assert!(seconds.unsigned_abs() < 1 << 42);
            let plain: String =
                text.chars().filter(|letter| !letter.is_whitespace() && !"_,".contains(*letter)).collect();
            let is_epoch =
                !plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_digit()) && plain.len() != 8;
            if !text.contains(['+', '-']) && !is_epoch && plain.len() != 8 {
                assert_eq!(time(&format!("{text}+1h"), NOW, &zone), Ok(seconds + 3_600));
            }
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "an error is a line"),
    }
    if let Ok(seconds) = interval(text) {
        assert!(seconds.unsigned_abs() < 1 << 40);
        let opposite =
            text.strip_prefix('-').map_or(format!("-{}", text.trim_start_matches('+')), str::to_owned);
        if !text.is_empty() && text != "-" && text != "+" {
            assert_eq!(interval(&opposite), Ok(-seconds));
        }
    }
    if let Ok(window) = Window::of(Some(text), None, NOW, &zone) {
        assert!(window.from < window.until);
        assert!(read.is_ok_and(|seconds| seconds == window.from || seconds == window.until));
    }
}
