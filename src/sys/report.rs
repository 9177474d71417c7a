//! Lines on stderr, written with one raw `write(2)` each: usable in a signal handler and inside the runtime (rule 6),
//! where std's locked stderr is not.

use std::fmt;

/// A text of fixed capacity; what does not fit is cut off. It allocates nothing.
#[derive(Debug)]
pub(crate) struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The text; a character that the capacity cut in two is left out.
    pub(crate) fn as_str(&self) -> &str {
        match str::from_utf8(self.as_bytes()) {
            Ok(text) => text,
            Err(error) => str::from_utf8(&self.bytes[..error.valid_up_to()]).unwrap_or_default(),
        }
    }

    /// Writes the text to stderr. Nothing can be done about a failure, so there is no result.
    pub(crate) fn to_stderr(&self) {
        write_stderr(self.as_bytes());
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let n = text.len().min(N - self.len);
        self.bytes[self.len..self.len + n].copy_from_slice(&text.as_bytes()[..n]);
        self.len += n;
        Ok(())
    }
}

/// Writes to stderr without std's lock and buffer. Async-signal-safe.
pub(crate) fn write_stderr(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the pointer and the length are those of one live slice.
        let n = unsafe { libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(n) {
            Ok(0) => return,
            Ok(n) => bytes = &bytes[n..],
            Err(_) if std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Text;
    use std::fmt::Write;

    #[test]
    fn a_text_is_cut_at_its_capacity_and_never_inside_a_character() {
        let mut text = Text::<5>::new();
        write!(text, "ab{}é", 12).unwrap();
        assert_eq!(text.as_bytes().len(), 5);
        assert_eq!(text.as_str(), "ab12");
    }
}
