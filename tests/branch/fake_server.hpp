// What a test's own server says, byte by byte, and a resolver that says what a test wants.
#pragma once

#include <string>
#include <utility>

#include "tests/branch/test_support.hpp"

namespace agent_branch::testing {

inline bool Send(int socket, const std::string &bytes) {
  return send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(bytes.size());
}

inline std::string Receive(int socket) {
  char bytes[8192];
  const ssize_t length = recv(socket, bytes, sizeof(bytes), 0);
  return length > 0 ? std::string(bytes, static_cast<size_t>(length)) : std::string();
}

inline std::string Message(char type, const std::string &body) {
  const auto length = static_cast<uint32_t>(body.size() + 4);
  std::string message(1, type);
  for (int shift = 24; shift >= 0; shift -= 8)
    message.push_back(static_cast<char>(length >> shift));
  return message + body;
}

inline std::string ErrorMessage(const std::string &severity, const std::string &sqlstate,
                                const std::string &text) {
  std::string body = "S" + severity;
  body.push_back('\0');
  body += "V" + severity;
  body.push_back('\0');
  body += "C" + sqlstate;
  body.push_back('\0');
  body += "M" + text;
  body.append(2, '\0');
  return Message('E', body);
}

// As far as ReadyForQuery.
inline void Welcome(int socket) {
  Receive(socket);
  Send(socket, Message('R', std::string(4, '\0')) +
                   Message('S', std::string("server_version\0"
                                            "15.4\0",
                                            20)) +
                   Message('Z', "I"));
}

class FakeResolver : public HostResolver {
 public:
  void Resolve(uint64_t, const std::string &host, int port, Answer answer) override {
    asked = host + ":" + std::to_string(port);
    pending = std::move(answer);
  }
  void Forget(uint64_t) override {
    pending = nullptr;
    ++forgotten;
  }
  std::string asked;
  Answer pending;
  int forgotten = 0;
};

}  // namespace agent_branch::testing
