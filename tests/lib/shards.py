#!/usr/bin/python3
"""Runs a GoogleTest program in as many processes as there are processors, a part of its tests each.

usage: tests/lib/shards.py PROGRAM [ARGUMENT ...]

What each process prints is shown whole, when it has ended. The status is zero only if all passed.
"""
import os
import signal
import subprocess
import sys


def begin(command, index, count):
    environment = dict(os.environ, GTEST_SHARD_INDEX=str(index), GTEST_TOTAL_SHARDS=str(count))
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    count = len(os.sched_getaffinity(0))
    parts = [begin(sys.argv[1:], index, count) for index in range(count)]
    try:
        for part in parts:
            # The others print into their pipes meanwhile; what they print is little until one fails.
            sys.stdout.write(part.communicate()[0].decode(errors="replace"))
            sys.stdout.flush()
    finally:
        for part in parts:
            part.kill()
    return 1 if any(part.wait() for part in parts) else 0


if __name__ == "__main__":
    sys.exit(main())
