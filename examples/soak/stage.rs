//! What a kind of work is made of: a stage, which holds what its actors share, and their parts on it.
//!
//! A new kind is a file in `kinds`: a type with [`Stage`], and a line in the list there.

use std::sync::Arc;

use crate::actor::Actor;
use crate::args::Mistake;
use crate::random::Random;

/// A kind of work.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Sets up the stage for one round.
    pub(crate) stage: fn(&mut Setting) -> Arc<dyn Stage>,
}

/// How a round is to be.
pub(crate) struct Setting {
    pub(crate) random: Random,
    pub(crate) plant: Option<Mistake>,
}

/// What the actors of one kind share for a round.
pub(crate) trait Stage: Send + Sync {
    /// Who acts here, in the order in which they are to end.
    fn parts(self: Arc<Self>) -> Vec<Part>;

    /// All actors of this part have ended, and the next part is about to be told.
    fn part_ended(&self, _part: usize) {}

    /// Whether the books balance, after all actors have ended, with all the threads that they left behind.
    fn check(&self) -> Result<(), String>;
}

/// How the actors of a part are brought to their end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// They see that they are told to, between two steps. Everything that they wait for comes by itself.
    Told,
    /// They are cancelled: all of them are green threads.
    Cancelled,
    /// By what the stage does when the part before has ended.
    Itself,
}

/// A step that an actor can take: its name, and what it does to what the actor has for its own.
pub(crate) type Step<Own> = (&'static str, fn(&mut Own, &mut Actor));

/// A number of actors that choose among the same steps.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) actors: usize,
    pub(crate) end: End,
    /// Whether they are cancelled at random.
    pub(crate) cancelled: bool,
    /// Whether they may be OS threads.
    pub(crate) os: bool,
    pub(crate) play: Arc<dyn Fn(&mut Actor) + Send + Sync>,
}

impl Part {
    /// `own` makes what an actor has for its own, on its thread. They end when they are told, are cancelled at random, and some are OS
    /// threads.
    pub(crate) fn new<Own>(
        name: &'static str,
        actors: usize,
        own: impl Fn(&mut Actor) -> Own + Send + Sync + 'static,
        steps: &'static [Step<Own>],
    ) -> Part {
        let play = move |actor: &mut Actor| {
            let mut own = own(actor);
            actor.play(&mut own, steps);
        };
        Part { name, actors, end: End::Told, cancelled: true, os: true, play: Arc::new(play) }
    }

    pub(crate) fn ends(self, end: End) -> Part {
        Part { end, os: self.os && end != End::Cancelled, ..self }
    }

    /// Nobody cancels them, except to end them.
    pub(crate) fn never_cancelled(self) -> Part {
        Part { cancelled: false, ..self }
    }
}
