//! A runtime as a value: how it is built, what runs in it, and how it ends.

mod harness;

use harness::{CountsDrops, OnDrop, child, good_child, is_child, wait_until, words_of};
use sinew::{Runtime, thread};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

fn small(workers: usize) -> Runtime {
    Runtime::builder().workers(workers).build().unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(300)
}

fn os_name() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

#[test]
fn workers_have_names_and_numbers() {
    let runtime = Runtime::builder().workers(3).worker_name("named").build().unwrap();
    assert_eq!(runtime.workers(), 3);
    for _ in 0..100 {
        let (name, worker) = runtime.run(|| (os_name(), thread::current().worker().unwrap()));
        assert_eq!(name, format!("named-{worker}"));
        assert!(worker < 3);
    }
}

#[test]
fn options_out_of_range_are_refused() {
    for wrong in [0, 1_025, usize::MAX] {
        assert!(catch_unwind(|| Runtime::builder().workers(wrong)).is_err(), "{wrong}");
    }
    assert!(catch_unwind(|| Runtime::builder().blocking_threads(0)).is_err());
    assert!(catch_unwind(|| Runtime::builder().max_stacks(0)).is_err());
    let error = Runtime::builder().workers(1).stack_size((1 << 30) + 1).build().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn run_borrows_and_gives_its_value_or_its_panic() {
    let runtime = small(2);
    let (text, mut count) = (String::from("lent"), 0);
    let length = runtime.run(|| {
        thread::yield_now();
        count += 1;
        text.len()
    });
    assert_eq!((length, count), (4, 1));
    let caught = catch_unwind(AssertUnwindSafe(|| runtime.run(|| panic!("inside"))));
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"inside"));
    assert_eq!(runtime.run(|| 1), 1, "it goes on");
}

#[test]
fn what_run_leaves_behind_goes_on() {
    let (runtime, done) = (small(1), Arc::new(AtomicBool::new(false)));
    let mark = done.clone();
    runtime.run(|| {
        drop(thread::spawn(move || {
            harness::let_others_run();
            mark.store(true, Ordering::SeqCst);
        }));
    });
    wait_until(|| done.load(Ordering::SeqCst));
}

#[test]
fn run_works_inside_run() {
    let runtime = small(1);
    let outer = 2;
    let sum = runtime.run(|| sinew::run(|| runtime.run(|| outer + 1) + 1) + 1);
    assert_eq!(sum, 5);
}

#[test]
fn run_works_from_a_green_thread_of_another_runtime() {
    let (one, two) = (
        Runtime::builder().workers(1).worker_name("one").build().unwrap(),
        Runtime::builder().workers(1).worker_name("two").build().unwrap(),
    );
    let lent = 5;
    let names = one.run(|| {
        let before = os_name();
        let there = two.run(|| {
            // Back again, while `one`'s worker is free to run others.
            assert_eq!(one.run(|| lent + 1), 6);
            (os_name(), thread::spawn(os_name).join().unwrap())
        });
        (before, there, os_name())
    });
    assert_eq!(names, ("one-0".into(), ("two-0".into(), "two-0".into()), "one-0".into()));
}

#[test]
fn run_from_many_os_threads_at_once() {
    let runtime = small(2);
    std::thread::scope(|scope| {
        for i in 0..16 {
            let runtime = &runtime;
            scope.spawn(move || {
                for round in 0..200 {
                    assert_eq!(runtime.run(|| thread::spawn(move || i + round).join().unwrap()), i + round);
                }
            });
        }
    });
    assert_eq!(runtime.metrics().spawned, 16 * 200 * 2);
}

#[test]
fn a_handle_spawns_from_anywhere() {
    let runtime = Runtime::builder().workers(2).worker_name("home").build().unwrap();
    let handle = runtime.handle();
    let from_os = std::thread::spawn({
        let handle = handle.clone();
        move || handle.spawn(os_name).unwrap().join().unwrap()
    });
    assert!(from_os.join().unwrap().starts_with("home-"));
    let other = small(1);
    assert!(other.run(|| handle.spawn(os_name).unwrap().join().unwrap()).starts_with("home-"));
    assert!(runtime.run(|| handle.spawn(os_name).unwrap().join().unwrap()).starts_with("home-"));
    assert_eq!(handle.metrics().spawned, 4);
}

#[test]
fn a_runtime_spawns_from_anywhere() {
    let runtime = Runtime::builder().workers(2).worker_name("home").build().unwrap();
    assert!(runtime.spawn(os_name).join().unwrap().starts_with("home-"));
    assert!(small(1).run(|| runtime.spawn(os_name).join().unwrap()).starts_with("home-"));
    assert!(runtime.run(|| runtime.spawn(os_name).join().unwrap()).starts_with("home-"));
}

#[test]
fn a_spawn_after_the_shutdown_is_an_error() {
    let runtime = small(1);
    let handle = runtime.handle();
    let drops = Arc::new(AtomicUsize::new(0));
    runtime.shutdown(soon()).unwrap();
    let captured = CountsDrops(drops.clone());
    let error = handle.spawn(move || drop(captured)).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("shutting down"), "{error}");
    assert_eq!(drops.load(Ordering::SeqCst), 1, "the closure is dropped");
}

/// Threads in every state that a thread can be in.
fn fill(count: usize, drops: &Arc<AtomicUsize>) {
    let bodies: [fn(); 8] = [
        thread::park,
        || thread::sleep(Duration::from_secs(3_600)),
        || thread::park_timeout(Duration::from_secs(3_600)),
        || {
            loop {
                thread::yield_now();
            }
        },
        || drop(thread::spawn(thread::park).join()),
        || thread::scope(|scope| drop(scope.spawn(thread::park))),
        || {
            let _slow = OnDrop(|| thread::sleep(Duration::from_millis(1)));
            thread::park();
        },
        || {
            // Swallowed, and raised again.
            for _ in 0..3 {
                let _ = catch_unwind(thread::park);
            }
            thread::park();
        },
    ];
    for i in 0..count {
        let (body, captured) = (bodies[i % bodies.len()], CountsDrops(drops.clone()));
        drop(thread::spawn(move || {
            let _captured = captured;
            body();
        }));
    }
}

#[test]
fn a_shutdown_ends_threads_in_every_state() {
    for workers in 1..=8 {
        for started in [false, true] {
            let (runtime, drops) = (small(workers), Arc::new(AtomicUsize::new(0)));
            runtime.run(|| {
                fill(400, &drops);
                if started {
                    harness::let_others_run();
                }
            });
            runtime.shutdown(soon()).unwrap();
            assert_eq!(drops.load(Ordering::SeqCst), 400);
        }
    }
}

#[test]
fn a_shutdown_ends_threads_whose_destructors_suspend() {
    let (runtime, drops) = (small(1), Arc::new(AtomicUsize::new(0)));
    runtime.run(|| {
        for _ in 0..3 {
            let drops = drops.clone();
            drop(thread::spawn(move || {
                let _slow = OnDrop(|| {
                    thread::yield_now();
                    thread::yield_now();
                    drops.fetch_add(1, Ordering::SeqCst);
                });
                thread::park();
            }));
        }
        harness::let_others_run();
    });
    runtime.shutdown(soon()).unwrap();
    assert_eq!(drops.load(Ordering::SeqCst), 3);
}

#[test]
fn a_shutdown_ends_threads_that_spawn_while_it_goes_on() {
    for workers in 1..=4 {
        let (runtime, drops) = (small(workers), Arc::new(AtomicUsize::new(0)));
        let spawned = Arc::new(AtomicUsize::new(0));
        for _ in 0..10 {
            let (drops, spawned) = (drops.clone(), spawned.clone());
            let body = move || {
                loop {
                    let captured = CountsDrops(drops.clone());
                    spawned.fetch_add(1, Ordering::SeqCst);
                    drop(thread::spawn(move || {
                        let _captured = captured;
                        thread::park();
                    }));
                    thread::yield_now();
                }
            };
            drop(runtime.handle().spawn(body).unwrap());
        }
        wait_until(|| spawned.load(Ordering::SeqCst) > 100);
        runtime.shutdown(soon()).unwrap();
        assert_eq!(drops.load(Ordering::SeqCst), spawned.load(Ordering::SeqCst));
    }
}

#[test]
fn a_shutdown_races_with_spawns_from_outside() {
    for round in 0..30 {
        let runtime = small(1 + round % 3);
        let (ran, refused, stop) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let handle = runtime.handle();
                let (ran, refused, stop) = (&ran, &refused, &stop);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        match handle.spawn(|| ()) {
                            // Cancelled before its start or not, it ends.
                            Ok(thread) => drop(thread.join()),
                            Err(_) => drop(refused.fetch_add(1, Ordering::Relaxed)),
                        }
                        ran.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            wait_until(|| ran.load(Ordering::Relaxed) > 20);
            runtime.shutdown(soon()).unwrap();
            wait_until(|| refused.load(Ordering::Relaxed) > 0);
            stop.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
fn a_drop_waits_for_the_threads() {
    let (runtime, drops) = (small(2), Arc::new(AtomicUsize::new(0)));
    runtime.run(|| {
        for _ in 0..10 {
            let captured = CountsDrops(drops.clone());
            drop(thread::spawn(move || {
                let _captured = captured;
                let _slow = OnDrop(|| thread::sleep(Duration::from_millis(5)));
                thread::park();
            }));
        }
        harness::let_others_run();
    });
    drop(runtime);
    assert_eq!(drops.load(Ordering::SeqCst), 10);
}

#[test]
fn a_shutdown_whose_time_is_up_counts_who_is_left() {
    let (runtime, started, go) = (small(2), Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (say, wait) = (started.clone(), go.clone());
    let busy = runtime.handle().spawn(move || {
        say.store(true, Ordering::SeqCst);
        while !wait.load(Ordering::SeqCst) {
            std::hint::spin_loop();
        }
        7
    });
    wait_until(|| started.load(Ordering::SeqCst));
    for _ in 0..5 {
        drop(runtime.handle().spawn(thread::park).unwrap());
    }
    let handle = runtime.handle();
    let error = runtime.shutdown(Instant::now() + Duration::from_millis(300)).unwrap_err();
    assert!((1..=6).contains(&error.threads()), "{error}");
    let threads =
        if error.threads() == 1 { "1 green thread".into() } else { format!("{} green threads", error.threads()) };
    assert!(error.to_string().starts_with(&format!("{threads} had not ended")), "{error}");
    assert!(handle.spawn(|| ()).is_err());
    // The process goes on, and so does the thread once it may.
    assert_eq!(sinew::spawn(|| 1).join().unwrap(), 1);
    go.store(true, Ordering::SeqCst);
    assert_eq!(busy.unwrap().join().unwrap(), 7);
}

#[test]
fn a_runtime_dropped_on_its_own_worker_panics() {
    let runtime = Arc::new(small(1));
    let own = runtime.clone();
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let thread = runtime.handle().spawn(move || {
        // Until this is the last one.
        let _ = thread::blocking(move || receiver.recv());
        drop(own);
    });
    drop(runtime);
    drop(sender);
    let payload = thread.unwrap().join().unwrap_err();
    let words = payload.downcast_ref::<&str>().copied().unwrap_or_default();
    assert!(words.contains("on its own worker"), "{words}");
}

#[test]
fn runtimes_start_and_end_inside_each_other() {
    let outer = small(1);
    outer.run(|| {
        for i in 0..20 {
            let inner = small(1 + i % 2);
            let parked = inner.handle().spawn(thread::park).unwrap();
            assert_eq!(inner.run(|| thread::spawn(move || i).join().unwrap()), i);
            inner.shutdown(soon()).unwrap();
            assert!(parked.join().is_err());
            assert_eq!(thread::spawn(|| 1).join().unwrap(), 1, "the outer one is still the current one");
        }
    });
}

#[test]
fn blocking_calls_run_beside_the_workers() {
    let runtime = Runtime::builder().workers(1).blocking_threads(8).build().unwrap();
    runtime.run(|| {
        let barrier = Arc::new(Barrier::new(8));
        let threads: Vec<_> = (0..8)
            .map(|i| {
                let barrier = barrier.clone();
                thread::spawn(move || {
                    let mut lent = i;
                    // All eight at once, or none gets through.
                    let name = thread::blocking(|| {
                        barrier.wait();
                        lent += 1;
                        os_name()
                    });
                    assert_ne!(name, os_name());
                    lent
                })
            })
            .collect();
        assert_eq!(threads.into_iter().map(|thread| thread.join().unwrap()).sum::<i32>(), 36);
        let caught = catch_unwind(|| thread::blocking(|| panic!("in the pool")));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"in the pool"));
        assert_eq!(thread::blocking(|| thread::blocking(|| 3)), 3);
    });
    assert_eq!(thread::blocking(os_name), os_name(), "an OS thread may block itself");
}

#[test]
fn the_pool_of_blocking_threads_is_no_larger_than_asked() {
    let runtime = Runtime::builder().workers(2).blocking_threads(3).build().unwrap();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    runtime.run(|| {
        let threads: Vec<_> = (0..100)
            .map(|_| {
                let (now, most) = (now.clone(), most.clone());
                thread::spawn(move || {
                    thread::blocking(|| {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                    });
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
}

#[test]
fn starting_and_ending_a_thousand_runtimes_leaks_nothing() {
    const TEST: &str = "starting_and_ending_a_thousand_runtimes_leaks_nothing";
    if !is_child() {
        good_child(TEST);
        return;
    }
    let cycle = |i: usize| {
        let (runtime, drops) = (small(1 + i % 3), Arc::new(AtomicUsize::new(0)));
        runtime.run(|| {
            fill(16, &drops);
            thread::blocking(|| ());
            thread::yield_now();
        });
        if i.is_multiple_of(2) {
            runtime.shutdown(soon()).unwrap();
        } else {
            drop(runtime);
        }
        assert_eq!(drops.load(Ordering::SeqCst), 16);
    };
    let os_threads = harness::entries("/proc/self/task");
    let held = || {
        // One that has been joined stays in the list for a moment.
        harness::wait_until(|| harness::entries("/proc/self/task") <= os_threads);
        [harness::entries("/proc/self/fd"), mappings()]
    };
    // An emulator takes its time, and so does a sanitizer, for which a cycle more is no news.
    let (warm, all) = if cfg!(any(sinew_asan, sinew_tsan, sinew_emulated)) { (30, 100) } else { (300, 1_000) };
    (0..warm).for_each(cycle);
    let (before, memory) = (held(), harness::status("VmRSS"));
    (warm..all).for_each(cycle);
    let (after, grown) = (held(), harness::status("VmRSS").saturating_sub(memory));
    assert_eq!(after[0], before[0], "descriptors");
    // A sanitizer keeps freed memory for a while; its own look for leaks takes the place of the rest. An emulator's own
    // memory, which grows with each OS thread, would be counted too.
    if cfg!(any(sinew_asan, sinew_tsan, sinew_emulated)) {
        return;
    }
    // The allocator's arenas come and go.
    assert!(after[1] < before[1] + 60, "mappings: {} then {}", before[1], after[1]);
    assert!(grown < 4 << 10, "{grown} KiB more than after {warm} cycles, {memory} KiB");
}

fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().count()
}

#[test]
fn one_default_runtime_is_started_by_many_os_threads_at_once() {
    const TEST: &str = "one_default_runtime_is_started_by_many_os_threads_at_once";
    if !is_child() {
        let output = child(TEST).env("SINEW_WORKERS", "3").output().unwrap();
        assert!(output.status.success(), "{}", words_of(&output));
        return;
    }
    let barrier = Barrier::new(32);
    std::thread::scope(|scope| {
        for i in 0..32 {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                assert_eq!(sinew::spawn(move || i).join().unwrap(), i);
                assert_eq!(sinew::run(|| i), i);
            });
        }
    });
    // An OS thread gives itself its name, once it runs.
    let workers = || harness::os_threads().iter().filter(|name| name.starts_with("sinew-worker")).count();
    harness::wait_until(|| workers() >= 3);
    assert_eq!(workers(), 3);
}
