// The part of Desk that lets a session call the API and wait for its operations.
#include <utility>

#include "worker/core/session/desk.hpp"

namespace agent_branch {

ApiCall Desk::MakeCall(Session &session, Priority priority, NeonRequest request) {
  ApiCall call;
  call.priority = priority;
  call.project = &ProjectOf(session);
  call.session_id = session.row.id;
  call.request = std::move(request);
  call.trouble = [this, id = session.row.id](const Status &why) {
    if (Session *troubled = parts_.world->FindSession(id)) ShowTrouble(*troubled, why);
  };
  return call;
}

void Desk::Ask(Session &session, Priority priority, NeonRequest request, OnAnswer then) {
  ApiCall call = MakeCall(session, priority, std::move(request));
  call.done = [this, id = session.row.id, then = std::move(then)](const ApiAnswer &answer,
                                                                  const StepRow &) {
    Session *asked = parts_.world->FindSession(id);
    if (asked == nullptr) return;
    Resume(*asked);
    then(*asked, answer);
  };
  Begin(session, Activity::kCall, parts_.calls->Enqueue(std::move(call)));
}

void Desk::List(Session &session, BranchListing listing, OnFound then) {
  listing.then = [this, id = session.row.id,
                  then = std::move(then)](const Result<std::vector<NeonBranch>> &branches) {
    Session *asked = parts_.world->FindSession(id);
    if (asked == nullptr) return;
    Resume(*asked);
    then(*asked, branches);
  };
  listing.on_page = [this, id = session.row.id](uint64_t call_id) {
    if (Session *asked = parts_.world->FindSession(id)) asked->activity_id = call_id;
  };
  Begin(session, Activity::kCall, ListBranches(*parts_.calls, std::move(listing)));
}

void Desk::FindBranch(Session &session, Priority priority, const std::string &name, OnFound then) {
  BranchListing listing;
  listing.like = MakeCall(session, priority, {});
  listing.search = name;
  listing.until = name;
  List(session, std::move(listing),
       [name, then = std::move(then)](Session &asked,
                                      const Result<std::vector<NeonBranch>> &branches) {
         if (!branches.ok()) {
           then(asked, branches);
           return;
         }
         std::vector<NeonBranch> named;
         for (const NeonBranch &branch : branches.value()) {
           if (branch.name == name) named.push_back(branch);
         }
         then(asked, named);
       });
}

void Desk::ConfirmGone(Session &session, OnSession then) {
  BranchListing listing;
  listing.like = MakeCall(session, Priority::kCleanup, {});
  listing.search = session.row.branch_id;
  List(session, std::move(listing),
       [this, then = std::move(then)](Session &asked,
                                      const Result<std::vector<NeonBranch>> &branches) {
         if (!branches.ok()) {
           TryAgain(asked, branches.status());
           return;
         }
         for (const NeonBranch &branch : branches.value()) {
           if (branch.id != asked.row.branch_id) continue;
           TryAgain(asked, Status::Error("55000", "Neon did not find the branch for a while"));
           return;
         }
         then(asked);
       });
}

void Desk::Change(Session &session, Priority priority, NeonRequest request, StepKind kind,
                  std::string target, OnAnswer then) {
  ApiCall call = MakeCall(session, priority, std::move(request));
  call.step = kind;
  call.step_target = std::move(target);
  Enqueue(session, std::move(call), std::move(then));
}

void Desk::ChangeNow(Session &session, Priority priority, NeonRequest request, StepKind kind,
                     std::string target, OnAnswer then) {
  ApiCall call = MakeCall(session, priority, std::move(request));
  call.step = kind;
  call.step_target = std::move(target);
  call.give_back = true;
  Enqueue(session, std::move(call), std::move(then));
}

void Desk::Enqueue(Session &session, ApiCall call, OnAnswer then) {
  call.done = [this, id = session.row.id, then = std::move(then)](const ApiAnswer &answer,
                                                                  const StepRow &step) {
    Session *changed = parts_.world->FindSession(id);
    if (changed == nullptr) return;
    if (answer.verdict.kind == VerdictKind::kUnknown) {
      changed->step = step;
      changed->uncertain = true;
      TryAgain(*changed, answer.verdict.why);
      return;
    }
    Resume(*changed);
    then(*changed, answer);
  };
  Begin(session, Activity::kCall, parts_.calls->Enqueue(std::move(call)));
}

Operations::Done Desk::OnOperationsEnded(Session &session, OnFailures then) {
  Begin(session, Activity::kOperations, 0);
  return [this, id = session.row.id,
          then = std::move(then)](const std::vector<NeonOperation> &failed) {
    Session *waited = parts_.world->FindSession(id);
    if (waited == nullptr) return;
    waited->row.operations.clear();
    Save(*waited);
    Resume(*waited);
    then(*waited, failed);
  };
}

void Desk::AwaitOperations(Session &session, const std::vector<NeonOperation> &operations,
                           OnFailures then) {
  session.row.operations.clear();
  for (const NeonOperation &operation : operations) {
    if (!operation.ended()) session.row.operations.push_back(operation.id);
  }
  Save(session);
  Operations::Done done = OnOperationsEnded(session, std::move(then));
  parts_.operations->Watch(&ProjectOf(session), operations, std::move(done));
}

void Desk::ResumeOperations(Session &session, OnFailures then) {
  std::vector<std::string> ids = session.row.operations;
  Operations::Done done = OnOperationsEnded(session, std::move(then));
  parts_.operations->WatchIds(&ProjectOf(session), ids, std::move(done));
}

void Desk::AwaitBranch(Session &session, const std::string &branch_id, OnFailures then) {
  Operations::Done done = OnOperationsEnded(session, std::move(then));
  parts_.operations->WatchBranch(&ProjectOf(session), branch_id, std::move(done));
}

}  // namespace agent_branch
