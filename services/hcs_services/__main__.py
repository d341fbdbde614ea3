"""`python -m hcs_services <tier>`; all that it does is in `command`."""

import signal
import sys

if __name__ == "__main__":
    # The first process of a container hears no signal that it has no handler for, and the imports take their time: a
    # pod deleted meanwhile would be there until its grace is over.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    from hcs_services.command import main

    sys.exit(main(sys.argv[1:]))
