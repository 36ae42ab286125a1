// From kCreating to kReady: the branch is made, its operations end, its URIs and base are known.
//
// The name and the annotation are what makes this exactly-once, since the API has no idempotency
// key: a create whose answer was lost, or names another branch than the one asked for, or that is
// told "already exists", is looked up by exact name, and adopted only when the annotation says that
// it is this session's.
#pragma once

#include "worker/core/session/admission.hpp"
#include "worker/core/session/agent_role.hpp"
#include "worker/core/session/connection_uris.hpp"
#include "worker/core/session/reader_role.hpp"

namespace agent_branch {

class CreateFlow {
 public:
  CreateFlow(SessionContext *context, Admission *admission, ConnectionUris *uris)
      : context_(context),
        admission_(admission),
        uris_(uris),
        role_(context, uris),
        reader_(context) {}

  // state kCreating.
  Flow<Next> Run(Session &session);

 private:
  Flow<Next> FindParent(Session &session);
  Flow<Next> NoteWhereTheParentStands(Session &session);
  // What comes of a parent that did not say it.
  Next WithoutStandpoint(Session &session, const BranchEvent &event);
  Flow<Next> MakeBranch(Session &session);
  Flow<Next> OnCreated(Session &session, ApiAnswer answer);
  Next OnRefused(Session &session, const ApiAnswer &answer);
  // Finds out what became of a create whose outcome is not known.
  Flow<Next> Reconcile(Session &session);
  Flow<Next> Adopt(Session &session, NeonBranch branch);
  // The kept branch that has the session's name, if one has.
  const KeptBranchRow *HolderOfName(const Session &session) const;
  // Renames a branch of a finished session that still holds the session's name.
  Flow<Next> FreeName(Session &session, KeptBranchRow kept);
  Flow<Next> OnOperations(Session &session, std::vector<NeonOperation> failed);
  // The branch is there, and its compute did not start: `operation` says how.
  Flow<Next> StartAgain(Session &session, std::string operation);
  Flow<Next> FindEndpoint(Session &session);
  // See create_base.cpp.
  Flow<Next> DescribeBase(Session &session);
  Flow<Next> ReadBaseVersion(Session &session);
  Flow<Next> NoteWhereTheBranchStands(Session &session);
  Flow<Next> DescribeFully(Session &session);
  bool IsBaseKnown(const Session &session) const;
  bool IsBeingDescribed(const Session &session) const;
  void TakeUris(Session &session, const NeonChange &created);

  SessionContext *context_;
  Admission *admission_;
  ConnectionUris *uris_;
  AgentRole role_;
  ReaderRole reader_;
};

}  // namespace agent_branch
