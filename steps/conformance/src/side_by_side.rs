//! Jobs that wait more than they compute, several of them at a time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many jobs are done at a time for each processor.
const PER_PROCESSOR: usize = 2;

/// Does all jobs, two at a time for each processor, and returns their results in the order of the
/// jobs.
///
/// # Panics
///
/// If one of them does.
pub fn side_by_side<Job: Sync, Done: Send>(
    jobs: &[Job],
    work: impl Fn(&Job) -> Done + Sync,
) -> Vec<Done> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    side_by_side_at_most(processors * PER_PROCESSOR, jobs, work)
}

/// As [`side_by_side`], with at most this number of jobs at a time.
///
/// # Panics
///
/// If one of them does, or if there are jobs and no workers.
pub fn side_by_side_at_most<Job: Sync, Done: Send>(
    workers: usize,
    jobs: &[Job],
    work: impl Fn(&Job) -> Done + Sync,
) -> Vec<Done> {
    assert!(workers > 0 || jobs.is_empty(), "jobs need a worker");
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs.len().min(workers) {
            scope.spawn(|| {
                while let Some((index, job)) = take(jobs, &next) {
                    let result = work(job);
                    done.lock().expect("no worker panics while it is locked").push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no worker panics while it is locked");
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The next job that no worker has taken, and its place.
fn take<'a, Job>(jobs: &'a [Job], next: &AtomicUsize) -> Option<(usize, &'a Job)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    jobs.get(index).map(|job| (index, job))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn every_job_is_done_once_and_the_results_are_in_their_order() {
        let jobs: Vec<usize> = (0..100).collect();
        let count = AtomicUsize::new(0);
        let results = side_by_side(&jobs, |job| {
            count.fetch_add(1, Ordering::SeqCst);
            if job % 3 == 0 {
                thread::yield_now();
            }
            job * 2
        });
        assert_eq!(count.into_inner(), 100);
        assert_eq!(results, jobs.iter().map(|job| job * 2).collect::<Vec<_>>());
        assert_eq!(side_by_side(&[(); 0], |()| ()), []);
    }

    /// Each waits for the other: one after the other, they would never end.
    #[test]
    fn two_jobs_are_done_at_the_same_time() {
        let meeting = Barrier::new(2);
        let leaders = side_by_side(&[(), ()], |()| meeting.wait().is_leader());
        assert_eq!(leaders.into_iter().filter(|is_leader| *is_leader).count(), 1);
    }

    /// Three jobs at a time must meet before they continue, so exactly three run, and never a fourth.
    #[test]
    fn no_more_jobs_are_done_at_a_time_than_there_are_workers() {
        const WORKERS: usize = 3;
        let (meeting, running) = (Barrier::new(WORKERS), AtomicUsize::new(0));
        let seen = side_by_side_at_most(WORKERS, &[(); 10 * WORKERS], |()| {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            meeting.wait();
            running.fetch_sub(1, Ordering::SeqCst);
            now
        });
        assert_eq!(seen.into_iter().max(), Some(WORKERS));
        assert_eq!(side_by_side_at_most(0, &[(); 0], |()| ()), []);
    }
}
