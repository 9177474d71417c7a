//! Nobody starves: ready threads, unstarted ones, old ones, and those beside a thread that computes.

mod harness;

use harness::wait_until;
use sinew::{Runtime, thread};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

fn on_one_worker(body: impl FnOnce() + Send) {
    Runtime::builder().workers(1).build().unwrap().run(body);
}

/// Far longer than any machine needs.
fn in_vain(start: Instant) -> bool {
    start.elapsed() > Duration::from_secs(300)
}

#[test]
fn a_loop_that_only_yields_lets_every_unstarted_thread_start() {
    on_one_worker(|| {
        let started = Arc::new(AtomicUsize::new(0));
        for _ in 0..1_000 {
            let started = started.clone();
            drop(thread::spawn(move || {
                started.fetch_add(1, Ordering::Relaxed);
                thread::park();
            }));
        }
        let mut yields = 0;
        while started.load(Ordering::Relaxed) < 1_000 {
            thread::yield_now();
            yields += 1;
            assert!(yields <= 1_000, "each yield lets at least one start");
        }
    });
}

#[test]
fn many_loops_that_only_yield_let_an_unstarted_thread_start() {
    on_one_worker(|| {
        let (stop, started) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let yielders: Vec<_> = (0..500)
            .map(|_| {
                let stop = stop.clone();
                thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        thread::yield_now();
                    }
                })
            })
            .collect();
        harness::let_others_run();
        let (mark, end) = (started.clone(), stop.clone());
        drop(thread::spawn(move || {
            mark.store(true, Ordering::Relaxed);
            end.store(true, Ordering::Relaxed);
        }));
        yielders.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(started.load(Ordering::Relaxed));
    });
}

/// A thread that spawns the next and ends, until told to stop; so there is an unstarted thread at all times.
fn chain(stop: Arc<AtomicBool>, links: Arc<AtomicUsize>, start: Instant) {
    assert!(!in_vain(start), "the others never ran");
    links.fetch_add(1, Ordering::Relaxed);
    if !stop.load(Ordering::Relaxed) {
        drop(thread::spawn(move || chain(stop, links, start)));
    }
}

#[test]
fn a_chain_of_spawns_lets_ready_threads_run() {
    on_one_worker(|| {
        let (stop, links) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        chain(stop.clone(), links.clone(), Instant::now());
        for _ in 0..1_000 {
            thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        let links = links.load(Ordering::Relaxed);
        assert!(links > 100, "the chain went on meanwhile: {links}");
        assert!(links < 1_000_000, "and did not hold the ready one up: {links}");
    });
}

#[test]
fn a_loop_of_spawn_and_join_lets_ready_threads_run() {
    on_one_worker(|| {
        let ran = Arc::new(AtomicUsize::new(0));
        let count = ran.clone();
        let other = thread::spawn(move || {
            for _ in 0..100 {
                count.fetch_add(1, Ordering::Relaxed);
                thread::yield_now();
            }
        });
        let start = Instant::now();
        while ran.load(Ordering::Relaxed) < 100 {
            thread::spawn(|| ()).join().unwrap();
            assert!(!in_vain(start), "the other never ran");
        }
        other.join().unwrap();
    });
}

#[test]
fn two_that_wake_each_other_let_others_run() {
    on_one_worker(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let (first, second) = (stop.clone(), stop.clone());
        let main = thread::current();
        let pair = thread::spawn(move || {
            let me = thread::current();
            let other = thread::spawn(move || {
                while !second.load(Ordering::Relaxed) {
                    me.unpark();
                    thread::park();
                }
                me.unpark();
            });
            while !first.load(Ordering::Relaxed) {
                other.thread().unpark();
                thread::park();
            }
            other.thread().unpark();
            main.unpark();
            other.join().unwrap();
        });
        for _ in 0..20 {
            thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        pair.join().unwrap();
    });
}

#[test]
fn the_oldest_unstarted_thread_starts_although_newer_ones_keep_coming() {
    on_one_worker(|| {
        let (stop, links) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let end = stop.clone();
        // It lies below the chain, whose newest link always comes first.
        let oldest = thread::spawn(move || end.store(true, Ordering::Relaxed));
        chain(stop, links, Instant::now());
        oldest.join().unwrap();
    });
}

#[test]
fn many_old_threads_start_although_newer_ones_keep_coming() {
    on_one_worker(|| {
        let (stop, left) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(20)));
        let old: Vec<_> = (0..20)
            .map(|_| {
                let (stop, left) = (stop.clone(), left.clone());
                thread::spawn(move || {
                    if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                        stop.store(true, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        chain(stop, Arc::new(AtomicUsize::new(0)), Instant::now());
        old.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn timers_fire_beside_loops_that_never_sleep() {
    on_one_worker(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        let start = Instant::now();
        let busy = thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                thread::yield_now();
                assert!(!in_vain(start), "the timer never fired");
            }
        });
        thread::sleep(Duration::from_millis(5));
        stop.store(true, Ordering::Relaxed);
        busy.join().unwrap();
    });
}

#[test]
fn a_wake_from_outside_comes_through_beside_loops_that_never_sleep() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    let busy = runtime.handle().spawn(move || {
        while !seen.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    });
    for i in 0..50 {
        let parked = runtime.handle().spawn(thread::park).unwrap();
        parked.thread().unpark();
        parked.join().unwrap();
        assert_eq!(runtime.handle().spawn(move || i).unwrap().join().unwrap(), i);
    }
    stop.store(true, Ordering::Relaxed);
    busy.unwrap().join().unwrap();
}

#[test]
fn one_thread_that_computes_does_not_stop_others_on_a_second_worker() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (computing, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (say, end) = (computing.clone(), stop.clone());
    let hog = runtime.handle().spawn(move || {
        say.store(true, Ordering::Relaxed);
        while !end.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    });
    wait_until(|| computing.load(Ordering::Relaxed));
    let threads: Vec<_> = (0..1_000).map(|i| runtime.handle().spawn(move || i).unwrap()).collect();
    // Only when all have ended may the hog.
    assert!(threads.into_iter().enumerate().all(|(i, thread)| thread.join().unwrap() == i));
    stop.store(true, Ordering::Relaxed);
    hog.unwrap().join().unwrap();
}

#[test]
fn unstarted_threads_are_stolen_from_a_worker_that_computes() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    runtime.run(|| {
        for count in [1, 2, 500] {
            let ended = Arc::new(AtomicUsize::new(0));
            for _ in 0..count {
                let ended = ended.clone();
                drop(thread::spawn(move || ended.fetch_add(1, Ordering::Relaxed)));
            }
            let start = Instant::now();
            // This thread never suspends, so they run on the other worker or not at all.
            while ended.load(Ordering::Relaxed) < count {
                std::hint::spin_loop();
                assert!(!in_vain(start), "nobody took them");
            }
        }
    });
    assert!(runtime.metrics().steals >= 503);
}

#[test]
fn a_worker_that_sleeps_is_woken_for_each_new_spawn_from_outside() {
    let runtime = Runtime::builder().workers(4).build().unwrap();
    for i in 0..300 {
        assert_eq!(runtime.handle().spawn(move || i).unwrap().join().unwrap(), i);
        if i % 10 == 0 {
            // Long enough for all to fall asleep, the monitor too.
            std::thread::sleep(Duration::from_millis(i % 30));
        }
    }
}

#[test]
fn threads_from_outside_start_while_workers_come_from_sleep_and_go_to_it() {
    // Each round finds some workers asleep, some searching and some busy for a while.
    let runtime = Runtime::builder().workers(6).build().unwrap();
    let handle = runtime.handle();
    for _ in 0..300 {
        let (sender, receiver) = std::sync::mpsc::channel();
        for i in 0..6 {
            let sender = sender.clone();
            let compute = move || {
                let end = Instant::now() + Duration::from_micros(300 + 100 * i);
                while Instant::now() < end {
                    std::hint::spin_loop();
                }
                sender.send(()).unwrap();
            };
            drop(handle.spawn(compute).unwrap());
        }
        for _ in 0..6 {
            receiver.recv_timeout(Duration::from_secs(300)).expect("each is started");
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}
