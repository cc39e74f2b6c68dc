//! The list of all checks, and what a check is.

use super::protocol::Protocol;
use super::subject::{Side, Subject};
use super::{chat, clients, commands, conversation, extras, headers, messages, room, stop};
use crate::texts::TEXTS;
use crate::{Failure, symptom};

/// A promise that a check can hold a program to.
pub struct Check {
    /// Its name, in kebab case.
    pub name: &'static str,
    /// The sentence of the book that explains it: a page and an anchor.
    pub section: &'static str,
    /// Which side makes the promise.
    pub side: Side,
    /// The protocols to which it applies.
    protocols: &'static [Protocol],
    scenario: fn(&Subject) -> Result<(), Failure>,
}

/// All checks, in the order in which the steps learn to keep them.
pub const CHECKS: &[Check] = &[
    Check {
        name: "reply",
        section: "server.md#write-all",
        side: Side::Server,
        protocols: ANSWERS,
        scenario: conversation::reply,
    },
    Check {
        name: "any-bytes",
        section: "server.md#any-bytes",
        side: Side::Server,
        protocols: ANSWERS,
        scenario: |subject| match subject.protocol {
            Protocol::Echo | Protocol::UpperCase => conversation::any_bytes(subject),
            _ => commands::any_bytes(subject),
        },
    },
    Check {
        name: "printed-reply",
        section: "client.md#printed",
        side: Side::Client,
        protocols: ANSWERS,
        scenario: clients::printed_reply,
    },
    Check {
        name: "many-messages",
        section: "message-loop.md#go-round",
        side: Side::Server,
        protocols: ANSWERS,
        scenario: conversation::many_messages,
    },
    Check {
        name: "empty-input",
        section: "client.md#empty-message",
        side: Side::Client,
        protocols: ALL,
        scenario: |subject| match subject.protocol {
            Protocol::Chat => chat::empty_input(subject),
            _ => conversation::empty_input(subject),
        },
    },
    Check {
        name: "cut-reply",
        section: "message-loop.md#whole-answer",
        side: Side::Client,
        protocols: ALL,
        scenario: clients::cut_reply,
    },
    Check {
        name: "long-line",
        section: "message-loop.md#long-lines",
        side: Side::Client,
        protocols: &[Protocol::UpperCase],
        scenario: clients::long_line,
    },
    Check {
        name: "server-gone",
        section: "client.md#server-gone",
        side: Side::Client,
        protocols: ALL,
        scenario: clients::server_gone,
    },
    Check {
        name: "next-client",
        section: "connection-loop.md#two-loops",
        side: Side::Server,
        protocols: ANSWERS,
        scenario: conversation::next_client,
    },
    Check {
        name: "survives-disconnect",
        section: "message-loop.md#spin",
        side: Side::Server,
        protocols: ALL,
        scenario: conversation::survives_disconnect,
    },
    Check {
        name: "survives-reset",
        section: "connection-loop.md#serve-on",
        side: Side::Server,
        protocols: ALL,
        scenario: conversation::survives_reset,
    },
    Check {
        name: "idle",
        section: "connection-loop.md#idle",
        side: Side::Server,
        protocols: SERVES_MANY,
        scenario: conversation::idle,
    },
    Check {
        name: "both-streams",
        section: "remote-execution.md#both-streams",
        side: Side::Server,
        protocols: COMMANDS,
        scenario: commands::both_streams,
    },
    Check {
        name: "closed-stdin",
        section: "remote-execution.md#closed-stdin",
        side: Side::Server,
        protocols: COMMANDS,
        scenario: commands::closed_stdin,
    },
    Check {
        name: "failed-command",
        section: "remote-execution.md#failed-command",
        side: Side::Server,
        protocols: COMMANDS,
        scenario: commands::failed_command,
    },
    Check {
        name: "browser-request",
        section: "remote-execution.md#browser",
        side: Side::Server,
        protocols: COMMANDS,
        scenario: commands::browser_request,
    },
    Check {
        name: "empty-reply",
        section: "remote-execution.md#no-bytes",
        side: Side::Both,
        protocols: COMMANDS,
        scenario: commands::empty_reply,
    },
    Check {
        name: "whole-reply",
        section: "remote-execution.md#taken-for-the-answer",
        side: Side::Both,
        protocols: COMMANDS,
        scenario: commands::whole_reply,
    },
    Check {
        name: "boundaries",
        section: "remote-execution.md#glued",
        side: Side::Server,
        protocols: COMMANDS,
        scenario: commands::boundaries,
    },
    Check {
        name: "hostile-length",
        section: "length-prefix.md#limit-first",
        side: Side::Both,
        protocols: FRAMES,
        scenario: commands::hostile_length,
    },
    Check {
        name: "cut-off-message",
        section: "length-prefix.md#cut-off",
        side: Side::Server,
        protocols: FRAMES,
        scenario: commands::cut_off_message,
    },
    Check {
        name: "cut-off-reply",
        section: "length-prefix.md#inside-a-frame",
        side: Side::Client,
        protocols: FRAMES,
        scenario: clients::cut_off_reply,
    },
    Check {
        name: "answer-limit",
        section: "length-prefix.md#answer-limit",
        side: Side::Server,
        protocols: &[Protocol::Frames],
        scenario: commands::answer_limit,
    },
    Check {
        name: "status",
        section: "json-header.md#how-it-ended",
        side: Side::Both,
        protocols: MESSAGES,
        scenario: headers::status,
    },
    Check {
        name: "malformed-header",
        section: "json-header.md#wrong-header",
        side: Side::Server,
        protocols: MESSAGES,
        scenario: headers::malformed_header,
    },
    Check {
        name: "missing-field",
        section: "json-header.md#needed-field",
        side: Side::Server,
        protocols: MESSAGES,
        scenario: headers::missing_field,
    },
    Check {
        name: "unknown-fields",
        section: "json-header.md#unknown-field",
        side: Side::Both,
        protocols: MESSAGES,
        scenario: headers::unknown_fields,
    },
    Check {
        name: "null-fields",
        section: "safe-downloads.md#all-fields",
        side: Side::Server,
        protocols: MESSAGES,
        scenario: headers::null_fields,
    },
    Check {
        name: "integrity",
        section: "safe-downloads.md#hash-first",
        side: Side::Both,
        protocols: MESSAGES,
        scenario: messages::integrity,
    },
    Check {
        name: "untrusted-name",
        section: "safe-downloads.md#a-name",
        side: Side::Client,
        protocols: MESSAGES,
        scenario: messages::untrusted_name,
    },
    Check {
        name: "existing-file",
        section: "safe-downloads.md#existing-file",
        side: Side::Client,
        protocols: MESSAGES,
        scenario: messages::existing_file,
    },
    Check {
        name: "hostile-size",
        section: "safe-downloads.md#compared-first",
        side: Side::Client,
        protocols: MESSAGES,
        scenario: messages::hostile_size,
    },
    Check {
        name: "untrusted-text",
        section: "safe-downloads.md#terminal-obeys",
        side: Side::Client,
        protocols: MESSAGES,
        scenario: headers::untrusted_text,
    },
    Check {
        name: "root-jail",
        section: "large-bodies.md#a-claim",
        side: Side::Server,
        protocols: MESSAGES,
        scenario: messages::root_jail,
    },
    Check {
        name: "constant-memory",
        section: "large-bodies.md#one-chunk",
        side: Side::Server,
        protocols: MESSAGES,
        scenario: messages::constant_memory,
    },
    Check {
        name: "timeout",
        section: "command-timeout.md#process-group",
        side: Side::Server,
        protocols: MESSAGES,
        scenario: messages::timeout,
    },
    Check {
        name: "concurrent-clients",
        section: "chat-threads.md#accepts",
        side: Side::Server,
        protocols: SERVES_MANY,
        scenario: |subject| match subject.protocol {
            Protocol::Chat => chat::concurrent_clients(subject),
            _ => conversation::concurrent_clients(subject),
        },
    },
    Check {
        name: "broadcast",
        section: "chat-threads.md#held",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::broadcast,
    },
    Check {
        name: "same-order",
        section: "chat-server.md#first-line",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::same_order,
    },
    Check {
        name: "bad-line",
        section: "chat-threads.md#bad-line",
        side: Side::Both,
        protocols: CHAT,
        scenario: chat::bad_line,
    },
    Check {
        name: "split-character",
        section: "chat-threads.md#whole-line",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::split_character,
    },
    Check {
        name: "telnet",
        section: "chat-room.md#telnet",
        side: Side::Server,
        protocols: CHAT,
        scenario: room::telnet,
    },
    Check {
        name: "endless-line",
        section: "chat-threads.md#endless-line",
        side: Side::Both,
        protocols: CHAT,
        scenario: room::endless_line,
    },
    Check {
        name: "gone-listener",
        section: "chat-threads.md#gone-listener",
        side: Side::Server,
        protocols: CHAT,
        scenario: room::gone_listener,
    },
    Check {
        name: "full-room",
        section: "chat-threads.md#full-room",
        side: Side::Server,
        protocols: CHAT,
        scenario: room::full_room,
    },
    Check {
        name: "leave",
        section: "chat-threads.md#half-close",
        side: Side::Client,
        protocols: CHAT,
        scenario: room::leave,
    },
    Check {
        name: "vanished-peer",
        section: "chat-threads.md#keepalive",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::vanished_peer,
    },
    Check {
        name: "slow-reader",
        section: "chat-server.md#full-queue",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::slow_reader,
    },
    Check {
        name: "fast-talker",
        section: "chat-threads.md#fast-talker",
        side: Side::Server,
        protocols: CHAT,
        scenario: room::fast_talker,
    },
    Check {
        name: "announcements",
        section: "chat-server.md#announced",
        side: Side::Server,
        protocols: CHAT,
        scenario: room::announcements,
    },
    Check {
        name: "timestamps",
        section: "chat-server.md#local-time",
        side: Side::Server,
        protocols: CHAT,
        scenario: room::timestamps,
    },
    Check {
        name: "clean-stop",
        section: "chat-server.md#goodbye",
        side: Side::Server,
        protocols: CHAT,
        scenario: stop::clean_stop,
    },
    Check {
        name: "stop-signals",
        section: "chat-server.md#four-ways",
        side: Side::Server,
        protocols: CHAT,
        scenario: stop::stop_signals,
    },
    Check {
        name: "goodbye",
        section: "chat-server.md#two-endings",
        side: Side::Client,
        protocols: CHAT,
        scenario: room::goodbye,
    },
    Check {
        name: "churn",
        section: "chat-threads.md#online",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::churn,
    },
];

/// The checks that only exercises name: no step keeps them, so they are not part of the staircase.
pub const EXERCISES: &[Check] = &[
    Check {
        name: "time-limit",
        section: "remote-execution.md#exercises",
        side: Side::Server,
        protocols: &[Protocol::Shell, Protocol::Frames],
        scenario: extras::time_limit,
    },
    Check {
        name: "delimiter",
        section: "message-boundaries.md#exercises",
        side: Side::Server,
        protocols: &[Protocol::OneWay],
        scenario: extras::delimiter,
    },
    Check {
        name: "half-frame",
        section: "length-prefix.md#exercises",
        side: Side::Server,
        protocols: &[Protocol::Frames],
        scenario: extras::half_frame,
    },
    Check {
        name: "short-header",
        section: "length-prefix.md#exercises",
        side: Side::Server,
        protocols: &[Protocol::Frames],
        scenario: extras::short_header,
    },
    Check {
        name: "millis",
        section: "json-header.md#exercises",
        side: Side::Server,
        protocols: &[Protocol::Messages],
        scenario: extras::millis,
    },
    Check {
        name: "list",
        section: "large-bodies.md#exercises",
        side: Side::Server,
        protocols: &[Protocol::Messages],
        scenario: extras::list,
    },
    Check {
        name: "names",
        section: "chat-threads.md#exercises",
        side: Side::Server,
        protocols: &[Protocol::Chat],
        scenario: chat::names,
    },
    Check {
        name: "latecomers",
        section: "chat-server.md#exercises",
        side: Side::Server,
        protocols: &[Protocol::Chat],
        scenario: chat::latecomers,
    },
    Check {
        name: "rooms",
        section: "chat-server.md#exercises",
        side: Side::Server,
        protocols: &[Protocol::Chat],
        scenario: chat::rooms,
    },
    Check {
        name: "rate-limit",
        section: "event-loop.md#exercises",
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
/// The protocols in which each message has an answer of its own.
const ANSWERS: &[Protocol] =
    &[Protocol::Echo, Protocol::UpperCase, Protocol::Shell, Protocol::Frames, Protocol::Messages];
/// The protocols in which a server serves more than one client.
const SERVES_MANY: &[Protocol] =
    &[Protocol::UpperCase, Protocol::Shell, Protocol::Frames, Protocol::Messages, Protocol::Chat];
const COMMANDS: &[Protocol] = &[Protocol::Shell, Protocol::Frames, Protocol::Messages];
const FRAMES: &[Protocol] = &[Protocol::Frames, Protocol::Messages];
const MESSAGES: &[Protocol] = &[Protocol::Messages];
const CHAT: &[Protocol] = &[Protocol::Chat];

/// The checks that work on Linux only: no other system shows what it does with a socket of
/// another process.
const LINUX_ONLY: &[&str] = &["vanished-peer"];

/// The checks that work on Unix only: Windows has no signal that asks one program to end.
const UNIX_ONLY: &[&str] = &["stop-signals"];

/// The checks that look into the server's process, or have to start the server in their own way.
const STARTS_THE_SERVER: &[&str] = &[
    "idle",
    "null-fields",
    "integrity",
    "root-jail",
    "constant-memory",
    "timeout",
    "endless-line",
    "vanished-peer",
    "clean-stop",
    "stop-signals",
    "churn",
    "full-room",
    "delimiter",
    "list",
    "rate-limit",
];

/// The checks in which a correct program may take a second to do what the check waits for.
const TAKES_A_SECOND: &[&str] =
    &["timeout", "time-limit", "clean-stop", "stop-signals", "half-frame"];

impl Check {
    /// Why it matters, in one sentence.
    #[must_use]
    pub fn why(&self) -> &'static str {
        TEXTS.get(&self.key("why"))
    }

    /// What to try first when the program fails it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        TEXTS.get(&self.key("hint"))
    }

    /// Whether a correct program may take a second to do what the check waits for.
    pub(super) fn takes_a_second(&self) -> bool {
        TAKES_A_SECOND.contains(&self.name)
    }

    /// Whether an exercise names it, and no step promises it.
    fn is_of_exercise(&self) -> bool {
        EXERCISES.iter().any(|exercise| exercise.name == self.name)
    }

    /// The key of one of its texts.
    fn key(&self, text: &str) -> String {
        format!("check.{}.{text}", self.name)
    }

    /// Whether it applies to programs with this protocol.
    #[must_use]
    pub fn speaks(&self, protocol: Protocol) -> bool {
        self.protocols.contains(&protocol)
    }

    /// Whether it judges this side, at least in part.
    #[must_use]
    pub fn concerns(&self, side: Side) -> bool {
        side == Side::Both || self.side == Side::Both || self.side == side
    }

    /// Whether it can judge a server that is already running.
    #[must_use]
    pub fn needs_to_start_the_server(&self) -> bool {
        STARTS_THE_SERVER.contains(&self.name)
    }

    /// Whether the check can distinguish right from wrong on this system.
    #[must_use]
    pub fn can_be_judged(&self) -> bool {
        self.needs_another_system().is_none()
    }

    /// The system on which alone the check can distinguish right from wrong, if that is not this one.
    pub(super) fn needs_another_system(&self) -> Option<String> {
        if UNIX_ONLY.contains(&self.name) && !cfg!(unix) {
            return Some(text!("exam.unix-only"));
        }
        let on_linux = cfg!(target_os = "linux") || !LINUX_ONLY.contains(&self.name);
        (!on_linux).then(|| text!("exam.linux-only"))
    }
}

/// The check with this name: one of the staircase, or one of an exercise.
#[must_use]
pub fn check(name: &str) -> Option<&'static Check> {
    CHECKS.iter().chain(EXERCISES).find(|check| check.name == name)
}

impl Subject {
    /// The checks that apply to this subject and work on this system. Those of exercises are not among
    /// them.
    pub fn checks(&self) -> impl Iterator<Item = &'static Check> + use<> {
        let (protocol, judged) = (self.protocol, self.judged);
        CHECKS.iter().filter(move |check| {
            check.concerns(judged) && check.speaks(protocol) && check.can_be_judged()
        })
    }

    /// Holds the subject to a check; the failure reports what arrived instead and why it matters.
    pub fn hold_to(&self, check: &Check) -> Result<(), Failure> {
        self.judge(check).map_err(|failure| {
            if failure.is_not_asked() {
                return failure;
            }
            let (check, why) = (check.name, check.why());
            Failure::new(text!("check-failed.and-why", check, failure, why))
        })
    }

    /// As `hold_to`, and the failure reports what arrived instead, and nothing else.
    pub fn judge(&self, check: &Check) -> Result<(), Failure> {
        let result = (check.scenario)(self);
        if let Some(failure) = self.in_background() {
            return Err(failure);
        }
        result.map_err(|failure| {
            // An exercise has messages of its own.
            if check.is_of_exercise() { failure } else { symptom::add(failure, self.protocol) }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::texts::complaints;
    use crate::{Symptom, contract};

    #[test]
    fn every_text_is_there_and_used() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let checks = CHECKS.iter().chain(EXERCISES);
        let of_checks = checks.flat_map(|check| ["why", "hint"].map(|text| check.key(text)));
        let symptoms = Symptom::ALL.iter();
        let of_symptoms = symptoms.flat_map(|it| ["cause", "hint"].map(|text| it.key(text)));
        let dynamic: Vec<String> = of_checks.chain(of_symptoms).chain(contract::keys()).collect();
        assert_eq!(complaints(&TEXTS, &[&sources], &dynamic), [""; 0]);
    }

    #[test]
    fn no_two_checks_have_the_same_name() {
        let names: BTreeSet<_> = CHECKS.iter().chain(EXERCISES).map(|check| check.name).collect();
        assert_eq!(names.len(), CHECKS.len() + EXERCISES.len());
    }
}
