// When a missing name may become another one.
#pragma once

#include "worker/core/fixer/statement_repair.hpp"
#include "worker/core/fixer/text_edits.hpp"

namespace agent_branch {

class NameRules {
 public:
  NameRules(const CheckedStatement &original, const TokenText &text, const CheckedStatement &fix,
            const CheckScene &scene)
      : original_(original), text_(text), fix_(fix), scene_(scene) {}

  // Whether the original's token `at` may become the name `to`.
  bool MayBecome(size_t at, const std::string &to) const;
  // Whether it may get a schema in front of it.
  bool MayBeIn(size_t at, const std::string &schema) const;

 private:
  bool Column(size_t at, const std::string &to) const;
  bool Relation(size_t at, const std::string &to) const;
  bool Type(size_t at, const std::string &to) const;
  bool Function(size_t at, const std::string &to) const;

  const MissingName *Missing(MissingName::Kind kind, const std::string &name) const;
  bool IsAtPlace(size_t at, const MissingName &missing) const;
  bool MakesOneOfTwo(size_t at, const std::string &to) const;
  std::string QualifierOf(size_t at) const;
  std::vector<std::string> ColumnsOf(const CheckedStatement &statement) const;
  bool IsDestructive() const;

  const CheckedStatement &original_;
  const TokenText &text_;
  const CheckedStatement &fix_;
  const CheckScene &scene_;
};

}  // namespace agent_branch
