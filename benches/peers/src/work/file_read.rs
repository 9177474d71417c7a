//! Random reads of 4 KiB from a file, 32 under way at once: of what the page cache holds, and past it (`O_DIRECT`), where
//! each read asks the disk. Each page begins with its number, and each read checks it.
//!
//! What the page cache holds sinew reads at once on the calling thread, by either driver: the cached row shows that way, and no
//! ring.
//!
//! tokio twice: by its `File`, which has no reads at an offset, so that each is a seek and a read on its blocking pool; and by
//! one call on that pool for each read. The first has a buffer of its own, which no direct read can use.

use std::fs::File;
use std::io::{SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::model::{Entry, Outcome, Row, Sample, Scale, at_least_times};
use crate::peers::on_tokio::Flavour;
use crate::peers::{on_sinew, program};

const PAGE: usize = 4096;
const PAGES: u64 = 1 << 17;
/// Reads that are under way at once.
const DEPTH: u64 = 32;
const WORKERS: usize = 2;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Cached,
    Direct,
}

impl Way {
    fn count(self, scale: Scale) -> u64 {
        scale.of(if self == Way::Cached { 300_000 } else { 50_000 }, 10 * DEPTH)
    }

    fn flags(self) -> i32 {
        if self == Way::Direct { libc::O_DIRECT } else { 0 }
    }

    fn open(self, path: &Path) -> Result<File, String> {
        File::options().read(true).custom_flags(self.flags()).open(path).map_err(|e| e.to_string())
    }
}

/// A buffer as direct reads need it.
#[repr(align(4096))]
struct Page([u8; PAGE]);

impl Page {
    fn new() -> Box<Page> {
        Box::new(Page([0; PAGE]))
    }

    fn check(&self, number: u64) {
        assert_eq!(self.0[..8], number.to_le_bytes(), "another page was read");
    }
}

/// The file of half a GiB, made at its first use beside this program, and of which the page cache holds all if it is to.
fn data(way: Way) -> Result<PathBuf, String> {
    let make = || {
        let path = std::env::current_exe()?.with_file_name("pages");
        if !std::fs::metadata(&path).is_ok_and(|data| data.len() == PAGES * PAGE as u64) {
            let mut file = std::io::BufWriter::with_capacity(1 << 20, File::create(&path)?);
            let mut page = Page::new();
            for number in 0..PAGES {
                page.0[..8].copy_from_slice(&number.to_le_bytes());
                file.write_all(&page.0)?;
            }
            file.flush()?;
            file.get_ref().sync_all()?;
        }
        if way == Way::Cached {
            std::io::copy(&mut File::open(&path)?, &mut std::io::sink())?;
        }
        Ok(path)
    };
    make().map_err(|e: std::io::Error| e.to_string())
}

/// The pages that one of the readers reads, by Marsaglia's xorshift.
fn pages(reader: u64, count: u64) -> impl Iterator<Item = u64> {
    let mut state = (reader + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..count).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % PAGES
    })
}

/// Has `read` done with the file's path, and gives its rate.
fn entry(label: &str, way: Way, mut read: impl FnMut(&Path, u64) -> Result<(), String> + 'static) -> Entry {
    let mut path = None;
    Entry::new(label, move |scale| -> Outcome {
        let path = match &mut path {
            Some(path) => path,
            none => none.insert(data(way)?),
        };
        let each = way.count(scale) / DEPTH;
        let began = Instant::now();
        read(path, each)?;
        Ok(Sample::new((each * DEPTH) as f64 / began.elapsed().as_secs_f64()))
    })
}

fn on_sinew(label: &str, way: Way, runtime: fn() -> sinew::Runtime) -> Entry {
    let mut kept = None;
    entry(label, way, move |path, each| {
        let runtime: &mut sinew::Runtime = kept.get_or_insert_with(runtime);
        runtime.run(|| {
            let file = sinew::fs::OpenOptions::new().read(true).custom_flags(way.flags()).open(path);
            let file = file.map_err(|e| e.to_string())?;
            sinew::scope(|scope| {
                for reader in 0..DEPTH {
                    let file = &file;
                    scope.spawn(move || {
                        let mut page = Page::new();
                        for number in pages(reader, each) {
                            file.read_exact_at(&mut page.0, number * PAGE as u64).expect("a page");
                            page.check(number);
                        }
                    });
                }
            });
            Ok(())
        })
    })
}

fn uring() -> sinew::Runtime {
    let builder = sinew::Runtime::builder().workers(WORKERS).io_driver(sinew::runtime::IoDriver::Uring);
    builder.build().expect("sinew's runtime starts")
}

fn on_std(way: Way) -> Entry {
    entry("std/32", way, move |path, each| {
        let file = &way.open(path)?;
        std::thread::scope(|scope| {
            for reader in 0..DEPTH {
                scope.spawn(move || {
                    let mut page = Page::new();
                    for number in pages(reader, each) {
                        file.read_exact_at(&mut page.0, number * PAGE as u64).expect("a page");
                        page.check(number);
                    }
                });
            }
        });
        Ok(())
    })
}

/// One call on the blocking pool for each read.
fn on_tokio(way: Way) -> Entry {
    let mut kept = None;
    entry("tokio/blocking2", way, move |path, each| {
        let runtime = kept.get_or_insert_with(|| Flavour::Multi(WORKERS).build());
        let file = Arc::new(way.open(path)?);
        let reader = move |reader| {
            let file = Arc::clone(&file);
            async move {
                let mut page = Page::new();
                for number in pages(reader, each) {
                    let file = Arc::clone(&file);
                    let read = tokio::task::spawn_blocking(move || {
                        file.read_exact_at(&mut page.0, number * PAGE as u64).expect("a page");
                        page
                    });
                    page = read.await.expect("it does not panic");
                    page.check(number);
                }
            }
        };
        wait_for_all(runtime, reader)
    })
}

/// tokio's own files.
fn on_tokio_files() -> Entry {
    let mut kept = None;
    entry("tokio/fs2", Way::Cached, move |path, each| {
        let runtime = kept.get_or_insert_with(|| Flavour::Multi(WORKERS).build());
        let path = path.to_owned();
        let reader = move |reader| {
            let path = path.clone();
            async move {
                let mut file = tokio::fs::File::open(path).await.expect("the file is there");
                let mut page = Page::new();
                for number in pages(reader, each) {
                    file.seek(SeekFrom::Start(number * PAGE as u64)).await.expect("it has this page");
                    file.read_exact(&mut page.0).await.expect("a page");
                    page.check(number);
                }
            }
        };
        wait_for_all(runtime, reader)
    })
}

fn wait_for_all<F>(runtime: &tokio::runtime::Runtime, reader: impl Fn(u64) -> F) -> Result<(), String>
where
    F: Future<Output = ()> + Send + 'static,
{
    let readers: Vec<_> = (0..DEPTH).map(|number| runtime.spawn(reader(number))).collect();
    runtime.block_on(async {
        for reader in readers {
            reader.await.map_err(|e| e.to_string())?;
        }
        Ok(())
    })
}

fn on_go(way: Way) -> Entry {
    let run = move |scale| {
        let mut command = program::go("file-read", WORKERS)?;
        command.arg(way.count(scale).to_string()).arg(data(way)?);
        program::run(command.arg(if way == Way::Direct { "direct" } else { "cached" }))
    };
    Entry::new("go/2", run).external()
}

fn entries(way: Way) -> [Entry; 5] {
    [
        on_sinew("sinew/2", way, || on_sinew::runtime(WORKERS)),
        on_sinew("sinew-uring/2", way, uring),
        on_tokio(way),
        on_std(way),
        on_go(way),
    ]
}

pub fn cached() -> Row {
    Row::new("file-read", "random reads of 4 KiB from a file in the page cache, 32 at once, 2 workers", "reads/s")
        .more_is_better()
        .entries(entries(Way::Cached))
        .entry(on_tokio_files())
        .goal(at_least_times("sinew-uring/2", 1.5, "tokio"))
}

pub fn direct() -> Row {
    Row::new("file-read-direct", "the same past the page cache (O_DIRECT), so that each asks the disk", "reads/s")
        .more_is_better()
        .entries(entries(Way::Direct))
        .goal(at_least_times("sinew-uring/2", 1.5, "tokio"))
}
