//! The list of all checks, and what a check is.

use super::protocol::Protocol;
use super::subject::{Side, Subject};
use super::{chat, clients, commands, conversation, extras, messages};
use crate::Failure;

/// A promise that a program can be held to.
pub struct Check {
    /// Its name, in kebab case.
    pub name: &'static str,
    /// Why it matters, in one sentence.
    pub why: &'static str,
    /// The sentence of the book that explains it: a page and an anchor.
    pub section: &'static str,
    /// What to try first, when it fails.
    pub hint: &'static str,
    /// Whose promise it is.
    pub side: Side,
    /// The protocols in which it means something.
    protocols: &'static [Protocol],
    scenario: fn(&Subject) -> Result<(), Failure>,
}

/// All checks, in the order in which the steps learn to keep them.
pub const CHECKS: &[Check] = &[
    Check {
        name: "reply",
        why: "A server that does not answer cannot be told from one that is not there.",
        section: "server.md#write-all",
        hint: "Accept a connection, read what comes, write it back, and flush it if there is a buffer.",
        side: Side::Server,
        protocols: ANSWERS,
        scenario: conversation::reply,
    },
    Check {
        name: "many-messages",
        why: "Connecting costs a handshake; a conversation should pay for it once.",
        section: "message-loop.md#go-round",
        hint: "Put a loop around read and answer; connect and accept stay outside it.",
        side: Side::Server,
        protocols: ANSWERS,
        scenario: conversation::many_messages,
    },
    Check {
        name: "empty-input",
        why: "TCP cannot send an empty message, so a client that tries waits for an answer for ever.",
        section: "client.md#empty-message",
        hint: "Do not send what has no bytes: ask for the next line instead.",
        side: Side::Client,
        protocols: ALL,
        scenario: |subject| match subject.protocol {
            Protocol::Chat => chat::empty_input(subject),
            _ => conversation::empty_input(subject),
        },
    },
    Check {
        name: "cut-reply",
        why: "One write may arrive as many reads, so what one read returns is seldom a whole answer.",
        section: "message-loop.md#whole-answer",
        hint: "Read in a loop until the whole answer is there, however many reads that takes.",
        side: Side::Client,
        protocols: ALL,
        scenario: clients::cut_reply,
    },
    Check {
        name: "server-gone",
        why: "A server that goes away must not leave its user waiting, nor guessing what has happened.",
        section: "client.md#server-gone",
        hint: "Take end of file and errors for what they are: one line on stderr, and an exit code.",
        side: Side::Client,
        protocols: ALL,
        scenario: clients::server_gone,
    },
    Check {
        name: "next-client",
        why: "A client that came second should be served when the first has left, not turned away.",
        section: "connection-loop.md#two-loops",
        hint: "Put a loop around accept, and go back to it when a client has left.",
        side: Side::Server,
        protocols: ANSWERS,
        scenario: conversation::next_client,
    },
    Check {
        name: "survives-disconnect",
        why: "Every client leaves some day; the server must neither end nor spin because of it.",
        section: "message-loop.md#spin",
        hint: "A read of 0 bytes is the end of the stream: leave the loop.",
        side: Side::Server,
        protocols: ALL,
        scenario: conversation::survives_disconnect,
    },
    Check {
        name: "survives-reset",
        why: "Programs crash and cables break; one broken connection must not take the server down.",
        section: "connection-loop.md#serve-on",
        hint: "Handle the error of one connection where the connection is handled, and accept the next.",
        side: Side::Server,
        protocols: ALL,
        scenario: conversation::survives_reset,
    },
    Check {
        name: "both-streams",
        why: "A command speaks on two streams; whoever drops one hides either the result or the error.",
        section: "remote-execution.md#both-streams",
        hint: "Send what the command wrote to stdout, and then what it wrote to stderr.",
        side: Side::Server,
        protocols: COMMANDS,
        scenario: commands::both_streams,
    },
    Check {
        name: "empty-reply",
        why: "Many commands have nothing to say, and an asker that waits for a first byte waits for ever.",
        section: "remote-execution.md#no-bytes",
        hint: "Send something for every command, also when its output is empty: a length of 0.",
        side: Side::Both,
        protocols: COMMANDS,
        scenario: commands::empty_reply,
    },
    Check {
        name: "whole-reply",
        why: "What is left unread of one answer is taken for the beginning of the next.",
        section: "remote-execution.md#taken-for-the-answer",
        hint: "Read until the whole answer is there: its length must come before it.",
        side: Side::Both,
        protocols: COMMANDS,
        scenario: commands::whole_reply,
    },
    Check {
        name: "boundaries",
        why: "What is sent in two messages may come in one segment, and must still be two messages.",
        section: "remote-execution.md#glued",
        hint: "Put a length in front of each message, and read exactly so many bytes.",
        side: Side::Server,
        protocols: COMMANDS,
        scenario: commands::boundaries,
    },
    Check {
        name: "hostile-length",
        why: "Four bytes from a stranger must not make a server reserve, or wait for, 4 GiB.",
        section: "length-header.md#limit-first",
        hint: "Compare the length with a limit before you reserve or read anything, and close.",
        side: Side::Both,
        protocols: FRAMES,
        scenario: commands::hostile_length,
    },
    Check {
        name: "cut-off-reply",
        why: "Half an answer that looks like a whole one is a wrong answer.",
        section: "length-header.md#inside-a-frame",
        hint: "Where the stream ends before the length is used up, say so and exit with an error.",
        side: Side::Client,
        protocols: FRAMES,
        scenario: clients::cut_off_reply,
    },
    Check {
        name: "integrity",
        why: "A file that looks whole and is not will be trusted by whoever opens it next.",
        section: "json-header.md#hash-first",
        hint: "Write to a temporary file, compare size and hash, and only then give it its name.",
        side: Side::Both,
        protocols: MESSAGES,
        scenario: messages::integrity,
    },
    Check {
        name: "untrusted-name",
        why: "Who may choose the name of a file on your disk may overwrite any file that you can.",
        section: "json-header.md#a-name",
        hint: "Name the file as your user asked for it, and refuse a server that calls it otherwise.",
        side: Side::Client,
        protocols: MESSAGES,
        scenario: messages::untrusted_name,
    },
    Check {
        name: "root-jail",
        why: "A server that was given one folder to serve must not give away the rest of the disk.",
        section: "json-header.md#a-claim",
        hint: "Resolve the whole path, links too, and see that it is a regular file below the root.",
        side: Side::Server,
        protocols: MESSAGES,
        scenario: messages::root_jail,
    },
    Check {
        name: "constant-memory",
        why: "A server that holds what it sends can be brought down by one large file.",
        section: "json-header.md#one-chunk",
        hint: "Read a chunk, send it, and use its memory for the next one.",
        side: Side::Server,
        protocols: MESSAGES,
        scenario: messages::constant_memory,
    },
    Check {
        name: "timeout",
        why: "A command that never ends would hold up its client, and everybody behind it, for ever.",
        section: "json-header.md#process-group",
        hint: "Wait under a deadline, then kill the whole process group: children outlive their shell.",
        side: Side::Server,
        protocols: MESSAGES,
        scenario: messages::timeout,
    },
    Check {
        name: "concurrent-clients",
        why: "A client that says nothing must not keep the others from being served.",
        section: "chat-functions.md#accepts",
        hint: "Start a thread for each client that you accept, and go back to accept at once.",
        side: Side::Server,
        protocols: SERVES_MANY,
        scenario: |subject| match subject.protocol {
            Protocol::Chat => chat::concurrent_clients(subject),
            _ => conversation::concurrent_clients(subject),
        },
    },
    Check {
        name: "broadcast",
        why: "A room is a room only if everybody hears everybody, and knows who spoke.",
        section: "chat-functions.md#held",
        hint: "Write `ADDR text` to every stream in the map, the sender's too, ADDR being the sender's.",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::broadcast,
    },
    Check {
        name: "same-order",
        why: "If two people see the same lines in another order, an answer stands before its question.",
        section: "chat-class.md#first-line",
        hint: "Let one line go to everybody before the next one goes to anybody.",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::same_order,
    },
    Check {
        name: "bad-line",
        why: "What one client sends must neither harm the others nor stay without a reason for itself.",
        section: "chat-functions.md#bad-line",
        hint: "Check each line, and answer a bad one with one line, `error: …`, to its sender only.",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::bad_line,
    },
    Check {
        name: "split-character",
        why: "A read may end inside a character, whose bytes mean nothing before all of them are there.",
        section: "chat-functions.md#whole-line",
        hint: "Collect bytes until the newline, and decode the whole line, not what one read returned.",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::split_character,
    },
    Check {
        name: "vanished-peer",
        why: "A client whose cable was pulled says nothing, ever: without keepalive it stays online.",
        section: "chat-functions.md#keepalive",
        hint: "Switch on TCP keepalive for every stream that you accept.",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::vanished_peer,
    },
    Check {
        name: "slow-reader",
        why: "One client that does not read must not stop the room for everybody else.",
        section: "chat-class.md#full-queue",
        hint: "Give each client a bounded queue and a writer, and drop the client whose queue is full.",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::slow_reader,
    },
    Check {
        name: "clean-stop",
        why: "People who are told that a server stops do not look for a fault in their own network.",
        section: "chat-class.md#goodbye",
        hint: "At `quit`, tell every client, end every stream, wait for every thread, and exit with 0.",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::clean_stop,
    },
    Check {
        name: "churn",
        why: "What each client that leaves leaves behind is missing one day, and then nobody can come in.",
        section: "chat-functions.md#online",
        hint: "Remove the client from the map, and close its stream, on every way out of its thread.",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::churn,
    },
];

/// The checks that only exercises name: no step keeps them, so they are no part of the staircase.
pub const EXERCISES: &[Check] = &[
    Check {
        name: "time-limit",
        why: "A command that never ends would hold up its client, and everybody behind it, for ever.",
        section: "remote-execution.md#exercises",
        hint: "Wait under a deadline, then kill the whole process group: children outlive their shell.",
        side: Side::Server,
        protocols: &[Protocol::Shell, Protocol::Frames],
        scenario: extras::time_limit,
    },
    Check {
        name: "delimiter",
        why: "Only what is sent can tell where a message ends; what one read returns cannot.",
        section: "message-boundaries.md#exercises",
        hint: "Keep what you have read until its newline is there, for each connection by itself.",
        side: Side::Server,
        protocols: &[Protocol::OneWay],
        scenario: extras::delimiter,
    },
    Check {
        name: "half-frame",
        why: "Who begins a frame and does not end it would keep everybody else waiting.",
        section: "length-header.md#exercises",
        hint: "From the first byte of a frame on, let all of its reads together have a deadline.",
        side: Side::Server,
        protocols: &[Protocol::Frames],
        scenario: extras::half_frame,
    },
    Check {
        name: "short-header",
        why: "Where most messages are short, a header of four bytes may be longer than what it announces.",
        section: "length-header.md#exercises",
        hint: "Read one byte; only if it is 255, read four more, and refuse a length that had no need of them.",
        side: Side::Server,
        protocols: &[Protocol::Frames],
        scenario: extras::short_header,
    },
    Check {
        name: "millis",
        why: "A header that says more must still say all that those who are there already look for.",
        section: "json-header.md#exercises",
        hint: "Take the time before the command and after it; add the field, and change no other.",
        side: Side::Server,
        protocols: &[Protocol::Messages],
        scenario: extras::millis,
    },
    Check {
        name: "list",
        why: "A client can only get a file whose name it knows.",
        section: "json-header.md#exercises",
        hint: "Send a line of JSON for each file, with `filename` and `size`, as the answer's body.",
        side: Side::Server,
        protocols: &[Protocol::Messages],
        scenario: extras::list,
    },
    Check {
        name: "names",
        why: "Nobody remembers ports, and a name says who spoke only if no two people have it.",
        section: "chat-functions.md#exercises",
        hint: "Look whether the name is taken, and take it, under one and the same lock.",
        side: Side::Server,
        protocols: &[Protocol::Chat],
        scenario: chat::names,
    },
    Check {
        name: "latecomers",
        why: "Who comes late should see what the others are talking about.",
        section: "chat-class.md#exercises",
        hint: "Keep the last ten lines as they were sent, and send them to whoever joins, first of all.",
        side: Side::Server,
        protocols: &[Protocol::Chat],
        scenario: chat::latecomers,
    },
    Check {
        name: "rooms",
        why: "Who talks about cats should not have to read what others say about dogs.",
        section: "chat-class.md#exercises",
        hint: "Let each client know its room, and send a line only to those with the same one.",
        side: Side::Server,
        protocols: &[Protocol::Chat],
        scenario: chat::rooms,
    },
    Check {
        name: "rate-limit",
        why: "One who pastes a book would fill the screens of everybody, and the queues of those who are slow.",
        section: "chat-class.md#exercises",
        hint: "After ten lines, do not read from this client until the second is over; read from the others.",
        side: Side::Server,
        protocols: &[Protocol::Chat],
        scenario: chat::rate_limit,
    },
];

const ALL: &[Protocol] = &[
    Protocol::Echo,
    Protocol::UpperCase,
    Protocol::Shell,
    Protocol::Frames,
    Protocol::Messages,
    Protocol::Chat,
];
/// Where each message has an answer of its own.
const ANSWERS: &[Protocol] =
    &[Protocol::Echo, Protocol::UpperCase, Protocol::Shell, Protocol::Frames, Protocol::Messages];
/// Where a server is there for more than one client.
const SERVES_MANY: &[Protocol] =
    &[Protocol::UpperCase, Protocol::Shell, Protocol::Frames, Protocol::Messages, Protocol::Chat];
const COMMANDS: &[Protocol] = &[Protocol::Shell, Protocol::Frames, Protocol::Messages];
const FRAMES: &[Protocol] = &[Protocol::Frames, Protocol::Messages];
const MESSAGES: &[Protocol] = &[Protocol::Messages];
const CHAT: &[Protocol] = &[Protocol::Chat];

/// The checks that can be judged on Linux only: it alone tells what the system does with a socket of
/// another process.
const LINUX_ONLY: &[&str] = &["vanished-peer"];

/// The checks that look into the server's process, or have to start it in a way of their own.
const STARTS_THE_SERVER: &[&str] = &[
    "integrity",
    "root-jail",
    "constant-memory",
    "timeout",
    "vanished-peer",
    "clean-stop",
    "churn",
    "delimiter",
    "list",
];

impl Check {
    /// Whether it means something for programs that speak so.
    #[must_use]
    pub fn speaks(&self, protocol: Protocol) -> bool {
        self.protocols.contains(&protocol)
    }

    /// Whether it is about this side, or a part of it is.
    #[must_use]
    pub fn concerns(&self, side: Side) -> bool {
        side == Side::Both || self.side == Side::Both || self.side == side
    }

    /// Whether a server that already runs can be held to it.
    #[must_use]
    pub fn needs_to_start_the_server(&self) -> bool {
        STARTS_THE_SERVER.contains(&self.name)
    }

    /// Whether the check can tell right from wrong on this system.
    #[must_use]
    pub fn can_be_judged(&self) -> bool {
        cfg!(target_os = "linux") || !LINUX_ONLY.contains(&self.name)
    }
}

/// The check with this name: one of the staircase, or one of an exercise.
#[must_use]
pub fn check(name: &str) -> Option<&'static Check> {
    CHECKS.iter().chain(EXERCISES).find(|check| check.name == name)
}

impl Subject {
    /// The checks that mean something for this subject, and can be judged on this system. Those of
    /// exercises are not among them.
    pub fn checks(&self) -> impl Iterator<Item = &'static Check> + use<> {
        let (protocol, judged) = (self.protocol, self.judged);
        CHECKS.iter().filter(move |check| {
            check.concerns(judged) && check.speaks(protocol) && check.can_be_judged()
        })
    }

    /// Holds the subject to a check; the failure says what came instead and why it matters.
    pub fn hold_to(&self, check: &Check) -> Result<(), Failure> {
        self.judge(check).map_err(|failure| {
            Failure::new(format!("{}: {failure}\n  why it matters: {}", check.name, check.why))
        })
    }

    /// As `hold_to`, and the failure says what came instead, and nothing else.
    pub fn judge(&self, check: &Check) -> Result<(), Failure> {
        (check.scenario)(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_checks_have_the_same_name() {
        let names: BTreeSet<_> = CHECKS.iter().chain(EXERCISES).map(|check| check.name).collect();
        assert_eq!(names.len(), CHECKS.len() + EXERCISES.len());
    }
}
