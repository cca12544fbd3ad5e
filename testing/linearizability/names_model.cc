#include "testing/linearizability/names_model.h"

namespace zeroipc::linearizability {

using kind = names_operation::kind;
using result = names_operation::result;

std::string text_of(const names_operation& o) {
  constexpr const char* kKinds[] = {"create", "look", "remove"};
  constexpr const char* kResults[] = {"cut off", "ok", "exists", "missing"};
  std::string text = kKinds[static_cast<int>(o.what)];
  text += " " + std::to_string(o.name);
  if (o.id != 0) text += " as " + std::to_string(o.id);
  return text + ": " + kResults[static_cast<int>(o.how)];
}

std::vector<names_model> names_model::after(const recorded<names_operation>& o) const {
  const names_operation& op = o.what;
  const uint64_t here = ids_[op.name];
  names_model next = *this;
  bool possible = false;
  switch (op.what) {
    case kind::create:
      possible = (op.how == result::exists) == (here != 0);
      if (here == 0) next.ids_[op.name] = op.id;
      if (o.pending()) possible = here == 0;
      break;
    case kind::look:
      possible = op.how == result::ok ? here != 0 && (op.id == 0 || op.id == here) : here == 0;
      if (o.pending()) possible = false;
      break;
    case kind::remove:
      possible = (op.how == result::missing) == (here == 0);
      next.ids_[op.name] = 0;
      if (o.pending()) possible = here != 0;
      break;
  }
  if (!possible) return {};
  return {next};
}

uint64_t names_model::hash() const {
  uint64_t h = 3;
  for (const uint64_t id : ids_) h = (h ^ id ^ (h >> 31)) * 0x9e37'79b9'7f4a'7c15;
  return h;
}

std::string names_model::text() const {
  std::string text = "{";
  for (size_t i = 0; i < kNames; ++i) {
    if (ids_[i] != 0) text += " " + std::to_string(i) + ": " + std::to_string(ids_[i]);
  }
  return text + " }";
}

}  // namespace zeroipc::linearizability
