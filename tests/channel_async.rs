//! Channels awaited from async code: by hand-made polls, by `block_on`, and beside threads of both kinds.

mod harness;

use harness::{CountsDrops, Random, let_others_run, on_every_crew, on_workers, wait_until};
use sinew::{
    channel::{Receiver, RecvFuture, SendFuture, Sender, after, at, bounded, never, select, tick, unbounded},
    future, sync, thread,
};
use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

/// Counts how often it is called.
#[derive(Default)]
struct Counts(AtomicUsize);

impl Counts {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Counts {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A waker that does what it is told.
struct Does<F: Fn()>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Does<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

/// A future under an executor that does nothing by itself.
struct Task<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Counts>,
}

impl<F: Future> Task<F> {
    fn new(future: F) -> Self {
        Self { future: Box::pin(future), wakes: Arc::default() }
    }

    /// Polled once, and not ready.
    fn waiting(future: F) -> Self {
        let mut task = Self::new(future);
        assert!(task.poll().is_pending());
        task
    }

    fn poll(&mut self) -> Poll<F::Output> {
        // Another waker each time, as executors may.
        let waker = Waker::from(self.wakes.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn was_woken(&self) -> bool {
        self.wakes.get() > 0
    }
}

fn flavours<T>() -> [(Sender<T>, Receiver<T>); 4] {
    [bounded(0), bounded(1), bounded(7), unbounded()]
}

#[test]
fn they_go_from_thread_to_thread() {
    fn check<T: Send + Sync>() {}
    check::<future::Sleep>();
    check::<RecvFuture<'_, u8>>();
    check::<SendFuture<'_, u8>>();
}

#[test]
fn what_is_there_is_received_and_where_is_room_is_sent_at_the_first_poll() {
    for (sender, receiver) in [bounded(1), bounded(7), unbounded()] {
        assert_eq!(Task::new(sender.send_async(1)).poll(), Poll::Ready(Ok(())));
        assert_eq!(Task::new(receiver.recv_async()).poll(), Poll::Ready(Ok(1)));
    }
}

#[test]
fn a_message_wakes_one_future_which_receives_it() {
    for (sender, receiver) in [bounded(7), unbounded()] {
        let mut tasks = [0; 3].map(|_| Task::waiting(receiver.recv_async()));
        for number in 0..3 {
            sender.send(number).unwrap();
            assert_eq!(
                tasks.each_ref().map(|task| task.wakes.get()),
                [0, 1, 2].map(|task| usize::from(task <= number))
            );
        }
        for (number, task) in tasks.iter_mut().enumerate() {
            assert_eq!(task.poll(), Poll::Ready(Ok(number)));
        }
    }
}

#[test]
fn room_wakes_one_future_which_sends() {
    let (sender, receiver) = bounded(1);
    sender.send(0).unwrap();
    let mut tasks = [1, 2].map(|number| Task::waiting(sender.send_async(number)));
    assert_eq!(receiver.recv(), Ok(0));
    assert_eq!(tasks.each_ref().map(Task::was_woken), [true, false]);
    assert_eq!(tasks[0].poll(), Poll::Ready(Ok(())));
    assert!(tasks[1].poll().is_pending());
    assert_eq!(receiver.recv(), Ok(1));
    assert!(tasks[1].was_woken());
    assert_eq!(tasks[1].poll(), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(2));
}

#[test]
fn who_was_woken_in_vain_is_the_next() {
    for (sender, receiver) in [bounded(7), unbounded()] {
        let (mut first, mut second) = (Task::waiting(receiver.recv_async()), Task::waiting(receiver.recv_async()));
        sender.send(1).unwrap();
        assert_eq!(receiver.try_recv(), Ok(1), "it was faster");
        assert!(first.was_woken() && first.poll().is_pending());
        sender.send(2).unwrap();
        assert!(!second.was_woken());
        assert_eq!(first.poll(), Poll::Ready(Ok(2)));
        sender.send(3).unwrap();
        assert_eq!(second.poll(), Poll::Ready(Ok(3)));
    }
}

#[test]
fn a_future_that_is_dropped_has_received_nothing_whatever_its_state() {
    for (sender, receiver) in [bounded(7), unbounded()] {
        drop(receiver.recv_async());
        drop(Task::waiting(receiver.recv_async()));
        let first = Task::waiting(receiver.recv_async());
        let mut second = Task::waiting(receiver.recv_async());
        sender.send(1).unwrap();
        assert!(first.was_woken() && !second.was_woken());
        drop(first);
        assert!(second.was_woken(), "the wake is passed on");
        assert_eq!(second.poll(), Poll::Ready(Ok(1)));
        let third = Task::waiting(receiver.recv_async());
        sender.send(2).unwrap();
        drop(third);
        assert_eq!(receiver.try_recv(), Ok(2), "or the message stays");
    }
}

#[test]
fn a_future_that_is_dropped_has_sent_nothing_whatever_its_state() {
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = bounded(1);
    let message = || CountsDrops(drops.clone());
    drop(sender.send_async(message()));
    sender.send(message()).ok().unwrap();
    drop(Task::waiting(sender.send_async(message())));
    let first = Task::waiting(sender.send_async(message()));
    let mut second = Task::waiting(sender.send_async(message()));
    assert_eq!(drops.load(Ordering::SeqCst), 2);
    drop(receiver.recv().unwrap());
    assert!(first.was_woken() && !second.was_woken());
    drop(first);
    assert!(second.was_woken());
    assert!(second.poll().is_ready());
    assert_eq!(drops.load(Ordering::SeqCst), 4);
    assert_eq!(receiver.len(), 1);
}

#[test]
fn a_future_that_is_dropped_passes_its_wake_on_to_a_thread() {
    on_workers(|| {
        for (sender, receiver) in [bounded(7), unbounded()] {
            let first = Task::waiting(receiver.recv_async());
            let other = receiver.clone();
            let thread = thread::spawn(move || other.recv());
            let_others_run();
            sender.send(1).unwrap();
            drop(first);
            assert_eq!(thread.join().unwrap(), Ok(1));
        }
    });
}

#[test]
fn without_room_a_future_takes_its_message_when_it_is_polled() {
    on_workers(|| {
        let (sender, receiver) = bounded(0);
        let (first, mut second) = (Task::waiting(receiver.recv_async()), Task::waiting(receiver.recv_async()));
        assert!(sender.try_send(0).is_err(), "nobody would take it");
        let other = sender.clone();
        let thread = thread::spawn(move || other.send(1));
        wait_until(|| first.was_woken());
        assert!(!second.was_woken() && !thread.is_finished());
        drop(first);
        assert!(second.was_woken());
        assert_eq!(second.poll(), Poll::Ready(Ok(1)));
        thread.join().unwrap().unwrap();
    });
}

#[test]
fn without_room_two_futures_meet() {
    let (sender, receiver) = bounded(0);
    let mut receive = Task::waiting(receiver.recv_async());
    let mut send = Task::waiting(sender.send_async(1));
    assert!(receive.was_woken());
    assert_eq!(receive.poll(), Poll::Ready(Ok(1)));
    assert!(send.was_woken());
    assert_eq!(send.poll(), Poll::Ready(Ok(())));

    let mut send = Task::waiting(sender.send_async(2));
    assert_eq!(Task::new(receiver.recv_async()).poll(), Poll::Ready(Ok(2)));
    assert_eq!(send.poll(), Poll::Ready(Ok(())));
    drop(Task::waiting(sender.send_async(3)));
    assert!(receiver.try_recv().is_err());
    let taken = Task::waiting(sender.send_async(4));
    assert_eq!(receiver.try_recv(), Ok(4));
    drop(taken);
}

#[test]
fn a_disconnection_ends_all_that_wait() {
    for (sender, receiver) in flavours::<u8>() {
        let mut tasks = [0; 3].map(|_| Task::waiting(receiver.recv_async()));
        drop(sender);
        for task in &mut tasks {
            assert!(task.was_woken());
            assert!(matches!(task.poll(), Poll::Ready(Err(_))));
        }
    }
    for capacity in [0, 1] {
        let (sender, receiver) = bounded(capacity);
        (0..capacity).for_each(|_| sender.send(0).unwrap());
        let mut tasks = [1, 2].map(|number| Task::waiting(sender.send_async(number)));
        drop(receiver);
        for (task, number) in tasks.iter_mut().zip(1..) {
            assert!(task.was_woken());
            assert!(matches!(task.poll(), Poll::Ready(Err(error)) if error.0 == number), "it is given back");
        }
    }
}

#[test]
fn what_time_sends_is_awaited() {
    on_every_crew(|crew| {
        let member = crew.spawn(|| {
            let start = Instant::now();
            let millis = Duration::from_millis;
            assert!(future::block_on(after(millis(3)).recv_async()).is_ok());
            assert!(start.elapsed() >= millis(3));
            assert_eq!(future::block_on(at(start).recv_async()), Ok(start));
            let ticks = tick(millis(1));
            (0..3).for_each(|_| assert!(future::block_on(ticks.recv_async()).is_ok()));
            let once = after(millis(0));
            once.recv().unwrap();
            for none in [once, never()] {
                let late = future::timeout(millis(1), none.recv_async());
                assert!(future::block_on(late).is_err());
            }
        });
        member.join().unwrap();
    });
}

#[test]
fn a_waker_may_panic_or_wait_for_others() {
    on_workers(|| {
        for ((sender, receiver), selects) in
            flavours().into_iter().zip([false; 4]).chain(flavours().into_iter().zip([true; 4]))
        {
            let woken = Arc::new(AtomicBool::new(false));
            let wakes = woken.clone();
            let panics = Waker::from(Arc::new(Does(move || {
                wakes.store(true, Ordering::SeqCst);
                std::panic::resume_unwind(Box::new("a waker's"));
            })));
            let mut task = Task::new(receiver.recv_async());
            assert!(task.future.as_mut().poll(&mut Context::from_waker(&panics)).is_pending());
            let other = sender.clone();
            let thread = thread::spawn(move || other.send(1));
            wait_until(|| woken.load(Ordering::SeqCst));
            assert_eq!(task.poll(), Poll::Ready(Ok(1)));
            thread.join().unwrap().unwrap();

            // While it waits the message is received, and the sender is woken.
            let mutex = Arc::new((sync::Mutex::new(()), AtomicBool::new(false)));
            let locked = mutex.0.lock().unwrap();
            let waits = mutex.clone();
            let waits = Waker::from(Arc::new(Does(move || {
                waits.1.store(true, Ordering::SeqCst);
                drop(waits.0.lock().unwrap());
            })));
            let mut task = Task::new(receiver.recv_async());
            assert!(task.future.as_mut().poll(&mut Context::from_waker(&waits)).is_pending());
            let sends = thread::spawn(move || match selects {
                true => select! { send(sender, 2) -> sent => sent },
                false => sender.send(2),
            });
            wait_until(|| mutex.1.load(Ordering::SeqCst));
            let other = receiver.clone();
            let receives = thread::spawn(move || other.recv());
            let_others_run();
            assert!(!sends.is_finished(), "the waker still waits");
            drop(locked);
            assert_eq!(receives.join().unwrap(), Ok(2));
            sends.join().unwrap().unwrap();
            assert!(task.poll().is_ready(), "nobody sends any more");
        }
    });
}

#[test]
fn a_select_and_a_future_meet() {
    on_every_crew(|crew| {
        for (sender, receiver) in flavours() {
            let (idle, silent) = bounded::<usize>(1);
            idle.send(0).unwrap();
            let producer = crew.spawn(move || {
                for number in 0..300 {
                    select! {
                        send(sender, number) -> sent => sent.unwrap(),
                        send(idle, 7) -> _ => unreachable!(),
                    }
                }
            });
            let consumer = crew.spawn(move || {
                let got = future::block_on(async {
                    let mut got = Vec::new();
                    while let Ok(number) = receiver.recv_async().await {
                        got.push(number);
                    }
                    got
                });
                drop(silent);
                got
            });
            producer.join().unwrap();
            assert!(consumer.join().unwrap().into_iter().eq(0..300));
        }
    });
}

/// Polls a few times, by an executor of its own, and then drops the future if it is not ready by then.
fn with_patience<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let wakes = Arc::new(Counts::default());
    let waker = Waker::from(wakes);
    for _ in 0..polls {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        thread::yield_now();
    }
    None
}

/// Threads of both kinds, selects and futures send and receive through one channel; some futures give up. Every message that was sent
/// is received once.
#[test]
fn no_message_is_lost_or_doubled_among_threads_selects_and_futures() {
    const MESSAGES: usize = 300;
    on_every_crew(|crew| {
        for (number_of_channel, (sender, receiver)) in flavours::<usize>().into_iter().enumerate() {
            let mut producers = Vec::new();
            for member in 0..6_usize {
                let sender = sender.clone();
                producers.push(crew.spawn(move || {
                    let mut random = Random::new((member * 4 + number_of_channel) as u64 + 1);
                    for number in 0..MESSAGES {
                        let message = member * MESSAGES + number;
                        match member % 3 {
                            0 => sender.send(message).unwrap(),
                            1 => select! { send(sender, message) -> sent => sent.unwrap() },
                            _ => {
                                // Without room, one that gives up cannot tell whether it was too late.
                                if sender.capacity() != Some(0) {
                                    while with_patience(sender.send_async(message), random.below(4)).is_none() {
                                        thread::yield_now();
                                    }
                                } else {
                                    future::block_on(sender.send_async(message)).unwrap();
                                }
                            }
                        }
                    }
                }));
            }
            drop(sender);
            let mut consumers = Vec::new();
            for member in 0..6_usize {
                let receiver = receiver.clone();
                consumers.push(crew.spawn(move || {
                    let mut random = Random::new((member * 4 + number_of_channel) as u64 + 100);
                    let mut got = Vec::new();
                    loop {
                        let received = match member % 3 {
                            0 => receiver.recv(),
                            1 => select! { recv(receiver) -> message => message },
                            _ => match with_patience(receiver.recv_async(), random.below(4)) {
                                Some(received) => received,
                                None if random.below(4) > 0 => continue,
                                None => future::block_on(receiver.recv_async()),
                            },
                        };
                        let Ok(message) = received else { break };
                        got.push(message);
                    }
                    got
                }));
            }
            drop(receiver);
            producers.into_iter().for_each(|producer| producer.join().unwrap());
            let mut got: Vec<_> = consumers.into_iter().flat_map(|consumer| consumer.join().unwrap()).collect();
            got.sort_unstable();
            assert!(got.into_iter().eq(0..6 * MESSAGES));
        }
    });
}
