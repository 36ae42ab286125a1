// A platform that has agent_branch: SQL over one connection a client.
#include <libpq-fe.h>

#include <stdexcept>

#include "bench/client/client.hpp"

namespace bench {
namespace {

class Ours : public Client {
 public:
  explicit Ours(const Options &options)
      : options_(options), control_(PQconnectdb(options.control.c_str())) {
    if (PQstatus(control_) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(control_));
    // What a connection does once is not a session's time.
    Query(control_, "SELECT count(*) FROM agent_projects", {});
  }
  ~Ours() override { PQfinish(control_); }
  Ours(const Ours &) = delete;
  Ours &operator=(const Ours &) = delete;

  Times Run(const std::string &session, const std::string &project) override {
    Times times;
    try {
      const double began = NowMs();
      Query(control_, "SELECT agent_branch_create($1, $2)", {session, project});
      Wait(session, project, "ready");
      times.ready_ms = NowMs() - began;
      if (options_.work_times > 0) Work(session, project);
      for (const std::string &sql : options_.statements)
        Query(control_, "SELECT agent_migrate($1, $3, NULL, $2)", {session, project, sql});
      if (!options_.statements.empty()) Wait(session, project, "ready");
      if (options_.merge == "none") {
        Query(control_, "SELECT agent_discard($1, $2)", {session, project});
        Wait(session, project, "discarded");
      } else {
        Query(control_, "SELECT agent_merge($1, $3, project => $2, on_unrecorded => 'drop')",
              {session, project, options_.merge});
        Wait(session, project, "merged");
      }
      times.total_ms = NowMs() - began;
    } catch (const std::exception &error) {
      times.error = error.what();
    }
    return times;
  }

 private:
  void Wait(const std::string &session, const std::string &project, const std::string &wanted) {
    const std::string state = Query(control_, "SELECT agent_wait($1, $3::interval, $2)",
                                    {session, project, std::to_string(options_.give_up_s) + " s"});
    if (state != wanted)
      throw std::runtime_error(state + ": " +
                               Query(control_,
                                     "SELECT error FROM agent_sessions WHERE session = $1 AND "
                                     "project = $2 ORDER BY id DESC LIMIT 1",
                                     {session, project}));
  }

  void Work(const std::string &session, const std::string &project) {
    const std::string uri =
        Query(control_, "SELECT agent_connection_uri($1, 'branch', false, $2)", {session, project});
    PGconn *branch = PQconnectdb(uri.c_str());
    std::string error;
    if (PQstatus(branch) != CONNECTION_OK) error = PQerrorMessage(branch);
    for (int n = 0; n < options_.work_times && error.empty(); ++n) {
      PGresult *result = PQexec(branch, options_.work.c_str());
      const ExecStatusType status = PQresultStatus(result);
      if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) error = PQerrorMessage(branch);
      PQclear(result);
    }
    PQfinish(branch);
    if (!error.empty()) throw std::runtime_error(error);
  }

  static std::string Query(PGconn *connection, const char *sql,
                           const std::vector<std::string> &values) {
    std::vector<const char *> texts;
    for (const std::string &value : values)
      texts.push_back(value.c_str());
    PGresult *result = PQexecParams(connection, sql, static_cast<int>(texts.size()), nullptr,
                                    texts.data(), nullptr, nullptr, 0);
    const ExecStatusType status = PQresultStatus(result);
    std::string value;
    if (status == PGRES_TUPLES_OK && PQntuples(result) > 0) value = PQgetvalue(result, 0, 0);
    PQclear(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
      throw std::runtime_error(PQerrorMessage(connection));
    return value;
  }

  const Options &options_;
  PGconn *control_;
};

}  // namespace

std::unique_ptr<Client> MakeOurs(const Options &options) {
  return std::make_unique<Ours>(options);
}

}  // namespace bench
