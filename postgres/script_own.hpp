// What a migration itself has made, renamed or looks for elsewhere, statement by statement: it
// decides which of the risks that the statements name are any.
//
// What the text made is its own: to change or drop it is no risk, and neither is to drop what the
// text makes anew under the same name, where nothing is stored in it. What it has moved is not
// found under its name beforehand, which then does not count as "not there".
#pragma once

#include <map>
#include <set>
#include <string>

#include "worker/core/script/script.hpp"

#include "postgres/server.hpp"

namespace agent_branch {

class OwnObjects {
 public:
  // Takes the statements in their order; changes the risks of this one.
  void Settle(const Node *statement, size_t number, ScriptStatement *described);
  // Once all are known.
  void Finish(Script *script) const;

 private:
  bool IsOwn(const StatementRisk &risk) const;
  bool IsMoved(const StatementRisk &risk) const;
  void Note(const Node *statement, size_t number);
  void NoteCreated(const Node *statement, size_t number);
  void NoteTable(const RangeVar *relation, bool may_exist);
  void NoteOther(const std::string &key, bool may_exist, size_t number);
  void NoteView(const RangeVar *view, bool may_exist, size_t number);
  void NoteAltered(const AlterTableStmt *alter, size_t number);
  void NoteDropped(const DropStmt *drop);
  void NoteRenamed(const RenameStmt *rename);
  void NoteRenamedType(const std::string &from, const std::string &to);
  bool IsReplacedType(const StatementRisk &risk) const;
  void NoteMoved(const AlterObjectSchemaStmt *move);
  void NotePath();
  void NoteRows(const Node *statement);
  void NoteUpdate(const UpdateStmt *update);
  bool FillsOwnColumns(const UpdateStmt *update) const;

  std::set<std::string> tables_;        // the text's own, as it names them
  std::set<std::string> schemas_;       // its own
  std::set<std::string> columns_;       // its own, as table.column
  std::set<std::string> others_;        // its own: keys of what is neither
  std::set<std::string> views_;         // its own: rows behind them are not
  std::map<std::string, size_t> made_;  // keys, and the last statement that makes each
  std::map<std::string, std::string> renamed_types_;  // the key now, and that of before
  std::set<std::string> moved_names_;  // last parts of names that mean something else now
  std::set<std::string> moved_schemas_;
  bool path_moved_ = false;
  std::set<std::string> filled_;   // relations whose rows the text changes as it should
  std::set<std::string> unclear_;  // those that it changes in another way, too
  bool opaque_ = false;            // something in the text changes rows that it does not name
};

// As both files of OwnObjects note a column.
std::string ColumnKey(const RangeVar *table, const char *column);

}  // namespace agent_branch
