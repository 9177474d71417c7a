// One text for two crates: each of the two modules that include it has the names of one of them in scope.

use std::{
    thread,
    time::{Duration, Instant},
};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_bounded_channel_holds_so_many() {
    let (sender, receiver) = bounded(2);
    assert_eq!((sender.capacity(), receiver.capacity()), (Some(2), Some(2)));
    assert!(sender.is_empty() && receiver.is_empty() && !sender.is_full());
    sender.send(1).unwrap();
    assert_eq!(sender.try_send(2), Ok(()));
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
    assert_eq!(sender.send_timeout(3, ms(2)), Err(SendTimeoutError::Timeout(3)));
    assert_eq!(sender.send_deadline(3, Instant::now()), Err(SendTimeoutError::Timeout(3)));
    assert!(sender.is_full() && receiver.is_full());
    assert_eq!((sender.len(), receiver.len()), (2, 2));
    assert_eq!(receiver.recv(), Ok(1));
    assert_eq!(receiver.recv_timeout(ms(2)), Ok(2));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(receiver.recv_timeout(ms(2)), Err(RecvTimeoutError::Timeout));
    assert_eq!(receiver.recv_deadline(Instant::now()), Err(RecvTimeoutError::Timeout));
}

#[test]
fn an_unbounded_channel_holds_all() {
    let (sender, receiver) = unbounded();
    assert_eq!((sender.capacity(), receiver.capacity()), (None, None));
    for number in 0..1_000 {
        assert_eq!(sender.len(), number);
        sender.send(number).unwrap();
    }
    assert!(!sender.is_full());
    for number in 0..500 {
        assert_eq!(receiver.recv(), Ok(number));
        assert_eq!(receiver.len(), 999 - number);
    }
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), (500..1_000).collect::<Vec<_>>());
    drop(sender);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn without_room_a_send_and_a_receive_meet() {
    let (sender, receiver) = bounded(0);
    assert_eq!((sender.capacity(), sender.len()), (Some(0), 0));
    assert!(sender.is_empty() && sender.is_full());
    assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    thread::scope(|scope| {
        scope.spawn(|| (0..10).for_each(|number| sender.send(number).unwrap()));
        (0..10).for_each(|number| assert_eq!(receiver.recv(), Ok(number)));
        scope.spawn(|| (0..10).for_each(|number| assert_eq!(receiver.recv(), Ok(number))));
        (0..10).for_each(|number| sender.send_timeout(number, ms(60_000)).unwrap());
    });
}

#[test]
fn receivers_get_what_is_left_and_then_an_error() {
    for capacity in [Some(3), None] {
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
        (0..3).for_each(|number| sender.send(number).unwrap());
        drop(sender.clone());
        assert_eq!(receiver.recv(), Ok(0));
        drop(sender);
        assert_eq!(receiver.recv(), Ok(1));
        assert_eq!(receiver.try_recv(), Ok(2));
        assert_eq!(receiver.recv(), Err(RecvError));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        assert_eq!(receiver.recv_timeout(ms(1)), Err(RecvTimeoutError::Disconnected));
    }
}

#[test]
fn senders_get_their_message_back_when_all_receivers_have_gone() {
    for capacity in [Some(3), Some(0), None] {
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
        drop(receiver.clone());
        drop(receiver);
        assert_eq!(sender.send(1), Err(SendError(1)));
        assert_eq!(sender.try_send(2), Err(TrySendError::Disconnected(2)));
        assert_eq!(sender.send_timeout(3, ms(1)), Err(SendTimeoutError::Disconnected(3)));
    }
}

#[test]
fn waiting_threads_learn_of_a_disconnection() {
    for capacity in [Some(1), Some(0), None] {
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded::<u8>);
        let waiter = thread::spawn(move || receiver.recv());
        thread::sleep(ms(5));
        drop(sender);
        assert_eq!(waiter.join().unwrap(), Err(RecvError));
    }
    for capacity in [1, 0] {
        let (sender, receiver) = bounded(capacity);
        (0..capacity).for_each(|_| sender.send(0).unwrap());
        let waiter = thread::spawn(move || sender.send(1));
        thread::sleep(ms(5));
        drop(receiver);
        assert_eq!(waiter.join().unwrap(), Err(SendError(1)));
    }
}

#[test]
fn iterators_end_with_the_senders() {
    let (sender, receiver) = bounded(1);
    let borrowed = receiver.clone();
    let producer = thread::spawn(move || (0..9).for_each(|number| sender.send(number).unwrap()));
    assert_eq!(borrowed.iter().take(3).sum::<i32>(), 3);
    assert_eq!((&borrowed).into_iter().take(3).sum::<i32>(), 12);
    assert_eq!(receiver.into_iter().sum::<i32>(), 21);
    producer.join().unwrap();
}

#[test]
fn channels_know_themselves() {
    let (one, other) = (unbounded::<u8>(), unbounded::<u8>());
    assert!(one.0.same_channel(&one.0.clone()) && one.1.same_channel(&one.1.clone()));
    assert!(!one.0.same_channel(&other.0) && !one.1.same_channel(&other.1));
    assert!(!one.0.same_channel(&bounded(1).0));
    let (tick, after) = (tick(ms(1)), after(ms(1)));
    assert!(tick.same_channel(&tick.clone()) && after.same_channel(&after.clone()) && !tick.same_channel(&after));
    assert!(never::<u8>().same_channel(&never()));
}

#[test]
fn time_sends_once_or_at_intervals() {
    let start = Instant::now();
    let once = at(start + ms(5));
    assert_eq!((once.len(), once.capacity(), once.try_recv()), (0, Some(1), Err(TryRecvError::Empty)));
    assert_eq!(once.recv(), Ok(start + ms(5)));
    assert!(start.elapsed() >= ms(5));
    assert_eq!(once.recv_timeout(ms(2)), Err(RecvTimeoutError::Timeout));

    let start = Instant::now();
    let ticks = tick(ms(5));
    let first = ticks.recv().unwrap();
    assert!(first >= start + ms(5) && ticks.recv().unwrap() >= first + ms(5));

    assert_eq!(never::<u8>().recv_timeout(ms(2)), Err(RecvTimeoutError::Timeout));
    assert_eq!(after(Duration::MAX).try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn select_takes_what_is_ready() {
    let (full, from_full) = unbounded();
    let (_empty, from_empty) = unbounded::<i32>();
    let (sender, receiver) = bounded(1);
    full.send(1).unwrap();
    select! {
        recv(from_empty) -> _ => panic!(),
        recv(from_full) -> number => assert_eq!(number, Ok(1)),
    }
    select! {
        recv(from_full) -> _ => panic!(),
        send(sender, 2) -> sent => assert_eq!(sent, Ok(())),
    }
    let compute = || -> i32 { panic!("only if it can be sent") };
    select! {
        recv(from_full) -> _ => panic!(),
        send(sender, compute()) -> _ => panic!(),
        default => {}
    }
    let start = Instant::now();
    select! {
        recv(from_empty) -> _ => panic!(),
        default(ms(5)) => assert!(start.elapsed() >= ms(5)),
    }
    select! {
        recv(receiver) -> number => assert_eq!(number, Ok(2)),
        default() => panic!(),
    }
    drop(full);
    select! {
        recv(from_full) -> number => assert_eq!(number, Err(RecvError)),
        default => panic!(),
    }
}

#[test]
fn selects_grammar() {
    let (sender, receiver) = unbounded();
    let (mut count, three) = (0, Some(3));
    sender.send(Some((1, "a"))).unwrap();
    // Patterns, blocks with and without a comma, expressions with one, a value, control flow, operands that are computed.
    let value = select! {
        recv({ &receiver }) -> message => match message { Ok(Some((number, _))) => number, _ => 0 },
        recv(never::<()>(),) -> _ => { count += 1; 7 }
        default => unreachable!(),
    };
    assert_eq!((value, count), (1, 0));
    loop {
        select! {
            send(sender, three.map(|number| (number, "b")),) -> (Ok(()) | Err(_)) => { count += 1 },
            recv(receiver) -> _ => break
        }
    }
    let taken = receiver.try_iter().count();
    assert_eq!(count, taken + 1, "one was received by the select");
    let receivers = [receiver.clone(), receiver];
    fn question(receivers: &[Receiver<Option<(i32, &'static str)>>]) -> Result<(), TryRecvError> {
        select! {
            recv(receivers[0]) -> message => { message?; }
            recv(&receivers[1]) -> message => message.map(|_| ())?,
            default(ms(1)) => return Err(TryRecvError::Empty),
        };
        Ok(())
    }
    assert_eq!(question(&receivers), Err(TryRecvError::Empty));
    sender.send(None).unwrap();
    question(&receivers).unwrap();
    drop(sender);
    assert_eq!(question(&receivers), Err(TryRecvError::Disconnected));
    select! { default => count = 0 }
    select! { default(ms(1)) => count += 1, }
    assert_eq!(count, 1);
    // Each arm sets what is declared before.
    let answer;
    select! {
        recv(never::<()>()) -> _ => answer = 0,
        default => answer = 1,
    }
    let other;
    select! {
        recv(after(ms(0))) -> _ => other = 2,
        recv(never::<()>()) -> _ => other = 3,
    }
    assert_eq!((answer, other), (1, 2));
    // What an arm was made of can be moved by its body.
    let (sender, receiver) = bounded(1);
    select! {
        send(sender, 5) -> _ => drop((sender, receiver)),
        recv(receiver) -> _ => drop((sender, receiver)),
    }
}

#[test]
fn a_biased_select_takes_the_first_and_the_other_is_fair() {
    let (one, from_one) = unbounded();
    let (two, from_two) = unbounded();
    let mut counts = [0; 2];
    for _ in 0..1_000 {
        one.send(1).unwrap();
        two.send(2).unwrap();
    }
    for _ in 0..1_000 {
        select_biased! {
            recv(from_one) -> number => assert_eq!(number, Ok(1)),
            recv(from_two) -> _ => panic!("the first is ready"),
        }
        one.send(1).unwrap();
    }
    for _ in 0..1_000 {
        select! {
            recv(from_one) -> _ => counts[0] += 1,
            recv(from_two) -> _ => counts[1] += 1,
        }
    }
    // 500 are expected; so far off only once in far more runs than there will be.
    assert!(counts[0] > 300 && counts[1] > 300, "{counts:?}");
}

#[test]
fn a_select_that_waits_is_woken_by_either() {
    for round in 0..2 {
        for capacity in [Some(1), Some(0), None] {
            let (one, from_one) = capacity.map_or_else(unbounded, bounded);
            let (two, from_two) = capacity.map_or_else(unbounded, bounded);
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(ms(3));
                    if round == 0 { &one } else { &two }.send(round).unwrap();
                });
                let got = select! {
                    recv(from_one) -> number => (0, number),
                    recv(from_two) -> number => (1, number),
                };
                assert_eq!(got, (round, Ok(round)));
            });
        }
    }
}

#[test]
fn two_selects_meet_without_room() {
    let (sender, receiver) = bounded(0);
    let (_keep, silent) = bounded::<()>(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..200 {
                select! {
                    recv(silent) -> _ => panic!(),
                    send(sender, number) -> sent => assert_eq!(sent, Ok(())),
                }
            }
        });
        for number in 0..200 {
            select! {
                recv(silent) -> _ => panic!(),
                recv(receiver) -> got => assert_eq!(got, Ok(number)),
            }
        }
    });
}

#[test]
fn a_select_does_not_meet_itself() {
    let (sender, receiver) = bounded(0);
    select! {
        send(sender, 1) -> _ => panic!(),
        recv(receiver) -> _ => panic!(),
        default(ms(5)) => {}
    }
    let mut select = Select::new();
    select.send(&sender);
    select.recv(&receiver);
    assert!(select.try_select().is_err() && select.select_timeout(ms(2)).is_err() && select.try_ready().is_err());
}

#[test]
fn operations_are_listed_while_the_program_runs() {
    let channels: Vec<_> = (0..4).map(|_| bounded::<[u64; 9]>(1)).collect();
    let mut select = Select::new();
    for (sender, receiver) in &channels {
        assert_eq!(select.recv(receiver) + 1, select.send(sender));
    }
    (0..8).filter(|index| index % 2 == 0).for_each(|index| select.remove(index));
    let mut seen = Vec::new();
    for _ in 0..4 {
        let operation = select.select();
        let index = operation.index();
        operation.send(&channels[index / 2].0, [index as u64; 9]).unwrap();
        seen.push(index);
    }
    assert!(select.select_deadline(Instant::now()).is_err() && select.ready_timeout(ms(1)).is_err());
    seen.sort_unstable();
    assert_eq!(seen, [1, 3, 5, 7]);
    let mut select = Select::new_biased();
    for (_, receiver) in &channels {
        select.recv(receiver);
    }
    assert_eq!((select.ready(), select.try_ready().unwrap()), (0, 0));
    for (index, (_, receiver)) in channels.iter().enumerate() {
        let operation = select.clone().try_select().unwrap();
        assert_eq!((operation.index(), operation.recv(receiver)), (index, Ok([index as u64 * 2 + 1; 9])));
    }
    assert!(select.ready_deadline(Instant::now()).is_err());
}

#[test]
fn a_look_that_waits_is_told() {
    for capacity in [Some(1), Some(0), None] {
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(ms(3));
                sender.send(1).unwrap();
            });
            let mut select = Select::new();
            select.recv(&receiver);
            assert_eq!(select.ready(), 0);
            assert_eq!(receiver.recv(), Ok(1));
        });
    }
}

#[test]
#[should_panic(expected = "dropped `SelectedOperation` without completing the operation")]
fn an_operation_must_be_completed() {
    let (sender, receiver) = unbounded::<i32>();
    drop(sender);
    let mut select = Select::new();
    select.recv(&receiver);
    drop(select.select());
}
