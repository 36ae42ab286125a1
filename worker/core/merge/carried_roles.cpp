#include "worker/core/merge/carried_roles.hpp"

#include <algorithm>
#include <set>
#include <string_view>

namespace agent_branch {
namespace {

bool IsOfRoles(std::string_view object) {
  const std::string_view kind = object.substr(0, object.find(' '));
  return kind == "role" || kind == "membership" || kind == "password";
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

// The names in an object's: what is left of it without the words that say how they are meant. A
// name with a blank in it falls into words that are looked for one by one.
std::vector<std::string> NamesIn(std::string_view object) {
  static const std::set<std::string_view> kWords = {"role", "membership", "password", "of", "in"};
  std::vector<std::string> names;
  for (size_t at = 0; at < object.size();) {
    const size_t end = std::min(object.find(' ', at), object.size());
    std::string name(object.substr(at, end - at));
    std::erase(name, '"');
    if (!name.empty() && kWords.count(name) == 0) names.push_back(Lower(name));
    at = end + 1;
  }
  return names;
}

bool IsNamed(std::string_view object, const std::vector<std::string> &migrations) {
  const std::vector<std::string> names = NamesIn(object);
  return !names.empty() && std::all_of(names.begin(), names.end(), [&](const std::string &name) {
    return std::any_of(migrations.begin(), migrations.end(), [&](const std::string &text) {
      return text.find(name) != std::string::npos;
    });
  });
}

}  // namespace

std::vector<std::string> UnrecordedRoles(const ObjectMap &base, const ObjectMap &now,
                                         const std::vector<std::string> &migrations) {
  std::set<std::string> changed;
  for (const auto &[object, hash] : base) {
    const auto found = now.find(object);
    if (IsOfRoles(object) && (found == now.end() || found->second != hash)) changed.insert(object);
  }
  for (const auto &[object, hash] : now)
    if (IsOfRoles(object) && base.count(object) == 0) changed.insert(object);
  std::vector<std::string> texts;
  for (const std::string &migration : migrations)
    texts.push_back(Lower(migration));
  std::vector<std::string> unrecorded;
  for (const std::string &object : changed)
    if (!IsNamed(object, texts)) unrecorded.push_back(object);
  return unrecorded;
}

}  // namespace agent_branch
