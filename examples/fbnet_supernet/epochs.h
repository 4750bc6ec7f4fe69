// A training that can be stopped and continued after any step: the loop over epochs and steps.
//
//   class Search : public Training { ... };
//   search.run(save_every_s);
//
// It ends with a checkpoint whenever it ends in an orderly way, and with one that is at most `save_every_s`
// old where it does not.

#pragma once

#include <cstdint>
#include <string>

namespace fbnet_supernet {

// Where a training stands: what a checkpoint must hold beside parameters and optimizers.
struct Position {
  int64_t epoch = 0;
  int64_t step = 0;    // within the epoch
  double seconds = 0;  // that the epoch took in earlier processes
};

class Training {
 public:
  virtual ~Training() = default;

  // From where it stands to the last epoch.
  // Errors: Stopped where the process was asked to stop, once the checkpoint is that of the last step.
  void run(double save_every_s);

 protected:
  explicit Training(int64_t epochs) : epochs_(epochs) {}

  virtual int64_t steps() const = 0;        // in an epoch
  virtual std::string heading() const = 0;  // of the lines that finish_epoch returns
  virtual void begin_epoch() = 0;           // or goes on with it
  virtual void take_step(int64_t step) = 0;
  virtual std::string finish_epoch(double seconds) = 0;  // writes the log
  virtual void save() const = 0;

  int64_t epochs() const { return epochs_; }
  Position position_;

 private:
  int64_t epochs_;
};

// A learning rate that falls from `first` to nearly 0 as half a cosine.
double cosine(double first, int64_t epoch, int64_t epochs);

}  // namespace fbnet_supernet
