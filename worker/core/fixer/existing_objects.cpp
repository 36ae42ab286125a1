#include "worker/core/fixer/existing_objects.hpp"

#include <algorithm>

namespace agent_branch {
namespace {

// The object of a CREATE, as far as its effects name it.
std::string CreatedObject(const CheckedStatement &statement) {
  for (const Effect &effect : statement.read.effects) {
    if (effect.kind.compare(0, 7, "create ") == 0) return effect.object;
  }
  return {};
}

// The name of the index that a CREATE INDEX makes.
std::string CreatedIndex(const TokenText &text) {
  for (size_t at = 0; at + 2 < text.tokens.size(); ++at) {
    if (!text.IsWord(at, "index")) continue;
    if (text.IsWord(at + 1, "concurrently")) ++at;
    return text.IsName(at + 1) && text.IsWord(at + 2, "on") ? text.Value(at + 1) : std::string();
  }
  return {};
}

const RelationFacts *ExistingRelation(const std::string &name, const CheckScene &scene) {
  for (const RelationFacts *relation : scene.facts.Find(name)) {
    if (name.find('.') != std::string::npos || relation->schema == "public") return relation;
  }
  return nullptr;
}

}  // namespace

bool IsNewOrTheSame(const CheckedStatement &statement, const CheckScene &scene) {
  const TokenText text(statement.text);
  const std::string &tag = statement.read.tag;
  const std::string object = tag == "CREATE INDEX" ? CreatedIndex(text) : CreatedObject(statement);
  if (object.empty() || scene.disturbed.count(LastPartOf(object)) != 0) return false;
  const bool exists = tag == "CREATE SCHEMA"      ? scene.facts.HasSchema(object)
                      : tag == "CREATE EXTENSION" ? scene.facts.HasExtension(object)
                                                  : ExistingRelation(object, scene) != nullptr;
  return !exists || IsThereAlready(statement, scene);
}

bool IsNewOrTheSameColumn(const CheckedStatement &statement, const TokenText &text, size_t at,
                          const CheckScene &scene) {
  const std::string &name = text.Value(at);
  std::string table;
  for (const Effect &effect : statement.read.effects) {
    if (effect.kind == "column" && LastPartOf(effect.object) == name)
      table = OwnerPartOf(effect.object);
  }
  const RelationFacts *relation = ExistingRelation(table, scene);
  if (relation == nullptr || scene.made.count(LastPartOf(table)) != 0 ||
      scene.disturbed.count(LastPartOf(table)) != 0)
    return false;
  const auto column = relation->columns.find(name);
  if (column == relation->columns.end()) return true;
  int depth = 0;
  size_t end = at;
  for (; end < text.tokens.size(); ++end) {
    if (text.IsOperator(end, "(")) ++depth;
    if (text.IsOperator(end, ")")) --depth;
    if (depth == 0 && text.IsOperator(end, ",")) break;
  }
  return scene.trees->CreatesTheSame("CREATE TABLE t (" + text.Raw(at, end) + ")",
                                     "CREATE TABLE t (" + column->second + ")");
}

bool IsThereAlready(const CheckedStatement &statement, const CheckScene &scene) {
  if (!scene.allowed.duplicate || !scene.facts.known || scene.opaque) return false;
  const TokenText text(statement.text);
  const std::string &tag = statement.read.tag;
  if (tag == "CREATE TABLE" || tag == "CREATE INDEX") {
    const std::string name = tag == "CREATE INDEX" ? CreatedIndex(text) : CreatedObject(statement);
    const RelationFacts *relation = name.empty() ? nullptr : ExistingRelation(name, scene);
    return relation != nullptr && scene.disturbed.count(LastPartOf(name)) == 0 &&
           !relation->definition.empty() &&
           scene.trees->CreatesTheSame(statement.text, relation->definition);
  }
  if (tag == "CREATE SEQUENCE") {
    const RelationFacts *relation = ExistingRelation(CreatedObject(statement), scene);
    return relation != nullptr && relation->kind == "S" && !relation->definition.empty() &&
           text.tokens.size() == 3;
  }
  if (tag == "CREATE SCHEMA")
    return text.tokens.size() == 3 && scene.facts.HasSchema(CreatedObject(statement));
  if (tag == "CREATE EXTENSION")
    return text.tokens.size() == 3 && scene.facts.HasExtension(CreatedObject(statement));
  if (tag == "ALTER TYPE" && text.tokens.size() == 6 && text.IsWord(3, "add") &&
      text.IsWord(4, "value")) {
    const auto labels = scene.facts.enums.find(text.Value(2));
    return labels != scene.facts.enums.end() &&
           std::find(labels->second.begin(), labels->second.end(), text.Value(5)) !=
               labels->second.end();
  }
  return false;
}

}  // namespace agent_branch
