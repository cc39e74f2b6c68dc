//! Jobs that wait more than they compute, several of them at a time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many jobs are done at a time for each processor.
const PER_PROCESSOR: usize = 2;

/// Does all jobs, and returns their results in the order of the jobs.
///
/// # Panics
///
/// If one of them does.
pub fn side_by_side<Job: Sync, Done: Send>(
    jobs: &[Job],
    work: impl Fn(&Job) -> Done + Sync,
) -> Vec<Done> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs.len().min(processors * PER_PROCESSOR) {
            scope.spawn(|| {
                while let Some((index, job)) = take(jobs, &next) {
                    let result = work(job);
                    done.lock().expect("nobody panics while it is locked").push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("nobody panics while it is locked");
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The next job that nobody has taken, and its place.
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
}
