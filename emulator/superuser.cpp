#include "emulator/superuser.hpp"

namespace agent_branch::emulator {

Superuser::Superuser(const std::string &socket_folder, int number, const std::string &password,
                     const std::string &database) {
  std::string port = std::to_string(number);
  const char *names[] = {"host",    "port", "user", "password", "dbname", "connect_timeout",
                         "options", nullptr};
  const char *values[] = {socket_folder.c_str(),
                          port.c_str(),
                          "cloud_admin",
                          password.c_str(),
                          database.c_str(),
                          "20",
                          "-c synchronous_commit=off",
                          nullptr};
  connection_.reset(PQconnectdbParams(names, values, 0));
  if (!IsConnected()) error_ = PQerrorMessage(connection_.get());
}

bool Superuser::Run(const std::string &sql) {
  result_.reset(PQexec(connection_.get(), sql.c_str()));
  ExecStatusType status = PQresultStatus(result_.get());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return true;
  error_ = PQerrorMessage(connection_.get());
  return false;
}

std::string Superuser::Value(int row, int column) const {
  return PQgetvalue(result_.get(), row, column);
}

}  // namespace agent_branch::emulator
