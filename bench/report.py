"""The table, and docs/performance.md with its plots."""
import os

import plots
from stage import ROOT, Row

HEADINGS = ("what", "ours", "peer or floor", "ratio", "target", "held")
PAGE = os.path.join(ROOT, "docs", "performance.md")
IMAGES = os.path.join(ROOT, "docs", "images")


def cells(row):
    held = {None: "", True: "yes", False: "NO"}[row.held]
    return (row.what, row.ours, row.peer, row.ratio, row.target, held)


def text_table(rows):
    lines = [HEADINGS] + [cells(row) for row in rows]
    widths = [max(len(line[n]) for line in lines) for n in range(len(HEADINGS))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    text += [f"  {row.what}: {row.limit}" for row in rows if row.limit]
    return "\n".join(text)


def summary(rows):
    promised = [row for row in rows if row.held is not None]
    return f"{sum(row.held for row in promised)} of {len(promised)} targets held"


def markdown_table(rows):
    lines = ["| " + " | ".join(HEADINGS) + " |", "| " + " | ".join("---" for _ in HEADINGS) + " |"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells(row)) + " |" for row in rows]
    return "\n".join(lines)


def _save(name, text):
    os.makedirs(IMAGES, exist_ok=True)
    with open(os.path.join(IMAGES, name), "w", encoding="utf-8") as file:
        file.write(text)
    return f"![{name[:-4].replace('-', ' ')}](images/{name})"


def _numbers(rows, start):
    for row in rows:
        if row.what.startswith(start) and row.numbers:
            return row.numbers
    return None


def draw(rows):
    """The plots of what was measured, as Markdown."""
    images = []
    for merge in ("replay", "restore"):
        life = _numbers(rows, f"a life with merge by {merge}")
        if life:
            values = [(name, ms, name == "ours") for name, ms in life.items()]
            images.append(_save(f"life-{merge}.svg", plots.bars(
                f"One life with merge by {merge}, the API answers at once", "ms", values,
                ("1.25 × floor", life["floor"] * 1.25))))
    rate = _numbers(rows, "lives without merge a second")
    if rate:
        images.append(_save("throughput.svg", plots.bars(
            "Lives without merge a second, 64 in flight", "/s", [(name, value, name == "ours") for name, value in rate.items()],
            ("0.85 × floor", rate["floor"] * 0.85))))
    done = _numbers(rows, "1000 agents at once")
    if done:
        images.append(_save("thousand-agents.svg", plots.bars(
            "A thousand agents under Neon's limits: completed", "", [
                ("ours", done["ours"], True), ("each backs off alone", done["naive"], False),
                ("published run of a thousand workers", 172, False)])))
    memory = _numbers(rows, "the worker's memory after")
    if memory:
        some = [(f"after {key} sessions", value, True) for key, value in memory.items() if int(key) % 1000 == 0]
        images.append(_save("worker-memory.svg", plots.bars("Private memory of the worker", "MB", some)))
    turns = [(f"{int(row.numbers['live'])} live sessions", row.numbers["mean"], True) for row in rows
             if row.what.startswith("a turn of the loop")]
    if turns:
        images.append(_save("turns.svg", plots.bars("A turn of the worker's loop", "ms", turns)))
    return "\n\n".join(images)


def write(machine, found):
    rows = [Row(**row) for measured in found.values() for row in measured]
    missed = [row for row in rows if row.held is False]
    told = "\n".join(f"- {row.what}: {row.ours}{', ' + row.peer if row.peer else ''}"
                     f"{', ratio ' + row.ratio if row.ratio else ''}; target {row.target}."
                     f"{' ' + row.limit if row.limit else ''}" for row in missed)
    text = f"""# Performance

Made by `bench/run --write`: everything side by side in one run, on {machine['cores']} cores ({machine['cpu']}), {machine['server']},
with a load of {machine['load']} from others at its begin, on {machine['date']}. The API is the emulator's engine `memory`, which
answers at once where nothing else is said. `make bench` does it again; `bench/run NAME` does one part.

- *floor*: a C++ program with libcurl and libpq that keeps nothing, proves nothing and knows what it needs to know
  ([floor.cpp](../bench/client/floor.cpp)). Nothing that also does a journal and a proof can be expected to be faster.
- *Node*: a program with `@neondatabase/api-client` and `pg` ([client.mjs](../bench/node/client.mjs)); *Node durable*: the same with
  each step written and committed to a database before and after it.

{summary(rows)}.

{markdown_table(rows)}

{draw(rows)}

## What is not held

{told or 'Nothing.'}
"""
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(text)
