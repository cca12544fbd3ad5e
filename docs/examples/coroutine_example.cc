// One thread that serves a hundred requests at a time, each by a task that waits for something else meanwhile.
//
//   ./bazelw run //docs/examples:coroutine_example -- serve
//   ./bazelw run //docs/examples:coroutine_example -- ask       (in another terminal)
#include <chrono>
#include <cstdint>
#include <iostream>
#include <string_view>

#include "zeroipc/channel/channel.h"
#include "zeroipc/coroutine/coroutine.h"
#include "zeroipc/segment/segment.h"

using namespace std::chrono_literals;

struct request {
  int32_t number;
  int32_t takes_ms;
};
struct answer {
  int32_t number;
  int64_t square;
};

// What it takes is copied into the task, and what it refers to outlives it.
zeroipc::task<> serve_one(zeroipc::channel<answer>& answers, request r) {
  co_await zeroipc::sleep_for(std::chrono::milliseconds(r.takes_ms));
  co_await zeroipc::async_send(answers, {r.number, int64_t{r.number} * r.number});
}

zeroipc::task<> serve(zeroipc::executor& ex, zeroipc::channel<request>& requests,
                      zeroipc::channel<answer>& answers) {
  while (auto r = co_await zeroipc::async_receive(requests)) ex.spawn(serve_one(answers, *r));
}

zeroipc::task<> ask(zeroipc::channel<request>& requests, int n) {
  for (int i = 1; i <= n; ++i) co_await zeroipc::async_send(requests, {i, 50});
  requests.close();
}

zeroipc::task<int> count_right(zeroipc::channel<answer>& answers, int n) {
  int right = 0;
  for (int i = 0; i < n; ++i) {
    const auto a = co_await zeroipc::async_receive_for(answers, 10s);
    if (!a) break;
    if (a->square == int64_t{a->number} * a->number) ++right;
  }
  co_return right;
}

zeroipc::task<> report(zeroipc::channel<answer>& answers, int n) {
  const auto begun = std::chrono::steady_clock::now();
  const int right = co_await count_right(answers, n);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  std::cout << right << " answers of 50 ms each in " << took.count() << " s" << std::endl;
}

int main(int argc, char** argv) {
  zeroipc::memory mem(argc > 2 ? argv[2] : "/coroutine_example", 1 << 20);
  zeroipc::channel<request> requests(mem, "requests", 16);
  zeroipc::channel<answer> answers(mem, "answers", 16);

  zeroipc::executor ex;
  if (argc > 1 && std::string_view(argv[1]) == "serve") {
    ex.spawn(serve(ex, requests, answers));
  } else {
    ex.spawn(ask(requests, 100));
    ex.spawn(report(answers, 100));
  }
  ex.run();  // sleeps while all of them wait
}
