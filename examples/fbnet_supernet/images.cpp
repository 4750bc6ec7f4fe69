#include "images.h"

#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "generator.h"
#include "seeds.h"

namespace fbnet_supernet {

namespace F = torch::nn::functional;
using torch::Tensor;
using torch::indexing::None;
using torch::indexing::Slice;

namespace {

// Where the noise of a generated image is repeated, as {down, right} in pixels: one offset a class. A kernel
// tells two of them apart only where it spans both, so the far ones need wide kernels or many layers.
constexpr std::array<std::array<int64_t, 2>, 8> kOffsets = {
    {{0, 1}, {1, 0}, {1, 1}, {1, -1}, {0, 2}, {2, 0}, {2, 2}, {2, -2}}};

constexpr int64_t kCifarSize = 32;
constexpr int64_t kCifarClasses = 10;

Tensor shifted_and_mirrored(const Tensor& batch, uint64_t seed) {
  const int64_t count = batch.size(0);
  const int64_t height = batch.size(2);
  const int64_t width = batch.size(3);
  const int64_t margin = std::max<int64_t>(1, height / 8);
  const Tensor padded =
      F::pad(batch, F::PadFuncOptions({margin, margin, margin, margin}).mode(torch::kReflect));
  const at::Generator random = generator(seed);
  const Tensor top = torch::randint(0, 2 * margin + 1, {count, 1}, random, torch::kLong);
  const Tensor left = torch::randint(0, 2 * margin + 1, {count, 1}, random, torch::kLong);
  const Tensor mirrored = torch::rand({count, 1}, random) < 0.5;
  const Tensor forward = torch::arange(width);
  const Tensor rows = top + torch::arange(height);                                 // [N, H]
  const Tensor columns = left + torch::where(mirrored, forward.flip(0), forward);  // [N, W]
  const Tensor image = torch::arange(count).index({Slice(), None, None});
  // The dimension of channels comes last of an indexing that has a slice between indices.
  return padded
      .index({image, Slice(), rows.index({Slice(), Slice(), None}), columns.index({Slice(), None, Slice()})})
      .permute({0, 3, 1, 2});
}

// uint8 [N, 1 + 3 * 32 * 32]: the label, then red, green and blue, row by row.
Tensor cifar_records(const std::filesystem::path& path) {
  constexpr int64_t kRecord = 1 + 3 * kCifarSize * kCifarSize;
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw std::runtime_error("CIFAR-10 must lie in the folder as its binary version, but " + path.string() +
                             " is no file");
  }
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  const auto size = static_cast<int64_t>(bytes.size());
  if (size == 0 || size % kRecord != 0) {
    throw std::runtime_error(path.string() + " must hold records of " + std::to_string(kRecord) +
                             " bytes, got " + std::to_string(size) + " bytes");
  }
  const Tensor records = torch::from_blob(bytes.data(), {size / kRecord, kRecord}, torch::kByte).clone();
  const auto last = records.select(1, 0).max().item<int64_t>();
  if (last >= kCifarClasses) {
    throw std::runtime_error(path.string() + " must hold labels from 0 to 9, got " + std::to_string(last));
  }
  return records;
}

ImageSet cifar_set(const std::filesystem::path& folder, const std::vector<std::string>& names, int64_t limit,
                   int64_t size, bool augment) {
  std::vector<Tensor> files;
  for (const std::string& name : names) files.push_back(cifar_records(folder / name));
  Tensor records = torch::cat(files);
  if (limit > 0) records = records.slice(0, 0, limit);
  return {.images = records.slice(1, 1).reshape({-1, 3, kCifarSize, kCifarSize}),
          .labels = records.select(1, 0).to(torch::kLong),
          .size = size,
          .augment = augment};
}

}  // namespace

std::pair<Tensor, Tensor> ImageSet::load(const Tensor& indices, std::optional<uint64_t> augmentation) const {
  Tensor batch = images.index_select(0, indices).to(torch::kFloat).sub_(127.5).div_(64.0);
  if (batch.size(2) != size || batch.size(3) != size) {
    batch = F::interpolate(batch, F::InterpolateFuncOptions()
                                      .size(std::vector<int64_t>{size, size})
                                      .mode(torch::kBilinear)
                                      .align_corners(false));
  }
  if (augment && augmentation) batch = shifted_and_mirrored(batch, *augmentation);
  return {batch.contiguous(torch::MemoryFormat::ChannelsLast), labels.index_select(0, indices)};
}

DataSet load_images(const SearchOptions& options, int64_t size) {
  const auto or_default = [](int64_t count, int64_t otherwise) { return count > 0 ? count : otherwise; };
  if (options.data == "cifar10") {
    return read_cifar10(options.data_folder.value(), size, options.train_images, options.test_images);
  }
  return generate_images(size, or_default(options.train_images, 8000), or_default(options.test_images, 2000),
                         options.training.seed);
}

DataSet generate_images(int64_t size, int64_t train, int64_t test, int64_t seed) {
  const at::Generator random = generator(seed_at(seed, "generated images"));
  const int64_t total = train + test;
  const auto classes = static_cast<int64_t>(kOffsets.size());
  const Tensor labels = torch::randint(0, classes, {total}, random, torch::kLong);
  const Tensor noise = torch::randn({total, 3, size, size}, random);
  Tensor images = torch::randn({total, 3, size, size}, random).mul_(0.2);
  for (int64_t label = 0; label < classes; ++label) {
    const Tensor chosen = (labels == label).nonzero().squeeze(1);
    const Tensor repeated = noise.index_select(0, chosen);
    images.index_add_(0, chosen, repeated + repeated.roll(kOffsets[label], {2, 3}));
  }
  images = images.mul_(40.0).add_(127.5).clamp_(0, 255).to(torch::kByte);
  // Not augmented: a mirrored image would be one of another class.
  const auto part = [&](int64_t begin, int64_t end) {
    return ImageSet{
        .images = images.slice(0, begin, end), .labels = labels.slice(0, begin, end), .size = size};
  };
  return {.train = part(0, train), .test = part(train, total), .classes = classes};
}

DataSet read_cifar10(const std::filesystem::path& folder, int64_t size, int64_t train, int64_t test) {
  std::vector<std::string> names;
  for (int number = 1; number <= 5; ++number)
    names.push_back("data_batch_" + std::to_string(number) + ".bin");
  return {.train = cifar_set(folder, names, train, size, /*augment=*/true),
          .test = cifar_set(folder, {"test_batch.bin"}, test, size, /*augment=*/false),
          .classes = kCifarClasses};
}

}  // namespace fbnet_supernet
