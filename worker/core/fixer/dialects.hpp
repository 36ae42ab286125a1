// What other databases say, and what says the same in PostgreSQL.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace agent_branch {

// The types that a type of another database may become, each as words in lower case with single
// blanks; none when it is not known.
std::vector<std::string_view> TypesFor(std::string_view type);

// The functions of PostgreSQL's that one of another database may become.
std::vector<std::string_view> FunctionsFor(std::string_view function);

// Whether both words are names of one type: int and integer.
bool AreOneType(std::string_view one, std::string_view other);

// The names that PostgreSQL's own types are written with, one word each.
const std::vector<std::string_view> &BuiltInTypes();

// Extensions that define types, functions and operators, and reach no file, host or other database.
bool IsHarmlessExtension(std::string_view name);
// Whether one of these has a type, function or operator class of this name.
bool IsOfExtension(std::string_view extension, std::string_view name);
// Functions that only compute.
bool IsHarmlessFunction(std::string_view name);
// These and others of PostgreSQL's that a misspelt name may be meant to be.
const std::vector<std::string> &UsualFunctions();

}  // namespace agent_branch
