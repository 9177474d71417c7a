//! Open files used in ways that an operation of a ring could get wrong: positions that several threads use, files that append,
//! every set of options, direct reads and operations that are cancelled. `SINEW_IO=uring` has them done by one.

mod common;
mod harness;

use std::{
    fs as theirs,
    io::{Read, Seek, SeekFrom, Write},
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{each_way, sleep, spawn};
use sinew::fs::{File, OpenOptions, unix::FileExt};

/// A path that is removed when this goes.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("sinew-files-{}-{number}", std::process::id())))
    }

    fn with(contents: &[u8]) -> Self {
        let new = Self::new();
        theirs::write(&new.0, contents).unwrap();
        new
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = theirs::remove_file(&self.0);
    }
}

/// Throws what can be thrown out of the page cache out.
fn forget(path: &Path) {
    let file = theirs::File::open(path).unwrap();
    file.sync_all().unwrap();
    // SAFETY: integers only.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
}

const THREADS: usize = 8;
const RECORD: usize = 100;

/// Records that each say their number all over.
fn record(number: usize) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record.chunks_mut(2).for_each(|part| part.copy_from_slice(&(number as u16).to_le_bytes()));
    record
}

fn numbers(bytes: &[u8]) -> Vec<usize> {
    let number = |part: &[u8]| {
        let number = usize::from(u16::from_le_bytes([part[0], part[1]]));
        assert_eq!(part, record(number), "records are mixed");
        number
    };
    let mut numbers: Vec<_> = bytes.chunks(RECORD).map(number).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn threads_that_write_at_one_position_overwrite_nothing() {
    for cloned in [false, true] {
        each_way(move || {
            let path = Temporary::new();
            let file = Arc::new(File::create(&path.0).unwrap());
            let thread = |thread| {
                let file = if cloned { Arc::new(file.try_clone().unwrap()) } else { file.clone() };
                spawn(move || {
                    for number in 0..50 {
                        assert_eq!((&*file).write(&record(thread * 50 + number)).unwrap(), RECORD);
                    }
                })
            };
            let threads: Vec<_> = (0..THREADS).map(thread).collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(numbers(&theirs::read(&path.0).unwrap()), (0..THREADS * 50).collect::<Vec<_>>());
            assert_eq!((&*file).stream_position().unwrap(), (THREADS * 50 * RECORD) as u64);
        });
    }
}

#[test]
fn threads_that_read_at_one_position_each_get_other_bytes() {
    each_way(|| {
        let all: Vec<u8> = (0..400).flat_map(record).collect();
        let path = Temporary::with(&all);
        forget(&path.0);
        let file = Arc::new(File::open(&path.0).unwrap());
        let got = Arc::new(Mutex::new(Vec::new()));
        let thread = |_| {
            let (file, got) = (file.clone(), got.clone());
            spawn(move || {
                loop {
                    let mut record = [0; RECORD];
                    match (&*file).read(&mut record).unwrap() {
                        0 => return,
                        len => got.lock().unwrap().extend_from_slice(&record[..len]),
                    }
                }
            })
        };
        let threads: Vec<_> = (0..THREADS).map(thread).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let mut got = got.lock().unwrap().clone();
        let mut all = all;
        got.sort_unstable();
        all.sort_unstable();
        assert!(got == all);
    });
}

#[test]
fn a_file_that_appends_does_so_wherever_it_is_written() {
    each_way(|| {
        let path = Temporary::with(b"0123");
        let mut file = OpenOptions::new().read(true).append(true).open(&path.0).unwrap();
        let mut two = [0; 2];
        file.read_exact(&mut two).unwrap();
        assert_eq!(file.write(b"45").unwrap(), 2);
        // Where std's would be.
        assert_eq!(file.stream_position().unwrap(), 6);
        if cfg!(target_os = "linux") {
            assert_eq!(file.write_at(b"67", 0).unwrap(), 2);
            assert_eq!(theirs::read(&path.0).unwrap(), b"01234567");
        }
        file.seek(SeekFrom::Start(1)).unwrap();
        file.write_all(b"8").unwrap();
        assert_eq!(file.stream_position().unwrap(), theirs::metadata(&path.0).unwrap().len());
    });
}

#[test]
fn every_set_of_options_opens_as_stds() {
    each_way(|| {
        for set in 0..1 << 7 {
            for (exists, flags) in [(true, 0), (false, 0), (true, libc::O_NONBLOCK), (true, libc::O_DIRECTORY)] {
                let is = |bit: i32| set & (1 << bit) != 0;
                let (mut ours, mut std) = (OpenOptions::new(), theirs::OpenOptions::new());
                ours.read(is(0)).write(is(1)).append(is(2)).truncate(is(3)).create(is(4)).create_new(is(5));
                std.read(is(0)).write(is(1)).append(is(2)).truncate(is(3)).create(is(4)).create_new(is(5));
                ours.custom_flags(flags).mode(if is(6) { 0o600 } else { 0o644 });
                std.custom_flags(flags).mode(if is(6) { 0o600 } else { 0o644 });
                let outcome = |open: &dyn Fn(&Path) -> std::io::Result<theirs::File>| {
                    let path = if exists { Temporary::with(b"text") } else { Temporary::new() };
                    let opened = open(&path.0).map_err(|error| (error.kind(), error.raw_os_error()));
                    // SAFETY: integers only.
                    let flag = |file: &theirs::File, which| unsafe { libc::fcntl(file.as_raw_fd(), which) };
                    let opened = opened.map(|file| (flag(&file, libc::F_GETFL), flag(&file, libc::F_GETFD)));
                    let data = theirs::metadata(&path.0);
                    let mode = data.map(|data| (data.len(), std::os::unix::fs::MetadataExt::mode(&data)));
                    (opened, mode.map_err(|error| error.kind()))
                };
                let ours = outcome(&|path| ours.open(path).map(theirs::File::from));
                assert_eq!(ours, outcome(&|path| std.open(path)), "{set:#b}, {flags:#o}, there: {exists}");
            }
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn of_two_errors_stds_is_told() {
    each_way(|| {
        let mut theirs = theirs::OpenOptions::new();
        let mut ours = OpenOptions::new();
        theirs.write(true).create(true).custom_flags(libc::O_TMPFILE);
        ours.write(true).create(true).custom_flags(libc::O_TMPFILE);
        let errors = (ours.open("").unwrap_err(), theirs.open("").unwrap_err());
        assert_eq!(errors.0.raw_os_error(), errors.1.raw_os_error());
    });
}

/// Reads past the page cache; not on every file system.
#[cfg(target_os = "linux")]
#[test]
fn direct_reads_and_writes_move_the_position() {
    #[repr(align(4096))]
    struct Page([u8; 4096]);
    each_way(|| {
        let path = Temporary::with(&[1; 3 * 4096]);
        let opened = OpenOptions::new().read(true).write(true).custom_flags(libc::O_DIRECT).open(&path.0);
        let Ok(mut file) = opened else { return };
        let mut page = Box::new(Page([0; 4096]));
        assert_eq!(file.read(&mut page.0).unwrap(), 4096);
        assert_eq!((page.0, file.stream_position().unwrap()), ([1; 4096], 4096));
        page.0.fill(2);
        assert_eq!(file.write(&page.0).unwrap(), 4096);
        assert_eq!(file.stream_position().unwrap(), 8192);
        assert_eq!(file.read_at(&mut page.0, 8192).unwrap(), 4096);
        assert_eq!(page.0, [1; 4096]);
        // Not where it may be.
        assert_eq!(file.read_at(&mut page.0[1..], 1).unwrap_err().raw_os_error(), Some(libc::EINVAL));
        file.sync_data().unwrap();
        assert_eq!(theirs::read(&path.0).unwrap()[4096..8192], [2; 4096]);
    });
}

#[test]
fn what_is_cancelled_leaves_the_file_and_the_buffer_alone_or_comes_to_its_end() {
    let runtime = sinew::Runtime::builder().workers(2).build().unwrap();
    runtime.run(|| {
        const PAGE: usize = 4096;
        let path = Temporary::with(&[0; 64 * PAGE]);
        let file = Arc::new(OpenOptions::new().read(true).write(true).open(&path.0).unwrap());
        for turn in 0..40_u64 {
            forget(&path.0);
            let done = Arc::new(AtomicUsize::new(0));
            let (shared, counted) = (file.clone(), done.clone());
            let thread = sinew::spawn(move || {
                for at in 0.. {
                    let mut page = [0; PAGE];
                    shared.read_exact_at(&mut page, at % 64 * PAGE as u64).unwrap();
                    assert!(page.iter().all(|&byte| byte == page[0]), "a page is written in part");
                    page.fill(turn as u8 + 1);
                    assert_eq!(shared.write_at(&page, at % 64 * PAGE as u64).unwrap(), PAGE);
                    counted.fetch_add(1, Ordering::Relaxed);
                    if at % 8 == 7 {
                        shared.sync_data().unwrap();
                    }
                }
            });
            sleep(Duration::from_micros(turn * 97 % 2000));
            thread.thread().cancel();
            assert!(thread.join().unwrap_err().is::<sinew::Cancelled>());
            let bytes = theirs::read(&path.0).unwrap();
            let written = bytes.chunks(PAGE).take_while(|page| page[0] == turn as u8 + 1).count();
            // The last may have come to its end without a word.
            let done = done.load(Ordering::Relaxed);
            assert!(done >= 64 || written == done || written == done + 1, "{done} were done, {written} are there");
            assert!(bytes.chunks(PAGE).all(|page| page.iter().all(|&byte| byte == page[0])));
        }
    });
}

#[test]
fn a_shutdown_waits_for_what_is_under_way() {
    let path = Temporary::with(&[7; 1 << 20]);
    for _ in 0..5 {
        forget(&path.0);
        let runtime = sinew::Runtime::builder().workers(2).build().unwrap();
        let file = Arc::new(File::open(&path.0).unwrap());
        let thread = |number: u64| {
            let file = file.clone();
            runtime.spawn(move || {
                loop {
                    file.read_exact_at(&mut [0; 4096], number % 256 * 4096).unwrap();
                    file.sync_all().unwrap();
                }
            })
        };
        let threads: Vec<_> = (0..100).map(thread).collect();
        std::thread::sleep(Duration::from_millis(2));
        runtime.shutdown(std::time::Instant::now() + Duration::from_secs(300)).unwrap();
        assert!(threads.into_iter().all(|thread| thread.join().is_err()));
    }
}
