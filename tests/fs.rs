//! Files and folders: std's behaviour method by method, on OS threads and green threads.

mod common;
mod harness;

use std::{
    collections::BTreeSet,
    fs as theirs,
    io::{ErrorKind, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

use common::{each_way, sleep, spawn, tcp::same};
use harness::assert_cancelled;
use sinew::fs::{self, DirBuilder, File, OpenOptions, TryLockError, unix::*};

/// A folder that goes when this does.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sinew-fs-{}-{number}", std::process::id()));
        theirs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = theirs::remove_dir_all(&self.0);
    }
}

#[test]
fn its_types_are_as_shareable_as_stds() {
    fn check<T: Send + Sync + Unpin + std::panic::UnwindSafe>() {}
    check::<File>();
    check::<OpenOptions>();
    check::<fs::DirEntry>();
    check::<DirBuilder>();
    fn send<T: Send>() {}
    send::<fs::ReadDir>();
}

#[test]
fn whole_files_are_read_and_written() {
    each_way(|| {
        let folder = Folder::new();
        let path = folder.at("file");
        let long: Vec<u8> = (0..3_000_000u32).map(|at| (at * 7) as u8).collect();
        fs::write(&path, &long).unwrap();
        assert_eq!(fs::read(&path).unwrap(), long);
        assert_eq!(theirs::read(&path).unwrap(), long);
        fs::write(&path, "text").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
        fs::write(&path, [0xff]).unwrap();
        same(fs::read_to_string(&path), theirs::read_to_string(&path));
        assert_eq!(fs::copy(&path, folder.at("copy")).unwrap(), 1);
        assert_eq!(theirs::read(folder.at("copy")).unwrap(), [0xff]);
        fs::rename(folder.at("copy"), folder.at("moved")).unwrap();
        assert!(!fs::exists(folder.at("copy")).unwrap() && fs::exists(folder.at("moved")).unwrap());
        fs::remove_file(folder.at("moved")).unwrap();
        assert!(!folder.at("moved").exists());
    });
}

#[test]
fn errors_are_stds() {
    each_way(|| {
        let folder = Folder::new();
        let (none, file) = (folder.at("none"), folder.at("file"));
        theirs::write(&file, "x").unwrap();
        let below = file.join("below");
        same(fs::read(&none), theirs::read(&none));
        same(fs::read_to_string(&none), theirs::read_to_string(&none));
        same(fs::write(&below, ""), theirs::write(&below, ""));
        same(fs::write(&folder.0, ""), theirs::write(&folder.0, ""));
        same(fs::metadata(&none), theirs::metadata(&none));
        same(fs::symlink_metadata(&below), theirs::symlink_metadata(&below));
        same(fs::canonicalize(&none), theirs::canonicalize(&none));
        same(fs::read_link(&file), theirs::read_link(&file));
        same(fs::exists(&below), theirs::exists(&below));
        same(fs::create_dir(&file), theirs::create_dir(&file));
        same(fs::create_dir_all(&below), theirs::create_dir_all(&below));
        same(fs::remove_dir(&none), theirs::remove_dir(&none));
        same(fs::remove_dir(&folder.0), theirs::remove_dir(&folder.0));
        same(fs::remove_dir_all(&none), theirs::remove_dir_all(&none));
        same(fs::remove_file(&folder.0), theirs::remove_file(&folder.0));
        same(fs::copy(&folder.0, &none), theirs::copy(&folder.0, &none));
        same(fs::rename(&none, &file), theirs::rename(&none, &file));
        same(fs::hard_link(&none, folder.at("link")), theirs::hard_link(&none, folder.at("link")));
        same(symlink("x", &file), std::os::unix::fs::symlink("x", &file));
        same(fs::read_dir(&file), theirs::read_dir(&file));
        same(File::open("with\0zero"), theirs::File::open("with\0zero"));
        same(File::open(&none), theirs::File::open(&none));
        same(File::create_new(&file), theirs::File::create_new(&file));
        same(OpenOptions::new().open(&file), theirs::OpenOptions::new().open(&file));
        let (mut ours, mut std) = (OpenOptions::new(), theirs::OpenOptions::new());
        ours.read(true).truncate(true);
        std.read(true).truncate(true);
        same(ours.clone().open(&file), std.open(&file));
        let (ours, std) = (File::open(&file).unwrap(), theirs::File::open(&file).unwrap());
        same((&ours).write(b"x"), (&std).write(b"x"));
        same(ours.write_at(b"x", 0), std.write_at(b"x", 0));
        same(ours.read_at(&mut [0], u64::MAX), std.read_at(&mut [0], u64::MAX));
        same(ours.set_len(3), std.set_len(3));
        same((&ours).seek(SeekFrom::Current(-1)), (&std).seek(SeekFrom::Current(-1)));
        same((&ours).seek(SeekFrom::End(-2)), (&std).seek(SeekFrom::End(-2)));
        let (ours, std) = (File::open(&folder.0).unwrap(), theirs::File::open(&folder.0).unwrap());
        same((&ours).read(&mut [0]), (&std).read(&mut [0]));
        same((&ours).read_to_end(&mut Vec::new()), (&std).read_to_end(&mut Vec::new()));
    });
}

#[test]
fn a_file_is_read_written_and_sought_as_stds() {
    each_way(|| {
        let folder = Folder::new();
        let path = folder.at("file");
        let mut file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        assert_eq!(file.write(b"0123456789").unwrap(), 10);
        assert_eq!(file.stream_position().unwrap(), 10);
        assert_eq!(file.read(&mut [0; 4]).unwrap(), 0);
        file.rewind().unwrap();
        let mut four = [0; 4];
        file.read_exact(&mut four).unwrap();
        assert_eq!(&four, b"0123");
        assert_eq!(file.seek(SeekFrom::End(-2)).unwrap(), 8);
        assert_eq!(file.read(&mut four).unwrap(), 2);
        assert_eq!(&four[..2], b"89");
        assert_eq!(file.read_exact(&mut four).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        // An offset leaves the position alone.
        assert_eq!(file.read_at(&mut four, 3).unwrap(), 4);
        assert_eq!(&four, b"3456");
        file.write_all_at(b"ab", 12).unwrap();
        assert_eq!(file.read_at(&mut four, 10).unwrap(), 4);
        assert_eq!(&four, b"\0\0ab");
        assert_eq!(file.stream_position().unwrap(), 10);
        assert_eq!(file.read_at(&mut four, 99).unwrap(), 0);
        file.set_len(3).unwrap();
        file.rewind().unwrap();
        let (mut one, mut two) = ([0; 1], [0; 8]);
        assert_eq!(file.read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)]).unwrap(), 3);
        assert_eq!((&one, &two[..2]), (b"0", &b"12"[..]));
        assert_eq!(file.write_vectored(&[IoSlice::new(b"x"), IoSlice::new(b"yz")]).unwrap(), 3);
        assert_eq!(file.read_vectored(&mut []).unwrap(), 0);
        assert_eq!(file.read_vectored(&mut [IoSliceMut::new(&mut []), IoSliceMut::new(&mut [])]).unwrap(), 0);
        file.flush().unwrap();
        file.sync_all().unwrap();
        file.sync_data().unwrap();
        file.rewind().unwrap();
        let mut clone = file.try_clone().unwrap();
        let mut text = String::new();
        assert_eq!(clone.read_to_string(&mut text).unwrap(), 6);
        assert_eq!(text, "012xyz");
        assert_eq!(file.stream_position().unwrap(), 6);
        assert!(!file.is_terminal());
        let mut appends = OpenOptions::new().append(true).open(&path).unwrap();
        appends.write_all(b"!").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"012xyz!");
        drop(File::create(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
        assert!(format!("{file:?}").starts_with("File { fd: "));
        let std = theirs::File::from(file);
        assert!(File::from(std).metadata().unwrap().is_file());
    });
}

#[test]
fn an_empty_buffer_before_a_long_one_is_not_the_end() {
    each_way(|| {
        let folder = Folder::new();
        let path = folder.0.join("file");
        let mut long = vec![1; 300 << 10];
        let mut file = File::create(&path).unwrap();
        assert_ne!(file.write_vectored(&[IoSlice::new(&[]), IoSlice::new(&long)]).unwrap(), 0);
        let mut file = File::open(&path).unwrap();
        assert_ne!(file.read_vectored(&mut [IoSliceMut::new(&mut []), IoSliceMut::new(&mut long)]).unwrap(), 0);
    });
}

#[test]
fn long_reads_come_whole_whatever_is_in_memory() {
    each_way(|| {
        let folder = Folder::new();
        let path = folder.at("file");
        let bytes: Vec<u8> = (0..1_500_000u32).map(|at| (at ^ (at >> 9)) as u8).collect();
        fs::write(&path, &bytes).unwrap();
        let mut file = File::open(&path).unwrap();
        let mut got = vec![0; bytes.len()];
        file.read_exact(&mut got).unwrap();
        assert!(got == bytes);
        let file = File::open(&path).unwrap();
        file.sync_all().unwrap();
        // What can be thrown out of memory is.
        // SAFETY: integers only.
        unsafe { libc::posix_fadvise(std::os::fd::AsRawFd::as_raw_fd(&file), 0, 0, libc::POSIX_FADV_DONTNEED) };
        got.fill(0);
        file.read_exact_at(&mut got, 0).unwrap();
        assert!(got == bytes);
        let mut all = vec![1];
        (&file).read_to_end(&mut all).unwrap();
        assert!(all[1..] == bytes);
    });
}

#[test]
fn files_without_a_length_are_read() {
    each_way(|| {
        let text = fs::read_to_string("/proc/self/status").unwrap();
        assert!(text.contains("VmRSS"));
        let mut again = String::new();
        File::open("/proc/self/status").unwrap().read_to_string(&mut again).unwrap();
        assert!(again.contains("VmRSS"));
        let mut zeros = [1; 64];
        File::open("/dev/zero").unwrap().read_exact(&mut zeros).unwrap();
        assert_eq!(zeros, [0; 64]);
        let mut null = OpenOptions::new().read(true).write(true).open("/dev/null").unwrap();
        assert_eq!(null.read(&mut zeros).unwrap(), 0);
        null.write_all(&[1; 100_000]).unwrap();
    });
}

#[test]
fn metadata_permissions_times_and_links() {
    each_way(|| {
        let folder = Folder::new();
        let path = folder.at("file");
        fs::write(&path, "abc").unwrap();
        let data = fs::metadata(&path).unwrap();
        assert_eq!((data.len(), data.ino()), (3, theirs::metadata(&path).unwrap().ino()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        file.set_modified(then).unwrap();
        assert_eq!(file.metadata().unwrap().modified().unwrap(), then);
        file.set_times(fs::FileTimes::new().set_accessed(then)).unwrap();
        assert_eq!(file.metadata().unwrap().accessed().unwrap(), then);
        symlink("file", folder.at("soft")).unwrap();
        assert_eq!(fs::read_link(folder.at("soft")).unwrap(), Path::new("file"));
        assert!(fs::symlink_metadata(folder.at("soft")).unwrap().is_symlink());
        assert!(fs::metadata(folder.at("soft")).unwrap().is_file());
        assert_eq!(fs::canonicalize(folder.at("soft")).unwrap(), theirs::canonicalize(&path).unwrap());
        fs::hard_link(&path, folder.at("hard")).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().nlink(), 2);
        chown(&path, None, None).unwrap();
        lchown(folder.at("soft"), None, None).unwrap();
        fchown(&file, None, None).unwrap();
        let made = OpenOptions::new().write(true).create(true).mode(0o400).open(folder.at("mode")).unwrap();
        assert_eq!(made.metadata().unwrap().mode() & 0o777, 0o400);
        let flags = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(folder.at("soft"));
        assert_eq!(flags.unwrap_err().raw_os_error(), Some(libc::ELOOP));
    });
}

#[test]
fn folders_are_made_read_and_removed() {
    each_way(|| {
        let folder = Folder::new();
        fs::create_dir(folder.at("one")).unwrap();
        fs::create_dir_all(folder.at("a/b/c")).unwrap();
        DirBuilder::new().recursive(true).mode(0o700).create(folder.at("a/b/c/d")).unwrap();
        assert_eq!(fs::metadata(folder.at("a/b/c/d")).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(folder.at("one")).unwrap().count(), 0);
        fs::remove_dir(folder.at("one")).unwrap();
        // More than one batch.
        let names: BTreeSet<_> = (0..300).map(|number| format!("file{number}")).collect();
        for name in &names {
            theirs::write(folder.at("a").join(name), name).unwrap();
        }
        let mut folders = Vec::new();
        let mut files = BTreeSet::new();
        for entry in fs::read_dir(folder.at("a")).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.path(), folder.at("a").join(entry.file_name()));
            assert_eq!(entry.metadata().unwrap().ino(), entry.ino());
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(name);
            } else {
                assert_eq!(entry.metadata().unwrap().len(), name.len() as u64);
                files.insert(name);
            }
        }
        assert_eq!((folders, files), (vec!["b".to_owned()], names));
        fs::remove_dir_all(folder.at("a")).unwrap();
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
    });
}

#[test]
fn locks_exclude_and_are_shared() {
    each_way(|| {
        let folder = Folder::new();
        let path = folder.at("file");
        let (one, two) = (File::create(&path).unwrap(), File::open(&path).unwrap());
        one.lock().unwrap();
        assert!(matches!(two.try_lock(), Err(TryLockError::WouldBlock)));
        assert!(matches!(two.try_lock_shared(), Err(TryLockError::WouldBlock)));
        let waiting = spawn(move || {
            two.lock().unwrap();
            two
        });
        sleep(Duration::from_millis(5));
        assert!(!waiting.is_finished());
        one.unlock().unwrap();
        let two = waiting.join().unwrap();
        two.unlock().unwrap();
        one.lock_shared().unwrap();
        two.try_lock_shared().unwrap();
        let third = File::open(&path).unwrap();
        let waiting = spawn(move || third.lock());
        sleep(Duration::from_millis(5));
        waiting.thread().cancel();
        assert_cancelled(waiting);
        drop((one, two));
        File::open(&path).unwrap().try_lock().unwrap();
    });
}

/// A named pipe.
fn fifo(folder: &Folder) -> PathBuf {
    fifo_called(folder, "fifo")
}

fn fifo_called(folder: &Folder, name: &str) -> PathBuf {
    let path = folder.at(name);
    let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: the name is a string that ends with a zero.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    path
}

#[test]
fn a_named_pipe_suspends_the_thread_alone_and_can_be_cancelled() {
    each_way(|| {
        let folder = Folder::new();
        let path = fifo(&folder);
        let writer = {
            let path = path.clone();
            spawn(move || OpenOptions::new().write(true).open(path))
        };
        let mut reader = File::open(&path).unwrap();
        let mut writer = writer.join().unwrap().unwrap();
        let waiting = spawn(move || {
            let mut buf = [0; 5];
            reader.read_exact(&mut buf).unwrap();
            assert_eq!(&buf, b"hello");
            reader
        });
        sleep(Duration::from_millis(5));
        assert!(!waiting.is_finished());
        writer.write_all(b"hel").unwrap();
        writer.write_all(b"lo").unwrap();
        let reader = std::sync::Arc::new(waiting.join().unwrap());
        let clone = reader.clone();
        let waiting = spawn(move || (&*clone).read(&mut [0]));
        sleep(Duration::from_millis(5));
        waiting.thread().cancel();
        assert_cancelled(waiting);
        let filling = spawn(move || {
            writer.write_all(&vec![5; 1 << 20]).unwrap();
        });
        let mut all = Vec::new();
        (&*reader).read_to_end(&mut all).unwrap();
        assert!(all == vec![5; 1 << 20]);
        filling.join().unwrap();
    });
}

#[test]
fn more_readers_of_pipes_than_the_lane_has_places_leave_room_for_files() {
    sinew::Runtime::builder().workers(1).build().unwrap().run(|| {
        let folder = Folder::new();
        fs::write(folder.at("file"), "here").unwrap();
        let (readers, writers): (Vec<_>, Vec<_>) = (0..100)
            .map(|_| {
                let (reader, writer) = std::io::pipe().unwrap();
                let mut reader = File::from(std::os::fd::OwnedFd::from(reader));
                (spawn(move || reader.read(&mut [0; 8]).unwrap()), writer)
            })
            .unzip();
        for _ in 0..10 {
            assert_eq!(fs::read(folder.at("file")).unwrap(), b"here");
        }
        assert!(readers.iter().all(|reader| !reader.is_finished()));
        for mut writer in writers {
            writer.write_all(b"x").unwrap();
        }
        for reader in readers {
            assert_eq!(reader.join().unwrap(), 1);
        }
    });
}

#[test]
fn threads_that_open_pipes_without_another_side_leave_room_for_files_and_for_that_side() {
    sinew::Runtime::builder().workers(1).build().unwrap().run(|| {
        let folder = Folder::new();
        fs::write(folder.at("file"), "here").unwrap();
        let paths: Vec<_> = (0..100).map(|number| fifo_called(&folder, &number.to_string())).collect();
        let opens = |number: usize, path: PathBuf| match number % 2 {
            0 => spawn(move || drop(File::open(path).unwrap())),
            _ => spawn(move || assert_eq!(fs::read(path).unwrap(), b"")),
        };
        let readers: Vec<_> = paths.iter().cloned().enumerate().map(|(number, path)| opens(number, path)).collect();
        sleep(Duration::from_millis(20));
        let file = sinew::time::timeout(Duration::from_secs(300), || fs::read(folder.at("file")).unwrap());
        let open = |path| drop(OpenOptions::new().write(true).open(path).unwrap());
        let writers = sinew::time::timeout(Duration::from_secs(300), || paths.iter().for_each(open));
        // Whatever came of that, the readers are to end.
        while !readers.iter().all(|reader| reader.is_finished()) {
            for path in &paths {
                drop(theirs::OpenOptions::new().read(true).write(true).open(path).unwrap());
            }
            sleep(Duration::from_millis(1));
        }
        assert!(readers.into_iter().all(|reader| reader.join().is_ok()));
        assert_eq!(file.unwrap(), b"here");
        writers.unwrap();
    });
}

/// Linux's log takes each write as a message, and does not tell `poll` that it does.
#[cfg(target_os = "linux")]
#[test]
fn a_device_takes_each_write_whole_and_unasked() {
    let Ok(log) = theirs::OpenOptions::new().write(true).open("/dev/kmsg") else { return };
    let log = std::sync::Arc::new(File::from(log));
    each_way(move || {
        let log = log.clone();
        let (first, rest) = ("<7>a message", " in two parts\n");
        let parts = [IoSlice::new(first.as_bytes()), IoSlice::new(rest.as_bytes())];
        let done = sinew::time::timeout(Duration::from_secs(300), || (&*log).write_vectored(&parts));
        match done.expect("it does not wait") {
            Ok(len) => assert_eq!(len, first.len() + rest.len()),
            // Not for us, in some containers.
            Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied),
        }
    });
}

#[test]
fn many_threads_at_once_each_get_their_own_bytes() {
    for workers in [1, 2, 8] {
        sinew::Runtime::builder().workers(workers).build().unwrap().run(|| {
            let folder = Folder::new();
            sinew::scope(|scope| {
                for number in 0..200u32 {
                    let path = folder.at(&number.to_string());
                    scope.spawn(move || {
                        let bytes = number.to_le_bytes().repeat(500);
                        let mut file = File::create(&path).unwrap();
                        for part in bytes.chunks(300) {
                            file.write_all(part).unwrap();
                        }
                        let file = File::open(&path).unwrap();
                        let mut got = vec![0; bytes.len()];
                        for (part, at) in got.chunks_mut(300).zip((0..).step_by(300)) {
                            file.read_exact_at(part, at).unwrap();
                        }
                        assert_eq!(got, bytes);
                    });
                }
            });
            assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 200);
        });
    }
}

#[test]
fn a_cancelled_thread_ends_at_its_next_call() {
    sinew::Runtime::builder().workers(1).build().unwrap().run(|| {
        let folder = Folder::new();
        let path = folder.at("file");
        let ends = spawn(move || {
            sinew::current().cancel();
            let _ = fs::write(&path, "not written");
        });
        assert_cancelled(ends);
        assert!(!folder.at("file").exists());
        let loops = harness::spawn_started(|| {
            loop {
                fs::metadata("/").unwrap();
            }
        });
        loops.thread().cancel();
        assert_cancelled(loops);
    });
}
