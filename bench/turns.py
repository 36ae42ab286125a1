"""What the worker does often, by Google Benchmark, in processor time: see hot/hot_functions.cpp."""
import json
import os
import subprocess

from stage import BUILD, Row, Unmeasured

PROGRAM = os.path.join(BUILD, "bench-hot")


def hot_functions():
    if not os.path.exists(PROGRAM):
        raise Unmeasured("libbenchmark-dev is not installed: tools/deps monitoring")
    result = subprocess.run([PROGRAM, "--benchmark_format=json", "--benchmark_min_time=0.2"],
                            capture_output=True, text=True, check=False, timeout=600)
    if result.returncode != 0:
        raise Unmeasured(result.stderr[-300:])
    rows = []
    for one in json.loads(result.stdout)["benchmarks"]:
        name = one["name"].split("/iterations")[0]
        if not name.startswith("TurnOfTheLoop"):
            rows.append(Row(f"{name}", f"{one['cpu_time']:.3g} {one['time_unit']}", numbers={"time": one["cpu_time"]}))
            continue
        live = int(name.split("/")[1])
        mean = one["cpu_time"] / one["turns"]
        most = {1000: 1, 10000: 10}.get(live)
        held = None if most is None else mean <= most and one["longest_ms"] <= 50
        rows.append(Row(f"a turn of the loop with {live} live sessions, against fakes, processor time; the longest",
                        f"{mean:.3f} ms, {one['longest_ms']:.1f} ms", "", "",
                        f"≤ {most} ms, none over 50 ms" if most else "", held,
                        numbers={"live": live, "mean": mean, "longest": one["longest_ms"]}))
    return rows
