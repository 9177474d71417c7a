//! Work on tokio, inside a spawned task, in both of its flavours: the better one counts.

use std::future::Future;

use tokio::runtime::{Builder, Runtime};

use crate::model::{Entry, Sample, Scale};

/// One of tokio's schedulers.
#[derive(Clone, Copy)]
pub enum Flavour {
    Current,
    Multi(usize),
}

impl Flavour {
    pub fn label(self) -> String {
        match self {
            Flavour::Current => "tokio/current".into(),
            Flavour::Multi(workers) => format!("tokio/multi{workers}"),
        }
    }

    pub fn build(self) -> Runtime {
        let mut builder = match self {
            Flavour::Current => Builder::new_current_thread(),
            Flavour::Multi(workers) => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(workers);
                builder
            }
        };
        builder.enable_all().build().expect("tokio's runtime starts")
    }
}

/// An entry that runs `work` as a task.
pub fn entry<F>(flavour: Flavour, work: fn(Scale) -> F) -> Entry
where
    F: Future<Output = Sample> + Send + 'static,
{
    let mut kept = None;
    Entry::new(&flavour.label(), move |scale| {
        let runtime = kept.get_or_insert_with(|| flavour.build());
        runtime.block_on(async move { tokio::spawn(work(scale)).await }).map_err(|e| e.to_string())
    })
}

/// The two entries of a one-worker row.
pub fn one_worker<F>(work: fn(Scale) -> F) -> [Entry; 2]
where
    F: Future<Output = Sample> + Send + 'static,
{
    [entry(Flavour::Current, work), entry(Flavour::Multi(1), work)]
}
