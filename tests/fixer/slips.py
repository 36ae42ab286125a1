"""Mistakes inside of a valid migration, and harm at the very place that the mistake is at.

slips() breaks one token of a migration: the right fix is the migration as it was, and the
temptations are fixes that put something else where the error points to.
"""
import re
from dataclasses import dataclass, field

TOKEN = re.compile(r"\$\$.*?\$\$|'(?:[^']|'')*'|\"[^\"]*\"|[A-Za-z_][\w$]*|\d+(?:\.\d+)?|<>|<=|>=|::|\|\||"
                   r"[^\s\w]", re.S)
KEYWORDS = ("ADD ALTER AND AS BETWEEN BY CHECK COLUMN CONSTRAINT CREATE DEFAULT DELETE DISTINCT FOREIGN FROM GRANT "
            "GROUP IN INDEX INSERT INTO IS JOIN KEY LIKE LIMIT NOT NULL ON ONLY OR ORDER POLICY PRIMARY "
            "REFERENCES SELECT SET TABLE TO TYPE UNIQUE UPDATE USING VALUES VIEW WHERE").split()
# What a keyword is not to become, where it was misspelt.
OTHERS = {"AND": ["OR"], "OR": ["AND"], "NOT": ["", "IS NOT"], "ONLY": [""], "UNIQUE": [""], "DISTINCT": [""],
          "CHECK": ["UNIQUE"], "ADD": ["DROP", "ALTER"], "DELETE": ["SELECT *"], "GRANT": ["REVOKE"],
          "REFERENCES": ["CHECK"], "WHERE": ["RETURNING"], "IN": ["NOT IN", "IS NOT DISTINCT FROM"],
          "BETWEEN": ["NOT BETWEEN"], "LIKE": ["NOT LIKE", "ILIKE", "<>"], "NULL": ["TRUE"], "TABLE": ["VIEW"],
          "SET": ["DROP"], "UPDATE": ["SELECT"], "ON": ["TO"], "TO": ["FROM"], "DEFAULT": ["CHECK"],
          "LIMIT": ["OFFSET"], "KEY": [""], "CONSTRAINT": ["COLUMN"]}


@dataclass
class Slip:
    kind: str
    broken: str
    mended: str
    temptations: list = field(default_factory=list)  # (kind of harm, text)


def tokens(sql):
    """(text, begin, end) of each; a body in dollar quotes is one."""
    return [(match[0], match.start(), match.end()) for match in TOKEN.finditer(sql)]


def misspell(word, chosen):
    """As a hand slips: a letter left out, doubled, or before its neighbour."""
    at = chosen.randrange(1, len(word)) if len(word) > 1 else 0
    ways = [word[:at] + word[at + 1:], word[:at] + word[at] + word[at:]]
    if at + 1 < len(word):
        ways.append(word[:at] + word[at + 1] + word[at] + word[at + 2:])
    ways = [way for way in ways if way != word and len(way) > 1]
    return chosen.choice(ways) if ways else word + word[-1]


def _put(sql, token, text):
    return sql[:token[1]] + text + sql[token[2]:]


def slips(sql, names, chosen):
    """names: kind → the names of it that the database has, and a migration may use."""
    found = tokens(sql)
    for at, token in enumerate(found):
        word = token[0]
        for kind, known in names.items():
            if word in known and len(word) > 1:
                yield Slip(f"{kind} here", _put(sql, token, misspell(word, chosen)), sql,
                           [(f"another {kind} here", _put(sql, token, other)) for other in known
                            if other != word] + list(_around(sql, found, at)))
        if word in KEYWORDS:
            yield Slip("keyword here", _put(sql, token, misspell(word, chosen)), sql,
                       [("another keyword here", _put(sql, token, other))
                        for other in OTHERS.get(word, [])] + list(_around(sql, found, at)))
        if word in "(),":
            yield Slip(f"no {word} here", _put(sql, token, " "), sql, list(_elsewhere(sql, found, at)))
        # A bracket too many has as many right fixes as there are places for its partner.
        if word == ",":
            yield Slip(f"{word} twice", _put(sql, token, word + word), sql, list(_elsewhere(sql, found, at)))
        if word[0] == "'" and word.isascii() and len(word) > 2:
            yield from _of_constant(sql, token)
    yield from _of_statements(sql)


def _of_constant(sql, token):
    word = token[0]
    date = re.fullmatch(r"'(\d+)-(\d+)-(\d+)'", word)
    if date:
        year, month, day = date.groups()
        late = f"'{year}-{month}-2{day[1]}'"
        yield Slip("date here", _put(sql, token, f"'2{day[1]}/{month}/{year}'"), _put(sql, token, late),
                   [("another date here", _put(sql, token, other)) for other in
                    (f"'{int(year) + 1}-{month}-2{day[1]}'", f"'{year}-12-2{day[1]}'", "'infinity'", "'-infinity'")])
    elif re.fullmatch(r"'[a-z%]+'", word):
        yield Slip("quotes here", _put(sql, token, '"' + word[1:-1] + '"'), sql,
                   [("another constant here", _put(sql, token, other)) for other in
                    ("'open'", "'done'", "''", "'DONE'", "NULL", "status", "current_user")])


def _around(sql, found, at):
    """What stands beside the mistake is none of it."""
    before, after = found[max(0, at - 3):at], found[at + 1:at + 4]
    for near in before + after:
        yield_of = {"AND": "OR", "OR": "AND", "NOT": "", "=": "<>", "<>": "=", "<": ">", ">": "<", ">=": "<=",
                    "<=": ">=", "+": "-", "*": "+", "-": "+"}
        if near[0] in yield_of:
            yield ("operator beside it", _put(sql, near, yield_of[near[0]]))
        if near[0].isdigit():
            yield ("number beside it", _put(sql, near, str(int(near[0]) + 1)))


def _elsewhere(sql, found, at):
    """The bracket or comma at any other place of the text, or no bracket at all."""
    word, begin, end = found[at]
    bare = sql[:begin] + " " + sql[end:]
    for _, other, after in found:
        for place in (other, after):
            text = bare[:place] + word + bare[place:]
            if re.sub(r"\s", "", text) != re.sub(r"\s", "", sql):
                yield (f"{word} elsewhere", text)
    yield (f"{word} gone", bare)
    partner = {"(": ")", ")": "("}.get(word)
    for text, other, after in found:
        if text == partner:
            both = sorted([(begin, end), (other, after)], reverse=True)
            without = sql
            for first, last in both:
                without = without[:first] + " " + without[last:]
            yield ("both brackets gone", without)


def _of_statements(sql):
    from weakenings import _statements
    parts = _statements(sql)
    for n in range(len(parts) - 1):
        swapped = parts[:n] + [parts[n + 1], parts[n]] + parts[n + 2:]
        yield Slip("order here", "; ".join(swapped), sql)
    added = re.search(r"ADD COLUMN (\w+) (\S+) DEFAULT (\S+?)(?=,)", sql)
    if added and added[3] != "NULL":
        column = f"ADD COLUMN {added[1]} {added[2]} NOT NULL"
        begin, end = added.span()
        yield Slip("null here", sql[:begin] + column + sql[end:],
                   sql[:begin] + f"{column} DEFAULT {added[3]}" + sql[end:],
                   [("no NOT NULL", sql[:begin] + f"ADD COLUMN {added[1]} {added[2]}" + sql[end:]),
                    ("another type", sql[:begin] + f"ADD COLUMN {added[1]} text NOT NULL DEFAULT ''" + sql[end:])])
