//! Files, processes, signals and standard input, ended at every suspension that occurs: see `harness::driven`.

mod harness;

use harness::{
    driven::{Case, On, count, run_leaving_nothing},
    good_child, is_child,
    ledger::{Keeps, Ledger},
    wait_until,
};
use sinew::{
    fs::{self, File},
    io::stdin,
    process::{Child, ChildStdin, Command, Stdio},
    signal::Signals,
    sync::Mutex,
    thread,
};
use std::{
    io::{self, PipeWriter, Read, Write},
    os::fd::AsRawFd,
    path::PathBuf,
    sync::{
        Mutex as StdMutex, OnceLock,
        atomic::{AtomicI32, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A folder that goes when this does.
struct Folder {
    path: PathBuf,
    written: AtomicUsize,
}

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sinew-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self { path, written: AtomicUsize::new(0) }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

static CONTENT: &[u8] = &[7; 100_000];

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    run_leaving_nothing(
        &Case::<Folder> {
            name: "fs::write, fs::read",
            new: Folder::new,
            operation: |folder, successes, _| {
                for _ in 0..8 {
                    let path = folder.path.join(folder.written.fetch_add(1, Ordering::SeqCst).to_string());
                    fs::write(&path, CONTENT).unwrap();
                    assert_eq!(fs::read(&path).unwrap(), CONTENT);
                }
                count(successes);
            },
            steps: &[|_| (), |_| (), |_| ()],
            check: |folder, successes| {
                assert!(successes >= 1);
                let files = std::fs::read_dir(&folder.path).unwrap().map(|entry| entry.unwrap());
                let contents: Vec<_> = files.map(|entry| std::fs::read(entry.path()).unwrap()).collect();
                assert!(contents.iter().all(|content| content == CONTENT));
                // The one that was not ended has begun all of its own.
                assert!(contents.len() >= 8 * successes);
            },
        },
        On::BothKinds,
        &[1, 2, 8],
    );
}

/// A file, and a handle of std's that has the lock.
struct Locked(Folder, std::fs::File);

impl Locked {
    fn new() -> Self {
        let folder = Folder::new();
        let file = std::fs::File::create(folder.path.join("file")).unwrap();
        file.lock().unwrap();
        Self(folder, file)
    }

    fn open(&self) -> File {
        File::open(self.0.path.join("file")).unwrap()
    }
}

#[test]
fn a_file_is_not_locked_by_who_gave_up() {
    run_leaving_nothing(
        &Case::<Locked> {
            name: "File::lock",
            new: Locked::new,
            operation: |state, successes, _| {
                let file = state.open();
                file.lock().unwrap();
                assert!(state.open().try_lock().is_err());
                count(successes);
            },
            steps: &[|_| (), |_| (), |_| (), |state| state.1.unlock().unwrap()],
            check: |state, successes| {
                assert!(successes >= 1);
                // A child that another test starts has a copy of each descriptor, and so the lock, until it is another program.
                wait_until(|| state.open().try_lock().is_ok());
            },
        },
        On::BothKinds,
        &[1, 2],
    );
}

/// Children that run until their input ends.
#[derive(Default)]
struct Children {
    /// Whether new ones shall end too, and what keeps the others.
    inputs: StdMutex<(bool, Vec<ChildStdin>)>,
    given_back: StdMutex<Vec<Child>>,
    ids: StdMutex<Vec<u32>>,
}

/// A child that is given back, however its wait ends.
struct Lent<'a>(&'a Children, Option<Child>);

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.0.given_back.lock().unwrap().extend(self.1.take());
    }
}

impl Children {
    fn spawn(&self, kill_on_drop: bool) -> Child {
        let mut command = Command::new("cat");
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(kill_on_drop).spawn().unwrap();
        self.ids.lock().unwrap().push(child.id());
        let mut inputs = self.inputs.lock().unwrap();
        if !inputs.0 {
            inputs.1.extend(child.stdin.take());
        }
        child
    }

    fn end(&self) {
        *self.inputs.lock().unwrap() = (true, Vec::new());
    }

    /// How many of the children were waited for, and how many were not until now.
    fn waited_for(&self) -> (usize, usize) {
        self.end();
        let ids = std::mem::take(&mut *self.ids.lock().unwrap());
        // SAFETY: an integer, and no address.
        let wait = |&id: &u32| unsafe { libc::waitpid(id as i32, std::ptr::null_mut(), 0) } != id as i32;
        let (done, left) = thread::blocking(|| ids.into_iter().partition::<Vec<_>, _>(wait));
        (done.len(), left.len())
    }
}

const TILL_THE_END: &[fn(&Children)] =
    &[|_| (), |_| (), |_| (), |_| thread::sleep(Duration::from_millis(5)), Children::end];

#[test]
fn a_child_can_be_waited_for_again() {
    run_leaving_nothing(
        &Case::<Children> {
            name: "Child::wait",
            new: Children::default,
            operation: |state, successes, _| {
                let mut lent = Lent(state, Some(state.spawn(false)));
                assert!(lent.1.as_mut().unwrap().wait().unwrap().success());
                count(successes);
            },
            steps: TILL_THE_END,
            check: |state, successes| {
                assert!(successes >= 1);
                let children = std::mem::take(&mut *state.given_back.lock().unwrap());
                let all = children.len();
                children.into_iter().for_each(|mut child| assert!(child.wait().unwrap().success()));
                assert_eq!(state.waited_for(), (all, 0));
            },
        },
        On::BothKinds,
        &[1, 2],
    );
}

#[test]
fn a_child_whose_output_nobody_reads_any_more_goes_on() {
    run_leaving_nothing(
        &Case::<Children> {
            name: "wait_with_output",
            new: Children::default,
            operation: |state, successes, _| {
                assert_eq!(state.spawn(false).wait_with_output().unwrap().status.code(), Some(0));
                count(successes);
            },
            steps: TILL_THE_END,
            check: |state, successes| {
                assert!(successes >= 1);
                assert_eq!(state.waited_for().0, successes);
            },
        },
        On::BothKinds,
        &[1, 2],
    );
}

#[test]
fn a_child_that_is_to_go_with_its_handle_goes() {
    run_leaving_nothing(
        &Case::<Children> {
            name: "wait_with_output, kill_on_drop",
            new: Children::default,
            operation: |state, successes, _| {
                assert_eq!(state.spawn(true).wait_with_output().unwrap().status.code(), Some(0));
                count(successes);
            },
            steps: TILL_THE_END,
            check: |state, successes| {
                assert!(successes >= 1);
                assert_eq!(state.waited_for().1, 0);
            },
        },
        On::BothKinds,
        &[1],
    );
}

/// A listener for signals, and which of them came.
struct Listens {
    signals: Mutex<Signals>,
    sent: AtomicI32,
    came: StdMutex<Vec<i32>>,
}

impl Listens {
    fn new() -> Self {
        let first = libc::SIGRTMIN();
        let signals = Mutex::new(Signals::new(first..first + 3).unwrap());
        Self { signals, sent: AtomicI32::new(first), came: StdMutex::default() }
    }

    fn send(&self) {
        // SAFETY: integers only; there is a handler.
        assert_eq!(unsafe { libc::kill(libc::getpid(), self.sent.fetch_add(1, Ordering::SeqCst)) }, 0);
    }

    fn take(&self) {
        let signal = self.signals.lock().unwrap().next().unwrap();
        self.came.lock().unwrap().push(signal);
    }
}

#[test]
fn a_signal_is_told_once() {
    run_leaving_nothing(
        &Case::<Listens> {
            name: "Signals::next",
            new: Listens::new,
            operation: |state, successes, _| {
                state.take();
                count(successes);
            },
            steps: &[|_| (), |_| (), Listens::send, Listens::send, Listens::send],
            check: |state, successes| {
                assert!(successes >= 1);
                let came = || state.came.lock().unwrap().clone();
                while came().len() < 3 {
                    state.take();
                }
                let mut came = came();
                came.sort_unstable();
                let first = libc::SIGRTMIN();
                assert_eq!(came, (first..first + 3).collect::<Vec<_>>());
                assert_eq!(state.signals.lock().unwrap().pending().count(), 0);
            },
        },
        On::BothKinds,
        &[1, 2, 8],
    );
}

/// What comes by standard input, which in this process is a pipe.
static INPUT: OnceLock<PipeWriter> = OnceLock::new();

fn put(ledger: &Ledger) {
    for byte in ledger.fresh::<4>() {
        INPUT.get().unwrap().write_all(&[byte]).unwrap();
    }
}

#[test]
fn what_was_not_read_of_standard_input_is_there() {
    if !is_child() {
        good_child("what_was_not_read_of_standard_input_is_there");
        return;
    }
    let (reader, writer) = io::pipe().unwrap();
    // SAFETY: two open descriptors, of which standard input is replaced for the whole process; nobody reads from it.
    assert_eq!(unsafe { libc::dup2(reader.as_raw_fd(), libc::STDIN_FILENO) }, libc::STDIN_FILENO);
    INPUT.set(writer).unwrap();
    let steps: &'static [fn(&Ledger)] = &[|_| (), |_| (), put, put, put, put];
    let check: fn(&Ledger, usize) = |ledger, successes| {
        assert!(successes >= 1);
        while ledger.left() != 0 {
            let mut byte = [0];
            assert_eq!(stdin().read(&mut byte).unwrap(), 1);
            ledger.got(&byte);
        }
        ledger.check(&[]);
    };
    let read: fn(&Ledger, &AtomicUsize, Option<Duration>) = |ledger, successes, _| {
        for _ in 0..2 {
            let mut buffer = [0; 3];
            let length = stdin().read(&mut buffer).unwrap();
            ledger.got(&buffer[..length]);
        }
        count(successes);
    };
    let read_exact: fn(&Ledger, &AtomicUsize, Option<Duration>) = |ledger, successes, _| {
        let mut buffer = Keeps::<6>(ledger, [0; 6]);
        stdin().read_exact(&mut buffer.1).unwrap();
        count(successes);
    };
    for operation in [read, read_exact] {
        let case = Case { name: "stdin", new: Ledger::new, operation, steps, check };
        run_leaving_nothing(&case, On::BothKinds, &[1, 2]);
    }
}
