#include "postgres/effects.hpp"

#include <algorithm>

#include "postgres/effect_parts.hpp"
#include "postgres/tree_names.hpp"

namespace agent_branch {
namespace {

// A function's body is a string to the parser; as a text of its own it can be compared.
Tokens WithBodies(const StatementText &statement) {
  Tokens tokens;
  for (const SqlToken &token : statement.tokens) {
    const bool dollar =
        token.kind == TokenKind::kString && token.length > 0 && statement.text[token.offset] == '$';
    if (!dollar) {
      tokens.push_back(token);
      continue;
    }
    tokens.push_back({TokenKind::kOperator, "$$", token.offset, 0});
    for (const SqlToken &inner : Tokenize(token.text))
      tokens.push_back(inner);
    tokens.push_back({TokenKind::kOperator, "$$", token.offset, 0});
  }
  return tokens;
}

std::string Lower(const char *text) {
  std::string lower(text == nullptr ? "" : text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
  });
  return lower;
}

class StatementEffects {
 public:
  StatementEffects(const StatementText &statement, Effects *effects)
      : statement_(statement), effects_(effects) {}

  void Read(const Node *node) {
    switch (nodeTag(node)) {
      case T_CreateStmt:
        return AddTableEffects(reinterpret_cast<const CreateStmt *>(node), statement_, effects_);
      case T_AlterTableStmt:
        return AddTableEffects(reinterpret_cast<const AlterTableStmt *>(node), statement_,
                               effects_);
      case T_DropStmt:
        return Drop(reinterpret_cast<const DropStmt *>(node));
      case T_TruncateStmt:
        return Truncate(reinterpret_cast<const TruncateStmt *>(node));
      case T_RenameStmt:
        return Rename(reinterpret_cast<const RenameStmt *>(node));
      case T_InsertStmt:
        return Whole("rows insert", Of(reinterpret_cast<const InsertStmt *>(node)->relation));
      case T_UpdateStmt:
        return Whole("rows update", Of(reinterpret_cast<const UpdateStmt *>(node)->relation));
      case T_DeleteStmt:
        return Whole("rows delete", Of(reinterpret_cast<const DeleteStmt *>(node)->relation));
      case T_MergeStmt:
        return Whole("rows merge", Of(reinterpret_cast<const MergeStmt *>(node)->relation));
      case T_SelectStmt:
        return Whole("select", "");
      default:
        return Make(node);
    }
  }

 private:
  static std::string Of(const RangeVar *relation) { return PlainName(relation); }

  void Add(std::string kind, std::string object, std::string detail) {
    effects_->push_back({std::move(kind), std::move(object), std::move(detail)});
  }

  void Whole(const char *kind, std::string object) {
    Add(kind, std::move(object), statement_.All());
  }

  void Make(const Node *node) {
    switch (nodeTag(node)) {
      case T_IndexStmt:
        return Whole("index", Of(reinterpret_cast<const IndexStmt *>(node)->relation));
      case T_ViewStmt:
        return Whole("create view", Of(reinterpret_cast<const ViewStmt *>(node)->view));
      case T_CreateTableAsStmt:
        return TableAs(reinterpret_cast<const CreateTableAsStmt *>(node));
      case T_CreateFunctionStmt:
        return Add("create function",
                   PlainName(reinterpret_cast<const CreateFunctionStmt *>(node)->funcname),
                   NormalizedText(WithBodies(statement_)));
      case T_CreateTrigStmt: {
        const auto *trigger = reinterpret_cast<const CreateTrigStmt *>(node);
        return Whole("create trigger", Within(Of(trigger->relation), trigger->trigname));
      }
      case T_CreatePolicyStmt: {
        const auto *policy = reinterpret_cast<const CreatePolicyStmt *>(node);
        return Whole("create policy", Within(Of(policy->table), policy->policy_name));
      }
      case T_RuleStmt: {
        const auto *rule = reinterpret_cast<const RuleStmt *>(node);
        return Whole("create rule", Within(Of(rule->relation), rule->rulename));
      }
      case T_CreateSeqStmt:
        return Whole("create sequence",
                     Of(reinterpret_cast<const CreateSeqStmt *>(node)->sequence));
      case T_CreateEnumStmt:
        return Whole("create type",
                     PlainName(reinterpret_cast<const CreateEnumStmt *>(node)->typeName));
      case T_AlterEnumStmt:
        return Whole("enum value",
                     PlainName(reinterpret_cast<const AlterEnumStmt *>(node)->typeName));
      case T_CreateDomainStmt:
        return Whole("create domain",
                     PlainName(reinterpret_cast<const CreateDomainStmt *>(node)->domainname));
      case T_CreateSchemaStmt:
        return Whole("create schema",
                     PlainName(reinterpret_cast<const CreateSchemaStmt *>(node)->schemaname));
      case T_CreateExtensionStmt:
        return Whole("create extension",
                     PlainName(reinterpret_cast<const CreateExtensionStmt *>(node)->extname));
      default:
        return Add("other", "", NormalizedText(WithBodies(statement_)));
    }
  }

  void TableAs(const CreateTableAsStmt *create) {
    Whole(create->objtype == OBJECT_MATVIEW ? "create materialized view" : "create table",
          Of(create->into->rel));
  }

  void Drop(const DropStmt *drop) {
    const std::string kind = std::string("drop ") + Lower(ObjectTypeName(drop->removeType));
    for (int n = 0; n < list_length(drop->objects); ++n) {
      const auto *object = static_cast<const Node *>(list_nth(drop->objects, n));
      std::string name;
      if (IsA(object, List)) {
        name = PlainName(reinterpret_cast<const List *>(object));
      } else if (IsA(object, String)) {
        name = PlainName(strVal(object));
      } else if (IsA(object, TypeName)) {
        name = PlainName(reinterpret_cast<const TypeName *>(object)->names);
      } else {
        name = NameOfObject(object);
      }
      Add(kind, name, drop->behavior == DROP_CASCADE ? "ncascade" : "");
    }
  }

  void Truncate(const TruncateStmt *truncate) {
    for (int n = 0; n < list_length(truncate->relations); ++n) {
      const auto *relation = static_cast<const RangeVar *>(list_nth(truncate->relations, n));
      std::string detail = truncate->behavior == DROP_CASCADE ? "ncascade" : "";
      if (truncate->restart_seqs) detail += "\nnrestart";
      Add("truncate", Of(relation), detail);
    }
  }

  void Rename(const RenameStmt *rename) {
    std::string object =
        rename->relation != nullptr ? Of(rename->relation) : NameOfObject(rename->object);
    if (rename->subname != nullptr) object = Within(object, rename->subname);
    Add("rename", object, statement_.All());
  }

  const StatementText &statement_;
  Effects *effects_;
};

}  // namespace

std::string PlainName(const char *name) {
  std::string plain(name == nullptr ? "" : name);
  for (size_t at = plain.find('.'); at != std::string::npos; at = plain.find('.', at + 3))
    plain.replace(at, 1, "%2e");
  return plain;
}

std::string PlainName(const RangeVar *relation) {
  if (relation == nullptr) return {};
  std::string name;
  const bool is_public =
      relation->schemaname != nullptr && strcmp(relation->schemaname, "public") == 0;
  if (relation->catalogname != nullptr) name += PlainName(relation->catalogname) + ".";
  if (relation->schemaname != nullptr && !is_public) name += PlainName(relation->schemaname) + ".";
  return name + PlainName(relation->relname);
}

std::string PlainName(const List *names) {
  std::string plain;
  for (int n = 0; n < list_length(names); ++n) {
    const auto *name = static_cast<const Node *>(list_nth(names, n));
    if (!IsA(name, String)) continue;
    const bool is_public = n == 0 && list_length(names) > 1 && strcmp(strVal(name), "public") == 0;
    if (is_public) continue;
    if (!plain.empty()) plain += '.';
    plain += PlainName(strVal(name));
  }
  return plain;
}

bool IsToken(const Tokens &tokens, size_t at, std::string_view text) {
  return at < tokens.size() && tokens[at].text == text &&
         (tokens[at].kind == TokenKind::kWord || tokens[at].kind == TokenKind::kOperator);
}

std::vector<Tokens> SplitAtCommas(const Tokens &tokens) {
  std::vector<Tokens> pieces(1);
  int depth = 0;
  for (size_t at = 0; at < tokens.size(); ++at) {
    if (IsToken(tokens, at, "(") || IsToken(tokens, at, "[")) ++depth;
    if (IsToken(tokens, at, ")") || IsToken(tokens, at, "]")) --depth;
    if (depth == 0 && IsToken(tokens, at, ",")) {
      pieces.emplace_back();
    } else {
      pieces.back().push_back(tokens[at]);
    }
  }
  return pieces;
}

std::vector<Effect> FindEffects(const Node *statement, std::string_view text, size_t base) {
  Effects effects;
  if (statement == nullptr) return effects;
  StatementText read{Tokenize(text), text, base};
  StatementEffects(read, &effects).Read(statement);
  return effects;
}

}  // namespace agent_branch
