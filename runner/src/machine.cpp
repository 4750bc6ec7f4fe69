#include "latgrad/runner/machine.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace latgrad::runner {
namespace {

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank(" \t\n\0", 4);  // device-tree names end with a zero byte
  size_t first = text.find_first_not_of(kBlank);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::string read_text(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string read_line(const std::filesystem::path& path) {
  return std::string(trim(read_text(path.c_str())));
}

std::string cache_sizes(const std::filesystem::path& cpu) {
  std::string sizes;
  for (int index = 0;; ++index) {
    std::filesystem::path cache = cpu / "cache" / ("index" + std::to_string(index));
    std::string level = read_line(cache / "level");
    if (level.empty()) return sizes;
    std::string type = read_line(cache / "type");
    std::string_view kind = type == "Data" ? "d" : type == "Instruction" ? "i" : "";
    if (!sizes.empty()) sizes += ", ";
    sizes.append("L").append(level).append(kind).append(" ").append(read_line(cache / "size"));
  }
}

// Words that vendors add to every CPU's name.
bool is_filler(std::string_view word) {
  constexpr std::string_view kFillers[] = {"cpu", "processor", "r", "tm", "c"};
  return std::find(std::begin(kFillers), std::end(kFillers), word) != std::end(kFillers);
}

// Lower-case words of letters and digits, joined by hyphens; the clock after an `@` is dropped.
std::string sanitised(std::string_view text) {
  text = text.substr(0, text.find('@'));
  std::string result;
  std::string word;
  auto end_word = [&] {
    if (!word.empty() && !is_filler(word)) {
      if (!result.empty()) result += '-';
      result += word;
    }
    word.clear();
  };
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 128 && std::isalnum(byte)) {
      word += static_cast<char>(std::tolower(byte));
    } else {
      end_word();
    }
  }
  end_word();
  return result;
}

}  // namespace

Machine parse_cpuinfo(std::string_view cpuinfo) {
  Machine machine;
  while (!cpuinfo.empty()) {
    std::string_view line = cpuinfo.substr(0, cpuinfo.find('\n'));
    cpuinfo.remove_prefix(std::min(line.size() + 1, cpuinfo.size()));
    size_t colon = line.find(':');
    if (colon == line.npos) continue;
    std::string_view name = trim(line.substr(0, colon));
    std::string value(trim(line.substr(colon + 1)));
    if (name == "model name" && machine.cpu_model.empty()) machine.cpu_model = value;
    if (name == "cpu family" && machine.cpu_family.empty()) machine.cpu_family = value;
    if (name == "model" && machine.cpu_model_number.empty()) machine.cpu_model_number = value;
    if (name == "cpu MHz" && machine.frequency.empty())
      machine.frequency = value.substr(0, value.find('.')) + " MHz";
    if (name == "Hardware" && machine.cpu_model.empty()) machine.cpu_model = value;
  }
  return machine;
}

Machine this_machine() {
  Machine machine = parse_cpuinfo(read_text("/proc/cpuinfo"));
  if (machine.cpu_model.empty()) machine.cpu_model = trim(read_text("/proc/device-tree/model"));
  utsname names{};
  if (uname(&names) == 0) {
    machine.architecture = names.machine;
    machine.system = std::string(names.sysname) + " " + names.release;
  }
  // All cores of the machine; this process may be pinned to fewer.
  machine.logical_cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  const std::filesystem::path cpu = "/sys/devices/system/cpu/cpu0";
  machine.caches = cache_sizes(cpu);
  machine.governor = read_line(cpu / "cpufreq/scaling_governor");
  if (std::string khz = read_line(cpu / "cpufreq/scaling_cur_freq"); khz.size() > 3) {
    machine.frequency = khz.substr(0, khz.size() - 3) + " MHz";
  }
  return machine;
}

std::string default_device(const Machine& machine, std::string_view engine) {
  std::string name = sanitised(machine.cpu_model);
  if (name.empty()) name = sanitised(machine.architecture);
  if (name.empty()) name = "unknown";
  bool has_digit = std::any_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c); });
  if (!has_digit && !machine.cpu_family.empty() && !machine.cpu_model_number.empty()) {
    name += "-family" + sanitised(machine.cpu_family) + "-model" + sanitised(machine.cpu_model_number);
  }
  return name + "-" + sanitised(engine);
}

std::optional<double> load_average() {
  double average = 0;
  if (getloadavg(&average, 1) != 1) return std::nullopt;
  return average;
}

}  // namespace latgrad::runner
