// A ScriptReader for a language of tests: statements are separated by "; ", and their first word
// says what they are. It stands in a header alone, so that the simulation can have it, too.
//
//   COMMIT            is refused
//   INDEX name table  runs alone, and is proven by its index
//   VACUUM            runs alone, and may be repeated
//   REINDEX table     the same, and may leave an index behind
//   VALUE             has to be committed before what comes after it
//   SET               is a setting of the session
//   DROP name         is a risk
//
// Anything else shares a transaction.
#pragma once

#include <sstream>
#include <string>

#include "worker/core/script/script.hpp"

namespace agent_branch {

class FakeScripts : public ScriptReader {
 public:
  Script Read(const std::string &sql) override {
    Script script;
    script.parsed = true;
    script.length = sql.size();
    for (size_t begin = 0; begin < sql.size();) {
      const size_t end = reads_whole ? sql.size() : std::min(sql.find("; ", begin), sql.size());
      Add(&script, sql.substr(begin, end - begin), begin);
      begin = end + 2;
    }
    return script;
  }

  bool reads_whole = false;  // any text as one statement: as a reader that cannot read it

 private:
  static void Add(Script *script, const std::string &text, size_t offset) {
    ScriptStatement statement;
    statement.offset = offset;
    statement.length = text.size();
    statement.column = static_cast<int>(offset) + 1;
    std::istringstream words(text);
    std::string name;
    words >> statement.tag >> name;
    if (statement.tag == "COMMIT" && script->refused == 0) {
      script->refused = script->statements.size() + 1;
      script->refusal =
          Status::Error("2D000", "COMMIT is not allowed in a migration", {}, "Leave it out.");
    } else if (statement.tag == "INDEX") {
      statement.non_transactional = NonTransactional::kCreateIndex;
      statement.alone_object = name;
      words >> statement.alone_relation;
    } else if (statement.tag == "REINDEX") {
      statement.non_transactional = NonTransactional::kReindex;
      statement.alone_relation = name;
    } else if (statement.tag == "VACUUM") {
      statement.non_transactional = NonTransactional::kRepeatable;
    } else if (statement.tag == "DROP") {
      StatementRisk risk;
      risk.object_type = "table";
      risk.object = risk.relation = name;
      risk.why = "it goes";
      statement.risks.push_back(risk);
    }
    if (statement.non_transactional != NonTransactional::kNo)
      statement.alone_reason = statement.tag + " runs alone";
    statement.commit_after = statement.tag == "VALUE";
    if (statement.tag == "SET") statement.setting = text;
    script->statements.push_back(std::move(statement));
  }
};

}  // namespace agent_branch
