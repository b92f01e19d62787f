"""The delivery process with retries after moments instead of hours: ``python -m`` with its
arguments, after the number of tries of a webhook."""

from __future__ import annotations

import sys

from scanner.delivery import schedule, sender, server


def main() -> int:
    """Shorten the delays, and run the process."""
    tries = int(sys.argv[1])
    setattr(sender, "WEBHOOK_DELAYS", (0.02,) * (tries - 1))  # noqa: B010 - a constant
    setattr(schedule, "SINK_DELAYS", (0.0, 0.02))  # noqa: B010
    return server.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
