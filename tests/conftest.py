"""For all suites in Python: makes tests/lib importable and lets a deadline end tests in order."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))

import host  # noqa: E402

host.end_on_sigterm()
