#include "postgres/tree_names.hpp"

namespace agent_branch {
namespace {

bool IsPlain(const char *name) {
  if ((*name < 'a' || *name > 'z') && *name != '_') return false;
  for (const char *at = name; *at != '\0'; ++at) {
    const bool plain = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || *at == '_';
    if (!plain) return false;
  }
  const int keyword = ScanKeywordLookup(name, &ScanKeywords);
  return keyword < 0 || ScanKeywordCategories[keyword] == UNRESERVED_KEYWORD;
}

std::string Joined(const List *names, int count) {
  std::string joined;
  for (int n = 0; n < count; ++n) {
    const auto *name = static_cast<const Node *>(list_nth(names, n));
    if (!joined.empty()) joined += '.';
    if (IsA(name, String)) joined += QuotedName(strVal(name));
    if (IsA(name, A_Star)) joined += '*';
  }
  return joined;
}

std::string NameOfFunction(const ObjectWithArgs *function) {
  std::string name = NameOf(function->objname);
  if (function->args_unspecified) return name;
  std::string types;
  for (int n = 0; n < list_length(function->objargs); ++n) {
    const auto *type = static_cast<const TypeName *>(list_nth(function->objargs, n));
    if (n > 0) types += ", ";
    types += type == nullptr ? "none" : NameOf(type);
  }
  return name + "(" + types + ")";
}

}  // namespace

std::string QuotedName(const char *name) {
  if (name == nullptr) return {};
  if (IsPlain(name)) return name;
  std::string quoted = "\"";
  for (const char *at = name; *at != '\0'; ++at) {
    if (*at == '"') quoted += '"';
    quoted += *at;
  }
  return quoted + "\"";
}

std::string NameOf(const RangeVar *relation) {
  if (relation == nullptr) return {};
  std::string name;
  if (relation->catalogname != nullptr) name += QuotedName(relation->catalogname) + ".";
  if (relation->schemaname != nullptr) name += QuotedName(relation->schemaname) + ".";
  return name + QuotedName(relation->relname);
}

std::string NameOf(const List *names) {
  return Joined(names, list_length(names));
}

std::string NameOf(const TypeName *type) {
  if (type == nullptr) return {};
  std::string name = type->setof ? "setof " : "";
  name += NameOf(type->names);
  for (int n = 0; n < list_length(type->arrayBounds); ++n)
    name += "[]";
  return name;
}

std::string OwnerOf(const List *names) {
  return Joined(names, list_length(names) - 1);
}

std::string NameOfObject(const Node *object) {
  if (object == nullptr) return {};
  switch (nodeTag(object)) {
    case T_String:
      return QuotedName(strVal(object));
    case T_List: {
      const auto *names = reinterpret_cast<const List *>(object);
      // A cast is two types, an operator class a method and a name.
      const Node *first = names == NIL ? nullptr : static_cast<const Node *>(linitial(names));
      if (first == nullptr || IsA(first, String)) return NameOf(names);
      return NameOfObject(first);
    }
    case T_TypeName:
      return NameOf(reinterpret_cast<const TypeName *>(object));
    case T_RangeVar:
      return NameOf(reinterpret_cast<const RangeVar *>(object));
    case T_ObjectWithArgs:
      return NameOfFunction(reinterpret_cast<const ObjectWithArgs *>(object));
    default:
      return {};
  }
}

const char *ObjectTypeName(ObjectType type) {
  switch (type) {
    case OBJECT_AGGREGATE:
      return "aggregate";
    case OBJECT_ATTRIBUTE:
    case OBJECT_COLUMN:
      return "column";
    case OBJECT_CAST:
      return "cast";
    case OBJECT_COLLATION:
      return "collation";
    case OBJECT_DOMAIN:
      return "domain";
    case OBJECT_DOMCONSTRAINT:
    case OBJECT_TABCONSTRAINT:
      return "constraint";
    case OBJECT_EVENT_TRIGGER:
      return "event trigger";
    case OBJECT_EXTENSION:
      return "extension";
    case OBJECT_FDW:
      return "foreign-data wrapper";
    case OBJECT_FOREIGN_SERVER:
      return "server";
    case OBJECT_FOREIGN_TABLE:
      return "foreign table";
    case OBJECT_FUNCTION:
      return "function";
    case OBJECT_INDEX:
      return "index";
    case OBJECT_MATVIEW:
      return "materialized view";
    case OBJECT_OPERATOR:
      return "operator";
    case OBJECT_POLICY:
      return "policy";
    case OBJECT_PROCEDURE:
      return "procedure";
    case OBJECT_PUBLICATION:
      return "publication";
    case OBJECT_ROLE:
      return "role";
    case OBJECT_ROUTINE:
      return "routine";
    case OBJECT_RULE:
      return "rule";
    case OBJECT_SCHEMA:
      return "schema";
    case OBJECT_SEQUENCE:
      return "sequence";
    case OBJECT_STATISTIC_EXT:
      return "statistics";
    case OBJECT_TABLE:
      return "table";
    case OBJECT_TRIGGER:
      return "trigger";
    case OBJECT_TYPE:
      return "type";
    case OBJECT_VIEW:
      return "view";
    default:
      return "object";
  }
}

}  // namespace agent_branch
