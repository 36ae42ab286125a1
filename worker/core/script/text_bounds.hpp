// How much of a text may be given to a parser.
//
// PostgreSQL's parser takes a megabyte in a fraction of a second, but for some texts that its lexer
// reads again and again, and some whose trees are deep. They are told by their characters alone, in
// one pass, before the parser sees them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "worker/core/base/status.hpp"

namespace agent_branch {

inline constexpr size_t kMostStatements = 10'000;
inline constexpr size_t kMostTokens = 600'000;
// Brackets within brackets, or comments within comments.
inline constexpr size_t kDeepestNesting = 1'000;
// Characters of operators and beginnings of comments that the lexer looks at, counted as often as
// it does: a run of n of them costs n each time that it begins to read somewhere inside.
inline constexpr uint64_t kMostLexerSteps = 32 << 20;

// Ok(), or 54000 with what there is too much of, and in which line.
Status CheckTextBounds(std::string_view sql);

}  // namespace agent_branch
