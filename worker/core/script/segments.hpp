// The parts of a migration that are carried out one after the other: a run of statements in one
// transaction, or one statement that cannot stand in one.
//
// Usually there is one segment, which is the whole text as it was given. What a session of the
// server holds (temporary tables, prepared statements) ends with a segment; its settings are set
// again for those that follow.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "worker/core/script/script.hpp"

namespace agent_branch {

struct Segment {
  size_t first = 0;  // the number of its first statement, from 0
  // With the BEGIN and COMMIT behind it, which are no part of its text.
  size_t count = 0;
  // Bytes of the migration's text: all of it where there is one segment, else from the beginning of
  // its first statement to the end of its last one.
  size_t offset = 0;
  size_t length = 0;
  int line = 1;  // of its beginning
  int column = 1;
  // What its one statement is about that runs alone.
  NonTransactional non_transactional = NonTransactional::kNo;
  std::string object;
  std::string relation;
  std::vector<std::string> settings;  // SET statements of earlier segments, to be sent again
};

// A script without statements (blanks and comments only) is one empty segment.
std::vector<Segment> SplitIntoSegments(const Script &script);

}  // namespace agent_branch
