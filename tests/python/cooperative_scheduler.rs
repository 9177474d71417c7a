//! A scheduler for tasks that are generators, which yield what they ask of it (after D. Beazley).

use sinew::generator::Generator;
use std::collections::{HashMap, VecDeque};

type Id = u32;
type Task = Generator<Call, Answer>;

enum Call {
    Id,
    Pause,
    Spawn(Task),
    Wait(Id),
    Kill(Id),
}

#[derive(Clone, Copy, Default)]
enum Answer {
    #[default]
    None,
    Task(Id),
    Waited(bool),
}

impl Answer {
    fn task(self) -> Id {
        if let Self::Task(id) = self { id } else { panic!("not a task") }
    }

    fn waited(self) -> &'static str {
        if let Self::Waited(true) = self { "True" } else { "False" }
    }
}

#[derive(Default)]
struct Scheduler {
    ready: VecDeque<(Id, Task, Answer)>,
    waiting: HashMap<Id, Vec<(Id, Task)>>,
    last: Id,
}

impl Scheduler {
    fn spawn(&mut self, body: Task) -> Id {
        self.last += 1;
        self.ready.push_back((self.last, body, Answer::None));
        self.last
    }

    fn finish(&mut self, task: Id) {
        println!("task {task} ended");
        for (waiter, body) in self.waiting.remove(&task).unwrap_or_default() {
            self.ready.push_back((waiter, body, Answer::Waited(true)));
        }
    }

    fn position(&self, task: Id) -> Option<usize> {
        self.ready.iter().position(|(id, ..)| *id == task)
    }

    fn run(&mut self) {
        while let Some((task, body, answer)) = self.ready.pop_front() {
            let call = if let Answer::None = answer { body.next() } else { body.send(answer) };
            let answer = match call {
                None => {
                    self.finish(task);
                    continue;
                }
                Some(Call::Wait(other)) if self.position(other).is_some() => {
                    self.waiting.entry(other).or_default().push((task, body));
                    continue;
                }
                Some(Call::Wait(_)) => Answer::Waited(false),
                Some(Call::Id) => Answer::Task(task),
                Some(Call::Spawn(child)) => Answer::Task(self.spawn(child)),
                Some(Call::Pause) => Answer::None,
                Some(Call::Kill(other)) => {
                    if let Some((id, body, _)) = self.position(other).and_then(|at| self.ready.remove(at)) {
                        body.close();
                        self.finish(id);
                    }
                    Answer::None
                }
            };
            self.ready.push_back((task, body, answer));
        }
    }
}

struct CleansUp(Id);

impl Drop for CleansUp {
    fn drop(&mut self) {
        println!("task {} cleans up", self.0);
    }
}

fn worker(steps: u32) -> Task {
    Task::new(move |y| {
        let me = y.yield_(Call::Id).task();
        let _finally = CleansUp(me);
        for step in 0..steps {
            println!("task {me} step {step}");
            y.yield_(Call::Pause);
        }
    })
}

fn parent() -> Task {
    Task::new(|y| {
        let short = y.yield_(Call::Spawn(worker(2))).task();
        let long = y.yield_(Call::Spawn(worker(1000))).task();
        let waited = y.yield_(Call::Wait(short)).waited();
        println!("waited for {short} {waited}");
        y.yield_(Call::Kill(long));
        let waited = y.yield_(Call::Wait(long)).waited();
        println!("waited for {long} {waited}");
    })
}

pub(crate) fn main() {
    let mut scheduler = Scheduler::default();
    scheduler.spawn(parent());
    scheduler.run();
}
