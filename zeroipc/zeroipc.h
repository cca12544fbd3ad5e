// Every public header of ZeroIPC.
#ifndef ZEROIPC_ZEROIPC_H_
#define ZEROIPC_ZEROIPC_H_

#include "zeroipc/array/array.h"
#include "zeroipc/barrier/barrier.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/fixed_string.h"
#include "zeroipc/base/inline_vector.h"
#include "zeroipc/base/lock_outcome.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/base/shareable.h"
#include "zeroipc/cell/cell.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/event/event.h"
#include "zeroipc/latch/latch.h"
#include "zeroipc/lazy/lazy.h"
#include "zeroipc/map/key_traits.h"
#include "zeroipc/map/map.h"
#include "zeroipc/mutex/mutex.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/once/once.h"
#include "zeroipc/pool/pool.h"
#include "zeroipc/queue/queue.h"
#include "zeroipc/ring/ring.h"
#include "zeroipc/rwlock/rwlock.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/semaphore/semaphore.h"
#include "zeroipc/set/set.h"
#include "zeroipc/stack/stack.h"
#include "zeroipc/stream/stream.h"

#endif  // ZEROIPC_ZEROIPC_H_
