#include "worker/core/fixer/syntax_repair.hpp"

#include <algorithm>
#include <utility>

#include "worker/core/base/text.hpp"
#include "worker/core/fixer/spelling.hpp"
#include "worker/core/fixer/syntax_rules.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMostEdits = 100;
constexpr size_t kShown = 60;
// Of a bracket, in one statement.
constexpr size_t kMostPlaces = 600;
// How far from where the parser stops an edit may be, in tokens.
constexpr size_t kNear = 2;

class Repair {
 public:
  Repair(const std::string &original, const std::string &fix, SqlTrees *trees)
      : original_(original), fix_(fix), trees_(trees) {}

  Result<std::string> Run() {
    std::optional<std::vector<TextEdit>> edits = CompareTokens(original_, fix_);
    if (!edits) return Refused("it is too long and too different to be compared");
    edits_ = std::move(*edits);
    made_.assign(edits_.size(), false);
    for (size_t n = 0; n <= std::min(kMostEdits, edits_.size()); ++n) {
      const EditedText text = ApplyEdits(original_, Made());
      const std::optional<size_t> error = trees_->FindSyntaxError(text.sql);
      if (!error) return text.sql;
      const size_t stop = text.OriginalToken(original_, *error);
      if (!MakeOne(stop)) {
        const std::string near = stop < original_.tokens.size() ? original_.Raw(stop) : "the end";
        return Refused("the original cannot be parsed at \"" + CleanText(near, kShown) +
                       "\", and the fix changes more there than a slip of the pen");
      }
    }
    return Refused("the original cannot be parsed in too many places");
  }

 private:
  static Status Refused(const std::string &reason) { return Status::Error("42601", reason); }

  std::vector<Replacement> Made() const {
    std::vector<Replacement> made;
    for (size_t n = 0; n < edits_.size(); ++n) {
      const TextEdit &edit = edits_[n];
      if (made_[n]) made.push_back({edit.begin, edit.end, fix_.Raw(edit.fix_begin, edit.fix_end)});
    }
    std::sort(made.begin(), made.end(), [](const Replacement &one, const Replacement &other) {
      return one.begin < other.begin;
    });
    return made;
  }

  // The first edit near the stop that is of a listed kind.
  bool MakeOne(size_t stop) {
    const SyntaxRules rules(original_, fix_, stop);
    for (size_t n = 0; n < edits_.size(); ++n) {
      const TextEdit &edit = edits_[n];
      if (made_[n] || edit.begin > stop + kNear || edit.end + kNear < stop) continue;
      const bool slip = rules.IsSlip(edit) && IsTheSlip(n);
      if (!slip && !(rules.Explains(edit) && IsTheOnlyPlace(n))) continue;
      made_[n] = true;
      return true;
    }
    return Drop(stop, rules.Dropped(stop));
  }

  // What has one translation, which is nothing, needs no edit of the fix's: that may be aligned in
  // another way.
  bool Drop(size_t begin, size_t count) {
    if (count == 0) return false;
    const auto overlaps = [&](const TextEdit &edit) {
      return edit.begin < begin + count && begin < edit.end;
    };
    for (size_t n = 0; n < edits_.size(); ++n) {
      if (made_[n] && overlaps(edits_[n])) return false;
    }
    for (size_t n = edits_.size(); n-- > 0;) {
      if (!overlaps(edits_[n])) continue;
      edits_.erase(edits_.begin() + static_cast<std::ptrdiff_t>(n));
      made_.erase(made_.begin() + static_cast<std::ptrdiff_t>(n));
    }
    edits_.push_back({begin, begin + count, 0, 0});
    made_.push_back(true);
    return true;
  }

  // Brackets and commas that an edit puts in and takes out, all in all.
  struct Balance {
    int open = 0;
    int close = 0;
    int commas = 0;
    bool IsEven() const { return open == close && commas <= 0 && (commas == 0 || open < 0); }
  };

  Balance BalanceOf(const TextEdit &edit) const {
    Balance balance;
    const auto count = [&](const TokenText &text, size_t at, int by) {
      if (text.IsOperator(at, "(")) balance.open += by;
      if (text.IsOperator(at, ")")) balance.close += by;
      if (text.IsOperator(at, ",")) balance.commas += by;
    };
    for (size_t at = edit.begin; at < edit.end; ++at)
      count(original_, at, -1);
    for (size_t at = edit.fix_begin; at < edit.fix_end; ++at)
      count(fix_, at, 1);
    return balance;
  }

  // A bracket or comma that is put in or taken out: it is in doubt what was meant when it may stand
  // elsewhere in the statement as well, to another end, or its partner may go or come.
  bool IsTheOnlyPlace(size_t n) const {
    const TextEdit &edit = edits_[n];
    if (BalanceOf(edit).IsEven()) return true;
    const bool put_in = edit.begin == edit.end && edit.fix_end - edit.fix_begin == 1;
    const bool taken_out = edit.end - edit.begin == 1 && edit.fix_begin == edit.fix_end;
    if (!put_in && !taken_out) return false;
    const std::string mark = put_in ? fix_.Raw(edit.fix_begin) : original_.Raw(edit.begin);
    const std::string partner = mark == "(" ? ")" : mark == ")" ? "(" : "";
    const std::string wanted = With({edit.begin, edit.end, put_in ? mark : std::string()});
    const std::optional<size_t> reached = trees_->FindSyntaxError(wanted);
    const auto differs = [&](const Replacement &otherwise) {
      const std::string other = With(otherwise);
      const std::optional<size_t> carried = trees_->FindSyntaxError(other);
      const bool as_far = !carried || (reached && *carried >= *reached);
      return as_far && (reached || !trees_->Same(other, wanted));
    };
    const auto [begin, end] = StatementAround(edit.begin);
    if (end - begin > kMostPlaces) return false;
    for (size_t at = begin; at <= end; ++at) {
      const std::string here = at < end ? original_.Raw(at) : std::string();
      const std::string &put = put_in ? mark : partner;
      const std::string &taken = put_in ? partner : mark;
      if (!put.empty() && !(put_in && at == edit.begin) && differs({at, at, put})) return false;
      const bool same = taken_out && at == edit.begin;
      if (!taken.empty() && here == taken && !same && differs({at, at + 1, ""})) return false;
    }
    return true;
  }

  // Tokens [first, second) of the original.
  std::pair<size_t, size_t> StatementAround(size_t at) const {
    size_t begin = std::min(at, original_.tokens.size());
    while (begin > 0 && !original_.IsOperator(begin - 1, ";"))
      --begin;
    size_t end = std::min(at, original_.tokens.size());
    while (end < original_.tokens.size() && !original_.IsOperator(end, ";"))
      ++end;
    return {begin, end};
  }

  // The edits that were made, and this one, unless it touches one of them.
  std::string With(const Replacement &another) const {
    std::vector<Replacement> with = Made();
    for (const Replacement &made : with) {
      if (another.begin < made.end && made.begin < another.end) return {"("};
    }
    const auto behind = [](const Replacement &x, const Replacement &y) {
      return x.begin < y.begin;
    };
    with.insert(std::upper_bound(with.begin(), with.end(), another, behind), another);
    return ApplyEdits(original_, with).sql;
  }

  // No other word is as near and carries the parser as far.
  bool IsTheSlip(size_t n) {
    const TextEdit &edit = edits_[n];
    const std::string &from = original_.Value(edit.begin);
    const std::string &to = fix_.Value(edit.fix_begin);
    const size_t distance = EditDistance(from, to);
    for (std::string_view other : SlipWords()) {
      if (other == to || EditDistance(from, other) > distance) continue;
      std::vector<Replacement> with = Made();
      with.push_back({edit.begin, edit.end, std::string(other)});
      std::sort(with.begin(), with.end(),
                [](const Replacement &x, const Replacement &y) { return x.begin < y.begin; });
      const EditedText text = ApplyEdits(original_, with);
      const std::optional<size_t> error = trees_->FindSyntaxError(text.sql);
      if (!error || text.OriginalToken(original_, *error) > edit.begin + 1) return false;
    }
    return true;
  }

  const TokenText original_;
  const TokenText fix_;
  SqlTrees *trees_;
  std::vector<TextEdit> edits_;
  std::vector<bool> made_;
};

}  // namespace

Result<std::string> RepairSyntax(const std::string &original, const std::string &fix,
                                 SqlTrees *trees) {
  return Repair(original, fix, trees).Run();
}

}  // namespace agent_branch
