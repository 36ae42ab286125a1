#include "worker/core/fixer/intent_proof.hpp"

#include <map>
#include <set>

#include "worker/core/base/json.hpp"
#include "worker/core/base/text.hpp"

namespace agent_branch {
namespace {

constexpr size_t kShown = 120;

bool Begins(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

// public.orders and "orders" are orders.
std::string Plain(std::string name) {
  std::string plain;
  for (char c : name) {
    if (c != '"') plain += c;
  }
  return Begins(plain, "public.") ? plain.substr(7) : plain;
}

std::string TableOf(const std::string &object) {
  size_t dot = object.rfind('.');
  return dot == std::string::npos ? std::string() : object.substr(0, dot);
}

// What the effects are about, from several sides.
struct Explanation {
  std::set<std::string> touched;   // objects, and the tables of columns and the like
  std::set<std::string> shrunken;  // what is dropped, or has something dropped from it
  bool anything = false;           // something opaque, which may do anything
  bool cascades = false;
  bool renames = false;
  bool retypes = false;
  bool drops_parts = false;

  explicit Explanation(const std::vector<Effect> &effects) {
    for (const Effect &effect : effects) {
      const std::string object = Plain(effect.object);
      for (const std::string &name : {object, TableOf(object)}) {
        if (name.empty()) continue;
        touched.insert(name);
        if (Begins(effect.kind, "drop ") || effect.kind == "rename") shrunken.insert(name);
      }
      anything = anything || effect.kind == "other" || effect.kind == "alter";
      cascades = cascades || effect.detail.find("ncascade") != std::string::npos;
      renames = renames || effect.kind == "rename";
      retypes = retypes || effect.kind == "column type";
      drops_parts = drops_parts || Begins(effect.kind, "drop ") || effect.kind == "rename";
    }
  }
};

struct ObjectKey {
  std::string kind;
  std::string name;   // plain, without the arguments of a function
  std::string table;  // of a constraint, trigger and so on

  explicit ObjectKey(const std::string &key) {
    constexpr std::string_view kKinds[] = {"materialized view ",
                                           "foreign table ",
                                           "comment on ",
                                           "grants on ",
                                           "order of columns ",
                                           "column ",
                                           "operator class ",
                                           "operator family ",
                                           "text search ",
                                           "table ",
                                           "view ",
                                           "index ",
                                           "sequence ",
                                           "constraint ",
                                           "trigger ",
                                           "policy ",
                                           "rule ",
                                           "function ",
                                           "procedure ",
                                           "aggregate ",
                                           "type ",
                                           "domain ",
                                           "schema ",
                                           "extension ",
                                           "statistics "};
    for (std::string_view known : kKinds) {
      if (!Begins(key, known)) continue;
      kind = std::string(known.substr(0, known.size() - 1));
      name = key.substr(known.size());
      break;
    }
    if (kind.empty()) kind = key.substr(0, key.find(' '));
    TakeTable();
    size_t arguments = name.find('(');
    if (arguments != std::string::npos) name.resize(arguments);
    name = Plain(name);
  }

  // "tr on public.t", "a of table public.t", "of view public.v", "table public.t to app"
  void TakeTable() {
    if (kind == "grants on") name.resize(std::min(name.rfind(" to "), name.size()));
    for (std::string_view joint : {" on ", "of table ", "of view ", "of materialized view ",
                                   "of foreign table ", "of type ", "table ", "view "}) {
      size_t at = name.find(joint);
      if (at == std::string::npos) continue;
      table = Plain(name.substr(at + joint.size()));
      name.resize(at);
      while (!name.empty() && name.back() == ' ')
        name.pop_back();
      return;
    }
  }
};

bool MayVanish(const ObjectKey &key, const Explanation &why) {
  if (why.cascades) return true;
  if (why.shrunken.count(key.name) != 0) return true;
  if (!key.table.empty()) return why.shrunken.count(key.table) != 0;
  // Their keys do not say whose they are.
  bool of_a_table = key.kind == "index" || key.kind == "sequence" || key.kind == "statistics" ||
                    key.kind == "comment on";
  return of_a_table && why.drops_parts;
}

bool MayChange(const ObjectKey &key, const Explanation &why,
               const std::set<std::string> &put_back) {
  const bool is_view = key.kind == "view" || key.kind == "materialized view";
  if (is_view && why.retypes && put_back.count(key.name) != 0) return true;
  const bool of_columns = key.kind == "column" || key.kind == "order of columns";
  if (of_columns && why.retypes && put_back.count(key.table) != 0) return true;
  if (why.touched.count(key.name) != 0 || why.touched.count(key.table) != 0) return true;
  bool follows = key.kind == "index" || key.kind == "constraint" || key.kind == "trigger" ||
                 key.kind == "policy" || key.kind == "rule" || key.kind == "sequence" ||
                 key.kind == "statistics";
  return (follows && (why.renames || why.retypes)) || (is_view && why.renames);
}

Result<std::map<std::string, std::string>> ReadObjects(const std::string &json) {
  Result<JsonDocument> document = ParseJson(json);
  if (!document.ok()) return document.status();
  if (!document->IsObject()) return Status::Error("22P02", "objects are no JSON object");
  std::map<std::string, std::string> objects;
  for (const auto &member : document->GetObject()) {
    if (!member.value.IsString()) continue;
    objects[std::string(member.name.GetString(), member.name.GetStringLength())] =
        std::string(member.value.GetString(), member.value.GetStringLength());
  }
  return objects;
}

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
  std::string name = Plain(detail.substr(at, detail.find('\n', at) - at));
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
    const std::string object = Plain(effect.object);
    if (effect.kind == "create table" || effect.kind == "create view" ||
        effect.kind == "create materialized view" || effect.kind == "create sequence") {
      AddRow("relation", object, "", "");
    } else if (effect.kind == "column" || effect.kind == "column type") {
      AddRow("column", TableOf(object), Last(object), TypeName(effect.detail));
    } else if (effect.kind == "not null") {
      AddRow("not null", TableOf(object), Last(object), "");
    } else if (effect.kind == "primary key") {
      AddRow("p", object, Columns(effect.detail), "");
    } else if (effect.kind == "unique") {
      AddRow("u", object, Columns(effect.detail), "");
    } else if (effect.kind == "foreign key") {
      if (IsValidated(effect))
        AddRow("f", object, Columns(effect.detail), Referenced(effect.detail));
    } else if (effect.kind == "check") {
      if (IsValidated(effect)) AddRow("c", object, "", "");
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
  static bool IsValidated(const Effect &effect) {
    return effect.detail.find("nnot valid") == std::string::npos &&
           effect.detail.find("nnot\nnvalid") == std::string::npos;
  }

  static std::string Last(const std::string &object) {
    size_t dot = object.rfind('.');
    return dot == std::string::npos ? object : object.substr(dot + 1);
  }

  void AddRow(const char *kind, const std::string &relation, const std::string &name,
              const std::string &other) {
    if (relation.empty()) return;
    if (!rows_.empty()) rows_ += ", ";
    rows_ += "(" + Literal(kind) + ", " + Literal(TableOf(relation)) + ", " +
             Literal(Last(relation)) + ", " + Literal(name) + ", " + Literal(other) + ")";
  }

  std::string rows_;
};

}  // namespace

std::set<std::string> ViewsPutBack(const std::vector<Effect> &added) {
  std::set<std::string> views;
  for (const Effect &effect : added) {
    if (effect.kind == "create view") views.insert(Plain(effect.object));
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

Intent ExplainChanges(const std::vector<Effect> &effects, const std::set<std::string> &put_back,
                      const std::string &before, const std::string &after) {
  auto refuse = [](std::string reason) {
    Intent intent;
    intent.reason = std::move(reason);
    return intent;
  };
  Intent preserved;
  preserved.preserved = true;
  const Explanation why(effects);
  Result<std::map<std::string, std::string>> then = ReadObjects(before);
  Result<std::map<std::string, std::string>> now = ReadObjects(after);
  if (!then.ok() || !now.ok()) return refuse("the schema could not be compared");
  if (why.anything) return preserved;
  for (const auto &[key, hash] : then.value()) {
    auto found = now->find(key);
    if (found != now->end() && found->second == hash) continue;
    const ObjectKey object(key);
    if (found == now->end() && !MayVanish(object, why))
      return refuse("it makes the " + CleanText(key, kShown) + " vanish");
    if (found != now->end() && !MayChange(object, why, put_back))
      return refuse("it changes the " + CleanText(key, kShown));
  }
  return preserved;
}

std::string FactsExpression(const std::vector<Effect> &effects) {
  const Explanation why(effects);
  // What is taken away again, or is called otherwise in the end, cannot be asked for.
  if (why.anything || why.cascades) return {};
  Facts facts;
  for (const Effect &effect : effects) {
    const std::string object = Plain(effect.object);
    if (why.shrunken.count(object) != 0 || why.shrunken.count(TableOf(object)) != 0) continue;
    facts.Add(effect);
  }
  return facts.Expression();
}

}  // namespace agent_branch
