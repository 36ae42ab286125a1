"""The papers beside the code say what is there."""
import json
import os
import re

from rules import all_files, read, rule

_FOLDERS = "bench|debian|demo|docs|emulator|extension|fleet|monitoring|postgres|sql|tests|tools|worker"


@rule("CONTRIBUTING.md and docs/ name files and folders that are there")
def named_files_exist():
    complaints = []
    for path in ["CONTRIBUTING.md", "README.md", *_pages()]:
        for name in re.findall(rf"`((?:{_FOLDERS})/[\w./-]*)`", read(path)):
            # A word in capitals stands for a name of the reader's choice.
            if not os.path.exists(re.sub(r"/[A-Z]+/.*", "", name)):
                complaints.append(f"{path}: {name}")
        files = {os.path.basename(file) for file in all_files()}
        complaints += [f"{path}: {name}"
                       for name in re.findall(r"`(\w+\.[ch]pp)`", read(path)) if name not in files]
    return complaints


@rule("links between pages lead somewhere")
def links_lead_somewhere():
    complaints = []
    for path in [path for path in all_files() if path.endswith(".md")]:
        for target in re.findall(r"\]\(([^)\s]+)\)", read(path)):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            file = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
            if not os.path.exists(file):
                complaints.append(f"{path}: there is no {file}")
            elif anchor and anchor not in _anchors(file):
                complaints.append(f"{path}: {file} has no heading {anchor}")
    return complaints


def _anchors(path):
    """Of a page's headings, as forges make them."""
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)", read(path), re.M)]


@rule("META.json says what the control file says")
def meta_agrees():
    meta = json.loads(read("META.json"))
    control = dict(re.findall(r"^(\w+) *= *'(.*)'", read("agent_branch.control"), re.M))
    provided = meta["provides"]["agent_branch"]
    complaints = [f"{where} is {value}, not {control['default_version']}"
                  for where, value in (("version", meta["version"]),
                                       ("the extension's version", provided["version"]))
                  if value != control["default_version"]]
    return complaints + [f"there is no {provided[key]}" for key in ("file", "docfile")
                         if not os.path.exists(provided[key])]


@rule("CHANGELOG.md has the released versions, and what is to come on top")
def changelog_is_kept():
    headings = re.findall(r"^## \[(.*?)\](.*)", read("CHANGELOG.md"), re.M)
    if not headings or headings[0] != ("Unreleased", ""):
        return ["the first heading is not [Unreleased]"]
    return [f"[{version}] has no date" for version, date in headings[1:]
            if not re.fullmatch(r" - \d{4}-\d\d-\d\d", date)]


def _pages():
    return [path for path in all_files() if path.startswith("docs/") and path.endswith(".md")]
