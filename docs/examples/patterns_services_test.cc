// The service of the patterns' specification, as it stands there: it compiles, and it works.
//
// What the pattern does beyond its sketch, and where the sketch is unsound, is its own library's affair (patterns/microservices).
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/future/future.h"
#include "zeroipc/map/map.h"
#include "zeroipc/queue/queue.h"
#include "zeroipc/segment/segment.h"

namespace {

using zeroipc::future;
using zeroipc::map;
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

enum Kind { QUERY, UPDATE, STOP, OTHER };
struct Request {
  uint32_t id;
  Kind type;
  int data;
};
struct Response {
  int value;
  bool is_error;
};

int stored = 0;
Response execute_query(int) { return {stored, false}; }
Response update_data(int data) { return {stored = data, false}; }
// Its run() has no end; the specification leaves out what one would do about that.
Response error_response(const char*) {
  static int errors = 0;
  if (++errors == 2) throw std::runtime_error("stopped");
  return {0, true};
}

// clang-format off
// Service Base Class
class Service {
protected:
    memory mem;
    queue<Request> requests;
    map<uint32_t, future<Response>*> responses;
    
public:
    Service(std::string_view name, size_t mem_size)
        : mem(std::string(name), mem_size),
          requests(mem, "requests", 100),
          responses(mem, "responses", 100) {}
    
    virtual Response handle_request(const Request& req) = 0;
    
    void run() {
        while (true) {
            if (auto req = requests.pop()) {
                Response res = handle_request(*req);
                
                future<Response> response(mem, 
                    "response_" + std::to_string(req->id));
                response.set_value(res);
            }
        }
    }
};

// Example Service
class DataService : public Service {
public:
    DataService() : Service("/data_service", 50*1024*1024) {}
    
    Response handle_request(const Request& req) override {
        switch (req.type) {
            case QUERY:
                return execute_query(req.data);
            case UPDATE:
                return update_data(req.data);
            default:
                return error_response("Unknown request type");
        }
    }
};
// clang-format on

TEST(Patterns, AServiceAnswersByFutures) {
  // Makes the segment's name before the process does, so that both have the same.
  memory mem("/data_service", 50 * 1024 * 1024);
  zeroipc::harness::process service([] {
    try {
      DataService().run();
    } catch (const std::runtime_error&) {
    }
  });
  queue<Request> requests(mem, "requests", 100);
  const auto ask = [&](const Request& r) {
    requests.push(r);
    return future<Response>(mem, "response_" + std::to_string(r.id), true).get();
  };
  EXPECT_EQ(ask({1, UPDATE, 42}).value, 42);
  EXPECT_EQ(ask({2, QUERY, 0}).value, 42);
  EXPECT_TRUE(ask({3, OTHER, 0}).is_error);
  requests.push({4, STOP, 0});
  EXPECT_EQ(service.wait(), zeroipc::harness::exited(0));
}

}  // namespace
