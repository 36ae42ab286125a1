// Which objects an SQL text may mean by the names in it.
//
// What the server writes (a view's query, an index, a default) has every name of a relation, type
// or function with its schema, since it is asked with an empty search_path. What somebody else
// wrote (a migration, a function's body) may leave the schema out, and means then whatever the
// search_path of its moment says.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace agent_branch {

// The words of an SQL text as names: unquoted ones in lower case, quoted ones as they are. Words in
// strings and comments count, too: a body is a string.
std::vector<std::string> NamesIn(std::string_view sql);

struct QualifiedName {
  std::string schema;
  std::string name;

  bool empty() const { return name.empty(); }
};

// {"public", "t"} of "table public.t", {"public", "f"} of "function public.f(integer)"; empty where
// the object is of another kind.
QualifiedName NameOfObject(std::string_view object);

class UsedNames {
 public:
  // by_server: it wrote the text.
  void Add(std::string_view text, bool by_server);

  bool HasWord(const std::string &word) const { return words_.count(word) > 0; }
  bool MayMean(const QualifiedName &object) const;

 private:
  std::set<std::string> words_;
  std::set<std::string> unqualified_;
  std::set<std::pair<std::string, std::string>>
      qualified_;  // what stands before a point, and behind
};

}  // namespace agent_branch
