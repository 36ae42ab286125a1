#include "worker/core/fixer/text_edits.hpp"

#include <algorithm>
#include <cstdint>

namespace agent_branch {
namespace {

// Of differing middles: a table of one number for each pair of tokens.
constexpr size_t kMostPairs = 4'000'000;
// Equal tokens at the end that may still be told apart from those before them.
constexpr size_t kKeptTail = 24;

bool AreEqual(const TokenText &one, size_t a, const TokenText &other, size_t b) {
  const SqlToken &left = one.tokens[a];
  const SqlToken &right = other.tokens[b];
  if (left.kind != right.kind) return false;
  return left.kind == TokenKind::kWord ? left.text == right.text : one.Raw(a) == other.Raw(b);
}

class Alignment {
 public:
  Alignment(const TokenText &original, const TokenText &fix) : original_(original), fix_(fix) {
    a_end_ = original.tokens.size();
    b_end_ = fix.tokens.size();
    while (begin_ < a_end_ && begin_ < b_end_ && AreEqual(original, begin_, fix, begin_))
      ++begin_;
    size_t tail = 0;
    while (a_end_ - tail > begin_ && b_end_ - tail > begin_ &&
           AreEqual(original, a_end_ - tail - 1, fix, b_end_ - tail - 1))
      ++tail;
    tail -= std::min(tail, kKeptTail);
    a_end_ -= tail;
    b_end_ -= tail;
  }

  std::optional<std::vector<TextEdit>> Edits() {
    const size_t rows = a_end_ - begin_ + 1;
    const size_t columns = b_end_ - begin_ + 1;
    if (rows * columns > kMostPairs) return std::nullopt;
    Fill(rows, columns);
    std::vector<TextEdit> edits;
    size_t a = begin_;
    size_t b = begin_;
    while (a < a_end_ || b < b_end_) {
      if (a < a_end_ && b < b_end_ && AreEqual(original_, a, fix_, b)) {
        ++a;
        ++b;
        continue;
      }
      const TextEdit edit = NextEdit(a, b);
      a = edit.end;
      b = edit.fix_end;
      edits.push_back(edit);
    }
    return edits;
  }

 private:
  uint16_t Length(size_t a, size_t b) const {
    return lengths_[(a - begin_) * (b_end_ - begin_ + 1) + (b - begin_)];
  }

  // Of all the ways to the next pair that a longest subsequence has, the shortest: the bracket that
  // is matched is the one beside the name, not a later one.
  TextEdit NextEdit(size_t a, size_t b) const {
    const size_t length = Length(a, b);
    if (length == 0) return {a, a_end_, b, b_end_};
    for (size_t steps = 1;; ++steps) {
      for (size_t of_a = steps <= b_end_ - b ? 0 : steps - (b_end_ - b);
           of_a <= std::min(steps, a_end_ - a); ++of_a) {
        const size_t next_a = a + of_a;
        const size_t next_b = b + steps - of_a;
        if (next_a < a_end_ && next_b < b_end_ && AreEqual(original_, next_a, fix_, next_b) &&
            Length(next_a + 1, next_b + 1) + 1U == length)
          return {a, next_a, b, next_b};
      }
    }
  }

  // Of the longest common subsequence of what begins at each pair.
  void Fill(size_t rows, size_t columns) {
    lengths_.assign(rows * columns, 0);
    for (size_t a = rows - 1; a-- > 0;) {
      for (size_t b = columns - 1; b-- > 0;) {
        const size_t at = a * columns + b;
        lengths_[at] = AreEqual(original_, begin_ + a, fix_, begin_ + b)
                           ? static_cast<uint16_t>(lengths_[at + columns + 1] + 1)
                           : std::max(lengths_[at + columns], lengths_[at + 1]);
      }
    }
  }

  const TokenText &original_;
  const TokenText &fix_;
  size_t begin_ = 0;
  size_t a_end_ = 0;
  size_t b_end_ = 0;
  std::vector<uint16_t> lengths_;
};

}  // namespace

TokenText::TokenText(std::string text) : sql(std::move(text)), tokens(Tokenize(sql)) {}

std::string TokenText::Raw(size_t at) const {
  return sql.substr(tokens[at].offset, tokens[at].length);
}

std::string TokenText::Raw(size_t begin, size_t end) const {
  if (begin >= end) return {};
  const size_t from = tokens[begin].offset;
  return sql.substr(from, tokens[end - 1].offset + tokens[end - 1].length - from);
}

bool TokenText::IsWord(size_t at, std::string_view word) const {
  return at < tokens.size() && tokens[at].kind == TokenKind::kWord && tokens[at].text == word;
}

bool TokenText::IsOperator(size_t at, std::string_view text) const {
  return at < tokens.size() && tokens[at].kind == TokenKind::kOperator && tokens[at].text == text;
}

bool TokenText::IsName(size_t at) const {
  return at < tokens.size() &&
         (tokens[at].kind == TokenKind::kWord || tokens[at].kind == TokenKind::kName);
}

bool TokenText::IsString(size_t at) const {
  return at < tokens.size() && tokens[at].kind == TokenKind::kString;
}

size_t TokenText::TokenAt(size_t byte) const {
  size_t at = 0;
  while (at < tokens.size() && tokens[at].offset + tokens[at].length <= byte)
    ++at;
  return at;
}

std::optional<std::vector<TextEdit>> CompareTokens(const TokenText &original,
                                                   const TokenText &fix) {
  return Alignment(original, fix).Edits();
}

EditedText ApplyEdits(const TokenText &original, const std::vector<Replacement> &replacements) {
  EditedText edited;
  size_t copied = 0;
  for (const Replacement &each : replacements) {
    const bool at_end = each.begin >= original.tokens.size();
    const size_t from = at_end ? original.sql.size() : original.tokens[each.begin].offset;
    const size_t behind = each.begin == each.end ? from
                                                 : original.tokens[each.end - 1].offset +
                                                       original.tokens[each.end - 1].length;
    edited.sql += original.sql.substr(copied, from - copied);
    EditedText::Place place;
    place.at = edited.sql.size();
    edited.sql += " " + each.text + " ";
    place.length = edited.sql.size() - place.at;
    place.token = each.begin;
    place.original = behind;
    edited.places.push_back(place);
    copied = behind;
  }
  edited.sql += original.sql.substr(std::min(copied, original.sql.size()));
  return edited;
}

size_t EditedText::OriginalToken(const TokenText &original, size_t byte) const {
  size_t shift_from = 0;
  size_t shift_to = 0;
  for (const Place &place : places) {
    if (byte < place.at) break;
    if (byte < place.at + place.length) return place.token;
    shift_from = place.at + place.length;
    shift_to = place.original;
  }
  return original.TokenAt(byte - shift_from + shift_to);
}

}  // namespace agent_branch
