//! `sync::Once`, `OnceLock` and `LazyLock`: what std documents of them, with functions that suspend.

mod harness;

use harness::on_every_crew;
use sinew::{
    Runtime,
    coroutine::Coroutine,
    sync::{LazyLock, Once, OnceLock},
    thread,
};
use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

fn suspend() {
    thread::sleep(Duration::from_millis(2));
}

fn unwind() -> ! {
    std::panic::resume_unwind(Box::new("expected"))
}

#[test]
fn one_runs_and_all_wait_for_it() {
    on_every_crew(|crew| {
        let shared = Arc::new((Once::new(), AtomicUsize::new(0)));
        let own = shared.clone();
        crew.all(8, move |number| {
            if number == 7 {
                own.0.wait();
            } else {
                own.0.call_once(|| {
                    suspend();
                    own.1.fetch_add(1, Ordering::SeqCst);
                });
            }
            assert_eq!(own.1.load(Ordering::SeqCst), 1);
            assert!(own.0.is_completed());
        });
    });
}

#[test]
fn a_panic_poisons_until_forced() {
    on_every_crew(|crew| {
        let once = Arc::new(Once::new());
        let own = once.clone();
        assert!(crew.spawn(move || own.call_once(|| unwind())).join().is_err());
        assert!(!once.is_completed());
        assert!(catch_unwind(|| once.call_once(|| ())).is_err());
        assert!(catch_unwind(|| once.wait()).is_err());
        let own = once.clone();
        let waits = crew.spawn(move || own.wait_force());
        once.call_once_force(|state| assert!(state.is_poisoned()));
        once.call_once_force(|_| unreachable!("it has run"));
        waits.join().unwrap();
        once.wait();
    });
}

#[test]
fn a_value_is_written_once() {
    on_every_crew(|crew| {
        let shared = Arc::new((OnceLock::new(), AtomicUsize::new(0)));
        let own = shared.clone();
        let values = crew.all(8, move |number| {
            if number == 0 {
                return *own.0.wait();
            }
            *own.0.get_or_init(|| {
                suspend();
                own.1.fetch_add(1, Ordering::SeqCst);
                number
            })
        });
        assert!(values.iter().all(|&value| value == values[0] && value != 0));
        assert_eq!(shared.1.load(Ordering::SeqCst), 1);
        assert_eq!(shared.0.set(99), Err(99));
        assert_eq!(shared.0.get(), Some(&values[0]));
    });
}

#[test]
fn a_panic_leaves_a_place_empty() {
    on_every_crew(|_| {
        let place = OnceLock::new();
        assert!(catch_unwind(AssertUnwindSafe(|| place.get_or_init(|| unwind()))).is_err());
        assert_eq!(place.get(), None);
        assert_eq!(*place.get_or_init(|| 3), 3);
    });
}

#[test]
fn a_place_drops_gives_up_and_takes_back_its_value() {
    let drops = Arc::new(AtomicUsize::new(0));
    let mut place = OnceLock::from(harness::CountsDrops(drops.clone()));
    assert!(place.get_mut().is_some());
    drop(place.take().unwrap());
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    assert!(place.take().is_none() && place.get_mut().is_none());
    assert!(place.set(harness::CountsDrops(drops.clone())).is_ok());
    drop(place.clone());
    drop(place);
    assert_eq!(drops.load(Ordering::SeqCst), 3);
    assert!(OnceLock::from(5).into_inner() == Some(5) && OnceLock::<u8>::default().into_inner().is_none());
    assert!(OnceLock::from(5) == OnceLock::from(5) && OnceLock::from(5) != OnceLock::new());
}

#[test]
fn a_lazy_value_is_made_once() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    on_every_crew(|crew| {
        MADE.store(0, Ordering::SeqCst);
        let lazy = Arc::new(LazyLock::new(|| {
            suspend();
            MADE.fetch_add(1, Ordering::SeqCst);
            vec![1, 2]
        }));
        let own = lazy.clone();
        assert!(LazyLock::get(&lazy).is_none());
        crew.all(8, move |_| assert_eq!(own.len(), 2));
        assert_eq!(MADE.load(Ordering::SeqCst), 1);
        assert!(LazyLock::get(&lazy).is_some());
    });
}

#[test]
fn a_lazy_value_that_a_coroutine_makes_masks_no_thread() {
    type Making = Coroutine<(), (), ()>;
    std::thread_local! {
        static LEFT: Cell<Option<Making>> = const { Cell::new(None) };
    }
    Runtime::builder().workers(1).build().unwrap().run(|| {
        let leaves = harness::spawn_started(|| {
            let mut making = Making::new(|yielder, ()| {
                let lazy = LazyLock::<_, Box<dyn FnOnce() -> u8 + '_>>::new(Box::new(|| {
                    yielder.suspend(());
                    5
                }));
                assert_eq!(*lazy, 5);
            });
            making.resume(());
            LEFT.set(Some(making));
            thread::park();
        });
        harness::let_others_run();
        leaves.thread().cancel();
        harness::assert_cancelled(leaves);
        let goes_on = thread::spawn(|| {
            LEFT.take().unwrap().resume(());
            thread::park();
        });
        harness::let_others_run();
        goes_on.thread().cancel();
        harness::assert_cancelled(goes_on);
    });
}

#[test]
fn a_lazy_value_whose_function_panicked_stays_poisoned() {
    on_every_crew(|_| {
        let lazy: LazyLock<u8> = LazyLock::new(|| unwind());
        for _ in 0..2 {
            assert!(catch_unwind(AssertUnwindSafe(|| *lazy)).is_err());
        }
    });
}

#[test]
fn a_lazy_value_is_changed_in_place() {
    let mut lazy = LazyLock::new(|| 1);
    assert!(LazyLock::get_mut(&mut lazy).is_none());
    *LazyLock::force_mut(&mut lazy) += 1;
    *lazy += 1;
    assert_eq!((*lazy, LazyLock::get_mut(&mut lazy)), (3, Some(&mut 3)));
    assert_eq!(*LazyLock::<u8>::default(), 0);
}

#[test]
fn they_look_as_stds() {
    use std::sync as std_sync;
    assert_eq!(format!("{:?}", Once::new()), format!("{:?}", std_sync::Once::new()));
    assert_eq!(format!("{:?}", OnceLock::<u8>::new()), format!("{:?}", std_sync::OnceLock::<u8>::new()));
    assert_eq!(format!("{:?}", OnceLock::from(1)), format!("{:?}", std_sync::OnceLock::from(1)));
    assert_eq!(format!("{:?}", LazyLock::new(|| 1)), format!("{:?}", std_sync::LazyLock::new(|| 1)));
}

#[test]
#[allow(deprecated, reason = "it is what is tested")]
fn the_old_constant_is_a_fresh_one() {
    static ONCE: Once = sinew::sync::ONCE_INIT;
    assert!(!ONCE.is_completed());
    ONCE.call_once(|| ());
    assert!(ONCE.is_completed());
}
