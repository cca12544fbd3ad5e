// The parts of the patterns' specification that use arrays, maps and pools, as they stand there: they compile, and they work.
//
// What a pattern does beyond its sketch, and where the sketch is unsound, is its own library's affair (DESIGN.md, section 6).
#include <cstdint>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/array/array.h"
#include "zeroipc/base/fixed_string.h"
#include "zeroipc/map/map.h"
#include "zeroipc/pool/pool.h"
#include "zeroipc/segment/segment.h"

namespace {

using zeroipc::array;
using zeroipc::map;
using zeroipc::pool;

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

struct ServiceInfo {
  zeroipc::fixed_string<32> host;
  uint16_t port;
};

// clang-format off

// Microservices communication
class ServiceRegistry {
    memory mem;
    map<uint32_t, ServiceInfo> services;
    
public:
    ServiceRegistry() : mem("/services", 10*1024*1024),
                       services(mem, "registry", 100) {}
    
    void register_service(uint32_t id, const ServiceInfo& info) {
        services.insert(id, info);
    }
    
    std::optional<ServiceInfo> lookup(uint32_t id) {
        return services.get(id);
    }
};

// Bulkhead isolation
struct Resource { int uses; };

class Bulkhead {
    memory& mem;
    std::vector<pool<Resource>> pools;
    
public:
    Bulkhead(memory& m, size_t num_compartments, size_t resources_per)
        : mem(m) {
        
        for (size_t i = 0; i < num_compartments; i++) {
            pools.emplace_back(mem, 
                "pool_" + std::to_string(i), 
                resources_per);
        }
    }
    
    template<typename Func>
    auto execute_in_compartment(size_t compartment, Func func) {
        auto* resource = pools[compartment].allocate();
        if (!resource) {
            throw std::runtime_error("Compartment " + 
                std::to_string(compartment) + " exhausted");
        }
        
        // RAII wrapper for automatic return
        struct Guard {
            pool<Resource>& p;
            Resource* r;
            ~Guard() { p.deallocate(r); }
        } guard{pools[compartment], resource};
        
        return func(resource);
    }
};

// clang-format on

TEST(Patterns, AServiceIsLookedUpByAnotherProcess) {
  ServiceRegistry registry;
  registry.register_service(7, {"localhost", 8080});
  zeroipc::harness::process other([&] {
    ServiceRegistry same;
    EXPECT_EQ(same.lookup(7)->port, 8080);
    EXPECT_FALSE(same.lookup(8));
  });
  EXPECT_EQ(other.wait(), zeroipc::harness::exited(0));
}

TEST(Patterns, ACompartmentThatIsExhaustedLeavesTheOthersAlone) {
  memory mem("/bulkhead", 1 << 20);
  // clang-format off
  Bulkhead bulkhead(mem, 3, 10);  // 3 compartments, 10 resources each
  // clang-format on
  int inside = 0;
  const std::function<void(Resource*)> nest = [&](Resource*) {
    ++inside;
    bulkhead.execute_in_compartment(0, nest);
  };
  EXPECT_THROW(bulkhead.execute_in_compartment(0, nest), std::runtime_error);
  EXPECT_EQ(inside, 10);
  bulkhead.execute_in_compartment(1, [](auto* res) { ++res->uses; });
  // All of them came back.
  bulkhead.execute_in_compartment(0, [](auto* res) { ++res->uses; });
}

TEST(Patterns, WorkIsScatteredInArrays) {
  memory mem("/parallel", 20 << 20);
  // clang-format off
  const int N = 10;
  for (int i = 0; i < N; i++) {
      array<double> input(mem, "input_" + std::to_string(i), 1000);
      std::iota(input.begin(), input.end(), i);
  }
  // clang-format on
  std::vector<zeroipc::harness::process> workers;
  for (int id = 0; id < N; ++id) {
    workers.emplace_back([id] {
      const int worker_id = id;
      // clang-format off
      memory mem("/parallel");
      array<double> input(mem, "input_" + std::to_string(worker_id));
      // clang-format on
      EXPECT_EQ(std::accumulate(input.begin(), input.end(), 0.0), 499'500.0 + 1000 * worker_id);
    });
  }
  for (auto& w : workers) EXPECT_EQ(w.wait(), zeroipc::harness::exited(0));
}

TEST(Patterns, AReadModelIsAnArray) {
  struct QueryModel {
    uint64_t orders;
    double total;
  };
  memory read_mem("/read", 1 << 20);
  array<QueryModel> read_models(read_mem, "models", 10000);
  const QueryModel projected = {3, 9.5};
  read_models[17] = projected;
  EXPECT_EQ(read_models[17].orders, 3u);
  EXPECT_EQ(read_models.load(17).total, 9.5);
}

}  // namespace
