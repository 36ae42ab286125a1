#include "worker/branch/server_error.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace agent_branch {
namespace {

std::string Field(const PGresult *result, int code, std::string_view secret = {}) {
  const char *text = PQresultErrorField(result, code);
  return text ? CutText(Redact(text, secret)) : std::string();
}

bool ContinuesCharacter(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

int ReadPosition(const PGresult *result) {
  const char *text = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
  if (!text) return 0;
  const long position = std::strtol(text, nullptr, 10);
  return position > 0 && position <= 0x7FFFFFFF ? static_cast<int>(position) : 0;
}

}  // namespace

ServerMessage ReadServerMessage(const PGresult *result, std::string_view secret) {
  ServerMessage message;
  message.fields.sqlstate = Field(result, PG_DIAG_SQLSTATE);
  message.fields.message = Field(result, PG_DIAG_MESSAGE_PRIMARY, secret);
  message.fields.detail = Field(result, PG_DIAG_MESSAGE_DETAIL, secret);
  message.fields.hint = Field(result, PG_DIAG_MESSAGE_HINT, secret);
  message.fields.context = Field(result, PG_DIAG_CONTEXT, secret);
  message.position = ReadPosition(result);
  message.severity = Field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  message.ends_session = message.severity == "FATAL" || message.severity == "PANIC";
  // An error of libpq's own has no fields but a text, and an SQLSTATE is five characters.
  if (message.fields.message.empty())
    message.fields.message = CutText(Redact(PQresultErrorMessage(result), secret));
  if (message.fields.sqlstate.size() != 5) message.fields.sqlstate = "XX000";
  return message;
}

// Once one is left out, so are all that follow: what is kept is a beginning, without holes.
void NoticeList::Add(ServerMessage message, int query, int completed) {
  ServerError &fields = message.fields;
  bytes_ +=
      message.severity.size() + fields.message.size() + fields.detail.size() + fields.hint.size();
  if (dropped_ > 0 || kept_.size() == kMost || bytes_ > kMostBytes) {
    ++dropped_;
    return;
  }
  // Not a word that is translated: PL/pgSQL calls the function of a DO block that.
  const bool in_do_block = fields.context.find("inline_code_block") != std::string::npos;
  kept_.push_back(
      {{std::move(message.severity), std::move(fields.sqlstate), std::move(fields.message),
        std::move(fields.detail), std::move(fields.hint), 0, 0, in_do_block},
       query,
       completed});
}

TextPlace PlaceInText(std::string_view text, int position, bool counts_bytes) {
  if (position < 1) return {};
  TextPlace place{1, 0};
  int counted = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    const bool starts = !ContinuesCharacter(text[at]);
    if (at > 0 && text[at - 1] == '\n') place = {place.line + 1, 0};
    if (starts) ++place.column;
    if (starts || counts_bytes) ++counted;
    if (counted == position) return place;
  }
  // "syntax error at end of input" points just behind the last character.
  if (counted + 1 != position) return {};
  if (!text.empty() && text.back() == '\n') return {place.line + 1, 1};
  return {place.line, place.column + 1};
}

int CharactersIn(std::string_view text, bool counts_bytes) {
  if (counts_bytes) return static_cast<int>(text.size());
  const auto continued = std::count_if(text.begin(), text.end(), ContinuesCharacter);
  return static_cast<int>(text.size()) - static_cast<int>(continued);
}

std::string CutText(std::string_view text) {
  if (text.size() <= kLongestText) return std::string(text);
  size_t end = kLongestText;
  // Three bytes at most belong to a character's rest; more is not UTF-8, and is cut anywhere.
  while (end > kLongestText - 3 && ContinuesCharacter(text[end]))
    --end;
  return std::string(text.substr(0, end));
}

std::string Redact(std::string text, std::string_view secret) {
  if (secret.empty()) return text;
  std::string clean;
  size_t from = 0;
  for (size_t at; (at = text.find(secret, from)) != std::string::npos; from = at + secret.size())
    clean.append(text, from, at - from).append("***");
  if (from == 0) return text;
  return clean.append(text, from, std::string::npos);
}

}  // namespace agent_branch
