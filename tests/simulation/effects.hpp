// The effects of migrations in the simulation: each statement that changes something has one, with
// a number of its own.
//
// A migration's text is statements as FakeScripts reads them: a word, the number of its effect, and
// "fails" or "writes nothing" where it does.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace agent_branch::simulation {

struct EffectPlace {
  int64_t migration = 0;
  int attempt = 0;
  int statement = 0;  // from 1
};

inline int64_t EffectId(const EffectPlace &place) {
  return place.migration * 10'000 + place.attempt * 100 + place.statement;
}

inline EffectPlace PlaceOfEffect(int64_t id) {
  return {id / 10'000, static_cast<int>(id / 100 % 100), static_cast<int>(id % 100)};
}

struct ModelStatement {
  int64_t effect = 0;  // 0: none, as of a VACUUM
  bool fails = false;
};

inline std::vector<ModelStatement> StatementsIn(const std::string &sql) {
  std::vector<ModelStatement> statements;
  for (size_t begin = 0; begin < sql.size();) {
    const size_t end =
        sql.find("; ", begin) == std::string::npos ? sql.size() : sql.find("; ", begin);
    const std::string text = sql.substr(begin, end - begin);
    ModelStatement statement;
    statement.fails = text.find("fails") != std::string::npos;
    bool writes = text.find("writes nothing") == std::string::npos && text.rfind("VACUUM", 0) != 0;
    const size_t number = text.find(' ');
    if (writes && number != std::string::npos) statement.effect = std::stoll(text.substr(number));
    statements.push_back(statement);
    begin = end + 2;
  }
  return statements;
}

}  // namespace agent_branch::simulation
