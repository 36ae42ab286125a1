// A superuser's connection to one cluster over its Unix socket. Blocks.
#pragma once

#include <libpq-fe.h>

#include <memory>
#include <string>

namespace agent_branch::emulator {

class Superuser {
 public:
  Superuser(const std::string &socket_folder, int number, const std::string &password,
            const std::string &database);

  bool IsConnected() const { return PQstatus(connection_.get()) == CONNECTION_OK; }
  std::string error() const { return error_; }
  // False when it failed: error() says why.
  bool Run(const std::string &sql);
  std::string Value(int row, int column) const;
  int rows() const { return PQntuples(result_.get()); }

 private:
  struct Finish {
    void operator()(PGconn *connection) const { PQfinish(connection); }
    void operator()(PGresult *result) const { PQclear(result); }
  };

  std::unique_ptr<PGconn, Finish> connection_;
  std::unique_ptr<PGresult, Finish> result_;
  std::string error_;
};

}  // namespace agent_branch::emulator
