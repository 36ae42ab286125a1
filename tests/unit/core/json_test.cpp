#include "worker/core/base/json.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

using namespace std::string_literals;

JsonDocument Parsed(std::string_view text) {
  Result<JsonDocument> document = ParseJson(text);
  EXPECT_TRUE(document.ok()) << text;
  return std::move(document.value());
}

TEST(Json, DeepNestingIsNoStackOverflow) {
  const size_t depth = 1'000'000;
  EXPECT_FALSE(ParseJson(std::string(depth, '[')).ok());
  EXPECT_TRUE(ParseJson(std::string(depth, '[') + std::string(depth, ']')).ok());
  std::string objects;
  for (size_t n = 0; n < depth; ++n)
    objects += "{\"a\":";
  EXPECT_FALSE(ParseJson(objects).ok());
}

TEST(Json, ErrorNamesTheOffsetAndNotTheText) {
  Status status = ParseJson("{\"password\":x}").status();
  EXPECT_EQ(status.sqlstate(), "22P02");
  EXPECT_EQ(status.detail(), "The first error is at offset 12 of 14.");
}

TEST(Json, TextThatIsCutOffAnywhereIsAnError) {
  const std::string whole = R"({"a":["b\u00e9",1.5e3,true,null,{"c":{}}]})";
  ASSERT_TRUE(ParseJson(whole).ok());
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_FALSE(ParseJson(whole.substr(0, length)).ok()) << length;
}

TEST(Json, WhatIsNoJsonIsAnError) {
  for (const std::string &text :
       {"<html>524</html>"s, "{}x"s, "{}\0x"s, "\0{}"s, "[\"\0\"]"s, "{'a':1}"s, "{\"a\":1,}"s,
        "[NaN]"s, "[01]"s, "\"\x01\""s, "[1e999]"s, "\"\\ud800\""s, "\"\\udc00\""s,
        "\"\\ud83d\\ude00\\uDFFF\""s, "{\"a\\\\\\uDdDd\":1}"s, "\"\\udc00\\ud800\""s})
    EXPECT_FALSE(ParseJson(text).ok()) << text;
}

TEST(Json, NumbersOfAFewDigitsAreExact) {
  struct Case {
    const char *text;
    double value;
  };
  for (const Case &one : {Case{"0.1", 0.1}, Case{"0.25", 0.25}, Case{"0.106", 0.106},
                          Case{"1.7e3", 1.7e3}, Case{"123456789.012345", 123456789.012345},
                          Case{"0e38", 0}, Case{"-0E-400", 0}, Case{"0.0e194", 0}}) {
    JsonDocument document = Parsed(std::string("{\"n\":") + one.text + "}");
    EXPECT_EQ(JsonNumber(&document, "n"), one.value) << one.text;
  }
}

TEST(Json, EscapesAreReadAsUtf8) {
  JsonDocument document =
      Parsed(R"({"s":"\ud83d\ude00\uD834\uDD1E \\udc00 \ue000\ud7ff \"\\\/\b\f\n\r\t"})");
  EXPECT_EQ(JsonString(&document, "s"),
            "\U0001F600\U0001D11E \\udc00 \ue000\ud7ff \"\\/\b\f\n\r\t");
}

TEST(Json, BytesThatAreNoUtf8AreAnError) {
  for (const std::string &bytes : {"\xff"s, "\xc3("s, "\xe2\x82"s, "\xed\xa0\x80"s, "\xc0\xaf"s})
    EXPECT_FALSE(ParseJson("{\"id\":\"" + bytes + "\"}").ok());
  EXPECT_TRUE(ParseJson("{\"id\":\"\xf0\x9f\x90\x98\"}").ok());
}

TEST(Json, MembersOfOtherTypesAreNotThere) {
  JsonDocument document = Parsed(R"({"n":7,"s":"x","b":true,"o":{},"a":[],"z":null,"d":1.5})");
  for (const char *name : {"n", "b", "o", "a", "z", "d", "missing"})
    EXPECT_EQ(JsonString(&document, name), "") << name;
  for (const char *name : {"n", "s", "o", "a", "z", "d", "missing"})
    EXPECT_FALSE(JsonBool(&document, name)) << name;
  for (const char *name : {"s", "b", "o", "a", "z", "d", "missing"})
    EXPECT_FALSE(JsonInteger(&document, name)) << name;
  for (const char *name : {"s", "b", "o", "a", "z", "missing"})
    EXPECT_FALSE(JsonNumber(&document, name)) << name;
  for (const char *name : {"n", "s", "b", "o", "z", "d", "missing"})
    EXPECT_EQ(JsonArray(&document, name), nullptr) << name;
  EXPECT_EQ(JsonString(&document, "s"), "x");
  EXPECT_TRUE(JsonBool(&document, "b"));
  EXPECT_EQ(JsonInteger(&document, "n"), 7);
  EXPECT_EQ(JsonNumber(&document, "d"), 1.5);
  EXPECT_NE(JsonArray(&document, "a"), nullptr);
}

TEST(Json, NumbersThatDoNotFitAreNotThere) {
  JsonDocument document = Parsed(R"({"max":9223372036854775807,"more":9223372036854775808})");
  EXPECT_EQ(JsonInteger(&document, "max"), INT64_MAX);
  EXPECT_FALSE(JsonInteger(&document, "more"));
}

TEST(Json, NothingIsAskedOfNoValue) {
  EXPECT_EQ(JsonMember(nullptr, "a"), nullptr);
  EXPECT_EQ(JsonString(nullptr, "a"), "");
  EXPECT_FALSE(JsonBool(nullptr, "a"));
  EXPECT_EQ(JsonArray(nullptr, "a"), nullptr);
  for (const char *text : {"[]", "1", "\"a\"", "null", "true"}) {
    JsonDocument document = Parsed(text);
    EXPECT_EQ(JsonMember(&document, "a"), nullptr) << text;
  }
}

TEST(Json, FirstOfTwoMembersOfOneNameCounts) {
  JsonDocument document = Parsed(R"({"id":"first","id":"second"})");
  EXPECT_EQ(JsonString(&document, "id"), "first");
}

TEST(Json, StringsAreWrittenSoThatTheyAreReadTheSame) {
  for (const std::string &text : {"plain"s, "\"\\/"s, "a\0b"s, "\x01\x1f\x7f"s, "\u00e9\u20ac"s}) {
    rapidjson::StringBuffer buffer;
    JsonWriter writer(buffer);
    writer.StartObject();
    WriteMember(writer, "a", text);
    writer.EndObject();
    JsonDocument document = Parsed({buffer.GetString(), buffer.GetSize()});
    EXPECT_EQ(JsonString(&document, "a"), text);
  }
}

}  // namespace
}  // namespace agent_branch
