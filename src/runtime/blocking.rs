//! OS threads for calls that block: name resolution, and whatever a user hands to [`blocking`](crate::thread::blocking).
//!
//! Work waits in one channel; a thread is started when work comes in and none is idle, up to the pool's size, and ends after ten
//! seconds without work.

use super::{children::current, wait, worker::Worker};
use crate::{
    primitive::{AtomicUsize, Ordering},
    task::{Task, cancel::Mask, wake},
};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use std::{
    any::Any,
    io,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr::NonNull,
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
    idle: AtomicUsize,
}

struct Call<F, T> {
    closure: ManuallyDrop<F>,
    result: Option<Result<T, Box<dyn Any + Send>>>,
    waiter: NonNull<Task>,
}

unsafe fn run<F: FnOnce() -> T, T>(call: NonNull<()>) {
    // SAFETY: the caller waits until the exact wake, which is this job's last act; the closure is taken once.
    unsafe {
        let call = call.cast::<Call<F, T>>().as_ptr();
        let closure = ManuallyDrop::take(&mut (*call).closure);
        (*call).result = Some(catch_unwind(AssertUnwindSafe(closure)));
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
                idle: AtomicUsize::new(0),
            }),
            threads: Mutex::new(Vec::new()),
        }
    }

    /// False if the job was not taken: no OS thread can be started and none is there.
    fn submit(&self, job: Job) -> bool {
        let sender = self.shared.lock_sender();
        let Some(sender) = &*sender else { return false };
        // An idle thread may be claimed twice, by two submitters: so count the queue as well.
        let idle = self.shared.idle.load(Ordering::SeqCst);
        let threads = self.shared.threads.load(Ordering::SeqCst);
        if self.shared.receiver.len() >= idle && threads < self.most && self.start().is_err() && threads == 0 {
            return false;
        }
        sender.send(job).is_ok()
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

impl Shared {
    fn lock_sender(&self) -> MutexGuard<'_, Option<Sender<Job>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        loop {
            self.idle.fetch_add(1, Ordering::SeqCst);
            let job = self.receiver.recv_timeout(IDLE);
            self.idle.fetch_sub(1, Ordering::SeqCst);
            match job {
                // SAFETY: each job is run once.
                Ok(job) => unsafe { (job.run)(job.call) },
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
    let mut call = Call { closure: ManuallyDrop::new(f), result: None, waiter: current() };
    let job = Job { call: NonNull::from(&mut call).cast(), run: run::<F, T> };
    let mask = Mask::new(task);
    if worker.runtime().blocking.submit(job) {
        wait::wait(wake::EXACT);
        drop(mask);
        match call.result.take() {
            Some(Ok(result)) => result,
            Some(Err(panic)) => resume_unwind(panic),
            None => unreachable!("the exact wake comes after the result"),
        }
    } else {
        drop(mask);
        // No OS thread can be had: blocking this worker is all that is left.
        ManuallyDrop::into_inner(call.closure)()
    }
}
