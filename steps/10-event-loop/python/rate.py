"""How fast a client may talk: a token bucket, as in `rate.rs`."""

import math
import time

BURST = 50  # lines that a client may say at once after a pause
MEMORY = 3.0  # seconds over which the meter averages


# ANCHOR: limit
class RateLimit:
    """The bucket of one client, and a meter of how fast it talks."""

    def __init__(self, rate):
        self.interval = 1 / rate if rate else 0.0  # seconds between two tokens
        self.full_at = 0.0
        self.level = 0.0  # lines per second
        self.counted_at = 0.0

    def wait(self):
        """Returns for how many seconds the next line must wait: 0 if there is a token for it."""
        return max(0.0, self.full_at - time.monotonic() - self.interval * (BURST - 1))

    def take(self):
        """Takes a token, and counts a line."""
        now = time.monotonic()
        self.full_at = max(self.full_at, now) + self.interval
        self.level = self.lines_per_second() + 1 / MEMORY
        self.counted_at = now
# ANCHOR_END: limit

    def lines_per_second(self):
        return self.level * math.exp((self.counted_at - time.monotonic()) / MEMORY)
