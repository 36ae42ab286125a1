#include "worker/core/script/script_pack.hpp"

#include "worker/core/base/packed.hpp"

namespace agent_branch {
namespace {

constexpr size_t kLeastText = sizeof(uint64_t);
constexpr uint64_t kLastAlone = static_cast<uint64_t>(NonTransactional::kOnce);
constexpr uint64_t kLastRisk = static_cast<uint64_t>(RiskKind::kUnknown);
constexpr uint64_t kLastBoundary = static_cast<uint64_t>(Boundary::kCommit);

// One function for both ways, so that the order of the members is written down once.
class Writing {
 public:
  template <class Number>
  void Value(Number &number) {
    packer.Number(static_cast<uint64_t>(number));
  }
  void Value(std::string &text) { packer.Text(text); }
  template <class Enum>
  void Choice(Enum &value, uint64_t) {
    packer.Number(static_cast<uint64_t>(value));
  }
  template <class Element>
  void Resize(std::vector<Element> &list, size_t) {
    packer.Number(list.size());
  }
  Packer packer;
};

class ReadingBack {
 public:
  explicit ReadingBack(std::string_view packed) : unpacker(packed) {}
  template <class Number>
  void Value(Number &number) {
    number = static_cast<Number>(unpacker.Number());
  }
  void Value(std::string &text) { text = unpacker.Text(); }
  template <class Enum>
  void Choice(Enum &value, uint64_t last) {
    const uint64_t number = unpacker.Number();
    known = known && number <= last;
    value = static_cast<Enum>(number <= last ? number : 0);
  }
  template <class Element>
  void Resize(std::vector<Element> &list, size_t least) {
    list.resize(unpacker.Count(least));
  }
  Unpacker unpacker;
  bool known = true;
};

template <class Pass>
void Carry(Pass &pass, std::string &text) {
  pass.Value(text);
}

template <class Pass>
void Carry(Pass &pass, Status &status) {
  std::string texts[] = {status.sqlstate(), status.message(), status.detail(), status.hint()};
  for (std::string &text : texts)
    pass.Value(text);
  if (!texts[0].empty()) status = Status::Error(texts[0], texts[1], texts[2], texts[3]);
}

template <class Pass>
void Carry(Pass &pass, StatementRisk &risk) {
  pass.Choice(risk.kind, kLastRisk);
  for (std::string *text : {&risk.object_type, &risk.object, &risk.relation, &risk.column,
                            &risk.lookup, &risk.lock, &risk.why})
    pass.Value(*text);
  pass.Value(risk.moved);
  pass.Value(risk.cascades);
}

template <class Pass>
void Carry(Pass &pass, Effect &effect) {
  for (std::string *text : {&effect.kind, &effect.object, &effect.detail})
    pass.Value(*text);
}

template <class Pass, class Element>
void CarryList(Pass &pass, std::vector<Element> &list) {
  pass.Resize(list, kLeastText);
  for (Element &element : list)
    Carry(pass, element);
}

template <class Pass>
void Carry(Pass &pass, ScriptStatement &statement) {
  pass.Value(statement.offset);
  pass.Value(statement.length);
  pass.Value(statement.line);
  pass.Value(statement.column);
  pass.Value(statement.tag);
  pass.Choice(statement.non_transactional, kLastAlone);
  for (std::string *text : {&statement.alone_reason, &statement.alone_object,
                            &statement.alone_relation, &statement.setting})
    pass.Value(*text);
  pass.Value(statement.commit_after);
  pass.Choice(statement.boundary, kLastBoundary);
  CarryList(pass, statement.fills);
  CarryList(pass, statement.mentions);
  CarryList(pass, statement.risks);
  CarryList(pass, statement.effects);
}

template <class Pass>
void Carry(Pass &pass, Script &script) {
  pass.Value(script.parsed);
  pass.Value(script.length);
  pass.Value(script.refused);
  Carry(pass, script.unread);
  Carry(pass, script.refusal);
  CarryList(pass, script.statements);
}

}  // namespace

std::string PackScript(const Script &script) {
  Writing writing;
  Script copy = script;
  Carry(writing, copy);
  return writing.packer.Take();
}

std::optional<Script> UnpackScript(std::string_view packed) {
  ReadingBack reading(packed);
  Script script;
  Carry(reading, script);
  if (!reading.known || !reading.unpacker.Complete()) return std::nullopt;
  return script;
}

}  // namespace agent_branch
