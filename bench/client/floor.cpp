// The floor: libcurl and libpq, nothing kept in between and nothing proven. It knows the parent's
// id, polls its operations, tries what is refused as busy again, and deletes what it made.
#include <curl/curl.h>
#include <libpq-fe.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <set>
#include <stdexcept>
#include <thread>

#include "bench/client/client.hpp"
#include "worker/core/base/rapidjson.hpp"

namespace bench {
namespace {

using Json = agent_branch_rapidjson::Document;

size_t Append(char *data, size_t size, size_t count, void *to) {
  static_cast<std::string *>(to)->append(data, size * count);
  return size * count;
}

class Database {
 public:
  explicit Database(const std::string &uri) : connection_(PQconnectdb(uri.c_str())) {
    if (PQstatus(connection_) != CONNECTION_OK)
      throw std::runtime_error(PQerrorMessage(connection_));
  }
  ~Database() { PQfinish(connection_); }
  Database(const Database &) = delete;
  Database &operator=(const Database &) = delete;

  void Run(const std::string &sql) {
    PGresult *result = PQexec(connection_, sql.c_str());
    const ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return;
    throw std::runtime_error(PQerrorMessage(connection_));
  }
  void RunInOne(const std::vector<std::string> &statements) {
    Run("BEGIN");
    for (const std::string &sql : statements)
      Run(sql);
    Run("COMMIT");
  }

 private:
  PGconn *connection_;
};

class Floor : public Client {
 public:
  explicit Floor(const Options &options) : options_(options), curl_(curl_easy_init()) {
    headers_ = curl_slist_append(headers_, ("Authorization: Bearer " + options.api_key).c_str());
    headers_ = curl_slist_append(headers_, "Content-Type: application/json");
    headers_ = curl_slist_append(headers_, "Accept: application/json");
  }
  ~Floor() override {
    curl_slist_free_all(headers_);
    curl_easy_cleanup(curl_);
  }
  Floor(const Floor &) = delete;
  Floor &operator=(const Floor &) = delete;

  Times Run(const std::string &session, const std::string &project) override {
    times_ = Times{};
    path_ = "/projects/" + project;
    give_up_at_ = NowMs() + options_.give_up_s * 1000.0;
    std::string branch;
    try {
      const std::string known = options_.find_parent ? "" : Parent(project);
      const double began = NowMs();
      const std::string parent = options_.find_parent ? BranchOf("development") : known;
      RunSession(session, parent, &branch, began);
      times_.total_ms = NowMs() - began;
    } catch (const std::exception &error) {
      times_.error = error.what();
    }
    return times_;
  }

 private:
  void RunSession(const std::string &session, const std::string &parent, std::string *branch,
                  double began) {
    Json created = Change("POST", "/branches",
                          R"({"branch":{"name":")" + session + R"(","parent_id":")" + parent +
                              R"("},"endpoints":[{"type":"read_write"}]})");
    *branch = created["branch"]["id"].GetString();
    const std::string uri = created["connection_uris"][0]["connection_uri"].GetString();
    {
      Database database(uri);
      database.Run("SELECT 1");
      times_.ready_ms = NowMs() - began;
      for (int n = 0; n < options_.work_times; ++n)
        database.Run(options_.work);
      for (const std::string &sql : options_.statements)
        database.RunInOne({sql});
    }
    if (options_.merge == "restore") {
      const std::string backup = "before-" + session;
      Json restored = Change(
          "POST", "/branches/" + parent + "/restore",
          R"({"source_branch_id":")" + *branch + R"(","preserve_under_name":")" + backup + R"("})");
      Change("DELETE", "/branches/" + *branch, {});
      Change("DELETE", "/branches/" + BranchOf(backup), {});
      return;
    }
    if (options_.merge == "replay") {
      Json answer = Call(
          "GET",
          "/connection_uri?branch_id=" + parent + "&database_name=neondb&role_name=neondb_owner",
          {});
      Database(answer["uri"].GetString()).RunInOne(options_.statements);
    }
    Change("DELETE", "/branches/" + *branch, {});
  }

  std::string BranchOf(const std::string &name) {
    Json listed = Call("GET", "/branches?search=" + name, {});
    for (const auto &branch : listed["branches"].GetArray())
      if (branch["name"].GetString() == name) return branch["id"].GetString();
    throw std::runtime_error("no branch " + name);
  }

  // Known to a client that runs for long.
  std::string Parent(const std::string &project) {
    std::string &known = parents_[project];
    if (known.empty()) {
      known = BranchOf("development");
      --times_.calls;
    }
    return known;
  }

  // A change, and its operations to their end.
  Json Change(const char *method, const std::string &path, const std::string &body) {
    Json answer = Call(method, path, body);
    std::set<std::string> waiting;
    if (answer.IsObject() && answer.HasMember("operations")) {
      for (const auto &operation : answer["operations"].GetArray())
        if (!Ended(operation)) waiting.insert(operation["id"].GetString());
    }
    while (!waiting.empty()) {
      Pause(options_.poll_ms);
      Json listed = Call("GET", "/operations?limit=100", {});
      for (const auto &operation : listed["operations"].GetArray())
        if (Ended(operation)) waiting.erase(operation["id"].GetString());
    }
    return answer;
  }

  static bool Ended(const agent_branch_rapidjson::Value &operation) {
    const std::string status = operation["status"].GetString();
    return status == "finished" || status == "skipped" || status == "failed";
  }

  // What is refused as busy is sent again, with the pause that each client finds for itself.
  Json Call(const char *method, const std::string &path, const std::string &body) {
    double pause = 100;
    for (int attempt = 1;; ++attempt) {
      std::string answer;
      const long status = Send(method, path, body, &answer);
      ++times_.calls;
      if (status == 423 || status == 429 || status == 503) {
        ++times_.refused;
        if (NowMs() > give_up_at_ || attempt >= options_.attempts)
          throw std::runtime_error("refused too often: " + std::to_string(status));
        Pause(pause * std::uniform_real_distribution<>(0.5, 1)(random_));
        pause = std::min(pause * 2, 10'000.0);
        continue;
      }
      if (status < 200 || status > 299)
        throw std::runtime_error(std::to_string(status) + ": " + answer);
      Json json;
      json.Parse(answer.c_str());
      if (json.HasParseError() && !answer.empty()) throw std::runtime_error("no JSON");
      return json;
    }
  }

  long Send(const char *method, const std::string &path, const std::string &body,
            std::string *answer) {
    curl_easy_reset(curl_);
    curl_easy_setopt(curl_, CURLOPT_URL, (options_.api_url + path_ + path).c_str());
    curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers_);
    curl_easy_setopt(curl_, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, Append);
    curl_easy_setopt(curl_, CURLOPT_WRITEDATA, answer);
    if (!body.empty()) curl_easy_setopt(curl_, CURLOPT_POSTFIELDS, body.c_str());
    const CURLcode code = curl_easy_perform(curl_);
    if (code != CURLE_OK) throw std::runtime_error(curl_easy_strerror(code));
    long status = 0;
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
    return status;
  }

  static void Pause(double ms) {
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(ms));
  }

  const Options &options_;
  CURL *curl_;
  curl_slist *headers_ = nullptr;
  std::map<std::string, std::string> parents_;
  std::string path_;
  Times times_;
  double give_up_at_ = 0;
  std::mt19937 random_{std::random_device()()};
};

}  // namespace

std::unique_ptr<Client> MakeFloor(const Options &options) {
  return std::make_unique<Floor>(options);
}

}  // namespace bench
