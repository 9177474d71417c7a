//! OS threads for calls that block: name resolution, files, and whatever a user hands to [`blocking`](crate::thread::blocking).
//!
//! Work waits in one channel; a thread is started when work comes in and none is idle, up to the pool's size, and ends after ten
//! seconds without work.

use super::{children::current, wait, worker::Worker};
use crate::{
    primitive::{AtomicUsize, Ordering},
    task::{
        Task,
        cancel::Mask,
        vars::{self, Lent},
        wake,
    },
};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use std::{
    any::Any,
    cell::Cell,
    io,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr::{self, NonNull},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(10);

/// One call: where it lies, on its caller's stack, and how it is made.
struct Job {
    call: NonNull<()>,
    run: unsafe fn(NonNull<()>),
}

// SAFETY: the closure and the result behind it are `Send`; the caller's frame waits for the job's end.
unsafe impl Send for Job {}

/// A pool; see the module's documentation.
pub(crate) struct Blocking {
    most: usize,
    shared: Arc<Shared>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

struct Shared {
    /// None once the pool is closed. A submitter holds the lock while it decides and sends, and a thread that leaves for want
    /// of work while it decides: so no job is left behind by the last thread.
    sender: Mutex<Option<Sender<Job>>>,
    receiver: Receiver<Job>,
    threads: AtomicUsize,
    /// Jobs that wait or run. Counted up by the submitter, under the lock, and down by the thread once it is through: so each
    /// job has a thread of its own while there are as many threads.
    jobs: AtomicUsize,
}

struct Call<F, T> {
    closure: ManuallyDrop<F>,
    result: Option<Result<T, Box<dyn Any + Send>>>,
    waiter: NonNull<Task>,
    /// The caller's context values: the closure has them, and what it sets is the caller's.
    vars: Lent,
}

unsafe fn run<F: FnOnce() -> T, T>(call: NonNull<()>) {
    // SAFETY: the caller waits until the exact wake, which is this job's last act; the closure is taken once.
    unsafe {
        let call = call.cast::<Call<F, T>>().as_ptr();
        let closure = ManuallyDrop::take(&mut (*call).closure);
        if !(*call).vars.is_empty() {
            current().as_ref().extra().vars.exchange_all(&mut (*call).vars);
        }
        (*call).result = Some(catch_unwind(AssertUnwindSafe(closure)));
        // This thread has none of its own, so that those of one call do not come to the next.
        if vars::in_use()
            && let Some(extra) = current().as_ref().try_extra()
        {
            extra.vars.exchange_all(&mut (*call).vars);
        }
        let waiter = (*call).waiter;
        wait::wake(waiter, wake::EXACT);
    }
}

impl Blocking {
    pub(crate) fn new(most: usize) -> Self {
        let (sender, receiver) = unbounded();
        Self {
            most,
            shared: Arc::new(Shared {
                sender: Mutex::new(Some(sender)),
                receiver,
                threads: AtomicUsize::new(0),
                jobs: AtomicUsize::new(0),
            }),
            threads: Mutex::new(Vec::new()),
        }
    }

    /// False if the job was not taken: no OS thread can be started and none is there.
    fn submit(&self, job: Job) -> bool {
        let sender = self.shared.lock_sender();
        let Some(sender) = &*sender else { return false };
        let jobs = self.shared.jobs.fetch_add(1, Ordering::SeqCst) + 1;
        let threads = self.shared.threads.load(Ordering::SeqCst);
        let refused = jobs > threads && threads < self.most && self.start().is_err() && threads == 0;
        let sent = !refused && sender.send(job).is_ok();
        if !sent {
            self.shared.jobs.fetch_sub(1, Ordering::SeqCst);
        }
        sent
    }

    /// Whether a call runs or waits to run.
    pub(crate) fn is_busy(&self) -> bool {
        self.shared.jobs.load(Ordering::SeqCst) != 0
    }

    fn start(&self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        self.shared.threads.fetch_add(1, Ordering::SeqCst);
        match thread::Builder::new().name("sinew-blocking".into()).spawn(move || shared.run()) {
            Ok(handle) => {
                let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
                threads.retain(|thread| !thread.is_finished());
                threads.push(handle);
                Ok(())
            }
            Err(error) => {
                self.shared.threads.fetch_sub(1, Ordering::SeqCst);
                Err(error)
            }
        }
    }

    /// Whether the current OS thread is one of this pool's.
    pub(crate) fn is_here(&self) -> bool {
        ptr::eq(POOL.get(), Arc::as_ptr(&self.shared))
    }

    /// Ends the pool's threads; called when no green thread is left, so when no job is.
    pub(crate) fn close(&self) {
        drop(self.shared.lock_sender().take());
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A pool's thread lets no panic out.
            let _ = thread.join();
        }
    }
}

std::thread_local! {
    /// The pool whose thread this is.
    static POOL: Cell<*const Shared> = const { Cell::new(ptr::null()) };
}

impl Shared {
    fn lock_sender(&self) -> MutexGuard<'_, Option<Sender<Job>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        POOL.set(self);
        loop {
            match self.receiver.recv_timeout(IDLE) {
                Ok(job) => {
                    // SAFETY: each job is run once.
                    unsafe { (job.run)(job.call) };
                    self.jobs.fetch_sub(1, Ordering::SeqCst);
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.threads.fetch_sub(1, Ordering::SeqCst);
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {
                    let _deciding = self.lock_sender();
                    if self.receiver.is_empty() {
                        self.threads.fetch_sub(1, Ordering::SeqCst);
                        return;
                    }
                }
            }
        }
    }
}

/// Runs `f` on the current runtime's blocking pool and suspends the current thread until it is done; in place on an OS thread,
/// which may block. Masked from cancellation: `f` may use the caller's stack (rule 12).
pub(crate) fn blocking<T: Send, F: FnOnce() -> T + Send>(f: F) -> T {
    let Some((worker, task)) = Worker::current().and_then(|worker| Some((worker, worker.current_task()?))) else {
        return f();
    };
    let vars = if vars::in_use() { lend(task) } else { Lent::default() };
    let mut call = Call { closure: ManuallyDrop::new(f), result: None, waiter: current(), vars };
    let job = Job { call: NonNull::from(&mut call).cast(), run: run::<F, T> };
    let mask = Mask::new(task);
    if worker.runtime().blocking.submit(job) {
        wait::wait(wake::EXACT);
        take_back(task, call.vars);
        drop(mask);
        match call.result.take() {
            Some(Ok(result)) => result,
            Some(Err(panic)) => resume_unwind(panic),
            None => unreachable!("the exact wake comes after the result"),
        }
    } else {
        take_back(task, call.vars);
        drop(mask);
        // No OS thread can be had: blocking this worker is all that is left.
        ManuallyDrop::into_inner(call.closure)()
    }
}

#[cold]
fn lend(task: &Task) -> Lent {
    task.try_extra().map(|extra| extra.vars.lend()).unwrap_or_default()
}

fn take_back(task: &Task, lent: Lent) {
    if !lent.is_empty() {
        task.extra().vars.take_back(lent);
    }
}
