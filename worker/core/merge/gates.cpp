#include "worker/core/merge/gates.hpp"

#include <algorithm>
#include <utility>

#include "worker/core/base/json.hpp"
#include "worker/core/base/text.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMostRows = 5;
constexpr size_t kLongestRow = 1'000;
constexpr size_t kLongestSql = 500;
constexpr size_t kLongestError = 1'000;
// A gate that ends its connection each time is no trouble of the network's.
constexpr int kMostLosses = 3;

// What the control database takes as jsonb, or else the text as one string of it.
std::string StorableJson(const std::string &row) {
  const bool complete =
      ParseJson(row).ok() && row.find("\\u0000") == std::string::npos && row.size() <= kLongestRow;
  if (complete) return row;
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  WriteString(writer, CleanText(row, kLongestRow));
  return {buffer.GetString(), buffer.GetSize()};
}

bool IsTrue(const std::string &row) {
  Result<JsonDocument> document = ParseJson(row);
  if (!document.ok() || !document->IsObject() || document->MemberCount() != 1) return false;
  const JsonValue &value = document->MemberBegin()->value;
  return value.IsTrue();
}

void WriteRows(JsonWriter &writer, const std::vector<std::string> &rows) {
  writer.StartArray();
  for (const std::string &row : rows)
    writer.RawValue(row.data(), row.size(), rapidjson::kObjectType);
  writer.EndArray();
}

void WriteGate(JsonWriter &writer, const GateAnswer &gate) {
  writer.StartObject();
  WriteMember(writer, "name", gate.name);
  if (!gate.sql.empty()) {
    WriteMember(writer, "sql", CleanLines(gate.sql, kLongestSql));
    WriteMember(writer, "on", gate.on_parent ? "parent" : "branch");
  }
  writer.Key("holds");
  writer.Bool(gate.holds);
  if (!gate.rows.empty() && !gate.holds) {
    writer.Key("rows");
    WriteRows(writer, gate.rows);
    writer.Key("more");
    writer.Bool(gate.more);
  }
  if (!gate.error.ok()) {
    WriteMember(writer, "sqlstate", gate.error.sqlstate());
    WriteMember(writer, "error", CleanText(gate.error.message(), kLongestError));
  }
  writer.Key("milliseconds");
  writer.Int64(gate.took.count());
  writer.EndObject();
}

std::string Told(const GateAnswer &gate) {
  std::string text = "gate \"" + gate.name + "\"";
  if (!gate.error.ok())
    return text + " could not be asked: " + CleanText(gate.error.message(), kLongestError);
  const size_t rows = gate.rows.size();
  text += " returns " + std::string(gate.more ? "more than " : "") + std::to_string(rows) +
          (rows == 1 ? " row" : " rows");
  return text + ", the first of them " + CleanText(gate.rows.front(), kLongestRow / 2);
}

ConflictRow ConflictOf(const GateAnswer &gate) {
  ConflictRow row;
  row.object = "gate " + gate.name;
  row.change = gate.error.ok() ? "refused" : "failed";
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  WriteRows(writer, gate.rows);
  if (!gate.rows.empty()) row.counterexamples = {buffer.GetString(), buffer.GetSize()};
  return row;
}

Status Refusal(const std::vector<const GateAnswer *> &broken) {
  constexpr size_t kNamed = 3;
  std::string message = "gate \"" + broken.front()->name + "\" does not hold";
  if (broken.size() > 1) message = std::to_string(broken.size()) + " gates do not hold";
  std::string detail;
  for (size_t n = 0; n < broken.size() && n < kNamed; ++n)
    detail += (n == 0 ? "" : "; ") + Told(*broken[n]);
  if (broken.size() > kNamed) detail += "; and " + std::to_string(broken.size() - kNamed) + " more";
  detail += ".";
  detail[0] = 'G';
  return Status::Error("AB007", message, detail,
                       "Nothing was touched. agent_conflicts has the rows; mend them with "
                       "agent_migrate() and merge again, or call agent_discard().");
}

}  // namespace

void AddExceeded(std::vector<std::string> limits, GateAnswer *gate) {
  if (limits.empty()) return;
  // What it returned where it holds is no counterexample.
  if (gate->holds) gate->rows.clear();
  gate->holds = false;
  for (std::string &limit : limits)
    gate->rows.push_back(std::move(limit));
}

Status ReadGateAnswer(std::string_view answer, GateAnswer *gate) {
  Result<JsonDocument> document = ParseJson(answer);
  if (!document.ok() || !document->IsArray())
    return Status::Error("22P02", "the answer to a gate has another form than was asked for");
  for (const JsonValue &row : document->GetArray()) {
    if (!row.IsString())
      return Status::Error("22P02", "the answer to a gate has another form than was asked for");
    gate->more = gate->rows.size() == kMostRows;
    if (!gate->more) gate->rows.push_back(StorableJson({row.GetString(), row.GetStringLength()}));
  }
  gate->holds = gate->rows.empty() || (gate->rows.size() == 1 && IsTrue(gate->rows.front()));
  return {};
}

std::string GatesJson(const std::vector<GateAnswer> &answers) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartArray();
  for (const GateAnswer &gate : answers)
    WriteGate(writer, gate);
  writer.EndArray();
  return {buffer.GetString(), buffer.GetSize()};
}

std::optional<MergeRefusal> JudgeGates(const std::vector<GateAnswer> &answers) {
  std::vector<const GateAnswer *> broken;
  std::vector<ConflictRow> conflicts;
  for (const GateAnswer &gate : answers) {
    if (gate.holds) continue;
    broken.push_back(&gate);
    conflicts.push_back(ConflictOf(gate));
  }
  if (broken.empty()) return std::nullopt;
  return MergeRefusal{Refusal(broken), std::move(conflicts)};
}

Flow<BranchEvent> GateKeeper::Send(Session &session, BranchTask task, bool to_parent,
                                   std::string what) {
  if (!to_parent) {
    BranchEvent event = co_await record_->RunOnBranch(session, std::move(task), std::move(what));
    co_return event;
  }
  BranchEvent event;
  Result<ParentNow> found = co_await parent_->Find(session);
  if (!found.ok()) {
    event.error = found.status();
    co_return event;
  }
  Project &project = context_->ProjectOf(session);
  task.connection_key = project.parent_connection_key();
  task.uri = project.parent_uris.direct;
  event = co_await context_->Run(session, project, std::move(task), std::move(what));
  if (event.outcome == BranchOutcome::kNotRun) event.error = parent_->Trouble(session, event);
  co_return event;
}

Flow<Result<GateAnswer>> GateKeeper::AskOne(Session &session, GateRow gate) {
  GateAnswer answer;
  answer.name = gate.name;
  answer.sql = gate.sql;
  answer.on_parent = gate.on_parent;
  answer.holds = gate.sql.empty();
  if (gate.sql.empty()) co_return answer;
  const Instant began = context_->now();
  for (int losses = 1;; ++losses) {
    BranchTask task;
    task.kind = BranchTaskKind::kGate;
    task.sql = gate.sql;
    task.longest_statement = gate.timeout;
    BranchEvent event =
        co_await Send(session, std::move(task), gate.on_parent, "the answer to gate " + gate.name);
    answer.took = context_->now() - began;
    if (event.outcome == BranchOutcome::kDone) {
      answer.error = ReadGateAnswer(event.answer, &answer);
      co_return answer;
    }
    answer.error = event.error;
    if (event.outcome == BranchOutcome::kRejected) co_return answer;
    if (!event.sent) co_return event.error;
    const bool silent = event.error.sqlstate() == "57014";
    if (silent || losses == kMostLosses) co_return answer;
  }
}

Flow<Result<std::map<std::string, int64_t>>> GateKeeper::AskSizes(Session &session,
                                                                  std::vector<std::string> tables) {
  std::map<std::string, int64_t> sizes;
  if (tables.empty()) co_return sizes;
  BranchTask task;
  task.kind = BranchTaskKind::kRisks;
  task.sql = SizeQuestion(tables);
  BranchEvent event =
      co_await Send(session, std::move(task), true, "the sizes of tables on the parent");
  if (event.outcome == BranchOutcome::kNotRun) co_return event.error;
  if (event.outcome == BranchOutcome::kDone) sizes = ReadSizes(event.answer, tables);
  co_return sizes;
}

Flow<Result<BlastRadius>> GateKeeper::Measure(Session &session) {
  Result<RecordedWork> recorded = co_await record_->Read(session);
  if (!recorded.ok()) co_return recorded.status();
  RadiusSources sources;
  sources.recorded = recorded->rows;
  sources.takes_rows_away = recorded->takes_rows_away;
  Result<std::string> base = context_->store().SnapshotObjects(session.row.base_fingerprint);
  if (!base.ok()) co_return base.status();
  Result<ObjectMap> objects = ReadObjectMap(*base);
  if (!objects.ok()) co_return objects.status();
  sources.base = std::move(*objects);
  RecordedWork work = std::move(*recorded);
  Result<BranchNow> branch = co_await record_->LookAtBranch(session, std::move(work), false);
  if (!branch.ok()) co_return branch.status();
  sources.branch_tables = std::move(branch->tables);
  Result<ParentNow> parent = co_await parent_->Look(session);
  if (!parent.ok()) co_return parent.status();
  sources.parent_tables = std::move(parent->tables);
  const std::vector<TouchedTable> touched = FindTouched(sources);
  std::vector<std::string> sized;
  for (const TouchedTable &one : touched)
    if (one.dropped || one.rewritten) sized.push_back(one.table);
  Result<std::map<std::string, int64_t>> sizes = co_await AskSizes(session, std::move(sized));
  if (!sizes.ok()) co_return sizes.status();
  co_return MeasureRadius(sources, touched, *sizes);
}

Flow<Result<std::vector<GateAnswer>>> GateKeeper::AskAll(Session &session) {
  const std::vector<GateRow> gates = context_->ProjectOf(session).row.gates;
  std::vector<GateAnswer> answers;
  for (const GateRow &gate : gates) {
    GateRow copy = gate;
    Result<GateAnswer> answer = co_await AskOne(session, std::move(copy));
    if (!answer.ok()) co_return answer.status();
    answers.push_back(std::move(*answer));
  }
  const bool limited = std::any_of(gates.begin(), gates.end(),
                                   [](const GateRow &gate) { return gate.has_limits(); });
  if (!limited) co_return answers;
  Result<BlastRadius> radius = co_await Measure(session);
  if (!radius.ok()) co_return radius.status();
  for (size_t n = 0; n < gates.size(); ++n)
    AddExceeded(FindExceeded(gates[n], *radius), &answers[n]);
  co_return answers;
}

Flow<Result<std::optional<MergeRefusal>>> GateKeeper::Ask(Session &session) {
  if (context_->ProjectOf(session).row.gates.empty()) co_return std::optional<MergeRefusal>();
  Result<std::vector<GateAnswer>> answers = co_await AskAll(session);
  if (!answers.ok()) co_return answers.status();
  // The branch may have been found gone meanwhile.
  if (!session.merge) co_return Status::Error("55000", "the merge has come to its end");
  session.merge->gates = GatesJson(*answers);
  context_->journal().Add(*session.merge);
  co_return JudgeGates(*answers);
}

}  // namespace agent_branch
