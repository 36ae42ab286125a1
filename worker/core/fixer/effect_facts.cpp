#include "worker/core/fixer/effect_facts.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "worker/core/fixer/explanation.hpp"

namespace agent_branch {
namespace {

// A string constant that is one whatever standard_conforming_strings is.
std::string Literal(std::string_view text) {
  std::string literal = "E'";
  for (char c : text) {
    if (c == '\'' || c == '\\') literal += c;
    literal += c;
  }
  return literal + "'";
}

// Column names out of a detail of tokens, as a literal that a sorted array of names compares with.
std::string Columns(const std::string &detail) {
  std::set<std::string> names;
  for (size_t at = 0; at < detail.size();) {
    size_t end = std::min(detail.find('\n', at), detail.size());
    std::string token = detail.substr(at, end - at);
    if (token == "o->") break;
    if (!token.empty() && token[0] == 'n') names.insert(token.substr(1));
    at = end + 1;
  }
  std::string joined;
  for (const std::string &name : names)
    joined += (joined.empty() ? "" : ",") + name;
  return joined;
}

std::string Referenced(const std::string &detail) {
  size_t at = detail.find("o->\nn");
  if (at == std::string::npos) return {};
  at += 5;
  std::string name = PlainObject(detail.substr(at, detail.find('\n', at) - at));
  size_t dot = name.rfind('.');
  return dot == std::string::npos ? name : name.substr(dot + 1);
}

// "pg_catalog.int4" → int4; an array's type has an underscore in front.
std::string TypeName(const std::string &detail) {
  std::string first = detail.substr(0, detail.find('\n'));
  if (first.empty() || first[0] != 'n') return {};
  std::string name = first.substr(1);
  name = name.substr(name.rfind('.') == std::string::npos ? 0 : name.rfind('.') + 1);
  for (const auto &[serial, type] : {std::pair("serial", "int4"), std::pair("bigserial", "int8"),
                                     std::pair("smallserial", "int2"), std::pair("serial4", "int4"),
                                     std::pair("serial8", "int8"), std::pair("serial2", "int2")}) {
    if (name == serial) name = type;
  }
  return detail.find("\no[") == std::string::npos ? name : "_" + name;
}

class Facts {
 public:
  void Add(const Effect &effect) {
    const std::string object = PlainObject(effect.object);
    if (effect.kind == "create table" || effect.kind == "create view" ||
        effect.kind == "create materialized view" || effect.kind == "create sequence") {
      AddRow("relation", object, "", "");
    } else if (effect.kind == "column" || effect.kind == "column type") {
      AddRow("column", TableOf(object), LastName(object), TypeName(effect.detail));
    } else if (effect.kind == "not null") {
      AddRow("not null", TableOf(object), LastName(object), "");
    } else if (effect.kind == "primary key") {
      AddRow("p", object, Columns(effect.detail), "");
    } else if (effect.kind == "unique") {
      AddRow("u", object, Columns(effect.detail), "");
    } else if (effect.kind == "foreign key") {
      if (IsValidated(effect))
        AddRow("f", object, Columns(effect.detail), Referenced(effect.detail));
    } else if (effect.kind == "check") {
      if (IsValidated(effect)) AddRow("c", object, "", "");
    } else if (effect.kind == "default") {
      AddRow("default", TableOf(object), LastName(object), "");
    } else if (effect.kind == "create policy") {
      AddRow("policy", TableOf(object), LastName(object), "");
    } else if (effect.kind == "create trigger") {
      AddRow("trigger", TableOf(object), LastName(object), "");
    } else if (effect.kind == "index") {
      AddIndex(effect);
    } else if (effect.kind == "alter table" &&
               effect.detail == "nenable\nnrow\nnlevel\nnsecurity") {
      AddRow("row security", object, "", "");
    } else if (effect.kind == "other") {
      AddGrant(TokensOf(effect.detail));
    }
  }

  std::string Expression() const {
    if (rows_.empty()) return {};
    return R"((SELECT string_agg(f.kind || ' ' || f.relation || ' ' || f.name, ', ')
  FROM (VALUES )" +
           rows_ + R"() AS f (kind, namespace, relation, name, other)
  WHERE NOT EXISTS (
    SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relname = f.relation AND f.namespace IN ('', n.nspname::text)
      AND n.nspname !~ '^pg_toast' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND CASE
        WHEN f.kind = 'relation' THEN true
        WHEN f.kind = 'row security' THEN c.relrowsecurity
        WHEN f.kind = 'default' THEN EXISTS (
          SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = f.name AND a.atthasdef)
        WHEN f.kind = 'policy' THEN EXISTS (
          SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polname = f.name)
        WHEN f.kind = 'trigger' THEN EXISTS (
          SELECT FROM pg_trigger AS g WHERE g.tgrelid = c.oid AND g.tgname = f.name)
        WHEN f.kind = 'index' THEN EXISTS (
          SELECT FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
          WHERE x.indrelid = c.oid AND i.relname = f.name AND x.indisvalid
            AND (x.indisunique OR f.other = ''))
        WHEN f.kind = 'grant' THEN EXISTS (
          SELECT FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS g
            LEFT JOIN pg_roles AS r ON r.oid = g.grantee
          WHERE lower(g.privilege_type) = f.name
            AND (g.grantee = 0 OR r.rolname = f.other))
        WHEN f.kind IN ('column', 'not null') THEN EXISTS (
          SELECT FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
          WHERE a.attrelid = c.oid AND a.attname = f.name AND NOT a.attisdropped
            AND (f.kind = 'column' OR a.attnotnull) AND f.other IN ('', t.typname::text))
        ELSE EXISTS (
          SELECT FROM pg_constraint AS k LEFT JOIN pg_class AS r ON r.oid = k.confrelid
          WHERE k.conrelid = c.oid AND k.contype::text = f.kind
            AND (f.kind <> 'f' OR r.relname = f.other)
            AND (f.kind = 'c' OR f.name = (
              SELECT string_agg(a.attname, ',' ORDER BY a.attname COLLATE "C")
              FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey)))
            AND (k.convalidated OR f.kind NOT IN ('c', 'f')))
      END)))";
  }

 private:
  static std::vector<std::string> TokensOf(const std::string &detail) {
    std::vector<std::string> tokens;
    for (size_t at = 0; at < detail.size();) {
      const size_t end = std::min(detail.find('\n', at), detail.size());
      tokens.push_back(detail.substr(at, end - at));
      at = end + 1;
    }
    return tokens;
  }

  // CREATE [UNIQUE] INDEX [CONCURRENTLY] name ON …
  void AddIndex(const Effect &effect) {
    const std::vector<std::string> tokens = TokensOf(effect.detail);
    size_t at = 1;
    const bool unique = tokens.size() > at && tokens[at] == "nunique";
    if (unique) ++at;
    if (tokens.size() <= at || tokens[at] != "nindex") return;
    ++at;
    if (tokens.size() > at && tokens[at] == "nconcurrently") ++at;
    if (tokens.size() <= at + 1 || tokens[at + 1] != "non" || tokens[at][0] != 'n') return;
    AddRow("index", PlainObject(effect.object), tokens[at].substr(1), unique ? "unique" : "");
  }

  // GRANT privilege, … ON [TABLE] name TO role, …; other forms are not asked for.
  void AddGrant(const std::vector<std::string> &tokens) {
    const auto on = std::find(tokens.begin(), tokens.end(), "non");
    const auto to = std::find(tokens.begin(), tokens.end(), "nto");
    if (tokens.empty() || tokens[0] != "ngrant" || on == tokens.end() || to == tokens.end() ||
        to < on)
      return;
    auto object = on + 1;
    if (*object == "ntable") ++object;
    std::string name;
    for (; object != to; ++object)
      name += *object == "o." ? "." : (*object)[0] == 'n' ? object->substr(1) : "\n";
    const bool one = !name.empty() && name.find('\n') == std::string::npos;
    const bool plain = std::all_of(tokens.begin() + 1, on, [](const std::string &token) {
      return token == "nselect" || token == "ninsert" || token == "nupdate" || token == "ndelete" ||
             token == "ntruncate" || token == "o,";
    });
    if (!one || !plain) return;
    for (auto privilege = tokens.begin() + 1; privilege != on; ++privilege) {
      for (auto role = to + 1; role != tokens.end(); ++role) {
        if (*privilege == "o," || (*role)[0] != 'n') continue;
        if (*role == "nwith" || *role == "ngranted") break;
        if (role->compare(0, 8, "ncurrent") == 0 || *role == "nsession_user" || *role == "ngroup")
          continue;
        AddRow("grant", name, privilege->substr(1), role->substr(1));
      }
    }
  }

  static bool IsValidated(const Effect &effect) {
    return effect.detail.find("nnot valid") == std::string::npos &&
           effect.detail.find("nnot\nnvalid") == std::string::npos;
  }

  void AddRow(const char *kind, const std::string &relation, const std::string &name,
              const std::string &other) {
    if (relation.empty()) return;
    if (!rows_.empty()) rows_ += ", ";
    rows_ += "(" + Literal(kind) + ", " + Literal(TableOf(relation)) + ", " +
             Literal(LastName(relation)) + ", " + Literal(name) + ", " + Literal(other) + ")";
  }

  std::string rows_;
};

}  // namespace

std::set<std::string> ViewsPutBack(const std::vector<Effect> &added) {
  std::set<std::string> views;
  for (const Effect &effect : added) {
    if (effect.kind == "create view") views.insert(PlainObject(effect.object));
  }
  return views;
}

std::string DefinitionsExpression(const std::set<std::string> &views) {
  if (views.empty()) return {};
  std::string names;
  for (const std::string &view : views)
    names += (names.empty() ? "" : ", ") + Literal(view);
  // A view that is made anew has lost its owner, grants, options, comments, triggers and rules.
  return R"((SELECT string_agg(concat_ws(E'\n', c.oid::regclass, pg_get_viewdef(c.oid),
      c.relowner::regrole, c.relacl, c.reloptions,
      (SELECT string_agg(d.objsubid || d.description, E'\n' ORDER BY d.objsubid) FROM pg_description AS d
        WHERE d.classoid = 'pg_class'::regclass AND d.objoid = c.oid),
      (SELECT string_agg(pg_get_triggerdef(t.oid), E'\n' ORDER BY t.tgname) FROM pg_trigger AS t WHERE t.tgrelid = c.oid),
      (SELECT string_agg(pg_get_ruledef(r.oid), E'\n' ORDER BY r.rulename) FROM pg_rewrite AS r
        WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN'),
      (SELECT string_agg(a.attname || coalesce(a.attacl::text, '') || coalesce(pg_get_expr(f.adbin, f.adrelid), ''), E'\n'
          ORDER BY a.attnum) FROM pg_attribute AS a
        LEFT JOIN pg_attrdef AS f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
        WHERE a.attrelid = c.oid AND a.attnum > 0)), E'\n'
    ORDER BY c.oid::regclass::text COLLATE "C")
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relkind = 'v' AND CASE WHEN n.nspname = 'public' THEN '' ELSE n.nspname || '.' END
    || c.relname IN ()" +
         names + "))";
}

std::string FactsExpression(const std::vector<Effect> &effects) {
  const Explanation why(effects);
  // What is taken away again, or is called otherwise in the end, cannot be asked for.
  if (why.anything || why.cascades) return {};
  // What is given and what is taken away again is not told apart here.
  const bool revokes = std::any_of(effects.begin(), effects.end(), [](const Effect &effect) {
    return effect.kind == "other" && effect.detail.compare(0, 7, "nrevoke") == 0;
  });
  Facts facts;
  for (const Effect &effect : effects) {
    if (revokes && effect.kind == "other") continue;
    const std::string object = PlainObject(effect.object);
    if (why.shrunken.count(object) != 0 || why.shrunken.count(TableOf(object)) != 0) continue;
    facts.Add(effect);
  }
  return facts.Expression();
}

std::string RowsExpression(const std::vector<Effect> &effects) {
  const Explanation why(effects);
  if (why.anything || why.any_rows) return {};
  std::string names;
  for (const std::string &name : why.rows) {
    if (!names.empty()) names += ", ";
    names += "(" + Literal(TableOf(name)) + ", " + Literal(LastName(name)) + ")";
  }
  if (names.empty()) return "'[]'";
  return R"((WITH RECURSIVE reached (oid) AS (
    SELECT c.oid FROM (VALUES )" +
         names + R"() AS f (namespace, relation) JOIN pg_class AS c ON c.relname = f.relation
      JOIN pg_namespace AS n ON n.oid = c.relnamespace AND f.namespace IN ('', n.nspname::text)
    UNION
    SELECT CASE e.how WHEN 'child' THEN h.inhrelid WHEN 'key' THEN k.conrelid ELSE d.refobjid END
    FROM reached CROSS JOIN (VALUES ('child'), ('key'), ('view')) AS e (how)
      LEFT JOIN pg_inherits AS h ON e.how = 'child' AND h.inhparent = reached.oid
      LEFT JOIN pg_constraint AS k ON e.how = 'key' AND k.confrelid = reached.oid
        AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))
      LEFT JOIN pg_rewrite AS w ON e.how = 'view' AND w.ev_class = reached.oid
      LEFT JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
        AND d.refclassid = 'pg_class'::regclass
    WHERE CASE e.how WHEN 'child' THEN h.inhrelid WHEN 'key' THEN k.conrelid ELSE d.refobjid END IS NOT NULL)
  SELECT CASE WHEN EXISTS (SELECT FROM reached JOIN pg_trigger AS g ON g.tgrelid = reached.oid AND NOT g.tgisinternal)
      OR EXISTS (SELECT FROM reached JOIN pg_rewrite AS w ON w.ev_class = reached.oid AND w.rulename <> '_RETURN')
    THEN 'null' ELSE coalesce((SELECT json_agg(format('%I.%I', n.nspname, c.relname))::text FROM reached
      JOIN pg_class AS c ON c.oid = reached.oid JOIN pg_namespace AS n ON n.oid = c.relnamespace), '[]') END))";
}

}  // namespace agent_branch
