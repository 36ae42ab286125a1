// Single changes of a schema with every kind of object: the fingerprint changes with each, the
// catalogs' version whenever the fingerprint does, and neither with what is put back.
#include <algorithm>
#include <fstream>
#include <sstream>

#include "tests/branch/test_support.hpp"
#include "worker/branch/catalog_version.hpp"
#include "worker/branch/fingerprint.hpp"
#include "worker/branch/fingerprint_answer.hpp"

namespace agent_branch::testing {
namespace {

// Beside this source.
std::string DataFile(const std::string &name) {
  const std::string source = __FILE__;
  std::ifstream file(source.substr(0, source.rfind('/') + 1) + name);
  EXPECT_TRUE(file.good()) << name;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Proof {
  std::string fingerprint;
  std::string version;
};

Proof Take(Client *client) {
  client->Query("SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL jit = off");
  const int version = std::stoi(client->Query("SHOW server_version_num"));
  std::vector<std::string> objects;
  for (const std::string &statement : FingerprintStatements(version))
    objects.push_back(client->Query(statement));
  objects.erase(std::remove(objects.begin(), objects.end(), ""), objects.end());
  std::vector<std::string> rows;
  for (const std::string &statement : CatalogVersionStatements(version))
    rows.push_back(client->Query(statement));
  const auto fingerprint = ReadFingerprint(objects);
  const auto version_now = ReadCatalogVersion(rows);
  EXPECT_TRUE(fingerprint && version_now);
  return {fingerprint ? fingerprint->digits : "", version_now ? version_now->digits : ""};
}

TEST(MutationsTest, FingerprintAndVersionChangeWithEachAndWithNothingElse) {
  TestDatabase database;
  Client admin(ServerUri("postgres"));
  admin.Query(
      "CREATE ROLE fp_a; CREATE ROLE fp_b; CREATE ROLE fp_c; CREATE ROLE fp_login LOGIN "
      "PASSWORD 'x'; CREATE ROLE fp_su SUPERUSER");
  admin.Query("ALTER DATABASE " + database.name() + " RENAME TO m");
  {
    Client client(ServerUri("m"));
    client.Query(DataFile("mutations_schema.sql"));
    client.Query("BEGIN");
    const Proof base = Take(&client);
    client.Query("COMMIT");
    int made = 0;
    std::istringstream lines(DataFile("mutations.txt"));
    for (std::string line; std::getline(lines, line);) {
      if (line.empty() || line[0] == '#') continue;
      const bool neutral = line[0] == '!';
      const std::string sql = neutral ? line.substr(1) : line;
      client.Query("BEGIN");
      if (client.Try(sql).empty()) {
        ++made;
        const Proof now = Take(&client);
        const bool changed = now.fingerprint != base.fingerprint;
        EXPECT_EQ(changed, !neutral) << sql;
        if (changed) {
          EXPECT_NE(now.version, base.version) << sql;
        }
      }
      client.Query("ROLLBACK");
    }
    // Some are of a newer server, and some run outside of a transaction only.
    EXPECT_GT(made, 350);
    std::printf("%d changes\n", made);
    client.Query("DROP SUBSCRIPTION sub");
  }
  admin.Query("ALTER DATABASE m RENAME TO " + database.name());
  Client(database.uri()).Query("DROP OWNED BY fp_a, fp_b CASCADE");
  admin.Query("DROP ROLE fp_a, fp_b, fp_c, fp_login, fp_su");
}

}  // namespace
}  // namespace agent_branch::testing
