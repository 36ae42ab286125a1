// A migration's text as editors, migration tools and pg_dump leave it: what of it is passed over,
// and what in it nobody sees.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace agent_branch {

// Without a byte order mark at its beginning, and with blanks in the place of each \restrict and
// \unrestrict of pg_dump, so that lines and columns stay what they are in the file.
std::string PassOverMarks(std::string sql);

// A character that shows as nothing or as a blank and is neither, outside of literals and comments:
// there it becomes part of a name, or an error that shows nothing.
struct InvisibleCharacter {
  size_t offset = 0;
  std::string name;  // "U+00A0 (no-break space)"
};
std::optional<InvisibleCharacter> FindInvisible(std::string_view sql);

// The comment by which a migration tool is told that what follows takes the migration back, with
// its place; not found when nothing but comments follows.
struct DownMarker {
  size_t offset = 0;
  std::string text;
};
std::optional<DownMarker> FindDownMarker(std::string_view sql);

// Whether a plain string constant holds a backslash, which standard_conforming_strings decides the
// meaning of, and with that where the constant ends.
bool HasPlainBackslash(std::string_view sql);

// Whether it may change what new connections begin with: ALTER DATABASE, ROLE or USER … SET, also
// in a string or a body.
bool ChangesSessionDefaults(std::string_view sql);

}  // namespace agent_branch
