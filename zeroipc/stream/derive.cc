#include "zeroipc/stream/derive.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/match.h"
#include "zeroipc/base/hash.h"

namespace zeroipc::internal {
namespace {

// No name of a structure has one.
constexpr std::string_view kNameEnd = "\n";

uint64_t hash_of(std::string_view name) {
  const uint64_t h = fixed_hash(name);
  return h != 0 ? h : 1;
}

// False if there is no room.
bool add_ancestor(stage_origin& origin, uint64_t hash) {
  for (uint64_t& known : origin.ancestry) {
    if (known == hash) return true;
    if (known == 0) {
      known = hash;
      return true;
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<stage_origin> origin_of_stage(std::string_view where, std::string_view name,
                                             std::string_view what,
                                             const std::vector<stage_input>& inputs) {
  stage_origin origin{};
  std::memcpy(origin.what, what.data(), std::min(what.size(), kMaxWhat));
  const uint64_t own = hash_of(name);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const stage_input& in = inputs[i];
    std::memcpy(origin.sources[i], in.name.data(), std::min(in.name.size(), kMaxNameBytes));
    bool fits = add_ancestor(origin, hash_of(in.name)), cycle = in.name == name;
    for (size_t k = 0; in.origin != nullptr && k < kMostAncestors; ++k) {
      const uint64_t ancestor = in.origin->ancestry[k];
      if (ancestor == 0) break;
      cycle = cycle || ancestor == own;
      fits = fits && add_ancestor(origin, ancestor);
    }
    if (cycle) {
      return absl::InvalidArgumentError(absl::StrCat(
          where, ": it would be derived from itself: ", in.where, " comes of '", name, "'"));
    }
    if (!fits) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": it would be derived from more than ", kMostAncestors, " streams"));
    }
  }
  // Time and place tell it from one of the same name that is gone. 48 bits: a cursor's name is short.
  origin.nonce = hash_of(absl::StrCat(deadline::now_ns(), where)) & 0xffff'ffff'ffff;
  return origin;
}

std::string cursor_name_of(std::string_view name, const stage_origin& origin) {
  return absl::StrCat(name, kNameEnd, absl::Hex(origin.nonce & 0xffff'ffff'ffff));
}

bool is_cursor_of(std::string_view cursor, std::string_view name) {
  return absl::StartsWith(cursor, name) && absl::StartsWith(cursor.substr(name.size()), kNameEnd);
}

absl::Status check_same_stage(std::string_view where, const stage_origin& asked,
                              const stage_origin& found, const stream_choices& asked_choices,
                              const stream_choices& found_choices) {
  const auto wrong = [&](const auto&... text) {
    return absl::FailedPreconditionError(absl::StrCat(where, ": it exists ", text...));
  };
  if (found_choices.stage == 0) {
    return wrong("and is not derived from anything, asked for as ", asked.text());
  }
  if (found.text() != asked.text()) {
    return wrong("as ", found.text(), ", asked for as ", asked.text());
  }
  if (found_choices.window != asked_choices.window) {
    return wrong("with windows of up to ", found_choices.window, ", asked for ",
                 asked_choices.window);
  }
  if (found_choices.stage != asked_choices.stage) {
    return wrong("with an operator's state of ", found_choices.stage - 1, " bytes, asked for ",
                 asked_choices.stage - 1);
  }
  const stream_choices defaults;
  if (asked_choices.cursors != defaults.cursors && found_choices.cursors != asked_choices.cursors) {
    return wrong("for ", found_choices.cursors, " subscribers, asked for ", asked_choices.cursors);
  }
  return absl::OkStatus();
}

absl::Status ensure_places(std::string_view where, std::string_view name,
                           const stage_core<hardware, participant>& stage,
                           absl::FunctionRef<bool()> has_ended,
                           const std::vector<stage_input>& inputs) {
  const std::string cursor = cursor_name_of(name, stage.origin());
  const bool fresh = stage.is_fresh();
  const stage_progress at = stage.progress();
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::string own = i == 0 ? cursor : absl::StrCat(cursor, "+");
    // Of stages of this name that were removed: nobody goes on with them, and they hold producers up.
    inputs[i].forget_namesakes(name, cursor);
    if (has_ended()) continue;
    const outcome r = fresh ? inputs[i].reserve(own, at.taken[i]) : inputs[i].find(own);
    if (r || r == outcome::exists || has_ended()) continue;
    if (r == outcome::missing) {
      return absl::FailedPreconditionError(
          absl::StrCat(where, ": it is derived from another stream than ", inputs[i].where,
                       ", which has been removed, or its place there was forgotten"));
    }
    return absl::ResourceExhaustedError(absl::StrCat(
        inputs[i].where, ": there is no subscriber's place for '", name, "': ", r.name()));
  }
  return absl::OkStatus();
}

void report_pump(std::string_view where, outcome why) {
  report_from_background(where, absl::StrCat("the pump cannot go on: ", why.name()));
}

}  // namespace zeroipc::internal
