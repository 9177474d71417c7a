//! Signals: each test has numbers of its own, since signals are the process's.

mod common;
mod harness;

use std::{io::ErrorKind, time::Duration};

use common::{each_way, sleep, spawn};
use harness::assert_cancelled;
use sinew::signal::{SIGINT, SIGUSR1, SIGUSR2, SIGWINCH, Signals, ctrl_c};

fn send(signal: i32) {
    // SAFETY: integers only; a listener was there before.
    assert_eq!(unsafe { libc::kill(libc::getpid(), signal) }, 0);
}

#[test]
fn its_types_are_as_shareable_as_those_of_the_crate_below() {
    fn check<T: Send + Sync>() {}
    check::<Signals>();
    check::<sinew::signal::Handle>();
}

#[test]
fn every_listener_is_told_on_each_kind_of_thread() {
    each_way(|| {
        let listeners: Vec<_> = (0..10).map(|_| Signals::new([SIGUSR1]).unwrap()).collect();
        let others: Vec<_> = (0..3).map(|_| Signals::new([SIGUSR1]).unwrap()).collect();
        let green: Vec<_> = listeners.into_iter().map(|mut signals| spawn(move || (signals.next(), signals))).collect();
        let os: Vec<_> = others.into_iter().map(|mut signals| std::thread::spawn(move || signals.next())).collect();
        sleep(Duration::from_millis(5));
        assert!(green.iter().all(|thread| !thread.is_finished()));
        send(SIGUSR1);
        for thread in green {
            let (signal, mut signals) = thread.join().unwrap();
            assert_eq!(signal, Some(SIGUSR1));
            assert_eq!(signals.pending().count(), 0);
        }
        for thread in os {
            assert_eq!(sinew::thread::blocking(|| thread.join().unwrap()), Some(SIGUSR1));
        }
    });
}

#[test]
fn signals_are_kept_until_somebody_looks() {
    each_way(|| {
        let first = libc::SIGRTMIN() + 3;
        let mut signals = Signals::new([first]).unwrap();
        assert_eq!(signals.pending().count(), 0);
        signals.add_signal(first + 1).unwrap();
        for signal in [first + 1, first] {
            send(signal);
        }
        // Delivered by the time that the call which sent it returns, or soon: to another thread of the process.
        let mut came = Vec::new();
        while came.len() < 2 {
            came.extend(signals.wait().unwrap());
        }
        came.sort_unstable();
        assert_eq!(came, [first, first + 1]);
        assert_eq!(signals.pending().count(), 0);
        // Two listeners: one that is gone does not hinder the other.
        let mut other = Signals::new([first]).unwrap();
        drop(signals);
        send(first);
        assert_eq!(other.next(), Some(first));
    });
}

#[test]
fn a_closed_listener_ends() {
    each_way(|| {
        let mut signals = Signals::new([libc::SIGRTMIN() + 6]).unwrap();
        let handle = signals.handle();
        let waiting = spawn(move || signals.next());
        sleep(Duration::from_millis(5));
        assert!(!waiting.is_finished() && !handle.is_closed());
        handle.close();
        assert_eq!(waiting.join().unwrap(), None);
        assert!(handle.is_closed());
    });
}

#[test]
fn a_cancelled_wait_loses_no_signal() {
    each_way(|| {
        let number = libc::SIGRTMIN() + 7;
        let signals = std::sync::Arc::new(sinew::sync::Mutex::new(Signals::new([number]).unwrap()));
        let clone = signals.clone();
        let waiting = harness::spawn_started(move || clone.lock().unwrap().next());
        sleep(Duration::from_millis(2));
        waiting.thread().cancel();
        assert_cancelled(waiting);
        let late = sinew::time::timeout(Duration::from_millis(2), || signals.lock().unwrap().wait().map(drop));
        assert!(late.is_err());
        send(number);
        assert_eq!(signals.lock().unwrap().next(), Some(number));
    });
}

#[test]
fn signals_that_cannot_be_handled_are_refused() {
    for signal in [libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGILL, libc::SIGFPE, 0, -1, 1000] {
        assert_eq!(Signals::new([signal]).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn ctrl_c_waits_for_an_interrupt() {
    each_way(|| {
        // The handler is there before the signal is sent.
        let _keep = Signals::new([SIGINT]).unwrap();
        let waiting = spawn(|| ctrl_c().unwrap());
        while !waiting.is_finished() {
            send(SIGINT);
            sleep(Duration::from_millis(5));
        }
        waiting.join().unwrap();
    });
}

#[test]
fn handlers_run_on_the_alternate_stack() {
    let _signals = Signals::new([SIGWINCH, SIGUSR2]).unwrap();
    for signal in [SIGWINCH, SIGUSR2] {
        // SAFETY: zeros are a valid sigaction, into which the kernel writes.
        let flags = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            assert_eq!(libc::sigaction(signal, std::ptr::null(), &mut action), 0);
            action.sa_flags
        };
        assert!(flags & libc::SA_ONSTACK != 0);
    }
}
