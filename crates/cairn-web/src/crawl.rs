//! Which address comes next: breadth first from the start pages, within their site, to a depth and a number of pages.
//!
//! Pure bookkeeping. An address is taken once, whoever links to it; what a page is known by in the end (after redirects and its
//! own canonical address) counts as taken, too. Memory is bounded by the number of pages of the run, not by what pages link to.

use std::collections::{HashSet, VecDeque};

use reqwest::Url;

use crate::canonical::resolve;

/// Addresses that wait, for each page that may still be read: most of what waits may be refused.
const WAITING_PER_PAGE: usize = 10;

/// How far links are followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Within {
    /// To pages of the same host below the start page's folder.
    #[default]
    Folder,
    /// To all pages of the same host.
    Host,
}

/// Why an address is to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// A person named it.
    Start,
    /// A page links to it.
    Found,
    /// It is known from an earlier run, and no page of this one led to it.
    Recheck,
}

/// An address to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// In canonical form.
    pub url: Url,
    /// Why.
    pub kind: StepKind,
    /// Links between it and a start page.
    depth: u32,
    /// The start page it belongs to.
    root: usize,
}

/// A start page: what of its host belongs to the run.
#[derive(Debug, Clone)]
struct Root {
    scheme_host_port: String,
    folder: String,
}

/// A run over one or several sites.
#[derive(Debug, Clone)]
pub struct Crawl {
    depth: u32,
    max_pages: usize,
    within: Within,
    roots: Vec<Root>,
    queue: VecDeque<Step>,
    /// Addresses that were queued or that a page turned out to have.
    taken: HashSet<String>,
    n_pages: usize,
    n_left: u64,
}

impl Crawl {
    /// A run from `starts` (in canonical form) over pages that are at most `depth` links away, at most `max_pages` in all.
    #[must_use]
    pub fn new(starts: Vec<Url>, depth: u32, max_pages: usize, within: Within) -> Self {
        let mut crawl = Self {
            depth,
            max_pages,
            within,
            roots: starts.iter().map(root_of).collect(),
            queue: VecDeque::new(),
            taken: HashSet::new(),
            n_pages: 0,
            n_left: 0,
        };
        for (root, url) in starts.into_iter().enumerate() {
            if crawl.taken.insert(url.as_str().to_owned()) {
                crawl.queue.push_back(Step {
                    url,
                    kind: StepKind::Start,
                    depth: 0,
                    root,
                });
            }
        }
        crawl
    }

    /// The next address; `None` at the end, or where the run has had its pages.
    pub fn next_step(&mut self) -> Option<Step> {
        if self.n_pages >= self.max_pages {
            self.n_left += self.queue.len() as u64;
            self.queue.clear();
        }
        let step = self.queue.pop_front()?;
        self.n_pages += 1;
        Some(step)
    }

    /// Whether an address that `step` leads to (by redirects, or by naming it as its canonical one) belongs to the run. Who
    /// names a start page takes what it redirects to, since sites move from `http` to `https` and to another name.
    #[must_use]
    pub fn accepts(&self, step: &Step, url: &Url) -> bool {
        step.kind == StepKind::Start || self.is_inside(step.root, url)
    }

    /// Notes that `step` turned out to stand at `url`; for a start page this is where its site is. Gives whether the page is
    /// new to the run: two addresses may lead to one page.
    pub fn arrived(&mut self, step: &Step, url: &Url) -> bool {
        if step.kind == StepKind::Start {
            self.roots[step.root] = root_of(url);
        }
        url == &step.url || self.taken.insert(url.as_str().to_owned())
    }

    /// Whether links of the page are followed.
    #[must_use]
    pub fn follows(&self, step: &Step) -> bool {
        step.kind != StepKind::Recheck && step.depth < self.depth
    }

    /// Queues what the page at `base` links to. Gives the number of addresses that are new.
    pub fn found<'l>(
        &mut self,
        step: &Step,
        base: &Url,
        links: impl IntoIterator<Item = &'l str>,
    ) -> usize {
        if !self.follows(step) {
            return 0;
        }
        let n_before = self.queue.len();
        for link in links {
            let Some(url) = resolve(base, link).filter(|url| self.is_inside(step.root, url)) else {
                continue;
            };
            self.push(url, StepKind::Found, step.depth + 1, step.root);
        }
        self.queue.len() - n_before
    }

    /// Queues a page that is known from an earlier run, where it belongs to this one. Gives whether it does.
    pub fn recheck(&mut self, url: Url) -> bool {
        let Some(root) = (0..self.roots.len()).find(|root| self.is_inside(*root, &url)) else {
            return false;
        };
        self.push(url, StepKind::Recheck, self.depth, root)
    }

    /// Pages of the run as far as they are known: those taken and those that wait.
    #[must_use]
    pub fn n_total(&self) -> usize {
        (self.n_pages + self.queue.len()).min(self.max_pages)
    }

    /// Whether an address belongs to one of the sites of the run.
    #[must_use]
    pub fn holds(&self, url: &Url) -> bool {
        (0..self.roots.len()).any(|root| self.is_inside(root, url))
    }

    /// Addresses that are known to the run and were not taken for want of pages.
    #[must_use]
    pub const fn n_left(&self) -> u64 {
        self.n_left
    }

    fn push(&mut self, url: Url, kind: StepKind, depth: u32, root: usize) -> bool {
        if self.taken.contains(url.as_str()) {
            return false;
        }
        let room = self.max_pages.saturating_sub(self.n_pages);
        if self.queue.len() >= room.saturating_mul(WAITING_PER_PAGE) {
            self.n_left += 1;
            return false;
        }
        self.taken.insert(url.as_str().to_owned());
        self.queue.push_back(Step {
            url,
            kind,
            depth,
            root,
        });
        true
    }

    fn is_inside(&self, root: usize, url: &Url) -> bool {
        let root = &self.roots[root];
        site_of(url) == root.scheme_host_port
            && (self.within == Within::Host || url.path().starts_with(&root.folder))
    }
}

fn root_of(url: &Url) -> Root {
    let path = url.path();
    let end = path.rfind('/').map_or(0, |at| at + 1);
    Root {
        scheme_host_port: site_of(url),
        folder: path[..end].to_owned(),
    }
}

fn site_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::parse;

    fn url(text: &str) -> Url {
        parse(text).unwrap()
    }

    fn drain(crawl: &mut Crawl) -> Vec<String> {
        std::iter::from_fn(|| crawl.next_step())
            .map(|step| step.url.to_string())
            .collect()
    }

    #[test]
    fn links_are_followed_within_the_site_to_the_depth() {
        let links = [
            "b",
            "b#x",
            "/docs/c?utm_source=x",
            "/docs/c",
            "/blog",
            "//other/",
            "mailto:x",
        ];
        for (within, depth, expect) in [
            (Within::Folder, 0, vec![]),
            (
                Within::Folder,
                1,
                vec!["https://h/docs/b", "https://h/docs/c"],
            ),
            (
                Within::Host,
                1,
                vec!["https://h/docs/b", "https://h/docs/c", "https://h/blog"],
            ),
        ] {
            let mut crawl = Crawl::new(vec![url("https://h/docs/a")], depth, 99, within);
            let start = crawl.next_step().unwrap();
            let n = crawl.found(&start, &start.url, links);
            assert_eq!(n, expect.len());
            let first = crawl.queue.front().cloned();
            assert_eq!(drain(&mut crawl), expect, "{within:?} {depth}");
            if let Some(step) = first {
                assert_eq!(crawl.found(&step, &step.url, ["deeper"]), 0);
            }
        }
    }

    #[test]
    fn a_start_page_is_where_it_redirects_to_and_others_stay_inside() {
        let mut crawl = Crawl::new(vec![url("http://h/docs")], 1, 99, Within::Folder);
        let start = crawl.next_step().unwrap();
        let there = url("https://www.h/docs/");
        assert!(crawl.accepts(&start, &there));
        assert!(crawl.arrived(&start, &there));
        assert_eq!(
            crawl.found(&start, &there, ["x", "/y", "http://h/docs/z"]),
            1
        );
        let step = crawl.next_step().unwrap();
        assert!(!crawl.accepts(&step, &url("https://elsewhere/")));
        assert!(!crawl.accepts(&step, &url("https://www.h/y")));
        let known = url("https://www.h/docs/known");
        assert!(crawl.accepts(&step, &known) && crawl.arrived(&step, &known));
        assert!(!crawl.arrived(&step, &known), "a second way to one page");
    }

    #[test]
    fn pages_end_whatever_is_linked() {
        let mut crawl = Crawl::new(vec![url("https://h/")], 1_000, 5, Within::Host);
        let mut n = 0;
        while let Some(step) = crawl.next_step() {
            n += 1;
            // A trap: every page links to a hundred others, each with another session.
            let links: Vec<String> = (0..100).map(|k| format!("/p?session={n}-{k}")).collect();
            crawl.found(&step, &step.url.clone(), links.iter().map(String::as_str));
            assert!(crawl.queue.len() <= 5 * WAITING_PER_PAGE);
        }
        assert_eq!(n, 5);
        assert_eq!(crawl.n_left(), 500 - 4);
    }

    #[test]
    fn known_pages_of_the_site_are_asked_once() {
        let mut crawl = Crawl::new(vec![url("https://h/a/")], 0, 99, Within::Folder);
        assert!(crawl.recheck(url("https://h/a/old")));
        assert!(!crawl.recheck(url("https://h/a/old")));
        assert!(!crawl.recheck(url("https://h/a/")));
        assert!(!crawl.recheck(url("https://h/b")));
        assert_eq!(drain(&mut crawl), ["https://h/a/", "https://h/a/old"]);
    }
}
