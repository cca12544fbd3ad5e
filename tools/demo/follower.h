// What a process that the demo has started does about the end of the one that started it: it ends, too, and nothing is left.
#ifndef ZEROIPC_TOOLS_DEMO_FOLLOWER_H_
#define ZEROIPC_TOOLS_DEMO_FOLLOWER_H_

#include <sys/types.h>

#include <string>

namespace zeroipc::demo {

// From now on. `segment`: the coordinator's, whose name goes with it.
void follow_the_coordinator(pid_t coordinator, const std::string& segment);

}  // namespace zeroipc::demo

#endif  // ZEROIPC_TOOLS_DEMO_FOLLOWER_H_
