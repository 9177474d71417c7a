//! Messages of unusual shape or fate, and what the types of `sync` and `channel` promise as a whole.

mod harness;

use harness::{CountsDrops, on_every_crew};
use sinew::{
    channel::{self, Receiver, Select, SelectedOperation, Sender, bounded, select, unbounded},
    sync::{self, mpsc},
};
use std::{
    panic::{RefUnwindSafe, UnwindSafe},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// A channel of each kind.
fn kinds<T>() -> [(Sender<T>, Receiver<T>); 3] {
    [bounded(0), bounded(3), unbounded()]
}

#[test]
fn a_message_may_be_a_large_part_of_the_stack() {
    const LARGE: usize = 6 * 1024;
    on_every_crew(|crew| {
        for (sender, receiver) in kinds() {
            let other = crew.spawn(move || sender.send([7_u8; LARGE]).unwrap());
            assert_eq!(receiver.recv().map(|message| message[LARGE - 1]), Ok(7));
            other.join().unwrap();
        }
    });
}

#[test]
fn a_message_may_be_empty_or_aligned_to_a_cache_line() {
    #[derive(Debug, PartialEq)]
    #[repr(align(64))]
    struct Aligned(u8);

    on_every_crew(|crew| {
        for ((empty, empties), (aligned, aligneds)) in kinds().into_iter().zip(kinds()) {
            let other = crew.spawn(move || {
                for number in 0..50 {
                    aligned.send(Aligned(number)).unwrap();
                    empty.send(()).unwrap();
                }
            });
            for number in 0..50 {
                let mut select = Select::new();
                (0..3).for_each(|index| assert_eq!(select.recv(&aligneds), index));
                assert_eq!(select.select().recv(&aligneds), Ok(Aligned(number)));
                select! {
                    recv(empties) -> message => message.unwrap(),
                    recv(empties) -> message => message.unwrap(),
                }
            }
            other.join().unwrap();
        }
    });
}

#[test]
fn what_stands_behind_a_send_that_is_not_completed_is_dropped_with_it() {
    struct Message(#[allow(dead_code)] CountsDrops, #[allow(dead_code)] Option<Sender<Self>>);

    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = bounded(4);
    let mut select = Select::new();
    select.send(&sender);
    let chosen = select.select();
    sender.send(Message(CountsDrops(drops.clone()), Some(sender.clone()))).ok().unwrap();
    drop(receiver);
    assert!(chosen.send(&sender, Message(CountsDrops(drops.clone()), None)).is_ok());
    assert_eq!(drops.load(Ordering::SeqCst), 2);
}

#[test]
#[cfg_attr(sinew_asan, ignore = "leaks on purpose")]
fn a_message_that_is_bound_to_an_os_thread_is_not_dropped_on_a_later_one() {
    struct Bound(#[allow(dead_code)] CountsDrops, #[allow(dead_code)] Rc<()>);

    let drops = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let counts = CountsDrops(drops.clone());
        let mut select = thread::spawn(move || {
            let (sender, receiver) = Box::leak(Box::new(unbounded()));
            sender.send(Bound(counts, Rc::new(()))).ok().unwrap();
            let mut select = Select::new();
            select.recv(receiver);
            select
        })
        .join()
        .unwrap();
        // Like as not at the same addresses.
        let dropped = thread::spawn(move || drop(select.select())).join();
        assert!(dropped.is_err(), "it was not completed");
    }
    assert_eq!(drops.load(Ordering::SeqCst), 0);
}

#[test]
fn a_panic_may_pass_by_them_as_by_stds() {
    fn check<T: UnwindSafe + RefUnwindSafe>() {}

    check::<mpsc::Sender<u8>>();
    check::<mpsc::SyncSender<u8>>();
    check::<mpsc::Receiver<u8>>();
    check::<mpsc::Iter<'_, u8>>();
    check::<mpsc::IntoIter<u8>>();
    check::<Sender<u8>>();
    check::<Receiver<u8>>();
    check::<SelectedOperation<'_>>();
    check::<channel::Iter<'_, u8>>();
    check::<sync::Barrier>();
    check::<sync::Condvar>();
    check::<sync::Event>();
    check::<sync::Mutex<std::cell::Cell<u8>>>();
    check::<sync::Notify>();
    check::<sync::Once>();
    check::<sync::OnceLock<u8>>();
    check::<sync::OwnedSemaphorePermit>();
    check::<sync::RwLock<std::cell::Cell<u8>>>();
    check::<sync::Semaphore>();
    check::<sync::WaitGroup>();
}
