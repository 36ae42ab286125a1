#include "worker/core/fixer/intent_proof.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "worker/core/base/json.hpp"
#include "worker/core/base/text.hpp"
#include "worker/core/fixer/explanation.hpp"

namespace agent_branch {
namespace {

constexpr size_t kShown = 120;

bool Begins(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

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
    name = PlainObject(name);
  }

  // "tr on public.t", "table column public.t.a" of a comment, "a of table public.t", "of view
  // public.v", "table public.t to app"
  void TakeTable() {
    if (kind == "grants on") name.resize(std::min(name.rfind(" to "), name.size()));
    if (kind == "comment on") {
      name.resize(std::min(name.find('('), name.size()));
      const size_t blank = name.rfind(' ');
      if (blank != std::string::npos) name.erase(0, blank + 1);
      table = TableOf(PlainObject(name));
      return;
    }
    for (std::string_view joint : {" on ", "of table ", "of view ", "of materialized view ",
                                   "of foreign table ", "of type ", "table ", "view "}) {
      size_t at = name.find(joint);
      if (at == std::string::npos) continue;
      table = PlainObject(name.substr(at + joint.size()));
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

// What comes with a table under a name of its own: of keys, of serial columns.
bool ComesAlong(const ObjectKey &key) {
  return key.kind == "index" || key.kind == "sequence" || key.kind == "statistics" ||
         key.kind == "type";
}

bool MayAppear(const ObjectKey &key, const Explanation &why) {
  if (why.renames || why.extends) return true;
  if (why.touched.count(key.name) != 0 || why.touched.count(key.table) != 0) return true;
  if (ComesAlong(key) && !why.touched.empty()) return true;
  // CREATE SCHEMA s CREATE TABLE …
  const auto is_within = [&](const std::string &name) {
    return why.touched.count(name.substr(0, name.find('.'))) != 0;
  };
  return is_within(key.name) || (!key.table.empty() && is_within(key.table));
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

}  // namespace

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
  for (const auto &[key, hash] : now.value()) {
    if (then->count(key) == 0 && !MayAppear(ObjectKey(key), why))
      return refuse("it makes the " + CleanText(key, kShown) + ", which was not asked for");
  }
  return preserved;
}

Intent ExplainRows(const std::string &allowed, const std::string &record) {
  Intent intent;
  intent.preserved = true;
  if (allowed.empty()) return intent;
  Result<JsonDocument> names = ParseJson(allowed);
  Result<JsonDocument> told = ParseJson(record);
  if (!names.ok() || !told.ok()) {
    intent.preserved = false;
    intent.reason = "the rows that it changed are not known";
    return intent;
  }
  const JsonValue *rows = JsonMember(&told.value(), "rows");
  if (!names->IsArray() || rows == nullptr || !rows->IsObject()) return intent;
  for (const auto &table : rows->GetObject()) {
    const bool named = std::any_of(names->Begin(), names->End(),
                                   [&](const JsonValue &name) { return name == table.name; });
    if (named) continue;
    intent.preserved = false;
    intent.reason = "it changes rows of " + CleanText(table.name.GetString(), kShown) +
                    ", which the original does not name";
    return intent;
  }
  return intent;
}

}  // namespace agent_branch
