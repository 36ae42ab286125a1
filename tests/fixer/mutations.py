"""Any text with one token changed: what no list of harms thinks of."""
from slips import tokens

OPERATORS = ["=", "<>", "<", ">", "<=", ">=", "+", "-", "*", "||"]
WORDS = ["AND", "OR", "NOT", "ONLY", "NULL", "NOT NULL", "UNIQUE", "DISTINCT", "CASCADE", "RESTRICT", "IF EXISTS",
         "IF NOT EXISTS", "true", "false", "DEFAULT", "CONCURRENTLY", "DEFERRABLE", "NOT VALID", "USING", "LEFT", "ALL"]


def mutations(sql, names, chosen, many):
    """So many texts, each with the name of what was done to it."""
    found = tokens(sql)
    known = [name for of_kind in names.values() for name in of_kind]
    for _ in range(many):
        at = chosen.randrange(len(found))
        text, begin, end = found[at]
        way = chosen.randrange(7)
        if way == 0:
            yield "token dropped", sql[:begin] + sql[end:]
        elif way == 1 and at + 1 < len(found):
            other, other_begin, other_end = found[at + 1]
            yield "neighbours swapped", (sql[:begin] + other + sql[end:other_begin] + " " + text + sql[other_end:])
        elif way == 2:
            other = chosen.choice(found)[0]
            yield "token of elsewhere", sql[:begin] + other + sql[end:]
        elif way == 3:
            yield "word put in", f"{sql[:begin]}{chosen.choice(WORDS)} {sql[begin:]}"
        elif way == 4 and text[0].isalpha():
            yield "word replaced", sql[:begin] + chosen.choice(WORDS + known) + sql[end:]
        elif way == 5 and not text[0].isalnum():
            yield "operator replaced", sql[:begin] + f" {chosen.choice(OPERATORS)} " + sql[end:]
        elif way == 6:
            first, last = sorted(chosen.sample(range(len(found) + 1), 2))
            if last - first < 12:
                cut = found[first][1], found[last - 1][2]
                yield "piece dropped", sql[:cut[0]] + sql[cut[1]:]
