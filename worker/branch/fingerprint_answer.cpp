#include "worker/branch/fingerprint_answer.hpp"

#include <algorithm>
#include <utility>

#include "worker/branch/digest.hpp"
#include "worker/core/base/json.hpp"
#include "worker/core/merge/three_way.hpp"

namespace agent_branch {
namespace {

void Add(ObjectMap *objects, const std::string &key, const std::string &hash) {
  const auto [at, is_new] = objects->emplace(key, hash);
  // No two statements describe what has one name; if they do, none of the two is lost.
  if (!is_new) at->second = ShortDigest(std::min(at->second, hash) + std::max(at->second, hash));
}

}  // namespace

std::optional<FingerprintAnswer> ReadFingerprint(const std::vector<std::string> &pages) {
  ObjectMap objects;
  Add(&objects, std::string(kFingerprintFormatKey), ShortDigest(kFingerprintFormat));
  for (const std::string &page : pages) {
    Result<ObjectMap> some = ReadObjectMap(page);
    if (!some.ok()) return {};
    for (const auto &[key, hash] : *some)
      Add(&objects, key, hash);
  }
  std::string lines;
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  for (const auto &[key, hash] : objects) {
    if (!lines.empty()) lines += '\n';
    lines += key + ' ' + hash;
    WriteMember(writer, key.c_str(), hash);
  }
  writer.EndObject();
  return FingerprintAnswer{ShortDigest(lines), std::string(buffer.GetString(), buffer.GetSize())};
}

}  // namespace agent_branch
