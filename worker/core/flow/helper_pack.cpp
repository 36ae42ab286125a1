#include "worker/core/flow/helper_pack.hpp"

#include "worker/core/base/packed.hpp"

namespace agent_branch {

std::string PackTask(const HelperTask &task) {
  Packer packer;
  packer.Number(task.id);
  packer.Number(static_cast<uint64_t>(task.kind));
  packer.Number(task.role_oid);
  packer.Number(static_cast<uint64_t>(task.timeout.count()));
  packer.Text(task.function);
  packer.Text(task.text);
  return packer.Take();
}

std::optional<HelperTask> UnpackTask(std::string_view packed) {
  Unpacker unpacker(packed);
  HelperTask task;
  task.id = unpacker.Number();
  const uint64_t kind = unpacker.Number();
  task.kind = static_cast<HelperTask::Kind>(kind);
  task.role_oid = static_cast<uint32_t>(unpacker.Number());
  task.timeout = std::chrono::milliseconds(unpacker.Number());
  task.function = unpacker.Text();
  task.text = unpacker.Text();
  if (!unpacker.Complete() || kind > static_cast<uint64_t>(HelperTask::Kind::kCheckFix))
    return std::nullopt;
  return task;
}

std::string PackEvent(const HelperEvent &event) {
  Packer packer;
  packer.Number(event.id);
  packer.Number(static_cast<uint64_t>(event.outcome));
  packer.Text(event.answer);
  packer.Text(event.error.sqlstate);
  packer.Text(event.error.message);
  packer.Text(event.error.detail);
  packer.Text(event.error.hint);
  return packer.Take();
}

std::optional<HelperEvent> UnpackEvent(std::string_view packed) {
  Unpacker unpacker(packed);
  HelperEvent event;
  event.id = unpacker.Number();
  const uint64_t outcome = unpacker.Number();
  event.outcome = static_cast<HelperEvent::Outcome>(outcome);
  event.answer = unpacker.Text();
  event.error.sqlstate = unpacker.Text();
  event.error.message = unpacker.Text();
  event.error.detail = unpacker.Text();
  event.error.hint = unpacker.Text();
  if (!unpacker.Complete() || outcome > static_cast<uint64_t>(HelperEvent::Outcome::kLost))
    return std::nullopt;
  return event;
}

}  // namespace agent_branch
