// The parsers of bytes that come from outside, each with what it promises, as functions of an
// input.
//
// The same functions are run by libFuzzer (make fuzz) and, over the inputs in corpus/, by make
// check.
#pragma once

#include <array>
#include <string_view>

namespace agent_branch::fuzz {

// Parts of an input are lines, or stand between lines that hold nothing but "---".
inline constexpr std::string_view kNextAnswer = "\n---\n";

// "STATUS\nBODY": what every request makes of that answer.
void ApiAnswers(std::string_view input);
// Answers to ListBranches(), one after the other.
void BranchPages(std::string_view input);
// The answer to a change, then those to the questions after its operations.
void WatchedOperations(std::string_view input);
// "HOST\nPOOLER HOST\nURI".
void ConnectionUris(std::string_view input);
// "STATUS\nRETRY-AFTER\nBODY" of an answer, and the same as text of an error of libcurl's.
void ErrorBodies(std::string_view input);
// A number of bytes as one character, then text from anywhere.
void Texts(std::string_view input);
void Timestamps(std::string_view input);
// Two descriptions of a schema.
void SchemaDrift(std::string_view input);

struct Target {
  const char *name;  // also that of its folder in corpus/
  void (*run)(std::string_view input);
};

inline constexpr std::array<Target, 8> kTargets = {{{"api_answers", ApiAnswers},
                                                    {"branch_pages", BranchPages},
                                                    {"operations", WatchedOperations},
                                                    {"connection_uris", ConnectionUris},
                                                    {"error_bodies", ErrorBodies},
                                                    {"texts", Texts},
                                                    {"timestamps", Timestamps},
                                                    {"schema_drift", SchemaDrift}}};

}  // namespace agent_branch::fuzz
