#include "fleet/page.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <vector>

#include "fleet/page_text.hpp"
#include "fleet/values.hpp"

namespace agent_branch::fleet {
namespace {

std::string Cell(const std::string &html, bool number = false) {
  return (number ? "<td class=n>" : "<td>") + html + "</td>";
}

std::string State(const std::string &state) {
  const std::string text = Escaped(state);
  return "<span class=\"state " + text + "\">" + text + "</span>";
}

std::string Number(const char *title, const std::string &value) {
  return std::string("<div><dt>") + title + "</dt><dd>" + Escaped(value) + "</dd></div>";
}

std::string Whole(double number) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.0f", number);
  return text;
}

std::string Numbers(const Value &root) {
  const Value &worker = Member(root, "worker");
  int live = 0;
  int queued = 0;
  for (const Value &project : Elements(Member(root, "projects"))) {
    live += static_cast<int>(NumberOf(project, "sessions"));
    queued += static_cast<int>(NumberOf(project, "queued"));
  }
  double cost = 0;
  size_t left = 0;
  for (const Value &branch : Elements(Member(root, "left"))) {
    ++left;
    cost += NumberOf(branch, "monthly_cost");
  }
  char dollars[48];
  std::snprintf(dollars, sizeof(dollars), "%zu, $%.2f a month", left, cost);
  std::string html = "<dl class=numbers>";
  html += Number("sessions with a branch", std::to_string(live));
  html += Number("in the queue", std::to_string(queued));
  html += Number("calls left at once", Whole(NumberOf(worker, "call_budget")));
  html += Number("calls that wait", Whole(NumberOf(worker, "calls_waiting")));
  html += Number("calls under way", Whole(NumberOf(worker, "calls_under_way")));
  html += Number("branches left behind", dollars);
  return html + "</dl>";
}

std::string Alarm(const std::string &text) {
  return "<p class=alarm role=alert>" + Escaped(text) + "</p>";
}

std::string Alarms(const Value &root) {
  std::string html;
  const Value &worker = Member(root, "worker");
  if (worker.IsNull()) html += Alarm("No worker runs in this database: the server's log says why.");
  if (const std::string error = TextOf(worker, "last_error"); !error.empty())
    html += Alarm("The worker's last error: " + error);
  for (const Value &project : Elements(Member(root, "projects"))) {
    const std::string name = TextOf(project, "project");
    if (!TextOf(project, "paused_at").empty()) {
      const std::string reason = TextOf(project, "pause_reason");
      html += Alarm("Project " + name + " is paused" + (reason.empty() ? "." : ": " + reason));
    }
    if (const std::string error = TextOf(project, "upkeep_error"); !error.empty())
      html += Alarm("Project " + name + " cannot be swept: " + error);
  }
  return html;
}

std::string Leaf(const Value &session) {
  const std::string key = "s" + Whole(NumberOf(session, "id"));
  std::string html = "<li data-key=\"" + key + "\">" + State(TextOf(session, "state")) +
                     " <a href=\"#" + key + "\">" + Escaped(TextOf(session, "session")) +
                     "</a> <span class=soft>" + Duration(NumberOf(session, "age"));
  if (const std::string what = TextOf(session, "waits_for"); !what.empty())
    html += ", waits for " + Escaped(what);
  return html + "</span></li>";
}

// Parents, and the branches that hang under them now.
std::string Tree(const Value &root) {
  std::map<std::string, std::string> branches;
  for (const Value &session : Elements(Member(root, "sessions")))
    if (!BoolOf(session, "finished")) branches[TextOf(session, "project")] += Leaf(session);
  std::string html;
  for (const Value &project : Elements(Member(root, "projects"))) {
    const std::string name = TextOf(project, "project");
    const auto found = branches.find(name);
    html += "<li>" + Escaped(name) + " <span class=soft>" + Escaped(TextOf(project, "parent")) +
            "</span>";
    if (found != branches.end()) html += "<ul>" + found->second + "</ul>";
    html += "</li>";
  }
  if (html.empty()) return "<p class=soft>No project is registered.</p>";
  return "<ul class=tree>" + html + "</ul>";
}

// Where a session's time went: a bar for each state, migration, merge and effect outside.
std::string Timeline(const Value &session) {
  constexpr int kWidth = 900;
  constexpr int kLeft = 150;
  constexpr int kRow = 16;
  const double lasted = std::max(NumberOf(session, "lasted"), 0.001);
  const double scale = (kWidth - kLeft - 70) / lasted;
  std::string bars;
  int y = 4;
  for (const Value &span : Elements(Member(session, "spans"))) {
    const double from = std::max(0.0, NumberOf(span, "from"));
    const double to = std::max(from, NumberOf(span, "to"));
    const bool wrong = !TextOf(span, "error").empty();
    char place[160];
    std::snprintf(place, sizeof(place), "x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"11\"",
                  kLeft + from * scale, y, std::max(2.0, (to - from) * scale));
    char after[96];
    std::snprintf(after, sizeof(after), "x=\"%.1f\" y=\"%d\"", kLeft + to * scale + 4, y + 10);
    bars += "<text x=\"" + std::to_string(kLeft - 6) + "\" y=\"" + std::to_string(y + 10) +
            "\" text-anchor=\"end\">" + Escaped(TextOf(span, "name")) + "</text><rect class=\"" +
            Escaped(TextOf(span, "kind")) + "-bar" + (wrong ? " wrong" : "") + "\" " + place +
            " rx=\"2\"/><text " + after + ">" + Duration(to - from) + "</text>";
    y += kRow;
    if (y > 60 * kRow) break;
  }
  if (bars.empty()) return "";
  return "<svg class=time viewBox=\"0 0 " + std::to_string(kWidth) + " " + std::to_string(y + 4) +
         "\" role=img aria-label=\"timeline of " + Escaped(TextOf(session, "session")) + "\">" +
         bars + "</svg>";
}

std::string Session(const Value &session) {
  const std::string key = "s" + Whole(NumberOf(session, "id"));
  std::string html = "<details id=\"" + key + "\"><summary>" + State(TextOf(session, "state")) +
                     " " + Escaped(TextOf(session, "session")) + " <span class=soft>" +
                     Escaped(TextOf(session, "project"));
  const bool finished = BoolOf(session, "finished");
  html += finished ? ", took " + Duration(NumberOf(session, "lasted"))
                   : ", " + Duration(NumberOf(session, "age"));
  if (const std::string what = TextOf(session, "waits_for"); !what.empty())
    html += ", waits " + Duration(NumberOf(session, "waits")) + " for " + Escaped(what);
  html += "</span></summary><div>";
  if (const std::string error = TextOf(session, "error"); !error.empty())
    html += "<p class=failed>" + Escaped(error) + " " + Escaped(TextOf(session, "hint")) + "</p>";
  html += "<p>branch " + Escaped(TextOf(session, "branch")) + ", owner " +
          Escaped(TextOf(session, "owner")) + ", " + Whole(NumberOf(session, "api_calls")) +
          " API calls";
  if (!finished) {
    html += ", expires in " + Duration(NumberOf(session, "expires_in"));
    if (const double place = NumberOf(session, "queue_position"); place > 0)
      html += ", place " + Whole(place) + " in the queue";
    if (const std::string with = TextOf(session, "goes_on_with"); !with.empty())
      html += "; goes on with " + Escaped(with);
  }
  return html + ".</p>" + Timeline(session) + "</div></details>";
}

std::string Table(const char *heads, const std::string &rows, const char *none) {
  if (rows.empty()) return std::string("<p class=soft>") + none + "</p>";
  return std::string("<div class=table tabindex=0><table><thead><tr>") + heads +
         "</tr></thead><tbody>" + rows + "</tbody></table></div>";
}

std::string Merges(const Value &root) {
  std::string rows;
  for (const Value &merge : Elements(Member(root, "merges"))) {
    std::string chosen = TextOf(merge, "chosen");
    if (chosen.empty()) chosen = TextOf(merge, "strategy");
    std::string why = TextOf(merge, "chosen_reason");
    if (const std::string reason = TextOf(merge, "reason"); !reason.empty())
      why += (why.empty() ? "" : "; ") + reason;
    rows += "<tr>" + Cell(Escaped(TextOf(merge, "session"))) +
            Cell(Escaped(TextOf(merge, "project"))) + Cell(Escaped(TextOf(merge, "status"))) +
            Cell(Escaped(chosen)) + Cell(Escaped(why)) +
            Cell(Member(merge, "took").IsNull() ? "" : Duration(NumberOf(merge, "took")), true) +
            "</tr>";
  }
  return Table("<th>session<th>project<th>status<th>by<th>why<th class=n>took", rows, "None yet.");
}

std::string Conflicts(const Value &root) {
  std::string rows;
  const auto side = [](const Value &conflict, const char *key) {
    const std::string hash = TextOf(conflict, key);
    return Cell(hash.empty() ? "<span class=soft>absent</span>"
                             : "<code>" + Escaped(hash.substr(0, 12)) + "</code>");
  };
  for (const Value &conflict : Elements(Member(root, "conflicts")))
    rows += "<tr>" + Cell(Escaped(TextOf(conflict, "session"))) +
            Cell(Escaped(TextOf(conflict, "object"))) + Cell(Escaped(TextOf(conflict, "change"))) +
            side(conflict, "base_hash") + side(conflict, "branch_hash") +
            side(conflict, "parent_hash") + "</tr>";
  return Table("<th>session<th>object<th>change<th>as it was<th>on the branch<th>on the parent",
               rows, "None.");
}

std::string LeftBehind(const Value &root) {
  std::string rows;
  for (const Value &branch : Elements(Member(root, "left"))) {
    char cost[32];
    std::snprintf(cost, sizeof(cost), "$%.2f", NumberOf(branch, "monthly_cost"));
    rows += "<tr>" + Cell(Escaped(TextOf(branch, "project"))) +
            Cell(Escaped(TextOf(branch, "name"))) + Cell(Escaped(TextOf(branch, "class"))) +
            Cell(Escaped(TextOf(branch, "action"))) +
            Cell(Duration(NumberOf(branch, "age")), true) + Cell(cost, true) + "</tr>";
  }
  return Table(
      "<th>project<th>branch<th>what it is<th>what is done<th class=n>age<th class=n>a month", rows,
      "Nothing, as of the last sweep.");
}

std::string Calls(const Value &root) {
  std::string rows;
  for (const Value &call : Elements(Member(root, "calls"))) {
    rows += "<tr>" + Cell(Escaped(TextOf(call, "route")));
    for (const char *key : {"calls", "errors", "retries", "waits", "p50_time", "p99_time"})
      rows += Cell(Whole(NumberOf(call, key)), true);
    rows += "</tr>";
  }
  return Table(
      "<th>route<th class=n>calls<th class=n>errors<th class=n>retries<th class=n>waits<th "
      "class=n>p50 ms<th class=n>p99 ms",
      rows, "None counted, or the role does not see all projects.");
}

std::string Sessions(const Value &root) {
  std::string html;
  for (const Value &session : Elements(Member(root, "sessions")))
    html += Session(session);
  return html.empty() ? "<p class=soft>None yet.</p>" : html;
}

}  // namespace

std::string Escaped(const std::string &text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string Duration(double seconds) {
  char text[48];
  const double s = std::max(0.0, std::isfinite(seconds) ? seconds : 0.0);
  if (s < 1) {
    std::snprintf(text, sizeof(text), "%.0f ms", s * 1000);
  } else if (s < 60) {
    std::snprintf(text, sizeof(text), "%.1f s", s);
  } else if (s < 3600) {
    std::snprintf(text, sizeof(text), "%d min %02d s", static_cast<int>(s) / 60,
                  static_cast<int>(s) % 60);
  } else if (s < 86400) {
    std::snprintf(text, sizeof(text), "%d h %02d min", static_cast<int>(s) / 3600,
                  static_cast<int>(s) / 60 % 60);
  } else {
    std::snprintf(text, sizeof(text), "%.0f d", s / 86400);
  }
  return text;
}

std::string RenderState(const Snapshot &snapshot) {
  std::string html;
  if (!snapshot.error.empty())
    html += Alarm("The control database cannot be read: " + snapshot.error);
  if (snapshot.json.empty()) return html;
  Document root;
  if (!Parse(snapshot.json, &root))
    return html + Alarm("What the control database said could not be read.");
  html += "<p class=soft>Database " + Escaped(TextOf(root, "database")) + ", as " +
          Escaped(TextOf(root, "role")) + ", at <time>" + Escaped(TextOf(root, "now")) +
          "</time></p>";
  html += Alarms(root) + Numbers(root);
  html += "<h2>Branches</h2>" + Tree(root);
  html += "<h2>Sessions</h2>" + Sessions(root);
  html += "<h2>Merges</h2>" + Merges(root);
  html += "<h2>Conflicts</h2>" + Conflicts(root);
  html += "<h2>Left behind</h2>" + LeftBehind(root);
  return html + "<h2>Calls of the API</h2>" + Calls(root);
}

std::string RenderPage(const Snapshot &snapshot, const std::string &nonce) {
  std::string html =
      "<!DOCTYPE html><html lang=en><head><meta charset=utf-8><title>agent_branch</title>"
      "<meta name=viewport content=\"width=device-width, initial-scale=1\"><link rel=icon "
      "href=\"data:,\">"
      "<style nonce=\"" +
      nonce + "\">";
  html += kStyle;
  html +=
      "</style></head><body><a class=skip href=\"#state\">to the "
      "state</a><header><h1>agent_branch</h1>"
      "<span id=link role=status><noscript>as of when the page was "
      "loaded</noscript></span></header>"
      "<main id=state tabindex=-1>";
  html += RenderState(snapshot);
  html += "</main><script nonce=\"" + nonce + "\">";
  html += kScript;
  return html + "</script></body></html>\n";
}

}  // namespace agent_branch::fleet
