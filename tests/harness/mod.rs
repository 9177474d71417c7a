//! What the tests share: running a body on each kind of thread, running a test in a process of its own, waiting for a
//! condition, random numbers that repeat.

#![allow(dead_code, reason = "each test file is a crate of its own and uses a part of this")]

pub(crate) mod driven;
pub(crate) mod ledger;

use sinew::{Cancelled, JoinHandle, Runtime, thread};
use std::{
    fs,
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Runs the body on an OS thread, and on a green one of runtimes of one, two and eight workers.
#[track_caller]
pub(crate) fn on_each_kind(body: fn()) {
    if let Err(payload) = std::thread::spawn(body).join() {
        std::panic::resume_unwind(payload);
    }
    on_workers(body);
}

/// Waits, on either kind of thread, until the condition holds. Far longer than any machine needs before it gives up.
#[track_caller]
pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(300);
    while !condition() {
        assert!(Instant::now() < end, "waited in vain");
        sinew::thread::sleep(Duration::from_millis(1));
    }
}

/// Suspends the green thread until whoever was ready here has run, several times over, and gives other workers some time. A
/// test may not rely on what they do in it.
pub(crate) fn let_others_run() {
    for _ in 0..10 {
        sinew::yield_now();
    }
    sinew::sleep(Duration::from_millis(5));
}

/// Spawns a thread and waits until its closure has begun, so that a cancellation finds it started.
pub(crate) fn spawn_started<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let began = Arc::new(AtomicBool::new(false));
    let begins = began.clone();
    let handle = sinew::spawn(move || {
        begins.store(true, Ordering::SeqCst);
        body()
    });
    wait_until(|| began.load(Ordering::SeqCst));
    handle
}

/// Counts its drops.
#[derive(Clone)]
pub(crate) struct CountsDrops(pub(crate) Arc<AtomicUsize>);

impl Drop for CountsDrops {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Runs a closure when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

const CHILD: &str = "SINEW_TEST_CHILD";

/// Whether this process was started by [`child`].
pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// The command that runs one test of this file in a process of its own, where [`is_child`] holds. For another
/// processor's tests, the environment's `SINEW_TEST_RUNNER` is the emulator's command.
pub(crate) fn child(test: &str) -> Command {
    let program = std::env::current_exe().unwrap().into_os_string().into_string().unwrap();
    let runner = std::env::var("SINEW_TEST_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace().chain([&*program]);
    let mut command = Command::new(words.next().unwrap());
    command
        .args(words)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .env_remove("RUST_BACKTRACE")
        .env_remove("SINEW_WORKERS");
    command
}

pub(crate) fn words_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a test in a process of its own, where it must end well; gives its words on stderr.
#[track_caller]
pub(crate) fn good_child(test: &str) -> String {
    let output = child(test).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), words_of(&output));
    assert!(output.status.success() && out.contains("1 passed"), "{test}: {}\n{out}\n{err}", output.status);
    err
}

/// The same for a test that must die of a signal.
#[track_caller]
pub(crate) fn dying_child(test: &str, signal: i32) -> String {
    let output = child(test).output().unwrap();
    let err = words_of(&output);
    let died_of = std::os::unix::process::ExitStatusExt::signal(&output.status);
    assert_eq!(died_of, Some(signal), "{test}: {}\n{err}", output.status);
    err
}

/// Random numbers that are the same in every run (xorshift64*, S. Vigna).
#[derive(Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    pub(crate) fn permutation(&mut self, length: usize) -> Vec<u32> {
        let mut all: Vec<u32> = (0..length as u32).collect();
        for i in (1..length).rev() {
            all.swap(i, self.below(i + 1));
        }
        all
    }
}

/// How many green threads may be suspended at once: `wanted`, or fewer where each guard, or a sanitizer's record of
/// each stack, costs mappings, of which a process may have 65,530, and time. Under an emulator guards do too, and it is
/// slow.
pub(crate) fn at_most_suspended(wanted: usize) -> usize {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse::<u32>().ok());
    let kernel = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let guards_cost_mappings = cfg!(sinew_guard = "mprotect") || kernel < (6, 13);
    if cfg!(sinew_emulated) {
        return wanted.min(4_000);
    }
    if guards_cost_mappings || cfg!(sinew_tsan) {
        wanted.min(12_000)
    } else if cfg!(sinew_asan) {
        wanted.min(20_000)
    } else {
        wanted
    }
}

/// What a reserve leaves to its stack: all but the guard, which takes 16 KiB, or a page where pages are larger.
pub(crate) fn usable(reserve: usize) -> usize {
    // SAFETY: sysconf takes an integer and touches no memory of ours.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    reserve - usize::try_from(page).unwrap().max(16 << 10)
}

/// A line's number of `/proc/self/status`.
pub(crate) fn status(field: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// How many entries a folder has.
pub(crate) fn entries(folder: &str) -> usize {
    fs::read_dir(folder).unwrap().count()
}

/// The names of this process's OS threads.
pub(crate) fn os_threads() -> Vec<String> {
    fs::read_dir("/proc/self/task")
        .unwrap()
        // A thread may end meanwhile.
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect()
}

/// Longer than any test.
pub(crate) const LONG: Duration = Duration::from_secs(3_600);

#[track_caller]
pub(crate) fn assert_cancelled<T>(handle: JoinHandle<T>) {
    match handle.join() {
        Ok(_) => panic!("it ended by itself"),
        Err(payload) => assert!(payload.is::<Cancelled>(), "it panicked"),
    }
}

/// Runs the body on runtimes of one, two and eight workers.
pub(crate) fn on_workers(body: fn()) {
    for workers in [1, 2, 8] {
        Runtime::builder().workers(workers).build().unwrap().run(body);
    }
}

/// Threads that wait for ever, each in its own way.
pub(crate) fn waiting_bodies() -> Vec<(&'static str, fn())> {
    vec![
        ("park", thread::park),
        ("park_timeout", || thread::park_timeout(LONG)),
        ("sleep", || thread::sleep(LONG)),
        ("yield", || {
            loop {
                thread::yield_now();
            }
        }),
        ("join", || {
            let other = thread::spawn(thread::park);
            let _end = OnDrop({
                let other = other.thread().clone();
                move || other.cancel()
            });
            other.join().unwrap();
        }),
    ]
}

/// What kind of threads a [`Crew`] has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Green,
    Os,
    /// One after the other.
    Mixed,
}

/// Spawns the threads of a test: of one kind or of both, over so many workers.
#[derive(Clone)]
pub(crate) struct Crew {
    pub(crate) kind: Kind,
    pub(crate) workers: usize,
    runtime: sinew::runtime::Handle,
    spawned: Arc<AtomicUsize>,
}

/// A thread of a [`Crew`].
pub(crate) enum Member<T> {
    Green(JoinHandle<T>),
    Os(std::thread::JoinHandle<T>),
}

impl Crew {
    pub(crate) fn spawn<T: Send + 'static>(&self, body: impl FnOnce() -> T + Send + 'static) -> Member<T> {
        let number = self.spawned.fetch_add(1, Ordering::Relaxed);
        if self.kind == Kind::Green || self.kind == Kind::Mixed && number.is_multiple_of(2) {
            self.green(body)
        } else {
            self.os(body)
        }
    }

    pub(crate) fn green<T: Send + 'static>(&self, body: impl FnOnce() -> T + Send + 'static) -> Member<T> {
        Member::Green(self.runtime.spawn(body).unwrap())
    }

    pub(crate) fn os<T: Send + 'static>(&self, body: impl FnOnce() -> T + Send + 'static) -> Member<T> {
        Member::Os(std::thread::spawn(body))
    }

    /// Spawns so many threads with the same body, which gets its number, and joins them.
    pub(crate) fn all<T: Send + 'static>(
        &self,
        threads: usize,
        body: impl Fn(usize) -> T + Send + Sync + 'static,
    ) -> Vec<T> {
        let body = Arc::new(body);
        let spawn = |number| {
            let body = body.clone();
            self.spawn(move || body(number))
        };
        let members: Vec<_> = (0..threads).map(spawn).collect();
        members.into_iter().map(|member| member.join().unwrap()).collect()
    }
}

impl<T: Send> Member<T> {
    pub(crate) fn join(self) -> std::thread::Result<T> {
        match self {
            Self::Green(handle) => handle.join(),
            // What it waits for may be on this very worker.
            Self::Os(handle) => thread::blocking(|| handle.join()),
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        match self {
            Self::Green(handle) => handle.is_finished(),
            Self::Os(handle) => handle.is_finished(),
        }
    }

    /// None for an OS thread, which is not cancelled.
    pub(crate) fn green(&self) -> Option<&thread::Thread> {
        match self {
            Self::Green(handle) => Some(handle.thread()),
            Self::Os(_) => None,
        }
    }
}

/// Runs the body with each kind of crew, over one, two and eight workers; as a green thread if there are any.
#[track_caller]
pub(crate) fn on_every_crew(body: fn(&Crew)) {
    for workers in [1, 2, 8] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        for kind in [Kind::Green, Kind::Os, Kind::Mixed] {
            let crew = Crew { kind, workers, runtime: runtime.handle(), spawned: Arc::new(AtomicUsize::new(workers)) };
            if kind != Kind::Os {
                let crew = crew.clone();
                runtime.run(move || body(&crew));
            }
            if kind != Kind::Green {
                body(&crew);
            }
        }
    }
}

/// Whether the thread that did this suspends, now and later, as far as one can tell by waiting a little.
pub(crate) fn still_waits<T: Send>(member: &Member<T>) -> bool {
    thread::sleep(Duration::from_millis(5));
    !member.is_finished()
}
