// co_await on what several processes share: futures, channels both ways, streams, cells, time, and the first of several of them.
//
//   zeroipc::task<> relay(zeroipc::channel<Job>& in, zeroipc::channel<Result>& out) {
//     while (auto job = co_await zeroipc::async_receive(in)) {
//       co_await zeroipc::async_send(out, run(*job));
//     }
//   }
//
//   zeroipc::executor ex;
//   ex.spawn(relay(jobs, results));
//   ex.spawn(relay(urgent_jobs, results));
//   ex.run();
//
//   task.h        task<T>: a coroutine
//   awaitables.h  what it can wait for
//   executor.h    what runs it: one thread, one sleep for all
//
// Nothing of it is in shared memory, and nothing else of this library depends on it.
#ifndef ZEROIPC_COROUTINE_COROUTINE_H_
#define ZEROIPC_COROUTINE_COROUTINE_H_

#include "zeroipc/coroutine/awaitables.h"
#include "zeroipc/coroutine/executor.h"
#include "zeroipc/coroutine/task.h"

#endif  // ZEROIPC_COROUTINE_COROUTINE_H_
