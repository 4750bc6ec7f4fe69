// A run of the profiler or of the validation, as the TorchScript class `torch.classes.latgrad.Measurement`:
// Python's latgrad.profile and latgrad.validate wait for one. It runs in a thread of its own, so that whoever
// waits can show its progress and end it.
//
//   auto run = latgrad::Measurement::profile(options_json, {"mine"}, {net});
//   while (!run->wait(0.1)) std::cerr << run->progress();
//   run->result();                                          // JSON, as the command's --json
//
// Thread-safe. Errors: ValueError for an option that is wrong by itself; those of the run come from result().

#pragma once

#include <torch/custom_class.h>

#include <memory>
#include <string>
#include <vector>

#include "latgrad/plugin/net.h"

namespace latgrad {

class Measurement : public torch::CustomClassHolder {
 public:
  // options: a JSON object, whose members are the options of `latgrad profile` by name:
  //   spaces, files, inits, inputs, precisions   lists of text
  //   lut, output, device                        text; empty: as if it were not given
  //   force, dry_run
  //   warmup, samples, target, budget_s, seed    target: a fraction
  //   engine, threads, pin, cores
  //   runner, runner_text, runner_timeout_s      the command as a list, and as the provenance says it
  //   style, columns                             of the progress: quiet, plain or terminal
  // names, nets: networks that have been read, each with its name.
  static c10::intrusive_ptr<Measurement> profile(const std::string& options,
                                                 const std::vector<std::string>& names,
                                                 const std::vector<c10::intrusive_ptr<Net>>& nets);

  // options: the same as far as `latgrad validate` has them, with one `space` and one `precision`, and
  // random, named, plot (text; empty: none).
  static c10::intrusive_ptr<Measurement> validate(const std::string& options,
                                                  const std::vector<std::string>& names,
                                                  const std::vector<c10::intrusive_ptr<Net>>& nets);

  struct Thread;
  explicit Measurement(std::unique_ptr<Thread> thread);
  // Ends the run after the network that is being measured.
  ~Measurement() override;

  // Whether the run has ended, at the latest after this time.
  bool wait(double seconds);
  // What has been written since the last call, for standard error.
  std::string progress();
  // The network that is being measured is the last one. A run that is stopped has no table; the same options
  // resume it.
  void stop();
  // Waits for the end. Empty for a run that was stopped.
  std::string result();

 private:
  std::unique_ptr<Thread> thread_;
};

}  // namespace latgrad
