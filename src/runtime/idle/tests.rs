//! Tests of the idle protocol step by step; `loom_tests` holds the models.

use super::*;

#[test]
fn at_most_half_of_the_busy_workers_search() {
    let idle = Idle::new(4);
    assert!(idle.try_start_searching(4));
    assert!(idle.try_start_searching(4));
    assert!(!idle.try_start_searching(4));
    assert!(!idle.stop_searching());
    assert!(idle.try_start_searching(3));
    assert!(!idle.stop_searching());
    assert!(idle.stop_searching(), "the last searcher learns that it was the last");
    assert!(idle.try_start_searching(1), "one busy worker may search");
    assert_eq!(idle.searching(), 1);
}

#[test]
fn the_last_to_sleep_is_woken_first_and_only_one_at_a_time() {
    let idle = Idle::new(3);
    assert_eq!(idle.wake_one(), None, "nobody sleeps");
    for index in 0..3 {
        idle.prepare_sleep(index, false, false);
    }
    assert_eq!((idle.sleeping(), idle.searching()), (3, 0));
    assert_eq!(idle.wake_one(), Some(2));
    assert_eq!((idle.sleeping(), idle.searching()), (2, 1));
    assert_eq!((idle.wake_one(), idle.wake_hint()), (None, None), "the woken one searches");
    assert!(idle.finish_sleep(2));
    assert!(idle.stop_searching());
    assert_eq!(idle.wake_hint(), Some(1));
}

#[test]
fn going_to_sleep_ends_the_search() {
    let idle = Idle::new(2);
    assert!(idle.try_start_searching(2));
    idle.prepare_sleep(1, true, false);
    assert_eq!((idle.sleeping(), idle.searching()), (1, 0));
    assert!(idle.is_sleeping(1) && !idle.is_sleeping(0));
}

#[test]
fn a_cancelled_sleep_says_whether_someone_was_faster() {
    let idle = Idle::new(2);
    idle.prepare_sleep(0, false, false);
    assert!(idle.cancel_sleep(0));
    assert_eq!((idle.sleeping(), idle.searching()), (0, 0));

    idle.prepare_sleep(0, false, false);
    assert_eq!(idle.wake_one(), Some(0));
    assert!(!idle.cancel_sleep(0));
    assert_eq!((idle.sleeping(), idle.searching()), (0, 1), "it is a searcher");
}

#[test]
fn a_sleeper_that_its_poller_woke_is_busy() {
    let idle = Idle::new(2);
    idle.prepare_sleep(0, false, false);
    idle.prepare_sleep(1, false, false);
    assert!(!idle.finish_sleep(0));
    assert_eq!(idle.wake_one(), Some(1));
    assert_eq!(idle.sleeping(), 0);
}

#[test]
fn a_sleeper_woken_for_its_inbox_does_not_count_as_a_searcher() {
    let idle = Idle::new(3);
    assert!(!idle.wake_specific(1), "it is awake");
    for index in 0..3 {
        idle.prepare_sleep(index, false, false);
    }
    assert!(idle.wake_specific(1));
    assert!(!idle.wake_specific(1), "once is enough");
    assert_eq!((idle.sleeping(), idle.searching()), (2, 0));
    assert!(!idle.finish_sleep(1));
    assert_eq!([idle.wake_one(), idle.wake_one()], [Some(2), None]);
    assert!(!idle.wake_specific(2), "it has been woken to search, and will look at its inbox too");
}
