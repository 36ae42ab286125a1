// What the effects of a migration explain of that which is seen on the branch after it.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "worker/core/script/script.hpp"

namespace agent_branch {

// Names are plain: without quotes, and without the schema public.
struct Explanation {
  explicit Explanation(const std::vector<Effect> &effects);

  std::set<std::string> touched;   // objects, and the tables of columns and the like
  std::set<std::string> shrunken;  // what is dropped, or has something dropped from it
  std::set<std::string> rows;      // relations whose rows are asked to change
  bool anything = false;           // something opaque, which may do anything
  bool any_rows = false;           // something that is computed may change rows of any table
  bool cascades = false;
  bool renames = false;
  bool retypes = false;
  bool drops_parts = false;
  bool extends = false;  // by an extension, which brings objects of its own

 private:
  void Add(const Effect &effect);
  void AddOther(const std::string &detail);
};

// public.orders and "orders" are orders.
std::string PlainObject(std::string name);
// "sales.orders.total" → "sales.orders", and → "total".
std::string TableOf(const std::string &object);
std::string LastName(const std::string &object);

}  // namespace agent_branch
