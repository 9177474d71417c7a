//! What is served: the greeting at `/`, and the files of a folder.
//!
//! No path leads out of the folder. [`target`](super::target) lets no `..` and no separator through, and what is left
//! is resolved with all its symbolic links before it is opened: a result that is not below the folder is not found. A
//! folder in which someone changes links while it is served is outside of this promise.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::request::{Head, Method};
use super::target::{self, Target};

const GREETING: &str = "Hello from a green thread.\n";

/// What is read from a file at once.
const CHUNK: u64 = 256 * 1024;

/// What this server serves.
pub(crate) struct Site {
    /// The folder, resolved.
    root: Option<PathBuf>,
}

/// An answer to a well-formed request.
pub(crate) enum Answer {
    Short(Short),
    File(Opened),
}

/// An answer that fits in memory.
pub(crate) struct Short {
    pub(crate) status: &'static str,
    /// A further field, for a status that needs one.
    pub(crate) field: Option<(&'static str, String)>,
    pub(crate) body: Cow<'static, str>,
}

impl Short {
    /// A status whose text is its body.
    pub(crate) fn status(status: &'static str) -> Short {
        Short { status, field: None, body: format!("{status}\n").into() }
    }
}

/// A file to be sent.
pub(crate) struct Opened {
    /// `None` only while the blocking pool has it.
    file: Option<File>,
    pub(crate) length: u64,
    pub(crate) kind: &'static str,
}

impl Opened {
    /// The next bytes, at most `left` of them, read on the blocking pool.
    pub(crate) fn read(&mut self, left: u64) -> io::Result<Vec<u8>> {
        let file = self.file.take();
        let (file, result) = sinew::thread::blocking(move || {
            let mut chunk = Vec::new();
            let read = file.as_ref().map(|file| file.take(left.min(CHUNK)).read_to_end(&mut chunk));
            (file, read.unwrap_or(Ok(0)).map(|_| chunk))
        });
        self.file = file;
        match result {
            Ok(chunk) if chunk.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            result => result,
        }
    }
}

impl Site {
    /// Serves the greeting alone.
    pub(crate) fn greeting() -> Site {
        Site { root: None }
    }

    /// Serves the files below `root`.
    pub(crate) fn folder(root: &Path) -> io::Result<Site> {
        let root = fs::canonicalize(root)?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Site { root: Some(root) })
    }

    /// The answer to a request.
    pub(crate) fn answer(&self, head: &Head) -> Answer {
        if head.method == Method::Other {
            let allow = Some(("Allow", "GET, HEAD".to_owned()));
            return Answer::Short(Short { field: allow, ..Short::status("405 Method Not Allowed") });
        }
        let target = match target::parse(&head.target) {
            Ok(Some(target)) => target,
            Ok(None) => return Answer::Short(Short::status("404 Not Found")),
            Err(refusal) => return Answer::Short(Short::status(refusal.0)),
        };
        let is_top = target.names.is_empty();
        let greeting = Answer::Short(Short { status: "200 OK", field: None, body: GREETING.into() });
        let found = match &self.root {
            Some(root) => {
                let root = root.clone();
                sinew::thread::blocking(move || find(&root, &target))
            }
            None if is_top => return greeting,
            None => Answer::Short(Short::status("404 Not Found")),
        };
        match found {
            Answer::Short(short) if is_top && short.status.starts_with("404") => greeting,
            found => found,
        }
    }
}

/// Opens what the target names below the folder. Runs on the blocking pool.
fn find(root: &Path, target: &Target) -> Answer {
    let mut path = root.to_owned();
    path.extend(&target.names);
    if target.is_folder {
        path.push("index.html");
    }
    match open(root, &path) {
        Ok(Some(file)) => Answer::File(file),
        // A folder without its slash: relative links in its page would miss it.
        Ok(None) if !target.is_folder => Answer::Short(Short {
            field: Some(("Location", target.with_slash())),
            ..Short::status("301 Moved Permanently")
        }),
        Ok(None) => Answer::Short(Short::status("404 Not Found")),
        Err(error) => Answer::Short(Short::status(match error.kind() {
            io::ErrorKind::PermissionDenied => "403 Forbidden",
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => "404 Not Found",
            _ => {
                eprintln!("http: {}: {error}", path.display());
                "500 Internal Server Error"
            }
        })),
    }
}

/// Opens a file below the folder; `None` if the path names a folder.
fn open(root: &Path, path: &Path) -> io::Result<Option<Opened>> {
    let path = fs::canonicalize(path)?;
    if !path.starts_with(root) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let kind = fs::metadata(&path)?;
    if kind.is_dir() {
        return Ok(None);
    }
    if !kind.is_file() {
        // Opening a pipe would wait for its other end.
        return Err(io::ErrorKind::NotFound.into());
    }
    let file = File::open(&path)?;
    let length = file.metadata()?.len();
    Ok(Some(Opened { file: Some(file), length, kind: media_type(&path) }))
}

fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html" | "htm") => "text/html; charset=utf-8",
        Some("txt" | "md" | "rs" | "toml") => "text/plain; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("ico") => "image/x-icon",
        Some("pdf") => "application/pdf",
        _ => "application/octet-stream",
    }
}
