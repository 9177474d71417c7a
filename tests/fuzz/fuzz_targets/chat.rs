//! The `chat` example's reader of lines, held against a split of the whole text.
#![no_main]

#[path = "../../../examples/chat/lines.rs"]
mod lines;

use libfuzzer_sys::fuzz_target;
use lines::{Line, Lines};
use sinew_fuzz::{Pieces, split};

fuzz_target!(|input: &[u8]| {
    let (sizes, text) = split(input);
    for longest in [1, 10, 100] {
        let mut lines = Lines::new(Pieces::new(sizes, text), longest);
        let mut expected: Vec<_> = text.split(|&byte| byte == b'\n').collect();
        // Behind the last end there is no line.
        expected.pop_if(|last| last.is_empty());
        for raw in expected {
            let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
            match lines.next().expect("memory can be read").expect("there is another line") {
                Line::TooLong => assert!(raw.len() > longest),
                Line::Text(line) => {
                    assert!(raw.len() <= longest && !line.contains(char::is_control));
                    let clean = String::from_utf8_lossy(raw).replace(char::is_control, " ");
                    assert_eq!(line, clean);
                }
            }
        }
        assert_eq!(lines.next().expect("memory can be read"), None);
    }
});
