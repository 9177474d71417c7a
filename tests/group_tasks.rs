//! Groups: errors, panics and cancellations of one thread and what they do to the others.

mod harness;

use harness::{CountsDrops, LONG, OnDrop, assert_cancelled, on_every_crew, on_workers, spawn_started, wait_until};
use sinew::{
    group::{JoinSet, gather, group, join, race},
    thread, time,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

#[test]
fn an_error_cancels_the_siblings_and_the_body() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let ended = AtomicUsize::new(0);
            let count = || {
                OnDrop(|| {
                    ended.fetch_add(1, Ordering::SeqCst);
                })
            };
            let result = group(|group| {
                for number in 0..5 {
                    group.spawn(move || {
                        let _end = count();
                        if number == 3 {
                            thread::sleep(Duration::from_millis(2));
                            return Err("three");
                        }
                        thread::park();
                        Ok(())
                    });
                }
                let _end = count();
                thread::sleep(LONG);
                Ok(())
            });
            assert_eq!(result.unwrap_err().into_errors(), ["three"]);
            // Whoever had not begun never did.
            assert!((2..=6).contains(&ended.load(Ordering::SeqCst)));
        })
        .join()
        .unwrap();
    });
}

#[test]
fn all_errors_come_out_together() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let began = sinew::sync::Barrier::new(3);
            let result: Result<(), _> = group(|group| {
                for number in 1..3 {
                    let began = &began;
                    group.spawn(move || -> Result<(), i32> {
                        began.wait();
                        // An error that another's cancellation brings about.
                        let _ = catch_unwind(thread::park);
                        Err(number)
                    });
                }
                began.wait();
                Err(0)
            });
            let mut errors = result.unwrap_err().into_errors();
            assert_eq!(errors.remove(0), 0);
            errors.sort_unstable();
            assert_eq!(errors, [1, 2]);
        })
        .join()
        .unwrap();
    });
}

#[test]
fn without_errors_the_body_and_the_threads_have_results() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let text = String::from("abc");
            let result = group(|group| {
                let one = group.spawn(|| Ok::<_, ()>(text.len()));
                let other = group.clone();
                group.spawn(move || {
                    other.spawn(|| {
                        thread::yield_now();
                        Ok(())
                    });
                    Ok(())
                });
                Ok(one.join().unwrap().unwrap())
            });
            assert_eq!(result, Ok(3));
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_panic_cancels_the_others_and_goes_on_in_the_caller() {
    on_every_crew(|crew| {
        let member = crew.spawn(|| {
            let result: Result<(), _> = group(|group| {
                group.spawn(|| -> Result<(), ()> {
                    thread::sleep(Duration::from_millis(1));
                    resume_unwind(Box::new("bomb"))
                });
                group.spawn(|| {
                    thread::park();
                    Ok(())
                });
                thread::park();
                Ok(())
            });
            result.unwrap();
        });
        assert_eq!(member.join().unwrap_err().downcast_ref::<&str>(), Some(&"bomb"));
        let member = crew.spawn(|| {
            gather((0..3).map(|number| move || if number == 1 { resume_unwind(Box::new(1)) } else { thread::park() }))
        });
        assert_eq!(member.join().unwrap_err().downcast_ref::<i32>(), Some(&1));
    });
}

#[test]
fn a_cancellation_or_a_deadline_from_outside_ends_all() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let ended = AtomicUsize::new(0);
            for body_waits in [true, false] {
                let result = time::timeout(Duration::from_millis(5), || {
                    group(|group| {
                        let ended = &ended;
                        let began = Arc::new(sinew::sync::Event::new());
                        let begins = began.clone();
                        group.spawn(move || -> Result<(), ()> {
                            let _end = OnDrop(|| {
                                ended.fetch_add(1, Ordering::SeqCst);
                            });
                            begins.set();
                            thread::park();
                            Ok(())
                        });
                        sinew::cancel::shield(|| began.wait());
                        if body_waits {
                            thread::park();
                        }
                        Ok(())
                    })
                });
                assert!(result.is_err());
            }
            assert_eq!(ended.load(Ordering::SeqCst), 2);
        })
        .join()
        .unwrap();
    });
    on_workers(|| {
        let handle = spawn_started(|| {
            group(|group| {
                group.spawn(|| {
                    thread::park();
                    Ok::<_, ()>(())
                });
                Ok(())
            })
        });
        handle.cancel();
        assert_cancelled(handle);
    });
}

#[test]
fn gathered_results_are_in_order() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let numbers: Vec<u64> = (0..20).rev().collect();
            let results = gather(numbers.iter().map(|number| {
                move || {
                    thread::sleep(Duration::from_micros(number * 100));
                    *number
                }
            }));
            assert_eq!(results, numbers);
            let (a, b, c) = sinew::join!(|| 1, || numbers.len(), || "c");
            assert_eq!((a, b, c), (1, 20, "c"));
            assert_eq!(join((|| 4,)), (4,));
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_races_losers_are_cancelled_and_awaited() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let ended = AtomicUsize::new(0);
            let began = sinew::sync::Barrier::new(4);
            let (ended_there, began) = (&ended, &began);
            let first = race((0..4).map(|number| {
                move || {
                    let _end = OnDrop(|| {
                        ended_there.fetch_add(1, Ordering::SeqCst);
                    });
                    began.wait();
                    if number != 2 {
                        thread::park();
                    }
                    number
                }
            }));
            assert_eq!(first, 2);
            assert_eq!(ended.load(Ordering::SeqCst), 4);
            assert_eq!(sinew::race!(|| 1), 1);
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_join_set_gives_results_in_the_order_of_the_ends() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let mut set = JoinSet::new();
            assert!(set.join_next().is_none());
            let parked = set.spawn(|| {
                thread::park();
                1
            });
            set.spawn(|| 2);
            assert_eq!(set.join_next().unwrap().unwrap(), 2);
            assert!(time::timeout(Duration::from_millis(1), || set.join_next()).is_err());
            assert_eq!(set.len(), 1);
            parked.unpark();
            assert_eq!(set.join_next().unwrap().unwrap(), 1);
            set.spawn(|| resume_unwind(Box::new(3)));
            assert_eq!(set.join_next().unwrap().unwrap_err().downcast_ref::<i32>(), Some(&3));
            let drops = Arc::new(AtomicUsize::new(0));
            for _ in 0..10 {
                let captured = CountsDrops(drops.clone());
                set.spawn(move || {
                    thread::park();
                    drop(captured);
                    0
                });
            }
            drop(set);
            assert_eq!(drops.load(Ordering::SeqCst), 10);
            let mut set = JoinSet::new();
            (0..5).for_each(|number| drop(set.spawn(move || number)));
            assert_eq!(set.join_all().into_iter().map(Result::unwrap).sum::<i32>(), 10);
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_groups_token_is_cancelled_with_it_and_cancels_it_not() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let outside = Mutex::new(None);
            let result = group(|group| {
                let token = group.token();
                outside.lock().unwrap().replace(token.clone());
                let stays = group.token();
                stays.cancel();
                assert!(!token.is_cancelled());
                group.spawn(|| Err::<(), _>("failed"));
                token.wait();
                Ok(())
            });
            assert_eq!(result.unwrap_err().errors(), ["failed"]);
            let token = outside.into_inner().unwrap().unwrap();
            assert!(token.is_cancelled());
            let ended = token.run_until_cancelled(|| ());
            assert_eq!(ended.unwrap_err().reason(), Some("another thread of the group failed"));
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_join_set_whose_threads_are_cancelled_gives_their_ends() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let mut set = JoinSet::new();
            set.spawn(|| 1);
            assert_eq!(set.join_next().unwrap().unwrap(), 1);
            for _ in 0..5 {
                set.spawn(|| {
                    thread::park();
                    0
                });
            }
            set.cancel_all();
            assert_eq!(set.len(), 5);
            while let Some(result) = set.join_next() {
                assert!(result.unwrap_err().is::<sinew::Cancelled>());
            }
            assert!(set.is_empty() && set.try_join_next().is_none());
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_panic_goes_on_also_where_the_caller_is_not_cancelled() {
    on_workers(|| {
        let thread = thread::spawn(|| {
            let _gathers = OnDrop(|| {
                let numbers = [0, 1];
                let gathered = || gather(numbers.map(|number| move || assert_eq!(number, 0, "on purpose")));
                assert!(catch_unwind(gathered).is_err());
                assert!(catch_unwind(|| join((|| (), || resume_unwind(Box::new(1))))).is_err());
            });
            resume_unwind(Box::new("outside"));
        });
        let payload = thread.join().unwrap_err();
        assert_eq!(*payload.downcast::<&str>().unwrap(), "outside");
    });
}

#[test]
fn a_panic_of_a_thread_is_told_rather_than_the_callers_cancellation() {
    on_workers(|| {
        let began = Arc::new(AtomicBool::new(false));
        let begins = Arc::clone(&began);
        let handle = spawn_started(move || {
            let told = catch_unwind(|| {
                group(|group| {
                    group.spawn(|| -> Result<(), ()> {
                        begins.store(true, Ordering::Release);
                        let result = catch_unwind(thread::park);
                        drop(result);
                        resume_unwind(Box::new("a bug"));
                    });
                    thread::park();
                    Ok(())
                })
            });
            let bug = told.unwrap_err().downcast::<&str>().map(|bug| *bug);
            assert_eq!(bug.ok(), Some("a bug"));
            "told"
        });
        // One that was cancelled before would not run.
        wait_until(|| began.load(Ordering::Acquire));
        handle.cancel();
        assert_eq!(handle.join().unwrap(), "told");
    });
}

fn words(payload: Box<dyn std::any::Any + Send>) -> String {
    payload.downcast::<String>().map_or_else(|_| "no words".into(), |words| *words)
}

#[test]
fn a_thread_that_is_cancelled_for_itself_does_not_have_its_caller_seem_cancelled() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let cancel = || {
                thread::current().cancel_with("by itself");
                thread::park();
            };
            for gathers in [true, false] {
                let ended = AtomicUsize::new(0);
                let other = || {
                    let _end = OnDrop(|| {
                        ended.fetch_add(1, Ordering::SeqCst);
                    });
                };
                let payload = catch_unwind(AssertUnwindSafe(|| match gathers {
                    true => drop(gather([&cancel as &(dyn Fn() + Sync), &other, &other])),
                    false => drop(join((cancel, other, other))),
                }));
                let words = words(payload.unwrap_err());
                assert_eq!(words, "a thread of `gather` or `join` was cancelled: by itself");
            }
            // A race goes on with the others.
            let first = race((0..3).map(|number| {
                move || {
                    if number != 1 {
                        cancel();
                    }
                    number
                }
            }));
            assert_eq!(first, 1);
            let none = catch_unwind(|| race([cancel, cancel])).unwrap_err();
            assert_eq!(words(none), "every thread of the race was cancelled");
            // In a group it is no failure, and its handle says what it was.
            let result = group(|group| {
                let one = group.spawn(|| {
                    thread::current().cancel();
                    thread::park();
                    Ok::<_, ()>(())
                });
                assert!(one.join().unwrap_err().is::<sinew::Cancelled>());
                Ok(3)
            });
            assert_eq!(result, Ok(3));
        })
        .join()
        .unwrap();
    });
}
