// A runner that is a program, started on this machine or on another one through a command that reaches it.
//
//   ProcessRunner runner({"/usr/bin/latgrad-runner"});
//   ProcessRunner runner({"/bin/sh", "-c", "ssh pi latgrad-runner"});
//   RunnerInfo info = runner.open(settings);
//
// The program reads requests from its standard input and writes replies to its standard output
// (docs/runner-protocol.md); what it writes to standard error goes to ours. Ctrl-C does not reach it: the
// planner decides when to stop. It ends when this object does.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "latgrad/runner/runner.h"

namespace latgrad::runner {

class ProcessRunner : public Runner {
 public:
  // `timeout_s` is the time limit of one reply. From then on the whole process ignores SIGPIPE, so that the
  // death of a runner is an error and does not kill the planner. Errors: RunnerError if no process can be
  // created.
  explicit ProcessRunner(std::vector<std::string> command, double timeout_s = 300);
  ~ProcessRunner() override;
  ProcessRunner(const ProcessRunner&) = delete;
  ProcessRunner& operator=(const ProcessRunner&) = delete;

  // Errors: RunnerError if the program cannot be started, dies, answers too late or breaks the protocol; the
  // message names the command.
  RunnerInfo open(const RunnerSettings& settings) override;
  // A runner of the first protocol measures the parts of a chain one after the other.
  Timings measure(const MeasureRequest& request) override;
  Loaded load(const LoadRequest& request) override;
  NetworkTimes time(const TimeRequest& request) override;

 private:
  Timings measure_at_once(const MeasureRequest& request);
  Timings measure_by_part(const MeasureRequest& request);
  // Asks what `make(id)` says and gives what `parse(reply, id)` reads; its errors name the command.
  template <typename Make, typename Parse>
  auto exchange(const Make& make, const Parse& parse);
  std::string ask(const std::string& request);
  [[noreturn]] void fail(const std::string& what);
  [[noreturn]] void fail_by_death();

  std::vector<std::string> command_;
  double timeout_s_;
  pid_t process_ = -1;  // -1: it has ended
  int to_runner_ = -1;
  int from_runner_ = -1;
  std::string received_;  // bytes after the last line that was read
  uint64_t next_id_ = 0;
  int protocol_ = 1;
};

}  // namespace latgrad::runner
