//! Two threads on one worker that wake each other in turn: what a message between two threads costs at least.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::sync::Notify;

use crate::model::{Entry, Row, Sample, Scale, at_most_r, at_most_times};
use crate::peers::on_sinew::{Place, beside};
use crate::peers::program::{go_entry, python_entry};
use crate::peers::{on_may, on_sinew, on_tokio};
use crate::proc;

fn count(scale: Scale) -> u64 {
    scale.of(500_000, 500)
}

fn slow_count(scale: Scale) -> u64 {
    scale.of(50_000, 500)
}

/// Whose turn it is. `park` may return early by its contract, so each side looks before it goes on.
type Turn = Arc<AtomicBool>;

fn theirs(turn: &AtomicBool) -> bool {
    turn.load(Ordering::Acquire)
}

fn pass(turn: &AtomicBool, to_them: bool) {
    turn.store(to_them, Ordering::Release);
}

fn sinew_work(scale: Scale, place: Place) -> Sample {
    let n = count(scale);
    let turn = Turn::default();
    let (their_turn, me) = (Arc::clone(&turn), sinew::current());
    let other = beside(place, move || {
        for _ in 0..n {
            while !theirs(&their_turn) {
                sinew::park();
            }
            pass(&their_turn, false);
            me.unpark();
        }
    });
    let began = Instant::now();
    for _ in 0..n {
        pass(&turn, true);
        other.thread.unpark();
        while theirs(&turn) {
            sinew::park();
        }
    }
    let elapsed = began.elapsed();
    other.join();
    Sample::per(elapsed, n)
}

async fn tokio_work(scale: Scale) -> Sample {
    let n = count(scale);
    let ping = Arc::new(Notify::new());
    let pong = Arc::new(Notify::new());
    let (their_ping, their_pong) = (Arc::clone(&ping), Arc::clone(&pong));
    let other = tokio::spawn(async move {
        for _ in 0..n {
            their_ping.notified().await;
            their_pong.notify_one();
        }
    });
    let began = Instant::now();
    for _ in 0..n {
        ping.notify_one();
        pong.notified().await;
    }
    let elapsed = began.elapsed();
    other.await.expect("it does not panic");
    Sample::per(elapsed, n)
}

fn may_work(scale: Scale) -> Sample {
    let n = count(scale);
    let turn = Turn::default();
    let (their_turn, me) = (Arc::clone(&turn), may::coroutine::current());
    let other = on_may::spawn(move || {
        for _ in 0..n {
            while !theirs(&their_turn) {
                may::coroutine::park();
            }
            pass(&their_turn, false);
            me.unpark();
        }
    });
    let began = Instant::now();
    for _ in 0..n {
        pass(&turn, true);
        other.coroutine().unpark();
        while theirs(&turn) {
            may::coroutine::park();
        }
    }
    let elapsed = began.elapsed();
    other.join().expect("it does not panic");
    Sample::per(elapsed, n)
}

/// OS threads on one processor.
fn std_work(scale: Scale) -> Sample {
    let n = slow_count(scale);
    let pair = move || {
        proc::pin_thread(0);
        let turn = Turn::default();
        let (their_turn, me) = (Arc::clone(&turn), std::thread::current());
        let other = std::thread::spawn(move || {
            for _ in 0..n {
                while !theirs(&their_turn) {
                    std::thread::park();
                }
                pass(&their_turn, false);
                me.unpark();
            }
        });
        let began = Instant::now();
        for _ in 0..n {
            pass(&turn, true);
            other.thread().unpark();
            while theirs(&turn) {
                std::thread::park();
            }
        }
        let elapsed = began.elapsed();
        other.join().expect("it does not panic");
        Sample::per(elapsed, n)
    };
    // A thread of its own: the pinning must not stay with the caller.
    std::thread::spawn(pair).join().expect("it does not panic")
}

pub fn row() -> Row {
    Row::new(
        "ping-pong",
        "park/unpark between 2 threads on one worker (tokio: a pair of Notify; Go: a pair of channels)",
        "ns a round trip",
    )
    .entries(on_sinew::one_worker(sinew_work))
    .entries(on_tokio::one_worker(tokio_work))
    .entry(on_may::entry(1, may_work))
    .entry(go_entry("ping-pong", 1, count))
    .entry(Entry::new("std", |scale| Ok(std_work(scale))))
    .entry(python_entry("python/asyncio", "tasks.py", "asyncio", "ping-pong", slow_count))
    .entry(python_entry("python/threads", "threads.py", "threading", "ping-pong", |s| s.of(10_000, 100)))
    .goal(at_most_r("sinew/1", 8.0))
    .goal(at_most_times("sinew/1", 0.15, "go"))
    .goal(at_most_times("sinew/1", 0.15, "tokio"))
    .goal(at_most_r("sinew/1+idle", 8.0))
}
