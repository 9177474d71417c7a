//! Time, groups, tokens, parking and joins, ended at every suspension that occurs: see `harness::driven`.

mod harness;

use harness::{
    OnDrop,
    driven::{Case, On, count, run, run_on},
    wait_until,
};
use sinew::{
    cancel::{self, CancelToken},
    future,
    group::{JoinSet, gather, group, join, race},
    sync::Event,
    thread,
    time::{self, Instant, timeout},
};
use std::{
    future::poll_fn,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Poll, Waker},
    time::Duration,
};

const SHORT: Duration = Duration::from_millis(3);
const LONG: Duration = harness::LONG;

/// For operations that come to their end with time alone.
struct Time;

fn passes(_: &Time) {
    thread::sleep(Duration::from_millis(2));
}

const PASSES: &[fn(&Time)] = &[|_| (), passes, passes, passes];

fn one_is_left_alone<S>(_: &S, successes: usize) {
    assert!((1..=2).contains(&successes));
}

macro_rules! takes_time {
    ($($name:ident: $operation:expr;)+) => {$(
        #[test]
        fn $name() {
            run(&Case::<Time> {
                name: stringify!($name),
                new: || Time,
                operation: |_, successes, limit| {
                    let operation: fn(Option<Duration>) -> bool = $operation;
                    if operation(limit) {
                        count(successes);
                    }
                },
                steps: PASSES,
                check: one_is_left_alone,
            });
        }
    )+};
}

takes_time! {
    a_sleep: |_| {
        let start = Instant::now();
        thread::sleep(SHORT);
        start.elapsed() >= SHORT
    };
    a_sleep_until: |_| {
        let end = Instant::now() + SHORT;
        time::sleep_until(end);
        Instant::now() >= end
    };
    a_sleep_until_the_past: |_| {
        let past = Instant::now();
        (0..20).for_each(|_| time::sleep_until(past));
        true
    };
    ticks: |_| {
        let start = Instant::now();
        let mut interval = time::interval_at(start, Duration::from_millis(2));
        (0..3).all(|number| interval.tick() == start + Duration::from_millis(2) * number)
    };
    a_timeout_within_a_timeout: |_| {
        // What ends this from outside is neither's end.
        assert!(timeout(LONG, || timeout(SHORT, thread::park)).expect("the outer one's time is not up").is_err());
        assert!(timeout(SHORT, || timeout(LONG, thread::park)).is_err());
        true
    };
    a_shield: |_| {
        let mut steps = 0;
        cancel::shield(|| {
            (0..3).for_each(|_| {
                thread::sleep(Duration::from_millis(1));
                steps += 1;
            });
        });
        assert_eq!(steps, 3);
        true
    };
    a_call_on_the_pool: |_| {
        let mut lent = 0;
        thread::blocking(|| {
            std::thread::sleep(SHORT);
            lent += 1;
        });
        assert_eq!(lent, 1, "it is masked");
        true
    };
    a_nested_run: |_| {
        let mut lent = 0;
        sinew::run(|| {
            thread::sleep(SHORT);
            lent += 1;
        });
        assert_eq!(lent, 1, "it is masked");
        true
    };
    a_sleeping_future: |_| {
        future::block_on(future::sleep(SHORT));
        true
    };
    a_future_with_a_timeout: |_| {
        future::block_on(future::timeout(SHORT, std::future::pending::<()>())).is_err()
    };
    a_park_with_a_limit: |limit| {
        let start = Instant::now();
        thread::park_timeout(limit.unwrap_or(SHORT));
        start.elapsed() >= limit.unwrap_or(SHORT)
    };
}

/// Children that wait until they may go, and count themselves.
#[derive(Default)]
struct Family {
    go: Event,
    began: AtomicUsize,
    ended: AtomicUsize,
}

impl Family {
    fn child(&self) -> usize {
        self.began.fetch_add(1, Ordering::SeqCst);
        let _end = OnDrop(|| {
            self.ended.fetch_add(1, Ordering::SeqCst);
        });
        self.go.wait();
        1
    }

    /// A group's own wait for its children must have kept it from leaving any behind.
    fn check(&self, successes: usize) {
        assert_eq!(self.began.load(Ordering::SeqCst), self.ended.load(Ordering::SeqCst));
        assert!((1..=2).contains(&successes));
    }
}

const RELEASE: &[fn(&Family)] = &[|_| (), |_| (), |_| (), |family| family.go.set()];

/// Runs a family's operation, which says whether it did all.
macro_rules! families {
    ($($name:ident on $on:expr, $operation:expr;)+) => {$(
        #[test]
        fn $name() {
            run_on(&Case::<Family> {
                name: stringify!($name),
                new: Family::default,
                operation: |family, successes, limit| {
                    let operation: fn(&Family, Option<Duration>) -> bool = $operation;
                    let before = family.began.load(Ordering::SeqCst);
                    if operation(family, limit) {
                        assert!(family.began.load(Ordering::SeqCst) > before || family.go.is_set());
                        count(successes);
                    }
                },
                steps: RELEASE,
                check: Family::check,
            }, $on);
        }
    )+};
}

families! {
    a_group_with_its_body_and_threads on On::BothKinds, |family, _| {
        group(|group| {
            (0..3).for_each(|_| drop(group.spawn(|| Ok::<_, ()>(family.child()))));
            family.child();
            Ok(())
        })
        .is_ok()
    };
    a_group_one_of_whose_threads_fails on On::BothKinds, |family, _| {
        let result = group(|group| {
            group.spawn(|| {
                family.child();
                Err::<(), _>("failed")
            });
            (0..2).for_each(|_| drop(group.spawn(|| {
                    thread::park();
                    Ok(())
                })));
            thread::park();
            Ok(())
        });
        assert_eq!(result.unwrap_err().errors(), ["failed"]);
        true
    };
    a_gather on On::BothKinds, |family, _| gather((0..3).map(|_| || family.child())) == [1, 1, 1];
    a_join_of_closures on On::BothKinds, |family, _| join((|| family.child(), || family.child())) == (1, 1);
    a_race on On::BothKinds, |family, _| race((0..3).map(|_| || family.child())) == 1;
    a_race_macro on On::BothKinds, |family, _| {
        let first: usize = sinew::race!(
            || family.child(),
            || {
                thread::sleep(LONG);
                2_usize
            }
        );
        first == 1
    };
    a_scope_and_its_handles on On::BothKinds, |family, _| {
        thread::scope(|scope| {
            let (one, other) = (scope.spawn(|| family.child()), scope.spawn(|| family.child()));
            one.join().unwrap() + other.cancel_on_drop().join().unwrap() == 2
        })
    };
    a_scopes_own_wait on On::BothKinds, |family, _| {
        thread::scope(|scope| {
            scope.spawn(|| family.child());
        });
        true
    };
}

/// Families that are never freed, since 'static threads refer to them.
struct Lasting(&'static Family);

/// Where a detector of leaks finds them.
static FAMILIES: Mutex<Vec<&Family>> = Mutex::new(Vec::new());

impl Lasting {
    fn new() -> Self {
        let family: &Family = Box::leak(Box::default());
        FAMILIES.lock().unwrap().push(family);
        Self(family)
    }

    /// Detached threads end after who has left them.
    fn check(&self, successes: usize) {
        wait_until(|| self.0.began.load(Ordering::SeqCst) == self.0.ended.load(Ordering::SeqCst));
        assert!((1..=2).contains(&successes));
    }
}

macro_rules! lasting_families {
    ($($name:ident on $on:expr, $operation:expr;)+) => {$(
        #[test]
        fn $name() {
            run_on(&Case::<Lasting> {
                name: stringify!($name),
                new: Lasting::new,
                operation: |lasting, successes, _| {
                    let operation: fn(&'static Family) -> bool = $operation;
                    if operation(lasting.0) {
                        count(successes);
                    }
                },
                steps: &[|_| (), |_| (), |_| (), |lasting| lasting.0.go.set()],
                check: Lasting::check,
            }, $on);
        }
    )+};
}

lasting_families! {
    a_join on On::BothKinds, |family| thread::spawn(|| family.child()).join().unwrap() == 1;
    a_join_that_cancels_when_it_is_dropped on On::BothKinds, |family| {
        thread::spawn(|| family.child()).cancel_on_drop().join().unwrap() == 1
    };
    a_join_of_a_local_thread on On::Green, |family| thread::spawn_local(|| family.child()).join().unwrap() == 1;
    a_join_of_a_named_thread_on_another_stack on On::BothKinds, |family| {
        let builder = thread::Builder::new().name("other".into()).stack_size(1 << 20);
        builder.spawn(|| family.child()).unwrap().join().unwrap() == 1
    };
    a_join_by_a_future on On::BothKinds, |family| {
        future::block_on(thread::spawn(|| family.child()).into_future()).unwrap() == 1
    };
    a_set_of_threads on On::BothKinds, |family| {
        let mut set = JoinSet::new();
        (0..3).for_each(|_| drop(set.spawn(|| family.child())));
        let first = set.join_next().unwrap().unwrap();
        first == 1 && set.join_all().into_iter().all(|result| result.is_ok())
    };
}

#[test]
fn a_wait_for_a_token() {
    run(&Case::<CancelToken> {
        name: "wait",
        new: CancelToken::new,
        operation: |token, successes, limit| {
            let cancelled = match limit {
                None => {
                    token.wait();
                    true
                }
                Some(limit) => token.wait_timeout(limit),
            };
            if cancelled {
                assert!(token.is_cancelled());
                count(successes);
            }
        },
        steps: &[|_| (), |_| (), |token| drop(token.child_token()), CancelToken::cancel],
        check: |token, successes| {
            assert!(token.is_cancelled());
            one_is_left_alone(token, successes);
        },
    });
}

#[test]
fn a_part_that_a_token_ends() {
    run(&Case::<CancelToken> {
        name: "run_until_cancelled",
        new: CancelToken::new,
        operation: |token, successes, _| {
            let child = token.child_token();
            let ended = child.run_until_cancelled(|| token.run_until_cancelled(thread::park));
            // The outer of the two, unless the inner one's came first.
            if ended.is_err() || ended.is_ok_and(|ended| ended.is_err()) {
                assert!(token.is_cancelled());
                count(successes);
            }
        },
        steps: &[|_| (), |_| (), CancelToken::cancel],
        check: |token, successes| {
            one_is_left_alone(token, successes);
            assert!(token.run_until_cancelled(|| ()).is_err());
        },
    });
}

#[test]
fn a_park() {
    type Parked = Mutex<(bool, Vec<thread::Thread>)>;
    run(&Case::<Parked> {
        name: "park",
        new: Parked::default,
        operation: |parked, successes, limit| {
            let this = thread::current();
            let mut state = parked.lock().unwrap();
            if !state.0 {
                state.1.push(this.clone());
                drop(state);
                match limit {
                    None => thread::park(),
                    Some(_) => thread::park_timeout(LONG),
                }
            }
            count(successes);
            // One token for one unpark.
            this.unpark();
            thread::park();
            assert!(timeout(Duration::from_millis(1), thread::park).is_err(), "another's token");
        },
        steps: &[
            |_| (),
            |_| (),
            |parked| {
                let mut state = parked.lock().unwrap();
                state.0 = true;
                state.1.iter().for_each(thread::Thread::unpark);
            },
        ],
        check: one_is_left_alone,
    });
}

#[test]
fn a_future_that_others_complete() {
    #[derive(Default)]
    struct Signal(Mutex<(bool, Vec<Waker>)>);
    run(&Case::<Signal> {
        name: "block_on",
        new: Signal::default,
        operation: |signal, successes, _| {
            future::block_on(poll_fn(|context| {
                let mut state = signal.0.lock().unwrap();
                if state.0 {
                    return Poll::Ready(());
                }
                state.1.push(context.waker().clone());
                Poll::Pending
            }));
            count(successes);
        },
        steps: &[
            |_| (),
            // For no reason: it looks again, and waits on.
            |signal| signal.0.lock().unwrap().1.iter().for_each(Waker::wake_by_ref),
            |signal| signal.0.lock().unwrap().0 = true,
            |signal| std::mem::take(&mut signal.0.lock().unwrap().1).into_iter().for_each(Waker::wake),
        ],
        check: |signal, successes| {
            assert!(signal.0.lock().unwrap().1.is_empty());
            one_is_left_alone(signal, successes);
        },
    });
}
