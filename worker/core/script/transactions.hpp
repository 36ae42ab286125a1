// BEGIN and COMMIT in a migration: what they bound is a segment, and they themselves are not sent.
//
// They come in pairs, BEGIN … COMMIT, round all of the text or parts of it; or the other way round,
// COMMIT … BEGIN, which steps out of the transaction that a migration tool opens. A lone or a
// crossed one is refused: it would leave open what is applied and what is not.
#pragma once

#include <string>
#include <string_view>

#include "worker/core/script/script.hpp"

namespace agent_branch {

// Sees to the boundaries of a script: sets its refusal where they do not pair, or where something
// cannot stand between them. Within BEGIN … COMMIT nothing else ends a transaction.
void PairTransactions(Script *script);

// What SET TRANSACTION says of the modes that BEGIN or START TRANSACTION names; "" for none.
std::string TransactionSetting(std::string_view begin);

}  // namespace agent_branch
