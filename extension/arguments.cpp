#include "extension/arguments.hpp"

#include "postgres/installed_version.hpp"

namespace agent_branch {
namespace {

// An older version's script made some functions with fewer arguments than are read here. What is
// beyond them is not ours to look at.
bool IsGiven(FunctionCallInfo fcinfo, int number) {
  if (number < fcinfo->nargs) return !fcinfo->args[number].isnull;
  RequireMatchingVersion();
  return false;
}

void RequireNotNull(FunctionCallInfo fcinfo, int number, const char *name) {
  if (IsGiven(fcinfo, number)) return;
  Raise("22004", std::string("argument \"") + name + "\" must not be null", {},
        "Give a value; \\df+ shows what each argument is for.");
}

std::string TextOf(Datum datum) {
  const text *bytes = CallPg([&] { return DatumGetTextPP(datum); });
  return std::string(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

int64_t Microseconds(const Interval &interval) {
  // As interval's own comparison operators count.
  const auto days = static_cast<__int128>(interval.month) * DAYS_PER_MONTH + interval.day;
  const __int128 total = days * USECS_PER_DAY + interval.time;
  if (total > PG_INT64_MAX) return PG_INT64_MAX;
  if (total < PG_INT64_MIN) return PG_INT64_MIN;
  return static_cast<int64_t>(total);
}

struct TextArray {
  Datum *elements;
  bool *nulls;
  int count;
};

}  // namespace

std::string RequiredText(FunctionCallInfo fcinfo, int number, const char *name) {
  RequireNotNull(fcinfo, number, name);
  return TextOf(fcinfo->args[number].value);
}

std::optional<std::string> OptionalText(FunctionCallInfo fcinfo, int number) {
  if (!IsGiven(fcinfo, number)) return std::nullopt;
  return TextOf(fcinfo->args[number].value);
}

std::string RequiredJson(FunctionCallInfo fcinfo, int number, const char *name) {
  RequireNotNull(fcinfo, number, name);
  const char *json = CallPg([&] {
    Jsonb *value = DatumGetJsonbP(fcinfo->args[number].value);
    return JsonbToCString(nullptr, &value->root, VARSIZE(value));
  });
  return json;
}

bool RequiredBool(FunctionCallInfo fcinfo, int number, const char *name) {
  RequireNotNull(fcinfo, number, name);
  return DatumGetBool(fcinfo->args[number].value);
}

std::vector<std::string> RequiredTexts(FunctionCallInfo fcinfo, int number, const char *name) {
  RequireNotNull(fcinfo, number, name);
  const TextArray array = CallPg([&] {
    TextArray taken{};
    ArrayType *value = DatumGetArrayTypeP(fcinfo->args[number].value);
    deconstruct_array(value, TEXTOID, -1, false, TYPALIGN_INT, &taken.elements, &taken.nulls,
                      &taken.count);
    return taken;
  });
  std::vector<std::string> texts;
  for (int n = 0; n < array.count; ++n) {
    if (array.nulls[n])
      Raise("22004", std::string("argument \"") + name + "\" must not contain null",
            "Element " + std::to_string(n + 1) + " is null.",
            "Leave the element out, or give the SQL of a migration.");
    texts.push_back(TextOf(array.elements[n]));
  }
  return texts;
}

int64_t RequiredDuration(FunctionCallInfo fcinfo, int number, const char *name) {
  RequireNotNull(fcinfo, number, name);
  return Microseconds(*DatumGetIntervalP(fcinfo->args[number].value));
}

std::optional<int64_t> OptionalDuration(FunctionCallInfo fcinfo, int number) {
  if (!IsGiven(fcinfo, number)) return std::nullopt;
  return Microseconds(*DatumGetIntervalP(fcinfo->args[number].value));
}

int64_t DurationOf(const std::string &what, const std::string &text) {
  try {
    const Interval *interval = CallPg([&] {
      return DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(text.c_str()),
                                                   ObjectIdGetDatum(InvalidOid),
                                                   Int32GetDatum(-1)));
    });
    return Microseconds(*interval);
  } catch (const PgException &e) {
    Raise("22023", what + " must be an interval", std::string(e.error().message) + ".",
          "Write it as SQL does, such as \"90 min\".");
  }
}

Datum TextResult(const std::string &text) {
  return CallPg([&] {
    return PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
  });
}

}  // namespace agent_branch
