// agent_branch.api_call_statistics(), which the view agent_api_calls reads, and
// agent_stats_reset().
#include "extension/arguments.hpp"
#include "postgres/shared_calls.hpp"

namespace agent_branch {
namespace {

constexpr int kColumns = 13;

// Plain code: an ERROR passes through.
Datum ArrayOf(const int64_t *numbers, size_t count) {
  auto *values = static_cast<Datum *>(palloc(count * sizeof(Datum)));
  for (size_t n = 0; n < count; ++n)
    values[n] = Int64GetDatum(numbers[n]);
  return PointerGetDatum(construct_array(values, static_cast<int>(count), INT8OID, sizeof(int64),
                                         FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

Datum NamesOfKinds() {
  Datum names[kResponseKinds];
  for (size_t n = 0; n < kResponseKinds; ++n) {
    const std::string_view name = ResponseKindName(static_cast<ResponseKind>(n));
    names[n] =
        PointerGetDatum(cstring_to_text_with_len(name.data(), static_cast<int>(name.size())));
  }
  return PointerGetDatum(
      construct_array(names, static_cast<int>(kResponseKinds), TEXTOID, -1, false, TYPALIGN_INT));
}

void PutRow(ReturnSetInfo *result, const CountedRoute &route, TimestampTz since) {
  const RouteStatistics &counted = route.statistics;
  int64_t bounds[kCallTimeBounds.size()];
  for (size_t n = 0; n < kCallTimeBounds.size(); ++n)
    bounds[n] = kCallTimeBounds[n];
  Datum values[kColumns] = {
      CStringGetTextDatum(route.route.c_str()),
      Int64GetDatum(counted.calls),
      NamesOfKinds(),
      ArrayOf(counted.by_kind.data(), counted.by_kind.size()),
      Int64GetDatum(counted.retries),
      Int64GetDatum(counted.waits),
      Float8GetDatum(static_cast<double>(counted.waited_ms)),
      Float8GetDatum(static_cast<double>(counted.took_ms)),
      Float8GetDatum(static_cast<double>(counted.longest_ms)),
      PointerGetDatum(nullptr),
      ArrayOf(bounds, kCallTimeBounds.size()),
      ArrayOf(counted.by_time.data(), counted.by_time.size()),
      TimestampTzGetDatum(since),
  };
  Datum percentiles[3] = {Float8GetDatum(counted.Percentile(0.5)),
                          Float8GetDatum(counted.Percentile(0.9)),
                          Float8GetDatum(counted.Percentile(0.99))};
  values[9] = PointerGetDatum(
      construct_array(percentiles, 3, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
  bool nulls[kColumns] = {};
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum ApiCallStatistics(FunctionCallInfo fcinfo) {
  const CountedCalls counted = ReadCalls(MyDatabaseId);
  CallPg([&] {
    InitMaterializedSRF(fcinfo, 0);
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    for (const CountedRoute &route : counted.routes)
      PutRow(result, route, counted.since);
  });
  return Datum{0};
}

Datum StatsReset(FunctionCallInfo) {
  ResetCalls(MyDatabaseId);
  return Datum{0};
}

}  // namespace
}  // namespace agent_branch

AGENT_BRANCH_FUNCTION(agent_branch_api_call_statistics, agent_branch::ApiCallStatistics)
AGENT_BRANCH_FUNCTION(agent_branch_stats_reset, agent_branch::StatsReset)
