//! Which workers search for work and which sleep, so that work never lies while every worker that could take it sleeps,
//! and few processors burn looking.
//!
//! The protocol is Go's (*Worker thread parking/unparking* in `runtime/proc.go`), told here in our words. A worker is
//! *busy*; or *searching*: awake, out of work of its own, and looking for others'; or *sleeping*: listed here, in its
//! poller or about to enter it.
//!
//! # State
//!
//! | state | is | changed |
//! |---|---|---|
//! | `counts` | how many search (low half) and how many are listed as sleepers (high half) | searching: by anyone; sleeping: under the lock |
//! | `sleepers` | the listed workers | under the lock |
//! | `places` | for each worker: awake, listed, woken to search, or woken for its inbox | under the lock |
//!
//! # What a worker does
//!
//! - Out of work: [`Idle::try_start_searching`], unless it searches already.
//! - A searcher that found work: [`Idle::stop_searching`], and if that says that it was the last, [`Idle::wake_one`]:
//!   there may be more where this came from, and those who submitted it relied on a searcher.
//! - Out of hope: [`Idle::prepare_sleep`]; then it looks at every queue once more, and at its inbox. If it finds
//!   something, it takes that back; else it enters its poller. Afterwards, in either case, it calls [`Idle::finish_sleep`].
//! - Having submitted work: [`Idle::wake_one`]; or [`Idle::wake_hint`] for a spawn into its own deque.
//! - Having pushed the first node into another's inbox: [`Idle::wake_specific`].
//!
//! A worker whose index one of the last three returned (or confirmed) must be woken through its poller by the caller.
//!
//! # Why no work lies while all sleep
//!
//! To submit is: (s1) the queue's store; (s2) a SeqCst fence; (s3) a load of `counts`: somebody is woken if some
//! sleep and none search. To go to sleep is: (w1) one read-modify-write of `counts` that ends the search and counts the
//! sleeper; (w2) a SeqCst fence; (w3) loads of all queues. Take some work, its s1 to s3, and any worker.
//!
//! 1. If the s3 comes before a worker's w1 in the order of changes to `counts`, then s2 comes before w2, and w3 sees s1.
//!    (Both sides' fences are needed: without s2 the submitter's load may pass its store, without w2 the worker's may.)
//! 2. So *whoever is awake when s3 looks* (busy or searching) *sees the work before it next sleeps*, if it is still there.
//! 3. If s3 finds no sleeper, all are awake, and 2 holds for each.
//! 4. If s3 finds a searcher, 2 holds for it. If it finds other work first, it stops searching, and if it was the last, it
//!    wakes another; that one's next w1 comes after s3 too. If it was not the last, the same holds for those that
//!    still search. So this work is never left to workers that all run something long, while somebody sleeps.
//! 5. If s3 finds sleepers and no searcher, it moves one over to searching. The move is a change of `counts` after s3; so
//!    is the woken one's next w1, and 2 holds for it. If another thread moves one first, 2 holds for that one.
//! 6. A worker that is picked between its w1 and its poller finds out from `finish_sleep`, or its poller returns at
//!    once, since a poller's wake is sticky. It is counted as a searcher from the moment it is picked; so nobody takes a
//!    search for under way that nobody will do.
//! 7. A worker that cancels its sleep has stopped searching at w1 without the duty of 4, so it takes the duty then: when
//!    it has taken what it found in a shared place, it calls `wake_one`.
//!
//! A worker that has no stack for a thread of its own starts no other, and so does not search. It is picked only if all that sleep are such;
//! then the work waits for a stack, and whoever gets one starts what waits longest at its next tick.
//!
//! An inbox has one reader, so its pusher needs only the worker's own place: `inbox` has that argument.
//! [`Idle::wake_hint`] has no s2. It may miss a worker that is falling asleep, and the work then waits for its spawner,
//! or for the monitor's next look.
//!
//! Rejected: a wake for each submission (a syscall each, and a herd), and only the list (its lock at each submission).

use crate::primitive::{AtomicU32, Mutex, Ordering, between_seqcst_accesses, fence, lock};

/// One searcher, in `counts`.
const SEARCHER: u32 = 1;
/// One sleeper, in `counts`.
const SLEEPER: u32 = 1 << 16;

const fn searching(counts: u32) -> usize {
    (counts & (SLEEPER - 1)) as usize
}

const fn sleeping(counts: u32) -> usize {
    (counts / SLEEPER) as usize
}

/// Not in the list.
const AWAKE: u32 = 0;
/// In the list.
const LISTED: u32 = 1;
/// Out of the list, and counted as a searcher.
const TO_SEARCH: u32 = 2;
/// Out of the list, to look at its inbox.
const FOR_ITSELF: u32 = 3;

/// A worker's place, on a cache line of its own: those who push to its inbox read it.
#[repr(align(64))]
struct Place(AtomicU32);

/// The searching and sleeping workers of one runtime. See the module's head.
pub(crate) struct Idle {
    counts: AtomicU32,
    sleepers: Mutex<Vec<usize>>,
    places: Box<[Place]>,
}

impl Idle {
    /// All of so many workers are busy.
    pub(crate) fn new(workers: usize) -> Self {
        assert!(workers < SLEEPER as usize, "too many workers");
        Self {
            counts: AtomicU32::new(0),
            sleepers: Mutex::new(Vec::with_capacity(workers)),
            places: (0..workers).map(|_| Place(AtomicU32::new(AWAKE))).collect(),
        }
    }

    /// How many workers search.
    #[cfg(test)]
    pub(crate) fn searching(&self) -> usize {
        searching(self.counts.load(Ordering::Relaxed))
    }

    /// How many workers sleep, and nobody has picked them to be woken.
    #[inline]
    pub(crate) fn sleeping(&self) -> usize {
        sleeping(self.counts.load(Ordering::Relaxed))
    }

    /// Whether this worker sleeps, and nobody has picked it to be woken.
    #[inline]
    pub(crate) fn is_sleeping(&self, index: usize) -> bool {
        self.places[index].0.load(Ordering::Acquire) == LISTED
    }

    /// Starts searching, unless half of the `busy` workers (those that do not sleep, the caller among them) do already.
    pub(crate) fn try_start_searching(&self, busy: usize) -> bool {
        let mut counts = self.counts.load(Ordering::Relaxed);
        while 2 * searching(counts) < busy {
            let more = counts + SEARCHER;
            match self.counts.compare_exchange_weak(counts, more, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(found) => counts = found,
            }
        }
        false
    }

    /// Stops searching, because work was found. `true` if no other searches: then the caller must
    /// [`wake_one`](Self::wake_one) to search on.
    pub(crate) fn stop_searching(&self) -> bool {
        let before = self.counts.fetch_sub(SEARCHER, Ordering::SeqCst);
        debug_assert!(searching(before) > 0);
        searching(before) == 1
    }

    /// Ends the search, if there was one, and lists the worker as a sleeper (w1 and w2). The caller must now look at
    /// every queue and at its inbox (w3), poll unless that found something, and [`finish_sleep`](Self::finish_sleep).
    ///
    /// One that can start nothing, for want of stacks, is to be picked `last`: a search by it is none.
    pub(crate) fn prepare_sleep(&self, index: usize, was_searching: bool, last: bool) {
        let mut sleepers = lock(&self.sleepers);
        debug_assert!(!sleepers.contains(&index));
        let place = if last { 0 } else { sleepers.len() };
        sleepers.insert(place, index);
        // Releases what the worker says of its sleep, for who asks `is_sleeping`.
        self.places[index].0.store(LISTED, Ordering::Release);
        let change = if was_searching { SLEEPER - SEARCHER } else { SLEEPER };
        let before = self.counts.fetch_add(change, Ordering::SeqCst);
        debug_assert!(!was_searching || searching(before) > 0);
        drop(sleepers);
        fence(Ordering::SeqCst);
    }

    /// Takes back [`prepare_sleep`](Self::prepare_sleep) without a poll, because the recheck found something. `true`: the worker is
    /// busy, and calls [`wake_one`](Self::wake_one) once it has taken what it found if that came out of a shared place.
    /// `false`: somebody had already picked it to search, so it is a searcher, and a wake of its poller is under way.
    #[cfg(test)]
    pub(crate) fn cancel_sleep(&self, index: usize) -> bool {
        !self.finish_sleep(index)
    }

    /// The poller has returned: takes the worker off the list if it still stands there. `true` if it was picked to
    /// search, and so is a searcher now; `false` if it is busy: woken by I/O, by a timer or for its inbox.
    pub(crate) fn finish_sleep(&self, index: usize) -> bool {
        let mut sleepers = lock(&self.sleepers);
        let place = &self.places[index].0;
        if place.load(Ordering::Relaxed) == LISTED {
            self.unlist(&mut sleepers, index, AWAKE);
            return false;
        }
        let picked = place.load(Ordering::Relaxed) == TO_SEARCH;
        place.store(AWAKE, Ordering::Relaxed);
        picked
    }

    /// Picks a sleeper to search, if some sleep and none search (s2 and s3): the one that fell asleep last, whose caches
    /// are the warmest. The caller must wake the worker whose index this returns.
    pub(crate) fn wake_one(&self) -> Option<usize> {
        fence(Ordering::SeqCst);
        self.wake_hint()
    }

    /// Whether a sleeper could be woken to search: one load.
    #[inline(always)]
    pub(crate) fn wants_work(&self) -> bool {
        let counts = self.counts.load(Ordering::Relaxed);
        sleeping(counts) != 0 && searching(counts) == 0
    }

    /// [`wake_one`](Self::wake_one) without the fence: for spawns into the worker's own deque, where a miss costs only
    /// time, since the owner looks at its deque once a tick, and the monitor at all of them.
    #[inline]
    pub(crate) fn wake_hint(&self) -> Option<usize> {
        let counts = self.counts.load(Ordering::Relaxed);
        if sleeping(counts) == 0 || searching(counts) != 0 { None } else { self.pick() }
    }

    #[cold]
    fn pick(&self) -> Option<usize> {
        let mut sleepers = lock(&self.sleepers);
        let mut counts = self.counts.load(Ordering::Relaxed);
        // Only searchers come and go while we hold the lock; the one that takes their number from zero to one picks.
        while sleeping(counts) != 0 && searching(counts) == 0 {
            let picked = counts - SLEEPER + SEARCHER;
            match self.counts.compare_exchange_weak(counts, picked, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => {
                    let index = sleepers.pop().expect("as many are listed as are counted");
                    self.places[index].0.store(TO_SEARCH, Ordering::Relaxed);
                    return Some(index);
                }
                Err(found) => counts = found,
            }
        }
        None
    }

    /// Picks this worker, if it sleeps, to look at its inbox. `true`: the caller must wake it. `false`: it is awake, or
    /// somebody else wakes it. It is not counted as a searcher.
    ///
    /// The load is SeqCst and so must be what the worker is woken for: the push into its inbox.
    #[inline]
    pub(crate) fn wake_specific(&self, index: usize) -> bool {
        between_seqcst_accesses();
        self.places[index].0.load(Ordering::SeqCst) == LISTED && self.pick_specific(index)
    }

    #[cold]
    fn pick_specific(&self, index: usize) -> bool {
        let mut sleepers = lock(&self.sleepers);
        let listed = self.places[index].0.load(Ordering::Relaxed) == LISTED;
        if listed {
            self.unlist(&mut sleepers, index, FOR_ITSELF);
        }
        listed
    }

    /// Takes a listed worker off the list that the caller has locked.
    fn unlist(&self, sleepers: &mut Vec<usize>, index: usize, place: u32) {
        let at = sleepers.iter().position(|sleeper| *sleeper == index).expect("a listed worker is in the list");
        sleepers.remove(at);
        self.places[index].0.store(place, Ordering::Relaxed);
        self.counts.fetch_sub(SLEEPER, Ordering::SeqCst);
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
