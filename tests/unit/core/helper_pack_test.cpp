#include "worker/core/flow/helper_pack.hpp"

#include <gtest/gtest.h>

#include "worker/core/base/packed.hpp"
#include "worker/core/script/script_pack.hpp"

namespace agent_branch {
namespace {

Script FullScript() {
  Script script;
  script.parsed = true;
  script.length = 99;
  script.refusal = Status::Error("0A000", "message", "detail", "hint");
  script.refused = 2;
  script.statements.resize(2);
  ScriptStatement &statement = script.statements[1];
  statement.offset = 10;
  statement.length = 20;
  statement.line = 3;
  statement.column = 4;
  statement.tag = "CREATE INDEX";
  statement.non_transactional = NonTransactional::kCreateIndex;
  statement.alone_reason = "reason";
  statement.alone_object = "object";
  statement.alone_relation = "relation";
  statement.commit_after = true;
  statement.setting = "SET x = 1";
  statement.mentions = {"a", "b"};
  StatementRisk risk;
  risk.kind = RiskKind::kUnfiltered;
  risk.object_type = "table";
  risk.object = "t";
  risk.relation = "r";
  risk.column = "c";
  risk.lookup = "u";
  risk.moved = true;
  risk.lock = "l";
  risk.why = "w";
  statement.risks = {risk};
  statement.fills = {"filled"};
  statement.effects = {{"kind", "object", "detail"}};
  return script;
}

TEST(ScriptPack, EveryMemberComesBack) {
  const std::string packed = PackScript(FullScript());
  std::optional<Script> script = UnpackScript(packed);
  ASSERT_TRUE(script);
  EXPECT_TRUE(script->parsed);
  EXPECT_EQ(script->length, 99u);
  EXPECT_EQ(script->refused, 2u);
  EXPECT_EQ(script->refusal.sqlstate() + script->refusal.message() + script->refusal.detail() +
                script->refusal.hint(),
            "0A000messagedetailhint");
  ASSERT_EQ(script->statements.size(), 2u);
  EXPECT_EQ(ScriptJson(*script), ScriptJson(FullScript()));
  const ScriptStatement &statement = script->statements[1];
  EXPECT_EQ(statement.non_transactional, NonTransactional::kCreateIndex);
  EXPECT_EQ(statement.alone_object + statement.alone_relation + statement.setting,
            "objectrelationSET x = 1");
  EXPECT_TRUE(statement.commit_after);
  EXPECT_FALSE(script->statements[0].commit_after);
  EXPECT_EQ(statement.risks[0].column + statement.risks[0].relation, "cr");
  EXPECT_TRUE(UnpackScript(PackScript(Script()))->refusal.ok());
}

TEST(ScriptPack, NothingElseIsTakenForOne) {
  const std::string packed = PackScript(FullScript());
  for (size_t length = 0; length < packed.size(); ++length)
    EXPECT_FALSE(UnpackScript(packed.substr(0, length))) << length;
  EXPECT_FALSE(UnpackScript(packed + "x"));
  EXPECT_FALSE(UnpackScript(std::string(packed.size(), '\xff')));
}

TEST(HelperPack, TasksAndEventsComeBack) {
  HelperTask task;
  task.id = 5;
  task.kind = HelperTask::Kind::kCallFixFunction;
  task.text = std::string("a\0b", 3);
  task.function = "a.b";
  task.role_oid = 4'000'000'000;
  task.timeout = std::chrono::milliseconds(77);
  std::optional<HelperTask> taken = UnpackTask(PackTask(task));
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->id, 5u);
  EXPECT_EQ(taken->kind, task.kind);
  task.kind = HelperTask::Kind::kCheckFix;
  EXPECT_EQ(UnpackTask(PackTask(task))->kind, task.kind);
  EXPECT_EQ(taken->text, task.text);
  EXPECT_EQ(taken->function, "a.b");
  EXPECT_EQ(taken->role_oid, 4'000'000'000);
  EXPECT_EQ(taken->timeout.count(), 77);
  HelperEvent event;
  event.id = 6;
  event.outcome = HelperEvent::Outcome::kRejected;
  event.error.sqlstate = "22023";
  event.error.message = "m";
  event.error.detail = "d";
  event.error.hint = "h";
  const std::string packed = PackEvent(event);
  std::optional<HelperEvent> told = UnpackEvent(packed);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->outcome, event.outcome);
  EXPECT_EQ(told->error.sqlstate + told->error.message + told->error.detail + told->error.hint,
            "22023mdh");
  for (size_t length = 0; length < packed.size(); ++length)
    EXPECT_FALSE(UnpackEvent(packed.substr(0, length))) << length;
}

TEST(Packed, ACountThatCannotBeIsNone) {
  Packer packer;
  packer.Number(UINT64_C(1) << 60);
  const std::string packed = packer.Take();
  Unpacker unpacker(packed);
  EXPECT_EQ(unpacker.Count(8), 0u);
  EXPECT_FALSE(unpacker.Complete());
}

}  // namespace
}  // namespace agent_branch
