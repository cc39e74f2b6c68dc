//! Limits how many checks and test programs run at a time, and decides which of them runs next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// How many have a turn at a time for each processor: most of them wait more than they compute.
const PER_PROCESSOR: usize = 2;

/// Turns, given to the lowest rank first, and within a rank in the order in which they were asked for.
#[derive(Debug)]
pub struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    free: usize,
    /// The ranks of those that wait, each with its place in the order.
    waiting: BTreeSet<(usize, usize)>,
    asked: usize,
    /// When each rank had its first turn.
    begun: BTreeMap<usize, Instant>,
}

/// A turn. It ends when this is dropped.
#[derive(Debug)]
pub struct Turn<'a>(&'a Turns);

impl Turns {
    /// As many turns at a time as suit this computer.
    pub fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self::at_a_time(processors * PER_PROCESSOR)
    }

    fn at_a_time(free: usize) -> Self {
        let state = Mutex::new(State { free, ..State::default() });
        Self { state, changed: Condvar::new() }
    }

    /// Waits for a turn.
    pub fn take(&self, rank: usize) -> Turn<'_> {
        let mut state = self.state();
        let place = (rank, state.asked);
        state.asked += 1;
        state.waiting.insert(place);
        while state.free == 0 || state.waiting.first() != Some(&place) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting.remove(&place);
        state.free -= 1;
        state.begun.entry(rank).or_insert_with(Instant::now);
        drop(state);
        self.changed.notify_all(); // there may be a turn for the next one, too
        Turn(self)
    }

    /// When this rank had its first turn, if it had one.
    pub fn begun(&self, rank: usize) -> Option<Instant> {
        self.state().begun.get(&rank).copied()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state().free += 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_rank_is_first_and_then_the_one_that_asked_first() {
        let turns = Turns::at_a_time(1);
        let order = Mutex::new(Vec::new());
        let first = turns.take(7);
        thread::scope(|scope| {
            for (waiting, (rank, name)) in [(2, "c"), (1, "a"), (1, "b")].into_iter().enumerate() {
                let (turns, order) = (&turns, &order);
                scope.spawn(move || {
                    let _turn = turns.take(rank);
                    order.lock().unwrap().push(name);
                });
                // Each asks before the next one does.
                let mut state = turns.state();
                while state.waiting.len() <= waiting {
                    drop(state);
                    thread::yield_now();
                    state = turns.state();
                }
            }
            assert_eq!((turns.begun(7).is_some(), turns.begun(1)), (true, None));
            drop(first);
        });
        assert_eq!(order.into_inner().unwrap(), ["a", "b", "c"]);
        assert!(turns.begun(1) <= turns.begun(2));
        assert_eq!(turns.state().free, 1);
    }

    #[test]
    fn a_turn_ends_when_its_holder_panics() {
        let turns = Turns::at_a_time(1);
        let holder = thread::scope(|scope| {
            let holds = || {
                let _turn = turns.take(1);
                panic!("in its turn");
            };
            scope.spawn(holds).join()
        });
        assert!(holder.is_err());
        drop(turns.take(2)); // it would wait forever here
    }

    #[test]
    fn as_many_have_a_turn_as_there_is_room_for() {
        let turns = Turns::at_a_time(2);
        let both = (turns.take(1), turns.take(1));
        assert_eq!(turns.state().free, 0);
        drop(both);
        assert_eq!(turns.state().free, 2);
    }
}
