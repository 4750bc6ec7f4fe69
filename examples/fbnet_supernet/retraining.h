// The chosen architecture, trained from scratch on all training images.
//
//   Retraining retraining(folder, options, prices, arch, data);
//   retraining.run(save_every_s);
//   retraining.finish();            // result.json, network.pt

#pragma once

#include <torch/optim.h>
#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint.h"
#include "epochs.h"
#include "images.h"
#include "options.h"
#include "prices.h"
#include "run_folder.h"
#include "supernet.h"

namespace fbnet_supernet {

class Retraining : public Training {
 public:
  // Continues where the folder has a checkpoint. All references must live as long.
  // Errors: std::runtime_error where there are too few images for a batch; where the checkpoint is damaged.
  Retraining(const RunFolder& folder, const TrainingOptions& options, const Prices& prices,
             const std::vector<int64_t>& arch, const DataSet& data);

  // Writes result.json and network.pt, and says what was reached.
  std::string finish();

 private:
  int64_t steps() const override { return data_.train.count() / options_.batch; }
  std::string heading() const override { return "epoch  training: CE, acc.   test: CE, acc."; }
  void begin_epoch() override;
  void take_step(int64_t step) override;
  std::string finish_epoch(double seconds) override;
  void save() const override;

  double learning_rate() const { return cosine(options_.learning_rate, position_.epoch, epochs()); }
  Sums test();

  const RunFolder& folder_;
  const TrainingOptions& options_;
  const Prices& prices_;
  torch::Tensor arch_;  // int64 [L]
  const DataSet& data_;
  Network network_;
  torch::optim::SGD optimizer_;
  Sums sums_;  // of the epoch
};

}  // namespace fbnet_supernet
