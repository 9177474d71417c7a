//! Command lines of the examples: `--name value`, `--name=value` and bare switches, read one by one. It is shared by
//! the examples through `#[path]`, so that none of them needs a parser crate for a handful of options.

use std::ffi::OsString;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

/// The longest time that an option may say, some thirty years: clocks can go so far without an overflow.
const LONGEST: Duration = Duration::from_secs(1_000_000_000);

/// The arguments still to be read.
pub(crate) struct Options {
    rest: std::vec::IntoIter<OsString>,
    /// The option read last, and its value if that came behind a `=`.
    name: String,
    attached: Option<String>,
}

impl Options {
    /// The arguments behind the program's name.
    pub(crate) fn new(args: impl IntoIterator<Item = OsString>) -> Options {
        Options { rest: args.into_iter().collect::<Vec<_>>().into_iter(), name: String::new(), attached: None }
    }

    /// The next option's name, with its dashes; `None` after the last.
    pub(crate) fn next(&mut self) -> Result<Option<String>, String> {
        if let Some(value) = self.attached.take() {
            return Err(format!("{} takes no value, but was given {value:?}", self.name));
        }
        let Some(arg) = self.rest.next() else { return Ok(None) };
        let arg = text(arg)?;
        match arg.split_once('=') {
            Some((name, value)) if name.starts_with("--") => {
                self.name = name.to_owned();
                self.attached = Some(value.to_owned());
            }
            _ => self.name = arg,
        }
        Ok(Some(self.name.clone()))
    }

    /// The value of the option read last.
    pub(crate) fn value(&mut self) -> Result<String, String> {
        match self.attached.take() {
            Some(value) => Ok(value),
            None => text(self.rest.next().ok_or_else(|| format!("{} needs a value", self.name))?),
        }
    }

    /// Everything behind the argument read last, as it is.
    #[allow(dead_code, reason = "not every example takes more than options")]
    pub(crate) fn rest(&mut self) -> Result<Vec<String>, String> {
        self.rest.by_ref().map(text).collect()
    }

    /// The value of the option read last, as a number from `least` to `most`; `10_000` may be written so.
    pub(crate) fn number<T: FromStr + PartialOrd + Display>(&mut self, least: T, most: T) -> Result<T, String> {
        let value = self.value()?;
        match value.replace('_', "").parse() {
            Ok(number) if number >= least && number <= most => Ok(number),
            _ => Err(format!("{} needs a number from {least} to {most}, not {value:?}", self.name)),
        }
    }

    /// The value of the option read last, as a time longer than none: `1s`, `250ms`, `1.5s`.
    #[allow(dead_code, reason = "not every example has one")]
    pub(crate) fn duration(&mut self) -> Result<Duration, String> {
        let value = self.value()?;
        let seconds = match (value.strip_suffix("ms"), value.strip_suffix('s')) {
            (Some(number), _) => number.parse::<f64>().map(|number| number / 1e3),
            (_, Some(number)) => number.parse(),
            _ => "".parse(),
        };
        match seconds.ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
            Some(duration) if !duration.is_zero() && duration <= LONGEST => Ok(duration),
            _ => Err(format!("{} needs a time such as 1s or 250ms, not {value:?}", self.name)),
        }
    }
}

fn text(arg: OsString) -> Result<String, String> {
    arg.into_string().map_err(|arg| format!("{arg:?} is not UTF-8"))
}
