//! Parts of a thread that are cancelled alone, and shielded parts: tokens, `shield`, `catch`, `checkpoint`, requests that are counted.

mod harness;

use harness::{LONG, OnDrop, assert_cancelled, on_every_crew, on_workers, spawn_started, wait_until, waiting_bodies};
use sinew::{
    Cancelled,
    cancel::{self, CancelToken},
    thread, time,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

#[test]
fn a_shield_runs_to_its_end_and_the_cancellation_comes_after_it() {
    on_workers(|| {
        let reached = Arc::new(AtomicUsize::new(0));
        let count = reached.clone();
        let handle = spawn_started(move || {
            cancel::shield(|| {
                while !cancel::is_cancelled() {
                    thread::yield_now();
                }
                cancel::checkpoint();
                thread::sleep(Duration::from_millis(2));
                thread::spawn(thread::yield_now).join().unwrap();
                cancel::shield(thread::yield_now);
                count.fetch_add(1, Ordering::SeqCst);
            });
            count.fetch_add(1, Ordering::SeqCst);
            thread::park();
            count.fetch_add(1, Ordering::SeqCst);
        });
        handle.cancel();
        assert_cancelled(handle);
        assert_eq!(reached.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn what_is_asked_inside_a_shield_works_there() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            cancel::shield(|| {
                let token = CancelToken::new();
                assert!(
                    token
                        .run_until_cancelled(|| {
                            token.cancel();
                            thread::park();
                        })
                        .is_err()
                );
                assert!(time::timeout(Duration::from_millis(1), thread::park).is_err());
            });
        })
        .join()
        .unwrap();
    });
}

#[test]
fn requests_are_counted() {
    on_workers(|| {
        let handle = spawn_started(|| {
            let this = thread::current();
            cancel::shield(|| {
                while this.cancelling() < 2 {
                    thread::yield_now();
                }
                assert_eq!(this.uncancel(), 1);
                assert!(cancel::is_cancelled());
                assert_eq!(this.uncancel(), 0);
                assert_eq!(this.uncancel(), 0);
            });
            thread::yield_now();
            thread::sleep(Duration::from_millis(1));
            assert!(!cancel::is_cancelled());
            this.cancel();
            let swallowed = catch_unwind(thread::park);
            assert!(swallowed.unwrap_err().is::<Cancelled>());
            assert_eq!(this.uncancel(), 0);
            thread::yield_now();
            7
        });
        handle.cancel();
        handle.cancel();
        assert_eq!(handle.join().unwrap(), 7);
    });
}

#[test]
fn a_request_that_is_taken_back_before_the_start_lets_the_thread_run() {
    let runtime = sinew::Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let handle = thread::spawn(|| {
            thread::yield_now();
            1
        });
        handle.cancel();
        assert_eq!(handle.thread().uncancel(), 0);
        assert_eq!(handle.join().unwrap(), 1);
    });
}

#[test]
fn a_catch_acknowledges_and_the_thread_goes_on() {
    on_workers(|| {
        for (name, body) in waiting_bodies() {
            let handle = spawn_started(move || {
                let cancelled = cancel::catch(body).unwrap_err();
                assert_eq!(cancelled.reason(), Some("enough"), "{name}");
                assert!(!cancel::is_cancelled());
                thread::yield_now();
                thread::sleep(Duration::from_millis(1));
                // And can be cancelled anew.
                thread::current().cancel();
                assert_eq!(cancel::catch(thread::yield_now).unwrap_err().reason(), None);
                3
            });
            handle.thread().cancel_with("enough");
            assert_eq!(handle.join().unwrap(), 3);
        }
    });
}

#[test]
fn a_catch_lets_panics_and_the_ends_of_outer_parts_through() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let panic = catch_unwind(|| cancel::catch(|| std::panic::resume_unwind(Box::new(5)))).unwrap_err();
            assert_eq!(panic.downcast_ref::<i32>(), Some(&5));
            let elapsed = time::timeout(Duration::from_millis(1), || cancel::catch(thread::park));
            assert!(elapsed.is_err());
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_token_ends_all_that_run_under_it_and_all_that_wait() {
    on_every_crew(|crew| {
        let token = CancelToken::new();
        let ended = Arc::new(AtomicUsize::new(0));
        let members: Vec<_> = (0..12)
            .map(|number| {
                let (token, ended) = (token.child_token(), ended.clone());
                crew.spawn(move || {
                    if number % 3 == 0 {
                        token.wait();
                        assert!(token.wait_timeout(LONG));
                    } else {
                        let _end = OnDrop(|| {
                            ended.fetch_add(1, Ordering::SeqCst);
                        });
                        let cancelled = token
                            .run_until_cancelled(|| {
                                if number % 3 == 1 {
                                    thread::park();
                                } else {
                                    thread::sleep(LONG);
                                }
                            })
                            .unwrap_err();
                        assert_eq!(cancelled.reason(), Some("over"));
                    }
                })
            })
            .collect();
        assert!(!token.wait_timeout(Duration::from_millis(2)));
        token.cancel_with("over");
        token.cancel_with("again");
        members.into_iter().for_each(|member| member.join().unwrap());
        assert_eq!(ended.load(Ordering::SeqCst), 8);
        assert!(token.child_token().is_cancelled());
        let ran = token.run_until_cancelled(|| unreachable!("it was cancelled before")).map(|never: ()| never);
        assert_eq!(ran.unwrap_err().reason(), Some("over"));
    });
}

#[test]
fn a_part_that_ends_by_itself_is_not_cancelled_afterwards() {
    on_every_crew(|crew| {
        let token = CancelToken::new();
        let inner = token.clone();
        crew.spawn(move || {
            assert_eq!(inner.run_until_cancelled(|| 1).unwrap(), 1);
            assert_eq!(
                inner
                    .run_until_cancelled(|| {
                        inner.cancel();
                        2
                    })
                    .unwrap(),
                2
            );
            thread::yield_now();
            thread::sleep(Duration::from_millis(1));
        })
        .join()
        .unwrap();
    });
}

#[test]
fn the_outermost_cancelled_part_ends() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let (outer, inner) = (CancelToken::new(), CancelToken::new());
            let result = outer.run_until_cancelled(|| {
                inner.run_until_cancelled(|| {
                    inner.cancel();
                    outer.cancel();
                    thread::park();
                })
            });
            assert!(result.is_err());
            // One that was kept belongs to the part where it was raised, also if another lies at the same place.
            let mut kept = None;
            for _ in 0..2 {
                let token = CancelToken::new();
                let unwound = catch_unwind(AssertUnwindSafe(|| {
                    token.run_until_cancelled(|| match kept.take() {
                        None => {
                            token.cancel();
                            kept = catch_unwind(thread::park).err();
                        }
                        Some(payload) => std::panic::resume_unwind(payload),
                    })
                }));
                assert_eq!(unwound.is_ok(), kept.is_some());
            }
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_loop_that_computes_ends_at_a_checkpoint() {
    // From here, since its worker does nothing else.
    let handle = spawn_started(|| {
        loop {
            cancel::checkpoint();
        }
    });
    handle.cancel();
    assert_cancelled(handle);
}

#[test]
fn an_os_threads_computation_ends_at_a_checkpoint() {
    let token = CancelToken::new();
    let running = token.clone();
    let thread = std::thread::spawn(move || {
        running.run_until_cancelled(|| -> () {
            loop {
                cancel::checkpoint()
            }
        })
    });
    std::thread::sleep(Duration::from_millis(1));
    token.cancel();
    assert!(thread.join().unwrap().is_err());
}

#[test]
fn a_scope_inside_a_cancelled_part_waits_for_its_threads() {
    on_every_crew(|crew| {
        let (token, began) = (CancelToken::new(), CancelToken::new());
        let (inner, begins) = (token.clone(), began.clone());
        let member = crew.spawn(move || {
            let ended = AtomicUsize::new(0);
            let result = inner.run_until_cancelled(|| {
                begins.cancel();
                thread::scope(|scope| {
                    scope.spawn(|| {
                        inner.wait();
                        thread::sleep(Duration::from_millis(5));
                        ended.fetch_add(1, Ordering::SeqCst);
                    });
                    thread::park();
                });
            });
            assert!(result.is_err());
            assert_eq!(ended.load(Ordering::SeqCst), 1);
        });
        began.wait();
        token.cancel();
        member.join().unwrap();
    });
}

#[test]
fn a_handle_that_cancels_when_it_is_dropped() {
    on_workers(|| {
        let ended = Arc::new(AtomicUsize::new(0));
        let count = ended.clone();
        let handle = spawn_started(move || {
            let _end = OnDrop(|| {
                count.fetch_add(1, Ordering::SeqCst);
            });
            thread::park();
        });
        let outer = spawn_started(move || handle.cancel_on_drop().join().map(drop).unwrap());
        outer.cancel();
        assert_cancelled(outer);
        wait_until(|| ended.load(Ordering::SeqCst) == 1);
        assert_eq!(thread::spawn(|| 4).cancel_on_drop().join().unwrap(), 4);
    });
}

#[test]
fn a_guard_cancels_its_token_unless_it_is_disarmed() {
    let token = CancelToken::new();
    let same = token.drop_guard().disarm();
    assert!(!token.is_cancelled());
    let guard = same.drop_guard();
    assert!(
        catch_unwind(AssertUnwindSafe(move || {
            let _guard = guard;
            std::panic::resume_unwind(Box::new(1))
        }))
        .map(|never: ()| never)
        .is_err()
    );
    assert!(token.is_cancelled());
}

#[test]
fn a_thread_that_is_cancelled_before_it_starts_never_runs() {
    let runtime = sinew::Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let count = dropped.clone();
        let captured = OnDrop(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let handle = thread::spawn(move || {
            let _captured = captured;
            unreachable!("it was cancelled before");
        });
        handle.thread().cancel_with("too late");
        let payload = handle.join().map(|never: ()| never).unwrap_err();
        assert_eq!(payload.downcast_ref::<sinew::Cancelled>().unwrap().reason(), Some("too late"));
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn reasons_come_with_what_ends_and_the_first_counts() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let (outer, inner) = (CancelToken::new(), CancelToken::new());
            let ended = outer.run_until_cancelled(|| {
                inner.run_until_cancelled(|| {
                    inner.cancel_with("the inner one");
                    outer.cancel_with("the outer one");
                    outer.cancel_with("once more");
                    thread::park();
                })
            });
            assert_eq!(ended.unwrap_err().reason(), Some("the outer one"));
            let child = outer.child_token();
            assert_eq!(child.run_until_cancelled(|| ()).unwrap_err().reason(), Some("the outer one"));
            let silent = CancelToken::new();
            silent.cancel();
            assert_eq!(silent.run_until_cancelled(|| ()).unwrap_err().reason(), None);
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_deadline_that_was_only_looked_at_still_ends_the_part() {
    on_workers(|| {
        let handle = thread::spawn(|| {
            let start = std::time::Instant::now();
            let result = time::timeout(Duration::from_millis(2), || {
                while !cancel::is_cancelled() {
                    std::hint::spin_loop();
                }
                thread::sleep(Duration::from_secs(300));
            });
            assert!(result.is_err());
            assert!(start.elapsed() < Duration::from_secs(300), "it slept to the end");
        });
        handle.join().unwrap();
    });
}

#[test]
fn a_token_whose_parent_was_dropped_is_cancelled_with_its_grandparent() {
    let server = CancelToken::new();
    let child = server.child_token().child_token();
    server.cancel_with("enough");
    assert!(child.is_cancelled());
    assert_eq!(child.run_until_cancelled(|| ()).unwrap_err().reason(), Some("enough"));
    let mut last = server;
    for _ in 0..200_000 {
        last = last.child_token();
    }
    drop(last);
    let mut last = CancelToken::new();
    for _ in 0..200_000 {
        last = last.child_token();
    }
    drop(last);
}

#[test]
fn a_cancellation_that_is_kept_changes_nothing_afterwards() {
    on_workers(|| {
        let handle = thread::spawn(|| {
            let token = CancelToken::new();
            let kept = token.run_until_cancelled(|| {
                token.cancel();
                thread::park();
            });
            let mutex = sinew::sync::Mutex::new(0);
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let _guard = mutex.lock().unwrap();
                std::panic::resume_unwind(Box::new("on purpose"));
            }));
            assert!(panicked.is_err() && kept.is_err());
            assert!(mutex.is_poisoned(), "a panic poisons, whatever was cancelled before it");
        });
        handle.join().unwrap();
    });
}
