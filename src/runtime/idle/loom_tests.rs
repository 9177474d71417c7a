//! Models of the idle protocol: submitters, two workers and a shared queue. A worker's life ends when it falls asleep or
//! has taken a job that never ends; whom the others picked then goes on, when all have come to rest.

use super::*;
use crate::{
    primitive::{AtomicBool, AtomicPtr},
    runtime::{inbox::Link, shared_queue::SharedQueue},
};
use loom::{model::Builder, sync::Arc, thread};
use std::{ptr, ptr::NonNull};

struct Node(AtomicPtr<Node>);

struct ByLink;

// SAFETY: the node's only field.
unsafe impl Link for ByLink {
    type Node = Node;
    unsafe fn link(node: NonNull<Node>) -> NonNull<AtomicPtr<Node>> {
        // SAFETY: the node is alive (caller's promise).
        NonNull::from(unsafe { &node.as_ref().0 })
    }
}

/// What a worker does with a job.
#[derive(Clone, Copy, PartialEq)]
enum Job {
    Short,
    Endless,
}

struct Model {
    idle: Idle,
    queue: SharedQueue<ByLink>,
    nodes: Vec<Node>,
    woken: [AtomicBool; 2],
    job: Job,
}

impl Model {
    fn new(nodes: usize, job: Job) -> Arc<Self> {
        Arc::new(Self {
            idle: Idle::new(2),
            queue: SharedQueue::new(),
            nodes: (0..nodes).map(|_| Node(AtomicPtr::new(ptr::null_mut()))).collect(),
            woken: [AtomicBool::new(false), AtomicBool::new(false)],
            job,
        })
    }

    fn wake_one(&self) {
        if let Some(index) = self.idle.wake_one() {
            self.woken[index].store(true, Ordering::Relaxed);
        }
    }

    fn submit(&self, node: usize) {
        // SAFETY: each node is pushed once, and outlives the model's threads.
        unsafe { self.queue.push(NonNull::from(&self.nodes[node])) };
        self.wake_one();
    }

    /// A worker's loop, as the module's head has it, until it sleeps or has an endless job.
    fn work(&self, index: usize, mut searching: bool) {
        let mut duty = false;
        loop {
            if self.queue.pop().is_some() {
                if (searching && self.idle.stop_searching()) || duty {
                    self.wake_one();
                }
                (searching, duty) = (false, false);
                if self.job == Job::Endless {
                    return;
                }
            } else {
                self.idle.prepare_sleep(index, searching, false);
                if self.queue.is_empty() {
                    return;
                }
                duty = self.idle.cancel_sleep(index);
                searching = !duty;
            }
        }
    }

    fn spawn(shared: &Arc<Self>, body: impl FnOnce(&Self) + 'static) -> thread::JoinHandle<()> {
        let shared = Arc::clone(shared);
        thread::spawn(move || body(&shared))
    }

    /// All have come to rest: nothing may be left while someone sleeps and nobody is woken to search; then the woken go
    /// on.
    fn settle(&self) {
        loop {
            let left = self.queue.len();
            let is_sought = self.idle.searching() > 0 || self.idle.sleeping() == 0;
            assert!(left == 0 || is_sought, "{left} left, a worker sleeps, and none is woken");
            let Some(index) = (0..2).find(|index| self.woken[*index].swap(false, Ordering::Relaxed)) else {
                break;
            };
            // It may be a wake that the worker no longer needed when it came; then it is busy, not a searcher.
            let searching = self.idle.finish_sleep(index);
            self.work(index, searching);
        }
        assert_eq!(self.idle.searching(), 0, "a search is counted that nobody does");
    }
}

fn model(bound: Option<usize>, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = bound;
    builder.check(body);
}

#[test]
fn loom_work_submitted_while_the_last_searcher_falls_asleep_is_done() {
    model(None, || {
        let shared = Model::new(1, Job::Short);
        shared.idle.prepare_sleep(1, false, false);
        assert!(shared.idle.try_start_searching(1));
        let worker = Model::spawn(&shared, |shared| shared.work(0, true));
        shared.submit(0);
        worker.join().unwrap();
        shared.settle();
        assert!(shared.queue.is_empty());
    });
}

/// Preemption bound 3.
#[test]
fn loom_two_workers_that_fall_asleep_at_once_leave_nothing() {
    model(Some(3), || {
        let shared = Model::new(1, Job::Short);
        assert!(shared.idle.try_start_searching(2));
        let workers = [
            Model::spawn(&shared, |shared| shared.work(0, true)),
            Model::spawn(&shared, |shared| shared.work(1, false)),
        ];
        shared.submit(0);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        shared.settle();
        assert!(shared.queue.is_empty());
    });
}

/// Preemption bound 3.
#[test]
fn loom_two_submitters_and_a_worker_that_gets_stuck_do_not_leave_a_sleeper_idle() {
    model(Some(3), || {
        let shared = Model::new(2, Job::Endless);
        shared.idle.prepare_sleep(1, false, false);
        assert!(shared.idle.try_start_searching(1));
        let others =
            [Model::spawn(&shared, |shared| shared.work(0, true)), Model::spawn(&shared, |shared| shared.submit(1))];
        shared.submit(0);
        others.into_iter().for_each(|other| other.join().unwrap());
        shared.settle();
        assert!(shared.queue.is_empty(), "two jobs, two workers");
    });
}

#[test]
fn loom_a_worker_is_woken_for_its_inbox_exactly_once() {
    model(None, || {
        let shared = Arc::new((Idle::new(2), AtomicBool::new(false)));
        let other = Arc::clone(&shared);
        let pusher = thread::spawn(move || {
            other.1.swap(true, Ordering::SeqCst);
            other.0.wake_specific(0)
        });
        let other = Arc::clone(&shared);
        let waker = thread::spawn(move || other.0.wake_one().is_some());
        let (idle, inbox) = &*shared;
        idle.prepare_sleep(0, false, false);
        let sleeps = !inbox.load(Ordering::Relaxed);
        let mut searches = !sleeps && !idle.cancel_sleep(0);
        let woken = [pusher.join().unwrap(), waker.join().unwrap()];
        assert!(woken != [true, true], "woken twice");
        if sleeps {
            assert!(woken != [false, false], "never woken");
            searches = idle.finish_sleep(0);
        }
        assert_eq!(searches, woken[1]);
        assert_eq!((idle.sleeping(), idle.searching()), (0, usize::from(searches)));
    });
}
