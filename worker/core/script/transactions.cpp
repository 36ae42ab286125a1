#include "worker/core/script/transactions.hpp"

#include <optional>

#include "worker/core/script/script_text.hpp"

namespace agent_branch {
namespace {

struct Misplaced {
  size_t statement;
  Status why;
};

std::optional<size_t> FirstBoundary(const Script &script) {
  for (size_t n = 0; n < script.statements.size(); ++n) {
    if (script.statements[n].boundary != Boundary::kNone) return n;
  }
  return std::nullopt;
}

std::optional<size_t> LastBoundary(const Script &script) {
  for (size_t n = script.statements.size(); n > 0; --n) {
    if (script.statements[n - 1].boundary != Boundary::kNone) return n - 1;
  }
  return std::nullopt;
}

std::optional<Misplaced> FindUnpaired(const Script &script) {
  const auto first = FirstBoundary(script);
  if (!first) return std::nullopt;
  // A text that begins with COMMIT steps out of what a tool opened, and ends with BEGIN.
  const bool steps_out = script.statements[*first].boundary == Boundary::kCommit;
  bool open = steps_out;
  for (size_t n = *first; n < script.statements.size(); ++n) {
    const ScriptStatement &statement = script.statements[n];
    if (statement.boundary == Boundary::kNone) continue;
    if (open == (statement.boundary == Boundary::kBegin))
      return Misplaced{n, RefuseTransactionControl(statement.line)};
    open = !open;
  }
  if (open == steps_out) return std::nullopt;
  const size_t last = *LastBoundary(script);
  return Misplaced{last, RefuseTransactionControl(script.statements[last].line)};
}

Status RefuseInBlock(const ScriptStatement &statement) {
  return Status::Error(
      "25001", statement.alone_reason,
      "It is in line " + std::to_string(statement.line) + ", between a BEGIN and its COMMIT.",
      "Put it in front of the BEGIN, or behind the COMMIT.");
}

// Of these only some fail in a transaction, and the branch's server knows which.
bool MayStandInBlock(const ScriptStatement &statement) {
  const bool whole = statement.non_transactional == NonTransactional::kRepeatable &&
                     statement.alone_relation.empty();
  return statement.non_transactional == NonTransactional::kOnce ||
         (!whole && (statement.tag == "CLUSTER" || statement.tag == "REINDEX") &&
          statement.non_transactional != NonTransactional::kReindex);
}

std::optional<Misplaced> SettleBlocks(Script *script) {
  bool open = false;
  for (size_t n = 0; n < script->statements.size(); ++n) {
    ScriptStatement &statement = script->statements[n];
    if (statement.boundary != Boundary::kNone) {
      open = statement.boundary == Boundary::kBegin;
    } else if (open) {
      statement.commit_after = false;
      if (statement.non_transactional == NonTransactional::kNo) continue;
      if (!MayStandInBlock(statement)) return Misplaced{n, RefuseInBlock(statement)};
      statement.non_transactional = NonTransactional::kNo;
    }
  }
  return std::nullopt;
}

}  // namespace

void PairTransactions(Script *script) {
  auto misplaced = FindUnpaired(*script);
  if (!misplaced) misplaced = SettleBlocks(script);
  if (!misplaced) return;
  if (!script->refusal.ok() && script->refused <= misplaced->statement + 1) return;
  script->refusal = std::move(misplaced->why);
  script->refused = misplaced->statement + 1;
}

std::string TransactionSetting(std::string_view begin) {
  size_t at = TokenEnd(begin, 0);
  const size_t second = SkipBlanks(begin, at);
  if (second < begin.size()) {
    const size_t end = TokenEnd(begin, second);
    // WORK or TRANSACTION, which no mode begins like.
    const char letter = static_cast<char>(begin[second] | 0x20);
    const size_t length = end - second;
    if ((letter == 'w' && length == 4) || (letter == 't' && length == 11)) at = end;
  }
  const size_t modes = SkipBlanks(begin, at);
  if (modes >= begin.size()) return {};
  return "SET TRANSACTION " + std::string(begin.substr(modes));
}

}  // namespace agent_branch
