//! Durations and points in time beyond what a clock can say: they never come.

mod harness;

use harness::on_every_crew;
use sinew::{
    Runtime, channel, future, sync, thread,
    time::{self, Duration, Instant, MissedTicks},
};

const SHORT: Duration = Duration::from_millis(2);
/// As far as the clock can say, or nearly.
fn far() -> Instant {
    let now = Instant::now();
    (1..64).filter_map(|bit| now.checked_add(Duration::from_secs(u64::MAX >> bit))).next().unwrap()
}

/// Waits that never end by themselves.
fn waits() -> Vec<(&'static str, fn())> {
    vec![
        ("sleep", || time::sleep(Duration::MAX)),
        ("sleep until", || time::sleep_until(far())),
        ("sleep for centuries", || time::sleep(Duration::from_secs(1 << 33))),
        ("park", || thread::park_timeout(Duration::MAX)),
        ("timeout", || {
            let _ = time::timeout(Duration::MAX, thread::park);
        }),
        ("timeout at", || {
            let _ = time::timeout_at(far(), thread::park);
        }),
        ("interval", || {
            for missed in [MissedTicks::Burst, MissedTicks::Delay, MissedTicks::Skip] {
                let mut interval = time::interval(Duration::MAX);
                interval.set_missed_ticks(missed);
                interval.tick();
                interval.reset();
            }
            let mut interval = time::interval(Duration::MAX);
            interval.tick();
            interval.tick();
        }),
        ("interval at", || {
            let _ = time::interval_at(far(), Duration::MAX).tick();
        }),
        ("future", || future::block_on(future::sleep(Duration::MAX))),
        ("future's timeout", || {
            let _ = future::block_on(future::timeout(Duration::MAX, std::future::pending::<()>()));
        }),
        ("token", || {
            let _ = sinew::cancel::CancelToken::new().wait_timeout(Duration::MAX);
        }),
        ("event", || {
            let _ = sync::Event::new().wait_timeout(Duration::MAX);
        }),
        ("receive", || {
            let _ = channel::bounded::<()>(0).1.recv_timeout(Duration::MAX);
        }),
        ("after", || {
            let _ = channel::after(Duration::MAX).recv();
        }),
    ]
}

#[test]
fn what_waits_for_ever_waits_and_can_be_ended() {
    on_every_crew(|crew| {
        for (name, wait) in waits() {
            let ended = crew.spawn(move || time::timeout(SHORT, wait)).join();
            assert!(ended.expect("no panic").is_err(), "{name}");
        }
    });
}

#[test]
fn a_timeout_that_never_comes_is_none() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            assert_eq!(time::timeout(Duration::MAX, || time::sleep(SHORT)), Ok(()));
            assert_eq!(time::timeout_at(far(), || time::sleep(SHORT)), Ok(()));
            let moved = time::timeout_with(SHORT, |timeout| {
                timeout.reschedule(far());
                time::sleep(SHORT * 2);
            });
            assert_eq!(moved, Ok(()));
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_paused_clock_does_not_jump_to_what_never_comes() {
    for workers in [1, 2, 8] {
        Runtime::builder().workers(workers).start_paused(true).build().unwrap().run(|| {
            let start = Instant::now();
            for (name, wait) in waits() {
                let sleeper = thread::spawn(wait);
                time::sleep(Duration::from_secs(1));
                assert!(!sleeper.is_finished(), "{name}");
                sleeper.cancel();
                assert!(sleeper.join().unwrap_err().is::<sinew::Cancelled>(), "{name}");
            }
            assert_eq!(start.elapsed().as_secs() as usize, waits().len());
        });
    }
}
