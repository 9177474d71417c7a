//! Models of the readers-writer lock: writers exclude all, nobody waits for ever, and one that gives up stands in nobody's way.

use super::*;
use crate::{
    primitive::{Arc, UnsafeCell, model::Builder, thread},
    runtime::exact::Parker,
};

/// All runs with at most two preemptions.
fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(body);
}

struct Counter {
    lock: RawRwLock,
    count: UnsafeCell<usize>,
}

// SAFETY: the count is used under the lock, which loom checks.
unsafe impl Sync for Counter {}
// SAFETY: as above.
unsafe impl Send for Counter {}

impl Counter {
    fn new() -> Arc<Self> {
        Arc::new(Self { lock: RawRwLock::new(), count: UnsafeCell::new(0) })
    }

    fn read(&self) -> usize {
        self.lock.read();
        self.read_locked()
    }

    fn read_locked(&self) -> usize {
        // SAFETY: the lock is held to read; loom checks it.
        let count = self.count.with(|count| unsafe { *count });
        // SAFETY: taken by the caller.
        unsafe { self.lock.unlock_read() };
        count
    }

    fn write(&self) {
        self.lock.write();
        self.write_locked();
    }

    fn write_locked(&self) {
        // SAFETY: the lock is held to write; loom checks it.
        self.count.with_mut(|count| unsafe { *count += 1 });
        // SAFETY: taken by the caller.
        unsafe { self.lock.unlock_write() };
    }

    fn assert_free(&self, count: usize) {
        assert_eq!(self.lock.state.load(Ordering::Relaxed), 0);
        assert!(self.lock.waiters.lock().is_empty());
        assert_eq!(self.read(), count);
    }
}

fn spawn<R: 'static>(counter: &Arc<Counter>, body: impl FnOnce(&Counter) -> R + 'static) -> thread::JoinHandle<R> {
    let counter = Arc::clone(counter);
    thread::spawn(move || body(&counter))
}

#[test]
fn loom_a_writer_excludes_readers_and_writers() {
    model(|| {
        let counter = Counter::new();
        let others = [spawn(&counter, |counter| _ = counter.read()), spawn(&counter, Counter::write)];
        counter.write();
        others.into_iter().for_each(|other| other.join().unwrap());
        counter.assert_free(2);
    });
}

#[test]
fn loom_readers_and_a_writer_take_turns() {
    model(|| {
        let counter = Counter::new();
        let others = [spawn(&counter, Counter::write), spawn(&counter, |counter| _ = counter.read())];
        counter.read();
        others.into_iter().for_each(|other| other.join().unwrap());
        counter.assert_free(1);
    });
}

#[test]
fn loom_a_writer_that_gives_up_lets_readers_by() {
    model(|| {
        let counter = Counter::new();
        let parker = Parker::current();
        counter.lock.read();
        let clock = spawn(&counter, move |_| parker.interrupt());
        // Behind the writer, perhaps.
        let other = spawn(&counter, |counter| _ = counter.read());
        let taken = counter.lock.write_until(Instant::now());
        assert!(!taken, "read-locked by this very thread");
        clock.join().unwrap();
        other.join().unwrap();
        // SAFETY: taken above.
        unsafe { counter.lock.unlock_read() };
        counter.assert_free(0);
    });
}

#[test]
fn loom_a_writer_that_gives_up_when_it_could_go_goes_or_lets_others() {
    model(|| {
        let counter = Counter::new();
        let parker = Parker::current();
        let writer = spawn(&counter, move |counter| {
            counter.write();
            parker.interrupt();
        });
        let reader = spawn(&counter, |counter| _ = counter.read());
        let taken = counter.lock.write_until(Instant::now());
        if taken {
            counter.write_locked();
        }
        writer.join().unwrap();
        reader.join().unwrap();
        counter.assert_free(1 + usize::from(taken));
    });
}

#[test]
fn loom_a_writer_that_turns_reader_lets_readers_in_and_keeps_writers_out() {
    model(|| {
        let counter = Counter::new();
        counter.lock.write();
        let others = [spawn(&counter, |counter| _ = counter.read()), spawn(&counter, Counter::write)];
        // SAFETY: taken above.
        unsafe { counter.lock.downgrade() };
        counter.read_locked();
        others.into_iter().for_each(|other| other.join().unwrap());
        counter.assert_free(1);
    });
}
