//! Closures on the pool of OS threads, which borrow, wake green threads from outside, and are nested.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sinew::{channel::bounded, thread};

use crate::actor::Actor;
use crate::stage::{Part, Setting, Stage};

#[derive(Default)]
struct Blocking {
    run: AtomicU64,
    asked: AtomicU64,
}

pub(crate) fn stage(_: &mut Setting) -> Arc<dyn Stage> {
    Arc::new(Blocking::default())
}

impl Stage for Blocking {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        let steps =
            &[("borrow", borrow as fn(&mut Arc<Blocking>, &mut Actor)), ("block", block), ("send from the pool", send)];
        vec![Part::new("caller", 3, move |_| Arc::clone(&self), steps)]
    }

    /// A call is masked, so it has run if it was made.
    fn check(&self) -> Result<(), String> {
        let (run, asked) = (self.run.load(Ordering::SeqCst), self.asked.load(Ordering::SeqCst));
        if run == asked { Ok(()) } else { Err(format!("of {asked} closures {run} ran")) }
    }
}

fn count<T>(stage: &Blocking, f: impl FnOnce() -> T + Send) -> T
where
    T: Send,
{
    stage.asked.fetch_add(1, Ordering::Relaxed);
    thread::blocking(|| {
        stage.run.fetch_add(1, Ordering::Relaxed);
        f()
    })
}

fn borrow(stage: &mut Arc<Blocking>, actor: &mut Actor) {
    let numbers: Vec<u64> = (0..10).map(|_| actor.random.next() >> 8).collect();
    let sum = count(stage, || thread::blocking(|| numbers.iter().sum::<u64>()));
    actor.check(sum == numbers.iter().sum(), || "a sum over what was borrowed is wrong".into());
}

fn block(stage: &mut Arc<Blocking>, actor: &mut Actor) {
    let time = actor.random.micros(500);
    count(stage, || std::thread::sleep(time));
}

fn send(stage: &mut Arc<Blocking>, actor: &mut Actor) {
    let (sender, receiver) = bounded(0);
    let child = thread::spawn(move || receiver.iter().take(3).sum::<i32>());
    // The receiver is not the caller, so it is there whatever becomes of that.
    let sent = count(stage, || (1..=3).all(|number| sender.send_timeout(number, Duration::from_secs(60)).is_ok()));
    actor.check(sent, || "a send from the pool failed".into());
    actor.check(child.join().is_ok_and(|sum| sum == 6), || "what the pool sent came wrong".into());
}
