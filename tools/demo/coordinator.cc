#include "tools/demo/coordinator.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/cli/interrupt.h"
#include "tools/demo/job.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::demo {
namespace {

constexpr size_t kSegmentBytes = 32 << 20;
constexpr uint64_t kFilesCapacity = 256;
constexpr uint64_t kResultsCapacity = 1024;
// How often the coordinator looks after signals, deaths and the progress line while no report comes.
constexpr int64_t kTick = 20'000'000;
// For workers to end once there is nothing left to do.
constexpr int64_t kFinishing = 30'000'000'000;

int64_t now_ns() { return deadline::now_ns(); }

absl::Status interrupted_status() {
  return absl::CancelledError(absl::StrCat("ended by signal ", tools::interrupted()));
}

}  // namespace

struct coordinator::channels {
  channels(file_queue f, result_queue r) : files(std::move(f)), results(std::move(r)) {}
  file_queue files;
  result_queue results;
};

coordinator::coordinator(const coordinator_options& options, const file_list& files, progress& line)
    : options_(options),
      files_(files),
      progress_(line),
      ledger_(files.paths.size()),
      plan_(options.kills, files.paths.size(), options.seed) {
  crew_ = std::make_unique<crew>(static_cast<size_t>(options.workers),
                                 std::vector<std::string>{"zeroipc", "demo-worker", segment_.name(),
                                                          files.root, absl::StrCat(::getpid())});
}

coordinator::~coordinator() { crew_->kill_all(); }

absl::Status coordinator::open_channels() {
  memory_options options;
  options.max_participants = static_cast<uint32_t>(2 * options_.workers + 16);
  options.max_threads = 4 * options.max_participants;
  options.max_names = 64;
  if (absl::Status s = segment_.create(kSegmentBytes, options); !s.ok()) return s;
  absl::StatusOr<file_queue> files =
      file_queue::create(segment_.mem(), kFilesQueue, kFilesCapacity);
  if (!files.ok()) return files.status();
  absl::StatusOr<result_queue> results =
      result_queue::create(segment_.mem(), kResultsQueue, kResultsCapacity);
  if (!results.ok()) return results.status();
  channels_ = std::make_unique<channels>(*std::move(files), *std::move(results));
  return absl::OkStatus();
}

absl::Status coordinator::run() {
  if (absl::Status s = open_channels(); !s.ok()) return s;
  started_ns_ = now_ns();
  absl::Status status = crew_->start();
  if (status.ok()) status = count_all();
  if (status.ok()) status = finish();
  crew_->kill_all();
  figures_.seconds = static_cast<double>(now_ns() - started_ns_) / 1e9;
  figures_.redelivered = channels_->files.stats().redelivered;
  progress_.end();
  channels_.reset();
  absl::Status removed = segment_.remove();
  return status.ok() ? removed : status;
}

// One thread for everything. It never waits for room in `files`: when that is full, there is work, and so there will be
// reports, which it does wait for.
absl::Status coordinator::count_all() {
  for (uint32_t pass = 1;; ++pass) {
    ledger_.start_pass(pass);
    fed_ = 0;
    // Without files there is still the killing to be done.
    while (!ledger_.pass_complete() || (files_.paths.empty() && plan_.left() > 0)) {
      if (tools::interrupted() != 0) return interrupted_status();
      feed();
      if (absl::Status s = book_reports(std::min(kTick, plan_.until_next(now_ns()))); !s.ok())
        return s;
      if (absl::Status s = crew_->look_after(false); !s.ok()) return s;
      if (absl::Status s = kill_if_due(); !s.ok()) return s;
      tell_progress();
    }
    if (plan_.left() == 0) return absl::OkStatus();
  }
}

void coordinator::feed() {
  job next;
  next.pass = ledger_.pass();
  for (; fed_ < files_.paths.size(); ++fed_) {
    next.file = static_cast<uint32_t>(fed_);
    next.path.assign(files_.paths[fed_]);
    if (!channels_->files.try_push(next)) return;
  }
}

absl::Status coordinator::book_reports(int64_t most_ns) {
  // A batch at most, so that feeding and killing get their turn under load.
  constexpr int kBatch = 64;
  report r;
  for (int i = 0; i < kBatch; ++i) {
    const outcome got = i == 0 ? channels_->results.pop_for(r, std::chrono::nanoseconds(most_ns))
                               : channels_->results.try_pop(r);
    if (!got) return absl::OkStatus();
    crew::seat* seat = crew_->seat_of(r.process);
    if (seat == nullptr) return absl::DataLossError("a report of a worker that never was");
    if (r.kind == report_kind::ready) {
      // Of the process that sits there now, and not of one that was killed before this was read.
      if (seat->process == r.process) seat->ready = true;
      continue;
    }
    switch (ledger_.book(r)) {
      case ledger::entry::taken:
        ++seat->files;
        seat->words += r.result.sum.words;
        seat->bytes += r.result.sum.bytes;
        ++figures_.files_counted;
        figures_.bytes_counted += r.result.sum.bytes;
        break;
      case ledger::entry::malformed:
        return absl::DataLossError(
            absl::StrCat("a report on file ", r.file, " that no worker can have written"));
      case ledger::entry::collected:
      case ledger::entry::duplicate:
        break;
    }
  }
  return absl::OkStatus();
}

absl::Status coordinator::kill_if_due() {
  const int64_t now = now_ns();
  if (!plan_.due(ledger_.pass(), ledger_.taken(), now)) return absl::OkStatus();
  // Only those at work: a process that is still being started holds nothing that could be lost.
  const std::vector<size_t> candidates = crew_->ready_seats();
  if (candidates.empty()) return absl::OkStatus();
  if (absl::Status s = crew_->kill_and_replace(candidates[plan_.choose(candidates.size())]);
      !s.ok())
    return s;
  plan_.done(now);
  return absl::OkStatus();
}

// Closed and drained, the queue ends the workers; a lease that a dead one left is still worked off before.
absl::Status coordinator::finish() {
  channels_->files.close();
  const int64_t until = now_ns() + kFinishing;
  while (crew_->running() > 0) {
    if (tools::interrupted() != 0) return interrupted_status();
    if (now_ns() > until)
      return absl::DeadlineExceededError("the workers do not end although there is no work left");
    if (absl::Status s = book_reports(1'000'000); !s.ok()) return s;
    if (absl::Status s = crew_->look_after(true); !s.ok()) return s;
  }
  return book_reports(0);
}

void coordinator::tell_progress() {
  progress_.tell({.pass = ledger_.pass(),
                  .files = ledger_.taken(),
                  .files_of = files_.paths.size(),
                  .bytes = figures_.bytes_counted,
                  .killed = crew_->killed(),
                  .kills_of = options_.kills,
                  .died = crew_->died(),
                  .redelivered = channels_->files.stats().redelivered,
                  .elapsed_ns = now_ns() - started_ns_});
}

}  // namespace zeroipc::demo
