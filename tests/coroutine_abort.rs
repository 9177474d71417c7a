//! Coroutines in a program built with `panic = "abort"`: what cannot be unwound is leaked, or the process aborts.
//!
//! The test harness cannot be built so, which is why this has a `main` of its own. Run it with `RUSTFLAGS='-C panic=abort'`.

use sinew::coroutine::{
    Coroutine, ScopedCoroutine,
    stack::{DefaultStack, Stack},
};
use std::{env, os::unix::process::ExitStatusExt, process::Command};

struct NeverDropped;

impl Drop for NeverDropped {
    fn drop(&mut self) {
        unreachable!("its frame is not unwound");
    }
}

fn suspended() -> Coroutine<(), (), ()> {
    let mut coroutine = Coroutine::new(|yielder, ()| {
        let _never = NeverDropped;
        yielder.suspend(());
    });
    coroutine.resume(());
    coroutine
}

/// Two are leaked, with one line; and their stacks are not used again.
fn leaks() {
    let mine = || DefaultStack::default().base();
    let before = mine();
    drop(suspended());
    drop(suspended());
    assert_ne!(mine(), before);
    // What needs no unwinding works as ever.
    let mut coroutine = Coroutine::<u8, u8, u8>::new(|yielder, first| yielder.suspend(first));
    assert_eq!(coroutine.resume(1).as_yield(), Some(1));
    assert_eq!(coroutine.resume(2).as_return(), Some(2));
    drop(coroutine);
    drop(Coroutine::<(), (), ()>::new(|_, ()| ()));
}

fn aborts() {
    let coroutine = ScopedCoroutine::<(), (), ()>::new(|yielder, ()| yielder.suspend(()));
    coroutine.scope(|mut inside| inside.resume(()));
}

fn forced() {
    suspended().force_unwind();
}

fn child(case: &str) -> (Option<i32>, String) {
    let output = Command::new(env::current_exe().unwrap()).arg(case).output().unwrap();
    (output.status.signal(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn main() {
    match env::args().nth(1).as_deref() {
        Some("leaks") => return leaks(),
        Some("aborts") => return aborts(),
        Some("forced") => return forced(),
        _ => {}
    }
    if cfg!(panic = "unwind") {
        return println!("skipped: this program unwinds");
    }
    let (signal, words) = child("leaks");
    assert_eq!((signal, words.matches("it is leaked with its stack").count()), (None, 1), "{words}");
    let (signal, words) = child("aborts");
    assert_eq!(
        (signal, words.contains("a scoped coroutine was left suspended")),
        (Some(libc::SIGABRT), true),
        "{words}"
    );
    let (signal, words) = child("forced");
    assert_eq!((signal, words.contains("cannot be unwound")), (Some(libc::SIGABRT), true), "{words}");
    println!("3 cases passed");
}
