//! A round: all kinds of work at once for a second, disturbed by cancellations and stray wakes; then the end of all, and the checks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sinew::{Cancelled, Runtime};

use crate::actor::{Actor, Card, World, locked};
use crate::args::Args;
use crate::kinds::KINDS;
use crate::process;
use crate::random::Random;
use crate::stage::{End, Part, Setting, Stage};

/// How long the actors take steps.
const LENGTH: Duration = Duration::from_secs(1);
/// How long the disturbances go on after that, so that the end is disturbed too but comes.
const LINGER: Duration = Duration::from_secs(1);
/// How long threads that nobody joins may need to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// What differs from round to round.
#[derive(Clone, Copy)]
struct Mood {
    /// One disturbance in so many is a cancellation; with none of them, a wake that was lost is not made good by chance.
    cancels: Option<usize>,
    unparks: bool,
    /// One actor in so many is an OS thread.
    os: Option<usize>,
}

impl Mood {
    fn new(random: &mut Random) -> Mood {
        Mood {
            cancels: [None, Some(1), Some(4), Some(32)][random.below(4)],
            unparks: random.one_in(2),
            os: [None, Some(2), Some(4), Some(8)][random.below(4)],
        }
    }
}

enum Handle {
    Green(sinew::JoinHandle<()>),
    Os(std::thread::JoinHandle<()>),
}

/// A part as it is played.
struct Acting {
    part: Part,
    told: Arc<AtomicBool>,
    alive: usize,
}

/// A kind of work in this round.
struct Scene {
    name: &'static str,
    number: u64,
    stage: Arc<dyn Stage>,
    parts: Vec<Acting>,
    /// The part that is ending, after those before it have ended.
    ending: usize,
}

/// The place of one actor, in which one life follows another.
struct Slot {
    scene: usize,
    part: usize,
    number: usize,
    life: u64,
    handle: Option<Handle>,
}

struct Round<'a> {
    world: &'a Arc<World>,
    runtime: &'a Runtime,
    seed: [u64; 2],
    mood: Mood,
    scenes: Vec<Scene>,
    slots: Vec<Slot>,
}

/// Runs one round; `files` descriptors were open before the first.
pub(crate) fn run(
    world: &Arc<World>,
    runtime: &Runtime,
    args: &Args,
    round: u64,
    files: Option<usize>,
) -> Result<(), String> {
    let seed = [args.seed, round];
    let mut random = Random::new(&seed);
    world.driver_does(format!("begins round {round}"));
    let mut this = Round { world, runtime, seed, mood: Mood::new(&mut random), scenes: Vec::new(), slots: Vec::new() };
    this.begin(args);
    let over = Arc::new(AtomicBool::new(false));
    let disturber = runtime.spawn({
        let (world, mood, over) = (Arc::clone(world), this.mood, Arc::clone(&over));
        let mut random = Random::new(&[args.seed, round, 1]);
        move || {
            while !over.load(Ordering::Acquire) {
                disturb(&world, mood, &mut random);
                match random.below(4) {
                    0 => sinew::sleep(random.micros(2_000)),
                    _ => sinew::yield_now(),
                }
            }
        }
    });
    world.driver_does(format!("is in round {round}"));
    let start = Instant::now();
    while start.elapsed() < LENGTH {
        this.attend()?;
        disturb(world, this.mood, &mut random);
        std::thread::sleep(random.micros(1_000));
    }
    world.driver_does(format!("ends round {round}, and waits for actors"));
    (0..this.scenes.len()).for_each(|scene| this.tell(scene));
    while !this.slots.is_empty() {
        this.attend()?;
        if start.elapsed() < LENGTH + LINGER {
            disturb(world, this.mood, &mut random);
        } else {
            over.store(true, Ordering::Release);
        }
        std::thread::sleep(random.micros(1_000));
    }
    over.store(true, Ordering::Release);
    disturber.join().map_err(|_| "the disturber panicked")?;
    world.driver_does(format!("waits for all threads of round {round} to end"));
    await_none("green threads", || {
        let metrics = runtime.metrics();
        (metrics.spawned - metrics.ended) as usize + metrics.held.iter().sum::<u64>() as usize
    })?;
    world.driver_does(format!("checks round {round}"));
    for scene in &this.scenes {
        scene.stage.check().map_err(|wrong| format!("{}: {wrong}", scene.name))?;
    }
    drop(this);
    await_none("open files", || match (process::open_files(), files) {
        (Some(now), Some(before)) => now.saturating_sub(before),
        _ => 0,
    })?;
    world.failure().map_or(Ok(()), Err)
}

/// Waits until none are left.
fn await_none(what: &str, left: impl Fn() -> usize) -> Result<(), String> {
    let start = Instant::now();
    while left() > 0 {
        if start.elapsed() > PATIENCE {
            return Err(format!("{} {what} are left", left()));
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

/// Cancels or unparks somebody.
fn disturb(world: &World, mood: Mood, random: &mut Random) {
    for _ in 0..random.below(8) {
        let somebody = {
            let roster = locked(&world.roster);
            if roster.is_empty() {
                return;
            }
            Arc::clone(&roster[random.below(roster.len())])
        };
        match mood.cancels {
            Some(times) if somebody.cancellable && random.one_in(times) => somebody.cancel(),
            _ if mood.unparks => somebody.unpark(),
            _ => {}
        }
    }
}

impl Round<'_> {
    fn begin(&mut self, args: &Args) {
        let chosen = KINDS.iter().zip(1..).filter(|(kind, _)| kind.name.contains(&args.only));
        for (kind, number) in chosen {
            let plant = args.plant;
            let mut setting = Setting { random: Random::new(&[self.seed[0], self.seed[1], number, 0]), plant };
            let stage = (kind.stage)(&mut setting);
            let parts = Arc::clone(&stage).parts().into_iter();
            let acting = |part: Part| Acting { alive: part.actors, part, told: Arc::default() };
            let scene = Scene { name: kind.name, number, stage, parts: parts.map(acting).collect(), ending: 0 };
            for (part, acting) in scene.parts.iter().enumerate() {
                let scene = self.scenes.len();
                let slot = |number| Slot { scene, part, number, life: 0, handle: None };
                self.slots.extend((0..acting.part.actors).map(slot));
            }
            self.scenes.push(scene);
        }
        locked(&self.world.roster).clear();
        for slot in 0..self.slots.len() {
            let card = self.spawn(slot);
            locked(&self.world.roster).push(card);
        }
    }

    /// Starts the next life in a slot.
    fn spawn(&mut self, slot: usize) -> Arc<Card> {
        let place = &mut self.slots[slot];
        place.life += 1;
        let scene = &self.scenes[place.scene];
        let acting = &scene.parts[place.part];
        let identity = [self.seed[0], self.seed[1], scene.number, place.part as u64, place.number as u64, place.life];
        let mut random = Random::new(&identity);
        let os = self.mood.os.is_some_and(|times| random.one_in(times)) && acting.part.os;
        let stillborn = acting.part.cancelled && !os && self.mood.cancels.is_some() && random.one_in(64);
        let card = Arc::new(Card {
            kind: scene.name,
            part: acting.part.name,
            number: place.number,
            life: place.life,
            os,
            moved: Default::default(),
            step: std::sync::Mutex::new("its beginning"),
            thread: Default::default(),
            cancelled: AtomicBool::new(false),
            told: Arc::clone(&acting.told),
            cancellable: acting.part.cancelled && !os,
        });
        let mut actor = Actor::new(random, Arc::clone(&card), Arc::clone(self.world));
        let play = Arc::clone(&acting.part.play);
        place.handle = Some(if os {
            Handle::Os(std::thread::spawn(move || {
                *locked(&actor.card.thread) = Some(sinew::current());
                play(&mut actor);
            }))
        } else {
            let handle = self.runtime.spawn(move || play(&mut actor));
            *locked(&card.thread) = Some(handle.thread().clone());
            if stillborn {
                card.cancel();
            }
            Handle::Green(handle)
        });
        self.world.lives.fetch_add(1, Ordering::Relaxed);
        card
    }

    /// Joins whoever has ended, puts another life into its place or none, and goes on to the next part where all have ended.
    fn attend(&mut self) -> Result<(), String> {
        if let Some(failure) = self.world.failure() {
            return Err(failure);
        }
        let mut slot = 0;
        while slot < self.slots.len() {
            let finished = match &self.slots[slot].handle {
                Some(Handle::Green(handle)) => handle.is_finished(),
                Some(Handle::Os(handle)) => handle.is_finished(),
                None => false,
            };
            if !finished {
                slot += 1;
                continue;
            }
            if self.bury(slot)? {
                let card = self.spawn(slot);
                locked(&self.world.roster)[slot] = card;
                continue;
            }
            let Slot { scene, part, .. } = self.slots.swap_remove(slot);
            locked(&self.world.roster).swap_remove(slot);
            let left = self.slots.len();
            self.world.driver_does(format!("waits for {left} actors of round {} to end", self.seed[1]));
            self.scenes[scene].parts[part].alive -= 1;
            self.go_on(scene);
        }
        Ok(())
    }

    /// Joins the thread of a slot; whether another life is to follow.
    fn bury(&mut self, slot: usize) -> Result<bool, String> {
        let place = &mut self.slots[slot];
        let acting = &self.scenes[place.scene].parts[place.part];
        let card = Arc::clone(&locked(&self.world.roster)[slot]);
        let told = acting.told.load(Ordering::Acquire);
        let outcome = match place.handle.take() {
            Some(Handle::Green(handle)) => handle.join(),
            Some(Handle::Os(handle)) => handle.join(),
            None => return Ok(false),
        };
        match outcome {
            Ok(()) if told || acting.part.end == End::Itself => Ok(false),
            Ok(()) => Err(format!("{}: it ended before it was told to", card.describe())),
            Err(payload) if payload.is::<Cancelled>() => {
                if !card.cancelled.load(Ordering::SeqCst) {
                    return Err(format!("{}: it was cancelled by nobody", card.describe()));
                }
                self.world.cancelled.fetch_add(1, Ordering::Relaxed);
                Ok(!told)
            }
            Err(payload) => {
                let text = payload.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no text");
                Err(format!("{}: it panicked: {text}", card.describe()))
            }
        }
    }

    /// Brings the part of a scene that is next to its end.
    fn tell(&self, scene: usize) {
        let acting = &self.scenes[scene].parts[self.scenes[scene].ending];
        if acting.part.end == End::Itself {
            return;
        }
        acting.told.store(true, Ordering::Release);
        let roster = locked(&self.world.roster).clone();
        for (slot, card) in self.slots.iter().zip(&roster) {
            if (slot.scene, slot.part) == (scene, self.scenes[scene].ending) {
                if acting.part.end == End::Cancelled { card.cancel() } else { card.unpark() }
            }
        }
    }

    /// Goes on to the next part if all actors of the present one have ended.
    fn go_on(&mut self, scene: usize) {
        let now = &mut self.scenes[scene];
        while now.parts.get(now.ending).is_some_and(|acting| acting.alive == 0) {
            now.stage.part_ended(now.ending);
            now.ending += 1;
            if now.ending < now.parts.len() {
                return self.tell(scene);
            }
        }
    }
}
