//! `sync::Event`, `Notify`, `Barrier` and `WaitGroup`.

mod harness;

use harness::{on_every_crew, still_waits};
use sinew::sync::{Barrier, Event, Notify, WaitGroup};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

#[test]
fn an_event_wakes_all_even_if_it_is_cleared_at_once() {
    on_every_crew(|crew| {
        let event = Arc::new(Event::new());
        let waiters: Vec<_> = (0..20)
            .map(|_| {
                crew.spawn({
                    let event = event.clone();
                    move || event.wait()
                })
            })
            .collect();
        assert!(waiters.iter().all(still_waits));
        event.set();
        event.clear();
        assert!(!event.is_set());
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert!(!event.wait_timeout(Duration::from_millis(2)));
        event.set();
        event.wait();
        assert!(event.wait_timeout(Duration::ZERO) && event.wait_timeout(Duration::MAX));
    });
}

#[test]
fn a_notification_goes_to_one_that_waits_or_the_next_to_come() {
    on_every_crew(|crew| {
        let notify = Arc::new(Notify::new());
        notify.notify_one();
        notify.notify_one();
        notify.wait();
        assert!(!notify.wait_timeout(Duration::from_millis(2)), "several are one");
        let waiters: Vec<_> = (0..5)
            .map(|_| {
                crew.spawn({
                    let notify = notify.clone();
                    move || notify.wait()
                })
            })
            .collect();
        assert!(waiters.iter().all(still_waits));
        notify.notify_one();
        harness::wait_until(|| waiters.iter().filter(|waiter| waiter.is_finished()).count() == 1);
        // Some may not have come to their wait before the first of these.
        harness::wait_until(|| {
            notify.notify_waiters();
            waiters.iter().all(|waiter| waiter.is_finished())
        });
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert!(!notify.wait_timeout(Duration::from_millis(2)), "nothing is left for who comes");
    });
}

#[test]
fn a_barrier_lets_all_go_together_time_and_again() {
    on_every_crew(|crew| {
        let shared = Arc::new((Barrier::new(6), AtomicUsize::new(0)));
        let leaders: usize = crew
            .all(6, move |_| {
                (1..=50)
                    .filter(|round| {
                        shared.1.fetch_add(1, Ordering::SeqCst);
                        let leads = shared.0.wait().is_leader();
                        assert!(shared.1.load(Ordering::SeqCst) >= 6 * round);
                        leads
                    })
                    .count()
            })
            .into_iter()
            .sum();
        assert_eq!(leaders, 50);
        assert!(Barrier::new(0).wait().is_leader() && Barrier::new(1).wait().is_leader());
    });
}

#[test]
fn a_group_waits_for_all_its_clones() {
    on_every_crew(|crew| {
        let (group, done) = (WaitGroup::new(), Arc::new(AtomicUsize::new(0)));
        assert_eq!(format!("{:?}", group.clone()), "WaitGroup { count: 2 }");
        let members: Vec<_> = (0..10)
            .map(|number| {
                let (group, done) = (group.clone(), done.clone());
                crew.spawn(move || {
                    sinew::sleep(Duration::from_millis(1));
                    done.fetch_add(1, Ordering::SeqCst);
                    if number % 2 == 0 {
                        group.wait();
                        assert_eq!(done.load(Ordering::SeqCst), 10);
                    }
                })
            })
            .collect();
        group.wait();
        assert_eq!(done.load(Ordering::SeqCst), 10);
        members.into_iter().for_each(|member| member.join().unwrap());
        WaitGroup::default().wait();
    });
}
