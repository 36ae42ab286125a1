#include "postgres/script_own.hpp"

#include <algorithm>
#include <cstring>

#include "postgres/script_parts.hpp"
#include "postgres/tree_names.hpp"

namespace agent_branch {
namespace {

// Where the last part of a name begins.
size_t LastPartAt(const std::string &name) {
  bool quoted = false;
  size_t begin = 0;
  for (size_t at = 0; at < name.size(); ++at) {
    if (name[at] == '"') quoted = !quoted;
    if (name[at] == '.' && !quoted) begin = at + 1;
  }
  return begin;
}

std::string LastPart(const std::string &name) {
  return name.substr(LastPartAt(name));
}

// Without the last part and its dot.
std::string SchemaPart(const std::string &name) {
  const size_t at = LastPartAt(name);
  return at == 0 ? std::string() : name.substr(0, at - 1);
}

std::string FunctionKey(const std::string &name) {
  return "function " + name;
}
std::string TypeKey(const std::string &name) {
  return "type " + name;
}
std::string RelationKey(const std::string &name) {
  return "relation " + name;
}
std::string PartKey(const char *type, const std::string &relation, const char *name) {
  return std::string(type) + " " + relation + "." + QuotedName(name);
}

bool IsAmong(const std::string &word, std::initializer_list<const char *> words) {
  return std::any_of(words.begin(), words.end(), [&](const char *one) { return word == one; });
}

// The key of what is dropped, if it is of a kind in which nothing is stored; "" for others.
std::string KeyOf(const StatementRisk &risk) {
  const std::string &type = risk.object_type;
  if (IsAmong(type, {"trigger", "policy", "rule", "constraint"}))
    return type + " " + risk.relation + "." + risk.lookup;
  if (IsAmong(type, {"function", "procedure", "routine", "aggregate"}))
    return FunctionKey(risk.lookup);
  if (IsAmong(type, {"type", "domain"})) return TypeKey(risk.lookup);
  if (IsAmong(type, {"view", "materialized view", "index"})) return RelationKey(risk.object);
  return {};
}

bool IsOfRows(const StatementRisk &risk) {
  return risk.kind == RiskKind::kUnfiltered || risk.kind == RiskKind::kTruncate;
}

bool MaySetPath(const Node *statement) {
  if (IsA(statement, VariableSetStmt)) {
    const char *name = reinterpret_cast<const VariableSetStmt *>(statement)->name;
    return name != nullptr && strcmp(name, "search_path") == 0;
  }
  if (IsA(statement, SelectStmt))
    return CallsFunction(reinterpret_cast<const SelectStmt *>(statement), "set_config");
  if (!IsA(statement, DoStmt)) return false;
  const char *body = BodyOf(reinterpret_cast<const DoStmt *>(statement)->args);
  return body != nullptr && strstr(body, "search_path") != nullptr;
}

}  // namespace

bool OwnObjects::IsOwn(const StatementRisk &risk) const {
  if (!risk.relation.empty() && tables_.count(risk.relation) > 0) return true;
  if (schemas_.count(SchemaPart(risk.relation)) > 0 && !IsOfRows(risk)) return true;
  if (risk.object_type == "column" && columns_.count(risk.object) > 0)
    return risk.kind == RiskKind::kDrop || risk.kind == RiskKind::kRename;
  const std::string key = KeyOf(risk);
  if (!key.empty() && others_.count(key) > 0) return true;
  return risk.object_type == "schema" && schemas_.count(risk.object) > 0;
}

bool OwnObjects::IsMoved(const StatementRisk &risk) const {
  const std::string &name = risk.relation.empty() ? risk.lookup : risk.relation;
  if (name.empty()) return false;
  const std::string schema = SchemaPart(name);
  if (IsOfRows(risk) && views_.count(name) > 0) return true;
  if (moved_names_.count(LastPart(name)) > 0 || moved_schemas_.count(schema) > 0) return true;
  return risk.object_type == "schema" ? moved_schemas_.count(name) > 0
                                      : path_moved_ && schema.empty();
}

void OwnObjects::Settle(const Node *statement, size_t number, ScriptStatement *described) {
  std::vector<StatementRisk> &risks = described->risks;
  const bool fills = IsA(statement, UpdateStmt) &&
                     FillsOwnColumns(reinterpret_cast<const UpdateStmt *>(statement));
  const auto harmless = [&](const StatementRisk &risk) {
    return IsOwn(risk) || (fills && risk.kind == RiskKind::kUnfiltered);
  };
  risks.erase(std::remove_if(risks.begin(), risks.end(), harmless), risks.end());
  for (StatementRisk &risk : risks)
    risk.moved = risk.moved || IsMoved(risk);
  NoteRows(statement);
  Note(statement, number);
}

// An enum loses values by being made anew beside the old one, which goes then: a type that is used
// anywhere cannot be dropped without CASCADE.
bool OwnObjects::IsReplacedType(const StatementRisk &risk) const {
  if (risk.kind == RiskKind::kRename) return made_.count(TypeKey(risk.object)) > 0;
  const auto renamed = renamed_types_.find(TypeKey(risk.lookup));
  return risk.kind == RiskKind::kDrop && !risk.cascades && renamed != renamed_types_.end() &&
         made_.count(renamed->second) > 0;
}

void OwnObjects::Finish(Script *script) const {
  for (size_t n = 0; n < script->statements.size(); ++n) {
    std::vector<StatementRisk> &risks = script->statements[n].risks;
    const auto replaced = [&](const StatementRisk &risk) {
      if (risk.object_type == "type" && IsReplacedType(risk)) return true;
      if (risk.kind != RiskKind::kDrop || risk.cascades) return false;
      const auto made = made_.find(KeyOf(risk));
      return made != made_.end() && made->second >= n && !made->first.empty();
    };
    risks.erase(std::remove_if(risks.begin(), risks.end(), replaced), risks.end());
  }
  if (opaque_ || script->statements.empty()) return;
  for (const std::string &relation : filled_) {
    if (unclear_.count(relation) == 0) script->statements.front().fills.push_back(relation);
  }
}

void OwnObjects::Note(const Node *statement, size_t number) {
  if (MaySetPath(statement)) NotePath();
  switch (nodeTag(statement)) {
    case T_AlterTableStmt:
      return NoteAltered(reinterpret_cast<const AlterTableStmt *>(statement), number);
    case T_DropStmt:
      return NoteDropped(reinterpret_cast<const DropStmt *>(statement));
    case T_RenameStmt:
      return NoteRenamed(reinterpret_cast<const RenameStmt *>(statement));
    case T_AlterObjectSchemaStmt:
      return NoteMoved(reinterpret_cast<const AlterObjectSchemaStmt *>(statement));
    default:
      return NoteCreated(statement, number);
  }
}

void OwnObjects::NoteTable(const RangeVar *relation, bool may_exist) {
  if (relation == nullptr || may_exist) return;
  tables_.insert(NameOf(relation));
  views_.erase(NameOf(relation));
}

void OwnObjects::NoteOther(const std::string &key, bool may_exist, size_t number) {
  made_[key] = number;
  if (!may_exist) others_.insert(key);
}

void OwnObjects::NoteView(const RangeVar *view, bool may_exist, size_t number) {
  views_.insert(NameOf(view));
  NoteOther(RelationKey(NameOf(view)), may_exist, number);
}

void OwnObjects::NoteCreated(const Node *statement, size_t number) {
  switch (nodeTag(statement)) {
    case T_CreateStmt: {
      const auto *create = reinterpret_cast<const CreateStmt *>(statement);
      return NoteTable(create->relation, create->if_not_exists);
    }
    case T_CreateTableAsStmt: {
      const auto *create = reinterpret_cast<const CreateTableAsStmt *>(statement);
      if (create->objtype == OBJECT_MATVIEW)
        NoteOther(RelationKey(NameOf(create->into->rel)), create->if_not_exists, number);
      return NoteTable(create->into->rel, create->if_not_exists);
    }
    case T_CreateForeignTableStmt:
      views_.insert(
          NameOf(reinterpret_cast<const CreateForeignTableStmt *>(statement)->base.relation));
      return;
    case T_ViewStmt: {
      const auto *create = reinterpret_cast<const ViewStmt *>(statement);
      return NoteView(create->view, create->replace, number);
    }
    case T_IndexStmt: {
      const auto *create = reinterpret_cast<const IndexStmt *>(statement);
      if (create->idxname == nullptr) return;
      // It lies in its table's schema, where DROP INDEX may name it.
      const std::string schema = SchemaPart(NameOf(create->relation));
      const std::string index = QuotedName(create->idxname);
      if (!schema.empty())
        NoteOther(RelationKey(schema + "." + index), create->if_not_exists, number);
      return NoteOther(RelationKey(index), create->if_not_exists, number);
    }
    case T_CreateSeqStmt: {
      const auto *create = reinterpret_cast<const CreateSeqStmt *>(statement);
      return NoteTable(create->sequence, create->if_not_exists);
    }
    case T_CreateFunctionStmt: {
      const auto *create = reinterpret_cast<const CreateFunctionStmt *>(statement);
      return NoteOther(FunctionKey(NameOf(create->funcname)), create->replace, number);
    }
    case T_CreateEnumStmt:
      return NoteOther(
          TypeKey(NameOf(reinterpret_cast<const CreateEnumStmt *>(statement)->typeName)), false,
          number);
    case T_CompositeTypeStmt:
      return NoteOther(
          TypeKey(NameOf(reinterpret_cast<const CompositeTypeStmt *>(statement)->typevar)), false,
          number);
    case T_CreateDomainStmt:
      return NoteOther(
          TypeKey(NameOf(reinterpret_cast<const CreateDomainStmt *>(statement)->domainname)), false,
          number);
    case T_CreateTrigStmt: {
      const auto *create = reinterpret_cast<const CreateTrigStmt *>(statement);
      return NoteOther(PartKey("trigger", NameOf(create->relation), create->trigname),
                       create->replace, number);
    }
    case T_CreatePolicyStmt: {
      const auto *create = reinterpret_cast<const CreatePolicyStmt *>(statement);
      return NoteOther(PartKey("policy", NameOf(create->table), create->policy_name), false,
                       number);
    }
    case T_RuleStmt: {
      const auto *create = reinterpret_cast<const RuleStmt *>(statement);
      return NoteOther(PartKey("rule", NameOf(create->relation), create->rulename), create->replace,
                       number);
    }
    case T_CreateSchemaStmt: {
      const auto *create = reinterpret_cast<const CreateSchemaStmt *>(statement);
      if (!create->if_not_exists && create->schemaname != nullptr)
        schemas_.insert(QuotedName(create->schemaname));
      return;
    }
    default:
      return;
  }
}

void OwnObjects::NoteAltered(const AlterTableStmt *alter, size_t number) {
  for (int n = 0; n < list_length(alter->cmds); ++n) {
    const auto *command = static_cast<const AlterTableCmd *>(list_nth(alter->cmds, n));
    if (command->subtype == AT_AddColumn && !command->missing_ok) {
      const auto *column = reinterpret_cast<const ColumnDef *>(command->def);
      columns_.insert(ColumnKey(alter->relation, column->colname));
    } else if (command->subtype == AT_AddConstraint && IsA(command->def, Constraint)) {
      const char *name = reinterpret_cast<const Constraint *>(command->def)->conname;
      if (name != nullptr)
        NoteOther(PartKey("constraint", NameOf(alter->relation), name), false, number);
    } else if (command->subtype == AT_AttachPartition) {
      tables_.erase(NameOf(alter->relation));  // it has another one's rows now
    } else if (command->subtype == AT_AddInherit) {
      tables_.erase(NameOf(reinterpret_cast<const RangeVar *>(command->def)));
    }
  }
}

void OwnObjects::NoteDropped(const DropStmt *drop) {
  for (int n = 0; n < list_length(drop->objects); ++n) {
    const std::string name = NameOfObject(static_cast<const Node *>(list_nth(drop->objects, n)));
    tables_.erase(name);
    views_.erase(name);
    schemas_.erase(name);
    others_.erase(RelationKey(name));
    others_.erase(TypeKey(name));
  }
}

void OwnObjects::NoteRenamed(const RenameStmt *rename) {
  const std::string to = QuotedName(rename->newname);
  if (rename->renameType == OBJECT_SCHEMA) {
    moved_schemas_.insert(to);
    return;
  }
  if (rename->renameType == OBJECT_COLUMN) {
    columns_.erase(ColumnKey(rename->relation, rename->newname));
    return;
  }
  const std::string from =
      rename->relation != nullptr ? NameOf(rename->relation) : NameOfObject(rename->object);
  const std::string schema = SchemaPart(from);
  const std::string renamed = schema.empty() ? to : schema + "." + to;
  if (rename->renameType == OBJECT_TYPE || rename->renameType == OBJECT_DOMAIN)
    NoteRenamedType(TypeKey(from), TypeKey(renamed));
  const bool own = tables_.erase(from) > 0;
  tables_.erase(renamed);
  if (own) {
    tables_.insert(renamed);
  } else {
    moved_names_.insert(to);
  }
}

void OwnObjects::NoteMoved(const AlterObjectSchemaStmt *move) {
  const std::string from =
      move->relation != nullptr ? NameOf(move->relation) : NameOfObject(move->object);
  const std::string to = QuotedName(move->newschema) + "." + LastPart(from);
  const bool own = tables_.erase(from) > 0;
  tables_.erase(to);
  if (own) {
    tables_.insert(to);
  } else {
    moved_names_.insert(LastPart(from));
  }
}

void OwnObjects::NoteRenamedType(const std::string &from, const std::string &to) {
  if (others_.erase(from) == 0) {
    renamed_types_[to] = from;
    return;
  }
  others_.insert(to);
  made_[to] = made_[from];
}

// A bare name may mean another table from here on.
void OwnObjects::NotePath() {
  path_moved_ = true;
  for (std::set<std::string> *names : {&tables_, &columns_, &others_}) {
    for (auto at = names->begin(); at != names->end();)
      at = SchemaPart(*at).empty() || names != &tables_ ? names->erase(at) : std::next(at);
  }
}

std::string ColumnKey(const RangeVar *table, const char *column) {
  return NameOf(table) + "." + QuotedName(column);
}

}  // namespace agent_branch
