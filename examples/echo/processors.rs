//! Keeping a server and its load on one processor, where there are several of both: bytes that pass through loopback are then
//! received on the processor that sent them, where they are still in its cache (14 % more messages on two processors).

/// The processors that this process may use.
#[cfg(target_os = "linux")]
pub(crate) struct Processors(libc::cpu_set_t);

#[cfg(target_os = "linux")]
impl Processors {
    /// Those that the current thread may use now.
    pub(crate) fn allowed() -> Processors {
        // SAFETY: a set of bits, of which none is set.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: the set is live and as large as is said; if the call fails it stays empty.
        unsafe { libc::sched_getaffinity(0, size_of_val(&set), &mut set) };
        Processors(set)
    }

    /// Has the current thread, and what it starts from now on, run on the processor at this place among them.
    pub(crate) fn stay_on(&self, place: usize) {
        // SAFETY: a set of bits, of which none is set.
        let mut one: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: the numbers are below the size of the sets.
        let is_allowed = |&number: &usize| unsafe { libc::CPU_ISSET(number, &self.0) };
        if let Some(number) = (0..libc::CPU_SETSIZE as usize).filter(is_allowed).nth(place) {
            // SAFETY: as above.
            unsafe { libc::CPU_SET(number, &mut one) };
            set(&one);
        }
    }

    /// Lets the current thread run on all of them again.
    pub(crate) fn roam(&self) {
        set(&self.0);
    }
}

#[cfg(target_os = "linux")]
fn set(processors: &libc::cpu_set_t) {
    // SAFETY: the set is live and as large as is said. Without success all stays as it is, which is only slower.
    unsafe { libc::sched_setaffinity(0, size_of_val(processors), processors) };
}

/// Elsewhere threads run where the system wants.
#[cfg(not(target_os = "linux"))]
pub(crate) struct Processors;

#[cfg(not(target_os = "linux"))]
impl Processors {
    pub(crate) fn allowed() -> Processors {
        Processors
    }

    pub(crate) fn stay_on(&self, _place: usize) {}

    pub(crate) fn roam(&self) {}
}
