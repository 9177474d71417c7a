//! Cancellation, systematically: an operation is driven through its suspensions by the steps of others, and ended after the k-th step, for
//! each k, in each way in which it can be: with its thread, by a token, by a timeout, by a limit of its own. Another thread does the same
//! beside it and is left alone. Afterwards nothing may be lost, nothing held, no thread left, and the other has done what it wanted.
//!
//! On one worker the thread is suspended whenever the driver runs, so each k is another suspension; on more, and on an OS thread, it is
//! where it is.

use super::{Member, entries, os_threads, wait_until};
use sinew::{Cancelled, JoinHandle, Runtime, cancel::CancelToken, thread, time};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// An operation, what others do meanwhile, and what must hold in the end.
pub(crate) struct Case<S: 'static> {
    pub(crate) name: &'static str,
    pub(crate) new: fn() -> S,
    /// Waits; counts in the given counter if it was successful. With a time limit, if there is one.
    pub(crate) operation: fn(&S, &AtomicUsize, Option<Duration>),
    /// Done by the driver one after the other, the threads being spawned before the second; together they let the operation go
    /// through. What one of them takes, a later one gives back.
    pub(crate) steps: &'static [fn(&S)],
    /// Gets how many operations were successful.
    pub(crate) check: fn(&S, usize),
}

/// How the first thread is ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Cancelled,
    Token,
    Timeout,
    OwnLimit,
}

/// Where the case is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum On {
    /// On green threads only.
    Green,
    /// On an OS thread too.
    BothKinds,
}

/// Tries a case in every way, on one, two and eight workers.
pub(crate) fn run<S: Send + Sync>(case: &Case<S>) {
    run_on(case, On::BothKinds);
}

pub(crate) fn run_on<S: Send + Sync>(case: &Case<S>, on: On) {
    run_over(case, on, &[1, 2, 8]);
}

fn run_over<S: Send + Sync>(case: &Case<S>, on: On, over: &[usize]) {
    for &workers in over {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        for way in [Way::Cancelled, Way::Token, Way::Timeout, Way::OwnLimit] {
            for os in [false, true] {
                if os && (on == On::Green || way == Way::Cancelled || workers != 1) {
                    continue;
                }
                // What time ends has been tried on fewer.
                if workers == 8 && matches!(way, Way::Timeout | Way::OwnLimit) {
                    continue;
                }
                for k in 0..=case.steps.len() {
                    println!("{}, {workers} workers, {way:?}, OS thread: {os}, after step {k}", case.name);
                    drive(&runtime, case, way, os, k);
                }
            }
        }
        let deadline = std::time::Instant::now() + Duration::from_secs(300);
        runtime.shutdown(deadline).expect("nobody is left");
    }
}

/// Tries a case over so many workers each, and looks that the process has no more descriptors than before, nor threads of
/// runtimes but the default one. Cases that run at the same time are looked at together, after the last.
pub(crate) fn run_leaving_nothing<S: Send + Sync>(case: &Case<S>, on: On, over: &[usize]) {
    struct Before {
        running: usize,
        descriptors: usize,
        threads: usize,
    }
    static BEFORE: Mutex<Before> = Mutex::new(Before { running: 0, descriptors: 0, threads: 0 });
    let descriptors = || entries("/proc/self/fd");
    // Those of the blocking pool end when they have been idle for long.
    let threads = || {
        let all = os_threads();
        all.iter().filter(|name| ["sinew-worker", "sinew-monitor"].iter().any(|part| name.starts_with(part))).count()
    };
    {
        let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        if before.running == 0 {
            // What is made once and stays: the default runtime, and what the C library keeps for lookups.
            sinew::run(|| sinew::sleep(Duration::from_millis(20)));
            let _ = std::net::ToSocketAddrs::to_socket_addrs("localhost:1");
            (before.descriptors, before.threads) = (descriptors(), threads());
        }
        before.running += 1;
    }
    run_over(case, on, over);
    let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    before.running -= 1;
    if before.running == 0 {
        wait_until(|| descriptors() <= before.descriptors && threads() <= before.threads);
    }
}

fn drive<S: Send + Sync>(runtime: &Runtime, case: &Case<S>, way: Way, os: bool, k: usize) {
    let (new, operation, steps, check) = (case.new, case.operation, case.steps, case.check);
    runtime.run(move || {
        let (state, successes, token) = (Arc::new(new()), Arc::new(AtomicUsize::new(0)), CancelToken::new());
        // So that it is over at about the k-th step.
        let limit = Duration::from_millis(1) * (k as u32 + 1);
        let body = |way| {
            let (state, successes, token) = (state.clone(), successes.clone(), token.clone());
            move || match way {
                None | Some(Way::Cancelled) => operation(&state, &successes, None),
                Some(Way::Token) => drop(token.run_until_cancelled(|| operation(&state, &successes, None))),
                Some(Way::Timeout) => drop(time::timeout(limit, || operation(&state, &successes, None)).is_ok()),
                Some(Way::OwnLimit) => operation(&state, &successes, Some(limit)),
            }
        };
        let (mut one, mut two) = (None, None);
        let end_one = |one: Option<&Member<()>>| {
            match way {
                Way::Cancelled => one.and_then(Member::green).into_iter().for_each(thread::Thread::cancel),
                Way::Token => token.cancel(),
                Way::Timeout | Way::OwnLimit => thread::sleep(limit),
            }
            settle();
        };
        for number in 0..=steps.len() {
            if number == 1 {
                let body_of_one = body(Some(way));
                one = Some(if os {
                    Member::Os(std::thread::spawn(body_of_one))
                } else {
                    Member::Green(thread::spawn(body_of_one))
                });
                two = Some(thread::spawn(body(None)));
                settle();
            }
            if number == k {
                end_one(one.as_ref());
            }
            if let Some(step) = steps.get(number) {
                step(&state);
                settle();
            }
        }
        if let Err(payload) = one.expect("spawned").join() {
            assert!(payload.is::<Cancelled>() && way == Way::Cancelled, "it panicked");
        }
        two.expect("spawned").join().expect("nobody has ended it");
        check(&state, successes.load(Ordering::SeqCst));
    });
    // What was detached ends too.
    wait_until(|| {
        let metrics = runtime.metrics();
        metrics.spawned == metrics.ended
    });
}

/// Has the others run until they wait.
fn settle() {
    (0..8).for_each(|_| thread::yield_now());
    thread::sleep(Duration::from_millis(1));
}

/// The end of a thread that may have been cancelled.
pub(crate) fn end<T>(handle: JoinHandle<T>) {
    if let Err(payload) = handle.join() {
        assert!(payload.is::<Cancelled>(), "it panicked");
    }
}

pub(crate) fn count(successes: &AtomicUsize) {
    successes.fetch_add(1, Ordering::SeqCst);
}
