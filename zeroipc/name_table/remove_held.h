// Taking the name away from a structure that one holds, and from no other.
//
// remove() takes away whatever stands under a name. Who has used a structure up and means that one cannot know whether another
// process has removed it meanwhile, and somebody made a new one of that name. While it is held its memory is nobody else's, so
// under the control lock its place tells.
#ifndef ZEROIPC_NAME_TABLE_REMOVE_HELD_H_
#define ZEROIPC_NAME_TABLE_REMOVE_HELD_H_

#include "absl/status/status.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::internal {

// NotFound if it has no name any more. Its memory is freed with its last handle, as after remove().
absl::Status remove_held(const structure& held);

}  // namespace zeroipc::internal

#endif  // ZEROIPC_NAME_TABLE_REMOVE_HELD_H_
