// What an operation of the data plane answers.
//
// Operations that share data never throw and never allocate; they answer with an `outcome`. It converts to `true` only
// when the operation took effect (`ok`, and `owner_died`, which says more about it), and it keeps the reason apart when it did not: a full queue, a closed one and a
// corrupt one call for different reactions.
#ifndef ZEROIPC_BASE_OUTCOME_H_
#define ZEROIPC_BASE_OUTCOME_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace zeroipc {

class outcome {
 public:
  enum class code : uint8_t {
    ok,         // it took effect
    full,       // no room now
    empty,      // nothing there now
    closed,     // closed; for consumers: and drained
    timed_out,  // the deadline passed first
    taken,      // another live participant holds the role, or it is held by this caller already
    exhausted,  // this process is out of thread records, claims or leases
    gone,       // what the handle stood for was fenced off: released twice, forked away or removed
    foreign,    // a pointer or handle that does not belong to this structure
    exists,     // there is one already
    missing,    // there is none
    unequal,    // it is not what it was expected to be
    broken,  // a process that was waited for has died, and the structure is to say so rather than to go on
    owner_died,  // it took effect; whoever held it before died inside, and what it guards may be half changed
    corrupt,  // the segment holds a value that no correct participant can have written
    failed,   // there is an error instead of a value
  };

  constexpr outcome() = default;
  constexpr outcome(code c) : code_(c) {}  // NOLINT: an outcome *is* its code

  constexpr explicit operator bool() const {
    return code_ == code::ok || code_ == code::owner_died;
  }
  constexpr code value() const { return code_; }
  friend constexpr bool operator==(outcome, outcome) = default;
  friend constexpr bool operator==(outcome a, code b) { return a.code_ == b; }

  constexpr std::string_view name() const {
    switch (code_) {
      case code::ok:
        return "ok";
      case code::full:
        return "full";
      case code::empty:
        return "empty";
      case code::closed:
        return "closed";
      case code::timed_out:
        return "timed out";
      case code::taken:
        return "taken";
      case code::exhausted:
        return "exhausted";
      case code::gone:
        return "gone";
      case code::foreign:
        return "foreign";
      case code::exists:
        return "exists";
      case code::missing:
        return "missing";
      case code::unequal:
        return "unequal";
      case code::broken:
        return "broken";
      case code::owner_died:
        return "owner died";
      case code::corrupt:
        return "corrupt";
      case code::failed:
        return "failed";
    }
    return "unknown";
  }

  static constexpr code ok = code::ok;
  static constexpr code full = code::full;
  static constexpr code empty = code::empty;
  static constexpr code closed = code::closed;
  static constexpr code timed_out = code::timed_out;
  static constexpr code taken = code::taken;
  static constexpr code exhausted = code::exhausted;
  static constexpr code gone = code::gone;
  static constexpr code foreign = code::foreign;
  static constexpr code exists = code::exists;
  static constexpr code missing = code::missing;
  static constexpr code unequal = code::unequal;
  static constexpr code broken = code::broken;
  static constexpr code owner_died = code::owner_died;
  static constexpr code corrupt = code::corrupt;
  static constexpr code failed = code::failed;

 private:
  code code_ = code::ok;
};

// How far a batch got, and why not further.
struct batch_outcome {
  size_t count = 0;
  outcome why;

  // Whether all of it was pushed; whether anything was popped.
  explicit operator bool() const { return static_cast<bool>(why); }
};

namespace internal {

// A deadline that has passed before the first look is still a timed operation's.
inline outcome late(outcome r) {
  return r == outcome::full || r == outcome::empty ? outcome(outcome::timed_out) : r;
}

}  // namespace internal

}  // namespace zeroipc

#endif  // ZEROIPC_BASE_OUTCOME_H_
