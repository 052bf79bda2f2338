//! The workflow graph: which nodes run next, which never will, and how the whole ends. Pure
//! (CONTRACT.md §6; MEASURED 14, 15).

use std::collections::{BTreeMap, BTreeSet};

use super::rows::{Edges, Id};
use super::status::Status;

/// Explanation of a workflow job that failed (CONTRACT.md §5, exact).
pub const NO_ERROR_PATH: &str = "No error handling paths found, marking workflow as failed";

/// A node as the scheduler sees it.
#[derive(Debug, Clone)]
pub struct GraphNode {
    pub standing: Standing,
    pub edges: Edges,
    pub all_parents_must_converge: bool,
}

/// How far a node has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// No job yet.
    Open,
    /// Its template was deleted: it counts as failed (CONTRACT.md §5).
    TemplateMissing,
    /// It will never run.
    DoNotRun,
    /// It has a job in this status.
    Job(Status),
}

/// What a workflow manager pass does with one workflow job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Nodes whose jobs are spawned now, in order of their ids.
    pub spawn: Vec<Id>,
    /// Nodes marked `do_not_run`, in order of their ids.
    pub skip: Vec<Id>,
    /// Set once nothing is left to do.
    pub end: Option<End>,
}

/// How a workflow job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// No failed node without a failure or always child.
    Successful,
    /// A failed node had nowhere to go.
    Failed,
}

/// Decides one pass over `nodes`.
#[must_use]
pub fn decide(nodes: &BTreeMap<Id, GraphNode>) -> Decision {
    let mut graph = Graph { nodes: nodes.clone(), parents: parents_of(nodes) };
    let skip = graph.mark_do_not_run();
    let spawn = graph.ready();
    let end = (spawn.is_empty() && graph.nodes.values().all(|n| n.standing.is_settled()))
        .then(|| if graph.has_failed() { End::Failed } else { End::Successful });
    Decision { spawn, skip, end }
}

impl Standing {
    fn is_settled(self) -> bool {
        match self {
            Self::Open => false,
            Self::TemplateMissing | Self::DoNotRun => true,
            Self::Job(status) => status.is_terminal(),
        }
    }
}

struct Graph {
    nodes: BTreeMap<Id, GraphNode>,
    parents: BTreeMap<Id, BTreeSet<Id>>,
}

fn parents_of(nodes: &BTreeMap<Id, GraphNode>) -> BTreeMap<Id, BTreeSet<Id>> {
    let mut parents: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
    for (id, node) in nodes {
        for child in node.edges.success.iter().chain(&node.edges.failure).chain(&node.edges.always) {
            parents.entry(*child).or_default().insert(*id);
        }
    }
    parents
}

impl Graph {
    fn parents(&self, id: Id) -> impl Iterator<Item = (&GraphNode, Standing)> {
        let ids = self.parents.get(&id).into_iter().flatten();
        ids.filter_map(|parent| self.nodes.get(parent)).map(|node| (node, node.standing))
    }

    /// Marks until nothing changes, so that a skipped node's descendants are skipped in the same pass.
    fn mark_do_not_run(&mut self) -> Vec<Id> {
        let mut marked = BTreeSet::new();
        loop {
            let open = self.nodes.iter().filter(|(_, n)| n.standing == Standing::Open).map(|(id, _)| *id);
            let dead: Vec<Id> = open.filter(|id| self.never_runs(*id)).collect();
            if dead.is_empty() {
                return marked.into_iter().collect();
            }
            for id in dead {
                marked.insert(id);
                if let Some(node) = self.nodes.get_mut(&id) {
                    node.standing = Standing::DoNotRun;
                }
            }
        }
    }

    fn never_runs(&self, id: Id) -> bool {
        let mut parents = self.parents(id).peekable();
        if parents.peek().is_none() {
            return false;
        }
        if self.nodes[&id].all_parents_must_converge {
            return parents.any(|(node, standing)| {
                standing == Standing::DoNotRun || (standing.is_settled() && !leads_to(node, id))
            });
        }
        parents.all(|(node, standing)| standing.is_settled() && !leads_to(node, id))
    }

    /// Open nodes reached by a matching edge (or roots) whose relevant parents have all finished.
    fn ready(&self) -> Vec<Id> {
        let open = self.nodes.iter().filter(|(_, n)| n.standing == Standing::Open).map(|(id, _)| *id);
        open.filter(|id| {
            let mut parents = self.parents(*id).peekable();
            if parents.peek().is_none() {
                return true;
            }
            let parents: Vec<_> = parents.collect();
            parents.iter().all(|(_, standing)| standing.is_settled())
                && parents.iter().any(|(node, _)| leads_to(node, *id))
        })
        .collect()
    }

    fn has_failed(&self) -> bool {
        self.nodes.values().any(|node| {
            let failed = match node.standing {
                Standing::TemplateMissing => true,
                Standing::Job(status) => status.counts_as_failed(),
                Standing::Open | Standing::DoNotRun => false,
            };
            failed && node.edges.failure.is_empty() && node.edges.always.is_empty()
        })
    }
}

/// Whether `parent`, as it ended, leads to `child`.
fn leads_to(parent: &GraphNode, child: Id) -> bool {
    let always = parent.edges.always.contains(&child);
    match parent.standing {
        Standing::Open | Standing::DoNotRun => false,
        Standing::TemplateMissing => always || parent.edges.failure.contains(&child),
        Standing::Job(Status::Successful) => always || parent.edges.success.contains(&child),
        Standing::Job(Status::Failed | Status::Error | Status::Canceled) => {
            always || parent.edges.failure.contains(&child)
        }
        Standing::Job(Status::Pending | Status::Waiting | Status::Running) => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn node(standing: Standing, success: &[Id], failure: &[Id]) -> GraphNode {
        let edges = Edges {
            success: success.iter().copied().collect(),
            failure: failure.iter().copied().collect(),
            always: BTreeSet::new(),
        };
        GraphNode { standing, edges, all_parents_must_converge: false }
    }

    fn done(status: Status) -> Standing {
        Standing::Job(status)
    }

    #[test]
    fn the_root_is_spawned_first_and_alone() {
        let nodes = BTreeMap::from([
            (1, node(Standing::Open, &[2], &[3])),
            (2, node(Standing::Open, &[], &[3])),
            (3, node(Standing::Open, &[], &[])),
        ]);
        assert_eq!(decide(&nodes), Decision { spawn: vec![1], skip: vec![], end: None });
    }

    #[test]
    fn a_failure_skips_the_success_path_and_the_workflow_ends_successful_after_its_handler() {
        let mut nodes = BTreeMap::from([
            (1, node(done(Status::Failed), &[2], &[3])),
            (2, node(Standing::Open, &[], &[3])),
            (3, node(Standing::Open, &[], &[])),
        ]);
        assert_eq!(decide(&nodes), Decision { spawn: vec![3], skip: vec![2], end: None });
        nodes.get_mut(&2).unwrap().standing = Standing::DoNotRun;
        nodes.get_mut(&3).unwrap().standing = done(Status::Successful);
        assert_eq!(decide(&nodes).end, Some(End::Successful));
    }

    #[test]
    fn a_failure_without_a_path_fails_the_workflow() {
        let nodes = BTreeMap::from([(1, node(done(Status::Failed), &[], &[]))]);
        assert_eq!(decide(&nodes).end, Some(End::Failed));
    }

    #[test]
    fn an_all_node_needs_every_parents_edge_and_an_any_node_one() {
        let mut join = node(Standing::Open, &[], &[]);
        let nodes = |join: &GraphNode, second| {
            BTreeMap::from([
                (1, node(done(Status::Successful), &[3], &[])),
                (2, node(second, &[3], &[])),
                (3, join.clone()),
            ])
        };
        assert_eq!(decide(&nodes(&join, done(Status::Failed))).spawn, [3]);
        assert_eq!(decide(&nodes(&join, done(Status::Running))).spawn, Vec::<Id>::new());
        join.all_parents_must_converge = true;
        assert_eq!(decide(&nodes(&join, done(Status::Failed))).skip, [3]);
        assert_eq!(decide(&nodes(&join, done(Status::Successful))).spawn, [3]);
    }

    proptest! {
        /// Whatever the graph (edges lead to higher ids, so no cycle) and however its jobs end, the passes
        /// come to an end, no node runs twice, and nothing runs that no edge leads to.
        #[test]
        fn passes_always_end_and_run_each_node_at_most_once(
            edges in proptest::collection::vec((0u64..8, 1u64..8, 0u8..3), 0..20),
            ends in proptest::collection::vec(any::<bool>(), 9),
            converge in proptest::collection::vec(any::<bool>(), 9),
        ) {
            let mut nodes: BTreeMap<Id, GraphNode> = (0..9).map(|id| {
                let mut n = node(Standing::Open, &[], &[]);
                n.all_parents_must_converge = converge[usize::try_from(id).unwrap()];
                (id, n)
            }).collect();
            for (from, step, kind) in edges {
                let to = (from + step).min(8);
                if to == from { continue; }
                let e = &mut nodes.get_mut(&from).unwrap().edges;
                match kind { 0 => e.success.insert(to), 1 => e.failure.insert(to), _ => e.always.insert(to) };
            }
            let mut ran = BTreeSet::new();
            for _ in 0..20 {
                let decision = decide(&nodes);
                for id in &decision.skip {
                    prop_assert!(!ran.contains(id));
                    nodes.get_mut(id).unwrap().standing = Standing::DoNotRun;
                }
                for id in &decision.spawn {
                    prop_assert!(ran.insert(*id), "node {id} ran twice");
                    let ok = ends[usize::try_from(*id).unwrap()];
                    let status = if ok { Status::Successful } else { Status::Failed };
                    nodes.get_mut(id).unwrap().standing = Standing::Job(status);
                }
                if decision.end.is_some() { return Ok(()); }
            }
            prop_assert!(false, "the workflow never ended");
        }
    }
}
