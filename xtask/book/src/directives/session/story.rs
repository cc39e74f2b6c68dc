//! What happened between two states of a trace, in one sentence: the most surprising of all that has changed.

use conformance::session::trace::{Buffer, Call, Ends, On, Program, Queued, Socket, State, Wait};
use conformance::session::{Action, Line};
use conformance::text;

use super::kernel::{bytes, count, named, wait};

/// The sentence about a state, the one before it, and what was printed in between.
pub fn sentence(before: Option<&State>, now: &State, lines: &[Line]) -> String {
    let step = Step { before, now, lines };
    let programs = || now.programs.iter();
    let first = |find: &dyn Fn(&Program) -> Option<String>| programs().find_map(find);
    first(&|it| step.spins(it))
        .or_else(|| first(&|it| step.accepted(it)))
        .or_else(|| first(&|it| step.blocked(it)))
        .or_else(|| first(&|it| step.queued(it)))
        .or_else(|| first(&|it| step.buffered(it)))
        .or_else(|| first(&|it| step.ended(it)))
        .or_else(|| first(&|it| step.began(it)))
        .or_else(|| first(&|it| step.waits(it)))
        .unwrap_or_else(|| step.nothing())
}

/// An action, and what it led to.
struct Step<'a> {
    before: Option<&'a State>,
    now: &'a State,
    lines: &'a [Line],
}

impl<'a> Step<'a> {
    /// The program as it was before, if it ran.
    fn before(&self, program: &Program) -> Option<&'a Program> {
        self.before?.programs.iter().find(|it| it.terminal == program.terminal)
    }

    /// The call in which it waits now, if it did not wait there, or not for the same, before.
    fn new_wait<'p>(&self, program: &'p Program, call: Call) -> Option<&'p Wait> {
        fn find(program: &Program, call: Call) -> Option<&Wait> {
            program.waits.iter().find(|it| it.call == call)
        }
        let now = find(program, call)?;
        let before = self.before(program).and_then(|it| find(it, call));
        before.is_none_or(|before| before.on != now.on).then_some(now)
    }

    fn spins(&self, program: &Program) -> Option<String> {
        self.new_wait(program, Call::Runs)?;
        let ended = connections(program).find(|it| it.state == Ends::Peer);
        let program = named(&program.terminal);
        Some(match ended.map(|it| named(it.peer)) {
            Some(peer) => text!("story.spins-at-end", program, peer),
            None => text!("story.spins", program),
        })
    }

    /// A client was taken out of the queue.
    fn accepted(&self, program: &Program) -> Option<String> {
        let is_queued = |peer: &str| queue(program).any(|it| it.peer == peer);
        let left = queue(self.before(program)?).find(|it| !is_queued(&it.peer))?;
        let unread = connections(program).find(|it| it.peer == left.peer).map(|it| it.receive);
        let (peer, waited) = (named(&left.peer), count(&left.receive));
        let was_read = unread.is_none_or(|unread| unread.len == Some(0));
        let has_waited = left.receive.len != Some(0);
        let at_once = self.is_printed(program, left.receive.len);
        let program = named(&program.terminal);
        Some(match (has_waited, was_read, at_once) {
            (true, true, true) => text!("story.accepted-at-once", program, peer, waited),
            (true, true, false) => text!("story.accepted-and-read", program, peer, waited),
            _ => text!("story.accepted", program, peer),
        })
    }

    /// Whether the program reports that one `read` has returned as many bytes.
    fn is_printed(&self, program: &Program, len: Option<usize>) -> bool {
        let Some(len) = len else { return false };
        let [one, many] = [format!("read {len} byte "), format!("read {len} bytes ")];
        self.lines.iter().filter(|line| line.terminal == program.terminal).any(|line| {
            matches!(&line.action, Action::Output(text) if text.starts_with(&one) || text.starts_with(&many))
        })
    }

    fn blocked(&self, program: &Program) -> Option<String> {
        let Some(On::Peer(peer)) = &self.new_wait(program, Call::Write)?.on else { return None };
        let (program, peer) = (named(&program.terminal), named(peer));
        Some(text!("story.blocked", program, peer))
    }

    /// The queue of a listener has got longer, or the bytes in it.
    fn queued(&self, program: &Program) -> Option<String> {
        let before = self.before(program);
        for Queued { peer, receive } in queue(program) {
            let old = before.and_then(|it| queue(it).find(|it| it.peer == *peer));
            let old = old.map(|it| &it.receive);
            if old == Some(receive) {
                continue;
            }
            let (program, peer, waiting) = (named(&program.terminal), named(peer), count(receive));
            return Some(match (receive.len, receive.fin) {
                (Some(0), false) => text!("story.queued", program, peer),
                (Some(0), true) => text!("story.queued-fin", program, peer),
                (_, false) => text!("story.queued-bytes", program, peer, waiting),
                (_, true) => text!("story.queued-bytes-and-fin", program, peer, waiting),
            });
        }
        None
    }

    /// A buffer holds more or less than before, or a direction has ended.
    fn buffered(&self, program: &Program) -> Option<String> {
        let before: Vec<Connection<'_>> =
            self.before(program).into_iter().flat_map(connections).collect();
        for Connection { peer, state, receive, .. } in connections(program) {
            let old = before.iter().find(|it| it.peer == peer);
            let empty = Buffer::EMPTY;
            let was = old.map_or(&empty, |it| it.receive);
            let has_ended = old.is_some_and(|old| old.state != state);
            let (program_name, peer) = (named(&program.terminal), named(peer));
            let program = program_name;
            let waiting = count(receive);
            if receive.len.unwrap_or(usize::MAX) > was.len.unwrap_or(usize::MAX) {
                return Some(text!("story.unread", program, peer, waiting));
            }
            if let (Some(len), Some(old)) = (receive.len, was.len)
                && len < old
            {
                let taken = bytes(old - len);
                return Some(match len {
                    0 => text!("story.read-all", program, peer, taken),
                    _ => text!("story.read", program, peer, taken, waiting),
                });
            }
            match state {
                Ends::Reset if has_ended => return Some(text!("story.reset", program, peer)),
                Ends::Peer if has_ended => return Some(text!("story.fin", program, peer)),
                _ => {}
            }
        }
        None
    }

    fn ended(&self, program: &Program) -> Option<String> {
        let ran = |program: &Program| self.before(program).is_some_and(|it| !it.waits.is_empty());
        let has_ended = program.waits.is_empty() && (ran(program) || self.starts(program));
        if !has_ended {
            return None;
        }
        if self.now.programs.iter().all(|it| it.waits.is_empty()) {
            return Some(text!("story.all-ended"));
        }
        let program = named(&program.terminal);
        Some(text!("story.ended", program))
    }

    /// Whether the action has started the program.
    fn starts(&self, program: &Program) -> bool {
        let is_its_command = |line: &Line| {
            line.terminal == program.terminal && matches!(line.action, Action::Command(_))
        };
        self.lines.first().is_some_and(is_its_command)
    }

    /// A connection or a listener is new.
    fn began(&self, program: &Program) -> Option<String> {
        let before = self.before(program);
        let listens =
            |it: &Program| it.sockets.iter().any(|it| matches!(it, Socket::Listener { .. }));
        let is_new = |peer: &str| {
            !before.is_some_and(|before| connections(before).any(|it| it.peer == peer))
        };
        if listens(program) {
            if let Some(new) = connections(program).find(|it| is_new(it.peer)) {
                let (program, peer) = (named(&program.terminal), named(new.peer));
                return Some(text!("story.connected", program, peer));
            }
            if !before.is_some_and(listens) {
                let program = named(&program.terminal);
                return Some(text!("story.listens", program));
            }
        }
        None
    }

    /// A thread waits for something else than before, or more threads do.
    fn waits(&self, program: &Program) -> Option<String> {
        let before = self.before(program).map_or(&[][..], |before| &before.waits);
        let wait = wait(program.waits.iter().find(|wait| !before.contains(wait))?);
        let program = named(&program.terminal);
        Some(text!("story.waits", program, wait))
    }

    /// The program in which a person acted, if it has printed something and still runs.
    fn continues(&self) -> Option<String> {
        let terminal = &self.lines.first()?.terminal;
        let runs = |it: &&Program| it.terminal == *terminal && !it.waits.is_empty();
        let is_printed =
            |it: &Line| it.terminal == *terminal && matches!(it.action, Action::Output(_));
        self.now.programs.iter().find(runs)?;
        self.lines.iter().any(is_printed).then(|| named(terminal))
    }

    /// All is as it was before.
    fn nothing(&self) -> String {
        let holds = |program: &Program| {
            queue(program).next().is_some()
                || connections(program).any(|it| !it.receive.is_empty() || !it.send.is_empty())
        };
        if self.now.programs.is_empty() {
            text!("story.nothing-yet")
        } else if self.now.programs.iter().any(holds) {
            match self.continues() {
                Some(program) => text!("story.continues", program),
                None => text!("story.still-there"),
            }
        } else {
            text!("story.nothing-left")
        }
    }
}

/// The connections that a program has not accepted yet.
fn queue(program: &Program) -> impl Iterator<Item = &Queued> {
    program.sockets.iter().flat_map(|socket| match socket {
        Socket::Listener { queue, .. } => &queue[..],
        _ => &[],
    })
}

/// One end of a connection.
#[derive(Clone, Copy)]
struct Connection<'a> {
    peer: &'a str,
    state: Ends,
    receive: &'a Buffer,
    send: &'a Buffer,
}

fn connections(program: &Program) -> impl Iterator<Item = Connection<'_>> {
    program.sockets.iter().filter_map(|socket| match socket {
        Socket::Connection { peer, state, receive, send } => {
            Some(Connection { peer, state: *state, receive, send })
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use conformance::session::{Session, Trace};

    use super::*;
    use crate::directives::session::kernel::to_html;

    const START: &str =
        "[server] $ serve\n  server\n    waits in accept\n    listens at 127.0.0.1:9003\n";

    /// The sentence about the last of these states, without its tags.
    fn told(states: &str, printed: &str) -> String {
        let trace = Trace::parse(states).unwrap();
        let [.., before, now] = &trace.states[..] else { panic!("{states}") };
        let mut lines = vec![now.after.clone()];
        if !printed.is_empty() {
            let session = format!("[server] $ serve\n[server] {printed}\n");
            lines.push(Session::parse(&session).unwrap().lines.remove(1));
        }
        let html = to_html(&sentence(Some(before), now, &lines));
        ["<b>", "</b>", "<code>", "</code>"].iter().fold(html, |html, tag| html.replace(tag, ""))
    }

    /// The sentence about a server with these facts, which had other facts before. Alice only waits.
    fn of_server(before: &str, now: &str) -> String {
        let state = |action: &str, facts: &str| {
            let facts = facts.split(" / ").map(|fact| format!("    {fact}\n"));
            let facts: String = facts.collect();
            format!("[alice] {action}\n  server\n{facts}  alice\n    sleeps\n")
        };
        told(&(state("$ start", before) + &state("> hi", now)), "")
    }

    #[test]
    fn the_first_state_is_about_the_program_that_was_started() {
        let trace = Trace::parse(START).unwrap();
        let sentence = to_html(&sentence(None, &trace.states[0], &[]));
        assert_eq!(sentence, "<b>server</b> listens. No client is there yet.");
    }

    #[test]
    fn a_queue_that_gets_longer_or_shorter_comes_first() {
        let queue = |queue: &str| format!("waits in accept / listens at 127.0.0.1:9003{queue}");
        let empty = queue("");
        let with = |what: &str| queue(&format!("; in its queue: bob{what}"));
        for (before, now, expected) in [
            (
                &empty,
                with(""),
                "bob is connected, but server has not called accept for it: the connection waits in the queue.",
            ),
            (
                &with(""),
                with(" with 1 byte"),
                "The kernel of server holds 1 byte from bob: the connection is not accepted yet.",
            ),
            (
                &with(""),
                with(" with FIN"),
                "bob has closed its connection. It still waits in the queue of server, with a FIN.",
            ),
            (
                &with(" with 2 bytes"),
                with(" with 2 bytes and FIN"),
                "bob has closed its connection. It still waits in the queue of server, with 2 bytes and a FIN.",
            ),
            (
                &with(""),
                queue(" / connection with bob: open"),
                "server has accepted the connection of bob.",
            ),
            (
                &with(" with 2 bytes"),
                queue(" / connection with bob: open"),
                "server has accepted the connection of bob, and has read all that waited: 2 bytes.",
            ),
            (&with(" with 2 bytes"), with(" with 2 bytes"), "What waited before still waits."),
        ] {
            assert_eq!(of_server(before, &now), expected, "{before} → {now}");
        }
    }

    #[test]
    fn one_read_is_told_from_several_by_what_the_program_prints() {
        let state = |queue: &str| {
            format!(
                "[bob] ^D\n  server\n    waits in accept\n    listens at 127.0.0.1:9003{queue}\n"
            )
        };
        let states = state("; in its queue: bob with 11 bytes") + &state("");
        let start = "server has accepted the connection of bob";
        let printed = "read 11 bytes from 127.0.0.1:50002: \"onetwothree\"";
        assert_eq!(
            told(&states, printed),
            format!("{start}. One read returned all that waited: 11 bytes.")
        );
        let printed = "read 5 bytes from 127.0.0.1:50002: \"onetw\"";
        assert_eq!(
            told(&states, printed),
            format!("{start}, and has read all that waited: 11 bytes.")
        );
    }

    #[test]
    fn a_program_that_ends_at_once_has_ended_and_one_that_only_watches_is_no_program() {
        let waits = "  server\n    waits in accept\n";
        let states = format!("[server] $ serve\n{waits}[bob] $ go\n{waits}  bob\n    ended\n");
        assert_eq!(told(&states, ""), "bob has ended, and the kernel has closed its sockets.");
        let states = "[w] $ watch\n[w] $ watch\n";
        assert_eq!(told(states, ""), "The programs of the session do not run yet.");
    }

    #[test]
    fn a_program_that_is_answered_is_named_while_another_waits() {
        let state = "[server] $ serve\n  server\n    waits in accept\n    listens at 127.0.0.1:9003; in its queue: bob with 2 bytes\n";
        let states = state.repeat(2);
        assert_eq!(told(&states, "hello"), "server continues. What waited before still waits.");
        assert_eq!(told(&states, ""), "What waited before still waits.");
    }

    #[test]
    fn each_change_of_a_connection_has_a_sentence() {
        let open = |rest: &str| format!("waits in accept / connection with bob: open{rest}");
        let state = |state: &str| format!("waits in accept / connection with bob: {state}");
        let text = "; unread: 4 bytes \"abcd\"";
        for (before, now, expected) in [
            (
                open(""),
                open(text),
                "server has not read what bob sent: 4 bytes in its receive buffer.",
            ),
            (
                open(text),
                open("; unread: 1 byte \"d\""),
                "server has read 3 bytes from bob. Still unread: 1 byte.",
            ),
            (open(text), open(""), "server has read all that waited from bob: 4 bytes."),
            (
                open(""),
                state("ended by the peer"),
                "A FIN from bob has arrived at server: bob sends nothing more.",
            ),
            (
                open(text),
                state(&format!("ended by the peer{text} and FIN")),
                "A FIN from bob has arrived at server: bob sends nothing more.",
            ),
            (open(""), state("reset"), "The connection of server with bob was reset."),
            (
                open(""),
                open("").replace("accept", "write on bob"),
                "server waits in write: the buffers between it and bob are full.",
            ),
            (
                open(""),
                open("").replace("waits in accept", "runs"),
                "server calls again and again, and no call waits: it spins.",
            ),
            (
                open(""),
                state("ended by the peer").replace("waits in accept", "runs"),
                "bob sends nothing more, so each read of server returns 0 bytes at once: it spins.",
            ),
            (open(""), open("").replace("accept", "read on bob"), "server: waits in read on bob."),
            (
                open(""),
                "ended".to_owned(),
                "server has ended, and the kernel has closed its sockets.",
            ),
            (
                open(""),
                open(""),
                "All bytes have been read. The buffers are empty, and each program waits as before.",
            ),
        ] {
            assert_eq!(of_server(&before, &now), expected, "{before} → {now}");
        }
    }
}
