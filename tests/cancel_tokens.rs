//! Tokens that many watch, and that several cancel at once.

mod harness;

use harness::{on_every_crew, wait_until};
use sinew::{cancel::CancelToken, sync::Barrier, thread};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

#[test]
fn all_that_watch_are_ended_whoever_cancels_and_how_often() {
    on_every_crew(|crew| {
        let token = CancelToken::new();
        let began = Arc::new(AtomicUsize::new(0));
        let watchers: Vec<_> = (0..100)
            .map(|number| {
                let token = if number % 2 == 0 { token.clone() } else { token.child_token() };
                let begins = began.clone();
                crew.spawn(move || {
                    let ended = token.run_until_cancelled(|| {
                        begins.fetch_add(1, Ordering::SeqCst);
                        thread::park();
                    });
                    assert!(ended.is_err());
                })
            })
            .collect();
        wait_until(|| began.load(Ordering::SeqCst) == 100);
        let barrier = Arc::new(Barrier::new(4));
        crew.all(4, move |_| {
            barrier.wait();
            token.cancel();
            assert!(token.is_cancelled() && token.child_token().is_cancelled());
        });
        watchers.into_iter().for_each(|watcher| watcher.join().unwrap());
    });
}

#[test]
fn who_leaves_while_it_is_cancelled_is_not_ended_afterwards() {
    on_every_crew(|crew| {
        for _ in 0..20 {
            let token = CancelToken::new();
            let cancels = token.clone();
            let member = crew.spawn(move || cancels.cancel());
            crew.all(20, move |_| {
                for _ in 0..50 {
                    let ended = token.run_until_cancelled(thread::yield_now).is_err();
                    // In a timeout as well, since an OS thread is only ended in such a part.
                    let free = sinew::time::timeout(harness::LONG, thread::yield_now);
                    assert_eq!(free, Ok(()));
                    if ended {
                        break;
                    }
                }
            });
            member.join().unwrap();
        }
    });
}
