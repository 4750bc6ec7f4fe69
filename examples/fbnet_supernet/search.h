// The search: weights and architecture parameters of a supernet, in turns.
//
//   Search search(folder, options, prices, images);
//   search.run(save_every_s);
//   Network chosen = search.supernet()->network(prices.arg_max(search.theta()));
//
// An epoch has two phases. In the first, SGD trains the weights of all blocks on most of the images; in the
// second, Adam trains theta on the others, by a loss that contains the latency of the very sample that mixed
// the blocks. In the first epochs theta rests, and the second phase only measures.
//
// Source: FBNet (Wu et al., CVPR 2019), section 4 and its experiments.

#pragma once

#include <torch/optim.h>
#include <torch/types.h>

#include <cstdint>
#include <string>
#include <utility>

#include "checkpoint.h"
#include "epochs.h"
#include "images.h"
#include "options.h"
#include "prices.h"
#include "run_folder.h"
#include "supernet.h"

namespace fbnet_supernet {

class Search : public Training {
 public:
  // Continues where the folder has a checkpoint. All arguments must live as long.
  // Errors: std::runtime_error where there are too few images for a batch of each phase; where the checkpoint
  // is damaged.
  Search(const RunFolder& folder, const SearchOptions& options, const Prices& prices, const ImageSet& images);

  const torch::Tensor& theta() const { return theta_; }  // float32 [L, C]
  const Supernet& supernet() const { return supernet_; }

 private:
  struct Phase {
    std::string name;
    torch::Tensor images;  // int64, which ones belong to it
    int64_t steps;         // of an epoch; whole batches only
    Sums sums = {};        // of the epoch
  };

  int64_t steps() const override { return weights_.steps + theta_phase_.steps; }
  std::string heading() const override;
  void begin_epoch() override;
  void take_step(int64_t step) override;
  std::string finish_epoch(double seconds) override;
  void save() const override;

  void restore();
  double temperature() const;
  double learning_rate() const;
  bool theta_moves() const { return position_.epoch >= options_.warm_up_epochs; }
  // Images and labels of a step.
  std::pair<torch::Tensor, torch::Tensor> batch(const Phase& phase, int64_t step) const;
  // The weights [L, C] that mix the blocks, and the latency of just these.
  std::pair<torch::Tensor, torch::Tensor> sample(const torch::Tensor& theta, const Phase& phase,
                                                 int64_t step) const;
  void train_weights(int64_t step);
  void train_theta(int64_t step);
  void measure(int64_t step);

  const RunFolder& folder_;
  const SearchOptions& options_;
  const Prices& prices_;
  const ImageSet& images_;
  Supernet supernet_;
  torch::Tensor theta_;
  torch::optim::SGD weights_optimizer_;
  torch::optim::Adam theta_optimizer_;
  Phase weights_;
  Phase theta_phase_;
};

// The loss of theta that the options name. `cross_entropy` and `latency_us` are scalars.
torch::Tensor loss_of(const SearchOptions& options, const torch::Tensor& cross_entropy,
                      const torch::Tensor& latency_us);

}  // namespace fbnet_supernet
