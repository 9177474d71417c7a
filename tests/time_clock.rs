//! The clock for tests, and intervals on it.

mod harness;

use sinew::{
    Runtime, channel, sync, thread,
    time::{self, Duration, Instant, MissedTicks},
};
use std::sync::Arc;

const HOUR: Duration = Duration::from_secs(3600);

fn on_paused(body: fn()) {
    for workers in [1, 2, 8] {
        Runtime::builder().workers(workers).start_paused(true).build().unwrap().run(body);
    }
}

#[test]
fn the_clock_stands_while_anybody_works() {
    on_paused(|| {
        let start = Instant::now();
        std::thread::sleep(Duration::from_millis(3));
        thread::yield_now();
        assert_eq!(start.elapsed(), Duration::ZERO);
        thread::blocking(|| std::thread::sleep(Duration::from_millis(3)));
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

#[test]
fn it_jumps_to_each_deadline_in_turn() {
    on_paused(|| {
        let start = Instant::now();
        let threads: Vec<_> = [3, 1, 2]
            .map(|hours| {
                thread::spawn(move || {
                    thread::sleep(HOUR * hours);
                    start.elapsed()
                })
            })
            .into();
        let woken: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(woken, [HOUR * 3, HOUR, HOUR * 2]);
        assert_eq!(start.elapsed(), HOUR * 3);
    });
}

#[test]
fn timeouts_and_waits_are_on_it() {
    on_paused(|| {
        let start = Instant::now();
        assert!(time::timeout(HOUR, thread::park).is_err());
        assert_eq!(start.elapsed(), HOUR);
        thread::park_timeout(HOUR);
        assert_eq!(start.elapsed(), HOUR * 2);
        let mutex = sync::Mutex::new(());
        let (_guard, timed_out) = sync::Condvar::new().wait_timeout(mutex.lock().unwrap(), HOUR).unwrap();
        assert!(timed_out.timed_out());
        assert_eq!(start.elapsed(), HOUR * 3);
        time::sleep_until(start + HOUR * 4);
        assert_eq!(start.elapsed(), HOUR * 4);
    });
}

#[test]
fn every_wait_with_a_limit_is_on_it() {
    on_paused(|| {
        let (mutex, rwlock) = (sync::Mutex::new(()), sync::RwLock::new(()));
        let (held, _written) = (mutex.lock().unwrap(), rwlock.write().unwrap());
        let (sender, receiver) = channel::bounded(0);
        let waits: [(&str, &dyn Fn()); 14] = [
            ("sleep", &|| thread::sleep(HOUR)),
            ("park", &|| thread::park_timeout(HOUR)),
            ("mutex", &|| assert!(mutex.try_lock_for(HOUR).is_err())),
            ("read", &|| assert!(rwlock.try_read_for(HOUR).is_err())),
            ("semaphore", &|| assert!(sync::Semaphore::new(0).acquire_timeout(1, HOUR).is_err())),
            ("event", &|| assert!(!sync::Event::new().wait_timeout(HOUR))),
            ("notify", &|| assert!(!sync::Notify::new().wait_timeout(HOUR))),
            ("token", &|| assert!(!sinew::cancel::CancelToken::new().wait_timeout(HOUR))),
            ("send", &|| assert!(sender.send_timeout(1, HOUR).is_err())),
            ("receive", &|| assert!(receiver.recv_timeout(HOUR).is_err())),
            ("after", &|| assert!(channel::after(HOUR).recv().is_ok())),
            ("tick", &|| assert!(channel::tick(HOUR).recv().is_ok())),
            ("select", &|| {
                channel::select! {
                    recv(receiver) -> _ => unreachable!("nobody sends"),
                    default(HOUR) => {}
                }
            }),
            ("condvar", &|| {
                let other = sync::Mutex::new(());
                let waited = sync::Condvar::new().wait_timeout_while(other.lock().unwrap(), HOUR, |()| true);
                assert!(waited.unwrap().1.timed_out());
            }),
        ];
        for (name, wait) in waits {
            let start = Instant::now();
            wait();
            assert_eq!(start.elapsed(), HOUR, "{name}");
        }
        drop(held);
    });
}

#[test]
fn threads_that_wake_each_other_hold_it() {
    on_paused(|| {
        let start = Instant::now();
        let (ping, pong) = (Arc::new(sync::Semaphore::new(0)), Arc::new(sync::Semaphore::new(0)));
        let (there, back) = (ping.clone(), pong.clone());
        let other = thread::spawn(move || {
            for _ in 0..200 {
                there.acquire().unwrap().forget();
                back.add_permits(1);
            }
        });
        let late = time::timeout(HOUR, || {
            for _ in 0..200 {
                ping.add_permits(1);
                pong.acquire().unwrap().forget();
            }
        });
        assert_eq!(late, Ok(()));
        other.join().unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

#[test]
fn it_is_moved_by_hand() {
    on_paused(|| {
        let start = Instant::now();
        time::advance(HOUR);
        assert_eq!(start.elapsed(), HOUR);
        assert!(time::timeout_at(start, thread::park).is_err());
    });
}

#[test]
fn intervals_tick_at_a_fixed_distance() {
    on_paused(|| {
        let mut interval = time::interval(HOUR);
        let start = Instant::now();
        let ticks: Vec<_> = (0..4).map(|_| interval.tick() - start).collect();
        assert_eq!(ticks, [Duration::ZERO, HOUR, HOUR * 2, HOUR * 3]);
        assert_eq!(start.elapsed(), HOUR * 3);
    });
}

#[test]
fn missed_ticks_are_caught_up_with_delayed_or_skipped() {
    on_paused(|| {
        for (missed, expected) in [
            (MissedTicks::Burst, [10, 20, 30, 40]),
            (MissedTicks::Delay, [10, 45, 55, 65]),
            (MissedTicks::Skip, [10, 40, 50, 60]),
        ] {
            let minute = Duration::from_secs(60);
            let start = Instant::now();
            let mut interval = time::interval(minute * 10);
            interval.set_missed_ticks(missed);
            interval.tick();
            time::sleep_until(start + minute * 35);
            let ticks = [(); 4].map(|()| (interval.tick() - start).as_secs() / 60);
            assert_eq!(ticks, expected, "{missed:?}");
        }
    });
}

#[test]
fn a_tick_that_was_cancelled_is_still_to_come() {
    on_paused(|| {
        let mut interval = time::interval(HOUR);
        let first = interval.tick();
        assert!(time::timeout(HOUR / 2, || interval.tick()).is_err());
        assert_eq!(interval.tick() - first, HOUR);
    });
}

#[test]
fn sockets_have_time_to_arrive() {
    on_paused(|| {
        use std::io::{Read, Write};
        let start = Instant::now();
        let listener = sinew::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || listener.accept().unwrap().0.write_all(b"hello").unwrap());
        let mut text = String::new();
        let read = time::timeout(HOUR, || sinew::net::TcpStream::connect(address)?.read_to_string(&mut text));
        read.unwrap().unwrap();
        server.join().unwrap();
        assert_eq!((&*text, start.elapsed()), ("hello", Duration::ZERO));
    });
}

#[test]
fn what_comes_late_and_from_outside_ends_a_wait_without_a_deadline() {
    use std::io::{Read, Write};
    for workers in [1, 4] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let mut peer = listener.accept().unwrap().0;
            for word in ["a", "b", "c"] {
                // So that all workers are asleep by then.
                std::thread::sleep(Duration::from_millis(20));
                peer.write_all(word.as_bytes()).unwrap();
            }
        });
        let runtime = Runtime::builder().workers(workers).start_paused(true).build().unwrap();
        let text = runtime.run(|| {
            let mut text = String::new();
            sinew::net::TcpStream::connect(address)?.read_to_string(&mut text).map(|_| text)
        });
        assert_eq!(text.unwrap(), "abc");
        server.join().unwrap();
    }
}

#[test]
fn an_interval_begins_where_it_is_told_and_anew_where_it_is_reset() {
    on_paused(|| {
        let start = Instant::now();
        let mut interval = time::interval_at(start + HOUR * 2, HOUR);
        assert_eq!(interval.tick() - start, HOUR * 2);
        thread::sleep(HOUR / 2);
        interval.reset();
        assert_eq!(interval.tick() - start, HOUR * 7 / 2);
        assert_eq!(interval.tick() - start, HOUR * 9 / 2);
        let mut past = time::interval_at(start, HOUR);
        past.set_missed_ticks(MissedTicks::Skip);
        assert_eq!(past.tick(), start);
        assert_eq!(past.tick() - start, HOUR * 5);
        assert_eq!(start.elapsed(), HOUR * 5);
    });
}

#[test]
fn who_moves_it_at_the_same_time_moves_it_by_the_sum() {
    on_paused(|| {
        let start = Instant::now();
        let begin = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let begin = begin.clone();
                thread::spawn(move || {
                    begin.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    while begin.load(std::sync::atomic::Ordering::SeqCst) < 8 {
                        thread::yield_now();
                    }
                    (0..500).for_each(|_| time::advance(HOUR));
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(start.elapsed(), HOUR * 4000);
    });
}

#[test]
fn it_is_not_moved_beyond_what_it_can_say() {
    on_paused(|| {
        let start = Instant::now();
        assert!(std::panic::catch_unwind(|| time::advance(Duration::MAX)).is_err());
        assert!(std::panic::catch_unwind(|| time::advance(Duration::from_nanos(u64::MAX))).is_err());
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}
