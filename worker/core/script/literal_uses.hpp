// Which string constants a text has, and where the last of each: to see whether a new value of an
// enum is used behind the statement that adds it.
//
// Constants in bodies and in strings that are run count, and the elements of an array's or a row's
// constant. Names, comments and words that merely have the same letters do not.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace agent_branch {

class LiteralUses {
 public:
  explicit LiteralUses(std::string_view sql);
  // Whether the text from this offset on has the value, or asks for all values of some enum.
  bool UsedFrom(const std::string &value, size_t offset) const;

 private:
  void Read(std::string_view sql, size_t outer_offset, int depth);
  void AddElements(const std::string &text, size_t offset);

  std::map<std::string, size_t> last_;
  size_t all_values_ = 0;  // where enum_range() or its like stands; 0: nowhere
};

}  // namespace agent_branch
