//! Generators and coroutines that wait inside their bodies, and are left before their end: what they hold is dropped, and no value is lost.

use std::sync::Arc;

use sinew::channel::bounded;
use sinew::coroutine::{Coroutine, CoroutineResult};
use sinew::generator::Generator;
use sinew::thread;

use crate::actor::Actor;
use crate::ledger::Living;
use crate::stage::{Part, Setting, Stage};

#[derive(Default)]
struct Generators {
    living: Living,
}

pub(crate) fn stage(_: &mut Setting) -> Arc<dyn Stage> {
    Arc::new(Generators::default())
}

impl Stage for Generators {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        vec![Part::new(
            "caller",
            3,
            move |_| Caller(self.living.clone()),
            &[
                ("to the end", Caller::whole),
                ("left in the middle", Caller::part),
                ("yield_from", Caller::nested),
                ("send and throw", Caller::send),
                ("fed by a channel", Caller::fed),
                ("coroutine", Caller::coroutine),
            ],
        )]
    }

    fn check(&self) -> Result<(), String> {
        self.living.check("values inside generators")
    }
}

struct Caller(Living);

impl Caller {
    /// Counts up, and waits now and then.
    fn counting(&self, until: usize) -> Generator<usize> {
        let living = self.0.clone();
        Generator::new(move |y| {
            for number in 0..until {
                let _live = living.one();
                match number % 8 {
                    3 => thread::yield_now(),
                    7 => thread::sleep(std::time::Duration::from_micros(50)),
                    _ => {}
                }
                y.yield_(number);
            }
        })
    }

    fn whole(&mut self, actor: &mut Actor) {
        let until = actor.random.below(20);
        let sum: usize = self.counting(until).sum();
        actor.check(sum == until * until.saturating_sub(1) / 2, || format!("the numbers under {until} give {sum}"));
    }

    fn part(&mut self, actor: &mut Actor) {
        let numbers = self.counting(20);
        let count = actor.random.below(20);
        for number in 0..count {
            let next = numbers.next();
            actor.check(next == Some(number), || format!("{next:?} came for {number}"));
            actor.dawdle();
        }
    }

    fn nested(&mut self, actor: &mut Actor) {
        let (inner, live) = (self.counting(10), self.0.one());
        let outer = Generator::<usize>::new(move |y| {
            let _live = live;
            y.yield_from(&inner);
            y.yield_(10);
        });
        let got = outer.sum::<usize>();
        actor.check(got == 55, || format!("the numbers to 10 give {got}"));
    }

    fn send(&mut self, actor: &mut Actor) {
        #[derive(Debug)]
        struct Enough;
        let live = self.0.one();
        let sums = Generator::<u64, u64, u64>::new(move |y| {
            let _live = live;
            let mut sum = 0;
            while let Ok(sent) = y.try_yield::<Enough>(sum) {
                thread::yield_now();
                sum += sent;
            }
            sum
        })
        .primed();
        let sent: Vec<_> = (0..5).map(|_| actor.random.next() >> 8).collect();
        let last = sent.iter().map(|&number| sums.send(number)).last().flatten();
        let sum = sent.iter().sum();
        let end = sums.throw(Enough);
        let returned = sums.take_return();
        actor.check((last, end, returned) == (Some(sum), None, Some(sum)), || {
            format!("of {sent:?}: {last:?}, {end:?}, {returned:?}")
        });
    }

    fn fed(&mut self, actor: &mut Actor) {
        let (sender, receiver) = bounded(1);
        let feeder = thread::spawn(move || (0..10).for_each(|number: usize| _ = sender.send(number)));
        let doubles = Generator::<usize>::new(move |y| receiver.iter().for_each(|number| y.yield_(2 * number)));
        let sum: usize = doubles.sum();
        actor.check(sum == 90, || format!("twice the numbers under 10 give {sum}"));
        actor.check(feeder.join().is_ok(), || "the feeder failed".into());
    }

    fn coroutine(&mut self, actor: &mut Actor) {
        let live = self.0.one();
        let mut adds = Coroutine::new(move |yielder, first: usize| {
            let _live = live;
            let mut sum = first;
            while sum < 100 {
                thread::yield_now();
                sum += yielder.suspend(sum);
            }
            sum
        });
        let (mut sum, count) = (0, actor.random.below(30));
        for number in 1..=count {
            sum += number;
            match adds.resume(number) {
                CoroutineResult::Yield(got) => actor.check(got == sum, || format!("{got} came for {sum}")),
                CoroutineResult::Return(got) => {
                    return actor.check(got == sum, || format!("{got} at the end, not {sum}"));
                }
            }
        }
    }
}
