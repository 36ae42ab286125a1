// CREATE TABLE and ALTER TABLE; see effects.hpp.
#include <algorithm>

#include "postgres/effect_parts.hpp"

namespace agent_branch {
namespace {

std::string Joined(const List *names) {
  std::string joined;
  for (int n = 0; n < list_length(names); ++n) {
    const auto *name = static_cast<const Node *>(list_nth(names, n));
    if (!joined.empty()) joined += '\n';
    if (IsA(name, String)) joined += std::string("n") + strVal(name);
  }
  return joined;
}

// int, int4 and integer are one name in the tree; lengths stand in the text.
std::string TypeText(const TypeName *type) {
  if (type == nullptr) return {};
  std::string text = "n" + PlainName(type->names);
  for (int n = 0; n < list_length(type->typmods); ++n) {
    const auto *length = static_cast<const Node *>(list_nth(type->typmods, n));
    if (IsA(length, ColumnRef)) {
      text += "\n" + Joined(reinterpret_cast<const ColumnRef *>(length)->fields);
    }
    if (!IsA(length, A_Const)) continue;
    const auto *constant = reinterpret_cast<const A_Const *>(length);
    if (constant->isnull || !IsA(&constant->val, Integer)) continue;
    text += "\ns" + std::to_string(intVal(&constant->val));
  }
  for (int n = 0; n < list_length(type->arrayBounds); ++n)
    text += "\no[\no]";
  return text;
}

// ON DELETE and the like: their letters in the tree.
std::string KeyText(const Constraint *key, const std::string &columns) {
  std::string text = columns + "\no->\nn" + PlainName(key->pktable) + "\no(\n" +
                     Joined(key->pk_attrs) + "\no)" + Joined(key->fk_del_set_cols);
  text += std::string("\nn") + key->fk_matchtype + key->fk_del_action + key->fk_upd_action;
  for (const auto &[set, word] : {std::pair(key->deferrable, "deferrable"),
                                  std::pair(key->initdeferred, "initially deferred"),
                                  std::pair(key->skip_validation, "not valid")}) {
    if (set) text += std::string("\nn") + word;
  }
  return text;
}

class TableReader {
 public:
  TableReader(std::string table, const StatementText &statement, Effects *effects)
      : table_(std::move(table)), statement_(statement), effects_(effects) {}

  void Element(const Node *element, const Tokens &piece) {
    if (IsA(element, ColumnDef)) {
      Column(reinterpret_cast<const ColumnDef *>(element), piece);
    } else if (IsA(element, Constraint)) {
      OfTable(reinterpret_cast<const Constraint *>(element), piece);
    } else {
      Add("like", table_, NormalizedText(piece));
    }
  }

  void Command(const AlterTableCmd *command, const Tokens &piece) {
    const std::string column = Within(table_, command->name);
    const bool cascades = command->behavior == DROP_CASCADE;
    switch (command->subtype) {
      case AT_AddColumn:
        return Column(reinterpret_cast<const ColumnDef *>(command->def), piece);
      case AT_AddConstraint:
        return OfTable(reinterpret_cast<const Constraint *>(command->def), piece);
      case AT_ColumnDefault:
        if (command->def == nullptr) return Add("drop default", column, "");
        return Add("default", column, After(piece, "set", "default"));
      case AT_SetNotNull:
        return Add("not null", column, "");
      case AT_DropNotNull:
        return Add("drop not null", column, "");
      case AT_DropColumn:
        return Add("drop column", column, cascades ? "ncascade" : "");
      case AT_DropConstraint:
        return Add("drop constraint", column, cascades ? "ncascade" : "");
      case AT_AlterColumnType:
        return ColumnType(reinterpret_cast<const ColumnDef *>(command->def), column, piece);
      default:
        return Add("alter table", table_, NormalizedText(piece));
    }
  }

  void Add(std::string kind, std::string object, std::string detail) {
    effects_->push_back({std::move(kind), std::move(object), std::move(detail)});
  }

 private:
  void ColumnType(const ColumnDef *definition, const std::string &column, const Tokens &piece) {
    std::string type = TypeText(definition->typeName);
    if (definition->collClause != nullptr) {
      type += "\nncollate\nn" + PlainName(definition->collClause->collname);
    }
    Add("column type", column, type);
    for (size_t at = 0; at < piece.size(); ++at) {
      if (!IsToken(piece, at, "using")) continue;
      return Add("using", column, Rest(piece, at + 1));
    }
  }

  void Column(const ColumnDef *definition, const Tokens &piece) {
    const std::string column = Within(table_, definition->colname);
    std::string type = TypeText(definition->typeName);
    if (definition->collClause != nullptr) {
      type += "\nncollate\nn" + PlainName(definition->collClause->collname);
    }
    Add("column", column, type);
    std::vector<size_t> places;
    for (int n = 0; n < list_length(definition->constraints); ++n) {
      const auto *constraint =
          static_cast<const Constraint *>(list_nth(definition->constraints, n));
      if (constraint->location >= 0) places.push_back(static_cast<size_t>(constraint->location));
    }
    std::sort(places.begin(), places.end());
    for (int n = 0; n < list_length(definition->constraints); ++n) {
      const auto *constraint =
          static_cast<const Constraint *>(list_nth(definition->constraints, n));
      OfColumn(constraint, definition->colname, PieceAt(piece, constraint->location, places));
    }
  }

  void OfColumn(const Constraint *constraint, const char *name, const Tokens &piece) {
    const std::string column = Within(table_, name);
    switch (constraint->contype) {
      case CONSTR_NULL:
        return;
      case CONSTR_NOTNULL:
        return Add("not null", column, "");
      case CONSTR_DEFAULT:
        return Add("default", column, After(piece, "", "default"));
      case CONSTR_PRIMARY:
        return Add("primary key", table_, std::string("n") + name);
      case CONSTR_UNIQUE:
        return Add("unique", table_, std::string("n") + name);
      case CONSTR_FOREIGN:
        return Add("foreign key", table_, KeyText(constraint, std::string("n") + name));
      case CONSTR_CHECK:
        return Add("check", table_, Unnamed(piece));
      default:  // identity, generated, deferrable and so on: as the text has it
        return Add("column option", column, Unnamed(piece));
    }
  }

  void OfTable(const Constraint *constraint, const Tokens &piece) {
    const bool plain =
        constraint->indexname == nullptr && constraint->including == NIL && !constraint->deferrable;
    switch (constraint->contype) {
      case CONSTR_PRIMARY:
        if (plain) return Add("primary key", table_, Joined(constraint->keys));
        break;
      case CONSTR_UNIQUE:
        if (plain && !constraint->nulls_not_distinct)
          return Add("unique", table_, Joined(constraint->keys));
        break;
      case CONSTR_FOREIGN:
        return Add("foreign key", table_, KeyText(constraint, Joined(constraint->fk_attrs)));
      case CONSTR_CHECK:
        return Add("check", table_, Unnamed(piece));
      default:
        break;
    }
    Add("table constraint", table_, Unnamed(piece));
  }

  // The tokens from a constraint's place to that of the next one, which both ascend: a column may
  // have a hundred thousand constraints.
  Tokens PieceAt(const Tokens &piece, int location, const std::vector<size_t> &places) const {
    if (location < 0) return piece;
    const auto begin = static_cast<size_t>(location);
    const auto next = std::upper_bound(places.begin(), places.end(), begin);
    const auto from = [&](size_t place) {
      return std::lower_bound(piece.begin(), piece.end(), place,
                              [&](const SqlToken &token, size_t wanted) {
                                return token.offset + statement_.base < wanted;
                              });
    };
    return {from(begin), next == places.end() ? piece.end() : from(*next)};
  }

  static std::string Rest(const Tokens &piece, size_t from) {
    return NormalizedText(Tokens(piece.begin() + static_cast<std::ptrdiff_t>(from), piece.end()));
  }

  // What follows the word, or the two.
  static std::string After(const Tokens &piece, std::string_view first, std::string_view word) {
    for (size_t at = 0; at < piece.size(); ++at) {
      const bool led = first.empty() || (at > 0 && IsToken(piece, at - 1, first));
      if (led && IsToken(piece, at, word)) return Rest(piece, at + 1);
    }
    return NormalizedText(piece);
  }

  // A constraint's name is not what it does.
  static std::string Unnamed(const Tokens &piece) {
    size_t at = IsToken(piece, 0, "add") ? 1 : 0;
    if (IsToken(piece, at, "constraint")) at += 2;
    return Rest(piece, std::min(at, piece.size()));
  }

  std::string table_;
  const StatementText &statement_;
  Effects *effects_;
};

// Where the brackets that hold the elements open, and where they close.
std::pair<size_t, size_t> Brackets(const Tokens &tokens) {
  size_t open = 0;
  while (open < tokens.size() && !IsToken(tokens, open, "("))
    ++open;
  int depth = 0;
  for (size_t at = open; at < tokens.size(); ++at) {
    if (IsToken(tokens, at, "(")) ++depth;
    if (IsToken(tokens, at, ")") && --depth == 0) return {open, at};
  }
  return {tokens.size(), tokens.size()};
}

Tokens Part(const Tokens &tokens, size_t begin, size_t end) {
  return {tokens.begin() + static_cast<std::ptrdiff_t>(begin),
          tokens.begin() + static_cast<std::ptrdiff_t>(end)};
}

}  // namespace

void AddTableEffects(const CreateStmt *create, const StatementText &statement, Effects *effects) {
  const std::string table = PlainName(create->relation);
  TableReader reader(table, statement, effects);
  const auto [open, close] = Brackets(statement.tokens);
  const bool simple = create->ofTypename == nullptr && create->partbound == nullptr &&
                      close < statement.tokens.size() && create->tableElts != NIL;
  std::vector<Tokens> pieces;
  if (simple) pieces = SplitAtCommas(Part(statement.tokens, open + 1, close));
  if (!simple || pieces.size() != static_cast<size_t>(list_length(create->tableElts)))
    return reader.Add("create table", table, statement.All());
  // What stands before the name (TEMPORARY) and behind the brackets (PARTITION BY).
  std::string around(1, create->relation->relpersistence);
  if (close + 1 < statement.tokens.size()) {
    around += "\n" + NormalizedText(Part(statement.tokens, close + 1, statement.tokens.size()));
  }
  reader.Add("create table", table, "n" + around);
  for (size_t at = 0; at < pieces.size(); ++at)
    reader.Element(static_cast<const Node *>(list_nth(create->tableElts, static_cast<int>(at))),
                   pieces[at]);
}

void AddTableEffects(const AlterTableStmt *alter, const StatementText &statement,
                     Effects *effects) {
  const std::string table = PlainName(alter->relation);
  TableReader reader(table, statement, effects);
  const std::vector<Tokens> pieces = SplitAtCommas(statement.tokens);
  const bool known = alter->objtype == OBJECT_TABLE &&
                     pieces.size() == static_cast<size_t>(list_length(alter->cmds));
  if (!known) return reader.Add("alter", table, statement.All());
  // The first piece has ALTER TABLE and the name in front.
  Tokens first = pieces[0];
  const auto begin = static_cast<size_t>(std::max(alter->relation->location, 0));
  size_t skip = 0;
  while (skip < first.size() && first[skip].offset + statement.base <= begin)
    ++skip;
  while (IsToken(first, skip, ".") || IsToken(first, skip, "*") || IsToken(first, skip, ")"))
    skip += IsToken(first, skip, ".") ? 2 : 1;
  first.erase(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(skip));
  for (size_t at = 0; at < pieces.size(); ++at)
    reader.Command(static_cast<const AlterTableCmd *>(list_nth(alter->cmds, static_cast<int>(at))),
                   at == 0 ? first : pieces[at]);
}

}  // namespace agent_branch
