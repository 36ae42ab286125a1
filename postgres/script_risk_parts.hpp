// What the files share that find risks in a statement.
#pragma once

#include <string>
#include <vector>

#include "postgres/script_parts.hpp"

namespace agent_branch {

using Risks = std::vector<StatementRisk>;

inline constexpr char kAccessExclusive[] = "ACCESS EXCLUSIVE";

// lock: of `relation`, by its name in PostgreSQL's documentation.
StatementRisk MakeRisk(RiskKind kind, const char *type, const std::string &object,
                       const std::string &relation, const char *lock, std::string why);
StatementRisk TableRisk(RiskKind kind, const std::string &table, const char *lock, std::string why);
StatementRisk ColumnRisk(RiskKind kind, const std::string &table, const char *column,
                         std::string why);

void FindInAlterTable(const AlterTableStmt *alter, Risks *risks);

}  // namespace agent_branch
