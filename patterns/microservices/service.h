// Service: questions of several kinds under one name, answered by any number of processes; and ServiceClient, which finds it.
//
//   // each instance
//   patterns::Service prices(mem, "prices");
//   prices.on<Query, Quote>("quote", [&](const Query& q) { return quote(q); });
//   prices.on<Update, Done>("update", [&](const Update& u) -> absl::StatusOr<Done> { return update(u); });
//   prices.run();                                        // until it is stopped
//
//   // or, with one kind of question, as a base class
//   class DataService : public patterns::RequestService<Request, Response> {
//    public:
//     explicit DataService(const memory& mem) : RequestService(mem, "data") {}
//     Response handle_request(const Request& r) override { ... }
//   };
//
//   // anybody
//   patterns::ServiceClient services(mem);
//   absl::StatusOr<Quote> q = services.call<Quote>("prices", "quote", query, 50ms);   // waits for an instance, too
//
// Each method is a service of request_response.h, under "prices/quote": all instances take their next question from the same place, so the work goes to
// those that have time for it, without anybody who distributes it. Which instances there are says the registry.
//
// What is promised when a process is killed: what Client and Server promise; its instance is not found any more.
//
// Thread safety: on() before run(); run() may be called by several threads, each of which answers. A ServiceClient is thread-safe.
// Progress: blocking; nothing is polled. Up to 100 methods.
#ifndef ZEROIPC_PATTERNS_MICROSERVICES_SERVICE_H_
#define ZEROIPC_PATTERNS_MICROSERVICES_SERVICE_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "patterns/base/health.h"
#include "patterns/microservices/registry.h"
#include "patterns/request_response/request_response.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/wait/wait_any.h"

namespace zeroipc::patterns {

struct ServiceOptions {
  std::string registry = "services";
  // Questions of one kind that may wait.
  size_t capacity = 100;
  // What it says of itself in the registry.
  std::string info = {};
};

class Service {
 public:
  static constexpr size_t kMostMethods = 100;

  // Throws zeroipc::error: the registry cannot be opened or created.
  Service(const memory& mem, std::string_view name, const ServiceOptions& options = {});
  virtual ~Service() = default;
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // Answers the questions of one kind: f(const Request&), which returns a Response or an absl::StatusOr<Response>. Throws zeroipc::error: the
  // method exists with other types or another capacity, or there are too many.
  template <typename Request, typename Response, typename F>
  void on(std::string_view method, F f) {
    Server<Request, Response> server(mem_, method_name(method), options_.capacity);
    Method& m = add_method(method);
    m.events = {&server.waitable().env, &server.waitable().event};
    m.try_one = [server, f = std::move(f)]() mutable { return server.try_serve_one(f); };
    m.attend = [server] { return server.attend(); };
    m.stop = [server]() mutable { server.stop(); };
    m.stats = [server] { return server.stats(); };
    m.remove = [server] { return server.remove(); };
  }

  // Registers an instance, and answers until stop(): `closed`. `exhausted`: as many threads serve already as can; `missing`: it has no
  // methods, or the registry has no room.
  outcome run() { return run_until(deadline::never()); }
  template <typename Rep, typename Period>
  outcome run_for(std::chrono::duration<Rep, Period> timeout) {
    return zeroipc::internal::late(run_until(deadline::after(timeout)));
  }
  // All instances end when what was asked is answered, and nothing is taken any more.
  void stop();

  // As it says of itself in the registry: of the instances that this process runs. Unhealthy ones are not picked; what is asked is answered all
  // the same.
  void set_health(const Health& h);
  // Not well: a method is not, of all instances; the first is named.
  Health health() const;
  std::vector<std::pair<std::string, ServiceStats>> stats() const;
  // Takes the methods' names away, not the registry's.
  absl::Status remove() const;
  const std::string& name() const { return name_; }
  ServiceRegistry& registry() { return registry_; }

 private:
  struct Method {
    std::string name;
    zeroipc::internal::awaited<hardware, zeroipc::internal::participant> events;
    std::function<outcome()> try_one;
    std::function<Roll::Seat()> attend;
    std::function<void()> stop;
    std::function<ServiceStats()> stats;
    std::function<absl::Status()> remove;
  };

  std::string method_name(std::string_view method) const {
    return absl::StrCat(name_, "/", method);
  }
  Method& add_method(std::string_view name);
  outcome run_until(deadline until);

  memory mem_;
  std::string name_;
  ServiceOptions options_;
  ServiceRegistry registry_;
  std::vector<std::unique_ptr<Method>> methods_;
  std::mutex instances_lock_;
  std::vector<ServiceRegistry::Registration*> instances_;  // of those that run
};

// A service with one kind of question, "request".
template <typename Request, typename Response>
class RequestService : public Service {
 public:
  static constexpr const char* kMethod = "request";

  RequestService(const memory& mem, std::string_view name, const ServiceOptions& options = {})
      : Service(mem, name, options) {
    on<Request, Response>(kMethod, [this](const Request& r) { return handle_request(r); });
  }
  virtual Response handle_request(const Request& request) = 0;
};

class ServiceClient {
 public:
  // Throws zeroipc::error: the registry cannot be opened or created.
  explicit ServiceClient(const memory& mem, std::string_view registry = "services",
                         const ClientOptions& options = {})
      : mem_(mem), options_(options), registry_(mem, registry) {}

  // The answer, within that time, which includes waiting for an instance. Errors: Unavailable: there is none that is well; NotFound: the service has no such
  // method; FailedPrecondition: it has other types; and those of Client::call().
  template <typename Response, typename Request, typename Rep, typename Period>
  absl::StatusOr<Response> call(std::string_view service, std::string_view method,
                                const Request& request,
                                std::chrono::duration<Rep, Period> timeout) const {
    const deadline until = deadline::after(timeout);
    auto client = this->client<Request, Response>(service, method, timeout);
    if (!client.ok()) return client.status();
    return client->call(request, std::chrono::nanoseconds(until.ns() - deadline::now_ns()));
  }
  // For many calls of one kind.
  template <typename Request, typename Response, typename Rep, typename Period>
  absl::StatusOr<Client<Request, Response>> client(
      std::string_view service, std::string_view method,
      std::chrono::duration<Rep, Period> timeout) const {
    if (auto there = registry_.wait_for(service, timeout); !there.ok()) return there.status();
    return Client<Request, Response>::open(mem_, absl::StrCat(service, "/", method), options_);
  }
  const ServiceRegistry& registry() const { return registry_; }

 private:
  memory mem_;
  ClientOptions options_;
  ServiceRegistry registry_;
};

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_MICROSERVICES_SERVICE_H_
