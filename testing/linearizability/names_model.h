// The sequential model of a segment's names: a map from a name to what was created under it.
//
//   create   ok: there was none, and it is there now. exists: there is one
//   look     ok (open, find): that one is there. missing: there is none
//   remove   ok: it was there. missing: it was not
//   cut off  a create or a remove has happened or not; looking changes nothing
#ifndef ZEROIPC_TESTING_LINEARIZABILITY_NAMES_MODEL_H_
#define ZEROIPC_TESTING_LINEARIZABILITY_NAMES_MODEL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "testing/linearizability/history.h"

namespace zeroipc::linearizability {

struct names_operation {
  enum class kind : uint8_t { create, look, remove };
  enum class result : uint8_t { none, ok, exists, missing };

  kind what = kind::look;
  result how = result::none;
  uint32_t name = 0;
  uint64_t id = 0;  // of what was created or found; 0 where that is not known
};
std::string text_of(const names_operation& o);

class names_model {
 public:
  static constexpr size_t kNames = 3;

  std::vector<names_model> after(const recorded<names_operation>& o) const;
  uint64_t hash() const;
  std::string text() const;

 private:
  std::array<uint64_t, kNames> ids_{};  // 0: there is none
};

}  // namespace zeroipc::linearizability

#endif  // ZEROIPC_TESTING_LINEARIZABILITY_NAMES_MODEL_H_
