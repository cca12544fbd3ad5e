// The parts of the patterns' specification that use futures, as they stand there: they compile, and they work.
//
// What a pattern does beyond its sketch, and where the sketch is unsound, is its own library's affair (DESIGN.md, section 6).
#include <chrono>
#include <cstdint>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/array/array.h"
#include "zeroipc/base/fixed_string.h"
#include "zeroipc/future/future.h"
#include "zeroipc/queue/queue.h"
#include "zeroipc/segment/segment.h"

namespace {

using namespace std::chrono_literals;
using zeroipc::array;
using zeroipc::future;
using zeroipc::queue;

// The sketches name their segments; tests that run side by side must not meet in one.
class memory : public zeroipc::memory {
 public:
  memory(const std::string& name, size_t size) : zeroipc::memory(of_this_test(name), size) {}
  explicit memory(const std::string& name) : zeroipc::memory(of_this_test(name)) {}

 private:
  static std::string of_this_test(const std::string& name) {
    static auto& names = *new std::map<std::string, zeroipc::harness::unique_segment>;
    return names[name].name();
  }
};

struct Request {
  uint64_t id;
  zeroipc::fixed_string<32> data;
};
struct Response {
  uint64_t id;
  size_t length;
};

TEST(Patterns, AClientIsAnsweredByTheFutureThatIsNamedAfterItsRequest) {
  // clang-format off
  // Service Process
  memory mem("/service", 50*1024*1024);
  queue<Request> requests(mem, "requests", 100);
  // clang-format on
  zeroipc::harness::process client([] {
    uint64_t answered = 0;
    const auto process_response = [&](const Response& r) {
      EXPECT_EQ(r.length, 5u);
      answered = r.id;
    };
    const auto handle_timeout = [] { ADD_FAILURE(); };
    // clang-format off
    // Client Process
    memory mem("/service");
    queue<Request> requests(mem, "requests");

    Request req{.id = 42, .data = "query"};
    requests.push(req);

    // Wait for response
    future<Response> response(mem, "response_42", true);
    if (auto res = response.get_for(5s)) {
        process_response(*res);
    } else {
        handle_timeout();
    }
    // clang-format on
    EXPECT_EQ(answered, 42u);
  });
  bool running = true;
  const auto handle_request = [&](const Request& r) {
    running = false;
    return Response{r.id, r.data.size()};
  };
  // clang-format off
  while (running) {
      if (auto req = requests.pop()) {
          // Create future for response
          future<Response> response(mem, "response_" + std::to_string(req->id));
          
          // Process request
          Response res = handle_request(*req);
          response.set_value(res);
      }
  }
  // clang-format on
  EXPECT_EQ(client.wait(), zeroipc::harness::exited(0));
}

struct RawData {
  int value;
};
struct ProcessedData {
  int value;
};
struct Result {
  int value;
};
RawData fetch_data() { return {3}; }
ProcessedData transform(RawData raw) { return {raw.value * 2}; }
Result compute_final(ProcessedData p) { return {p.value + 1}; }

TEST(Patterns, AChainOfProcessesHandsOnWhatItComputes) {
  // clang-format off
  // Process A: Initiate computation chain
  memory mem("/pipeline", 100*1024*1024);

  future<RawData> raw_future(mem, "raw_data");
  future<ProcessedData> processed_future(mem, "processed_data");
  future<Result> final_future(mem, "final_result");
  // clang-format on
  zeroipc::harness::process c([&] {
    // clang-format off
    // Process C: Final computation
    future<ProcessedData> processed_future(mem, "processed_data", true);
    future<Result> final_future(mem, "final_result");

    ProcessedData processed = processed_future.get();
    Result result = compute_final(processed);
    final_future.set_value(result);
    // clang-format on
  });
  zeroipc::harness::process b([&] {
    // clang-format off
    // Process B: First transformation
    future<RawData> raw_future(mem, "raw_data", true);
    future<ProcessedData> processed_future(mem, "processed_data");

    RawData raw = raw_future.get();
    ProcessedData processed = transform(raw);
    processed_future.set_value(processed);
    // clang-format on
  });
  // clang-format off
  // Start pipeline
  RawData raw = fetch_data();
  raw_future.set_value(raw);
  // clang-format on
  EXPECT_EQ(final_future.get().value, 7);
  EXPECT_EQ(b.wait(), zeroipc::harness::exited(0));
  EXPECT_EQ(c.wait(), zeroipc::harness::exited(0));
}

void fill_with_data(array<double>& input) { input.fill(0.5); }
double heavy_computation(const array<double>& input) {
  double sum = 0;
  for (size_t i = 0; i < input.size(); ++i) sum += input.load(i);
  return sum;
}
double aggregate(const std::vector<double>& all) {
  return std::accumulate(all.begin(), all.end(), 0.0);
}

void work_on(int number) {
  const auto get_worker_id = [&] { return number; };
  // clang-format off
  // Worker Process (run N instances)
  memory mem("/parallel");
  int worker_id = get_worker_id();

  array<double> input(mem, "input_" + std::to_string(worker_id));
  future<double> result(mem, "result_" + std::to_string(worker_id), true);

  double res = heavy_computation(input);
  result.set_value(res);
  // clang-format on
}

TEST(Patterns, WorkThatIsSplitUpIsJoined) {
  // clang-format off
  // Coordinator Process
  memory mem("/parallel", 200*1024*1024);

  // Create work items
  const int N = 10;
  for (int i = 0; i < N; i++) {
      array<double> input(mem, "input_" + std::to_string(i), 1000);
      fill_with_data(input);
      
      future<double> result(mem, "result_" + std::to_string(i));
  }
  // clang-format on
  std::vector<zeroipc::harness::process> workers;
  for (int i = 0; i < N; i++) workers.emplace_back([i] { work_on(i); });
  // clang-format off
  // Wait for all results
  std::vector<double> results;
  for (int i = 0; i < N; i++) {
      future<double> result(mem, "result_" + std::to_string(i), true);
      results.push_back(result.get());
  }

  double final = aggregate(results);
  // clang-format on
  EXPECT_EQ(final, N * 500.0);
  for (zeroipc::harness::process& w : workers) EXPECT_EQ(w.wait(), zeroipc::harness::exited(0));
}

}  // namespace
