//! Two barriers. One is crossed by threads that are cancelled: of each so many that it lets go, one leads. The other is crossed in step, by threads that
//! are not: nobody is ever a generation ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sinew::sync::Barrier;

use crate::actor::Actor;
use crate::stage::{End, Part, Setting, Stage};

const THREADS: usize = 4;
const IN_STEP: usize = 3;

struct Crossing {
    barrier: Barrier,
    passed: AtomicU64,
    led: AtomicU64,
    in_step: Barrier,
    generations: [AtomicU64; IN_STEP],
    /// No more is to be crossed in step.
    over: AtomicBool,
    last: AtomicBool,
}

pub(crate) fn stage(_: &mut Setting) -> Arc<dyn Stage> {
    Arc::new(Crossing {
        barrier: Barrier::new(THREADS),
        passed: AtomicU64::new(0),
        led: AtomicU64::new(0),
        in_step: Barrier::new(IN_STEP),
        generations: Default::default(),
        over: AtomicBool::new(false),
        last: AtomicBool::new(false),
    })
}

impl Stage for Crossing {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        let (crossers, fillers) = (Arc::clone(&self), Arc::clone(&self));
        vec![
            Part::new("crosser", THREADS, move |_| Arc::clone(&crossers), &[("wait", cross)]),
            // They keep it moving while the others end.
            Part::new("filler", THREADS, move |_| Arc::clone(&fillers), &[("wait", cross)]).ends(End::Cancelled),
            Part::new("one in step", IN_STEP, move |_| Arc::clone(&self), &[("wait, in step", step)])
                .ends(End::Itself)
                .never_cancelled(),
        ]
    }

    fn part_ended(&self, part: usize) {
        if part == 1 {
            self.over.store(true, Ordering::SeqCst);
        }
    }

    fn check(&self) -> Result<(), String> {
        let (passed, led) = (self.passed.load(Ordering::SeqCst), self.led.load(Ordering::SeqCst));
        match passed == led * THREADS as u64 {
            true => Ok(()),
            false => Err(format!("{passed} passed a barrier for {THREADS}, and {led} led")),
        }
    }
}

fn cross(stage: &mut Arc<Crossing>, actor: &mut Actor) {
    let result = stage.barrier.wait();
    stage.passed.fetch_add(1, Ordering::SeqCst);
    stage.led.fetch_add(u64::from(result.is_leader()), Ordering::SeqCst);
    actor.dawdle();
}

fn step(stage: &mut Arc<Crossing>, actor: &mut Actor) {
    let generation = stage.generations[actor.card.number].fetch_add(1, Ordering::Relaxed) + 1;
    if stage.in_step.wait().is_leader() {
        stage.last.store(stage.over.load(Ordering::SeqCst), Ordering::Relaxed);
    }
    let all = || stage.generations.iter().map(|other| other.load(Ordering::Relaxed));
    actor
        .check(all().all(|other| other == generation), || format!("{:?} in one generation", all().collect::<Vec<_>>()));
    actor.dawdle();
    stage.in_step.wait();
    if stage.last.load(Ordering::Relaxed) {
        actor.finish();
    }
}
