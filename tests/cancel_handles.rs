//! Handles of each kind that cancel, and deadlines that each kind of thread inherits.

mod harness;

use harness::{on_every_crew, on_workers};
use sinew::{
    Builder, Cancelled,
    group::{JoinSet, group},
    thread,
    time::timeout,
};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(2);

#[test]
fn a_scoped_handle_cancels_when_it_is_told_and_when_it_is_dropped() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            thread::scope(|scope| {
                let told = scope.spawn(thread::park);
                told.cancel();
                assert!(told.join().unwrap_err().is::<Cancelled>());
                let dropped = scope.spawn(thread::park).cancel_on_drop();
                let thread = dropped.thread().clone();
                drop(dropped);
                assert_eq!(thread.cancelling(), 1);
                let waits = timeout(SHORT, || scope.spawn(thread::park).cancel_on_drop().join());
                assert!(waits.is_err(), "and so the scope ends");
                assert_eq!(scope.spawn(|| 1).cancel_on_drop().into_inner().join().unwrap(), 1);
            });
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_local_handle_cancels_when_it_is_told_and_when_it_is_dropped() {
    on_workers(|| {
        let told = thread::spawn_local(thread::park);
        told.cancel();
        assert!(told.join().unwrap_err().is::<Cancelled>());
        let dropped = thread::spawn_local(thread::park).cancel_on_drop();
        let thread = dropped.thread().clone();
        drop(dropped);
        assert_eq!(thread.cancelling(), 1);
        let shared = std::rc::Rc::new(5);
        assert_eq!(*thread::spawn_local(move || shared).cancel_on_drop().join().unwrap(), 5);
    });
}

#[test]
fn each_kind_of_thread_inherits_a_deadline_through_the_same_builder() {
    fn inherits() -> Builder {
        Builder::new().inherit_deadline()
    }
    on_workers(|| {
        let local = timeout(SHORT, || inherits().spawn_local(thread::park).unwrap());
        assert!(local.unwrap().join().unwrap_err().is::<Cancelled>());
    });
    on_every_crew(|crew| {
        crew.spawn(|| {
            let mut set = JoinSet::new();
            timeout(SHORT, || set.spawn_with(inherits(), thread::park).unwrap()).unwrap();
            assert!(set.join_next().unwrap().unwrap_err().is::<Cancelled>());
            thread::scope(|scope| {
                let scoped = timeout(SHORT, || inherits().spawn_scoped(scope, thread::park).unwrap());
                assert!(scoped.unwrap().join().unwrap_err().is::<Cancelled>());
            });
            let result = group(|group| {
                let ended = timeout(SHORT, || {
                    group
                        .spawn_with(inherits(), || {
                            thread::park();
                            Ok::<_, ()>(())
                        })
                        .unwrap()
                });
                let ended = ended.unwrap().join().unwrap_err();
                let reason = ended.downcast_ref::<Cancelled>().unwrap().reason();
                assert_eq!(reason, Some("the deadline that it inherited has passed"));
                // Those that do not ask have none.
                let free = timeout(SHORT, || {
                    group.spawn(|| {
                        thread::sleep(SHORT * 2);
                        Ok(())
                    })
                })
                .unwrap();
                assert_eq!(free.join().unwrap(), Some(()));
                Ok(())
            });
            assert_eq!(result, Ok(()));
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_set_whose_threads_cannot_be_spawned_goes_on() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let mut set = JoinSet::new();
            let too_large = Builder::new().stack_size(usize::MAX);
            assert!(set.spawn_with(too_large, || 1).is_err());
            assert!(set.is_empty() && set.join_next().is_none());
            let named = set.spawn_with(Builder::new().name("named".into()), || 2).unwrap();
            assert_eq!(named.name(), Some("named"));
            assert_eq!(set.join_next().unwrap().unwrap(), 2);
            let failed = group(|group| {
                let too_large = Builder::new().stack_size(usize::MAX);
                assert!(group.spawn_with(too_large, || Ok::<_, ()>(())).is_err());
                Ok(1)
            });
            assert_eq!(failed, Ok(1));
        })
        .join()
        .unwrap();
    });
}
