#include "patterns/base/process_id.h"

#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/participant/participant.h"

namespace zeroipc::patterns {

ProcessId this_process(const memory& mem) { return {mem.attachment()->self->self().bits()}; }

bool is_dead(const memory& mem, ProcessId who) {
  return !who || mem.attachment()->self->is_dead(owner_tag::from_bits(who.bits));
}

}  // namespace zeroipc::patterns
