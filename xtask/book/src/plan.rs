//! The planner: divides the book's sections into the sessions of a course.

use anyhow::{Result, bail};

use crate::exercises::Exercise;
use crate::heads::{Level, STEP_MINUTES, Section};
use crate::pace::Part;

/// A course, in minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// How many sessions there are at most; none if there are as many as the whole book takes.
    pub sessions: Option<usize>,
    /// The length of a session.
    pub minutes: u32,
    /// What the first session takes for setting up the computers.
    pub set_up: u32,
    /// The share of each session, in per cent, for starting, questions and a computer that fails.
    pub lost: u32,
}

impl Course {
    /// A course with the usual time for setting up, and the usual loss.
    #[must_use]
    pub fn new(sessions: Option<usize>, minutes: u32) -> Self {
        Self { sessions, minutes, set_up: 30, lost: 10 }
    }

    /// The minutes of a session that nothing is planned for.
    #[must_use]
    pub fn lost_minutes(&self) -> u32 {
        (self.minutes * self.lost).div_ceil(100)
    }

    /// What can be planned in a session, which are counted from 0.
    fn capacity(&self, session: usize) -> u32 {
        let set_up = if session == 0 { self.set_up } else { 0 };
        self.minutes.saturating_sub(self.lost_minutes() + set_up)
    }
}

/// The result of planning a course.
#[derive(Debug)]
pub struct Plan<'a> {
    pub sessions: Vec<Session<'a>>,
    /// The minutes of the first session that go into setting up.
    pub set_up: u32,
    /// The sections that do not fit.
    pub left_out: Vec<&'a Section>,
}

/// One session.
#[derive(Debug, Default)]
pub struct Session<'a> {
    pub items: Vec<Item<'a>>,
    pub homework: Vec<Task<'a>>,
}

impl Session<'_> {
    /// The minutes of all its items.
    #[must_use]
    pub fn minutes(&self) -> u32 {
        self.items.iter().map(|item| item.minutes).sum()
    }
}

/// What is done without interruption.
#[derive(Debug)]
pub struct Item<'a> {
    pub section: &'a Section,
    pub minutes: u32,
    pub what: What<'a>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// The parts that are taught, and whether these are all.
    Teaching {
        parts: &'a [Part],
        all: bool,
    },
    Exercises(Vec<&'a Exercise>),
}

/// An exercise of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task<'a> {
    pub section: &'a Section,
    pub exercise: &'a Exercise,
}

/// What is never divided.
#[derive(Clone, Copy)]
struct Atom<'a> {
    section: &'a Section,
    minutes: u32,
    /// The part's place in its page, or the exercise.
    what: Result<usize, &'a Exercise>,
}

/// What is taught, and which exercises are done in class.
struct Choice<'a> {
    sections: Vec<&'a Section>,
    at_home: Vec<Task<'a>>,
}

impl<'a> Choice<'a> {
    /// Everything, but for exercises that are longer than a session.
    fn everything(sections: &'a [Section], course: &Course) -> Self {
        let is_long = |task: &Task| task.exercise.minutes > course.capacity(1);
        let at_home = sections.iter().flat_map(tasks).filter(is_long).collect();
        Self { sections: sections.iter().collect(), at_home }
    }

    /// What is done in class, in its order.
    fn atoms(&self) -> Vec<Atom<'a>> {
        let atoms = self.sections.iter().flat_map(|section| {
            let exercises = tasks(section).filter(|task| !self.at_home.contains(task));
            let exercises = exercises.map(|Task { section, exercise }| Atom {
                section,
                minutes: exercise.minutes,
                what: Err(exercise),
            });
            teaching(section).into_iter().chain(exercises)
        });
        atoms.collect()
    }

    /// Leaves something out until everything else fits: sections, from the end, and then exercises, the
    /// longest first. False if it does not fit even so.
    fn shorten(&mut self, fits: impl Fn(&Self) -> bool) -> bool {
        for level in [Level::Skip, Level::Should] {
            while !fits(self) {
                let last = self.sections.iter().rposition(|it| it.time.level == level);
                let Some(last) = last else { break };
                self.sections.remove(last);
            }
        }
        let mut in_class: Vec<Task> = self.sections.iter().copied().flat_map(tasks).collect();
        in_class.retain(|task| !self.at_home.contains(task));
        in_class.sort_by_key(|task| task.exercise.minutes);
        let mut moved = Vec::new();
        while !fits(self) {
            let Some(longest) = in_class.pop() else { return false };
            self.at_home.push(longest);
            moved.push(longest);
        }
        // Where the last one left a gap, one that was moved earlier may fit.
        moved.reverse();
        for task in moved {
            let at = self.at_home.iter().position(|it| *it == task);
            let Some(at) = at else { continue };
            self.at_home.remove(at);
            if !fits(self) {
                self.at_home.push(task);
            }
        }
        true
    }
}

fn tasks(section: &Section) -> impl Iterator<Item = Task<'_>> {
    section.exercises.iter().map(move |exercise| Task { section, exercise })
}

/// A section's parts, each with its share of the minutes.
fn teaching(section: &Section) -> Vec<Atom<'_>> {
    let all: usize = section.parts.iter().map(|part| part.weight).sum::<usize>().max(1);
    let minutes = section.time.teaching as usize;
    let (mut weight, mut before) = (0, 0);
    let atoms = section.parts.iter().enumerate().map(|(index, part)| {
        weight += part.weight;
        let until = (minutes * weight + all / 2) / all;
        let share = u32::try_from(until - before).unwrap_or(u32::MAX);
        before = until;
        Atom { section, minutes: share, what: Ok(index) }
    });
    atoms.collect()
}

/// Divides sections into sessions.
pub fn plan<'a>(course: &Course, sections: &'a [Section]) -> Result<Plan<'a>> {
    let longest = sections.iter().flat_map(teaching).map(|atom| atom.minutes).max().unwrap_or(0);
    if course.capacity(1) < longest {
        let Course { minutes, lost, .. } = course;
        bail!(
            "sessions of {minutes} minutes are too short: the longest part of a page takes {longest}, and \
             {lost} per cent are lost"
        );
    }
    let short = |cut| {
        let mut choice = Choice::everything(sections, course);
        let fits = |choice: &Choice| divide(course, &choice.atoms(), cut).is_some();
        choice.shorten(fits).then_some((choice, cut))
    };
    // Sensible cuts may cost an exercise in class, but no section.
    let (any, sensible) = (short(Cut::Any), short(Cut::Sensible));
    let sections_of =
        |short: &Option<(Choice, Cut)>| short.as_ref().map(|(it, _)| it.sections.len());
    let short = if sections_of(&sensible) < sections_of(&any) { any } else { sensible };
    let Some((choice, cut)) = short else {
        let is_must = |it: &&Section| it.time.level == Level::Must;
        let atoms: Vec<Atom> = sections.iter().filter(is_must).flat_map(teaching).collect();
        bail!("{}", too_short(course, &atoms));
    };
    let atoms = choice.atoms();
    let mut sessions: Vec<Session> = Vec::new();
    let mut start = 0;
    for end in divide(course, &atoms, cut).unwrap_or_default() {
        sessions.push(session(&atoms[start..end], &choice.at_home));
        start = end;
    }
    let is_taught = |section: &Section| choice.sections.iter().any(|it| it.page == section.page);
    let left_out = sections.iter().filter(|section| !is_taught(section)).collect();
    Ok(Plan { sessions, set_up: course.set_up, left_out })
}

/// Where a session may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// Not close to the beginning or the end of a section.
    Sensible,
    /// Before any part of a section.
    Any,
}

/// The number of sessions beyond the necessary ones that are tried for the sake of sensible cuts.
const MORE: usize = 2;

/// Where each session ends; none if they do not fit.
fn divide(course: &Course, atoms: &[Atom], cut: Cut) -> Option<Vec<usize>> {
    let least = count(course, atoms);
    let most = course.sessions.unwrap_or(usize::MAX).min(least + MORE);
    (least..=most).find_map(|sessions| divide_into(course, atoms, sessions, cut))
}

/// How many sessions are enough, if each is filled.
fn count(course: &Course, atoms: &[Atom]) -> usize {
    let (mut session, mut free) = (0, course.capacity(0));
    for atom in atoms {
        if atom.minutes > free {
            session += 1;
            free = course.capacity(session);
        }
        free = free.saturating_sub(atom.minutes);
    }
    session + 1
}

/// What a course needs so that at least these fit.
fn too_short(course: &Course, atoms: &[Atom]) -> String {
    let Course { sessions, minutes, .. } = *course;
    let (sessions, needed) = (sessions.unwrap_or(1), count(course, atoms));
    let teaching: u32 = atoms.iter().map(|atom| atom.minutes).sum();
    let longer = (minutes..)
        .step_by(STEP_MINUTES as usize)
        .find(|&minutes| count(&Course { minutes, ..*course }, atoms) <= sessions);
    let longer = longer.unwrap_or(u32::MAX);
    let (noun, is) = if sessions == 1 { ("session", "is") } else { ("sessions", "are") };
    format!(
        "{sessions} {noun} of {minutes} minutes {is} too short for what must be taught, which takes \
         {teaching} minutes without any exercise: plan {needed} sessions, or {longer} minutes for each"
    )
}

/// Where each of these sessions ends, so that few sections are divided and the sessions are about equally
/// full.
fn divide_into(
    course: &Course,
    atoms: &[Atom],
    sessions: usize,
    allowed: Cut,
) -> Option<Vec<usize>> {
    // For each number of sessions, the least cost of what they hold, and where the last one begins.
    let mut best: Vec<Option<(u32, Vec<usize>)>> = vec![None; atoms.len() + 1];
    best[0] = Some((0, Vec::new()));
    for session in 0..sessions {
        let capacity = course.capacity(session);
        let mut next = vec![None; atoms.len() + 1];
        for (start, found) in best.iter().enumerate() {
            let Some((cost, ends)) = found else { continue };
            let mut load = 0;
            for end in start..=atoms.len() {
                if end > start {
                    load += atoms[end - 1].minutes;
                }
                if load > capacity {
                    break;
                }
                let cut = cut(atoms, end);
                if cut == AWKWARD && allowed == Cut::Sensible {
                    continue;
                }
                let cost = cost + emptiness(load, capacity) + cut;
                let slot: &mut Option<(u32, Vec<usize>)> = &mut next[end];
                if slot.as_ref().is_none_or(|(least, _)| cost < *least) {
                    let mut ends = ends.clone();
                    ends.push(end);
                    *slot = Some((cost, ends));
                }
            }
        }
        best = next;
    }
    best.pop().flatten().map(|(_, ends)| ends)
}

/// What it costs that a session is not full: from 0 to 100.
fn emptiness(load: u32, capacity: u32) -> u32 {
    let free = (capacity - load) * 100 / capacity.max(1);
    free * free / 100
}

/// The shortest part of a section that is worth a beginning, or a continuation, in minutes.
const SHORTEST: u32 = 10;

/// What a shorter one costs.
const AWKWARD: u32 = 300;

/// What it costs to end a session before this atom.
fn cut(atoms: &[Atom], end: usize) -> u32 {
    let is_inside =
        |at: usize| atoms.get(at).is_some_and(|it| it.section.page == atoms[end - 1].section.page);
    if end == 0 || !is_inside(end) {
        return 0;
    }
    if atoms[end].what.is_err() {
        return 15;
    }
    let same = |it: &&Atom| it.section.page == atoms[end].section.page && it.what.is_ok();
    let before: u32 = atoms[..end].iter().rev().take_while(same).map(|it| it.minutes).sum();
    let after: u32 = atoms[end..].iter().take_while(same).map(|it| it.minutes).sum();
    if before.min(after) < SHORTEST { AWKWARD } else { 40 }
}

/// The session that holds these, with the homework of the sections whose teaching ends in it.
fn session<'a>(atoms: &[Atom<'a>], at_home: &[Task<'a>]) -> Session<'a> {
    let mut session = Session::default();
    let together =
        |a: &Atom, b: &Atom| a.section.page == b.section.page && a.what.is_ok() == b.what.is_ok();
    for run in atoms.chunk_by(together) {
        let section = run[0].section;
        let minutes = run.iter().map(|atom| atom.minutes).sum();
        let parts: Vec<usize> = run.iter().filter_map(|atom| atom.what.ok()).collect();
        let what = match (parts.first(), parts.last()) {
            (Some(&first), Some(&last)) => {
                if last + 1 == section.parts.len() {
                    let is_of_section = |task: &&Task| task.section.page == section.page;
                    let mut homework: Vec<Task> =
                        at_home.iter().filter(is_of_section).copied().collect();
                    homework.sort_by(|a, b| a.exercise.number.cmp(&b.exercise.number));
                    session.homework.extend(homework);
                }
                let parts = &section.parts[first..=last];
                What::Teaching { parts, all: parts.len() == section.parts.len() }
            }
            _ => What::Exercises(run.iter().filter_map(|atom| atom.what.err()).collect()),
        };
        session.items.push(Item { section, minutes, what });
    }
    session
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::exercises::exercises;
    use crate::heads::Time;

    /// A section with a level, the minutes of its parts, and those of its exercises.
    pub fn section(name: &str, level: Level, parts: &[u32], minutes: &[u32]) -> Section {
        let part = |(index, minutes): (usize, &u32)| {
            let heading = if index == 0 { String::new() } else { format!("{name}{index}") };
            Part { id: heading.clone(), heading, weight: *minutes as usize }
        };
        let task = |(number, minutes)| format!("**{number}. It.**\n{{{{#minutes {minutes}}}}}\n");
        let tasks: Vec<String> = (1..).zip(minutes).map(task).collect();
        let tasks = tasks.concat();
        Section {
            page: format!("{name}.md"),
            title: name.to_uppercase(),
            time: Time { teaching: parts.iter().sum(), level, needs: Vec::new() },
            exercises: exercises(&format!("\n## Exercises {{#exercises}}\n{tasks}")).unwrap(),
            parts: parts.iter().enumerate().map(part).collect(),
        }
    }

    fn course(sessions: usize, minutes: u32) -> Course {
        Course { set_up: 0, lost: 0, ..Course::new(Some(sessions), minutes) }
    }

    /// Each session as a word: a section's letter for its teaching, its exercises' numbers.
    fn words(course: &Course, sections: &[Section]) -> Vec<String> {
        let word = |session: &Session| {
            let item = |item: &Item| match &item.what {
                What::Teaching { all: true, .. } => item.section.name().to_owned(),
                What::Teaching { parts, .. } => format!("({}{})", item.section.name(), parts[0].id),
                What::Exercises(exercises) => {
                    exercises.iter().map(|it| it.number.clone()).collect()
                }
            };
            session.items.iter().map(item).collect()
        };
        plan(course, sections).unwrap().sessions.iter().map(word).collect()
    }

    use Level::{Must, Should, Skip};

    #[test]
    fn what_fits_is_done_in_class_and_sections_stay_whole() {
        let sections = [section("a", Must, &[20, 20], &[5]), section("b", Must, &[20, 10], &[5])];
        assert_eq!(words(&course(2, 60), &sections), ["a1", "b1"]);
        assert_eq!(words(&course(9, 80), &sections), ["a1b1"]);
        assert_eq!(words(&Course { sessions: None, ..course(1, 60) }, &sections), ["a1", "b1"]);
    }

    #[test]
    fn sections_that_may_be_left_out_go_first_and_from_the_end() {
        let sections = [
            section("a", Must, &[20], &[10]),
            section("b", Skip, &[20], &[]),
            section("c", Should, &[20], &[]),
            section("d", Should, &[20], &[]),
        ];
        for (minutes, expected) in [(90, "a1bcd"), (70, "a1cd"), (60, "a1c"), (40, "a1"), (25, "a")]
        {
            assert_eq!(words(&course(1, minutes), &sections), [expected], "{minutes}");
        }
        let left_out = plan(&course(1, 40), &sections).unwrap().left_out;
        let left_out: Vec<&str> = left_out.iter().map(|it| it.name()).collect();
        assert_eq!(left_out, ["b", "c", "d"]);
    }

    #[test]
    fn the_longest_exercises_are_homework_of_the_session_that_ends_their_section() {
        let sections = [section("a", Must, &[20, 20], &[30, 5]), section("b", Must, &[20], &[10])];
        let plan = plan(&course(2, 40), &sections).unwrap();
        let homework = |session: &Session| -> Vec<String> {
            session.homework.iter().map(|it| it.exercise.number.clone()).collect()
        };
        assert_eq!(plan.sessions.iter().map(homework).collect::<Vec<_>>(), [vec!["1"], vec![]]);
        assert_eq!(words(&course(2, 40), &sections), ["a", "2b1"]);
    }

    #[test]
    fn an_exercise_longer_than_a_session_is_homework() {
        let sections = [section("a", Must, &[20], &[50])];
        assert_eq!(words(&Course { sessions: None, ..course(1, 40) }, &sections), ["a"]);
    }

    #[test]
    fn sections_are_divided_at_headings_and_not_near_their_ends() {
        let sections = [section("a", Must, &[30, 5], &[]), section("b", Must, &[30, 20, 5], &[])];
        assert_eq!(words(&course(2, 60), &sections), ["a", "b"]);
        assert_eq!(words(&course(3, 35), &sections), ["a", "(b)", "(bb1)"]);
    }

    #[test]
    fn a_cut_close_to_the_end_of_a_section_costs_an_exercise_but_no_section() {
        let sections = [section("a", Must, &[20], &[15]), section("b", Must, &[5, 15, 25], &[])];
        assert_eq!(words(&course(2, 40), &sections), ["a(b)", "(bb2)"]);
        let sections = [section("a", Must, &[20], &[]), section("b", Should, &[3, 22], &[])];
        assert_eq!(words(&course(2, 23), &sections), ["a(b)", "(bb1)"]);
    }

    #[test]
    fn setting_up_and_lost_time_leave_less() {
        let sections = [section("a", Must, &[20], &[]), section("b", Must, &[50], &[])];
        let course = Course::new(None, 60);
        assert_eq!((course.capacity(0), course.capacity(1)), (24, 54));
        assert_eq!(words(&course, &sections), ["a", "b"]);
        // The first session may be for nothing else.
        assert_eq!(words(&course, &sections[1..]), ["", "b"]);
    }

    #[test]
    fn a_course_that_is_too_short_learns_what_it_needs() {
        let sections = [section("a", Must, &[20, 20, 20], &[5])];
        let error = |sessions, minutes| {
            plan(&course(sessions, minutes), &sections).unwrap_err().to_string()
        };
        assert_eq!(
            error(1, 45),
            "1 session of 45 minutes is too short for what must be taught, which takes 60 minutes \
             without any exercise: plan 2 sessions, or 60 minutes for each"
        );
        assert_eq!(
            error(9, 15),
            "sessions of 15 minutes are too short: the longest part of a page takes 20, and 0 per cent \
             are lost"
        );
    }
}
