#include "emulator/identifiers.hpp"

#include <cstring>
#include <iterator>

namespace agent_branch::emulator {
namespace {

constexpr const char *kAdjectives[] = {
    "aged",    "autumn",   "bitter",   "bold",      "broad",  "calm",   "cold",   "cool",
    "crimson", "curly",    "damp",     "dark",      "dawn",   "divine", "dry",    "empty",
    "falling", "flat",     "fragrant", "frosty",    "gentle", "green",  "hidden", "holy",
    "icy",     "jolly",    "late",     "lingering", "little", "lively", "long",   "lucky",
    "misty",   "morning",  "muddy",    "nameless",  "noisy",  "odd",    "old",    "orange",
    "patient", "plain",    "polished", "proud",     "purple", "quiet",  "rapid",  "raspy",
    "red",     "restless", "rough",    "round",     "royal",  "shiny",  "shy",    "silent",
    "small",   "snowy",    "soft",     "solitary",  "spring", "square", "steep",  "still"};
constexpr const char *kNouns[] = {
    "art",    "band",    "bar",      "base",   "bird",      "block",     "boat",   "bonus",
    "bread",  "breeze",  "brook",    "bush",   "butterfly", "cake",      "cell",   "cherry",
    "cloud",  "credit",  "darkness", "dawn",   "dew",       "dream",     "dust",   "feather",
    "field",  "fire",    "firefly",  "flower", "fog",       "forest",    "frog",   "frost",
    "glade",  "glitter", "grass",    "hall",   "hat",       "haze",      "heart",  "hill",
    "king",   "lab",     "lake",     "leaf",   "limit",     "math",      "meadow", "mode",
    "moon",   "morning", "mountain", "mouse",  "mud",       "night",     "paper",  "pine",
    "poetry", "pond",    "queen",    "rain",   "recipe",    "resonance", "rice",   "river"};
constexpr char kLowerAndDigits[] = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr char kLettersAndDigits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

}  // namespace

std::string Identifiers::Characters(size_t count, const char *alphabet) {
  std::string text;
  size_t size = std::strlen(alphabet);
  for (size_t i = 0; i < count; ++i)
    text += alphabet[random_() % size];
  return text;
}

std::string Identifiers::Worded(const char *prefix) {
  return prefix + std::string(kAdjectives[random_() % std::size(kAdjectives)]) + "-" +
         kNouns[random_() % std::size(kNouns)] + "-" + Characters(8, kLowerAndDigits);
}

std::string Identifiers::Project() {
  return std::string(kAdjectives[random_() % std::size(kAdjectives)]) + "-" +
         kNouns[random_() % std::size(kNouns)] + "-" + Characters(8, "0123456789");
}

std::string Identifiers::Password() {
  return "npg_" + Characters(16, kLettersAndDigits);
}

std::string Identifiers::Uuid() {
  std::string text = Characters(36, "0123456789abcdef");
  text[8] = text[13] = text[18] = text[23] = '-';
  text[14] = '4';
  text[19] = "89ab"[random_() % 4];
  return text;
}

}  // namespace agent_branch::emulator
