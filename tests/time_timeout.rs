//! Timeouts: what they end, how they nest, and what goes through them.

mod harness;

use harness::{LONG, OnDrop, assert_cancelled, on_every_crew, on_workers, spawn_started, waiting_bodies};
use sinew::{
    Cancelled, cancel,
    fs::unix::FileExt,
    net::unix::{UnixDatagram, UnixStream},
    thread,
    time::{self, Instant, timeout},
};
use std::{
    io::{Read, Write},
    panic::catch_unwind,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const SHORT: Duration = Duration::from_millis(2);

#[test]
fn every_wait_is_ended_and_its_frames_are_unwound() {
    on_every_crew(|crew| {
        for (name, body) in waiting_bodies() {
            crew.spawn(move || {
                let drops = AtomicUsize::new(0);
                let start = Instant::now();
                let result = time::timeout(SHORT, || {
                    let _end = OnDrop(|| {
                        drops.fetch_add(1, Ordering::SeqCst);
                    });
                    body();
                });
                assert!(result.is_err(), "{name}");
                assert!(start.elapsed() >= SHORT);
                assert_eq!(drops.load(Ordering::SeqCst), 1);
                // The thread is as before.
                thread::yield_now();
                thread::sleep(Duration::from_millis(1));
                assert_eq!(time::timeout(LONG, || 1), Ok(1));
            })
            .join()
            .unwrap();
        }
    });
}

#[test]
fn a_loop_that_sleeps_until_what_has_passed_is_ended() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let past = Instant::now();
            let sleeps: [fn(Instant); 3] = [
                time::sleep_until,
                |_| time::sleep(Duration::ZERO),
                |past| {
                    time::interval_at(past, SHORT).tick();
                },
            ];
            for sleep in sleeps {
                let result: Result<(), _> = time::timeout(SHORT, || {
                    loop {
                        sleep(past);
                    }
                });
                assert!(result.is_err());
            }
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_deadline_that_has_passed_ends_the_first_suspension() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let past = Instant::now() - SHORT;
            assert_eq!(time::timeout_at(past, || 1), Ok(1), "what does not suspend goes on");
            assert!(time::timeout_at(past, thread::park).is_err());
            assert!(time::timeout(Duration::ZERO, thread::park).is_err());
            assert_eq!(time::timeout(Duration::MAX, || 2), Ok(2));
        })
        .join()
        .unwrap();
    });
}

#[test]
fn each_of_nested_timeouts_is_told_of_its_own_time_only() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let outer = time::timeout(SHORT, || time::timeout(LONG, thread::park));
            assert!(outer.is_err());
            let inner = time::timeout(LONG, || time::timeout(SHORT, thread::park));
            assert!(inner.unwrap().is_err());
            let both = time::timeout(SHORT, || {
                let _late = OnDrop(|| thread::sleep(SHORT));
                time::timeout(Duration::from_millis(1), || {
                    std::thread::sleep(SHORT * 2);
                    thread::park();
                })
            });
            assert!(both.is_err(), "the outer one's time was up too");
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_cancellation_of_the_thread_goes_through() {
    on_workers(|| {
        let handle = spawn_started(|| time::timeout(LONG, || time::timeout(LONG, thread::park)));
        handle.cancel();
        assert_cancelled(handle);
        let caught = spawn_started(|| {
            let caught = time::timeout(LONG, || cancel::catch(|| time::timeout(LONG, thread::park)));
            assert!(caught.unwrap().is_err());
        });
        caught.cancel();
        caught.join().unwrap();
    });
}

#[test]
fn a_panic_goes_through() {
    on_every_crew(|crew| {
        let member =
            crew.spawn(|| time::timeout(LONG, || std::panic::resume_unwind(Box::new(3))).map(|never: ()| never));
        assert_eq!(member.join().unwrap_err().downcast_ref::<i32>(), Some(&3));
    });
}

#[test]
fn swallowed_it_comes_again_until_its_part_ends() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let result = time::timeout(SHORT, || {
                for _ in 0..3 {
                    assert!(catch_unwind(thread::park).unwrap_err().is::<Cancelled>());
                }
                "over"
            });
            assert_eq!(result, Ok("over"));
            thread::sleep(Duration::from_millis(1));
        })
        .join()
        .unwrap();
    });
}

#[test]
fn destructors_that_wait_during_the_unwind_are_not_interrupted() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let done = AtomicUsize::new(0);
            let result = time::timeout(SHORT, || {
                let _slow = OnDrop(|| {
                    thread::sleep(SHORT);
                    thread::spawn(thread::yield_now).join().unwrap();
                    done.fetch_add(1, Ordering::SeqCst);
                });
                thread::park();
            });
            assert!(result.is_err());
            assert_eq!(done.load(Ordering::SeqCst), 1);
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_deadline_can_be_moved() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let longer = time::timeout_with(SHORT, |timeout| {
                assert!(timeout.reschedule(Instant::now() + LONG));
                thread::sleep(SHORT * 2);
                assert!(!timeout.has_elapsed());
                assert!(timeout.disable() && timeout.deadline().is_none());
                thread::sleep(Duration::from_millis(1));
            });
            assert_eq!(longer, Ok(()));
            let shorter = time::timeout_with(LONG, |timeout| {
                timeout.reschedule(Instant::now() + SHORT);
                thread::park();
            });
            assert!(shorter.is_err());
            let passed = time::timeout_with(SHORT, |timeout| {
                std::thread::sleep(SHORT * 2);
                assert!(timeout.has_elapsed() && timeout.reschedule(Instant::now() + LONG));
                thread::sleep(Duration::from_millis(1));
            });
            assert_eq!(passed, Ok(()));
            let too_late = time::timeout_with(SHORT, |timeout| {
                drop(catch_unwind(thread::park));
                assert!(!timeout.reschedule(Instant::now() + LONG));
                thread::park();
            });
            assert!(too_late.is_err());
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_wait_for_a_lock_or_a_socket_is_ended() {
    on_every_crew(|crew| {
        let mutex = Arc::new(sinew::sync::Mutex::new(0));
        let held = mutex.lock().unwrap();
        let waiter = mutex.clone();
        crew.spawn(move || {
            assert!(time::timeout(SHORT, || drop(waiter.lock().unwrap())).is_err());
            let listener = sinew::net::TcpListener::bind("127.0.0.1:0").unwrap();
            assert!(time::timeout(SHORT, || listener.accept()).is_err());
        })
        .join()
        .unwrap();
        drop(held);
        assert_eq!(*mutex.lock().unwrap(), 0, "not poisoned");
        let holder = mutex.clone();
        crew.spawn(move || {
            let result = time::timeout(SHORT, || {
                let _held = holder.lock().unwrap();
                thread::park();
            });
            assert!(result.is_err());
        })
        .join()
        .unwrap();
        assert_eq!(*mutex.lock().unwrap(), 0, "a cancellation's unwind poisons nothing");
    });
}

#[test]
fn a_loop_of_reads_and_writes_that_never_wait_is_ended() {
    on_workers(|| {
        let (mut one, mut two) = UnixStream::pair().unwrap();
        let (left, right) = UnixDatagram::pair().unwrap();
        let (mut reader, mut writer) = sinew::io::pipe().unwrap();
        let file = sinew::fs::File::open("Cargo.toml").unwrap();
        let mut zeros = sinew::fs::File::open("/dev/zero").unwrap();
        let mut byte = [0];
        let mut loops: [(&str, &mut dyn FnMut()); 5] = [
            ("a stream", &mut || {
                one.write_all(&[1]).unwrap();
                two.read_exact(&mut [0]).unwrap();
            }),
            ("datagrams", &mut || {
                left.send(&[1]).unwrap();
                right.recv(&mut [0]).unwrap();
            }),
            ("a pipe", &mut || {
                writer.write_all(&[1]).unwrap();
                reader.read_exact(&mut [0]).unwrap();
            }),
            ("a file", &mut || file.read_exact_at(&mut [0; 8], 0).unwrap()),
            ("a device", &mut || zeros.read_exact(&mut byte).unwrap()),
        ];
        for (name, body) in &mut loops {
            let start = Instant::now();
            let result = time::timeout(SHORT, || {
                while start.elapsed() < Duration::from_secs(300) {
                    body();
                }
            });
            assert!(result.is_err(), "{name}");
        }
    });
}

#[test]
fn timeouts_at_random_leave_no_thread_behind() {
    on_every_crew(|crew| {
        crew.all(50, |number| {
            let mut random = harness::Random::new(number as u64);
            let mut ended = 0;
            for _ in 0..20 {
                let outer = Duration::from_micros(random.below(3_000) as u64);
                let inner = Duration::from_micros(random.below(3_000) as u64);
                let result = time::timeout(outer, || {
                    let result = time::timeout(inner, || thread::sleep(Duration::from_millis(1)));
                    thread::yield_now();
                    result
                });
                ended += usize::from(matches!(result, Ok(Ok(()))));
            }
            ended
        });
    });
}

#[test]
fn a_child_that_asks_for_it_inherits_the_deadline() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let inherits = || thread::Builder::new().inherit_deadline();
            // Of those around it the earliest, and through threads.
            let child = timeout(LONG, || {
                timeout(Duration::from_millis(3), || {
                    timeout(LONG, || {
                        inherits().spawn(move || inherits().spawn(thread::park).unwrap().join().unwrap_err()).unwrap()
                    })
                })
            });
            let payload = child.unwrap().unwrap().unwrap().join();
            // Either of them may have been the first.
            let payload = payload.unwrap_or_else(|payload| payload);
            assert!(payload.is::<sinew::Cancelled>());

            // Those beyond a shield do not count, and without one nothing changes.
            let free = timeout(Duration::from_millis(1), || {
                sinew::cancel::shield(|| inherits().spawn(|| thread::sleep(Duration::from_millis(5))).unwrap())
            });
            free.unwrap().join().unwrap();
            assert_eq!(inherits().spawn(|| 5).unwrap().join().unwrap(), 5);

            // Nor is it that of a child that does not ask.
            let other = timeout(Duration::from_millis(1), || thread::spawn(|| thread::sleep(Duration::from_millis(5))));
            other.unwrap().join().unwrap();

            let scoped = timeout(Duration::from_millis(1), || {
                thread::scope(|scope| {
                    inherits().spawn_scoped(scope, || thread::sleep(LONG)).unwrap();
                });
            });
            assert!(scoped.is_ok(), "the scope's wait is masked, and its thread ended in time");
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_child_whose_inherited_time_is_up_before_it_starts_never_runs() {
    let runtime = sinew::Runtime::builder().workers(1).start_paused(true).build().unwrap();
    runtime.run(|| {
        let child = timeout(Duration::from_secs(1), || {
            thread::Builder::new().inherit_deadline().spawn(|| unreachable!("it is too late")).unwrap()
        });
        // Nothing has suspended yet on this only worker.
        assert!(!child.as_ref().unwrap().is_finished());
        sinew::time::advance(Duration::from_secs(2));
        let payload = child.unwrap().join().map(|never: ()| never).unwrap_err();
        let reason = payload.downcast_ref::<sinew::Cancelled>().unwrap().reason();
        assert_eq!(reason, Some("the deadline that it inherited has passed"));
    });
}
