// Timestamps, and descriptions of schemas as databases of branches give them.
#include "tests/fuzz/require.hpp"
#include "tests/fuzz/targets.hpp"
#include "worker/core/base/timestamp.hpp"
#include "worker/core/merge/drift.hpp"

namespace agent_branch::fuzz {

void Timestamps(std::string_view input) {
  int64_t time = ParseTimestamp(input);
  if (time == 0) return;
  constexpr int64_t kDay = 86'400;
  constexpr int64_t kYear1 = -62'135'596'800;
  constexpr int64_t kYear10000 = 253'402'300'800;
  Require(time >= kYear1 - kDay && time <= kYear10000 + kDay, "a time is out of bounds");
  if (time < kYear1 || time >= kYear10000) return;  // an offset may lead out of the four digits
  std::string text = FormatTimestamp(time);
  Require(text.size() == 20, "a time is written in another form");
  Require(ParseTimestamp(text) == time, "a time that was written is read as another one");
}

void SchemaDrift(std::string_view input) {
  constexpr size_t kLimit = 5;
  constexpr size_t kMaxName = 500;
  std::string_view rest = input;
  std::string_view base = TakePart(&rest, kNextAnswer);
  std::vector<ConflictRow> drift = FindDrift(base, rest, kLimit);
  Require(drift.size() <= kLimit, "more objects differ than asked for");
  for (const ConflictRow &row : drift) {
    RequireClean(row.object, kMaxName, false, "an object's name");
    bool added = row.change == "added" && row.base_hash.empty();
    bool dropped = row.change == "dropped" && row.parent_hash.empty();
    bool changed = row.change == "changed" && row.base_hash != row.parent_hash;
    Require(added || dropped || changed, "a change is none");
    Require(IsUtf8(row.base_hash) && IsUtf8(row.parent_hash), "a hash is not UTF-8");
  }
  RequireClean(DescribeDrift(drift), 10'000, false, "a description of what differs");
  Require(FindDrift(base, base, kLimit).empty(), "a schema differs from itself");
}

}  // namespace agent_branch::fuzz
