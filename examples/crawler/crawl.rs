//! The crawl: which pages are known, which come next, and how many are being fetched. One thread decides all of that;
//! each page is fetched by another, which hands back what it found together with its connection. So nothing is shared.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::mem;
use std::panic::resume_unwind;

use sinew::group::JoinSet;

use crate::fetch::{Connection, Fetched, Limits, fetch};
use crate::url::{Host, Url};

/// How far it goes, and how many pages at once.
pub(crate) struct Bounds {
    /// How many links away from the start.
    pub(crate) depth: usize,
    pub(crate) pages: usize,
    pub(crate) concurrency: usize,
    pub(crate) per_host: usize,
    /// Whether it goes to hosts other than the start's.
    pub(crate) any_host: bool,
    pub(crate) limits: Limits,
}

/// A page that was fetched, and how it was come by.
pub(crate) struct Page {
    pub(crate) fetched: Fetched,
    pub(crate) depth: usize,
    /// A page that leads here; the start has none.
    pub(crate) from: Option<Url>,
}

impl Page {
    /// Whether links to it are dead.
    pub(crate) fn is_dead(&self) -> bool {
        self.fetched.status.as_ref().map_or(true, |&status| status >= 400)
    }
}

/// A page that is known, and not yet fetched.
struct Known {
    url: Url,
    depth: usize,
    from: Option<Url>,
}

#[derive(Default)]
struct Site {
    waiting: VecDeque<Known>,
    busy: usize,
    idle: Vec<Connection>,
}

struct Crawl<'a> {
    bounds: &'a Bounds,
    sites: BTreeMap<Host, Site>,
    /// Every page that was ever known.
    seen: HashSet<Url>,
    set: JoinSet<Page>,
}

/// Crawls from a page on. `tell` is told of each page, in the order in which they come, and of how many are known.
pub(crate) fn crawl(start: Url, bounds: &Bounds, mut tell: impl FnMut(Page, usize)) {
    let mut crawl = Crawl { bounds, sites: BTreeMap::new(), seen: HashSet::new(), set: JoinSet::new() };
    let home = start.host.clone();
    crawl.learn(Known { url: start, depth: 0, from: None });
    loop {
        crawl.spawn();
        let Some(page) = crawl.set.join_next() else { return };
        let mut page = page.unwrap_or_else(|panic| resume_unwind(panic));
        let fetched = &mut page.fetched;
        crawl.give_back(&fetched.url.host, fetched.connection.take());
        // Where a redirection leads is as far away as the redirection.
        let depth = page.depth + usize::from(!fetched.is_redirection);
        if depth <= bounds.depth {
            // They are not kept with the page: all pages are, to the end.
            for url in mem::take(&mut fetched.links).iter().filter_map(|link| fetched.url.join(link)) {
                if bounds.any_host || url.host == home {
                    crawl.learn(Known { url, depth, from: Some(fetched.url.clone()) });
                }
            }
        }
        crawl.close_idle(&page.fetched.url.host);
        tell(page, crawl.seen.len());
    }
}

impl Crawl<'_> {
    /// Notes a page, unless it is known already or there are enough.
    fn learn(&mut self, page: Known) {
        if self.seen.len() < self.bounds.pages && self.seen.insert(page.url.clone()) {
            self.sites.entry(page.url.host.clone()).or_default().waiting.push_back(page);
        }
    }

    /// Takes back what a page was fetched on. No more connections lie idle than pages may be fetched at once, on however many
    /// hosts: each holds a descriptor here, and one of its server's.
    fn give_back(&mut self, host: &Host, connection: Option<Connection>) {
        let idle: usize = self.sites.values().map(|site| site.idle.len()).sum();
        let site = self.sites.get_mut(host).expect("the page is of a known site");
        site.busy -= 1;
        site.idle.extend(connection.filter(|_| idle < self.bounds.concurrency));
    }

    /// Ends a host's idle connections when nothing more of it is to be fetched, as far as is known.
    fn close_idle(&mut self, host: &Host) {
        let site = self.sites.get_mut(host).expect("the page is of a known site");
        if site.busy == 0 && site.waiting.is_empty() {
            site.idle = Vec::new();
        }
    }

    /// Has as many pages fetched as may be at once, first of the sites that are asked for the fewest.
    fn spawn(&mut self) {
        while self.set.len() < self.bounds.concurrency {
            let ready = self.sites.values_mut();
            let ready = ready.filter(|site| site.busy < self.bounds.per_host && !site.waiting.is_empty());
            let Some(site) = ready.min_by_key(|site| site.busy) else { return };
            let Some(page) = site.waiting.pop_front() else { return };
            site.busy += 1;
            let (idle, limits) = (site.idle.pop(), self.bounds.limits);
            self.set.spawn(move || Page { fetched: fetch(page.url, idle, limits), depth: page.depth, from: page.from });
        }
    }
}
